//! Rows of a mirror: what the store has, and what is to be written.

use evercal_domain::event::Fingerprint;
use evercal_domain::{Event, ProviderEventId, ProviderOccurrence, RemoteEvent, SeriesPosition, names};

/// What kind of row an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKind {
    /// An event that happens once.
    Single,
    /// A series.
    Master,
    /// A changed occurrence of a series.
    Exception,
    /// A cancelled occurrence of a series.
    Cancelled,
    /// An occurrence that its provider made.
    Occurrence,
}

names! {
    RowKind {
        Single = "single",
        Master = "master",
        Exception = "exception",
        Cancelled = "cancelled",
        Occurrence = "occurrence",
    }
}

impl RowKind {
    fn of(event: &Event) -> Self {
        match &event.series {
            Some(_) => Self::Exception,
            None if event.is_master() => Self::Master,
            None => Self::Single,
        }
    }
}

/// What of a row says whether it changed. Known also of a row whose body cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowState {
    /// Its kind.
    pub kind: RowKind,
    /// Set for an exception and a cancelled occurrence.
    pub series_master_id: Option<ProviderEventId>,
    /// Of all that readers see of it.
    pub fingerprint: Fingerprint,
}

impl RowState {
    /// Of an event.
    pub fn of_event(event: &Event) -> Self {
        Self {
            kind: RowKind::of(event),
            series_master_id: event.series.as_ref().map(|series| series.master_id.clone()),
            fingerprint: Fingerprint::of_event(event),
        }
    }

    /// Of a cancelled occurrence.
    pub fn of_cancelled(position: &SeriesPosition) -> Self {
        Self {
            kind: RowKind::Cancelled,
            series_master_id: Some(position.master_id.clone()),
            fingerprint: Fingerprint::of_cancelled(position),
        }
    }

    /// Of an occurrence that its provider made.
    pub fn of_occurrence(occurrence: &ProviderOccurrence) -> Self {
        Self {
            kind: RowKind::Occurrence,
            series_master_id: Some(occurrence.position.master_id.clone()),
            fingerprint: Fingerprint::of_occurrence(occurrence),
        }
    }

    /// Cancelled occurrences, and those that a provider made, are rows but not events.
    pub(crate) fn counted(&self) -> i64 {
        i64::from(!matches!(self.kind, RowKind::Cancelled | RowKind::Occurrence))
    }

    /// Whose occurrences the row has a say in: the master's of its series, or its own.
    pub fn owner<'a>(&'a self, id: &'a ProviderEventId) -> &'a ProviderEventId {
        self.series_master_id.as_ref().unwrap_or(id)
    }
}

/// What a stored row holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredBody {
    /// A single event, a master or an exception.
    Event(Box<Event>),
    /// A cancelled occurrence.
    Cancelled(SeriesPosition),
    /// An occurrence that its provider made.
    Occurrence(ProviderOccurrence),
    /// Something that cannot be read, because it is damaged or because a newer version wrote it.
    Unreadable,
}

/// A row that the store has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRow {
    /// Its id at the provider.
    pub provider_id: ProviderEventId,
    /// Its columns.
    pub state: RowState,
    /// The provider's own mark of the version that is mirrored.
    pub version: Option<String>,
    /// Its body.
    pub body: StoredBody,
}

impl StoredRow {
    /// Whose occurrences it has a say in.
    pub fn owner(&self) -> &ProviderEventId {
        self.state.owner(&self.provider_id)
    }
}

/// What a new row holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewBody {
    /// A single event, a master or an exception.
    Event(Box<RemoteEvent>),
    /// A cancelled occurrence.
    Cancelled(SeriesPosition),
    /// An occurrence that its provider made.
    Occurrence(ProviderOccurrence),
}

/// A row to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRow {
    /// Its id at the provider.
    pub provider_id: ProviderEventId,
    /// Its columns.
    pub state: RowState,
    /// Its body.
    pub body: NewBody,
}

impl NewRow {
    pub(crate) fn of_event(remote: Box<RemoteEvent>) -> Self {
        let (provider_id, state) = (remote.event.provider_id.clone(), RowState::of_event(&remote.event));
        Self { provider_id, state, body: NewBody::Event(remote) }
    }

    pub(crate) fn of_cancelled(provider_id: ProviderEventId, position: SeriesPosition) -> Self {
        Self { provider_id, state: RowState::of_cancelled(&position), body: NewBody::Cancelled(position) }
    }

    pub(crate) fn of_occurrence(provider_id: ProviderEventId, occurrence: ProviderOccurrence) -> Self {
        Self { provider_id, state: RowState::of_occurrence(&occurrence), body: NewBody::Occurrence(occurrence) }
    }

    /// Whether something of it could not be taken as it was sent.
    pub fn is_warned(&self) -> bool {
        matches!(&self.body, NewBody::Event(remote) if !remote.event.warnings.is_empty())
    }
}
