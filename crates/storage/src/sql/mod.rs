//! What a database is asked and what it answers: SQL texts and row types that do not depend on the engine.
//!
//! The texts use `$1` placeholders, `ON CONFLICT` and `RETURNING`, which SQLite and PostgreSQL share. Statements with many
//! rows are put together by the backend. Not for: running anything.

pub mod lookup;
pub mod mirror;
pub mod reading;
pub mod revisions;

pub use crate::columns::{
    corrupt, from_json, instant, instant_or_none, micros, midnight_micros, parsed, readable, storable, time_us,
    to_json, zone_of,
};
pub use crate::paging::{after_id, from_cursor, invalid_cursor, page_of, rows_to_fetch, to_cursor};
