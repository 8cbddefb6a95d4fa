//! What the codec endpoint has to know to run.

use std::net::SocketAddr;

use axum::http::HeaderValue;
use evercal_payload_codec::SealingCodec;
use evercal_settings::{ConfigError, Lookup};

/// Where it listens when nothing else is said.
pub const DEFAULT_ADDRESS: &str = "127.0.0.1:8234";

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
            ConfigError::new("EVERCAL_PAYLOAD_KEY", problem, "the value that gateway and worker have")
        };
        Ok(Self {
            address: address(lookup)?,
            origins: origins(lookup)?,
            codec: evercal_settings::payload_codec(lookup)?.ok_or_else(missing)?,
        })
    }
}

/// `EVERCAL_CODEC_ADDRESS`: where it listens.
pub fn address(lookup: &Lookup<'_>) -> Result<SocketAddr, ConfigError> {
    lookup.or_default("EVERCAL_CODEC_ADDRESS", DEFAULT_ADDRESS, DEFAULT_ADDRESS)
}

/// `EVERCAL_CODEC_ORIGINS`: where Temporal's UI is opened, as in the header `Origin`, comma-separated.
pub fn origins(lookup: &Lookup<'_>) -> Result<Vec<HeaderValue>, ConfigError> {
    lookup.origins("EVERCAL_CODEC_ORIGINS", "https://temporal.example.com,http://localhost:8233")
}
