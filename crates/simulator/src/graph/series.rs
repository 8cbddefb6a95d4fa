//! Which occurrences a series has in a stretch of time: those of its pattern, those that differ, and not those that are
//! cancelled.

use chrono::{Days, NaiveDate};

use super::errors::ApiError;
use super::store::{EventRecord, ExceptionRecord};
use super::times::{EventTime, Window};

/// One occurrence of a series.
#[derive(Debug, Clone)]
pub(crate) struct Occurrence<'a> {
    /// The day on which the series has it.
    pub(crate) slot: NaiveDate,
    pub(crate) time: EventTime,
    /// How it differs, if it does.
    pub(crate) exception: Option<&'a ExceptionRecord>,
}

/// The occurrences of a series that lie in a window, in the order of their slots.
pub(crate) fn occurrences(series: &EventRecord, window: Window) -> Vec<Occurrence<'_>> {
    let Some(recurrence) = &series.recurrence else { return Vec::new() };
    // Slots are days of the series' own zone, which is at most a day away from that of the window.
    let last = window.to.date_naive().checked_add_days(Days::new(2)).unwrap_or(NaiveDate::MAX);
    let mut found: Vec<Occurrence<'_>> = recurrence
        .dates()
        .take_while(|slot| *slot <= last)
        .filter(|slot| !series.cancelled.contains(slot) && !series.exceptions.contains_key(slot))
        .map(|slot| Occurrence { slot, time: series.time.on(slot), exception: None })
        .filter(|occurrence| occurrence.time.overlaps(window))
        .collect();
    found.extend(
        series
            .exceptions
            .iter()
            .filter(|(slot, exception)| !series.cancelled.contains(slot) && exception.time.overlaps(window))
            .map(|(slot, exception)| Occurrence {
                slot: *slot,
                time: exception.time.clone(),
                exception: Some(exception),
            }),
    );
    found.sort_by_key(|occurrence| occurrence.slot);
    found
}

/// Whether anything of an event lies in a window.
pub(crate) fn is_in(event: &EventRecord, window: Window) -> bool {
    if event.is_series() { !occurrences(event, window).is_empty() } else { event.time.overlaps(window) }
}

/// The occurrence of a slot, unless the series has none there or it is cancelled.
pub(crate) fn occurrence_at(series: &EventRecord, slot: NaiveDate) -> Result<Occurrence<'_>, ApiError> {
    let recurrence = series.recurrence.as_ref().ok_or_else(ApiError::not_found)?;
    if series.cancelled.contains(&slot) {
        return Err(ApiError::not_found());
    }
    if let Some(exception) = series.exceptions.get(&slot) {
        return Ok(Occurrence { slot, time: exception.time.clone(), exception: Some(exception) });
    }
    if recurrence.has(slot) {
        Ok(Occurrence { slot, time: series.time.on(slot), exception: None })
    } else {
        Err(ApiError::not_found())
    }
}
