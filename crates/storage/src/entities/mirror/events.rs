//! The rows of a mirror: single events, masters, exceptions and cancelled occurrences.

use evercal_domain::event::Fingerprint;
use evercal_domain::{Event, ProviderEventId, SeriesPosition};

use crate::columns::{corrupt, from_json};
use crate::error::StoreError;

/// A row of the mirror.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredItem {
    /// Its id at the provider.
    pub provider_id: ProviderEventId,
    /// What it holds.
    pub body: StoredBody,
}

impl StoredItem {
    /// The row's owner: the master of its series, or itself.
    pub fn owner(&self) -> &ProviderEventId {
        match &self.body {
            StoredBody::Event(event) => event.series.as_ref().map_or(&self.provider_id, |series| &series.master_id),
            StoredBody::Cancelled(position) => &position.master_id,
            StoredBody::Unreadable { master_id } => master_id.as_ref().unwrap_or(&self.provider_id),
        }
    }
}

/// What a row of the mirror holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredBody {
    /// A single event, a master or an exception.
    Event(Box<Event>),
    /// A cancelled occurrence.
    Cancelled(SeriesPosition),
    /// Something that cannot be read, because it is damaged or because a newer version wrote it.
    Unreadable {
        /// The master of the series that it belongs to.
        master_id: Option<ProviderEventId>,
    },
}

/// A row that a sweep would delete, by its columns alone: also one whose body cannot be read goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaleItem {
    /// Its id at the provider.
    pub provider_id: ProviderEventId,
    owner: ProviderEventId,
}

impl StaleItem {
    /// The row's owner: the master of its series, or itself.
    pub fn owner(&self) -> &ProviderEventId {
        &self.owner
    }
}

/// What kind of row an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKind {
    Single,
    Master,
    Exception,
    Cancelled,
}

impl RowKind {
    const ALL: [Self; 4] = [Self::Single, Self::Master, Self::Exception, Self::Cancelled];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Master => "master",
            Self::Exception => "exception",
            Self::Cancelled => "cancelled",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Of an event.
    pub fn of(event: &Event) -> Self {
        match &event.series {
            Some(_) => Self::Exception,
            None if event.is_master() => Self::Master,
            None => Self::Single,
        }
    }
}

/// What a commit needs to know of a row to say what it changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowState {
    pub kind: RowKind,
    /// Set for an exception and a cancelled occurrence.
    pub series_master_id: Option<ProviderEventId>,
    pub fingerprint: Fingerprint,
    /// Readers see it; the change feed does not tell it.
    pub updated_us: Option<i64>,
}

impl RowState {
    /// Cancelled occurrences are rows but not events.
    pub fn counted(&self) -> i64 {
        i64::from(self.kind != RowKind::Cancelled)
    }

    /// Whose occurrences the row has a say in.
    pub fn owner<'a>(&'a self, id: &'a ProviderEventId) -> &'a ProviderEventId {
        self.series_master_id.as_ref().unwrap_or(id)
    }
}

#[derive(sqlx::FromRow)]
pub struct ItemRow {
    pub provider_event_id: String,
    kind: String,
    series_master_id: Option<String>,
    body: String,
}

impl ItemRow {
    /// See [`StoredItem::owner`]; known also of a row whose body cannot be read.
    pub fn owner(&self) -> &str {
        self.series_master_id.as_deref().unwrap_or(&self.provider_event_id)
    }

    /// Its item, also where the body cannot be read: because it is damaged, or because a newer version wrote it.
    pub fn read_or_unreadable(self) -> StoredItem {
        let provider_id = ProviderEventId::new(self.provider_event_id.clone());
        let master_id = self.series_master_id.clone().map(ProviderEventId::new);
        StoredItem::try_from(self).unwrap_or_else(|error| {
            tracing::error!(%error, "a stored event cannot be read");
            StoredItem { provider_id, body: StoredBody::Unreadable { master_id } }
        })
    }
}

impl TryFrom<ItemRow> for StoredItem {
    type Error = StoreError;

    fn try_from(row: ItemRow) -> Result<Self, StoreError> {
        let body = match RowKind::from_name(&row.kind).ok_or_else(|| corrupt("events.kind"))? {
            RowKind::Cancelled => StoredBody::Cancelled(from_json(&row.body, "events.body")?),
            RowKind::Single | RowKind::Master | RowKind::Exception => {
                StoredBody::Event(from_json(&row.body, "events.body")?)
            }
        };
        Ok(Self { provider_id: ProviderEventId::new(row.provider_event_id), body })
    }
}

/// What a commit needs to know of a row.
#[derive(sqlx::FromRow)]
pub struct StateRow {
    provider_event_id: String,
    kind: String,
    series_master_id: Option<String>,
    fingerprint: String,
    updated_at: Option<i64>,
}

impl StateRow {
    pub fn read(self) -> (ProviderEventId, RowState) {
        // A kind of a newer version is an event, as nearly all are; a fresh copy of it has to be able to heal the row.
        let kind = RowKind::from_name(&self.kind).unwrap_or(RowKind::Single);
        let state = RowState {
            kind,
            series_master_id: self.series_master_id.map(ProviderEventId::new),
            fingerprint: Fingerprint::from_stored(self.fingerprint),
            updated_us: self.updated_at,
        };
        (ProviderEventId::new(self.provider_event_id), state)
    }
}

/// A row and the series that it belongs to, whatever its body is.
#[derive(sqlx::FromRow)]
pub struct StaleRow {
    provider_event_id: String,
    series_master_id: Option<String>,
}

impl StaleRow {
    pub fn read(self) -> StaleItem {
        let owner = self.series_master_id.unwrap_or_else(|| self.provider_event_id.clone());
        StaleItem { provider_id: ProviderEventId::new(self.provider_event_id), owner: ProviderEventId::new(owner) }
    }
}
