//! Statements that find rows by many keys: in a list, since SQLite looks up each of them in the index.

use sqlx::{QueryBuilder, Sqlite};

use crate::lookup::Lookup;

/// Reads these columns of the rows.
pub fn select(columns: &str, lookup: Lookup, calendar: &str, keys: &[&str]) -> QueryBuilder<Sqlite> {
    of_keys(&format!("SELECT {columns}"), lookup, calendar, keys)
}

/// Deletes the rows; `RETURNING` may follow.
pub fn delete(lookup: Lookup, calendar: &str, keys: &[&str]) -> QueryBuilder<Sqlite> {
    of_keys("DELETE", lookup, calendar, keys)
}

fn of_keys(verb: &str, lookup: Lookup, calendar: &str, keys: &[&str]) -> QueryBuilder<Sqlite> {
    // The index is named because SQLite, which knows no statistics here, would walk through all occurrences of the calendar.
    let index = match lookup {
        Lookup::OccurrencesByOwner => " INDEXED BY occurrences_by_owner",
        Lookup::EventsById | Lookup::EventsBySeries => "",
    };
    let mut query = QueryBuilder::new(format!("{verb} FROM {}{index} WHERE calendar_id = ", lookup.table()));
    query.push_bind(calendar.to_owned()).push(" AND ").push(lookup.column()).push(" IN (");
    let mut list = query.separated(", ");
    for key in keys {
        list.push_bind((*key).to_owned());
    }
    query.push(")");
    query
}
