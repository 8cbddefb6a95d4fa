//! A mirrored calendar and the states of its subscription.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, CalendarId, ProviderCalendarId, TenantId};
use crate::sync::Via;

/// Where a calendar's subscription is: `creating → live ⇄ renewing → polling → live`, and the states beside that road.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CalendarState {
    /// The first channel is being made.
    Creating,
    /// A channel is live.
    Live,
    /// A channel is live and its successor is being made.
    Renewing,
    /// No channel could be opened: a poller finds changes while opening one is retried.
    Polling,
    /// The provider cannot watch this calendar, or polling was chosen; it is polled. A state, not an error.
    PollOnly,
    /// An operator paused it: the channel is kept, syncs are skipped.
    Paused,
    /// The account's grant is dead.
    NeedsReauth,
    /// Not shared any more, or forbidden: somebody has to act.
    ActionRequired,
    /// Ended.
    Closed,
}

names! {
    CalendarState {
        Creating = "creating",
        Live = "live",
        Renewing = "renewing",
        Polling = "polling",
        PollOnly = "poll_only",
        Paused = "paused",
        NeedsReauth = "needs_reauth",
        ActionRequired = "action_required",
        Closed = "closed",
    }
}

impl CalendarState {
    /// Whether its events may be read. After the provider refused the calendar, or stopped listing it, nothing of it is served.
    pub fn serves_events(self) -> bool {
        !matches!(self, Self::ActionRequired | Self::Closed)
    }
}

/// What the account may do with a calendar, the one that may least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessRole {
    /// Sees only when it is busy.
    FreeBusyReader,
    /// Reads events.
    Reader,
    /// Reads and writes events.
    Writer,
    /// Owns it.
    Owner,
}

names! { AccessRole { FreeBusyReader = "free_busy_reader", Reader = "reader", Writer = "writer", Owner = "owner" } }

impl AccessRole {
    /// What it shows of an event.
    pub fn view(self) -> EventView {
        match self {
            Self::FreeBusyReader => EventView::Times,
            Self::Reader => EventView::Public,
            Self::Writer | Self::Owner => EventView::Everything,
        }
    }
}

/// How much of an event a role may see, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventView {
    /// Only when it is, and whether the time is taken.
    Times,
    /// The details of those that are not private.
    Public,
    /// The details of all.
    Everything,
}

/// A calendar as the provider lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteCalendar {
    /// Its id there.
    pub provider_id: ProviderCalendarId,
    /// Its title.
    pub title: String,
    /// Its IANA time zone, where known.
    pub time_zone: Option<String>,
    /// What we may do with it.
    pub access_role: AccessRole,
    /// Whether it is the account's main calendar.
    pub primary: bool,
}

/// A mirrored calendar as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    /// Our id.
    pub id: CalendarId,
    /// Whose it is.
    pub tenant_id: TenantId,
    /// The account through which we read it.
    pub account_id: AccountId,
    /// What the provider last said about it.
    pub remote: RemoteCalendar,
    /// Where its subscription is.
    pub state: CalendarState,
    /// One sentence about the state, for people.
    pub detail: Option<String>,
    /// When the state last changed.
    pub state_changed_at: DateTime<Utc>,
    /// When the live channel ends, if there is one.
    pub channel_expires_at: Option<DateTime<Utc>>,
    /// When we last *knew* the mirror to be complete.
    pub confirmed_at: Option<DateTime<Utc>>,
    /// What started the pass that confirmed it.
    pub confirmed_via: Option<Via>,
    /// The last good sync, in numbers.
    pub last_sync: Option<LastSync>,
    /// How many events (masters, single events and exceptions) the mirror holds.
    pub event_count: i64,
    /// The end of the window in which the occurrences of series are stored; not there before the first full pass has ended.
    pub window_end: Option<DateTime<Utc>>,
}

/// The last finished sync of a calendar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastSync {
    /// When its last page was committed.
    pub finished_at: DateTime<Utc>,
    /// How many changes it found.
    pub changes: i64,
    /// Milliseconds from the notice's arrival at the gateway to the commit, when a notice started it.
    pub notice_to_stored_ms: Option<i64>,
}
