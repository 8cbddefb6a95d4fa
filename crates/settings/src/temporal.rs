//! Temporal's own settings, which its SDK reads (`target.rs`): described here, and checked for mistakes that the SDK ignores.

use std::path::Path;

use evercal_config::{About, ConfigError, DefaultValue, GATEWAY_AND_WORKER, Kind, Lookup, Reader, Setting};

use crate::codec::PAYLOAD_KEY;
use crate::target::{TemporalTarget, temporal_target};

/// The identity in Temporal of a command that only reads the settings.
const IDENTITY: &str = "evercal config";
/// What is shown of a file or a key.
const NOT_SHOWN: &str = "set, not shown";
const PATH_EXAMPLE: &str = "/etc/evercal/temporal.pem";

impl TemporalTarget {
    /// Seals what is sent and opens what comes, where `EVERCAL_PAYLOAD_KEY` is set.
    pub fn sealing(mut self, lookup: &Lookup<'_>) -> Result<Self, ConfigError> {
        if let Some(codec) = PAYLOAD_KEY.read(lookup)? {
            self.client.data_converter = codec.into_converter();
        }
        Ok(self)
    }
}

/// A setting that the SDK reads, and evercal only checks.
const fn of_the_sdk(
    name: &'static str,
    kind: Kind,
    default: DefaultValue,
    example: &'static str,
    meaning: &'static str,
    read: fn(&Reader<'_>) -> Result<(), ConfigError>,
) -> Setting<()> {
    Setting { about: About { name, read_by: GATEWAY_AND_WORKER, kind, default, example, meaning }, read }
}

/// The server. What is wrong with the configuration as a whole is an error of this setting.
pub static ADDRESS: Setting<()> = of_the_sdk(
    "TEMPORAL_ADDRESS",
    Kind::Address,
    DefaultValue::TemporalSdk {
        find: || found(|target| Some(target.connection.target.to_string())),
        nothing: "127.0.0.1:7233",
    },
    "127.0.0.1:7233",
    "where Temporal is",
    |reader| match temporal_target(IDENTITY) {
        Err(error) => Err(reader.error(error)),
        Ok(target) if target.connection.tls_options.is_some() && target.connection.target.scheme() == "http" => {
            let problem = "begins with http://, so that nothing is encrypted although TLS is asked for";
            Err(ConfigError::new("TEMPORAL_ADDRESS", problem, "temporal.example.com:7233"))
        }
        Ok(_) => Ok(()),
    },
);

/// The namespace.
pub static NAMESPACE: Setting<()> = of_the_sdk(
    "TEMPORAL_NAMESPACE",
    Kind::Plain,
    DefaultValue::TemporalSdk { find: || found(|target| Some(target.client.namespace.clone())), nothing: "default" },
    "evercal",
    "Temporal's namespace",
    |_| Ok(()),
);

/// An API key.
pub static API_KEY: Setting<()> = of_the_sdk(
    "TEMPORAL_API_KEY",
    Kind::SdkSecret,
    DefaultValue::TemporalSdk {
        find: || found(|target| target.connection.api_key.as_ref().map(|_| NOT_SHOWN.to_owned())),
        nothing: "no key",
    },
    "the key that Temporal's operator gave out",
    "an API key; TLS is on with it",
    |_| Ok(()),
);

/// Whether TLS is on.
pub static TLS: Setting<()> = of_the_sdk(
    "TEMPORAL_TLS",
    Kind::Plain,
    DefaultValue::TemporalSdk {
        find: || found(|target| Some(target.connection.tls_options.is_some().to_string())),
        nothing: "false",
    },
    "true",
    "true or false; on also with any of the next four",
    |reader| switch(reader).map(drop),
);

/// Who signed Temporal's certificate.
pub static TLS_SERVER_CA_CERT_PATH: Setting<()> = of_the_sdk(
    "TEMPORAL_TLS_SERVER_CA_CERT_PATH",
    Kind::Plain,
    DefaultValue::TemporalSdk { find: || found(authority), nothing: "the authorities of this machine" },
    PATH_EXAMPLE,
    "who signed Temporal's certificate, where this machine does not trust them; `…_DATA` in place of `…_PATH` is the PEM text \
     itself",
    |_| Ok(()),
);

/// The name in Temporal's certificate.
pub static TLS_SERVER_NAME: Setting<()> = of_the_sdk(
    "TEMPORAL_TLS_SERVER_NAME",
    Kind::Plain,
    DefaultValue::TemporalSdk { find: || found(server_name), nothing: "the host of TEMPORAL_ADDRESS" },
    "temporal.example.com",
    "the name in Temporal's certificate, where it is not the host's",
    |_| Ok(()),
);

/// The certificate that Temporal wants to see.
pub static TLS_CLIENT_CERT_PATH: Setting<()> = of_the_sdk(
    "TEMPORAL_TLS_CLIENT_CERT_PATH",
    Kind::Plain,
    DefaultValue::TemporalSdk { find: || found(client_certificate), nothing: "no certificate" },
    PATH_EXAMPLE,
    "the certificate that Temporal wants to see; with its key or not at all, `…_DATA` as above",
    |_| Ok(()),
);

/// The key of that certificate.
pub static TLS_CLIENT_KEY_PATH: Setting<()> = of_the_sdk(
    "TEMPORAL_TLS_CLIENT_KEY_PATH",
    Kind::Plain,
    DefaultValue::TemporalSdk { find: || found(client_certificate), nothing: "no certificate" },
    PATH_EXAMPLE,
    "the key of that certificate",
    |_| Ok(()),
);

/// Whether the certificate's name is not verified: the SDK for Rust reads the variable and verifies all the same.
pub static TLS_DISABLE_HOST_VERIFICATION: Setting<()> = of_the_sdk(
    "TEMPORAL_TLS_DISABLE_HOST_VERIFICATION",
    Kind::Plain,
    DefaultValue::Value("false"),
    "false",
    "not supported: certificates are always verified",
    |reader| {
        if switch(reader)? {
            return Err(reader.error(
                "has no effect: certificates are always verified; \
                 use TEMPORAL_TLS_SERVER_CA_CERT_PATH and TEMPORAL_TLS_SERVER_NAME instead",
            ));
        }
        Ok(())
    },
);

/// The profile in the SDK's file.
pub static PROFILE: Setting<()> = of_the_sdk(
    "TEMPORAL_PROFILE",
    Kind::Plain,
    DefaultValue::Value("default"),
    "production",
    "the profile of the SDK's file that is used where these variables say nothing",
    |_| Ok(()),
);

/// The SDK's file of profiles. The SDK goes on without one that does not exist.
pub static CONFIG_FILE: Setting<()> = of_the_sdk(
    "TEMPORAL_CONFIG_FILE",
    Kind::Plain,
    DefaultValue::Nothing("temporalio/temporal.toml in the user's configuration folder"),
    "/etc/evercal/temporal.toml",
    "a file of profiles, in the form of Temporal's SDK",
    |reader| match reader.text() {
        Some(path) if !Path::new(&path).exists() => Err(reader.error("names a file that does not exist")),
        _ => Ok(()),
    },
);

/// What the SDK found. Where its configuration cannot be read, the check of the address says why.
fn found(read: fn(&TemporalTarget) -> Option<String>) -> Result<Option<String>, ConfigError> {
    temporal_target(IDENTITY).map(|target| read(&target)).map_err(|error| ADDRESS.about.error(error))
}

/// A switch. The SDK ignores a value that is neither true nor false.
fn switch(reader: &Reader<'_>) -> Result<bool, ConfigError> {
    match reader.text().map(|text| text.to_lowercase()).as_deref() {
        None | Some("false" | "0") => Ok(false),
        Some("true" | "1") => Ok(true),
        Some(_) => Err(reader.error("is neither true nor false")),
    }
}

fn authority(target: &TemporalTarget) -> Option<String> {
    target.connection.tls_options.as_ref()?.server_root_ca_cert.as_ref().map(|_| NOT_SHOWN.to_owned())
}

fn server_name(target: &TemporalTarget) -> Option<String> {
    target.connection.tls_options.as_ref()?.domain.clone()
}

fn client_certificate(target: &TemporalTarget) -> Option<String> {
    target.connection.tls_options.as_ref()?.client_tls_options.as_ref().map(|_| NOT_SHOWN.to_owned())
}
