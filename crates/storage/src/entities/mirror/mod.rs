//! The mirror of a calendar: its rows, their occurrences, how far it was read, and what pages of a pass do to it.

pub mod commit;
pub mod erasure;
pub mod events;
pub mod feed;
pub mod occurrence_key;
pub mod occurrences;
pub mod position;
pub mod quarantine;
pub mod sync_runs;
