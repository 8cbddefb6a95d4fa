//! The way to Temporal, by the SDK's own environment configuration (`TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, TLS, API
//! key, profile file).

use anyhow::anyhow;
use temporalio_client::envconfig::LoadClientConfigProfileOptions;
use temporalio_client::{ClientOptions, ConnectionOptions};

/// Where Temporal is and how to talk to it.
#[derive(Clone)]
pub struct TemporalTarget {
    /// The connection.
    pub connection: ConnectionOptions,
    /// The namespace and the data converter.
    pub client: ClientOptions,
}

/// Reads it; `identity` is how the process calls itself in the Temporal UI.
pub fn temporal_target(identity: &str) -> anyhow::Result<TemporalTarget> {
    let (mut connection, client) =
        ClientOptions::load_from_config(LoadClientConfigProfileOptions::default()).map_err(|error| {
            anyhow!("the way to Temporal cannot be read: {error}; for example TEMPORAL_ADDRESS=127.0.0.1:7233")
        })?;
    identity.clone_into(&mut connection.identity);
    Ok(TemporalTarget { connection, client })
}
