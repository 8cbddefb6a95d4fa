//! Brings a reason to sync, or what is said of its channel, to a calendar's subscription, and finds out what it means when there
//! is no subscription.

use std::sync::Arc;

use evercal_domain::{CalendarId, CalendarState};
use evercal_storage::Store;
use evercal_workflow_client::{AccountWorkflows, CallError, SignalOutcome, WorkflowError, Workflows};
use evercal_workflows::contract::{Lifecycle, Notify};

pub(crate) struct Delivery {
    store: Arc<dyn Store>,
    workflows: Arc<dyn Workflows>,
    accounts: Arc<AccountWorkflows>,
}

/// What became of a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// The subscription has it.
    ToSubscription,
    /// The subscription was missing: its account has the signal to start it, and a new subscription syncs at once.
    ToAccount,
    /// The calendar is closed, or its account disconnected: late notices are normal and not reported.
    Closed,
    /// We have no such calendar.
    Unknown,
}

impl Delivery {
    /// Looks missing subscriptions up in `store`.
    pub(crate) fn new(store: Arc<dyn Store>, workflows: Arc<dyn Workflows>, accounts: Arc<AccountWorkflows>) -> Self {
        Self { store, workflows, accounts }
    }

    /// Delivers; after an error the reason is still to be delivered. A plain signal, never signal-with-start: a late notice must not bring a closed subscription back.
    pub(crate) async fn deliver(&self, calendar: CalendarId, notify: &Notify) -> Result<Delivered, CallError> {
        self.settled(calendar, self.workflows.notify(calendar, notify).await).await
    }

    /// Delivers what a provider says of a channel of a calendar; after an error it is still to be delivered.
    pub(crate) async fn deliver_lifecycle(
        &self,
        calendar: CalendarId,
        lifecycle: &Lifecycle,
    ) -> Result<Delivered, CallError> {
        self.settled(calendar, self.workflows.tell_lifecycle(calendar, lifecycle).await).await
    }

    async fn settled(
        &self,
        calendar: CalendarId,
        signalled: Result<(), WorkflowError>,
    ) -> Result<Delivered, CallError> {
        match signalled {
            Ok(()) => Ok(Delivered::ToSubscription),
            Err(WorkflowError::NotFound) => self.without_subscription(calendar).await,
            Err(error) => Err(error.into()),
        }
    }

    async fn without_subscription(&self, calendar: CalendarId) -> Result<Delivered, CallError> {
        let Some(row) = self.store.calendar(calendar).await? else {
            return Ok(Delivered::Unknown);
        };
        if row.state == CalendarState::Closed {
            return Ok(Delivered::Closed);
        }
        Ok(match self.accounts.signal_missing_subscription(&row).await? {
            SignalOutcome::Delivered => Delivered::ToAccount,
            SignalOutcome::NoAccount => Delivered::Closed,
        })
    }
}
