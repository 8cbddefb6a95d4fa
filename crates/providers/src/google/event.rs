//! One event of Google's as the domain sees it. Pure, and alone: whatever is wrong with it stays with it.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Utc};
use evercal_domain::event::{Attendee, EventWarning, Person, Response, ShowAs, Visibility};
use evercal_domain::limits::EVENT_BYTES_MAX;
use evercal_domain::{Event, EventStatus, EventTime, ProviderEventId, RemoteEvent, RemoteItem, SeriesPosition, Zone};
use serde::Deserialize;

use super::conference::conference;
use super::details::{attachments, reminders};
use crate::entry::{
    ATTENDEES_MAX, check_order, end_in_years, informational, is_beyond_years, is_usable_id, misformed, unreadable,
};

/// Parses one entry of a page from its own JSON text.
pub(super) fn remote_item(raw: &str) -> RemoteItem {
    if raw.len() > EVENT_BYTES_MAX {
        return unreadable(raw, format!("the event is larger than {EVENT_BYTES_MAX} bytes"));
    }
    match serde_json::from_str::<WireEvent>(raw) {
        Ok(wire) => parse_event(wire, raw).unwrap_or_else(|reason| unreadable(raw, reason.to_owned())),
        Err(error) => unreadable(raw, misformed(&error)),
    }
}

fn parse_event(wire: WireEvent, raw: &str) -> Result<RemoteItem, &'static str> {
    if wire.id.is_empty() {
        return Err("the event has no id");
    }
    if !is_usable_id(&wire.id) || !wire.recurring_event_id.as_deref().is_none_or(is_usable_id) {
        return Err("an id is too long, or has a character that cannot be stored");
    }
    let has_unknown_zone = wire.start.as_ref().is_some_and(WireTime::names_an_unknown_zone);
    let start = wire.start.map(WireTime::parse);
    let series = match wire.recurring_event_id {
        Some(master_id) => {
            let said = wire.original_start_time.map(WireTime::parse).transpose()?;
            let start = start.and_then(Result::ok);
            let original_start = match said.or_else(|| original_start_in_id(&wire.id, start)) {
                Some(original_start) => Some(original_start),
                // It may have been moved, and a wrong original start would take another occurrence away.
                None if wire.status == WireStatus::Cancelled => None,
                None => start,
            };
            original_start
                .map(|original_start| SeriesPosition { master_id: ProviderEventId::new(master_id), original_start })
        }
        None => None,
    };
    let provider_id = ProviderEventId::new(wire.id);
    let status = match wire.status {
        WireStatus::Confirmed => EventStatus::Confirmed,
        WireStatus::Tentative => EventStatus::Tentative,
        WireStatus::Cancelled => {
            return Ok(match series {
                Some(position) => RemoteItem::CancelledOccurrence { provider_id, position },
                None => RemoteItem::Deleted { provider_id },
            });
        }
    };
    if series.is_some() && !wire.recurrence.is_empty() {
        return Err("the event is both a series and an exception to one");
    }
    if wire.attendees.len() > ATTENDEES_MAX {
        return Err("the event has too many guests");
    }
    let start = start.ok_or("the event has no start")??;
    let end = match wire.end {
        Some(end) => end.parse()?,
        None => start,
    };
    check_order(start, end)?;
    if [Some(start), series.as_ref().map(|series| series.original_start)].into_iter().flatten().any(is_beyond_years) {
        return Err("it starts outside of the years 1 to 9998");
    }
    let end = end_in_years(start, end);
    let is_series = !wire.recurrence.is_empty();
    let attendees: Vec<Attendee> = wire.attendees.into_iter().map(WireAttendee::into_domain).collect();

    let event = Event {
        provider_id,
        ical_uid: wire.ical_uid,
        status,
        title: wire.summary,
        description: wire.description,
        location: wire.location,
        start,
        end,
        recurrence: if start.is_all_day() { wire.recurrence } else { without_excluded_dates(wire.recurrence) },
        series,
        show_as: show_as(wire.event_type.as_deref(), wire.transparency.as_deref(), status),
        visibility: match wire.visibility.as_deref() {
            Some("private") => Visibility::Private,
            Some("confidential") => Visibility::Confidential,
            // `default` is what the calendar's readers see.
            _ => Visibility::Public,
        },
        event_type: wire.event_type.filter(|kind| kind != "default"),
        // Google's colours are no labels, and it has no others.
        categories: vec![],
        creator: wire.creator.map(WirePerson::into_domain),
        organizer: wire.organizer.map(WirePerson::into_domain),
        self_response: attendees.iter().find(|attendee| attendee.person.is_self).map(|attendee| attendee.response),
        attendees,
        reminders: reminders(wire.reminders),
        attachments: attachments(wire.attachments),
        sequence: wire.sequence,
        link: wire.html_link,
        conference: conference(wire.conference_data, wire.hangout_link),
        created_at: informational(wire.created.as_deref()),
        updated_at: informational(wire.updated.as_deref()),
        // Of a single event only the instants matter, and those are known.
        warnings: if is_series && has_unknown_zone { vec![EventWarning::UnknownZone] } else { vec![] },
    };
    Ok(RemoteItem::Event(Box::new(RemoteEvent { event, version: wire.etag, raw: Some(raw.to_owned()) })))
}

/// What an event is comes before how much time it takes: where somebody works takes none
/// (<https://developers.google.com/workspace/calendar/api/guides/working-hours-and-location>).
fn show_as(event_type: Option<&str>, transparency: Option<&str>, status: EventStatus) -> ShowAs {
    match (event_type, transparency) {
        (Some("workingLocation"), _) => ShowAs::WorkingElsewhere,
        (_, Some("transparent")) => ShowAs::Free,
        (Some("outOfOffice"), _) => ShowAs::OutOfOffice,
        _ if status == EventStatus::Tentative => ShowAs::Tentative,
        _ => ShowAs::Busy,
    }
}

/// The original start of an instance of a series, as its id has it: `{series}_20260301T090000Z`, or `{series}_20260301` where it
/// was whole days. Those who may see only when somebody is busy get instances that have it nowhere else.
fn original_start_in_id(id: &str, start: Option<EventTime>) -> Option<EventTime> {
    let (_, suffix) = id.rsplit_once('_')?;
    let has_digits = |digits: usize| suffix.bytes().filter(u8::is_ascii_digit).count() == digits;
    match suffix.len() {
        8 if has_digits(8) => NaiveDate::parse_from_str(suffix, "%Y%m%d").ok().map(|date| EventTime::Date { date }),
        16 if has_digits(14) => {
            let at = NaiveDateTime::parse_from_str(suffix, "%Y%m%dT%H%M%SZ").ok()?.and_utc();
            let zone = match start {
                Some(EventTime::Instant { zone, .. }) => zone,
                _ => None,
            };
            Some(EventTime::Instant { at, zone })
        }
        _ => None,
    }
}

/// Google accepts a date in the `EXDATE` of a series that has times, and shows that day's occurrence all the same. Elsewhere
/// such a date excludes the day, so it must not stay.
fn without_excluded_dates(lines: Vec<String>) -> Vec<String> {
    let is_date = |text: &str| text.len() == "20260101".len();
    let without = |line: String| match line.rsplit_once(':') {
        Some((name, dates)) if name.starts_with("EXDATE") && dates.split(',').any(is_date) => {
            let times: Vec<&str> = dates.split(',').filter(|text| !is_date(text)).collect();
            (!times.is_empty()).then(|| format!("{name}:{}", times.join(",")))
        }
        _ => Some(line),
    };
    lines.into_iter().filter_map(without).collect()
}

/// The fields of [`WireEvent`], as the `fields` parameter names them.
pub(super) const EVENT_FIELDS: &str = "id,status,etag,iCalUID,htmlLink,created,updated,summary,description,location,\
    start,end,recurrence,recurringEventId,originalStartTime,transparency,visibility,eventType,sequence,hangoutLink,\
    conferenceData(conferenceSolution(key(type)),entryPoints(entryPointType,uri)),\
    creator(email,displayName,self),organizer(email,displayName,self),\
    attendees(email,displayName,self,responseStatus,optional,resource),\
    reminders(useDefault,overrides(method,minutes)),attachments(fileUrl,title)";

/// The fields that we read; any others are ignored. One that is not in [`EVENT_FIELDS`] never comes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireEvent {
    id: String,
    #[serde(default)]
    status: WireStatus,
    etag: Option<String>,
    #[serde(rename = "iCalUID")]
    ical_uid: Option<String>,
    html_link: Option<String>,
    created: Option<String>,
    updated: Option<String>,
    summary: Option<String>,
    description: Option<String>,
    location: Option<String>,
    start: Option<WireTime>,
    end: Option<WireTime>,
    #[serde(default)]
    recurrence: Vec<String>,
    recurring_event_id: Option<String>,
    original_start_time: Option<WireTime>,
    transparency: Option<String>,
    visibility: Option<String>,
    event_type: Option<String>,
    hangout_link: Option<String>,
    /// Read for itself, so that what is odd about it costs no event.
    conference_data: Option<serde_json::Value>,
    creator: Option<WirePerson>,
    organizer: Option<WirePerson>,
    #[serde(default)]
    attendees: Vec<WireAttendee>,
    /// As with `conference_data`.
    reminders: Option<serde_json::Value>,
    attachments: Option<serde_json::Value>,
    sequence: Option<i64>,
}

#[derive(Deserialize, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
enum WireStatus {
    #[default]
    Confirmed,
    Tentative,
    Cancelled,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireTime {
    date: Option<String>,
    date_time: Option<String>,
    time_zone: Option<String>,
}

impl WireTime {
    fn names_an_unknown_zone(&self) -> bool {
        self.date_time.is_some() && self.time_zone.as_deref().is_some_and(|name| name.parse::<Zone>().is_err())
    }

    fn parse(self) -> Result<EventTime, &'static str> {
        match (self.date, self.date_time) {
            (Some(date), None) => date
                .parse::<NaiveDate>()
                .ok()
                .filter(|date| (0..=9999).contains(&date.year()))
                .map(|date| EventTime::Date { date })
                .ok_or("a date cannot be read"),
            (None, Some(date_time)) => {
                // A name that we do not know (yet) costs the wall clock, not the instant.
                let zone = self.time_zone.and_then(|name| name.parse::<Zone>().ok());
                let at = instant(&date_time, zone).ok_or("a time cannot be read")?;
                Ok(EventTime::Instant { at, zone })
            }
            _ => Err("a start or end is not exactly one of date and time"),
        }
    }
}

/// An instant with an offset, or a wall clock time in its zone: of two such instants the earlier one, and in a gap the one
/// with the offset before it.
fn instant(text: &str, zone: Option<Zone>) -> Option<DateTime<Utc>> {
    if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        return Some(instant.to_utc());
    }
    let wall_clock = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok()?;
    Some(zone?.instant_of(wall_clock))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WirePerson {
    email: Option<String>,
    display_name: Option<String>,
    #[serde(default, rename = "self")]
    is_self: bool,
}

impl WirePerson {
    fn into_domain(self) -> Person {
        Person { email: self.email, name: self.display_name, is_self: self.is_self }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireAttendee {
    #[serde(flatten)]
    person: WirePerson,
    response_status: Option<String>,
    #[serde(default)]
    optional: bool,
    #[serde(default)]
    resource: bool,
}

impl WireAttendee {
    fn into_domain(self) -> Attendee {
        Attendee {
            person: self.person.into_domain(),
            response: match self.response_status.as_deref() {
                Some("accepted") => Response::Accepted,
                Some("tentative") => Response::Tentative,
                Some("declined") => Response::Declined,
                // `needsAction`, and any value that we do not know.
                _ => Response::NeedsAction,
            },
            optional: self.optional,
            resource: self.resource,
        }
    }
}
