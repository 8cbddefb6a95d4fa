//! The calls to the workflows, as a trait: `temporal.rs` makes them, tests record them. Not for deciding what to do
//! when a workflow is missing (`accounts.rs`).

use async_trait::async_trait;
use evercal_domain::{AccountId, CalendarId};
use evercal_storage::InstallationOwner;
use evercal_workflows::contract::{AccountInput, ChannelHint, Lifecycle, Notify, SyncNowResult};

/// The workflows, for those outside of them. `Ok` of a signal means that Temporal has stored it. Every call but
/// [`Self::sync_now`] ends within a bound that the implementation sets.
#[async_trait]
pub trait Workflows: InstallationOwner + Send + Sync {
    /// Signals a calendar's subscription that something may have changed.
    async fn notify(&self, calendar: CalendarId, notify: &Notify) -> Result<(), WorkflowError>;
    /// Signals a calendar's subscription what its provider says of a channel itself.
    async fn tell_lifecycle(&self, calendar: CalendarId, lifecycle: &Lifecycle) -> Result<(), WorkflowError>;
    /// Signals a calendar's subscription that what it waits for has ended: it tries again now.
    async fn retry_now(&self, calendar: CalendarId) -> Result<(), WorkflowError>;
    /// Signals an account's workflow.
    async fn signal_account(&self, account: AccountId, signal: AccountSignal) -> Result<(), WorkflowError>;
    /// Starts an account's workflow unless it runs.
    async fn start_account(&self, input: &AccountInput) -> Result<StartOutcome, WorkflowError>;
    /// Asks a calendar's subscription for a sync, by an update, and waits for the sync's end, however long that takes.
    async fn sync_now(&self, calendar: CalendarId) -> Result<SyncNowResult, WorkflowError>;
    /// Whether a workflow with this id runs.
    async fn is_running(&self, workflow_id: &str) -> Result<bool, WorkflowError>;
    /// The ids of the workflows of a type that run, as Temporal's index of them has it, which may be some seconds old: a page
    /// of them, and where the next one begins.
    async fn list_running(&self, workflow_type: &str, page: Vec<u8>) -> Result<RunningPage, WorkflowError>;
    /// Whether Temporal answers and knows our namespace.
    async fn ping(&self) -> Result<(), WorkflowError>;
}

/// The signals that an account's workflow takes from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountSignal {
    /// Somebody consented (again): there is a code to redeem.
    Authorized,
    /// A calendar that should have a subscription has none.
    SubscriptionMissing(CalendarId),
    /// The provider announced, on this channel, a change of the account's list of calendars.
    ListChanged(ChannelHint),
    /// Notices about the account's list of calendars may have been refused.
    ListMayHaveChanged,
    /// List the calendars now, whatever the workflow waits for.
    Discover,
    /// Disconnect the account: stop its channels, erase its tokens.
    Disconnect,
}

/// A page of the workflows that run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunningPage {
    /// Their ids.
    pub workflow_ids: Vec<String>,
    /// Where the next page begins, in Temporal's own form; empty on the last one.
    pub next: Vec<u8>,
}

/// What starting a workflow did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartOutcome {
    /// It runs now.
    Started,
    /// It ran already.
    AlreadyRunning,
}

/// Why a call to a workflow did not do what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorkflowError {
    /// There is no such workflow, or it has ended.
    #[error("the workflow does not run")]
    NotFound,
    /// The workflow rejected an update; its own words.
    #[error("the workflow rejected the update: {0}")]
    Rejected(String),
    /// Temporal is down, slow or refuses for a reason of its own; trying again may help.
    #[error("Temporal is unavailable: {0}")]
    Unavailable(String),
}
