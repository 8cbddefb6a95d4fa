//! The clock of a zone.

use chrono::{DateTime, Datelike, FixedOffset, NaiveDateTime, Offset, Timelike, Utc};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, civil};

/// What clocks in a zone show, by the data of the moment it was taken.
#[derive(Debug, Clone)]
pub struct Clock(pub(crate) Rules);

#[derive(Debug, Clone)]
pub(crate) enum Rules {
    Fixed(FixedOffset),
    Iana(TimeZone),
}

/// The offsets that a wall-clock time may have.
#[derive(Debug, Clone, Copy)]
pub(crate) enum LocalOffset {
    One(FixedOffset),
    /// The clock jumped over it: the offset before.
    Gap(FixedOffset),
    /// It comes twice.
    Twice {
        first: FixedOffset,
        second: FixedOffset,
    },
}

impl Clock {
    /// The offset at an instant, given in UTC.
    pub fn offset_at(&self, utc: NaiveDateTime) -> FixedOffset {
        match &self.0 {
            Rules::Fixed(offset) => *offset,
            Rules::Iana(zone) => chrono_offset(zone.to_offset(timestamp(utc))),
        }
    }

    /// What the clock on the wall shows at an instant.
    pub fn wall_clock(&self, at: DateTime<Utc>) -> NaiveDateTime {
        let utc = at.naive_utc();
        utc.checked_add_offset(self.offset_at(utc)).unwrap_or(utc)
    }

    /// A wall-clock time as an instant. One that does not exist counts with the offset before the gap (so 02:30 becomes
    /// 03:30), one that comes twice means the first (RFC 5545 §3.3.5).
    pub fn instant_of(&self, local: NaiveDateTime) -> DateTime<Utc> {
        let offset = match self.local_offset(local) {
            LocalOffset::One(offset) | LocalOffset::Gap(offset) | LocalOffset::Twice { first: offset, .. } => offset,
        };
        local.checked_sub_offset(offset).unwrap_or(local).and_utc()
    }

    pub(crate) fn local_offset(&self, local: NaiveDateTime) -> LocalOffset {
        let zone = match &self.0 {
            Rules::Fixed(offset) => return LocalOffset::One(*offset),
            Rules::Iana(zone) => zone,
        };
        match zone.to_ambiguous_timestamp(civil_time(local)).offset() {
            AmbiguousOffset::Unambiguous { offset } => LocalOffset::One(chrono_offset(offset)),
            AmbiguousOffset::Gap { before, .. } => LocalOffset::Gap(chrono_offset(before)),
            AmbiguousOffset::Fold { before, after } => {
                LocalOffset::Twice { first: chrono_offset(before), second: chrono_offset(after) }
            }
        }
    }
}

/// Beyond the years that jiff has (-9999 to 9999), the offset at their edge.
fn timestamp(utc: NaiveDateTime) -> Timestamp {
    let seconds = utc.and_utc().timestamp();
    let edge = if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_second(seconds).unwrap_or(edge)
}

fn civil_time(local: NaiveDateTime) -> civil::DateTime {
    let edge = if local.year() < 0 { civil::DateTime::MIN } else { civil::DateTime::MAX };
    // Fractions of a second change no offset; chrono counts a leap second as one of them.
    let parts = || {
        let small = |number: u32| i8::try_from(number).ok();
        civil::DateTime::new(
            i16::try_from(local.year()).ok()?,
            small(local.month())?,
            small(local.day())?,
            small(local.hour())?,
            small(local.minute())?,
            small(local.second())?,
            0,
        )
        .ok()
    };
    parts().unwrap_or(edge)
}

/// Both kinds of offset are shorter than 26 hours; chrono's are shorter than a day, as all real ones are.
fn chrono_offset(offset: jiff::tz::Offset) -> FixedOffset {
    FixedOffset::east_opt(offset.seconds()).unwrap_or(Utc.fix())
}
