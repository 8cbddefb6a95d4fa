//! The window: the span of time for which occurrences are kept.

use chrono::{DateTime, Days, NaiveTime, Utc};
use evercal_domain::{
    EventTime,
    limits::{ASKED_FUTURE_DAYS, WINDOW_FUTURE_DAYS, WINDOW_PAST_DAYS},
};

/// By how much a provider that makes the occurrences is asked for more than the standard window has.
const MORE_AHEAD: Days = Days::new(ASKED_FUTURE_DAYS.abs_diff(WINDOW_FUTURE_DAYS));

/// The span of time for which occurrences are kept, half open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The first instant inside.
    pub start: DateTime<Utc>,
    /// The first instant after it.
    pub end: DateTime<Utc>,
}

impl Window {
    /// The standard window around a time: [`WINDOW_PAST_DAYS`] before its UTC day to the end of the day
    /// [`WINDOW_FUTURE_DAYS`] after it. Whole days, so that it moves once a day.
    pub fn around(now: DateTime<Utc>) -> Self {
        let today = now.date_naive();
        let past = Days::new(WINDOW_PAST_DAYS.unsigned_abs());
        let future = Days::new(WINDOW_FUTURE_DAYS.unsigned_abs() + 1);
        // A clock at the edge of the calendar gives a window that is cut there.
        let first = today.checked_sub_days(past).unwrap_or(today);
        let after = today.checked_add_days(future).unwrap_or(today);
        Self { start: first.and_time(NaiveTime::MIN).and_utc(), end: after.and_time(NaiveTime::MIN).and_utc() }
    }

    /// The standard window that has this end.
    pub fn ending(end: DateTime<Utc>) -> Self {
        let days = Days::new(WINDOW_PAST_DAYS.unsigned_abs() + WINDOW_FUTURE_DAYS.unsigned_abs() + 1);
        Self { start: end.checked_sub_days(days).unwrap_or(DateTime::<Utc>::MIN_UTC), end }
    }

    /// The window for which a provider is asked that makes the occurrences, so that this one is whole: up to
    /// [`ASKED_FUTURE_DAYS`].
    #[must_use]
    pub fn asked(&self) -> Self {
        Self { end: self.end.checked_add_days(MORE_AHEAD).unwrap_or(self.end), ..*self }
    }

    /// From the start of the first of both to the end of the last.
    #[must_use]
    pub fn joined(&self, other: &Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// Whether all of a span is inside.
    pub fn contains(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> bool {
        self.start <= from && to <= self.end
    }

    /// Whether an event with this start and (exclusive) end is inside, wholly or in part. One without length is inside
    /// when its start is. A date counts as that day in UTC.
    pub fn overlaps(&self, start: &EventTime, end: &EventTime) -> bool {
        let (start, end) = (instant(start), instant(end));
        let ends_inside_or_later = end > self.start || (end <= start && start >= self.start);
        start < self.end && ends_inside_or_later
    }
}

/// For comparing and sorting; a date is its UTC midnight.
pub(crate) fn instant(time: &EventTime) -> DateTime<Utc> {
    match time {
        EventTime::Date { date } => date.and_time(NaiveTime::MIN).and_utc(),
        EventTime::Instant { at, .. } => *at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn at(text: &str) -> EventTime {
        EventTime::Instant { at: utc(text), zone: None }
    }

    const DAY: fn() -> Window = || Window { start: utc("2026-06-01T00:00:00Z"), end: utc("2026-06-02T00:00:00Z") };

    #[test]
    fn the_standard_window_moves_once_a_day() {
        let morning = Window::around(utc("2026-06-10T00:00:00Z"));
        let night = Window::around(utc("2026-06-10T23:59:59Z"));
        assert_eq!(morning, night);
        assert_eq!(morning.start, utc("2026-05-11T00:00:00Z"));
        assert_eq!(morning.end, utc("2027-06-11T00:00:00Z"));
        assert_eq!(Window::ending(morning.end), morning);
    }

    #[test]
    fn a_provider_is_asked_for_the_standard_window_and_a_month_more() {
        let now = utc("2026-06-10T12:00:00Z");
        let asked = Window::around(now).asked();
        assert_eq!((asked.start, asked.end), (Window::around(now).start, utc("2027-07-11T00:00:00Z")));
    }

    #[test]
    fn the_edge_of_the_calendar_is_no_panic() {
        assert!(Window::around(DateTime::<Utc>::MAX_UTC).asked().start < DateTime::<Utc>::MAX_UTC);
        let last = Window::around(DateTime::<Utc>::MAX_UTC);
        assert!(last.start < last.end);
        let first = Window::around(DateTime::<Utc>::MIN_UTC);
        assert!(first.start < first.end);
    }

    #[test]
    fn an_event_overlaps_when_it_ends_after_the_start_and_starts_before_the_end() {
        let cases = [
            ("2026-05-31T23:00:00Z", "2026-06-01T00:00:00Z", false),
            ("2026-05-31T23:00:00Z", "2026-06-01T00:00:01Z", true),
            ("2026-06-01T23:59:59Z", "2026-06-03T00:00:00Z", true),
            ("2026-06-02T00:00:00Z", "2026-06-02T01:00:00Z", false),
            ("2026-05-01T00:00:00Z", "2026-07-01T00:00:00Z", true),
        ];
        for (start, end, expected) in cases {
            assert_eq!(DAY().overlaps(&at(start), &at(end)), expected, "{start} to {end}");
        }
    }

    #[test]
    fn an_event_without_length_is_inside_when_its_start_is() {
        for (start, expected) in
            [("2026-05-31T23:59:59Z", false), ("2026-06-01T00:00:00Z", true), ("2026-06-02T00:00:00Z", false)]
        {
            assert_eq!(DAY().overlaps(&at(start), &at(start)), expected, "{start}");
        }
    }
}
