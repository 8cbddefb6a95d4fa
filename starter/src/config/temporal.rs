//! The way to Temporal, as the SDK reads it from its own variables and from its profile file; and what the SDK passes over
//! in silence, which is a problem here.

use std::path::Path;

use evercal_settings::{ConfigError, Lookup, TemporalTarget, temporal_target};

/// What is shown of something that is given, but not by the variable itself.
const GIVEN: &str = "set, not shown";

/// Reads the way as the roles do.
pub fn target() -> anyhow::Result<TemporalTarget> {
    temporal_target("evercal config")
}

/// All that is wrong with the way as a whole is told of the address.
pub fn check_target(_lookup: &Lookup<'_>) -> Result<(), ConfigError> {
    let wrong = |problem: &dyn std::fmt::Display, example| Err(ConfigError::new("TEMPORAL_ADDRESS", problem, example));
    match target() {
        Err(error) => wrong(&error, "127.0.0.1:7233"),
        Ok(target) if target.connection.tls_options.is_some() && target.connection.target.scheme() == "http" => wrong(
            &"begins with http://, so that nothing is encrypted although TLS is asked for",
            "temporal.example.com:7233",
        ),
        Ok(_) => Ok(()),
    }
}

/// The SDK takes what is neither for nothing said.
pub fn check_switch(lookup: &Lookup<'_>) -> Result<(), ConfigError> {
    switch(lookup, "TEMPORAL_TLS").map(drop)
}

/// The SDK for Rust knows this variable and goes on verifying.
pub fn check_verification(lookup: &Lookup<'_>) -> Result<(), ConfigError> {
    const VARIABLE: &str = "TEMPORAL_TLS_DISABLE_HOST_VERIFICATION";
    if switch(lookup, VARIABLE)? {
        let problem = "has no effect: certificates are always verified; \
                       use TEMPORAL_TLS_SERVER_CA_CERT_PATH and TEMPORAL_TLS_SERVER_NAME instead";
        return Err(ConfigError::new(VARIABLE, problem, "false"));
    }
    Ok(())
}

/// The SDK goes on without a file that does not exist.
pub fn check_profile_file(lookup: &Lookup<'_>) -> Result<(), ConfigError> {
    const VARIABLE: &str = "TEMPORAL_CONFIG_FILE";
    match lookup.text(VARIABLE) {
        Some(path) if !Path::new(&path).exists() => {
            Err(ConfigError::new(VARIABLE, "names a file that does not exist", "/etc/evercal/temporal.toml"))
        }
        _ => Ok(()),
    }
}

fn switch(lookup: &Lookup<'_>, variable: &str) -> Result<bool, ConfigError> {
    match lookup.text(variable).map(|text| text.to_lowercase()).as_deref() {
        None | Some("false" | "0") => Ok(false),
        Some("true" | "1") => Ok(true),
        Some(_) => Err(ConfigError::new(variable, "is neither true nor false", "true")),
    }
}

pub fn api_key(target: &TemporalTarget) -> Option<String> {
    target.connection.api_key.as_ref().map(|_| GIVEN.to_owned())
}

pub fn authority(target: &TemporalTarget) -> Option<String> {
    target.connection.tls_options.as_ref()?.server_root_ca_cert.as_ref().map(|_| GIVEN.to_owned())
}

pub fn server_name(target: &TemporalTarget) -> Option<String> {
    target.connection.tls_options.as_ref()?.domain.clone()
}

pub fn client_certificate(target: &TemporalTarget) -> Option<String> {
    target.connection.tls_options.as_ref()?.client_tls_options.as_ref().map(|_| GIVEN.to_owned())
}
