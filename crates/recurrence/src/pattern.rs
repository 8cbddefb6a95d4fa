//! What a series repeats by: dates, or the wall clock of a zone; and how its wall-clock times become instants.

use chrono::{
    DateTime, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone, Timelike, Utc,
};
use chrono_tz::Tz;
use evercal_domain::{Event, EventTime};

use crate::{ExpandError, lines::ListedTime, stamp::Stamp};

/// The first time of a series, its length, and its clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pattern {
    /// The master's start as a wall-clock time; midnight of an all-day series.
    pub(crate) first: NaiveDateTime,
    start: EventTime,
    /// From start to end: exact for timed series (RFC 5545 §3.8.5.3), whole days for all-day ones.
    pub(crate) length: TimeDelta,
    clock: Clock,
}

/// What a series repeats by.
#[derive(Debug, Clone, Copy)]
enum Clock {
    /// Dates, the same in every zone.
    Dates,
    /// The wall clock of a zone.
    Wall {
        zone: Tz,
        /// The zones that the master names, which its occurrences name too.
        start_zone: Option<Tz>,
        end_zone: Option<Tz>,
    },
}

impl Pattern {
    /// `calendar_zone` is for a master that names no zone; without either it repeats in UTC.
    pub(crate) fn of(master: &Event, calendar_zone: Option<Tz>) -> Result<Self, ExpandError> {
        let pattern = match (master.start, master.end) {
            (EventTime::Date { date: start }, EventTime::Date { date: end }) => Self {
                first: start.and_time(NaiveTime::MIN),
                start: master.start,
                length: end - start,
                clock: Clock::Dates,
            },
            (EventTime::Instant { at: start, zone: start_zone }, EventTime::Instant { at: end, zone: end_zone }) => {
                let zone = start_zone.or(calendar_zone).unwrap_or(Tz::UTC);
                let first = wall_clock(zone, start);
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
        match self.clock {
            _ if local == self.first => self.start,
            Clock::Dates => EventTime::Date { date: local.date() },
            Clock::Wall { zone, start_zone, .. } => EventTime::Instant { at: resolve(zone, local), zone: start_zone },
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
    pub(crate) fn start_listed(&self, listed: ListedTime) -> Option<EventTime> {
        match (self.clock, listed.stamp) {
            (Clock::Dates, stamp) => Some(EventTime::Date { date: stamp.written_date() }),
            (Clock::Wall { .. }, Stamp::Date(_)) => None,
            (Clock::Wall { zone, start_zone, .. }, Stamp::Local(local)) => {
                Some(EventTime::Instant { at: resolve(listed.zone.unwrap_or(zone), local), zone: start_zone })
            }
            (Clock::Wall { start_zone, .. }, Stamp::Instant(at)) => Some(EventTime::Instant { at, zone: start_zone }),
        }
    }

    /// The date of a start in the series' own zone.
    pub(crate) fn local_date(&self, start: &EventTime) -> NaiveDate {
        match (self.clock, *start) {
            (_, EventTime::Date { date }) => date,
            (Clock::Dates, EventTime::Instant { at, .. }) => at.date_naive(),
            (Clock::Wall { zone, .. }, EventTime::Instant { at, .. }) => wall_clock(zone, at).date(),
        }
    }

    /// A wall-clock time after which a rule with this `UNTIL` makes nothing. A date means all of that day. For an
    /// instant it is a day late, because a zone's clock goes back now and then; the caller compares the instants.
    pub(crate) fn last_local(&self, until: Stamp) -> NaiveDateTime {
        let day = TimeDelta::days(1);
        match (self.clock, until) {
            (Clock::Wall { .. }, Stamp::Local(last)) => Some(last),
            (Clock::Wall { zone, .. }, Stamp::Instant(last)) => wall_clock(zone, last).checked_add_signed(day),
            (_, until) => until.written_date().and_time(NaiveTime::MIN).checked_add_signed(day - TimeDelta::seconds(1)),
        }
        .unwrap_or(NaiveDateTime::MAX)
    }
}

/// A wall-clock time as an instant. One that does not exist counts with the offset before the gap (so 02:30 becomes
/// 03:30), one that comes twice means the first (RFC 5545 §3.3.5).
fn resolve(zone: Tz, local: NaiveDateTime) -> DateTime<Utc> {
    match zone.from_local_datetime(&local) {
        MappedLocalTime::Single(time) | MappedLocalTime::Ambiguous(time, _) => time.with_timezone(&Utc),
        MappedLocalTime::None => {
            // No zone is more than a day ahead of UTC, so this is before the gap; none has two gaps within two days.
            let before = local.checked_sub_signed(TimeDelta::days(1)).unwrap_or(local);
            let offset = zone.offset_from_utc_datetime(&before).fix();
            local.checked_sub_offset(offset).unwrap_or(local).and_utc()
        }
    }
}

fn wall_clock(zone: Tz, at: DateTime<Utc>) -> NaiveDateTime {
    let utc = at.naive_utc();
    let offset = zone.offset_from_utc_datetime(&utc).fix();
    utc.checked_add_offset(offset).unwrap_or(utc)
}
