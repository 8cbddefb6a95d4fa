//! A connected account at a provider, and its credentials.

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, TenantId};
use crate::provider::Provider;

/// Where an account is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountState {
    /// Consent was given; the code is being redeemed and the calendars are being found.
    Connecting,
    /// Working.
    Connected,
    /// The grant is dead: nothing is called until somebody consents again.
    NeedsReauth,
    /// Whoever consented is connected to this tenant by another account already: nothing is mirrored twice unless that was
    /// asked for.
    Duplicate,
    /// Being taken down: channels are being stopped.
    Disconnecting,
    /// Gone: channels stopped, tokens erased.
    Disconnected,
}

names! {
    AccountState {
        Connecting = "connecting",
        Connected = "connected",
        NeedsReauth = "needs_reauth",
        Duplicate = "duplicate",
        Disconnecting = "disconnecting",
        Disconnected = "disconnected",
    }
}

/// A connected account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Whose it is.
    pub tenant_id: TenantId,
    /// Where it lives.
    pub provider: Provider,
    /// A name for people, chosen by the tenant; not taken from the provider.
    pub label: String,
    /// Where it is in its life.
    pub state: AccountState,
    /// One sentence about the state, for people; without personal data.
    pub detail: Option<String>,
    /// When it was first connected.
    pub created_at: DateTime<Utc>,
    /// When the state last changed.
    pub state_changed_at: DateTime<Utc>,
    /// When its list of calendars was last read.
    pub listed_at: Option<DateTime<Utc>>,
    /// When the channel on its list of calendars ends, if there is one.
    pub channel_expires_at: Option<DateTime<Utc>>,
    /// Whether a consent has come back and is not settled yet.
    pub consent_waits: bool,
}

impl Account {
    /// A new account whose consent has just come back.
    pub fn connecting(
        id: AccountId,
        tenant_id: TenantId,
        provider: Provider,
        label: String,
        at: DateTime<Utc>,
    ) -> Self {
        Self {
            id,
            tenant_id,
            provider,
            label,
            state: AccountState::Connecting,
            detail: None,
            created_at: at,
            state_changed_at: at,
            listed_at: None,
            channel_expires_at: None,
            consent_waits: true,
        }
    }
}

/// What an account signs in with at its provider. Serialised only to be sealed; `Debug` shows no secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
pub enum Credentials {
    /// What a consent by OAuth 2.0 was redeemed for.
    #[serde(rename = "oauth")]
    OAuth(OAuthTokens),
}

/// The tokens of a grant (RFC 6749 section 1.5).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OAuthTokens {
    /// The bearer token for calls.
    pub access_token: Secret,
    /// When the access token ends, real time.
    pub access_token_expires_at: DateTime<Utc>,
    /// The long-lived token.
    pub refresh_token: Secret,
    /// What was granted, space-separated.
    pub scope: String,
}

/// A secret text that can be sealed (serialised) but not printed.
#[derive(Debug, Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// The secret itself, for the one request that needs it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        use subtle::ConstantTimeEq as _;
        self.expose().as_bytes().ct_eq(other.expose().as_bytes()).into()
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials() -> Credentials {
        Credentials::OAuth(OAuthTokens {
            access_token: Secret::new("marker-access"),
            access_token_expires_at: DateTime::UNIX_EPOCH,
            refresh_token: Secret::new("marker-refresh"),
            scope: "read".into(),
        })
    }

    #[test]
    fn credentials_do_not_show_in_debug_output() {
        assert!(!format!("{:?}", credentials()).contains("marker"));
    }

    #[test]
    fn sealed_credentials_say_of_which_kind_they_are() {
        let sealed = serde_json::to_value(credentials()).unwrap();
        assert_eq!(sealed["kind"], "oauth");
        assert_eq!(serde_json::from_value::<Credentials>(sealed).unwrap(), credentials());
    }
}
