//! SQL of looking after a store.

use std::sync::LazyLock;

use crate::tables::TABLES;

/// One statement that needs each table, and stops at the first row of each.
pub static READ_EACH_TABLE: LazyLock<String> = LazyLock::new(|| {
    let tables: Vec<String> = TABLES.iter().map(|table| format!("(SELECT 1 FROM {table} LIMIT 1)")).collect();
    format!("SELECT {}", tables.join(", "))
});

/// Writes, and answers whose database it is. The id is taken by an empty one only. The time does not move backwards: two
/// processes whose clocks are apart must not make the database look older than it is. But one that is more than a day ahead
/// (`$3`) was written by a wrong clock.
pub const WRITE: &str = "INSERT INTO installation (place, id, written_at) VALUES (1, $1, $2) \
     ON CONFLICT (place) DO UPDATE SET written_at = CASE WHEN excluded.written_at > installation.written_at \
     OR installation.written_at > $3 THEN excluded.written_at ELSE installation.written_at END RETURNING id";

pub const WRITTEN_AT: &str = "SELECT written_at FROM installation WHERE place = 1";
