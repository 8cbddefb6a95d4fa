//! The activities that only write down what workflows decided, and what they take.

#![expect(missing_docs, reason = "the SDK's macros generate constants without documentation")]

use evercal_domain::{AccountId, AccountState, CalendarId, CalendarState, UnixMs};
use serde::{Deserialize, Serialize};
use temporalio_common::ActivityError;
use temporalio_macros::activity_definitions;

use crate::names;

pub use record_activities::{RecordAccountState, RecordState, SendAlert};

/// The activities that only write something down.
pub struct RecordActivities;

#[activity_definitions]
#[expect(clippy::unimplemented, reason = "the macro asks for this body; implementations are in `activities/`")]
impl RecordActivities {
    #[activity(name = names::RECORD_STATE)]
    pub async fn record_state(_input: StateFact) -> Result<(), ActivityError> {
        unimplemented!()
    }

    #[activity(name = names::SEND_ALERT)]
    pub async fn send_alert(_input: AlertFact) -> Result<(), ActivityError> {
        unimplemented!()
    }

    #[activity(name = names::RECORD_ACCOUNT_STATE)]
    pub async fn record_account_state(_input: AccountStateFact) -> Result<(), ActivityError> {
        unimplemented!()
    }
}

/// Input of `record_state`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StateFact {
    /// The calendar.
    pub calendar_id: CalendarId,
    /// Its state.
    pub state: CalendarState,
    /// One sentence for people.
    pub detail: Option<String>,
    /// When the live channel ends.
    pub channel_expires_at: Option<UnixMs>,
    /// When this was so.
    pub at: UnixMs,
    /// Whether readers know it already.
    pub novelty: Novelty,
}

/// Whether readers know a state already; only what is new goes into the audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Novelty {
    /// It is another one than was last written down.
    New,
    /// A run that continued as new writes it once more, since a store may have lost it.
    Repeated,
}

/// Whether somebody is to be alarmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alert {
    /// The calendar has lost its channel.
    Raised,
    /// It has one again, or needs none.
    #[default]
    Cleared,
}

/// Input of `send_alert`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AlertFact {
    /// The calendar.
    pub calendar_id: CalendarId,
    /// Raised, or over.
    pub alert: Alert,
    /// One sentence for people.
    pub message: String,
    /// When.
    pub at: UnixMs,
}

/// Input of `record_account_state`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AccountStateFact {
    /// The account.
    pub account_id: AccountId,
    /// Its state.
    pub state: AccountState,
    /// One sentence for people.
    pub detail: Option<String>,
    /// When the channel on its list of calendars ends.
    pub channel_expires_at: Option<UnixMs>,
    /// When.
    pub at: UnixMs,
    /// What of it is another than before.
    pub news: StateNews,
}

/// What of an account's state readers do not know yet; news go into the audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StateNews {
    /// The account is in another state than before.
    State,
    /// The state is the same, the sentence about it is another one.
    Detail,
    /// Neither: only the channel is another one.
    Nothing,
}
