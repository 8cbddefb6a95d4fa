//! The API's JSON. Every type here is a promise to callers: fields are added, never renamed or removed. Times are RFC 3339.
//! Each field has a description, and all of them are always sent: what is not known is null.

mod accounts;
mod details;

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use evercal_domain::Zone;
use evercal_domain::event::{Event, EventTime, EventWarning, Occurrence};
use evercal_domain::journal::AuditEntry;
use evercal_domain::limits::DESCRIPTION_BYTES_SHOWN_MAX;
use evercal_storage::{Page, ReadOccurrence};
use serde::Serialize;
use utoipa::ToSchema;

use crate::vocabulary::{AuditKindName, EventStatusName, ResponseName, ShowAsName, VisibilityName};

use details::{AttachmentBody, AttendeeBody, ConferenceBody, PersonBody, RemindersBody};

pub(crate) use accounts::{AccountBody, CalendarBody, CalendarStateBody};

/// Makes the body of a list. A type of its own for each, so that the description names what is in it.
macro_rules! list_body {
    ($(#[doc = $doc:literal])+ $list:ident as $name:ident of $item:ty) => {
        $(#[doc = $doc])+
        #[derive(Serialize, ToSchema)]
        #[schema(as = $name)]
        pub(crate) struct $list {
            /// The rows of this page.
            items: Vec<$item>,
            /// Hand it back as `cursor` for the next page, with the same query; null on the last page.
            next_cursor: Option<String>,
        }

        impl $list {
            /// A page of the store, each row as callers see it.
            pub(crate) fn of<R>(page: Page<R>) -> Self
            where
                $item: From<R>,
            {
                Self { items: page.items.into_iter().map(<$item>::from).collect(), next_cursor: page.next }
            }
        }
    };
}

list_body! {
    /// A page of accounts.
    AccountListBody as AccountList of AccountBody
}
list_body! {
    /// A page of calendars.
    CalendarListBody as CalendarList of CalendarBody
}
list_body! {
    /// A page of the audit log.
    AuditListBody as AuditList of AuditBody
}

/// A start or an end: a date for all-day events, else an instant.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = EventTime)]
pub(crate) enum TimeBody {
    /// A date: the same day in every zone. As an end it is the day after the last one.
    #[schema(title = "EventDate")]
    Date {
        /// The date.
        date: NaiveDate,
    },
    /// An instant.
    #[schema(title = "EventInstant")]
    Instant {
        /// The instant, with the offset of its zone where one is known.
        #[schema(format = DateTime, example = "2026-11-23T09:00:00+01:00")]
        date_time: String,
        /// The IANA zone in which it was written; null where the provider names none.
        #[schema(example = "Europe/Berlin")]
        time_zone: Option<&'static str>,
    },
}

impl From<EventTime> for TimeBody {
    fn from(time: EventTime) -> Self {
        match time {
            EventTime::Date { date } => Self::Date { date },
            EventTime::Instant { at, zone } => Self::Instant {
                date_time: at.with_timezone(&zone.unwrap_or(Zone::UTC)).to_rfc3339_opts(SecondsFormat::AutoSi, true),
                time_zone: zone.map(Zone::name),
            },
        }
    }
}

/// An occurrence of an event: a single event, or one of a series.
#[derive(Serialize, ToSchema)]
#[schema(as = Occurrence)]
pub(crate) struct OccurrenceBody {
    /// Names the occurrence in its calendar. It stays the same when the occurrence is moved or changed.
    #[schema(example = "7kl2m0standup_20261123T080000Z")]
    id: String,
    /// The provider's id of the event that describes it: of a series as a whole, or of one changed occurrence.
    event_id: String,
    /// The provider's id of its series; null for a single event.
    series_id: Option<String>,
    /// Where the series' rule puts it; for a single event its own start.
    original_start: TimeBody,
    /// When it begins.
    start: TimeBody,
    /// When it ends; this moment, or this date, is not part of it any more.
    end: TimeBody,
    /// Whether it stands, may stand, or was called off.
    status: EventStatusName,
    /// Its title; null where it has none, or where the account may not see it.
    #[schema(example = "Stand-up")]
    title: Option<String>,
    /// The description's first 64 KiB as the provider has it, which may be HTML.
    description: Option<String>,
    /// Whether it goes on: the event itself has all of it.
    description_truncated: bool,
    /// Its place, as text.
    location: Option<String>,
    /// Whether it takes the time of the account's user. Not when it shows as free, was called off, or when they have declined it.
    busy: bool,
    /// How it shows in the day of the account's user.
    show_as: ShowAsName,
    /// Whether its details are meant for its guests alone. The account may see them all the same.
    private: bool,
    /// Who may see its details, in the provider's words.
    visibility: VisibilityName,
    /// The provider's own kind, such as `outOfOffice`; null for an ordinary event.
    event_type: Option<String>,
    /// Who made the invitation; null where the account may not see it.
    organizer: Option<PersonBody>,
    /// Who was invited.
    attendees: Vec<AttendeeBody>,
    /// What the account's user answered; null where they were not asked.
    self_response: Option<ResponseName>,
    /// Labels that its user gave it.
    categories: Vec<String>,
    /// The UID of iCalendar (RFC 5545): the same in all calendars that have the event.
    ical_uid: Option<String>,
    /// A page about it at the provider.
    link: Option<String>,
    /// How its guests meet without being in one place; null where nothing was said of it.
    conference: Option<ConferenceBody>,
    /// When it was made at the provider.
    created_at: Option<DateTime<Utc>>,
    /// When the provider says it was last changed. It does not move for every change.
    updated_at: Option<DateTime<Utc>>,
    /// What of the event could not be taken as the provider sent it, in sentences; mostly nothing.
    warnings: Vec<&'static str>,
}

impl From<ReadOccurrence> for OccurrenceBody {
    fn from(read: ReadOccurrence) -> Self {
        let ReadOccurrence { occurrence, event, .. } = read;
        let id = occurrence_id(&occurrence);
        let (busy, private) = (event.is_busy(), event.is_private());
        let Event { status, title, mut description, location, show_as, visibility, event_type, .. } = event;
        let description_truncated = description.as_mut().is_some_and(truncate);
        Self {
            id,
            event_id: occurrence.source_id.as_str().to_owned(),
            series_id: occurrence.series_id.map(|id| id.as_str().to_owned()),
            original_start: occurrence.original_start.into(),
            start: occurrence.start.into(),
            end: occurrence.end.into(),
            status: EventStatusName(status),
            title,
            description,
            description_truncated,
            location,
            busy,
            show_as: ShowAsName(show_as),
            private,
            visibility: VisibilityName(visibility),
            event_type,
            organizer: event.organizer.map(PersonBody::from),
            attendees: event.attendees.into_iter().map(AttendeeBody::from).collect(),
            self_response: event.self_response.map(ResponseName),
            categories: event.categories,
            ical_uid: event.ical_uid,
            link: event.link,
            conference: event.conference.map(ConferenceBody::from),
            created_at: event.created_at,
            updated_at: event.updated_at,
            warnings: event.warnings.into_iter().map(EventWarning::sentence).collect(),
        }
    }
}

/// An event, whole: a single one, the master of a series, or an exception of one.
#[derive(Serialize, ToSchema)]
#[schema(as = Event)]
pub(crate) struct EventBody {
    /// The provider's id of it.
    event_id: String,
    /// The series that it is an exception of; null where it is none.
    series_id: Option<String>,
    /// Where the series had it; null where it is no exception.
    original_start: Option<TimeBody>,
    /// The lines of RFC 5545 that make a series of it; empty where it is none.
    recurrence: Vec<String>,
    /// When it begins; of a series its first occurrence.
    start: TimeBody,
    /// When it ends; this moment, or this date, is not part of it any more.
    end: TimeBody,
    /// Whether it stands, may stand, or was called off.
    status: EventStatusName,
    /// Its title; null where it has none, or where the account may not see it.
    title: Option<String>,
    /// All of its description as the provider has it, which may be HTML.
    description: Option<String>,
    /// Its place, as text.
    location: Option<String>,
    /// Whether it takes the time of the account's user. Not when it shows as free, was called off, or when they have declined it.
    busy: bool,
    /// How it shows in the day of the account's user.
    show_as: ShowAsName,
    /// Whether its details are meant for its guests alone. The account may see them all the same.
    private: bool,
    /// Who may see its details, in the provider's words.
    visibility: VisibilityName,
    /// The provider's own kind, such as `outOfOffice`; null for an ordinary event.
    event_type: Option<String>,
    /// Who wrote it, where that is given beside the organizer.
    creator: Option<PersonBody>,
    /// Who made the invitation; null where the account may not see it.
    organizer: Option<PersonBody>,
    /// Who was invited.
    attendees: Vec<AttendeeBody>,
    /// What the account's user answered; null where they were not asked.
    self_response: Option<ResponseName>,
    /// Labels that its user gave it.
    categories: Vec<String>,
    /// When the account's user is reminded.
    reminders: RemindersBody,
    /// Files that hang on it.
    attachments: Vec<AttachmentBody>,
    /// Grows with each change that its guests have to check again (RFC 5545 `SEQUENCE`); null where the provider has none.
    sequence: Option<i64>,
    /// The UID of iCalendar (RFC 5545): the same in all calendars that have the event.
    ical_uid: Option<String>,
    /// A page about it at the provider.
    link: Option<String>,
    /// How its guests meet without being in one place; null where nothing was said of it.
    conference: Option<ConferenceBody>,
    /// When it was made at the provider.
    created_at: Option<DateTime<Utc>>,
    /// When the provider says it was last changed. It does not move for every change.
    updated_at: Option<DateTime<Utc>>,
    /// What of the event could not be taken as the provider sent it, in sentences; mostly nothing.
    warnings: Vec<&'static str>,
    /// The event in the provider's own text, as far as evercal asks for it; null unless it was asked for by `include=raw`, and
    /// where it is not kept, or where the account may not see all of the event.
    raw: Option<String>,
}

impl From<Event> for EventBody {
    fn from(event: Event) -> Self {
        let (busy, private) = (event.is_busy(), event.is_private());
        let (series_id, original_start) =
            event.series.map(|of| (of.master_id.as_str().to_owned(), of.original_start.into())).unzip();
        Self {
            event_id: event.provider_id.as_str().to_owned(),
            series_id,
            original_start,
            recurrence: event.recurrence,
            start: event.start.into(),
            end: event.end.into(),
            status: EventStatusName(event.status),
            title: event.title,
            description: event.description,
            location: event.location,
            busy,
            show_as: ShowAsName(event.show_as),
            private,
            visibility: VisibilityName(event.visibility),
            event_type: event.event_type,
            creator: event.creator.map(PersonBody::from),
            organizer: event.organizer.map(PersonBody::from),
            attendees: event.attendees.into_iter().map(AttendeeBody::from).collect(),
            self_response: event.self_response.map(ResponseName),
            categories: event.categories,
            reminders: event.reminders.into(),
            attachments: event.attachments.into_iter().map(AttachmentBody::from).collect(),
            sequence: event.sequence,
            ical_uid: event.ical_uid,
            link: event.link,
            conference: event.conference.map(ConferenceBody::from),
            created_at: event.created_at,
            updated_at: event.updated_at,
            warnings: event.warnings.into_iter().map(EventWarning::sentence).collect(),
            raw: None,
        }
    }
}

impl EventBody {
    /// The same with the provider's own text.
    pub(crate) fn with_raw(self, raw: Option<String>) -> Self {
        Self { raw, ..self }
    }
}

/// Shortens a description to what lists show; answers whether something is left out.
fn truncate(description: &mut String) -> bool {
    let is_long = description.len() > DESCRIPTION_BYTES_SHOWN_MAX;
    if is_long {
        description.truncate(description.floor_char_boundary(DESCRIPTION_BYTES_SHOWN_MAX));
    }
    is_long
}

/// Stays the same when an occurrence is moved, and when it becomes an exception of its series.
fn occurrence_id(occurrence: &Occurrence) -> String {
    match &occurrence.series_id {
        Some(series) => format!("{}_{}", series.as_str(), occurrence.original_start.key()),
        None => occurrence.source_id.as_str().to_owned(),
    }
}

/// An entry of the audit log.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub(crate) struct AuditBody {
    /// When it happened.
    at: DateTime<Utc>,
    /// What happened.
    kind: AuditKindName,
    /// The account that it is about; null for what is about no account.
    account_id: Option<String>,
    /// The calendar that it is about; null for what is about no calendar.
    calendar_id: Option<String>,
    /// One sentence for people.
    message: String,
}

impl From<AuditEntry> for AuditBody {
    fn from(entry: AuditEntry) -> Self {
        Self {
            at: entry.at,
            kind: AuditKindName(entry.kind),
            account_id: entry.account_id.map(|id| id.to_string()),
            calendar_id: entry.calendar_id.map(|id| id.to_string()),
            message: entry.message,
        }
    }
}
