//! A connected account at a provider, and its credentials.

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, TenantId};

/// Which kind of service an account lives at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// Google Calendar API v3.
    Google,
}

impl Provider {
    /// All of them.
    pub const ALL: [Self; 1] = [Self::Google];

    /// The name in URLs, search attributes and rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Google => "google",
        }
    }

    /// Reads [`Self::as_str`] back.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| provider.as_str() == name)
    }
}

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
    /// Being taken down: channels are being stopped.
    Disconnecting,
    /// Gone: channels stopped, tokens erased.
    Disconnected,
}

impl AccountState {
    /// The name in rows and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::NeedsReauth => "needs_reauth",
            Self::Disconnecting => "disconnecting",
            Self::Disconnected => "disconnected",
        }
    }

    /// Reads [`Self::as_str`] back.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Connecting, Self::Connected, Self::NeedsReauth, Self::Disconnecting, Self::Disconnected]
            .into_iter()
            .find(|state| state.as_str() == name)
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
}

/// What is sealed in an account's row. Serialised only to be sealed; `Debug` shows no secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Credentials {
    /// An authorization code that an activity has yet to redeem (RFC 6749 section 4.1.2; RFC 7636 verifier).
    AuthorizationCode {
        /// The one-time code.
        code: Secret,
        /// The PKCE verifier that belongs to it.
        code_verifier: Secret,
        /// The redirect URI of the request; the provider compares it.
        redirect_uri: String,
        /// The tokens that were there before. They count again if the code is refused.
        #[serde(default)]
        before: Option<Box<Credentials>>,
    },
    /// Tokens.
    Tokens {
        /// The bearer token for calls.
        access_token: Secret,
        /// When the access token ends, real time.
        access_token_expires_at: DateTime<Utc>,
        /// The long-lived token.
        refresh_token: Secret,
        /// What was granted, space-separated.
        scope: String,
    },
}

impl Credentials {
    /// The tokens among them: those that were redeemed last.
    pub fn tokens(&self) -> Option<&Self> {
        match self {
            Self::Tokens { .. } => Some(self),
            Self::AuthorizationCode { before, .. } => before.as_deref().and_then(Self::tokens),
        }
    }
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

    #[test]
    fn credentials_do_not_show_in_debug_output() {
        let credentials = Credentials::AuthorizationCode {
            code: Secret::new("marker-code"),
            code_verifier: Secret::new("marker-verifier"),
            redirect_uri: "https://evercal.example/callback".into(),
            before: None,
        };
        assert!(!format!("{credentials:?}").contains("marker"));
    }

    #[test]
    fn a_code_that_an_older_version_sealed_reads_back() {
        let old = r#"{"kind":"authorization_code","code":"c","code_verifier":"v","redirect_uri":"u"}"#;
        let credentials: Credentials = serde_json::from_str(old).unwrap();
        assert!(matches!(credentials, Credentials::AuthorizationCode { before: None, .. }), "{credentials:?}");
    }

    #[test]
    fn every_account_state_reads_back_its_name() {
        for state in [
            AccountState::Connecting,
            AccountState::Connected,
            AccountState::NeedsReauth,
            AccountState::Disconnecting,
            AccountState::Disconnected,
        ] {
            assert_eq!(AccountState::from_name(state.as_str()), Some(state));
        }
    }
}
