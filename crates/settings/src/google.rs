//! Google: the OAuth client there, the keys that prove its notices, and where Google is. An installation without accounts at
//! Google has none of the first three; one that has some of them needs the others.

use evercal_domain::account::Secret;
use evercal_domain::channel_token::ChannelTokenKeys;
use evercal_providers::google::GoogleSettings;
use url::Url;

use crate::about::{About, GATEWAY_AND_WORKER, GivenBy, Otherwise, Shown, WORKER};
use crate::lookup::{ConfigError, Lookup};
use crate::reading::{Given, optional, optional_secret, secret};
use crate::setting::Setting;

/// What it means that none of the three is given.
const NO_ACCOUNTS: &str = "no accounts at Google";

/// The keys that prove notices; the first signs, all verify.
pub static WEBHOOK_TOKEN: Setting<Option<ChannelTokenKeys>> = Setting {
    about: About {
        name: "GOOGLE_WEBHOOK_TOKEN",
        read_by: GATEWAY_AND_WORKER,
        given_by: GivenBy::ValueOrFile,
        shown: Shown::Nothing,
        otherwise: Otherwise::Nothing(NO_ACCOUNTS),
        example: "the output of `openssl rand -hex 32`",
        meaning: "keys that prove notices, comma-separated; the first signs, all verify",
    },
    read: |given| {
        let Some(keys) = secret_of_client(given)? else { return Ok(None) };
        ChannelTokenKeys::parse(keys.expose()).map(Some).map_err(|error| given.error(error))
    },
};

/// The OAuth client at Google.
pub static CLIENT_ID: Setting<Option<String>> = Setting {
    about: About {
        name: "GOOGLE_CLIENT_ID",
        read_by: GATEWAY_AND_WORKER,
        given_by: GivenBy::Value,
        shown: Shown::Whole,
        otherwise: Otherwise::Nothing(NO_ACCOUNTS),
        example: "1234.apps.googleusercontent.com",
        meaning: "the OAuth client at Google",
    },
    read: |given| match (given.text(), [WEBHOOK_TOKEN.about(), CLIENT_SECRET.about()]) {
        (Some(client_id), _) => Ok(Some(client_id)),
        (None, others) => match others.into_iter().find(|other| given.is_given(other)) {
            Some(other) => Err(given.error(format!("is not set, although {} is", other.name))),
            None => Ok(None),
        },
    },
};

/// The OAuth client's secret.
pub static CLIENT_SECRET: Setting<Option<Secret>> = Setting {
    about: About {
        name: "GOOGLE_CLIENT_SECRET",
        read_by: WORKER,
        given_by: GivenBy::ValueOrFile,
        shown: Shown::Nothing,
        otherwise: Otherwise::Nothing(NO_ACCOUNTS),
        example: "the secret that Google's console shows beside the client id",
        meaning: "the OAuth client's secret; only the worker redeems codes",
    },
    read: secret_of_client,
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

/// What an installation with accounts at Google has.
#[derive(Debug, Clone)]
pub struct Google {
    /// The OAuth client, and where Google is.
    pub client: GoogleSettings,
    /// The keys that prove notices.
    pub channel_token_keys: ChannelTokenKeys,
}

/// Google for those who only build the consent page's address and verify notices: the OAuth client's secret is empty. `None`
/// where the installation has no accounts at Google.
pub fn settings_without_secret(lookup: &Lookup<'_>) -> Result<Option<Google>, ConfigError> {
    settings_with(lookup, || Ok(Some(Secret::new(String::new()))))
}

/// Google for those who redeem codes. `None` where the installation has no accounts at Google.
pub fn settings(lookup: &Lookup<'_>) -> Result<Option<Google>, ConfigError> {
    settings_with(lookup, || CLIENT_SECRET.read(lookup))
}

fn settings_with(
    lookup: &Lookup<'_>,
    client_secret: impl FnOnce() -> Result<Option<Secret>, ConfigError>,
) -> Result<Option<Google>, ConfigError> {
    let (client_id, channel_token_keys) = (CLIENT_ID.read(lookup)?, WEBHOOK_TOKEN.read(lookup)?);
    let (base, auth_url) = (BASE_URL.read(lookup)?, AUTH_URL.read(lookup)?);
    let all = client_id.zip(channel_token_keys).zip(client_secret()?);
    let Some(((client_id, channel_token_keys), client_secret)) = all else { return Ok(None) };
    let client = match base {
        Some(base) => GoogleSettings::at(&base, client_id, client_secret),
        None => GoogleSettings::google(client_id, client_secret),
    };
    let about = BASE_URL.about();
    let mut client = client.map_err(|error| ConfigError::new(about.name, error, about.example))?;
    if let Some(auth_url) = auth_url {
        client.auth_url = auth_url;
    }
    Ok(Some(Google { client, channel_token_keys }))
}

/// A secret that goes with the OAuth client.
fn secret_of_client(given: &Given<'_>) -> Result<Option<Secret>, ConfigError> {
    if given.is_given(CLIENT_ID.about()) { secret(given).map(Some) } else { optional_secret(given) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [(&str, &str); 3] = [
        ("GOOGLE_WEBHOOK_TOKEN", "a-key-of-sixteen-chars"),
        ("GOOGLE_CLIENT_ID", "client"),
        ("GOOGLE_CLIENT_SECRET", "secret"),
    ];

    fn read(values: &[(&str, &str)]) -> Result<Option<Google>, ConfigError> {
        let find = |name: &str| values.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        settings(&Lookup::new(&find))
    }

    #[test]
    fn an_installation_is_set_up_for_google_by_three_settings_or_not_at_all() {
        assert!(read(&ALL).unwrap().is_some());
        assert!(read(&[]).unwrap().is_none());
    }

    #[test]
    fn one_of_the_three_that_is_missing_is_named() {
        for (missing, _) in ALL {
            let others: Vec<_> = ALL.into_iter().filter(|(name, _)| *name != missing).collect();
            assert_eq!(read(&others).unwrap_err().variable, missing);
        }
    }
}
