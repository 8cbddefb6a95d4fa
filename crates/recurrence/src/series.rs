//! A series becomes its occurrences: rules and dates, minus what is excluded, cancelled or replaced.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use evercal_domain::{Event, EventTime, SeriesPosition, event::Occurrence, limits::OCCURRENCES_PER_SERIES_MAX};

use crate::{
    ExpandError, Window,
    lines::{AddedTime, Lines, PeriodEnd},
    pattern::Pattern,
    rule::Rule,
    rule_starts::rule_starts,
    stamp::Stamp,
    window::instant,
};

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
    pub calendar_zone: Option<Tz>,
}

/// The occurrences of a series inside the window, by start, each once.
///
/// An exception stands for the occurrence at its original start, and is inside or outside by its own time. It needs no
/// such occurrence to exist: one that was excluded or that an old rule made may still have its exception.
pub fn expand_series(series: &Series, window: &Window) -> Result<Vec<Occurrence>, ExpandError> {
    let mut taken: HashSet<Place> =
        series.cancelled.iter().map(|position| Place::of(&position.original_start)).collect();
    let mut occurrences = Vec::new();
    for (exception, position) in series.exceptions.iter().filter_map(|event| Some((event, event.series.as_ref()?))) {
        let is_first_there = taken.insert(Place::of(&position.original_start));
        if is_first_there && window.overlaps(&exception.start, &exception.end) {
            occurrences.push(Occurrence {
                source_id: exception.provider_id.clone(),
                series_id: Some(series.master.provider_id.clone()),
                original_start: position.original_start,
                start: exception.start,
                end: exception.end,
            });
        }
    }
    let regular = regular_times(series, window)?;
    occurrences.extend(regular.into_iter().filter(|(place, _)| !taken.contains(place)).map(|(_, time)| Occurrence {
        source_id: series.master.provider_id.clone(),
        series_id: Some(series.master.provider_id.clone()),
        original_start: time.start,
        start: time.start,
        end: time.end,
    }));
    if occurrences.len() > OCCURRENCES_PER_SERIES_MAX {
        return Err(ExpandError::TooMany { what: "occurrences in the window", limit: OCCURRENCES_PER_SERIES_MAX });
    }
    occurrences.sort_by_key(|occurrence| (instant(&occurrence.start), instant(&occurrence.original_start)));
    Ok(occurrences)
}

/// A single event, or an exception whose master we do not have (a guest invited to one instance), if it is inside the
/// window.
pub fn single_occurrence(event: &Event, window: &Window) -> Option<Occurrence> {
    window.overlaps(&event.start, &event.end).then(|| Occurrence {
        source_id: event.provider_id.clone(),
        series_id: event.series.as_ref().map(|place| place.master_id.clone()),
        original_start: event.series.as_ref().map_or(event.start, |place| place.original_start),
        start: event.start,
        end: event.end,
    })
}

/// The identity of an occurrence inside its series: what [`EventTime::key`] says, without making a text of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Place {
    Date(NaiveDate),
    Second(i64),
}

impl Place {
    fn of(start: &EventTime) -> Self {
        match start {
            EventTime::Date { date } => Self::Date(*date),
            EventTime::Instant { at, .. } => Self::Second(at.timestamp()),
        }
    }
}

/// Start and end of an occurrence as rules and dates make it.
#[derive(Debug, Clone, Copy)]
struct Time {
    start: EventTime,
    end: EventTime,
}

/// What rules and dates make of the window, without the exceptions.
fn regular_times(series: &Series, window: &Window) -> Result<BTreeMap<Place, Time>, ExpandError> {
    let pattern = Pattern::of(series.master, series.calendar_zone)?;
    let lines = Lines::read(&series.master.recurrence)?;
    let span = Span::of(window, &pattern);

    let mut times = BTreeMap::new();
    let mut add = |start: EventTime, length: TimeDelta| {
        if let Some(end) = pattern.end_after(&start, length)
            && window.overlaps(&start, &end)
        {
            times.insert(Place::of(&start), Time { start, end });
        }
    };
    if lines.rules.is_empty() {
        // RFC 5545 §3.8.5.2: the start is the first of the dates.
        add(pattern.start_at(pattern.first), pattern.length);
    }
    for rule in &lines.rules {
        for start in starts(rule, &pattern, &span)? {
            add(start, pattern.length);
        }
    }
    for added in &lines.added {
        let (start, length) = added_time(added, &pattern)?;
        add(start, length);
    }

    for rule in &lines.excluding_rules {
        for start in starts(rule, &pattern, &span)? {
            times.remove(&Place::of(&start));
        }
    }
    let mut excluded_dates = HashSet::new();
    for excluded in &lines.excluded {
        match (pattern.start_listed(*excluded), excluded.stamp) {
            (Some(start), _) => {
                times.remove(&Place::of(&start));
            }
            // A date in a timed series excludes that day; some clients write it so.
            (None, stamp) => {
                excluded_dates.insert(stamp.written_date());
            }
        }
    }
    if !excluded_dates.is_empty() {
        times.retain(|_, time| !excluded_dates.contains(&pattern.local_date(&time.start)));
    }
    Ok(times)
}

/// Wall-clock bounds outside of which no start can reach into the window.
struct Span {
    from: NaiveDateTime,
    until: NaiveDateTime,
}

impl Span {
    fn of(window: &Window, pattern: &Pattern) -> Self {
        // No zone is more than a day away from UTC.
        let day = TimeDelta::days(1);
        let naive = |at: DateTime<Utc>| at.naive_utc();
        Self {
            from: naive(window.start)
                .checked_sub_signed(day)
                .and_then(|from| from.checked_sub_signed(pattern.length))
                .unwrap_or(NaiveDateTime::MIN),
            until: naive(window.end).checked_add_signed(day).unwrap_or(NaiveDateTime::MAX),
        }
    }
}

/// The starts that a rule makes within the span.
fn starts(rule: &Rule, pattern: &Pattern, span: &Span) -> Result<Vec<EventTime>, ExpandError> {
    let until = match rule.until {
        Some(until) => pattern.last_local(until).min(span.until),
        None => span.until,
    };
    let locals = rule_starts(&rule.recurrence, pattern.first, span.from, until)?;
    Ok(locals
        .into_iter()
        .filter(|local| *local >= span.from)
        .map(|local| pattern.start_at(local))
        .filter(|start| !is_after(start, rule.until))
        .collect())
}

/// Whether a start is after an `UNTIL` that is an instant; dates and wall-clock times are exact in the rule already.
fn is_after(start: &EventTime, until: Option<Stamp>) -> bool {
    match (start, until) {
        (EventTime::Instant { at, .. }, Some(Stamp::Instant(last))) => *at > last,
        _ => false,
    }
}

/// Start and length of an `RDATE`.
fn added_time(added: &AddedTime, pattern: &Pattern) -> Result<(EventTime, TimeDelta), ExpandError> {
    let no_time = || ExpandError::unreadable("RDATE has a date where the series has times");
    let start = pattern.start_listed(added.start).ok_or_else(no_time)?;
    let length = match added.period {
        None => pattern.length,
        Some(PeriodEnd::After(length)) => length,
        Some(PeriodEnd::At(end)) => {
            let end = pattern.start_listed(end).ok_or_else(no_time)?;
            instant(&end) - instant(&start)
        }
    };
    if length < TimeDelta::zero() {
        return Err(ExpandError::unreadable("a period ends before it starts"));
    }
    Ok((start, length))
}
