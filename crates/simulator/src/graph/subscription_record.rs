//! A subscription as the register keeps it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::core::channels::Collection;

/// The kinds of changes, in no order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChangeTypes(Vec<String>);

impl ChangeTypes {
    /// These words, in any order.
    pub(crate) fn of(mut words: Vec<String>) -> Self {
        words.sort_unstable();
        words.dedup();
        Self(words)
    }

    pub(crate) fn has(&self, word: &str) -> bool {
        self.0.iter().any(|own| own == word)
    }

    pub(crate) fn written(&self) -> String {
        self.0.join(",")
    }
}

/// What a subscription is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Watched {
    /// `me/events`: the default calendar, or all of the user's own where that quirk is on.
    Mailbox,
    Calendar(String),
    /// `me/calendars`.
    List,
}

/// A subscription as the register keeps it. All times are the virtual times of what it watches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SubscriptionRecord {
    /// Order of creation among all subscriptions.
    pub(crate) number: u64,
    pub(crate) id: String,
    pub(crate) client: String,
    pub(crate) user: String,
    /// Delivery stops when it is revoked.
    pub(crate) grant: String,
    pub(crate) resource: String,
    pub(crate) watched: Watched,
    pub(crate) change_types: ChangeTypes,
    pub(crate) address: String,
    pub(crate) lifecycle_address: Option<String>,
    pub(crate) client_state: Option<String>,
    /// Notices have immutable ids.
    pub(crate) immutable_ids: bool,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) stopped_at: Option<DateTime<Utc>>,
    pub(crate) renewed_at: Option<DateTime<Utc>>,
    pub(crate) reauthorized_at: Option<DateTime<Utc>>,
    /// It was renewed in both ways at once, and silently delivers nothing any more.
    pub(crate) is_corrupted: bool,
    pub(crate) last_message_number: u64,
}

impl SubscriptionRecord {
    pub(crate) fn is_live_at(&self, now: DateTime<Utc>) -> bool {
        self.created_at <= now && now < self.stopped_at.map_or(self.expires_at, |at| at.min(self.expires_at))
    }
}

/// The collection that the list of a user's calendars is.
pub(crate) fn list_of(email: &str) -> Collection {
    Collection::CalendarList { user: email.to_owned() }
}
