//! A calendar provider to test against: Google Calendar API v3 over real HTTP, with sync tokens, push channels,
//! recurring series, OAuth, faults, and a clock that tests can move.
//!
//! It is a program and a library: `evercal simulator` runs it as a process that survives `kill -9`, tests start
//! it inside themselves. What it imitates and where it deviates is listed in this crate's `README.md`. It is not
//! a provider client (`crates/providers`) and knows nothing of evercal's own workflows or storage.

mod core;
mod google;

pub use crate::core::calls::{CallRecord, CallReport, MAX_CALLS_KEPT};
pub use crate::core::control::{
    AddressChange, CalendarAccess, CalendarTruth, ClockReport, Consent, Control, ControlError, IssuedTokens,
    NewCalendar, NewUser, TokenRequest,
};
pub use crate::core::faults::{FaultAction, FaultPlan, FaultRule, RandomFaults};
pub use crate::core::journal::JournalError;
pub use crate::core::notices::{NoticeAction, NoticePlan, NoticeRule};
pub use crate::core::options::{DeliveryOptions, DemoTenant, OauthClient, SimulatorOptions, SyncMessageTiming};
pub use crate::core::simulator::{Simulator, SimulatorError, run};
pub use crate::google::calendars::AccessRole;
pub use crate::google::changes::{BulkChanges, ChangeKind, ChangeNotices, ChangeSummary};
pub use crate::google::channels::{ChannelReport, Collection};
pub use crate::google::delivery::{
    Attempt, DeliveryRecord, DeliveryStatus, DeliverySummary, MAX_DELIVERIES_KEPT, MAX_PENDING_PER_CHANNEL,
};
pub use crate::google::quirks::Quirks;
pub use crate::google::quota::QuotaLimits;

/// The request header that gives a calendar's virtual "now", in Unix milliseconds.
pub const SIMULATED_NOW_HEADER: &str = "x-evercal-simulated-now";
