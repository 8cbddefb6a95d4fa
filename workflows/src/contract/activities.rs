//! Declarations of the activities, and what they take and give. `activities/` implements them; the compiler checks that
//! both sides agree. Activities return facts; workflows decide.

#![expect(missing_docs, reason = "the SDK's macros generate constants without documentation")]

use evercal_domain::{
    AccountId, AccountState, CalendarId, CalendarState, ChannelId, ConsentOutcome, ProviderErrorKind, RemoteChannelId,
    SyncReason, SyncStrategy, UnixMs, Watched,
};
use serde::{Deserialize, Serialize};
use temporalio_common::ActivityError;
use temporalio_macros::activity_definitions;

use crate::names;
use crate::retry::Timing;

/// What `activities/` implements, by marker.
pub use account_activities::{ListCalendars, ListOpenCalendars, RedeemCode, RevokeAccount};
pub use channel_activities::{CloseChannels, CreateChannel, RenewChannel, StopChannel};
pub use record_activities::{RecordAccountState, RecordState, SendAlert};
pub use sync_activities::SyncCalendar;

/// The activities about channels.
pub struct ChannelActivities;

#[activity_definitions]
#[expect(clippy::unimplemented, reason = "the macro asks for this body; implementations are in `activities/`")]
impl ChannelActivities {
    #[activity(name = names::CREATE_CHANNEL)]
    pub async fn create_channel(_input: OpenChannelInput) -> Result<ChannelOpened, ActivityError> {
        unimplemented!()
    }

    #[activity(name = names::RENEW_CHANNEL)]
    pub async fn renew_channel(_input: OpenChannelInput) -> Result<ChannelOpened, ActivityError> {
        unimplemented!()
    }

    #[activity(name = names::STOP_CHANNEL)]
    pub async fn stop_channel(_input: StopChannelInput) -> Result<ChannelSettled, ActivityError> {
        unimplemented!()
    }

    #[activity(name = names::CLOSE_CHANNELS)]
    pub async fn close_channels(_input: CloseChannelsInput) -> Result<ChannelsClosed, ActivityError> {
        unimplemented!()
    }
}

/// The activity that reads.
pub struct SyncActivities;

#[activity_definitions]
#[expect(clippy::unimplemented, reason = "the macro asks for this body; implementations are in `activities/`")]
impl SyncActivities {
    #[activity(name = names::SYNC_CALENDAR)]
    pub async fn sync_calendar(_input: SyncInput) -> Result<SyncOutcome, ActivityError> {
        unimplemented!()
    }
}

/// The activities about accounts.
pub struct AccountActivities;

#[activity_definitions]
#[expect(clippy::unimplemented, reason = "the macro asks for this body; implementations are in `activities/`")]
impl AccountActivities {
    #[activity(name = names::REDEEM_CODE)]
    pub async fn redeem_code(_input: RedeemInput) -> Result<CodeRedeemed, ActivityError> {
        unimplemented!()
    }

    #[activity(name = names::LIST_CALENDARS)]
    pub async fn list_calendars(_input: AccountRef) -> Result<CalendarsListed, ActivityError> {
        unimplemented!()
    }

    #[activity(name = names::REVOKE_ACCOUNT)]
    pub async fn revoke_account(_input: RevokeInput) -> Result<AccountRevoked, ActivityError> {
        unimplemented!()
    }

    #[activity(name = names::LIST_OPEN_CALENDARS)]
    pub async fn list_open_calendars(_input: AccountRef) -> Result<OpenCalendars, ActivityError> {
        unimplemented!()
    }
}

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

/// Input of `create_channel` and `renew_channel`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OpenChannelInput {
    /// What to watch.
    pub watched: Watched,
    /// The lifetime to ask for, in seconds. The provider may grant less.
    pub lifetime_s: u32,
}

/// A channel that is live, and those that it makes superfluous.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelOpened {
    /// The new channel.
    pub channel_id: ChannelId,
    /// What the provider calls it.
    pub remote_id: Option<RemoteChannelId>,
    /// When it was opened.
    pub opened_at: UnixMs,
    /// When the provider ends it.
    pub expires_at: UnixMs,
    /// All other channels on the same that may be alive: the old one, and those whose answer was lost.
    pub superseded: Vec<ChannelRef>,
}

/// A channel that may be alive at the provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelRef {
    /// The channel.
    pub channel_id: ChannelId,
    /// What the provider calls it, where known.
    pub remote_id: Option<RemoteChannelId>,
    /// When it ends by itself; `None` where only a notice told of it.
    pub expires_at: Option<UnixMs>,
}

/// Input of `stop_channel`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StopChannelInput {
    /// What it watches.
    pub watched: Watched,
    /// The channel.
    pub channel: ChannelRef,
}

/// What became of a channel that was to be stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelSettled {
    /// It was in the register as alive and is stopped now. Its notice was a real one.
    Stopped,
    /// It had been stopped before, or ran out: late notices are normal.
    WasOver,
    /// It was not in the register; it is ours by its token, and is stopped now.
    OrphanStopped,
    /// It cannot be stopped: the provider never told us what it watches. It runs out by itself. An answer that only a newer
    /// version knows reads so too, since it asks for nothing.
    #[serde(other)]
    NotStoppable,
}

/// Input of `close_channels`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CloseChannelsInput {
    /// What nobody is to watch any more.
    pub watched: Watched,
}

/// Answer of `close_channels`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ChannelsClosed {
    /// How many were stopped by this call.
    pub stopped: u32,
}

/// Input of `sync_calendar`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SyncInput {
    /// The calendar.
    pub calendar_id: CalendarId,
    /// Why.
    pub reason: SyncReason,
    /// When the first notice reached the gateway, where there was one.
    pub notice_at: Option<UnixMs>,
    /// What earlier slices of this sync did.
    pub so_far: SyncCounts,
    /// After how long a sync that has more to read hands its slot back, in milliseconds.
    pub slice_ms: u64,
}

/// A sync in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SyncCounts {
    /// When the sync began; `None` before its first slice.
    pub started_at: Option<UnixMs>,
    /// Pages read.
    pub pages: i64,
    /// Changes found.
    pub changes: i64,
    /// Changes that the provider dates so far back that a notice should have told of them.
    pub unannounced: i64,
    /// Entries read.
    pub items: i64,
    /// Pages without an entry, one after the other, up to now.
    pub empty_pages: i64,
}

/// How a slice ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SyncOutcome {
    /// All is read.
    Done {
        /// The whole sync in numbers.
        counts: SyncCounts,
        /// When its last page was committed.
        finished_at: UnixMs,
    },
    /// Time is up for this slice; the rest is read by the next one.
    More {
        /// The sync so far.
        counts: SyncCounts,
    },
    /// The calendar does not exist any more, or not for us, while others of its account answer.
    Refused {
        /// How the provider said so: not found, or forbidden.
        error: ProviderErrorKind,
        /// The provider's own word for it.
        reason: Option<String>,
    },
    /// The grant is dead.
    NeedsReauth,
    /// The store has no row of this calendar.
    NoRow,
    /// Something that only a newer version knows; the reconcile will look again.
    #[serde(other)]
    Unknown,
}

/// Input of the activities that take an account alone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AccountRef {
    /// The account.
    pub account_id: AccountId,
}

/// Input of `redeem_code`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RedeemInput {
    /// The account.
    pub account_id: AccountId,
    /// The code cannot be good any more: end the consent without asking the provider.
    pub give_up: bool,
}

/// Input of `revoke_account`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RevokeInput {
    /// The account.
    pub account_id: AccountId,
    /// The provider does not answer: erase what we have without asking it again.
    pub erase_only: bool,
}

/// Answer of `redeem_code`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CodeRedeemed {
    /// The consent has come to its end.
    Settled {
        /// What came of it.
        outcome: ConsentOutcome,
        /// Whether the account has tokens, of this consent or of one before it.
        has_tokens: bool,
    },
    /// No consent waits, and what came of the last one is not remembered.
    NothingWaits {
        /// Whether the account has tokens.
        has_tokens: bool,
    },
}

/// Why a list of calendars was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListLimit {
    /// It has more calendars than an account may have: the first ones are mirrored.
    TooManyCalendars,
    /// It has too many pages, as one that never ends has.
    TooManyPages,
    /// Reading it took too long.
    TooSlow,
}

/// Answer of `list_calendars`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CalendarsListed {
    /// The list was read.
    Listed {
        /// The calendars that need a subscription.
        listed: Vec<CalendarId>,
        /// The calendars whose subscription has to end.
        vanished: Vec<CalendarId>,
        /// Those of `listed` whose subscription waits for a person to act.
        action_required: Vec<CalendarId>,
        /// The durations that are configured now.
        timing: Box<Timing>,
        /// How changes are to be found now.
        strategy: SyncStrategy,
        /// Why the list was not read to its end; `None` when it was.
        incomplete: Option<ListLimit>,
    },
    /// The grant is dead.
    NeedsReauth,
}

/// Answer of `list_open_calendars`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenCalendars {
    /// The calendars whose subscription has not ended.
    pub calendars: Vec<CalendarId>,
}

/// Answer of `revoke_account`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountRevoked {
    /// The grant was given back and the tokens are erased.
    Revoked,
    /// Another account uses the same grant: only our tokens are erased.
    KeptForOthers,
    /// The tokens are erased; the provider was not asked.
    OnlyErased,
    /// The grant was dead already; the tokens are erased. An answer that only a newer version knows reads so too: whatever else
    /// it says, the activity has succeeded.
    #[serde(other)]
    WasDead,
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
    /// It is another one than they were last told.
    New,
    /// A run that continued as new says it once more, since a store may have lost it.
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
