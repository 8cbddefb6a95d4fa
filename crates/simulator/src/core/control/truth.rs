//! What a provider really has, in one form for all of them, for comparing a mirror with it. The provider writes it from its
//! own resources; no type and no code of the product is in it, so that a mistake cannot be in both.

use serde::{Deserialize, Serialize};

/// What a complete mirror of a calendar holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Truth {
    /// The calendar's id.
    pub calendar: String,
    /// Grows with each change of an event.
    pub version: u64,
    /// Every event that a full list shows: events, series, exceptions, and the cancelled exceptions of live series, in
    /// the order of their creation.
    pub events: Vec<TrueEvent>,
}

/// An event, a series, an exception of one, or a single occurrence. Times are `2027-01-31` for a whole day, where an end is
/// the day after the last one, and else an instant of UTC such as `2027-01-31T08:30:00+00:00`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrueEvent {
    /// The provider's id of it.
    pub id: String,
    /// Of one occurrence of a series: which.
    pub occurrence_of: Option<TruePosition>,
    /// A cancelled occurrence: nothing else of it is compared.
    pub is_cancelled: bool,
    /// The title.
    pub title: Option<String>,
    /// When it begins.
    pub start: Option<String>,
    /// When it ends.
    pub end: Option<String>,
    /// Of a series: its iCalendar lines (RFC 5545), those that have an effect.
    pub recurrence: Vec<String>,
    /// `confirmed` or `tentative`.
    pub status: Option<String>,
    /// The provider's name for this state of the event.
    pub version: Option<String>,
    /// The place.
    pub location: Option<String>,
    /// Who was asked to come, in the provider's order.
    pub guests: Vec<TrueGuest>,
}

impl TrueEvent {
    /// An occurrence that does not take place.
    pub fn cancelled(id: String, occurrence_of: Option<TruePosition>) -> Self {
        Self {
            id,
            occurrence_of,
            is_cancelled: true,
            title: None,
            start: None,
            end: None,
            recurrence: Vec::new(),
            status: None,
            version: None,
            location: None,
            guests: Vec::new(),
        }
    }
}

/// Which occurrence of which series.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TruePosition {
    /// The series' id.
    pub series: String,
    /// When the series lets it begin, whatever became of it.
    pub original_start: String,
}

/// A guest of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrueGuest {
    /// The display name.
    pub name: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
    /// `needs_action`, `accepted`, `tentative` or `declined`.
    pub response: String,
}
