//! A calendar provider to test against: Google Calendar API v3 over real HTTP, with sync tokens, push channels,
//! recurring series, OAuth, faults, and a clock that tests can move.
//!
//! It is a program and a library: `evercal simulator` runs it as a process that survives `kill -9`, tests start
//! it inside themselves. What it imitates and where it deviates is listed in this crate's `README.md`. It is not
//! a provider client (`crates/providers`) and knows nothing of evercal's own workflows or storage.

mod calls;
mod clock;
mod control;
mod faults;
mod google;
mod journal;
mod net;
mod notices;
mod options;
mod seed;
mod simulator;
mod state;
mod visitors;
mod zones;

pub use calls::{CallRecord, CallReport, MAX_CALLS_KEPT};
pub use control::{
    AddressChange, CalendarAccess, CalendarTruth, ClockReport, Consent, Control, ControlError, IssuedTokens,
    NewCalendar, NewUser, TokenRequest,
};
pub use faults::{FaultAction, FaultPlan, FaultRule, RandomFaults};
pub use google::calendars::AccessRole;
pub use google::changes::{BulkChanges, ChangeKind, ChangeNotices, ChangeSummary};
pub use google::channels::{ChannelReport, Collection};
pub use google::delivery::{
    Attempt, DeliveryRecord, DeliveryStatus, DeliverySummary, MAX_DELIVERIES_KEPT, MAX_PENDING_PER_CHANNEL,
};
pub use google::quirks::Quirks;
pub use google::quota::QuotaLimits;
pub use journal::JournalError;
pub use notices::{NoticeAction, NoticePlan, NoticeRule};
pub use options::{DeliveryOptions, DemoTenant, OauthClient, SimulatorOptions, SyncMessageTiming};
pub use simulator::{Simulator, SimulatorError, run};

/// The request header that gives a calendar's virtual "now", in Unix milliseconds.
pub const SIMULATED_NOW_HEADER: &str = "x-evercal-simulated-now";
