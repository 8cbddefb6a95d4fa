//! Which times a commit changes for readers, as plain data: no SQL, no I/O, the same for every backend.
//!
//! A reader asks for a range of time and wants to know whether anything in it changed since. So each commit that changes
//! what can be read leaves behind the times at which it did (`mirror_revisions`). They may be wider than what changed,
//! never narrower.

use std::collections::HashSet;

use evercal_domain::event::Occurrence;
use evercal_domain::{EventTime, ProviderEventId};
use evercal_mirror::{OwnerOccurrences, VisibleChange};

use crate::columns::{micros, midnight_micros};
use crate::entities::mirror::occurrences::{OccurrenceRange, StoredOccurrence};

/// Spans that one commit leaves behind for instants, and as many for dates. More of them are joined where the gaps between
/// them are smallest.
const SPANS_MAX: usize = 8;
/// Something without duration is there at its start.
const MOMENT_US: i64 = 1;
const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;

/// A stretch of time, half open: of instants, or of dates, each as its midnight in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    pub all_day: bool,
    pub from_us: i64,
    pub to_us: i64,
}

impl Span {
    /// Every range that can be asked for has an instant in it.
    pub const EVERYTHING: Self = Self { all_day: false, from_us: i64::MIN, to_us: i64::MAX };

    /// No range that can be asked for has anything of it.
    pub const NOTHING: Self = Self { all_day: false, from_us: i64::MAX, to_us: i64::MIN };

    /// The time of an occurrence that is written.
    fn of(occurrence: &Occurrence) -> Self {
        match (occurrence.start, occurrence.end) {
            (EventTime::Instant { at: start, .. }, EventTime::Instant { at: end, .. }) => {
                Self::instants(micros(start), micros(end))
            }
            (EventTime::Date { date: start }, EventTime::Date { date: end }) => {
                Self::dates(midnight_micros(start), midnight_micros(end))
            }
            _ => Self::EVERYTHING,
        }
    }

    /// The time of an occurrence that was there.
    fn of_row(row: &StoredOccurrence) -> Self {
        if row.all_day { Self::dates(row.start_us, row.end_us) } else { Self::instants(row.start_us, row.end_us) }
    }

    fn instants(start_us: i64, end_us: i64) -> Self {
        Self { all_day: false, from_us: start_us, to_us: end_us.max(start_us.saturating_add(MOMENT_US)) }
    }

    fn dates(start_us: i64, end_us: i64) -> Self {
        Self { all_day: true, from_us: start_us, to_us: end_us.max(start_us.saturating_add(DAY_US)) }
    }
}

/// The occurrences that a commit replaces, and what that changes for readers.
#[derive(Debug, Default)]
pub struct Touched {
    /// What was deleted and has not been written again.
    removed: HashSet<StoredOccurrence>,
    /// Events that readers see differently now: so are their occurrences, even those that stay.
    changed_sources: HashSet<ProviderEventId>,
    spans: Vec<Span>,
}

impl Touched {
    /// What the rows of a page change, beside their occurrences. `window` is where the occurrences of series are all there;
    /// `owners` are those whose occurrences the page replaces.
    pub fn note_rows(&mut self, changes: &[VisibleChange], owners: &[OwnerOccurrences], window: &OccurrenceRange) {
        let deleted = changes.iter().filter(|change| change.is_deleted).map(|change| &change.id);
        let replaced: HashSet<&ProviderEventId> = owners.iter().map(|owner| &owner.owner).chain(deleted).collect();
        let is_replaced = |change: &VisibleChange| change.owners.iter().all(|owner| replaced.contains(owner));
        if !changes.iter().all(is_replaced) {
            // Not all rows of this owner can be read, so its occurrences stay as they are; where they are is not known here.
            self.spans.push(Span::EVERYTHING);
        }
        if changes.iter().any(|change| change.is_of_series) {
            self.note_outside(window);
        }
        self.changed_sources.extend(changes.iter().map(|change| change.id.clone()));
    }

    /// A series goes on where none of its occurrences are kept.
    fn note_outside(&mut self, window: &OccurrenceRange) {
        let (from_date, to_date) = (midnight_micros(window.from_date), midnight_micros(window.to_date));
        for (all_day, from, to) in [(false, micros(window.from), micros(window.to)), (true, from_date, to_date)] {
            self.spans.push(Span { all_day, from_us: i64::MIN, to_us: from });
            self.spans.push(Span { all_day, from_us: to, to_us: i64::MAX });
        }
    }

    /// Occurrences that were deleted. Those that are written again as they were have not changed.
    pub fn note_deleted(&mut self, rows: Vec<StoredOccurrence>) {
        self.removed.extend(rows);
    }

    /// An occurrence that is written, after all that is deleted was noted.
    pub fn note_written(&mut self, owner: &ProviderEventId, occurrence: &Occurrence) {
        // Of a first read nothing is there to compare with.
        let was_there = !self.removed.is_empty() && self.removed.remove(&StoredOccurrence::of(owner, occurrence));
        if !was_there || self.changed_sources.contains(&occurrence.source_id) {
            self.spans.push(Span::of(occurrence));
        }
    }

    /// The times that changed; none when nothing did.
    pub fn into_spans(self) -> Vec<Span> {
        let gone = self.removed.iter().map(Span::of_row);
        let spans: Vec<Span> = self.spans.into_iter().chain(gone).collect();
        if spans.contains(&Span::EVERYTHING) {
            return vec![Span::EVERYTHING];
        }
        let (dates, instants) = spans.into_iter().partition(|span| span.all_day);
        [joined(instants), joined(dates)].concat()
    }
}

/// The same times in at most [`SPANS_MAX`] spans; all of them are instants, or all are dates.
fn joined(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable();
    let apart = join_over(spans, 0);
    let mut gaps: Vec<i64> = apart.iter().zip(apart.iter().skip(1)).map(|(left, right)| gap(left, right)).collect();
    gaps.sort_unstable_by(|left, right| right.cmp(left));
    match gaps.get(SPANS_MAX - 1) {
        Some(largest_to_close) => join_over(apart, *largest_to_close),
        None => apart,
    }
}

/// Joins neighbours whose gap is not larger than that.
fn join_over(sorted: Vec<Span>, gap_us: i64) -> Vec<Span> {
    let mut joined: Vec<Span> = Vec::new();
    for span in sorted {
        match joined.last_mut() {
            Some(last) if gap(last, &span) <= gap_us => last.to_us = last.to_us.max(span.to_us),
            _ => joined.push(span),
        }
    }
    joined
}

fn gap(left: &Span, right: &Span) -> i64 {
    right.from_us.saturating_sub(left.to_us)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(times: &[(i64, i64)]) -> Vec<Span> {
        times.iter().map(|(from_us, to_us)| Span { all_day: false, from_us: *from_us, to_us: *to_us }).collect()
    }

    #[test]
    fn few_spans_stay_as_they_are_and_those_that_meet_become_one() {
        assert_eq!(joined(spans(&[(50, 60), (0, 10), (5, 20), (20, 30)])), spans(&[(0, 30), (50, 60)]));
        assert_eq!(joined(vec![]), []);
    }

    #[test]
    fn of_too_many_spans_those_are_joined_that_are_nearest_to_each_other() {
        let many: Vec<(i64, i64)> = (0..20).map(|index| (index * index * 100, index * index * 100 + 1)).collect();
        let few = joined(spans(&many));
        assert_eq!(few.len(), SPANS_MAX);
        let expected_last = spans(&many[13..]);
        assert_eq!(few[1..], expected_last[..]);
        assert_eq!((few[0].from_us, few[0].to_us), (many[0].0, many[12].1));
    }

    #[test]
    fn gaps_of_one_size_never_leave_more_spans_than_there_may_be() {
        let many: Vec<(i64, i64)> = (0..100).map(|index| (index * 10, index * 10 + 1)).collect();
        assert_eq!(joined(spans(&many)), spans(&[(0, 991)]));
    }
}
