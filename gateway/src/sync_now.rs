//! Syncs that somebody asked for: callers that ask together share one update, since a workflow takes ten at a time.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use evercal_domain::{CalendarId, SyncReason, TenantId};
use evercal_process::Tasks;
use evercal_workflow_client::{WorkflowError, Workflows};
use evercal_workflows::contract::{Failure, Notify, SyncNowResult};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::delivery::{Delivered, Delivery, DeliveryError};
use crate::group_commit::{GroupCommit, GroupLimits, Work};

/// Between two attempts. A subscription that continues as new takes no updates for a moment.
const ASK_AGAIN_DELAY: Duration = Duration::from_millis(200);
/// Refusals in a row after which a refusal is final.
const REFUSALS_MAX: u32 = 5;

pub(crate) struct SyncNow {
    group: GroupCommit<Update>,
    delivery: Arc<Delivery>,
    patience: Duration,
    waiting: Arc<Waiting>,
    closing: CancellationToken,
}

/// How a request for a sync ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A sync that began after the request has ended well.
    Done {
        /// The changes that it found.
        changes: i64,
    },
    /// It failed; the subscription tries again by itself.
    Failed(Failure),
    /// The subscription does not sync now, and says why.
    Refused(String),
    /// The subscription has the request; the sync has not ended yet.
    Underway,
}

impl SyncNow {
    /// Waits up to `patience` for a sync to end.
    pub(crate) fn new(
        workflows: Arc<dyn Workflows>,
        delivery: Arc<Delivery>,
        patience: Duration,
        waiting_per_tenant_max: usize,
        limits: GroupLimits,
        tasks: Tasks,
    ) -> Self {
        let closing = CancellationToken::new();
        let group = GroupCommit::new(Update { workflows, patience, closing: closing.clone() }, limits, tasks);
        let waiting = Arc::new(Waiting { per_tenant_max: waiting_per_tenant_max, tenants: Mutex::default() });
        Self { group, delivery, patience, waiting, closing }
    }

    /// Asks, and waits. When the timeout ends, when this process is asked to stop, when nobody can take an update, or when
    /// the tenant waits for too many already, the request is left behind as a signal.
    pub(crate) async fn ask(&self, tenant: TenantId, calendar: CalendarId) -> Result<Asked, DeliveryError> {
        if let Some(place) = self.waiting.place(tenant)
            && let Ok(answer) = self.group.join(calendar, vec![place])
            && let Ok(Ok(Some(asked))) = tokio::time::timeout(self.patience, answer).await
        {
            return Ok(asked);
        }
        let notify = Notify { reason: SyncReason::Operator, ..Notify::default() };
        match self.delivery.deliver(calendar, &notify).await? {
            Delivered::ToSubscription | Delivered::ToAccount => Ok(Asked::Underway),
            Delivered::Closed | Delivered::Unknown => Ok(Asked::Refused("The calendar is closed.".to_owned())),
        }
    }

    /// Nobody waits for a sync any more: their requests are left behind as signals.
    pub(crate) async fn drain(&self) {
        self.closing.cancel();
        self.group.drain().await;
    }
}

/// Who waits for syncs: one tenant must not take the places of all while no worker ends any.
struct Waiting {
    per_tenant_max: usize,
    tenants: Mutex<HashMap<TenantId, usize>>,
}

/// A place to wait in, given back when the sync has ended, or nobody waits for it any longer: not when its caller hangs up.
struct Place {
    waiting: Arc<Waiting>,
    tenant: TenantId,
}

impl Waiting {
    fn place(self: &Arc<Self>, tenant: TenantId) -> Option<Place> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = tenants.entry(tenant).or_default();
        if *waiting >= self.per_tenant_max {
            return None;
        }
        *waiting += 1;
        Some(Place { waiting: Arc::clone(self), tenant })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut tenants = self.waiting.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut waiting) = tenants.entry(self.tenant) {
            *waiting.get_mut() -= 1;
            if *waiting.get() == 0 {
                waiting.remove();
            }
        }
    }
}

struct Update {
    workflows: Arc<dyn Workflows>,
    patience: Duration,
    closing: CancellationToken,
}

#[async_trait]
impl Work for Update {
    type Item = Vec<Place>;
    /// `None`: the update could not be placed, did not end in time, or this process stops.
    type Outcome = Option<Asked>;

    fn merge(places: &mut Vec<Place>, mut more: Vec<Place>) {
        places.append(&mut more);
    }

    async fn perform(&self, calendar: CalendarId, _places: Vec<Place>) -> Option<Asked> {
        self.closing.run_until_cancelled(self.ask(calendar)).await.flatten()
    }
}

impl Update {
    async fn ask(&self, calendar: CalendarId) -> Option<Asked> {
        let deadline = Instant::now() + self.patience;
        let mut refusals = 0;
        loop {
            match tokio::time::timeout_at(deadline, self.workflows.sync_now(calendar)).await.ok()? {
                Ok(SyncNowResult::Done { changes }) => return Some(Asked::Done { changes }),
                Ok(SyncNowResult::Failed(failure)) => return Some(Asked::Failed(failure)),
                Ok(SyncNowResult::AskAgain) => {}
                Err(WorkflowError::Refused(reason)) if refusals >= REFUSALS_MAX => return Some(Asked::Refused(reason)),
                Err(WorkflowError::Refused(_)) => refusals += 1,
                Err(WorkflowError::NotFound | WorkflowError::Unavailable(_)) => return None,
            }
            tokio::time::sleep(ASK_AGAIN_DELAY).await;
        }
    }
}
