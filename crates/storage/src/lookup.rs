//! Rows of a calendar that are looked for by many keys at a time, a page's worth of them.

/// What is looked for, and by what.
#[derive(Debug, Clone, Copy)]
pub enum Lookup {
    /// Events by their own ids.
    EventsById,
    /// Exceptions by the ids of their series.
    EventsBySeries,
    /// Occurrences by the events that own them.
    OccurrencesByOwner,
}

impl Lookup {
    /// Where they are.
    pub fn table(self) -> &'static str {
        match self {
            Self::EventsById | Self::EventsBySeries => "events",
            Self::OccurrencesByOwner => "occurrences",
        }
    }

    /// What is compared with the keys, beside `calendar_id`.
    pub fn column(self) -> &'static str {
        match self {
            Self::EventsById => "provider_event_id",
            Self::EventsBySeries => "series_master_id",
            Self::OccurrencesByOwner => "owner_id",
        }
    }
}
