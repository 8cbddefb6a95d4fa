//! The mirror: a file for each of its entities. `commit` puts their statements together in one transaction.

pub mod commit;
pub mod erasure;
pub mod events;
pub mod feed;
pub mod inserts;
pub mod occurrences;
pub mod position;
pub mod quarantine;
pub mod revisions;
pub mod snapshot;
pub mod sync_runs;
pub mod worklist;

use super::{Backend, Connection, Database, Engine, calendars, conflict, execute, failed, fetch_value, not_found};

/// Ids in one `IN (…)` list.
const IDS_PER_STATEMENT: usize = 500;
/// Rows in one `INSERT`. Large enough that the cost per statement vanishes, far below the parameters that an
/// engine takes (SQLite 32,766).
const ROWS_PER_STATEMENT: usize = 200;
