//! The small reads that nearly every request begins with. Requests that come together share them, so that a crowd that asks
//! whether something changed costs the store a few reads. Not for: rows of events (`routes/events.rs`).

use std::sync::Arc;

use evercal_domain::tenant::{ApiKey, ApiKeyHash, Tenant};
use evercal_domain::{Calendar, CalendarId, TenantId};
use evercal_storage::{OccurrenceRange, Store, StoreError};

use crate::shared_reads::SharedReads;

/// What a read answers, to all who share it.
pub(crate) type Answer<T> = Result<T, Arc<StoreError>>;

pub(crate) struct Reads {
    store: Arc<dyn Store>,
    keys: SharedReads<[u8; 32], Answer<Option<(ApiKey, Tenant)>>>,
    calendars: SharedReads<(TenantId, CalendarId), Answer<Option<Calendar>>>,
    revisions: SharedReads<(CalendarId, String), Answer<i64>>,
}

impl Reads {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        let (keys, calendars, revisions) = (SharedReads::new(), SharedReads::new(), SharedReads::new());
        Self { store, keys, calendars, revisions }
    }

    /// See [`evercal_storage::Tenants::api_key_by_hash`].
    pub(crate) async fn api_key(&self, hash: ApiKeyHash) -> Answer<Option<(ApiKey, Tenant)>> {
        let store = Arc::clone(&self.store);
        let key = *hash.as_bytes();
        self.keys.read(key, move || async move { store.api_key_by_hash(&hash).await.map_err(Arc::new) }).await
    }

    /// See [`evercal_storage::Calendars::calendar_of_tenant`].
    pub(crate) async fn calendar(&self, tenant: TenantId, calendar: CalendarId) -> Answer<Option<Calendar>> {
        let store = Arc::clone(&self.store);
        let read = move || async move { store.calendar_of_tenant(tenant, calendar).await.map_err(Arc::new) };
        self.calendars.read((tenant, calendar), read).await
    }

    /// See [`evercal_storage::Occurrences::revision_of`].
    pub(crate) async fn revision(&self, calendar: CalendarId, range: OccurrenceRange) -> Answer<i64> {
        let store = Arc::clone(&self.store);
        let read = move || async move { store.revision_of(calendar, &range).await.map_err(Arc::new) };
        self.revisions.read((calendar, format!("{range:?}")), read).await
    }
}
