//! Microsoft's settings: the application there, where Microsoft is, how long subscriptions live, and how changes are found. An
//! installation without accounts at Microsoft has none of them; a client id without its secret is an error.

use std::num::NonZeroU32;
use std::sync::Arc;

use evercal_config::reading::{optional, optional_secret, or_default, secret};
use evercal_config::{About, ConfigError, DefaultValue, GATEWAY_AND_WORKER, Kind, Lookup, Reader, Setting, WORKER};
use evercal_domain::SyncStrategy;
use evercal_domain::account::Secret;
use evercal_domain::channel_token::ChannelTokenKeys;
use evercal_http::Transport;
use url::Url;

use super::profile::PROFILE;
use super::settings::DEFAULT_TENANT;
use super::{GraphNotices, GraphProvider, GraphSettings};
use crate::registration::{Calls, Connect, Edge, Registration};
use crate::tokens::SignInCalls;

/// Microsoft, as the registry lists it.
pub static REGISTRATION: Registration = Registration {
    profile: &PROFILE,
    turned_on_by: &CLIENT_ID,
    strategy: &STRATEGY,
    settings: &[
        &CLIENT_ID,
        &CLIENT_SECRET,
        &TENANT,
        &WEBHOOK_SECRET,
        &SUBSCRIPTION_HOURS,
        &SCOPES,
        &MAILBOX_REQUESTS,
        &BASE_URL,
        &LOGIN_URL,
    ],
    keys: Some(&WEBHOOK_SECRET),
    channel_lifetime_s,
    edge,
    connect,
};

/// What it means that no application is set.
const NO_ACCOUNTS: &str = "no accounts at Microsoft";
/// What Microsoft grants a subscription on events at most, in hours: it is 10,080 minutes, and its clock decides.
const SUBSCRIPTION_HOURS_MAX: u32 = 167;
/// What Microsoft answers for a mailbox at a time.
const MAILBOX_REQUESTS_MAX: u32 = 4;

/// The application at Microsoft.
static CLIENT_ID: Setting<Option<String>> = Setting {
    about: About {
        name: "MICROSOFT_CLIENT_ID",
        read_by: GATEWAY_AND_WORKER,
        kind: Kind::Plain,
        default: DefaultValue::Nothing(NO_ACCOUNTS),
        example: "00001111-aaaa-2222-bbbb-3333cccc4444",
        meaning: "the application that is registered at Microsoft Entra",
    },
    read: |reader| {
        let (client_id, other) = (reader.text(), &CLIENT_SECRET.about);
        if client_id.is_none() && reader.is_set(other) {
            return Err(reader.error(format!("is not set, although {} is", other.name)));
        }
        Ok(client_id)
    },
};

/// The application's secret.
static CLIENT_SECRET: Setting<Option<Secret>> = Setting {
    about: About {
        name: "MICROSOFT_CLIENT_SECRET",
        read_by: WORKER,
        kind: Kind::Secret,
        default: DefaultValue::Nothing(NO_ACCOUNTS),
        example: "the value (not the id) of a client secret of the application",
        meaning: "the application's secret; only the worker redeems codes",
    },
    read: |reader| if reader.is_set(&CLIENT_ID.about) { secret(reader).map(Some) } else { optional_secret(reader) },
};

/// Whose accounts may be connected.
static TENANT: Setting<String> = Setting {
    about: About {
        name: "MICROSOFT_TENANT",
        read_by: GATEWAY_AND_WORKER,
        kind: Kind::Plain,
        default: DefaultValue::Value(DEFAULT_TENANT),
        example: "organizations",
        meaning: "whose accounts may be connected: `common` (everybody's), `organizations`, `consumers`, or the id or domain of one tenant",
    },
    read: |reader| {
        let tenant = reader.text_or_default()?;
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.');
        if tenant.chars().all(is_name) && tenant.chars().any(|letter| letter != '.') {
            Ok(tenant)
        } else {
            Err(reader.error("is no tenant: letters, digits, `-` and `.`"))
        }
    },
};

/// Keys of its own for Microsoft's notices.
static WEBHOOK_SECRET: Setting<Option<ChannelTokenKeys>> = Setting {
    about: About {
        name: "MICROSOFT_WEBHOOK_SECRET",
        read_by: GATEWAY_AND_WORKER,
        kind: Kind::Secret,
        default: DefaultValue::Nothing("made of EVERCAL_CHANNEL_KEYS"),
        example: "the output of `openssl rand -hex 32`",
        meaning: "keys that prove Microsoft's notices, comma-separated, in place of EVERCAL_CHANNEL_KEYS; the first signs, all verify",
    },
    read: |reader| {
        let Some(keys) = optional_secret(reader)? else { return Ok(None) };
        ChannelTokenKeys::parse(keys.expose()).map(Some).map_err(|error| reader.error(error))
    },
};

/// How long subscriptions are asked to live.
static SUBSCRIPTION_HOURS: Setting<NonZeroU32> = Setting {
    about: About {
        name: "MICROSOFT_SUBSCRIPTION_HOURS",
        read_by: GATEWAY_AND_WORKER,
        kind: Kind::Plain,
        default: DefaultValue::Value("72"),
        example: "72",
        meaning: "hours that subscriptions are asked to live, from 1 to 167; each asks for up to 6 h less, so that they do not end together",
    },
    read: |reader| up_to(reader, SUBSCRIPTION_HOURS_MAX),
};

/// What people are asked to grant.
static SCOPES: Setting<Option<String>> = Setting {
    about: About {
        name: "EVERCAL_MICROSOFT_SCOPES",
        read_by: GATEWAY_AND_WORKER,
        kind: Kind::Plain,
        default: DefaultValue::Nothing("`offline_access Calendars.Read`"),
        example: "offline_access Calendars.ReadWrite",
        meaning: "what people are asked to grant, separated by spaces; all of it is needed",
    },
    read: optional,
};

/// How much is asked at a time.
static MAILBOX_REQUESTS: Setting<NonZeroU32> = Setting {
    about: About {
        name: "EVERCAL_MICROSOFT_MAILBOX_REQUESTS",
        read_by: WORKER,
        kind: Kind::Plain,
        default: DefaultValue::Value("2"),
        example: "2",
        meaning: "requests at a time for one mailbox and worker, from 1 to 4, which is what Microsoft answers over all of them",
    },
    read: |reader| up_to(reader, MAILBOX_REQUESTS_MAX),
};

/// Another API.
static BASE_URL: Setting<Option<Url>> = Setting {
    about: About {
        name: "EVERCAL_MICROSOFT_BASE_URL",
        read_by: GATEWAY_AND_WORKER,
        kind: Kind::Address,
        default: DefaultValue::Nothing("Microsoft Graph of the worldwide cloud"),
        example: "https://graph.microsoft.us/v1.0",
        meaning: "another Microsoft Graph, with its version: that of a national cloud, or the simulator's",
    },
    read: optional,
};

/// Another login server.
static LOGIN_URL: Setting<Option<Url>> = Setting {
    about: About {
        name: "EVERCAL_MICROSOFT_LOGIN_URL",
        read_by: GATEWAY_AND_WORKER,
        kind: Kind::Address,
        default: DefaultValue::Nothing("the login server of the worldwide cloud"),
        example: "https://login.microsoftonline.us",
        meaning: "another login server: that of a national cloud, or the simulator's",
    },
    read: optional,
};

/// How changes are found.
static STRATEGY: Setting<SyncStrategy> = Setting {
    about: About {
        name: "SYNC_STRATEGY_MICROSOFT",
        read_by: GATEWAY_AND_WORKER,
        kind: Kind::Plain,
        default: DefaultValue::Value(PROFILE.defaults.strategy.as_str()),
        example: "hybrid",
        meaning: "how changes at Microsoft are found: `webhook` (notices; the poller only while there is no channel), `polling` (no \
                  channel is ever opened), `hybrid` (both)",
    },
    read: or_default,
};

fn up_to(reader: &Reader<'_>, max: u32) -> Result<NonZeroU32, ConfigError> {
    let number: NonZeroU32 = or_default(reader)?;
    if number.get() <= max { Ok(number) } else { Err(reader.error(format!("is more than {max}"))) }
}

fn channel_lifetime_s(lookup: &Lookup<'_>) -> Result<Option<u32>, ConfigError> {
    SUBSCRIPTION_HOURS.read(lookup).map(|hours| Some(hours.get() * 3_600))
}

/// A gateway only builds the consent page's address and verifies notices: it has no use for the application's secret.
fn edge(lookup: &Lookup<'_>) -> Result<Option<Edge>, ConfigError> {
    Ok(settings(lookup)?.map(|settings| Edge { notices: Arc::new(GraphNotices), consent: Arc::new(settings) }))
}

/// A worker redeems codes.
fn connect(lookup: &Lookup<'_>) -> Result<Option<Connect>, ConfigError> {
    let Some((settings, client_secret)) = settings(lookup)?.zip(CLIENT_SECRET.read(lookup)?) else { return Ok(None) };
    let requests_max = usize::try_from(MAILBOX_REQUESTS.read(lookup)?.get()).unwrap_or(1);
    Ok(Some(Arc::new(move |transport: Arc<dyn Transport>| {
        let provider = GraphProvider::new(settings.clone(), client_secret.clone(), requests_max, transport);
        let provider = Arc::new(provider);
        Calls { calendars: provider.clone(), sign_in: SignInCalls::OAuth(provider) }
    })))
}

fn settings(lookup: &Lookup<'_>) -> Result<Option<GraphSettings>, ConfigError> {
    let (base, login) = (BASE_URL.read(lookup)?, LOGIN_URL.read(lookup)?);
    let (tenant, scopes) = (TENANT.read(lookup)?, SCOPES.read(lookup)?);
    let Some(client_id) = CLIENT_ID.read(lookup)? else { return Ok(None) };
    let settings = GraphSettings::at(base.as_ref(), login.as_ref(), &tenant, client_id);
    let mut settings = settings.map_err(|error| BASE_URL.about.error(error))?;
    if let Some(scopes) = scopes {
        settings.scopes = scopes.split_whitespace().map(str::to_owned).collect();
    }
    Ok(Some(settings))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [(&str, &str); 2] = [("MICROSOFT_CLIENT_ID", "client"), ("MICROSOFT_CLIENT_SECRET", "secret")];

    fn read<T>(
        values: &[(&str, &str)],
        read: impl Fn(&Lookup<'_>) -> Result<T, ConfigError>,
    ) -> Result<T, ConfigError> {
        let find = |name: &str| values.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        read(&Lookup::new(&find))
    }

    #[test]
    fn a_worker_needs_the_application_and_its_secret_or_neither_and_a_gateway_the_application_alone() {
        assert!(read(&BOTH, connect).unwrap().is_some());
        assert!(read(&[], connect).unwrap().is_none());
        assert!(read(&BOTH[..1], edge).unwrap().is_some());
        assert!(read(&[], edge).unwrap().is_none());
        for (missing, _) in BOTH {
            let other: Vec<_> = BOTH.into_iter().filter(|(name, _)| *name != missing).collect();
            let error = read(&other, connect).map(|connect| connect.is_some()).unwrap_err();
            assert_eq!(error.variable, missing);
        }
    }

    #[test]
    fn what_is_out_of_its_bounds_is_named() {
        for (name, value) in [
            ("MICROSOFT_SUBSCRIPTION_HOURS", "0"),
            ("MICROSOFT_SUBSCRIPTION_HOURS", "168"),
            ("MICROSOFT_SUBSCRIPTION_HOURS", "three days"),
            ("EVERCAL_MICROSOFT_MAILBOX_REQUESTS", "5"),
            ("EVERCAL_MICROSOFT_MAILBOX_REQUESTS", "0"),
            ("MICROSOFT_TENANT", "a/b"),
            ("MICROSOFT_TENANT", ".."),
            ("MICROSOFT_WEBHOOK_SECRET", "short"),
        ] {
            let all = |lookup: &Lookup<'_>| {
                WEBHOOK_SECRET.read(lookup)?;
                channel_lifetime_s(lookup)?;
                connect(lookup).map(drop)
            };
            let values = [BOTH[0], BOTH[1], (name, value)];
            assert_eq!(read(&values, all).unwrap_err().variable, name, "{value}");
        }
    }

    #[test]
    fn subscriptions_live_three_days_where_nobody_says_otherwise() {
        assert_eq!(read(&[], channel_lifetime_s).unwrap(), Some(PROFILE.defaults.channel_lifetime_s));
        assert_eq!(read(&[("MICROSOFT_SUBSCRIPTION_HOURS", "1")], channel_lifetime_s).unwrap(), Some(3_600));
    }
}
