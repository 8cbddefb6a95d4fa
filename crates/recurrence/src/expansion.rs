//! A series becomes its occurrences: rules and dates, minus what is excluded, cancelled or replaced.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use evercal_domain::{Event, EventTime, event::Occurrence, limits::OCCURRENCES_PER_SERIES_MAX};

use crate::{
    ExpandError, Window,
    following::Following,
    lines::{AddedTime, Lines, PeriodEnd},
    own_zone::years_of,
    pattern::Pattern,
    rule::Rule,
    rule_starts::{Steps, rule_starts},
    series::{Identity, Series},
    stamp::Stamp,
    window::instant,
};

/// The occurrences of a series inside the window, by start, each once.
///
/// An exception stands for the occurrence at its original start, and is inside or outside by its own time. It needs no
/// such occurrence to exist: one that was excluded or that an old rule made may still have its exception.
pub fn expand_series(series: &Series, window: &Window) -> Result<Vec<Occurrence>, ExpandError> {
    // Each rule has its own limit; the number of rules has one too.
    expand_series_within(series, window, &mut Steps::at_most(usize::MAX / 2))
}

/// The same for a reader who waits: an error too where the steps that are left do not suffice.
pub fn expand_series_within(
    series: &Series,
    window: &Window,
    steps: &mut Steps,
) -> Result<Vec<Occurrence>, ExpandError> {
    let mut taken: HashSet<Identity> =
        series.cancelled.iter().map(|position| Identity::of(&position.original_start)).collect();
    let mut occurrences = Vec::new();
    for (exception, position) in series.exceptions.iter().filter_map(|event| Some((event, event.series.as_ref()?))) {
        let is_first_there = taken.insert(Identity::of(&position.original_start));
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
    let regular = regular_times(series, window, steps)?;
    occurrences.extend(regular.into_iter().filter(|(identity, _)| !taken.contains(identity)).map(|(_, time)| {
        Occurrence {
            source_id: time.source.provider_id.clone(),
            series_id: Some(series.master.provider_id.clone()),
            original_start: time.original_start,
            start: time.start,
            end: time.end,
        }
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
        series_id: event.series.as_ref().map(|position| position.master_id.clone()),
        original_start: event.series.as_ref().map_or(event.start, |position| position.original_start),
        start: event.start,
        end: event.end,
    })
}

/// An occurrence as rules and dates make it.
#[derive(Debug, Clone, Copy)]
struct Time<'a> {
    /// The master, or the exception that changed all that follow it.
    source: &'a Event,
    original_start: EventTime,
    start: EventTime,
    end: EventTime,
}

/// What rules and dates make of the window, without the exceptions.
fn regular_times<'a>(
    series: &Series<'a>,
    window: &Window,
    steps: &mut Steps,
) -> Result<BTreeMap<Identity, Time<'a>>, ExpandError> {
    let master = series.master;
    let years = years_of(instant(&master.start).naive_utc(), window.end.naive_utc());
    let lines = Lines::read(&master.recurrence, years)?;
    let pattern = Pattern::of(master, lines.start.as_ref(), series.calendar_zone)?;
    let following = Following::of(series, &lines, &pattern)?;
    let span = Span::of(window, &pattern, &following);

    let mut times = BTreeMap::new();
    let mut add = |local: NaiveDateTime, original_start: EventTime, period: Option<TimeDelta>| {
        let (source, start, length) = match following.at(instant(&original_start)) {
            None => (master, original_start, pattern.length),
            Some(change) => {
                let Some(moved) = &change.to else { return };
                let Some(local) = moved.local(local) else { return };
                (moved.exception, pattern.start_at(local), moved.length)
            }
        };
        if let Some(end) = pattern.end_after(&start, period.unwrap_or(length))
            && window.overlaps(&start, &end)
        {
            times.insert(Identity::of(&original_start), Time { source, original_start, start, end });
        }
    };
    // RFC 5545 §3.8.5.2: the start is the first of the dates. It is one of them too where no rule makes it, and then no
    // COUNT counts it: the RFC leaves that open (§3.8.5.3), but calendars show it.
    if lines.rules.is_empty() || lines.rules.iter().any(|rule| reaches_start(rule, &pattern)) {
        add(pattern.first, pattern.start_at(pattern.first), None);
    }
    for rule in &lines.rules {
        for (local, start) in starts(rule, &pattern, &span, steps)? {
            add(local, start, None);
        }
    }
    for added in &lines.added {
        let (start, period) = added_time(added, &pattern)?;
        add(pattern.local(&start), start, period);
    }

    for rule in &lines.excluding_rules {
        for (_, start) in starts(rule, &pattern, &span, steps)? {
            times.remove(&Identity::of(&start));
        }
    }
    let mut excluded_dates = HashSet::new();
    for excluded in &lines.excluded {
        match (pattern.start_listed(excluded), excluded.stamp) {
            (Some(start), _) => {
                times.remove(&Identity::of(&start));
            }
            // A date in a timed series excludes that day; some clients write it so.
            (None, stamp) => {
                excluded_dates.insert(stamp.written_date());
            }
        }
    }
    if !excluded_dates.is_empty() {
        times.retain(|_, time| !excluded_dates.contains(&pattern.local(&time.original_start).date()));
    }
    Ok(times)
}

/// Wall-clock bounds outside of which no original start can reach into the window.
struct Span {
    from: NaiveDateTime,
    until: NaiveDateTime,
}

impl Span {
    fn of(window: &Window, pattern: &Pattern, following: &Following) -> Self {
        // No zone is more than a day away from UTC.
        let day = TimeDelta::days(1);
        let reach = following.reach(pattern.length);
        let naive = |at: DateTime<Utc>| at.naive_utc();
        Self {
            from: naive(window.start)
                .checked_sub_signed(day)
                .and_then(|from| from.checked_sub_signed(reach.length))
                .and_then(|from| from.checked_sub_signed(reach.forth))
                .unwrap_or(NaiveDateTime::MIN),
            until: naive(window.end)
                .checked_add_signed(day)
                .and_then(|until| until.checked_add_signed(reach.back))
                .unwrap_or(NaiveDateTime::MAX),
        }
    }
}

/// The starts that a rule makes within the span, by the wall clock and as they are.
fn starts(
    rule: &Rule,
    pattern: &Pattern,
    span: &Span,
    steps: &mut Steps,
) -> Result<Vec<(NaiveDateTime, EventTime)>, ExpandError> {
    let until = match rule.until {
        Some(until) => pattern.last_local(until).min(span.until),
        None => span.until,
    };
    let locals = rule_starts(&rule.recurrence, pattern.first, span.from, until, steps)?;
    Ok(locals
        .into_iter()
        .filter(|local| *local >= span.from)
        .map(|local| (local, pattern.start_at(local)))
        .filter(|(_, start)| !is_after(start, rule.until))
        .collect())
}

/// Whether a rule has not ended before its own series begins.
fn reaches_start(rule: &Rule, pattern: &Pattern) -> bool {
    let is_late = |until| pattern.first > pattern.last_local(until);
    !rule.until.is_some_and(is_late) && !is_after(&pattern.start_at(pattern.first), rule.until)
}

/// Whether a start is after an `UNTIL` that is an instant; dates and wall-clock times are exact in the rule already.
fn is_after(start: &EventTime, until: Option<Stamp>) -> bool {
    match (start, until) {
        (EventTime::Instant { at, .. }, Some(Stamp::Instant(last))) => *at > last,
        _ => false,
    }
}

/// Start of an `RDATE`, and the length of a period.
fn added_time(added: &AddedTime, pattern: &Pattern) -> Result<(EventTime, Option<TimeDelta>), ExpandError> {
    let no_time = || ExpandError::unreadable("RDATE has a date where the series has times");
    let start = pattern.start_listed(&added.start).ok_or_else(no_time)?;
    let length = match &added.period {
        None => return Ok((start, None)),
        Some(PeriodEnd::After(length)) => *length,
        Some(PeriodEnd::At(end)) => instant(&pattern.start_listed(end).ok_or_else(no_time)?) - instant(&start),
    };
    if length < TimeDelta::zero() {
        return Err(ExpandError::unreadable("a period ends before it starts"));
    }
    Ok((start, Some(length)))
}
