//! Calendar objects: iCalendar text of one event with all that changes it (RFC 4791 §4.1), as the domain's times.
//!
//! For a provider that sends such text, as CalDAV does. It makes an event of each [`ObjectEvent`] (a master, exceptions,
//! cancelled occurrences), and `expand_series` then does with them what it does with any other series: the lines of a
//! master carry all that its own fields cannot say, so that a stored one can be expanded again without the text.
//!
//! Not for: titles, guests and all else that is no time; tasks and journals; single components.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use evercal_domain::{EventTime, Zone, limits::EVENT_BYTES_MAX};

use crate::{
    ExpandError,
    content_line::{ContentLine, unfold},
    lines::{duration, is_for_what_follows, listed_time},
    own_zone::years_of,
    stamp::Stamp,
    zone::WallClock,
    zone_names::Zones,
};

/// The `VEVENT`s of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalendarObject {
    /// The `UID` of all of them.
    pub uid: String,
    /// In the order of the text.
    pub events: Vec<ObjectEvent>,
}

/// The times of a `VEVENT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectEvent {
    /// Start. A floating one is the instant that it is in the calendar's zone.
    pub start: EventTime,
    /// End, exclusive.
    pub end: EventTime,
    /// For [`evercal_domain::Event::recurrence`]: empty for all but the master of a series.
    pub recurrence: Vec<String>,
    /// For [`evercal_domain::SeriesPosition::original_start`]: set for what changes an occurrence.
    pub original_start: Option<EventTime>,
    /// Whether its `STATUS` is `CANCELLED`.
    pub is_cancelled: bool,
}

impl CalendarObject {
    /// Reads an object. `calendar_zone` is the zone of floating times; UTC where it is not known.
    pub fn read(text: &str, calendar_zone: Option<Zone>) -> Result<Self, ExpandError> {
        if text.len() > EVENT_BYTES_MAX {
            return Err(ExpandError::TooMany { what: "bytes of text", limit: EVENT_BYTES_MAX });
        }
        let lines = unfold(text);
        let components = components(&lines)?;
        let uid = uid_of(&components)?;
        let mut zones = Zones::of(&lines, years(&components))?;
        let floating = WallClock::of(calendar_zone.unwrap_or(Zone::UTC));

        let mut masters = components.iter().filter(|component| component.recurrence_id.is_none());
        let master = masters.next();
        if masters.next().is_some() {
            return Err(ExpandError::unreadable("the object has two events that are no change of one"));
        }
        let changes_that_follow: Vec<&str> = components
            .iter()
            .filter(|component| component.recurrence_id.as_ref().is_some_and(is_for_what_follows))
            .filter_map(|component| component.recurrence_id_line)
            .collect();
        // The `RECURRENCE-ID` of a change may be written without a zone: it is the master's.
        let master_zone = match master {
            Some(master) => master.zone(&mut zones)?.unwrap_or_else(|| floating.clone()),
            None => floating.clone(),
        };
        let events = components
            .iter()
            .map(|component| {
                let mut event = component.times(&mut zones, &floating)?;
                match &component.recurrence_id {
                    Some(line) => event.original_start = Some(time(line, &mut zones, &master_zone)?),
                    None => event.recurrence = component.recurrence(&changes_that_follow, &zones)?,
                }
                Ok(event)
            })
            .collect::<Result<_, ExpandError>>()?;
        Ok(Self { uid, events })
    }
}

/// The lines that make an event a series.
const RECURRENCE: [&str; 4] = ["RRULE", "EXRULE", "RDATE", "EXDATE"];

/// The lines of a `VEVENT` that this module knows.
#[derive(Debug, Default)]
struct Component<'a> {
    uid: Option<&'a str>,
    start: Option<ContentLine<'a>>,
    start_line: Option<&'a str>,
    end: Option<ContentLine<'a>>,
    duration: Option<&'a str>,
    recurrence_id: Option<ContentLine<'a>>,
    recurrence_id_line: Option<&'a str>,
    recurrence: Vec<&'a str>,
    is_cancelled: bool,
}

fn components(lines: &[String]) -> Result<Vec<Component<'_>>, ExpandError> {
    let mut components: Vec<Component> = Vec::new();
    // The names of the components that are open.
    let mut open: Vec<&str> = Vec::new();
    for text in lines {
        let line = match ContentLine::read(text) {
            Ok(line) => line,
            Err(error) if is_known(text) => return Err(error),
            // A damaged description harms nobody here.
            Err(_) => continue,
        };
        if line.is("BEGIN") {
            open.push(line.value);
            if line.value.eq_ignore_ascii_case("VEVENT") {
                components.push(Component::default());
            }
        } else if line.is("END") {
            if open.pop().is_none_or(|name| !name.eq_ignore_ascii_case(line.value)) {
                return Err(ExpandError::unreadable("a component of the object has no end"));
            }
        } else if open.last().is_some_and(|name| name.eq_ignore_ascii_case("VEVENT"))
            && let Some(component) = components.last_mut()
        {
            component.add(text, line)?;
        }
    }
    if !open.is_empty() {
        return Err(ExpandError::unreadable("a component of the object has no end"));
    }
    Ok(components)
}

/// Whether a line begins like one that has to be parsed.
fn is_known(text: &str) -> bool {
    let name = text.split([':', ';']).next().unwrap_or_default();
    let known = ["BEGIN", "END", "UID", "STATUS", "DTSTART", "DTEND", "DURATION", "RECURRENCE-ID"];
    known.iter().chain(&RECURRENCE).any(|known| known.eq_ignore_ascii_case(name))
}

fn uid_of(components: &[Component]) -> Result<String, ExpandError> {
    let uids: BTreeSet<Option<&str>> = components.iter().map(|component| component.uid).collect();
    match (uids.first(), uids.len()) {
        (Some(Some(uid)), 1) => Ok((*uid).to_owned()),
        (None, _) => Err(ExpandError::unreadable("the object has no event")),
        _ => Err(ExpandError::unreadable("the events of the object have not one UID")),
    }
}

/// The years in which its own zones have to be known.
fn years(components: &[Component]) -> std::ops::RangeInclusive<i32> {
    let lines = components.iter().flat_map(|component| [&component.start, &component.end, &component.recurrence_id]);
    let dates: BTreeSet<_> = lines.flatten().filter_map(|line| Some(Stamp::read(line.value)?.written_date())).collect();
    let midnight = |date: &chrono::NaiveDate| date.and_time(NaiveTime::MIN);
    let utc = || DateTime::<Utc>::UNIX_EPOCH.naive_utc();
    years_of(dates.first().map_or_else(utc, midnight), dates.last().map_or_else(utc, midnight))
}

impl<'a> Component<'a> {
    fn add(&mut self, text: &'a str, line: ContentLine<'a>) -> Result<(), ExpandError> {
        let twice = || ExpandError::unreadable("an event has one of its times twice");
        if line.is("DTSTART") {
            self.start_line = Some(text);
            self.start.replace(line).map_or(Ok(()), |_| Err(twice()))
        } else if line.is("DTEND") {
            self.end.replace(line).map_or(Ok(()), |_| Err(twice()))
        } else if line.is("RECURRENCE-ID") {
            self.recurrence_id_line = Some(text);
            self.recurrence_id.replace(line).map_or(Ok(()), |_| Err(twice()))
        } else if line.is("DURATION") {
            self.duration.replace(line.value).map_or(Ok(()), |_| Err(twice()))
        } else {
            if line.is("UID") {
                self.uid = Some(line.value);
            } else if line.is("STATUS") {
                self.is_cancelled = line.value.eq_ignore_ascii_case("CANCELLED");
            } else if RECURRENCE.into_iter().any(|name| line.is(name)) {
                self.recurrence.push(text);
            }
            Ok(())
        }
    }

    fn start(&self) -> Result<&ContentLine<'a>, ExpandError> {
        self.start.as_ref().ok_or_else(|| ExpandError::unreadable("an event has no start"))
    }

    /// The zone that its start names.
    fn zone(&self, zones: &mut Zones) -> Result<Option<WallClock>, ExpandError> {
        zone_of(self.start()?, zones)
    }

    fn times(&self, zones: &mut Zones, floating: &WallClock) -> Result<ObjectEvent, ExpandError> {
        let start = time(self.start()?, zones, floating)?;
        let end = match (&self.end, self.duration) {
            (Some(end), _) => time(end, zones, floating)?,
            (None, Some(text)) => {
                let zone = self.zone(zones)?.unwrap_or_else(|| floating.clone());
                end_after(start, text, &zone)?
            }
            // RFC 5545 §3.6.1: a date lasts that day, a time no time.
            (None, None) => end_after(start, if start.is_all_day() { "P1D" } else { "PT0S" }, floating)?,
        };
        let is_in_order = match (start, end) {
            (EventTime::Date { date: start }, EventTime::Date { date: end }) => start <= end,
            (EventTime::Instant { at: start, .. }, EventTime::Instant { at: end, .. }) => start <= end,
            _ => return Err(ExpandError::unreadable("one of start and end is a date, the other is not")),
        };
        if !is_in_order {
            return Err(ExpandError::unreadable("it ends before it starts"));
        }
        let end = if start.is_all_day() && start == end { end_after(start, "P1D", floating)? } else { end };
        Ok(ObjectEvent { start, end, recurrence: Vec::new(), original_start: None, is_cancelled: self.is_cancelled })
    }

    /// The lines of a master: its own, and what it takes to parse them without the object.
    fn recurrence(&self, changes_that_follow: &[&str], zones: &Zones) -> Result<Vec<String>, ExpandError> {
        if self.recurrence.is_empty() {
            return Ok(Vec::new());
        }
        let is_timed = !matches!(Stamp::read(self.start()?.value), Some(Stamp::Date(_)));
        let start = self.start_line.filter(|_| is_timed);
        let mut lines = Vec::new();
        let mut names = BTreeSet::new();
        for text in start.iter().chain(&self.recurrence).chain(changes_that_follow) {
            let line = ContentLine::read(text)?;
            lines.push(line.with_only(&["TZID", "RANGE"]));
            names.extend(line.parameter("TZID"));
        }
        let definitions = names.into_iter().filter_map(|name| zones.definition(name));
        lines.extend(definitions.flatten().cloned());
        Ok(lines)
    }
}

/// A line's date or time; a floating one in the zone that is given.
fn time(line: &ContentLine, zones: &mut Zones, floating: &WallClock) -> Result<EventTime, ExpandError> {
    let zone = zone_of(line, zones)?;
    let listed = listed_time(line.value, zone.as_ref())?;
    Ok(match (listed.stamp, zone) {
        (Stamp::Date(date), _) => EventTime::Date { date },
        (Stamp::Instant(at), zone) => EventTime::Instant { at, zone: zone.map_or(Some(Zone::UTC), |zone| zone.zone()) },
        (Stamp::Local(local), Some(zone)) => EventTime::Instant { at: zone.instant_of(local), zone: zone.zone() },
        (Stamp::Local(local), None) => EventTime::Instant { at: floating.instant_of(local), zone: None },
    })
}

fn zone_of(line: &ContentLine, zones: &mut Zones) -> Result<Option<WallClock>, ExpandError> {
    let Some(name) = line.parameter("TZID") else { return Ok(None) };
    let zone = zones.named(name)?;
    zone.map(Some).ok_or_else(|| ExpandError::unreadable("a time of the object names an unknown time zone"))
}

/// Days of a duration count by the wall clock, hours exactly (RFC 5545 §3.3.6).
fn end_after(start: EventTime, text: &str, zone: &WallClock) -> Result<EventTime, ExpandError> {
    let wrong = || ExpandError::unreadable("an event has a DURATION that is none");
    let length = duration(text).ok_or_else(wrong)?;
    let days = TimeDelta::days(length.num_days());
    Ok(match start {
        EventTime::Date { date } => EventTime::Date { date: date.checked_add_signed(days).ok_or_else(wrong)? },
        EventTime::Instant { at, zone: named } => {
            // Through the wall clock only where there are days: there and back, the second of two hours becomes the first.
            let day = if days.is_zero() {
                at
            } else {
                zone.instant_of(zone.at(at).checked_add_signed(days).ok_or_else(wrong)?)
            };
            EventTime::Instant { at: day.checked_add_signed(length - days).ok_or_else(wrong)?, zone: named }
        }
    })
}
