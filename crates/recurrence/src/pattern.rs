//! What a series repeats by: dates, or the wall clock of a zone; and how its wall-clock times become instants.

use chrono::{NaiveDateTime, NaiveTime, TimeDelta, Timelike};
use evercal_domain::{Event, EventTime, Zone};

use crate::{ExpandError, lines::ListedTime, stamp::Stamp, zone::WallClock};

/// The first time of a series, its length, and its clock.
#[derive(Debug)]
pub(crate) struct Pattern {
    /// The master's start as a wall-clock time; midnight of an all-day series.
    pub(crate) first: NaiveDateTime,
    start: EventTime,
    /// From start to end: exact for timed series (RFC 5545 §3.8.5.3), whole days for all-day ones.
    pub(crate) length: TimeDelta,
    clock: Clock,
}

/// What a series repeats by.
#[derive(Debug)]
enum Clock {
    /// Dates, the same in every zone.
    Dates,
    /// The wall clock of a zone.
    Wall {
        zone: WallClock,
        /// The zones that the master names, which its occurrences name too.
        start_zone: Option<Zone>,
        end_zone: Option<Zone>,
    },
}

impl Pattern {
    /// `written_start` is the master's `DTSTART` line, where its lines have one: it says what its start does not, an
    /// own zone or a wall-clock time that does not exist. `calendar_zone` is for a master that names no zone; without
    /// either it repeats in UTC.
    pub(crate) fn of(
        master: &Event,
        written_start: Option<&ListedTime>,
        calendar_zone: Option<Zone>,
    ) -> Result<Self, ExpandError> {
        let pattern = match (master.start, master.end) {
            (EventTime::Date { date: start }, EventTime::Date { date: end }) => Self {
                first: start.and_time(NaiveTime::MIN),
                start: master.start,
                length: end - start,
                clock: Clock::Dates,
            },
            (EventTime::Instant { at: start, zone: start_zone }, EventTime::Instant { at: end, zone: end_zone }) => {
                let own = written_start.and_then(|written| written.zone.clone());
                let zone = own.unwrap_or_else(|| WallClock::of(start_zone.or(calendar_zone).unwrap_or(Zone::UTC)));
                let first = match written_start.map(|written| written.stamp) {
                    Some(Stamp::Local(local)) => local,
                    _ => zone.at(start),
                };
                Self {
                    // Rules know whole seconds.
                    first: first.with_nanosecond(0).unwrap_or(first),
                    start: master.start,
                    length: end - start,
                    clock: Clock::Wall { zone, start_zone, end_zone },
                }
            }
            _ => {
                return Err(ExpandError::unreadable("one of start and end is a date, the other is not"));
            }
        };
        if pattern.length < TimeDelta::zero() {
            return Err(ExpandError::unreadable("it ends before it starts"));
        }
        Ok(pattern)
    }

    /// The start at a wall-clock time. The first is the master's own, which may be the second of two.
    pub(crate) fn start_at(&self, local: NaiveDateTime) -> EventTime {
        match &self.clock {
            _ if local == self.first => self.start,
            Clock::Dates => EventTime::Date { date: local.date() },
            Clock::Wall { zone, start_zone, .. } => {
                EventTime::Instant { at: zone.instant_of(local), zone: *start_zone }
            }
        }
    }

    /// The end that belongs to a start; `None` beyond the end of the calendar.
    pub(crate) fn end_after(&self, start: &EventTime, length: TimeDelta) -> Option<EventTime> {
        Some(match *start {
            EventTime::Date { date } => EventTime::Date { date: date.checked_add_signed(length)? },
            EventTime::Instant { at, zone } => EventTime::Instant {
                at: at.checked_add_signed(length)?,
                zone: match self.clock {
                    Clock::Wall { end_zone, .. } => end_zone,
                    Clock::Dates => zone,
                },
            },
        })
    }

    /// The start that a line means. `None` for a date in a timed series: it says no time.
    pub(crate) fn start_listed(&self, listed: &ListedTime) -> Option<EventTime> {
        match (&self.clock, listed.stamp) {
            (Clock::Dates, stamp) => Some(EventTime::Date { date: stamp.written_date() }),
            (Clock::Wall { .. }, Stamp::Date(_)) => None,
            (Clock::Wall { zone, start_zone, .. }, Stamp::Local(local)) => {
                let at = listed.zone.as_ref().unwrap_or(zone).instant_of(local);
                Some(EventTime::Instant { at, zone: *start_zone })
            }
            (Clock::Wall { start_zone, .. }, Stamp::Instant(at)) => Some(EventTime::Instant { at, zone: *start_zone }),
        }
    }

    /// The wall-clock time of a start in the series' own zone; midnight of a date.
    pub(crate) fn local(&self, start: &EventTime) -> NaiveDateTime {
        match (&self.clock, start) {
            (_, EventTime::Date { date }) => date.and_time(NaiveTime::MIN),
            (Clock::Dates, EventTime::Instant { at, .. }) => at.naive_utc(),
            (Clock::Wall { zone, .. }, EventTime::Instant { at, .. }) => zone.at(*at),
        }
    }

    /// Whether the series has times, not dates.
    pub(crate) fn is_timed(&self) -> bool {
        matches!(self.clock, Clock::Wall { .. })
    }

    /// A wall-clock time after which a rule with this `UNTIL` makes nothing. A date means all of that day. For an
    /// instant it is a day late, because a zone's clock goes back now and then; the caller compares the instants.
    pub(crate) fn last_local(&self, until: Stamp) -> NaiveDateTime {
        let day = TimeDelta::days(1);
        match (&self.clock, until) {
            (Clock::Wall { .. }, Stamp::Local(last)) => Some(last),
            (Clock::Wall { zone, .. }, Stamp::Instant(last)) => zone.at(last).checked_add_signed(day),
            (_, until) => until.written_date().and_time(NaiveTime::MIN).checked_add_signed(day - TimeDelta::seconds(1)),
        }
        .unwrap_or(NaiveDateTime::MAX)
    }
}
