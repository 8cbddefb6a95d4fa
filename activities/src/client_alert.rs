//! The alert that a provider does not accept this installation's OAuth client, which only its operator can mend. Consents meet
//! it, and, after the secret was changed, each account whose access token has ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use evercal_domain::journal::{AuditEntry, AuditKind, client_refused_key};
use evercal_domain::{Clock, Provider, ProviderError, ProviderErrorKind};
use evercal_storage::{Store, StoreError};

/// See the module. One for each provider.
pub struct ClientAlert {
    provider: Provider,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    /// The hour in which this process raised it last, counted since 1970.
    raised_in_hour: AtomicI64,
}

impl ClientAlert {
    /// Not raised yet.
    pub fn new(provider: Provider, store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { provider, store, clock, raised_in_hour: AtomicI64::new(i64::MIN) }
    }

    /// Raises it where a call failed so: once an hour, however often it is met and by whom.
    pub(crate) async fn note(&self, error: &ProviderError) -> Result<(), StoreError> {
        let at = self.clock.now();
        let hour = at.timestamp().div_euclid(3_600);
        if error.kind != ProviderErrorKind::ClientRefused || self.raised_in_hour.load(Ordering::SeqCst) == hour {
            return Ok(());
        }
        let provider = self.provider.as_str();
        let reason = error.reason.as_deref().unwrap_or("refused");
        let entry = AuditEntry {
            dedup_key: client_refused_key(self.provider, at),
            at,
            kind: AuditKind::AlertRaised,
            tenant_id: None,
            account_id: None,
            calendar_id: None,
            message: format!(
                "{provider} does not accept this installation's OAuth client ({reason}): check its id and secret. Until then \
                 nobody can connect, and calendars stop being read as their access tokens end."
            ),
        };
        self.store.append_audit(&entry).await?;
        self.raised_in_hour.store(hour, Ordering::SeqCst);
        Ok(())
    }
}
