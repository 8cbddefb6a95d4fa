//! Syncs on request: requests for one calendar that come together share one update, since a workflow takes ten at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use evercal_domain::{CalendarId, SyncReason, TenantId};
use evercal_process::Tasks;
use evercal_workflow_client::{CallError, WorkflowError, Workflows};
use evercal_workflows::contract::{Failure, Notify, SyncNowResult};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::delivery::{Delivered, Delivery};
use crate::group_commit::{GroupCommit, GroupLimits, Work};

/// Between two attempts. A subscription that continues as new takes no updates for a moment.
const ASK_AGAIN_DELAY: Duration = Duration::from_millis(200);
/// Rejections in a row after which a rejection is final.
const REJECTIONS_MAX: u32 = 5;

pub(crate) struct SyncNow {
    group: GroupCommit<Update>,
    delivery: Arc<Delivery>,
    timeout: Duration,
    /// How many more syncs each tenant may wait for: one tenant must not take the places of all while no worker ends any. Only
    /// tenants that exist have an entry, so that it cannot be filled from outside.
    waiting: Mutex<HashMap<TenantId, Arc<Semaphore>>>,
    waiting_per_tenant_max: usize,
    closing: CancellationToken,
}

/// How a request for a sync ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SyncRequestOutcome {
    /// A sync that began after the request has ended well.
    Done {
        /// The changes that it found.
        changes: i64,
    },
    /// It failed; the subscription tries again by itself.
    Failed(Failure),
    /// The subscription does not sync now, and says why.
    Rejected(String),
    /// The subscription has the request; the sync has not ended yet.
    InProgress,
}

impl SyncNow {
    /// Waits up to `timeout` for a sync to end.
    pub(crate) fn new(
        workflows: Arc<dyn Workflows>,
        delivery: Arc<Delivery>,
        timeout: Duration,
        waiting_per_tenant_max: usize,
        limits: GroupLimits,
        tasks: Tasks,
    ) -> Self {
        let closing = CancellationToken::new();
        let group = GroupCommit::new(Update { workflows, timeout, closing: closing.clone() }, limits, tasks);
        Self { group, delivery, timeout, waiting: Mutex::default(), waiting_per_tenant_max, closing }
    }

    /// Requests a sync and waits for its end. When the timeout ends, when this process stops, when no workflow takes the update,
    /// or when the tenant waits for too many already, the request becomes a signal.
    pub(crate) async fn request(
        &self,
        tenant: TenantId,
        calendar: CalendarId,
    ) -> Result<SyncRequestOutcome, CallError> {
        if let Some(permit) = self.permit(tenant)
            && let Ok(answer) = self.group.join(calendar, vec![permit])
            && let Ok(Ok(Some(outcome))) = tokio::time::timeout(self.timeout, answer).await
        {
            return Ok(outcome);
        }
        let notify = Notify { reason: SyncReason::Operator, ..Notify::default() };
        match self.delivery.deliver(calendar, &notify).await? {
            Delivered::ToSubscription | Delivered::ToAccount => Ok(SyncRequestOutcome::InProgress),
            Delivered::Closed | Delivered::Unknown => {
                Ok(SyncRequestOutcome::Rejected("The calendar is closed.".to_owned()))
            }
        }
    }

    /// A permit to wait, given back when the sync has ended or times out: not when its caller hangs up.
    fn permit(&self, tenant: TenantId) -> Option<OwnedSemaphorePermit> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let permits = waiting.entry(tenant).or_insert_with(|| Arc::new(Semaphore::new(self.waiting_per_tenant_max)));
        Arc::clone(permits).try_acquire_owned().ok()
    }

    /// Ends all waiting; the requests become signals.
    pub(crate) async fn drain(&self) {
        self.closing.cancel();
        self.group.drain().await;
    }
}

struct Update {
    workflows: Arc<dyn Workflows>,
    timeout: Duration,
    closing: CancellationToken,
}

#[async_trait]
impl Work for Update {
    type Item = Vec<OwnedSemaphorePermit>;
    /// `None`: Temporal did not take the update, it did not end in time, or this process stops.
    type Outcome = Option<SyncRequestOutcome>;

    fn merge(permits: &mut Self::Item, mut more: Self::Item) {
        permits.append(&mut more);
    }

    async fn perform(&self, calendar: CalendarId, _permits: Self::Item) -> Option<SyncRequestOutcome> {
        self.closing.run_until_cancelled(self.request(calendar)).await.flatten()
    }
}

impl Update {
    async fn request(&self, calendar: CalendarId) -> Option<SyncRequestOutcome> {
        let deadline = Instant::now() + self.timeout;
        let mut rejections = 0;
        loop {
            match tokio::time::timeout_at(deadline, self.workflows.sync_now(calendar)).await.ok()? {
                Ok(SyncNowResult::Done { changes }) => return Some(SyncRequestOutcome::Done { changes }),
                Ok(SyncNowResult::Failed(failure)) => return Some(SyncRequestOutcome::Failed(failure)),
                Ok(SyncNowResult::AskAgain) => {}
                Err(WorkflowError::Rejected(reason)) if rejections >= REJECTIONS_MAX => {
                    return Some(SyncRequestOutcome::Rejected(reason));
                }
                Err(WorkflowError::Rejected(_)) => rejections += 1,
                Err(WorkflowError::NotFound | WorkflowError::Unavailable(_)) => return None,
            }
            tokio::time::sleep(ASK_AGAIN_DELAY).await;
        }
    }
}
