//! What every provider's register says of push channels and of what they watch.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::deliveries::DeliveryRecord;

/// What a channel watches.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Collection {
    /// The events of one calendar.
    Events {
        /// The calendar's id.
        calendar: String,
    },
    /// The list of calendars of one user.
    CalendarList {
        /// The user's e-mail address.
        user: String,
    },
}

impl Collection {
    /// The name under which the collection has its clock and its tokens.
    pub(crate) fn key(&self) -> String {
        match self {
            Self::Events { calendar } => calendar.clone(),
            Self::CalendarList { user } => format!("list of {user}"),
        }
    }
}

/// A channel with its whole history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelReport {
    /// The id that client and provider call it by.
    pub id: String,
    /// What it watches.
    pub collection: Collection,
    /// What the provider calls the channel or what it watches, as its notices have it.
    pub remote_id: String,
    /// Who created it.
    pub user: String,
    /// With which OAuth client.
    pub client: String,
    /// Where notices go.
    pub address: String,
    /// Sent with each notice.
    pub token: Option<String>,
    /// Virtual time of creation.
    pub created_at: DateTime<Utc>,
    /// Virtual time of expiry.
    pub expires_at: DateTime<Utc>,
    /// Virtual time at which the client stopped it, if it did.
    pub stopped_at: Option<DateTime<Utc>>,
    /// Whether it lives at its collection's present virtual time.
    pub live: bool,
    /// Its notices in the order in which they were made.
    pub deliveries: Vec<DeliveryRecord>,
}
