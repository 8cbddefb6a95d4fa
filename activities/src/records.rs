//! Writing down what workflows decided: states and alerts.

#![expect(missing_docs, reason = "the SDK's macros generate constants without documentation")]

use std::sync::Arc;

use evercal_domain::journal::{AuditEntry, AuditKind};
use evercal_domain::{AccountState, Calendar, CalendarId, UnixMs};
use evercal_storage::StateRecord;
use evercal_workflows::contract::{self, AccountStateFact, Alert, AlertFact, Novelty, StateFact, StateNews};
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

use crate::attempt;
use crate::deps::Deps;
use crate::failure::from_store;

/// Implements [`contract::RecordActivities`].
pub struct RecordActivities {
    /// What it works with.
    pub deps: Arc<Deps>,
}

#[activities]
impl RecordActivities {
    /// Writes a subscription's state for readers, and into the audit log.
    #[activity(definition = contract::RecordState)]
    pub async fn record_state(self: Arc<Self>, ctx: ActivityContext, fact: StateFact) -> Result<(), ActivityError> {
        attempt::run(&ctx, async {
            let store = &self.deps.store;
            let Some(calendar) = self.row(fact.calendar_id).await? else { return Ok(()) };
            let at = fact.at.to_datetime();
            let entry = AuditEntry {
                dedup_key: attempt::dedup_key(&ctx),
                at,
                kind: AuditKind::StateChanged,
                tenant_id: Some(calendar.tenant_id),
                account_id: Some(calendar.account_id),
                calendar_id: Some(calendar.id),
                message: sentence(fact.state.as_str(), fact.detail.as_deref()),
            };
            let record = StateRecord {
                calendar_id: fact.calendar_id,
                state: fact.state,
                detail: fact.detail,
                channel_expires_at: fact.channel_expires_at.map(UnixMs::to_datetime),
                at,
            };
            store.record_state(&record).await.map_err(from_store)?;
            match fact.novelty {
                Novelty::New => store.append_audit(&entry).await.map_err(from_store),
                Novelty::Repeated => Ok(()),
            }
        })
        .await
    }

    /// Writes an alert, or its end, into the audit log.
    #[activity(definition = contract::SendAlert)]
    pub async fn send_alert(self: Arc<Self>, ctx: ActivityContext, fact: AlertFact) -> Result<(), ActivityError> {
        attempt::run(&ctx, async {
            let Some(calendar) = self.row(fact.calendar_id).await? else { return Ok(()) };
            let entry = AuditEntry {
                dedup_key: attempt::dedup_key(&ctx),
                at: fact.at.to_datetime(),
                kind: match fact.alert {
                    Alert::Raised => AuditKind::AlertRaised,
                    Alert::Cleared => AuditKind::AlertCleared,
                },
                tenant_id: Some(calendar.tenant_id),
                account_id: Some(calendar.account_id),
                calendar_id: Some(calendar.id),
                message: fact.message,
            };
            tracing::warn!(calendar_id = %calendar.id, raised = fact.alert == Alert::Raised, "alert: {}", entry.message);
            self.deps.store.append_audit(&entry).await.map_err(from_store)
        })
        .await
    }

    /// Writes an account's state for readers, and into the audit log.
    #[activity(definition = contract::RecordAccountState)]
    pub async fn record_account_state(
        self: Arc<Self>,
        ctx: ActivityContext,
        fact: AccountStateFact,
    ) -> Result<(), ActivityError> {
        attempt::run(&ctx, async {
            let store = &self.deps.store;
            let at = fact.at.to_datetime();
            let account = store.account(fact.account_id).await.map_err(from_store)?;
            let detail = fact.detail.as_deref();
            store.set_account_state(fact.account_id, fact.state, detail, at).await.map_err(from_store)?;
            let channel_expires_at = fact.channel_expires_at.map(UnixMs::to_datetime);
            store.set_account_channel(fact.account_id, channel_expires_at).await.map_err(from_store)?;
            if fact.news == StateNews::Nothing {
                return Ok(());
            }
            let entry = AuditEntry {
                dedup_key: attempt::dedup_key(&ctx),
                at,
                kind: match fact.state {
                    AccountState::Connected if fact.news == StateNews::State => AuditKind::AccountConnected,
                    AccountState::Disconnected => AuditKind::AccountDisconnected,
                    _ => AuditKind::StateChanged,
                },
                tenant_id: account.map(|account| account.tenant_id),
                account_id: Some(fact.account_id),
                calendar_id: None,
                message: sentence(fact.state.as_str(), detail),
            };
            store.append_audit(&entry).await.map_err(from_store)
        })
        .await
    }
}

impl RecordActivities {
    /// A calendar's row. Where there is none, such as in an older database that was brought back, there is nobody to read what
    /// would be written, and the subscription finds out by itself.
    async fn row(&self, id: CalendarId) -> Result<Option<Calendar>, ActivityError> {
        let row = self.deps.store.calendar(id).await.map_err(from_store)?;
        if row.is_none() {
            tracing::warn!(calendar_id = %id, "the store has no row of this calendar: what happens to it is not written down");
        }
        Ok(row)
    }
}

fn sentence(state: &str, detail: Option<&str>) -> String {
    let state = state.replace('_', " ");
    detail.map_or_else(|| state.clone(), |detail| format!("{state}: {detail}"))
}
