//! Google's settings: the OAuth client there, where Google is, and how its changes are found. An installation without accounts at
//! Google has none of them; a client id without its secret is an error.

use std::sync::Arc;

use evercal_config::reading::{optional, optional_secret, or_default, secret};
use evercal_config::{About, ConfigError, DefaultValue, GATEWAY_AND_WORKER, Kind, Lookup, Setting, WORKER};
use evercal_domain::SyncStrategy;
use evercal_domain::account::Secret;
use evercal_http::Transport;
use url::Url;

use super::profile::PROFILE;
use super::{GoogleNotices, GoogleProvider, GoogleSettings};
use crate::registration::{Calls, Connect, Edge, Registration};
use crate::tokens::SignInCalls;

/// Google, as the registry lists it.
pub static REGISTRATION: Registration = Registration {
    profile: &PROFILE,
    turned_on_by: &CLIENT_ID,
    strategy: &STRATEGY,
    settings: &[&CLIENT_ID, &CLIENT_SECRET, &BASE_URL, &AUTH_URL],
    keys: None,
    channel_lifetime_s: |_| Ok(None),
    edge,
    connect,
};

/// What it means that no OAuth client is set.
const NO_ACCOUNTS: &str = "no accounts at Google";

/// The OAuth client at Google.
static CLIENT_ID: Setting<Option<String>> = Setting {
    about: About {
        name: "GOOGLE_CLIENT_ID",
        read_by: GATEWAY_AND_WORKER,
        kind: Kind::Plain,
        default: DefaultValue::Nothing(NO_ACCOUNTS),
        example: "1234.apps.googleusercontent.com",
        meaning: "the OAuth client at Google",
    },
    read: |reader| {
        let (client_id, other) = (reader.text(), &CLIENT_SECRET.about);
        if client_id.is_none() && reader.is_set(other) {
            return Err(reader.error(format!("is not set, although {} is", other.name)));
        }
        Ok(client_id)
    },
};

/// The OAuth client's secret.
static CLIENT_SECRET: Setting<Option<Secret>> = Setting {
    about: About {
        name: "GOOGLE_CLIENT_SECRET",
        read_by: WORKER,
        kind: Kind::Secret,
        default: DefaultValue::Nothing(NO_ACCOUNTS),
        example: "the secret that Google's console shows beside the client id",
        meaning: "the OAuth client's secret; only the worker redeems codes",
    },
    read: |reader| if reader.is_set(&CLIENT_ID.about) { secret(reader).map(Some) } else { optional_secret(reader) },
};

/// Another server that has all of Google's paths.
static BASE_URL: Setting<Option<Url>> = Setting {
    about: About {
        name: "EVERCAL_GOOGLE_BASE_URL",
        read_by: GATEWAY_AND_WORKER,
        kind: Kind::Address,
        default: DefaultValue::Nothing("Google's own servers"),
        example: "http://127.0.0.1:9000",
        meaning: "another server with all of Google's paths, such as the simulator",
    },
    read: optional,
};

/// Another consent page.
static AUTH_URL: Setting<Option<Url>> = Setting {
    about: About {
        name: "EVERCAL_GOOGLE_AUTH_URL",
        read_by: GATEWAY_AND_WORKER,
        kind: Kind::Address,
        default: DefaultValue::Nothing("Google's own consent page"),
        example: "http://127.0.0.1:9000/o/oauth2/v2/auth",
        meaning: "another consent page",
    },
    read: optional,
};

/// How changes are found.
static STRATEGY: Setting<SyncStrategy> = Setting {
    about: About {
        name: "SYNC_STRATEGY_GOOGLE",
        read_by: GATEWAY_AND_WORKER,
        kind: Kind::Plain,
        default: DefaultValue::Value(PROFILE.defaults.strategy.as_str()),
        example: "hybrid",
        meaning: "how changes at Google are found: `webhook` (notices; the poller only while there is no channel), `polling` (no \
                  channel is ever opened), `hybrid` (both)",
    },
    read: or_default,
};

/// A gateway only builds the consent page's address and verifies notices: it has no use for the OAuth client's secret.
fn edge(lookup: &Lookup<'_>) -> Result<Option<Edge>, ConfigError> {
    Ok(settings(lookup)?.map(|settings| Edge { notices: Arc::new(GoogleNotices), consent: Arc::new(settings) }))
}

/// A worker redeems codes.
fn connect(lookup: &Lookup<'_>) -> Result<Option<Connect>, ConfigError> {
    let Some((settings, client_secret)) = settings(lookup)?.zip(CLIENT_SECRET.read(lookup)?) else { return Ok(None) };
    Ok(Some(Arc::new(move |transport: Arc<dyn Transport>| {
        let provider = Arc::new(GoogleProvider::new(settings.clone(), client_secret.clone(), transport));
        Calls { calendars: provider.clone(), sign_in: SignInCalls::OAuth(provider) }
    })))
}

fn settings(lookup: &Lookup<'_>) -> Result<Option<GoogleSettings>, ConfigError> {
    let (client_id, base, auth_url) = (CLIENT_ID.read(lookup)?, BASE_URL.read(lookup)?, AUTH_URL.read(lookup)?);
    let Some(client_id) = client_id else { return Ok(None) };
    let settings = match base {
        Some(base) => GoogleSettings::at(&base, client_id),
        None => GoogleSettings::google(client_id),
    };
    let mut settings = settings.map_err(|error| BASE_URL.about.error(error))?;
    if let Some(auth_url) = auth_url {
        settings.auth_url = auth_url;
    }
    Ok(Some(settings))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [(&str, &str); 2] = [("GOOGLE_CLIENT_ID", "client"), ("GOOGLE_CLIENT_SECRET", "secret")];

    fn read<T>(
        values: &[(&str, &str)],
        read: fn(&Lookup<'_>) -> Result<Option<T>, ConfigError>,
    ) -> Result<bool, ConfigError> {
        let find = |name: &str| values.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        read(&Lookup::new(&find)).map(|read| read.is_some())
    }

    #[test]
    fn a_worker_needs_the_client_and_its_secret_or_neither_and_a_gateway_the_client_alone() {
        assert_eq!(read(&BOTH, connect), Ok(true));
        assert_eq!(read(&[], connect), Ok(false));
        assert_eq!(read(&BOTH[..1], edge), Ok(true));
        assert_eq!(read(&[], edge), Ok(false));
    }

    #[test]
    fn the_one_that_is_missing_is_named() {
        for (missing, _) in BOTH {
            let other: Vec<_> = BOTH.into_iter().filter(|(name, _)| *name != missing).collect();
            assert_eq!(read(&other, connect).unwrap_err().variable, missing);
        }
    }
}
