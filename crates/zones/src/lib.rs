//! Time zones: their names, their clocks, and the data that both come from.
//!
//! The data are IANA's: those of the machine where they are newer than the ones that are compiled in (`data`). They can
//! change while a process runs, so a [`Zone`] is only a name; its [`Clock`] is looked up when it is needed.
//!
//! Not for: names that other makers give to zones, and zones that a calendar object defines (`crates/recurrence`).

mod chronology;
mod clock;
mod data;
mod fixed;
mod zone;

pub use chronology::ZoneOffset;
pub use clock::Clock;
pub use data::{SYSTEM_FOLDER, Source, ZoneDataVersion, bundled_version, refresh, source, use_folder, version};
pub use zone::{UnknownZone, Zone};
