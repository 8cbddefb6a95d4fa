//! Statements that find rows by many keys: one after the other by calendar and key.
//!
//! With `IN` the server may as well read all rows of the calendar and compare them with the list: what is cheaper it guesses
//! from how large calendars are on the whole. A first full sync of a large one then reads all that it has written, with each
//! page (one of 100,000 events took 26 to 68 s instead of 15 s). With `OFFSET 0` each key is looked up
//! by itself, where there is nothing to guess.

use sqlx::{Postgres, QueryBuilder};

use crate::lookup::Lookup;

/// Reads these columns of the rows.
pub fn push_select(query: &mut QueryBuilder<Postgres>, columns: &str, lookup: Lookup, calendar: &str, keys: &[&str]) {
    query.push("SELECT ").push(columns).push(" FROM ");
    push_found(query, columns, lookup, calendar, keys);
}

/// Adds to a statement that changes or deletes rows which ones. Whoever does that holds the calendar's row, so that nobody
/// moves them meanwhile.
pub fn push_where(query: &mut QueryBuilder<Postgres>, lookup: Lookup, calendar: &str, keys: &[&str]) {
    query.push(" WHERE ctid = ANY(ARRAY(SELECT ctid FROM ");
    push_found(query, "ctid", lookup, calendar, keys);
    query.push("))");
}

fn push_found(query: &mut QueryBuilder<Postgres>, columns: &str, lookup: Lookup, calendar: &str, keys: &[&str]) {
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    query.push("unnest(").push_bind(keys).push("::text[]) AS keys(key) CROSS JOIN LATERAL (SELECT ").push(columns);
    query.push(" FROM ").push(lookup.table()).push(" WHERE calendar_id = ").push_bind(calendar.to_owned());
    query.push(" AND ").push(lookup.column()).push(" = keys.key OFFSET 0) AS found");
}
