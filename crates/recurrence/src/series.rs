//! A series, and what distinguishes its occurrences.

use chrono::NaiveDate;
use evercal_domain::{Event, EventTime, SeriesPosition, Zone};

/// A master with everything that modifies it.
#[derive(Debug, Clone)]
pub struct Series<'a> {
    /// The event with the rules.
    pub master: &'a Event,
    /// Occurrences that were changed; those without a position in a series are ignored.
    pub exceptions: Vec<&'a Event>,
    /// Occurrences that were cancelled.
    pub cancelled: Vec<&'a SeriesPosition>,
    /// The calendar's zone, in which a master repeats that names none; UTC where this is not known either.
    pub calendar_zone: Option<Zone>,
}

/// The identity of an occurrence inside its series: what [`EventTime::key`] says, without making a text of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Identity {
    Date(NaiveDate),
    Second(i64),
}

impl Identity {
    pub(crate) fn of(start: &EventTime) -> Self {
        match start {
            EventTime::Date { date } => Self::Date(*date),
            EventTime::Instant { at, .. } => Self::Second(at.timestamp()),
        }
    }
}
