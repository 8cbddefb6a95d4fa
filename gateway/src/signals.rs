//! What the gateway tells the workflows, as a trait: `temporal.rs` does it for real, tests remember it. Not for deciding
//! what to do when a workflow is missing (`delivery.rs`).

use async_trait::async_trait;
use evercal_domain::{AccountId, CalendarId};
use evercal_storage::InstallationOwner;
use evercal_workflows::contract::{AccountInput, ChannelHint, Notify, SyncNowResult};

/// The workflows, as far as the gateway talks to them. `Ok` of a telling method means that Temporal has stored it.
/// Every call ends within a bound that the implementation sets.
#[async_trait]
pub trait Signals: InstallationOwner + Send + Sync {
    /// Tells a calendar's subscription that something may have changed.
    async fn notify(&self, calendar: CalendarId, notify: &Notify) -> Result<(), SignalError>;
    /// Tells an account's workflow something.
    async fn tell_account(&self, account: AccountId, news: AccountNews) -> Result<(), SignalError>;
    /// Starts an account's workflow unless it runs.
    async fn start_account(&self, input: &AccountInput) -> Result<Start, SignalError>;
    /// Asks a calendar's subscription for a sync and waits for its end.
    async fn sync_now(&self, calendar: CalendarId) -> Result<SyncNowResult, SignalError>;
    /// Whether a workflow with this id runs.
    async fn runs(&self, workflow_id: &str) -> Result<bool, SignalError>;
    /// The ids of the workflows of a type that run, as Temporal's index of them has it, which may be some seconds old: a page
    /// of them, and where the next one begins.
    async fn running(&self, workflow_type: &str, page: Vec<u8>) -> Result<RunningPage, SignalError>;
    /// Whether Temporal answers and knows our namespace.
    async fn ping(&self) -> Result<(), SignalError>;
}

/// What an account's workflow can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountNews {
    /// Somebody consented (again): there is a code to redeem.
    Authorized,
    /// A calendar that should have a subscription has none.
    SubscriptionMissing(CalendarId),
    /// The provider announced, on this channel, a change of the account's list of calendars.
    ListChanged(ChannelHint),
    /// Notices about the account's list of calendars may have been refused.
    ListMayHaveChanged,
    /// Look at the list of calendars now, whatever it waits for.
    Look,
    /// Take everything down.
    Disconnect,
}

/// Workflows that run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunningPage {
    /// Their ids.
    pub workflow_ids: Vec<String>,
    /// Where the next page begins; empty on the last one.
    pub next: Vec<u8>,
}

/// What starting did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// It runs now.
    Started,
    /// It ran already.
    AlreadyRunning,
}

/// Why a call to Temporal did not do what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignalError {
    /// There is no such workflow, or it has ended.
    #[error("the workflow does not run")]
    NotFound,
    /// The workflow refused an update; its own words.
    #[error("the workflow refused: {0}")]
    Refused(String),
    /// Temporal is down, slow or refuses for a reason of its own; trying again may help.
    #[error("Temporal is unavailable: {0}")]
    Unavailable(String),
}
