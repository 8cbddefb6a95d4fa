//! What the codec endpoint has to know to run.

use std::net::SocketAddr;

use axum::http::HeaderValue;
use evercal_payload_codec::SealingCodec;
use evercal_settings::{ConfigError, Lookup, codec};

/// The configuration of the codec endpoint.
pub struct CodecConfig {
    /// Where it listens (`EVERCAL_CODEC_ADDRESS`).
    pub address: SocketAddr,
    /// The addresses of Temporal's UI (`EVERCAL_CODEC_ORIGINS`); without any, no browser may use it.
    pub origins: Vec<HeaderValue>,
    /// The keys (`EVERCAL_PAYLOAD_KEY`).
    pub codec: SealingCodec,
}

impl CodecConfig {
    /// Reads the configuration; errors name the variable, what is wrong and an example.
    pub fn from_lookup(lookup: &Lookup<'_>) -> Result<Self, ConfigError> {
        let missing = || {
            let problem = "is not set: without it nothing is sealed, and there is nothing to open";
            ConfigError::new(codec::PAYLOAD_KEY.about.name, problem, "the value that gateway and worker have")
        };
        Ok(Self {
            address: codec::ADDRESS.read(lookup)?,
            origins: codec::ORIGINS.read(lookup)?,
            codec: codec::PAYLOAD_KEY.read(lookup)?.ok_or_else(missing)?,
        })
    }
}
