//! The store: where the mirror is kept, and the keys that seal credentials in it.

use evercal_config::reading::{optional_secret, or_default, secret};
use evercal_config::{About, ConfigError, DefaultValue, GATEWAY_AND_WORKER, Kind, Lookup, Reader, Setting};
use evercal_sealing::Keyring;
use evercal_storage::{DatabaseUrl, StoreSettings};

/// Where the mirror is kept.
pub static DATABASE_URL: Setting<DatabaseUrl> = Setting {
    about: About {
        name: "DATABASE_URL",
        read_by: GATEWAY_AND_WORKER,
        kind: Kind::SecretAddress,
        default: DefaultValue::Required,
        example: "postgres://evercal@localhost/evercal or sqlite:///var/lib/evercal/evercal.db",
        meaning: "where the mirror is kept: a PostgreSQL database, or a SQLite file whose folder exists",
    },
    read: |reader| reader.parse(secret(reader)?.expose()),
};

/// How many connections to PostgreSQL one process holds at most.
pub static DATABASE_CONNECTIONS: Setting<u32> = Setting {
    about: About {
        name: "EVERCAL_DATABASE_CONNECTIONS",
        read_by: GATEWAY_AND_WORKER,
        kind: Kind::Plain,
        default: DefaultValue::Value("10"),
        example: "10",
        meaning: "connections to PostgreSQL of one process at most, from 2 to 1000",
    },
    read: |reader| match or_default(reader)? {
        connections @ 2..=1_000 => Ok(connections),
        _ => Err(reader.error("it has to be from 2 to 1000")),
    },
};

/// The keys that seal credentials; the first seals, all open.
pub static MASTER_KEY: Setting<Keyring> = Setting {
    about: About {
        name: "EVERCAL_MASTER_KEY",
        read_by: GATEWAY_AND_WORKER,
        kind: Kind::Secret,
        default: DefaultValue::Required,
        example: "k1: followed by the output of `openssl rand -base64 32`",
        meaning: "keys that seal credentials, as id:base64, comma-separated; the first seals, all open",
    },
    read: |reader| keyring(reader, secret(reader)?.expose()),
};

fn keyring(reader: &Reader<'_>, text: &str) -> Result<Keyring, ConfigError> {
    Keyring::parse(text).map_err(|error| reader.error(error))
}

/// `EVERCAL_MASTER_KEY`, for what can be done without it.
pub fn master_key_if_set(lookup: &Lookup<'_>) -> Result<Option<Keyring>, ConfigError> {
    let reader = Reader::new(lookup, &MASTER_KEY.about);
    optional_secret(&reader)?.map(|keys| keyring(&reader, keys.expose())).transpose()
}

/// All that it takes to open the store.
pub fn settings(lookup: &Lookup<'_>) -> Result<StoreSettings, ConfigError> {
    Ok(StoreSettings {
        url: DATABASE_URL.read(lookup)?,
        connections_max: DATABASE_CONNECTIONS.read(lookup)?,
        keyring: MASTER_KEY.read(lookup)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_holds_as_many_connections_as_a_store_that_is_opened_without_settings() {
        let connections = DATABASE_CONNECTIONS.read(&Lookup::new(&|_| None)).unwrap();
        assert_eq!(connections, evercal_storage::CONNECTIONS_MAX_DEFAULT);
    }
}
