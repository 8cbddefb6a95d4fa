//! Statements that find rows by many keys: in a list, since SQLite looks up each of them in the index.

use sqlx::{QueryBuilder, Sqlite};

use crate::lookup::Lookup;

/// Reads these columns of the rows.
pub fn push_select(query: &mut QueryBuilder<Sqlite>, columns: &str, lookup: Lookup, calendar: &str, keys: &[&str]) {
    query.push("SELECT ").push(columns).push(" FROM ").push(lookup.table());
    push_where(query, lookup, calendar, keys);
}

/// Adds to a statement which rows it is about.
pub fn push_where(query: &mut QueryBuilder<Sqlite>, lookup: Lookup, calendar: &str, keys: &[&str]) {
    // The index is named because SQLite, which knows no statistics here, would walk through all occurrences of the calendar.
    let index = match lookup {
        Lookup::OccurrencesByOwner => " INDEXED BY occurrences_by_owner",
        Lookup::EventsById | Lookup::EventsBySeries | Lookup::WorklistById => "",
    };
    query.push(index).push(" WHERE calendar_id = ");
    query.push_bind(calendar.to_owned()).push(" AND ").push(lookup.column()).push(" IN (");
    let mut list = query.separated(", ");
    for key in keys {
        list.push_bind((*key).to_owned());
    }
    query.push(")");
}
