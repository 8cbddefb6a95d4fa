//! The connection to Temporal, by the SDK's own environment configuration (`TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, TLS, API
//! key, profile file).

use anyhow::anyhow;
use temporalio_client::envconfig::LoadClientConfigProfileOptions;
use temporalio_client::{ClientOptions, ConnectionOptions, GrpcCompression};
use url::{Host, Url};

/// How Temporal is reached.
#[derive(Clone)]
pub struct TemporalTarget {
    /// The connection.
    pub connection: ConnectionOptions,
    /// The namespace and the data converter.
    pub client: ClientOptions,
}

/// Reads the environment and the profile; `identity` is the name of the process in the Temporal UI.
pub fn temporal_target(identity: &str) -> anyhow::Result<TemporalTarget> {
    let (mut connection, client) =
        ClientOptions::load_from_config(LoadClientConfigProfileOptions::default()).map_err(|error| {
            anyhow!("the way to Temporal cannot be read: {error}; for example TEMPORAL_ADDRESS=127.0.0.1:7233")
        })?;
    identity.clone_into(&mut connection.identity);
    if is_this_machine(&connection.target) {
        // Small messages that never leave the machine: both ends would pack and unpack for nothing.
        connection.grpc_compression = GrpcCompression::None;
    }
    Ok(TemporalTarget { connection, client })
}

/// Whether an address names the machine that this process runs on.
fn is_this_machine(address: &Url) -> bool {
    match address.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_on_the_machine_is_not_compressed() {
        let is_here = |address: &str| is_this_machine(&address.parse().expect("an address"));
        for here in ["http://127.0.0.1:7233", "http://[::1]:7233", "http://localhost:7233"] {
            assert!(is_here(here), "{here}");
        }
        for elsewhere in ["http://10.0.0.1:7233", "https://[2001:db8::1]:7233", "https://evercal.tmprl.cloud:7233"] {
            assert!(!is_here(elsewhere), "{elsewhere}");
        }
    }
}
