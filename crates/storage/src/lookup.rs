//! Looking up rows of a calendar by many keys at a time, as many as a page has.

/// Which rows are looked up, and by which keys.
#[derive(Debug, Clone, Copy)]
pub enum Lookup {
    /// Events by their own ids.
    EventsById,
    /// Exceptions by the ids of their series.
    EventsBySeries,
    /// Occurrences by the events that own them.
    OccurrencesByOwner,
    /// What a pass has to fetch, by its ids.
    WorklistById,
}

impl Lookup {
    pub fn table(self) -> &'static str {
        match self {
            Self::EventsById | Self::EventsBySeries => "events",
            Self::OccurrencesByOwner => "occurrences",
            Self::WorklistById => "pass_worklist",
        }
    }

    /// The column that is compared with the keys, beside `calendar_id`.
    pub fn column(self) -> &'static str {
        match self {
            Self::EventsById | Self::WorklistById => "provider_event_id",
            Self::EventsBySeries => "series_master_id",
            Self::OccurrencesByOwner => "owner_id",
        }
    }
}
