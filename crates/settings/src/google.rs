//! Google: the OAuth client there, the keys that prove its notices, and where Google is.

use evercal_domain::account::Secret;
use evercal_domain::channel_token::ChannelTokenKeys;
use evercal_providers::google::GoogleSettings;
use url::Url;

use crate::about::{About, GATEWAY_AND_WORKER, GivenBy, Otherwise, Shown, WORKER};
use crate::lookup::{ConfigError, Lookup};
use crate::reading::{optional, or_default, secret};
use crate::setting::Setting;

/// The keys that prove notices; the first signs, all verify.
pub static WEBHOOK_TOKEN: Setting<ChannelTokenKeys> = Setting {
    about: About {
        name: "GOOGLE_WEBHOOK_TOKEN",
        read_by: GATEWAY_AND_WORKER,
        given_by: GivenBy::ValueOrFile,
        shown: Shown::Nothing,
        otherwise: Otherwise::Required,
        example: "the output of `openssl rand -hex 32`",
        meaning: "keys that prove notices, comma-separated; the first signs, all verify",
    },
    read: |given| ChannelTokenKeys::parse(secret(given)?.expose()).map_err(|error| given.error(error)),
};

/// The OAuth client at Google.
pub static CLIENT_ID: Setting<String> = Setting {
    about: About {
        name: "GOOGLE_CLIENT_ID",
        read_by: GATEWAY_AND_WORKER,
        given_by: GivenBy::Value,
        shown: Shown::Whole,
        otherwise: Otherwise::Required,
        example: "1234.apps.googleusercontent.com",
        meaning: "the OAuth client at Google",
    },
    read: or_default,
};

/// The OAuth client's secret.
pub static CLIENT_SECRET: Setting<Secret> = Setting {
    about: About {
        name: "GOOGLE_CLIENT_SECRET",
        read_by: WORKER,
        given_by: GivenBy::ValueOrFile,
        shown: Shown::Nothing,
        otherwise: Otherwise::Required,
        example: "the secret that Google's console shows beside the client id",
        meaning: "the OAuth client's secret; only the worker redeems codes",
    },
    read: secret,
};

/// Another server that has all of Google's paths.
pub static BASE_URL: Setting<Option<Url>> = Setting {
    about: About {
        name: "EVERCAL_GOOGLE_BASE_URL",
        read_by: GATEWAY_AND_WORKER,
        given_by: GivenBy::Value,
        shown: Shown::Address,
        otherwise: Otherwise::Nothing("Google's own servers"),
        example: "http://127.0.0.1:9000",
        meaning: "another server with all of Google's paths, such as the simulator",
    },
    read: optional,
};

/// Another consent page.
pub static AUTH_URL: Setting<Option<Url>> = Setting {
    about: About {
        name: "EVERCAL_GOOGLE_AUTH_URL",
        read_by: GATEWAY_AND_WORKER,
        given_by: GivenBy::Value,
        shown: Shown::Address,
        otherwise: Otherwise::Nothing("Google's own consent page"),
        example: "http://127.0.0.1:9000/o/oauth2/v2/auth",
        meaning: "another consent page",
    },
    read: optional,
};

/// The OAuth client without its secret, for those who only build the consent page's address.
pub fn settings_without_secret(lookup: &Lookup<'_>) -> Result<GoogleSettings, ConfigError> {
    settings_with(lookup, Secret::new(String::new()))
}

/// The whole OAuth client.
pub fn settings(lookup: &Lookup<'_>) -> Result<GoogleSettings, ConfigError> {
    settings_with(lookup, CLIENT_SECRET.read(lookup)?)
}

fn settings_with(lookup: &Lookup<'_>, client_secret: Secret) -> Result<GoogleSettings, ConfigError> {
    let client_id = CLIENT_ID.read(lookup)?;
    let settings = match BASE_URL.read(lookup)? {
        Some(base) => GoogleSettings::at(&base, client_id, client_secret),
        None => GoogleSettings::google(client_id, client_secret),
    };
    let about = BASE_URL.about();
    let mut settings = settings.map_err(|error| ConfigError::new(about.name, error, about.example))?;
    if let Some(auth_url) = AUTH_URL.read(lookup)? {
        settings.auth_url = auth_url;
    }
    Ok(settings)
}
