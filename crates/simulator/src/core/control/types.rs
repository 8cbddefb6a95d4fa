//! What the control API takes and gives, in Rust and in JSON.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::super::access::AccessRole;
use super::super::journal::JournalError;

/// Why a control call failed.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// No such user, calendar or client.
    #[error("the simulator has no {what} {id}")]
    NotFound {
        /// `user`, `calendar` or `client`.
        what: &'static str,
        /// As given.
        id: String,
    },
    /// The thing exists already.
    #[error("the simulator already has {what} {id}")]
    Exists {
        /// `user` or `calendar`.
        what: &'static str,
        /// As given.
        id: String,
    },
    /// A value is out of its range.
    #[error("{0}")]
    Invalid(String),
    /// The provider itself would refuse this.
    #[error("the provider answers {status}: {reason}")]
    Refused {
        /// HTTP status of the provider's answer.
        status: u16,
        /// Body of the provider's answer.
        reason: String,
    },
    /// The state could not be kept.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl ControlError {
    pub(crate) fn not_found(what: &'static str, id: &str) -> Self {
        Self::NotFound { what, id: id.to_owned() }
    }

    pub(crate) fn exists(what: &'static str, id: &str) -> Self {
        Self::Exists { what, id: id.to_owned() }
    }
}

/// A user to be created.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// E-mail address; also the id of the primary calendar.
    pub email: String,
    /// Display name.
    #[serde(default)]
    pub name: String,
    /// IANA time zone of the primary calendar.
    #[serde(default = "utc")]
    pub time_zone: String,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// Another address for a user.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddressChange {
    /// The new address; also the id of the primary calendar from now on.
    pub email: String,
    /// Whether the address before is still accepted (404 when not).
    #[serde(default)]
    pub keeps_alias: bool,
}

/// A calendar to be created.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewCalendar {
    /// The user who owns it.
    pub owner: String,
    /// Its title.
    pub summary: String,
    /// IANA time zone.
    #[serde(default = "utc")]
    pub time_zone: String,
    /// Its id; made by the simulator when absent.
    #[serde(default)]
    pub id: Option<String>,
    /// False makes it refuse channels, like a holiday calendar.
    #[serde(default = "yes")]
    pub watchable: bool,
}

fn yes() -> bool {
    true
}

/// A user's access to a calendar.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalendarAccess {
    /// The calendar's id.
    pub calendar: String,
    /// The user's e-mail address.
    pub user: String,
    /// Absent takes the calendar away (404); [`AccessRole::None`] closes it (403).
    #[serde(default)]
    pub role: Option<AccessRole>,
}

/// What a user does on the consent screen.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// The user's e-mail address.
    pub user: String,
    /// The user presses "cancel": `error=access_denied`.
    #[serde(default)]
    pub deny: bool,
    /// Scopes that the user unticks.
    #[serde(default)]
    pub untick_scopes: Vec<String>,
}

/// A request for tokens without a consent screen.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// The user's e-mail address.
    pub user: String,
    /// The OAuth client; the first configured one when absent.
    #[serde(default)]
    pub client_id: Option<String>,
    /// Scopes, in the provider's words; full calendar access when empty.
    #[serde(default)]
    pub scopes: Vec<String>,
}

/// Tokens that a client may use at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedTokens {
    /// For `Authorization: Bearer`.
    pub access_token: String,
    /// For `grant_type=refresh_token`.
    pub refresh_token: Option<String>,
    /// Seconds.
    pub expires_in: i64,
}

/// The clocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockReport {
    /// Real time plus offset.
    pub now: DateTime<Utc>,
    /// The offset, in milliseconds.
    pub offset_ms: i64,
    /// The furthest virtual instant that each collection has seen.
    pub collections: BTreeMap<String, DateTime<Utc>>,
}
