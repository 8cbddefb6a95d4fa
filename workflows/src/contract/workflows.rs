//! Inputs of workflows, answers of updates and queries.

use evercal_domain::{AccountId, AccountState, CalendarId, CalendarState, Provider, SyncStrategy, TenantId, UnixMs};
use serde::{Deserialize, Serialize};

use super::Failure;
use crate::due::Due;
use crate::retry::Timing;

/// The state of a workflow for whoever starts one: only a run that continues as new has one to carry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NoState {}

/// How a run of a subscription begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Begins<State> {
    /// With everything before it: its first read is due, and it has no channel.
    First,
    /// With its end. Only a subscription stops its channels and writes its end down, so one that is not there is started for
    /// that.
    Closing {
        /// One sentence for people: why.
        reason: String,
    },
    /// Where the run before it continued as new.
    Carried(State),
}

/// Input of a subscription. `State` is what its runs carry on; who starts one carries nothing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SubscriptionInput<State = NoState> {
    /// The calendar.
    pub calendar_id: CalendarId,
    /// Its account.
    pub account_id: AccountId,
    /// Whose it is: the fairness key.
    pub tenant_id: TenantId,
    /// Where it lives.
    pub provider: Provider,
    /// The durations to go by.
    pub timing: Timing,
    /// How changes are found, to begin with; a later run goes by what is carried.
    pub strategy: SyncStrategy,
    /// With what this run begins.
    pub begins: Begins<State>,
}

/// Input of an account. `State` is what its runs carry on; who starts one carries nothing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AccountInput<State = NoState> {
    /// The account.
    pub account_id: AccountId,
    /// Whose it is.
    pub tenant_id: TenantId,
    /// Where it lives.
    pub provider: Provider,
    /// The durations to go by.
    pub timing: Timing,
    /// How changes are found.
    pub strategy: SyncStrategy,
    /// What the run before carried; `None` for the first run.
    pub carried: Option<State>,
}

/// Input of the poller of a calendar.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PollingInput {
    /// The calendar whose subscription is asked for a sync.
    pub calendar_id: CalendarId,
    /// Seconds between two polls.
    pub interval_s: u32,
}

/// How a subscription or an account ended.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ended {
    /// One sentence for people.
    pub reason: String,
}

/// How a sync ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SyncEnd {
    /// All is read.
    Done {
        /// The changes that it found.
        changes: i64,
    },
    /// It failed; it is tried again.
    Failed(Failure),
}

/// Answer of `sync_now`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SyncNowResult {
    /// A sync that began after the request has read everything.
    Done {
        /// The changes that it found.
        changes: i64,
    },
    /// It failed; the subscription tries again by itself.
    Failed(Failure),
    /// The subscription is continuing as new, or closing: ask again. An answer that only a newer version knows is parsed as
    /// this one: the next one may be known.
    #[serde(other)]
    AskAgain,
}

/// Answer of the subscription's `status` query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionStatus {
    /// The state.
    pub state: CalendarState,
    /// How changes are found.
    pub strategy: SyncStrategy,
    /// One sentence for people.
    pub summary: String,
    /// When the live channel ends.
    pub channel_expires_at: Option<UnixMs>,
    /// When the next attempt at a channel is due, where one is.
    pub next_channel_attempt: Option<Due>,
    /// Failed attempts since a channel was last opened.
    pub failed_attempts: u32,
    /// When the last sync had read everything.
    pub last_sync_at: Option<UnixMs>,
    /// Whether a sync is running.
    pub syncing: bool,
}

/// Answer of the account's `status` query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountStatus {
    /// The state.
    pub state: AccountState,
    /// Its subscriptions.
    pub calendars: Vec<CalendarId>,
}
