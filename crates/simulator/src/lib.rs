//! Calendar providers to test against: their real APIs over real HTTP, with incremental reading, push channels, recurring
//! series, OAuth, faults, and a clock that tests can move.
//!
//! It is a program and a library: `evercal simulator` runs it as a process that survives `kill -9`, tests start
//! it inside themselves. What it imitates and where it deviates is listed in this crate's `README.md`. It is not
//! a provider client (`crates/providers`) and knows nothing of evercal's own workflows or storage.
//!
//! What all providers have is in `core`; each has a folder of its own beside it, and a line in `registry`.

mod core;
mod google;
mod graph;
mod registry;

pub use crate::core::access::AccessRole;
pub use crate::core::calls::{CallRecord, CallReport, MAX_CALLS_KEPT};
pub use crate::core::changes::{BulkChanges, ChangeKind, ChangeNotices, ChangeSummary};
pub use crate::core::channels::{ChannelReport, Collection};
pub use crate::core::control::{
    AddressChange, CalendarAccess, ClockReport, Consent, ControlError, IssuedTokens, NewCalendar, NewUser,
    TokenRequest, TrueEvent, TrueGuest, TruePosition, Truth,
};
pub use crate::core::deliveries::{
    Attempt, DeliveryRecord, DeliveryStatus, DeliverySummary, MAX_DELIVERIES_KEPT, MAX_PENDING_PER_CHANNEL,
};
pub use crate::core::error::SimulatorError;
pub use crate::core::faults::{FaultAction, FaultPlan, FaultRule, RandomFaults};
pub use crate::core::journal::JournalError;
pub use crate::core::notices::{NoticeAction, NoticePlan, NoticeRule};
pub use crate::core::options::{DeliveryOptions, DemoTenant, OauthClient, SimulatorOptions, SyncMessageTiming};
pub use crate::core::simulated::{Running, Simulated, run};
pub use registry::{Control, Quirks, QuotaLimits, SIMULATED, Simulator, microsoft, setup};

/// The request header that gives a calendar's virtual "now", in Unix milliseconds.
pub const SIMULATED_NOW_HEADER: &str = "x-evercal-simulated-now";
