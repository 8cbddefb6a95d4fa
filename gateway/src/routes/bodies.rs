//! The API's JSON. Every type here is a promise to callers: fields are added, never renamed or removed. Times are RFC 3339.

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use evercal_domain::event::{Attendee, Conference, Event, EventTime, Occurrence, Person};
use evercal_domain::journal::AuditEntry;
use evercal_domain::limits::{DESCRIPTION_BYTES_SHOWN_MAX, EVENTS_PAGE_BYTES_MAX};
use evercal_domain::{Account, Calendar, EventStatus};
use evercal_storage::{Page, ReadOccurrence};
use serde::Serialize;
use utoipa::ToSchema;

/// Room for the end of a page of events: its cursor, whose ids may be long.
const PAGE_END_BYTES: usize = 4 * 1_024;

/// A list.
#[derive(Serialize, ToSchema)]
pub(super) struct List<T> {
    items: Vec<T>,
    /// Hand it back as `cursor` for the next page; null on the last page.
    next_cursor: Option<String>,
}

impl<T> List<T> {
    /// A page of the store, each row as callers see it.
    pub(super) fn of<R>(page: Page<R>, body: impl Fn(R) -> T) -> Self {
        Self { items: page.items.into_iter().map(body).collect(), next_cursor: page.next }
    }

    /// A list that has one page only.
    pub(super) fn whole(items: Vec<T>) -> Self {
        Self { items, next_cursor: None }
    }
}

/// An account.
#[derive(Serialize, ToSchema)]
pub(super) struct AccountBody {
    id: String,
    provider: &'static str,
    label: String,
    state: &'static str,
    detail: Option<String>,
    created_at: DateTime<Utc>,
    state_changed_at: DateTime<Utc>,
    /// When its list of calendars was last read.
    listed_at: Option<DateTime<Utc>>,
    /// When the channel ends that announces changes of that list.
    channel_expires_at: Option<DateTime<Utc>>,
}

impl From<Account> for AccountBody {
    fn from(account: Account) -> Self {
        Self {
            id: account.id.to_string(),
            provider: account.provider.as_str(),
            label: account.label,
            state: account.state.as_str(),
            detail: account.detail,
            created_at: account.created_at,
            state_changed_at: account.state_changed_at,
            listed_at: account.listed_at,
            channel_expires_at: account.channel_expires_at,
        }
    }
}

/// A calendar.
#[derive(Serialize, ToSchema)]
pub(super) struct CalendarBody {
    id: String,
    account_id: String,
    title: String,
    time_zone: Option<String>,
    access_role: &'static str,
    primary: bool,
    #[serde(flatten)]
    state: CalendarStateBody,
}

impl From<Calendar> for CalendarBody {
    fn from(calendar: Calendar) -> Self {
        let state = CalendarStateBody::from(&calendar);
        Self {
            id: calendar.id.to_string(),
            account_id: calendar.account_id.to_string(),
            title: calendar.remote.title,
            time_zone: calendar.remote.time_zone,
            access_role: calendar.remote.access_role.as_str(),
            primary: calendar.remote.primary,
            state,
        }
    }
}

/// The state of a calendar's subscription and mirror.
#[derive(Serialize, ToSchema)]
pub(super) struct CalendarStateBody {
    state: &'static str,
    detail: Option<String>,
    state_changed_at: DateTime<Utc>,
    channel_expires_at: Option<DateTime<Utc>>,
    /// When we last knew the mirror to be complete.
    confirmed_at: Option<DateTime<Utc>>,
    via: Option<&'static str>,
    last_sync: Option<LastSyncBody>,
    event_count: i64,
}

#[derive(Serialize, ToSchema)]
pub(super) struct LastSyncBody {
    finished_at: DateTime<Utc>,
    changes: i64,
    notice_to_stored_ms: Option<i64>,
}

impl From<&Calendar> for CalendarStateBody {
    fn from(calendar: &Calendar) -> Self {
        let last_sync = calendar.last_sync.as_ref().map(|sync| LastSyncBody {
            finished_at: sync.finished_at,
            changes: sync.changes,
            notice_to_stored_ms: sync.notice_to_stored_ms,
        });
        Self {
            state: calendar.state.as_str(),
            detail: calendar.detail.clone(),
            state_changed_at: calendar.state_changed_at,
            channel_expires_at: calendar.channel_expires_at,
            confirmed_at: calendar.confirmed_at,
            via: calendar.confirmed_via.map(evercal_domain::Via::as_str),
            last_sync,
            event_count: calendar.event_count,
        }
    }
}

/// A start or an end: a date for all-day events, else an instant.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum TimeBody {
    Date { date: NaiveDate },
    Instant { date_time: String, time_zone: Option<&'static str> },
}

impl From<EventTime> for TimeBody {
    fn from(time: EventTime) -> Self {
        match time {
            EventTime::Date { date } => Self::Date { date },
            EventTime::Instant { at, zone: None } => {
                Self::Instant { date_time: at.to_rfc3339_opts(SecondsFormat::AutoSi, true), time_zone: None }
            }
            EventTime::Instant { at, zone: Some(zone) } => Self::Instant {
                date_time: at.with_timezone(&zone).to_rfc3339_opts(SecondsFormat::AutoSi, true),
                time_zone: Some(zone.name()),
            },
        }
    }
}

/// An occurrence of an event.
#[derive(Serialize, ToSchema)]
pub(super) struct OccurrenceBody {
    id: String,
    event_id: String,
    series_id: Option<String>,
    original_start: TimeBody,
    start: TimeBody,
    end: TimeBody,
    status: &'static str,
    title: Option<String>,
    /// The description's first 64 KiB.
    description: Option<String>,
    /// Whether it goes on: the event itself has all of it.
    description_truncated: bool,
    location: Option<String>,
    busy: bool,
    private: bool,
    event_type: Option<String>,
    organizer: Option<PersonBody>,
    attendees: Vec<AttendeeBody>,
    ical_uid: Option<String>,
    link: Option<String>,
    conference: Option<ConferenceBody>,
    created_at: Option<DateTime<Utc>>,
    updated_at: Option<DateTime<Utc>>,
}

impl From<ReadOccurrence> for OccurrenceBody {
    fn from(read: ReadOccurrence) -> Self {
        let ReadOccurrence { occurrence, event, .. } = read;
        let id = occurrence_id(&occurrence);
        let Event { status, title, mut description, location, busy, private, event_type, .. } = event;
        let description_truncated = description.as_mut().is_some_and(truncate);
        Self {
            id,
            event_id: occurrence.source_id.as_str().to_owned(),
            series_id: occurrence.series_id.map(|id| id.as_str().to_owned()),
            original_start: occurrence.original_start.into(),
            start: occurrence.start.into(),
            end: occurrence.end.into(),
            status: status_name(status),
            title,
            description,
            description_truncated,
            location,
            busy,
            private,
            event_type,
            organizer: event.organizer.map(PersonBody::from),
            attendees: event.attendees.into_iter().map(AttendeeBody::from).collect(),
            ical_uid: event.ical_uid,
            link: event.link,
            conference: event.conference.map(ConferenceBody::from),
            created_at: event.created_at,
            updated_at: event.updated_at,
        }
    }
}

/// An event, whole: a single one, the master of a series, or an exception of one.
#[derive(Serialize, ToSchema)]
pub(super) struct EventBody {
    event_id: String,
    /// The series that it is an exception of.
    series_id: Option<String>,
    /// Where the series had it; set for an exception.
    original_start: Option<TimeBody>,
    /// The lines of RFC 5545 that make a series of it.
    recurrence: Vec<String>,
    start: TimeBody,
    end: TimeBody,
    status: &'static str,
    title: Option<String>,
    description: Option<String>,
    location: Option<String>,
    busy: bool,
    private: bool,
    event_type: Option<String>,
    organizer: Option<PersonBody>,
    attendees: Vec<AttendeeBody>,
    ical_uid: Option<String>,
    link: Option<String>,
    conference: Option<ConferenceBody>,
    created_at: Option<DateTime<Utc>>,
    updated_at: Option<DateTime<Utc>>,
}

impl From<Event> for EventBody {
    fn from(event: Event) -> Self {
        let (series_id, original_start) =
            event.series.map(|place| (place.master_id.as_str().to_owned(), place.original_start.into())).unzip();
        Self {
            event_id: event.provider_id.as_str().to_owned(),
            series_id,
            original_start,
            recurrence: event.recurrence,
            start: event.start.into(),
            end: event.end.into(),
            status: status_name(event.status),
            title: event.title,
            description: event.description,
            location: event.location,
            busy: event.busy,
            private: event.private,
            event_type: event.event_type,
            organizer: event.organizer.map(PersonBody::from),
            attendees: event.attendees.into_iter().map(AttendeeBody::from).collect(),
            ical_uid: event.ical_uid,
            link: event.link,
            conference: event.conference.map(ConferenceBody::from),
            created_at: event.created_at,
            updated_at: event.updated_at,
        }
    }
}

/// A page of occurrences as JSON, after these other fields. It ends before the row that would make it too large; at least
/// one row is in it, so that reading comes to an end.
pub(super) fn page_of_occurrences(
    others: &impl Serialize,
    page: Page<ReadOccurrence>,
    cursor: impl Fn(String) -> String,
) -> Result<Vec<u8>, serde_json::Error> {
    let mut json = serde_json::to_vec(others)?;
    json.pop();
    json.extend_from_slice(b",\"items\":[");
    let first_item = json.len();
    let (mut next, mut last) = (page.next, None);
    for read in page.items {
        let (before, place) = (json.len(), read.cursor.clone());
        if before > first_item {
            json.push(b',');
        }
        serde_json::to_writer(&mut json, &OccurrenceBody::from(read))?;
        if json.len() + PAGE_END_BYTES > EVENTS_PAGE_BYTES_MAX && before > first_item {
            json.truncate(before);
            next = last;
            break;
        }
        last = Some(place);
    }
    json.extend_from_slice(b"],\"next_cursor\":");
    serde_json::to_writer(&mut json, &next.map(cursor))?;
    json.push(b'}');
    Ok(json)
}

/// Shortens a description to what lists show; answers whether something is left out.
fn truncate(description: &mut String) -> bool {
    let is_long = description.len() > DESCRIPTION_BYTES_SHOWN_MAX;
    if is_long {
        description.truncate(description.floor_char_boundary(DESCRIPTION_BYTES_SHOWN_MAX));
    }
    is_long
}

fn status_name(status: EventStatus) -> &'static str {
    match status {
        EventStatus::Confirmed => "confirmed",
        EventStatus::Tentative => "tentative",
    }
}

/// Stays the same when an occurrence is moved, and when it becomes an exception of its series.
fn occurrence_id(occurrence: &Occurrence) -> String {
    match &occurrence.series_id {
        Some(series) => format!("{}_{}", series.as_str(), occurrence.original_start.key()),
        None => occurrence.source_id.as_str().to_owned(),
    }
}

/// How the guests of an event meet without being in one place.
#[derive(Serialize, ToSchema)]
pub(super) struct ConferenceBody {
    /// What to open to join.
    url: String,
    /// Whose service it is.
    kind: &'static str,
}

impl From<Conference> for ConferenceBody {
    fn from(conference: Conference) -> Self {
        Self { url: conference.url, kind: conference.kind.as_str() }
    }
}

#[derive(Serialize, ToSchema)]
pub(super) struct PersonBody {
    email: Option<String>,
    name: Option<String>,
    #[serde(rename = "self")]
    is_self: bool,
}

impl From<Person> for PersonBody {
    fn from(person: Person) -> Self {
        Self { email: person.email, name: person.name, is_self: person.is_self }
    }
}

#[derive(Serialize, ToSchema)]
pub(super) struct AttendeeBody {
    #[serde(flatten)]
    person: PersonBody,
    /// `needs_action`, `declined`, `tentative` or `accepted`.
    #[schema(value_type = String)]
    response: evercal_domain::event::Response,
    optional: bool,
    resource: bool,
}

impl From<Attendee> for AttendeeBody {
    fn from(attendee: Attendee) -> Self {
        Self {
            person: attendee.person.into(),
            response: attendee.response,
            optional: attendee.optional,
            resource: attendee.resource,
        }
    }
}

/// An entry of the audit log.
#[derive(Serialize, ToSchema)]
pub(super) struct AuditBody {
    at: DateTime<Utc>,
    kind: &'static str,
    account_id: Option<String>,
    calendar_id: Option<String>,
    message: String,
}

impl From<AuditEntry> for AuditBody {
    fn from(entry: AuditEntry) -> Self {
        Self {
            at: entry.at,
            kind: entry.kind.as_str(),
            account_id: entry.account_id.map(|id| id.to_string()),
            calendar_id: entry.calendar_id.map(|id| id.to_string()),
            message: entry.message,
        }
    }
}
