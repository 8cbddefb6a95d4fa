//! The words of evercal: ids, accounts, calendars, events, channels, errors, limits, instants and the clock.
//!
//! Every other crate speaks in these types. Not for: wire formats of providers (`crates/providers`), SQL
//! (`crates/storage`), Temporal payloads (`workflows`), or anything asynchronous.

#[macro_use]
mod names;
#[macro_use]
mod redacted;

pub mod account;
pub mod calendar;
pub mod change;
pub mod channel;
pub mod channel_token;
pub mod clock;
pub mod consent;
pub mod error;
pub mod event;
pub mod heartbeat;
pub mod ids;
pub mod journal;
pub mod limits;
pub mod profile;
pub mod provider;
pub mod random;
pub mod strategy;
pub mod sync;
pub mod tenant;
pub mod unix_ms;

pub use account::{Account, AccountState};
pub use calendar::{AccessRole, Calendar, CalendarState, EventView, RemoteCalendar};
pub use channel::{Channel, ChannelEnd, ChannelState, LifecycleEvent, Watched};
pub use clock::{Clock, SystemClock};
pub use consent::{ConsentOutcome, PendingConsent, PendingGrant};
pub use error::{ProviderError, ProviderErrorKind, RetryClass};
pub use event::{Event, EventStatus, EventTime, Part, ProviderOccurrence, RemoteEvent, RemoteItem, SeriesPosition};
pub use evercal_zones::{self as zones, Zone};
pub use ids::{
    AccountId, ApiKeyId, CalendarId, ChannelId, GrantSubject, InstallationId, ProviderCalendarId, ProviderCursor,
    ProviderEventId, RemoteChannelId, TenantId,
};
pub use profile::Profile;
pub use provider::{ByProvider, Provider, ProviderOff};
pub use strategy::SyncStrategy;
pub use sync::{JobType, Priority, SyncReason, Via};
pub use unix_ms::UnixMs;
