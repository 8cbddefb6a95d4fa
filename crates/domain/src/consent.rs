//! A consent between the browser's return and its end. It is kept beside the tokens of the account, so that a consent which turns
//! out to be of no use (refused, too narrow, somebody else's) takes no working tokens away.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::account::{Credentials, Secret};
use crate::ids::AccountId;

/// A consent that came back and has not been settled. Serialised only to be sealed; `Debug` shows no secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PendingConsent {
    /// SHA-256 of the `state` that it came back with: where its outcome is written down.
    pub state_hash: [u8; 32],
    /// Whether a user who is connected already may be connected once more.
    pub allow_duplicate: bool,
    /// When it came back; its code is good for minutes from then on.
    pub came_at: DateTime<Utc>,
    /// How far it has come.
    pub grant: PendingGrant,
}

/// How far a consent has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PendingGrant {
    /// An authorization code that has yet to be redeemed (RFC 6749 section 4.1.2; RFC 7636 verifier).
    Code {
        /// The one-time code.
        code: Secret,
        /// The PKCE verifier that belongs to it.
        code_verifier: Secret,
        /// The redirect URI of the request; the provider compares it.
        redirect_uri: String,
    },
    /// What the account is to live on, such as the tokens that a code was redeemed for. Whose it is has yet to be found out.
    Redeemed {
        /// The credentials.
        credentials: Credentials,
    },
}

/// What came of a consent, as far as the page in the browser shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ConsentOutcome {
    /// The account lives on its tokens from now on.
    Granted,
    /// It was not the user whose calendars the account has; the account is as it was.
    AnotherUser,
    /// That user is connected by this account already, and once more was not asked for.
    Duplicate {
        /// The account that was there before.
        account_id: AccountId,
    },
    /// Something that is needed was not granted.
    MissingScopes {
        /// What, by the provider's own names.
        scopes: Vec<String>,
    },
    /// The person said no, or the provider did.
    NotGranted,
    /// The provider refused the code.
    Refused,
    /// The code could not be redeemed in the minutes for which it is good.
    TooLate,
    /// The provider does not accept this installation: only its operator can help. It is tried again as long as the code lives.
    NotSetUp,
    /// The account was disconnected meanwhile, or its tenant revoked.
    AccountGone,
    /// Its tenant may have no more accounts.
    TenantFull,
    /// The same account was connected anew before this one was settled.
    Superseded,
}

impl ConsentOutcome {
    /// Whether nothing else can come of it.
    pub fn is_final(&self) -> bool {
        *self != Self::NotSetUp
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pending_consent_does_not_show_in_debug_output() {
        let consent = PendingConsent {
            state_hash: [1; 32],
            allow_duplicate: false,
            came_at: DateTime::UNIX_EPOCH,
            grant: PendingGrant::Code {
                code: Secret::new("marker-code"),
                code_verifier: Secret::new("marker-verifier"),
                redirect_uri: "https://evercal.example/callback".into(),
            },
        };
        assert!(!format!("{consent:?}").contains("marker"));
    }
}
