//! What every process reads for itself: time zone data, and how much is logged.

use std::path::PathBuf;

use evercal_config::reading::{optional, or_default};
use evercal_config::{ALL_ROLES, About, ConfigError, DefaultValue, GATEWAY_AND_WORKER, Kind, Lookup, Setting};
use evercal_domain::zones;
use tracing_subscriber::EnvFilter;

/// The folder of this machine's time zone data, which are used where they are newer than those that are compiled in.
pub static ZONE_DATA_FOLDER: Setting<Option<PathBuf>> = Setting {
    about: About {
        name: "EVERCAL_ZONEINFO",
        read_by: GATEWAY_AND_WORKER,
        kind: Kind::Plain,
        default: DefaultValue::Value(zones::SYSTEM_FOLDER),
        example: zones::SYSTEM_FOLDER,
        meaning: "the folder of this machine's time zone data, used where they are newer than the ones that are compiled in",
    },
    read: |reader| {
        let folder: Option<PathBuf> = optional(reader)?;
        if folder.as_ref().is_some_and(|folder| !folder.is_dir()) {
            return Err(reader.error("there is no such folder"));
        }
        Ok(folder)
    },
};

/// How much is logged.
pub static LOG_FILTER: Setting<EnvFilter> = Setting {
    about: About {
        name: "RUST_LOG",
        read_by: ALL_ROLES,
        kind: Kind::Plain,
        default: DefaultValue::Value("info"),
        example: "info,evercal_gateway=debug",
        meaning: "how much is logged; see `docs/logging.md`",
    },
    read: or_default,
};

/// Takes this machine's time zone data into use; to be called once, when a process starts.
pub fn use_zone_data(lookup: &Lookup<'_>) -> Result<(), ConfigError> {
    if let Some(folder) = ZONE_DATA_FOLDER.read(lookup)? {
        zones::use_folder(&folder);
    }
    Ok(())
}
