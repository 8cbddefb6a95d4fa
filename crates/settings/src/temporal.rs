//! Temporal's own settings, which its SDK reads (`target.rs`): described here, and checked for what the SDK passes over in
//! silence.

use std::path::Path;

use evercal_config::{About, ConfigError, GATEWAY_AND_WORKER, Given, GivenBy, Lookup, Otherwise, Setting, Shown};

use crate::codec::PAYLOAD_KEY;
use crate::target::{TemporalTarget, temporal_target};

/// How somebody who only looks at the settings would call itself in Temporal.
const IDENTITY: &str = "evercal config";
/// What is shown of something that is given, but not by the setting itself.
const GIVEN: &str = "set, not shown";
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

/// A setting that the SDK reads: nobody asks for its value here.
const fn of_the_sdk(
    name: &'static str,
    shown: Shown,
    otherwise: Otherwise,
    example: &'static str,
    meaning: &'static str,
    read: fn(&Given<'_>) -> Result<(), ConfigError>,
) -> Setting<()> {
    let about =
        About { name, read_by: GATEWAY_AND_WORKER, given_by: GivenBy::TemporalSdk, shown, otherwise, example, meaning };
    Setting { about, read }
}

/// The server. All that is wrong with the way as a whole is told of it.
pub static ADDRESS: Setting<()> = of_the_sdk(
    "TEMPORAL_ADDRESS",
    Shown::Address,
    Otherwise::TemporalSdk {
        find: |nothing| found(nothing, |target| Some(target.connection.target.to_string())),
        nothing: "127.0.0.1:7233",
    },
    "127.0.0.1:7233",
    "where Temporal is",
    |given| match temporal_target(IDENTITY) {
        Err(error) => Err(given.error(error)),
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
    Shown::Whole,
    Otherwise::TemporalSdk {
        find: |nothing| found(nothing, |target| Some(target.client.namespace.clone())),
        nothing: "default",
    },
    "evercal",
    "Temporal's namespace",
    |_| Ok(()),
);

/// An API key.
pub static API_KEY: Setting<()> = of_the_sdk(
    "TEMPORAL_API_KEY",
    Shown::Nothing,
    Otherwise::TemporalSdk {
        find: |nothing| found(nothing, |target| target.connection.api_key.as_ref().map(|_| GIVEN.to_owned())),
        nothing: "no key",
    },
    "the key that Temporal's operator gave out",
    "an API key; TLS is on with it",
    |_| Ok(()),
);

/// Whether TLS is on.
pub static TLS: Setting<()> = of_the_sdk(
    "TEMPORAL_TLS",
    Shown::Whole,
    Otherwise::TemporalSdk {
        find: |nothing| found(nothing, |target| Some(target.connection.tls_options.is_some().to_string())),
        nothing: "false",
    },
    "true",
    "true or false; on also with any of the next four",
    |given| switch(given).map(drop),
);

/// Who signed Temporal's certificate.
pub static TLS_SERVER_CA_CERT_PATH: Setting<()> = of_the_sdk(
    "TEMPORAL_TLS_SERVER_CA_CERT_PATH",
    Shown::Whole,
    Otherwise::TemporalSdk { find: |nothing| found(nothing, authority), nothing: "the authorities of this machine" },
    PATH_EXAMPLE,
    "who signed Temporal's certificate, where this machine does not trust them; `…_DATA` in place of `…_PATH` is the PEM text \
     itself",
    |_| Ok(()),
);

/// The name in Temporal's certificate.
pub static TLS_SERVER_NAME: Setting<()> = of_the_sdk(
    "TEMPORAL_TLS_SERVER_NAME",
    Shown::Whole,
    Otherwise::TemporalSdk { find: |nothing| found(nothing, server_name), nothing: "the host of TEMPORAL_ADDRESS" },
    "temporal.example.com",
    "the name in Temporal's certificate, where it is not the host's",
    |_| Ok(()),
);

/// The certificate that Temporal wants to see.
pub static TLS_CLIENT_CERT_PATH: Setting<()> = of_the_sdk(
    "TEMPORAL_TLS_CLIENT_CERT_PATH",
    Shown::Whole,
    Otherwise::TemporalSdk { find: |nothing| found(nothing, client_certificate), nothing: "no certificate" },
    PATH_EXAMPLE,
    "the certificate that Temporal wants to see; with its key or not at all, `…_DATA` as above",
    |_| Ok(()),
);

/// The key of that certificate.
pub static TLS_CLIENT_KEY_PATH: Setting<()> = of_the_sdk(
    "TEMPORAL_TLS_CLIENT_KEY_PATH",
    Shown::Whole,
    Otherwise::TemporalSdk { find: |nothing| found(nothing, client_certificate), nothing: "no certificate" },
    PATH_EXAMPLE,
    "the key of that certificate",
    |_| Ok(()),
);

/// Whether the certificate's name is left unverified: the SDK for Rust knows the variable and goes on verifying.
pub static TLS_DISABLE_HOST_VERIFICATION: Setting<()> = of_the_sdk(
    "TEMPORAL_TLS_DISABLE_HOST_VERIFICATION",
    Shown::Whole,
    Otherwise::Value("false"),
    "false",
    "not supported: certificates are always verified",
    |given| {
        if switch(given)? {
            return Err(given.error(
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
    Shown::Whole,
    Otherwise::Value("default"),
    "production",
    "the profile of the SDK's file that is used where these variables say nothing",
    |_| Ok(()),
);

/// The SDK's file of profiles. The SDK goes on without one that does not exist.
pub static CONFIG_FILE: Setting<()> = of_the_sdk(
    "TEMPORAL_CONFIG_FILE",
    Shown::Whole,
    Otherwise::Nothing("temporalio/temporal.toml in the user's configuration folder"),
    "/etc/evercal/temporal.toml",
    "a file of profiles, in the form of Temporal's SDK",
    |given| match given.text() {
        Some(path) if !Path::new(&path).exists() => Err(given.error("names a file that does not exist")),
        _ => Ok(()),
    },
);

/// What the SDK found; none where the way cannot be read, which is a problem of the address's line.
fn found(nothing: &str, read: fn(&TemporalTarget) -> Option<String>) -> Option<String> {
    let target = temporal_target(IDENTITY).ok()?;
    Some(read(&target).unwrap_or_else(|| nothing.to_owned()))
}

/// The SDK takes what is neither for nothing said.
fn switch(given: &Given<'_>) -> Result<bool, ConfigError> {
    match given.text().map(|text| text.to_lowercase()).as_deref() {
        None | Some("false" | "0") => Ok(false),
        Some("true" | "1") => Ok(true),
        Some(_) => Err(given.error("is neither true nor false")),
    }
}

fn authority(target: &TemporalTarget) -> Option<String> {
    target.connection.tls_options.as_ref()?.server_root_ca_cert.as_ref().map(|_| GIVEN.to_owned())
}

fn server_name(target: &TemporalTarget) -> Option<String> {
    target.connection.tls_options.as_ref()?.domain.clone()
}

fn client_certificate(target: &TemporalTarget) -> Option<String> {
    target.connection.tls_options.as_ref()?.client_tls_options.as_ref().map(|_| GIVEN.to_owned())
}
