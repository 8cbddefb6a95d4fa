//! Exceptions that also change what follows them (`RANGE=THISANDFUTURE`, RFC 5545 §3.2.13 and §3.8.4.4): all later
//! occurrences move by the same time, take the same length, and are described by the exception; or are cancelled with it.
//!
//! Not for: the exception's own occurrence (`series`).

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use evercal_domain::Event;

use crate::{
    ExpandError,
    lines::Lines,
    pattern::Pattern,
    series::{Identity, Series},
    window::instant,
};

/// The changes of a series, by the original starts from which on they hold.
#[derive(Debug, Default)]
pub(crate) struct Following<'a>(Vec<Change<'a>>);

#[derive(Debug)]
pub(crate) struct Change<'a> {
    /// The original start of the exception, from which on it holds.
    from: DateTime<Utc>,
    /// `None` where all that follows is cancelled.
    pub(crate) to: Option<Moved<'a>>,
}

/// What becomes of the occurrences that follow.
#[derive(Debug)]
pub(crate) struct Moved<'a> {
    pub(crate) exception: &'a Event,
    /// By the wall clock of the series, so that 9 becomes 10 o'clock on both sides of a change of offset.
    by: TimeDelta,
    pub(crate) length: TimeDelta,
}

impl<'a> Following<'a> {
    pub(crate) fn of(series: &Series<'a>, lines: &Lines, pattern: &Pattern) -> Result<Self, ExpandError> {
        let mut changes = Vec::new();
        for listed in &lines.following {
            let start = pattern
                .start_listed(listed)
                .ok_or_else(|| ExpandError::unreadable("a change has a date where the series has times"))?;
            let identity = Identity::of(&start);
            let cancelled = series.cancelled.iter().any(|position| Identity::of(&position.original_start) == identity);
            let exception = series.exceptions.iter().find(|exception| {
                exception.series.as_ref().is_some_and(|position| Identity::of(&position.original_start) == identity)
            });
            let to = match (cancelled, exception) {
                (true, _) => None,
                (false, Some(exception)) => Some(Moved::of(exception, pattern.local(&start), pattern)?),
                (false, None) => return Err(ExpandError::unreadable("a change of all that follows is not there")),
            };
            changes.push(Change { from: instant(&start), to });
        }
        changes.sort_by_key(|change| change.from);
        Ok(Self(changes))
    }

    /// The change that holds for the occurrence with this original start.
    pub(crate) fn at(&self, original: DateTime<Utc>) -> Option<&Change<'a>> {
        let later = self.0.partition_point(|change| change.from <= original);
        later.checked_sub(1).and_then(|last| self.0.get(last))
    }

    /// The longest length, and the farthest that occurrences move towards the past and the future.
    pub(crate) fn reach(&self, length: TimeDelta) -> Reach {
        let moved = self.0.iter().filter_map(|change| change.to.as_ref());
        moved.fold(Reach { length, back: TimeDelta::zero(), forth: TimeDelta::zero() }, |reach, moved| Reach {
            length: reach.length.max(moved.length),
            back: reach.back.max(-moved.by),
            forth: reach.forth.max(moved.by),
        })
    }
}

/// How far from an original start its occurrence may be.
pub(crate) struct Reach {
    pub(crate) length: TimeDelta,
    pub(crate) back: TimeDelta,
    pub(crate) forth: TimeDelta,
}

impl<'a> Moved<'a> {
    fn of(exception: &'a Event, original: NaiveDateTime, pattern: &Pattern) -> Result<Self, ExpandError> {
        if pattern.is_timed() == exception.start.is_all_day() {
            return Err(ExpandError::unreadable(
                "a change of all that follows makes dates of times, or times of dates",
            ));
        }
        let length = instant(&exception.end) - instant(&exception.start);
        if length < TimeDelta::zero() {
            return Err(ExpandError::unreadable("a change of all that follows ends before it starts"));
        }
        Ok(Self { exception, by: pattern.local(&exception.start) - original, length })
    }

    /// Where an occurrence goes; `None` beyond the end of the calendar.
    pub(crate) fn local(&self, original: NaiveDateTime) -> Option<NaiveDateTime> {
        original.checked_add_signed(self.by)
    }
}
