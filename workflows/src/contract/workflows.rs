//! Inputs of workflows, answers of updates and queries.

use evercal_domain::{AccountId, AccountState, CalendarId, CalendarState, Provider, SyncStrategy, TenantId, UnixMs};
use serde::{Deserialize, Serialize};

use super::Failure;
use crate::account::AccountProgress;
use crate::due::Due;
use crate::retry::Timing;
use crate::subscription::SubscriptionState;

/// Input of a subscription.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SubscriptionInput {
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
    /// What the run before handed over; `None` for the first run.
    pub carried: Option<SubscriptionState>,
}

/// Input of an account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AccountInput {
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
    /// What the run before handed over; `None` for the first run.
    pub carried: Option<AccountProgress>,
}

/// Input of the poller of a calendar.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PollingInput {
    /// The calendar whose subscription is told to look.
    pub calendar_id: CalendarId,
    /// Seconds between two looks.
    pub interval_s: u32,
}

/// How a subscription or an account ended.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ended {
    /// One sentence for people.
    pub reason: String,
}

/// Answer of `sync_now`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SyncNowResult {
    /// A sync that began after the request has ended well.
    Done {
        /// The changes that it found.
        changes: i64,
    },
    /// It failed; the subscription tries again by itself.
    Failed(Failure),
    /// The subscription is handing over to its next run, or closing: ask again. An answer that only a newer version knows reads
    /// so too: the next one may be known.
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
    /// Failed attempts since a channel was last had.
    pub failed_attempts: u32,
    /// When the last sync ended well.
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
