//! The codec endpoint, and the keys that it shares with all clients and workers of Temporal.

use std::net::SocketAddr;

use evercal_config::reading::{optional_secret, or_default};
use evercal_config::{ALL_ROLES, About, CODEC, DefaultValue, Kind, Setting};
use evercal_payload_codec::SealingCodec;
use evercal_sealing::Keyring;
use http::HeaderValue;

use crate::origins::origins;

/// The keys that seal what Temporal keeps; the first seals, all open. Nothing is sealed without.
pub static PAYLOAD_KEY: Setting<Option<SealingCodec>> = Setting {
    about: About {
        name: "EVERCAL_PAYLOAD_KEY",
        read_by: ALL_ROLES,
        kind: Kind::Secret,
        default: DefaultValue::Nothing("payloads stay readable in Temporal"),
        example: "p1: followed by the output of `openssl rand -base64 32`",
        meaning: "keys that seal what Temporal keeps, as id:base64, comma-separated; the first seals, all open. The codec \
                  endpoint does not start without",
    },
    read: |reader| {
        let Some(text) = optional_secret(reader)? else { return Ok(None) };
        let keyring = Keyring::parse(text.expose()).map_err(|error| reader.error(error))?;
        Ok(Some(SealingCodec::new(keyring)))
    },
};

/// Where the codec endpoint listens.
pub static ADDRESS: Setting<SocketAddr> = Setting {
    about: About {
        name: "EVERCAL_CODEC_ADDRESS",
        read_by: CODEC,
        kind: Kind::Plain,
        default: DefaultValue::Value("127.0.0.1:8234"),
        example: "127.0.0.1:8234",
        meaning: "where the codec endpoint listens. Never where others than operators reach it",
    },
    read: or_default,
};

/// The origins of Temporal's UI, whose pages may ask the codec endpoint.
pub static ORIGINS: Setting<Vec<HeaderValue>> = Setting {
    about: About {
        name: "EVERCAL_CODEC_ORIGINS",
        read_by: CODEC,
        kind: Kind::Plain,
        default: DefaultValue::Nothing("no browser"),
        example: "https://temporal.example.com,http://localhost:8233",
        meaning: "where Temporal's UI is opened, comma-separated",
    },
    read: origins,
};
