//! Writes down that a workflow which should run did not, as the check of the fleet found it, or the sender of a signal. Not for: starting it again (`accounts.rs`).

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use evercal_domain::journal::{AuditEntry, AuditKind};
use evercal_domain::{Account, AccountId, Calendar, CalendarId, Clock, TenantId};
use evercal_process::counted;
use evercal_storage::Store;
use evercal_workflows::names;

/// What is younger than that may not have its workflow yet; or than the time between two checks of the fleet, where that is
/// shorter.
const GRACE_MAX: TimeDelta = TimeDelta::minutes(1);
/// A workflow that is found missing again and again, since nothing can start it, has one entry for so long.
const ENTRY_EVERY_S: i64 = 60;

/// The audit log, for workflows that are missing.
pub(crate) struct MissingWorkflows {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    grace: TimeDelta,
}

impl MissingWorkflows {
    /// Writes into this store; so long is the time between two checks of the fleet.
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, fleet_interval: Duration) -> Self {
        let grace = TimeDelta::from_std(fleet_interval).unwrap_or(GRACE_MAX).min(GRACE_MAX);
        Self { store, clock, grace }
    }

    /// Whether what has been so since then may not have its workflow yet.
    pub(crate) fn is_new(&self, state_since: DateTime<Utc>) -> bool {
        self.clock.now() - state_since < self.grace
    }

    /// An account's workflow did not run and is started again. It gets its signal whether this can be written down or
    /// not.
    pub(crate) async fn note_account(&self, account: &Account) {
        if !self.is_new(account.state_changed_at) {
            self.note(names::account_id(account.id), "the account", account.tenant_id, account.id, None).await;
        }
    }

    /// The same of a calendar's subscription.
    pub(crate) async fn note_subscription(&self, calendar: &Calendar) {
        if !self.is_new(calendar.state_changed_at) {
            let id = names::subscription_id(calendar.id);
            self.note(id, "the subscription", calendar.tenant_id, calendar.account_id, Some(calendar.id)).await;
        }
    }

    async fn note(&self, id: String, what: &str, tenant: TenantId, account: AccountId, calendar: Option<CalendarId>) {
        let at = self.clock.now();
        let entry = AuditEntry {
            dedup_key: format!("missing/{id}/{}", at.timestamp().div_euclid(ENTRY_EVERY_S)),
            at,
            kind: AuditKind::WorkflowMissing,
            tenant_id: Some(tenant),
            account_id: Some(account),
            calendar_id: calendar,
            message: format!("the workflow of {what} did not run; it is started again"),
        };
        counted!(warn, "a workflow that should run was missing and is started again", workflow_id = id);
        if let Err(error) = self.store.append_audit(&entry).await {
            let cause = error.cause();
            counted!(warn, "that a workflow was missing could not be written down", account_id = %account, %error, cause);
        }
    }
}
