//! The rows of a mirror as they are read: single events, masters, exceptions and cancelled occurrences.

use async_trait::async_trait;
use evercal_domain::event::Fingerprint;
use evercal_domain::{CalendarId, Event, ProviderEventId};
use evercal_mirror::{RowKind, RowState, StoredBody, StoredRow};

use crate::columns::{corrupt, from_json};
use crate::error::StoreError;
use crate::paging::{Page, PageRequest};

/// The events of mirrors, and the rows that hold them.
#[async_trait]
pub trait MirroredEvents: Send + Sync {
    /// All rows that have one of these ids, or belong to a series that one of these ids is or belongs to. Those that cannot
    /// be read are among them as such: a fresh copy heals them, and until then their series is not known whole.
    async fn related_rows(&self, calendar: CalendarId, ids: &[ProviderEventId]) -> Result<Vec<StoredRow>, StoreError>;
    /// Ids of masters after `after`, in order: for rolling the window forward.
    async fn master_ids(
        &self,
        calendar: CalendarId,
        after: Option<&ProviderEventId>,
        limit: u32,
    ) -> Result<Vec<ProviderEventId>, StoreError>;
    /// One event: a single one, a master or an exception. Not an occurrence that has a row, cancelled or made by its provider.
    async fn event(&self, calendar: CalendarId, id: &ProviderEventId) -> Result<Option<Event>, StoreError>;
    /// The provider's own text of an event, where it is kept and the account may see all of the event.
    async fn event_raw(&self, calendar: CalendarId, id: &ProviderEventId) -> Result<Option<String>, StoreError>;
    /// All rows of the mirror, by id: for proofs and exports.
    async fn items(&self, calendar: CalendarId, page: &PageRequest) -> Result<Page<StoredRow>, StoreError>;
    /// Events of which something could not be taken as it was sent, by id.
    async fn warned(&self, calendar: CalendarId, limit: u32) -> Result<Vec<StoredRow>, StoreError>;
}

/// The columns of [`EventRow`].
pub const EVENT_COLUMNS: &str = "provider_event_id, kind, series_master_id, fingerprint, version, body";

#[derive(sqlx::FromRow)]
pub struct EventRow {
    pub provider_event_id: String,
    kind: String,
    series_master_id: Option<String>,
    fingerprint: String,
    version: Option<String>,
    body: String,
}

impl EventRow {
    /// See [`StoredRow::owner`]; known also of a row whose body cannot be read.
    pub fn owner(&self) -> &str {
        self.series_master_id.as_deref().unwrap_or(&self.provider_event_id)
    }

    /// The row, also where the body cannot be read: because it is damaged, or because a newer version wrote it.
    pub fn read_or_unreadable(self) -> StoredRow {
        let body = self.read_body().unwrap_or_else(|error| {
            tracing::error!(%error, "a stored event cannot be read");
            StoredBody::Unreadable
        });
        self.with(body)
    }

    fn read_body(&self) -> Result<StoredBody, StoreError> {
        match RowKind::from_name(&self.kind).ok_or_else(|| corrupt("events.kind"))? {
            RowKind::Cancelled => from_json(&self.body, "events.body").map(StoredBody::Cancelled),
            RowKind::Occurrence => from_json(&self.body, "events.body").map(StoredBody::Occurrence),
            RowKind::Single | RowKind::Master | RowKind::Exception => {
                from_json(&self.body, "events.body").map(StoredBody::Event)
            }
        }
    }

    fn with(self, body: StoredBody) -> StoredRow {
        let state = StateRow {
            provider_event_id: self.provider_event_id,
            kind: self.kind,
            series_master_id: self.series_master_id,
            fingerprint: self.fingerprint,
        };
        let (provider_id, state) = state.read();
        StoredRow { provider_id, state, version: self.version, body }
    }
}

impl TryFrom<EventRow> for StoredRow {
    type Error = StoreError;

    fn try_from(row: EventRow) -> Result<Self, StoreError> {
        let body = row.read_body()?;
        Ok(row.with(body))
    }
}

/// A row without its body.
#[derive(sqlx::FromRow)]
pub struct StateRow {
    provider_event_id: String,
    kind: String,
    series_master_id: Option<String>,
    fingerprint: String,
}

impl StateRow {
    pub fn read(self) -> (ProviderEventId, RowState) {
        // A kind of a newer version is an event, as nearly all are; a fresh copy of it has to be able to heal the row.
        let kind = RowKind::from_name(&self.kind).unwrap_or(RowKind::Single);
        let state = RowState {
            kind,
            series_master_id: self.series_master_id.map(ProviderEventId::new),
            fingerprint: Fingerprint::from_stored(self.fingerprint),
        };
        (ProviderEventId::new(self.provider_event_id), state)
    }
}

/// A row that a full pass did not see: its id, and the owner whose occurrences it has a say in.
#[derive(sqlx::FromRow)]
pub struct StaleRow {
    pub provider_event_id: String,
    series_master_id: Option<String>,
}

impl StaleRow {
    pub fn owner(&self) -> &str {
        self.series_master_id.as_deref().unwrap_or(&self.provider_event_id)
    }
}
