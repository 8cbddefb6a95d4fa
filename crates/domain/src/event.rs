//! Events as the mirror keeps them: singles, masters of a series and its exceptions. Occurrences are derived
//! (`crates/recurrence`). Which field comes from where at each provider is in `docs/events.md`.

mod details;
mod fingerprint;
mod people;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use evercal_zones::Zone;

use crate::calendar::EventView;
use crate::ids::ProviderEventId;

pub use self::details::{
    Attachment, Conference, ConferenceKind, Reminder, ReminderMethod, Reminders, ShowAs, Visibility,
};
pub use self::fingerprint::Fingerprint;
pub use self::people::{Attendee, Person, Response};

/// A start or an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EventTime {
    /// All day: a date, not an instant; the same date in every zone. An end is exclusive.
    Date {
        /// The date.
        date: NaiveDate,
    },
    /// An instant, with the zone in which a series repeats.
    Instant {
        /// The instant.
        at: DateTime<Utc>,
        /// The zone of the wall clock, where the provider named one that is known.
        zone: Option<Zone>,
    },
}

impl EventTime {
    /// The identity of an occurrence inside its series: equal for the same instant, whatever zone it is written in.
    pub fn key(&self) -> String {
        match self {
            Self::Date { date } => date.format("%Y%m%d").to_string(),
            Self::Instant { at, .. } => at.format("%Y%m%dT%H%M%SZ").to_string(),
        }
    }

    /// Whether this is a date.
    pub fn is_all_day(&self) -> bool {
        matches!(self, Self::Date { .. })
    }
}

/// Whether an event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventStatus {
    /// It stands.
    Confirmed,
    /// It may stand.
    Tentative,
    /// It was called off, and its provider still shows it. Where a provider takes such an event out of the calendar, there is
    /// none to show.
    Cancelled,
}

names! { EventStatus { Confirmed = "confirmed", Tentative = "tentative", Cancelled = "cancelled" } }

/// The place of an exception in its series.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeriesPosition {
    /// The master's id at the provider.
    pub master_id: ProviderEventId,
    /// Where the rule put this occurrence; it never changes and identifies the occurrence.
    pub original_start: EventTime,
}

/// A single event, a master or an exception. Cancelled ones are [`RemoteItem::CancelledOccurrence`] or
/// [`RemoteItem::Deleted`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its id at the provider.
    pub provider_id: ProviderEventId,
    /// RFC 5545 UID, the same for all of a series.
    pub ical_uid: Option<String>,
    /// Whether it stands.
    pub status: EventStatus,
    /// Title; `None` where the provider hides it.
    pub title: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// Place.
    pub location: Option<String>,
    /// Start.
    pub start: EventTime,
    /// End, exclusive.
    pub end: EventTime,
    /// RFC 5545 lines `RRULE`, `EXRULE`, `RDATE`, `EXDATE`; not empty makes it a master. From providers that send iCalendar
    /// text also `DTSTART` as written, `RECURRENCE-ID` of changes of all that follows, and the `VTIMEZONE`s in use.
    pub recurrence: Vec<String>,
    /// Set for an exception.
    pub series: Option<SeriesPosition>,
    /// How it shows in the day of the account's user.
    pub show_as: ShowAs,
    /// Who may see its details.
    #[serde(default, skip_serializing_if = "is_default")]
    pub visibility: Visibility,
    /// The provider's own kind, such as `outOfOffice`; `None` for an ordinary event.
    pub event_type: Option<String>,
    /// Labels that its user gave it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
    /// Who wrote it, where the provider sends that beside the organizer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creator: Option<Person>,
    /// The organizer.
    pub organizer: Option<Person>,
    /// The guests.
    pub attendees: Vec<Attendee>,
    /// What the account's user answered; `None` where they were not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_response: Option<Response>,
    /// When the account's user is reminded.
    #[serde(default, skip_serializing_if = "Reminders::is_empty")]
    pub reminders: Reminders,
    /// Its files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// RFC 5545 section 3.8.7.4: grows with each change that concerns its guests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<i64>,
    /// A page about it at the provider.
    pub link: Option<String>,
    /// Where its guests meet by video or telephone.
    pub conference: Option<Conference>,
    /// When it was made at the provider.
    pub created_at: Option<DateTime<Utc>>,
    /// When it was last changed at the provider. Does not move for every change.
    pub updated_at: Option<DateTime<Utc>>,
    /// What of it could not be taken as it was sent, though the rest could.
    pub warnings: Vec<EventWarning>,
}

/// Something about an event that could not be taken as it was sent, and costs no more than itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventWarning {
    /// A series names a zone that nobody knows.
    UnknownZone,
    /// A line of added or excluded dates names a zone that nobody knows.
    DatesInUnknownZone,
    /// The description is longer than what is kept of one.
    DescriptionCut,
    /// The provider repeats it in a way that no rule is known for.
    UnknownRecurrence,
}

impl EventWarning {
    /// What it means for who reads the series.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::UnknownZone => "Its time zone is unknown: it repeats by the clock of the calendar's zone.",
            Self::DatesInUnknownZone => {
                "A line of added or excluded dates names an unknown time zone: those dates are left out."
            }
            Self::UnknownRecurrence => {
                "It repeats in a way that no rule is known for: its occurrences are the provider's."
            }
            Self::DescriptionCut => "Its description is longer than 64 KiB: what is shown is the beginning of it.",
        }
    }
}

impl Event {
    /// An event of which nothing more is known: it stands, is nobody's in particular and takes the time of the account's user.
    /// `end` is exclusive.
    pub fn minimal(provider_id: ProviderEventId, start: EventTime, end: EventTime) -> Self {
        Self {
            provider_id,
            ical_uid: None,
            status: EventStatus::Confirmed,
            title: None,
            description: None,
            location: None,
            start,
            end,
            recurrence: Vec::new(),
            series: None,
            show_as: ShowAs::Busy,
            visibility: Visibility::Public,
            event_type: None,
            categories: Vec::new(),
            creator: None,
            organizer: None,
            attendees: Vec::new(),
            self_response: None,
            reminders: Reminders::default(),
            attachments: Vec::new(),
            sequence: None,
            link: None,
            conference: None,
            created_at: None,
            updated_at: None,
            warnings: Vec::new(),
        }
    }

    /// Takes out what a view may not show: it may have been read when the account could see more.
    pub fn hide_beyond(&mut self, view: EventView) {
        if !self.shows_details_in(view) {
            if self.show_as.takes_time() && !self.is_busy() {
                // Without the answer, which is taken out below, it would count as busy.
                self.show_as = ShowAs::Free;
            }
            self.visibility = Visibility::Private;
            self.title = None;
            self.description = None;
            self.location = None;
            self.categories = Vec::new();
            self.creator = None;
            self.organizer = None;
            self.attendees = Vec::new();
            self.self_response = None;
            self.reminders = Reminders::default();
            self.attachments = Vec::new();
            self.conference = None;
        }
    }

    /// Whether a view has more of it than its times.
    pub fn shows_details_in(&self, view: EventView) -> bool {
        match view {
            EventView::Times => false,
            EventView::Public => !self.is_private(),
            EventView::Everything => true,
        }
    }

    /// Whether it takes the time of the account's user: not shown as free, not called off, and not declined by them.
    pub fn is_busy(&self) -> bool {
        self.show_as.takes_time()
            && self.status != EventStatus::Cancelled
            && self.self_response != Some(Response::Declined)
    }

    /// Whether its details are meant for its guests alone.
    pub fn is_private(&self) -> bool {
        self.visibility != Visibility::Public
    }

    /// Whether it is the master of a series.
    pub fn is_master(&self) -> bool {
        !self.recurrence.is_empty()
    }
}

/// One entry of a provider's page, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteItem {
    /// It exists, like this.
    Event(Box<RemoteEvent>),
    /// One occurrence of a living series is cancelled; kept as long as its master lives.
    CancelledOccurrence {
        /// Its id at the provider.
        provider_id: ProviderEventId,
        /// Its place in the series.
        position: SeriesPosition,
    },
    /// One occurrence of a series, as its provider made it: of such a series nothing is computed by its rules.
    Occurrence {
        /// Its id at the provider.
        provider_id: ProviderEventId,
        /// Its place in the series, and its time.
        occurrence: ProviderOccurrence,
    },
    /// It exists; its content is fetched later in the same pass.
    Named {
        /// Its id at the provider.
        provider_id: ProviderEventId,
        /// The provider's own mark of the version that it has now.
        version: Option<String>,
    },
    /// It is not there any more where the provider looked: deleted, or moved away, or outside of the window. What is mirrored of it
    /// is fetched later in the same pass; one that is not mirrored is of no interest.
    Missing {
        /// Its id at the provider.
        provider_id: ProviderEventId,
    },
    /// All that there is of an owner: what else was mirrored of it is gone.
    Whole {
        /// The id of the series, or of the single event.
        owner: ProviderEventId,
        /// The provider's own mark of this version.
        version: Option<String>,
        /// The provider's own text of all of it.
        raw: Option<String>,
        /// What there is; nothing where the owner is gone.
        parts: Vec<Part>,
    },
    /// It does not exist any more; only the id is sure.
    Deleted {
        /// Its id at the provider.
        provider_id: ProviderEventId,
    },
    /// It could not be parsed: quarantined, and the rest goes on.
    Unreadable {
        /// Its id, where even that could be read.
        provider_id: Option<ProviderEventId>,
        /// What was wrong, for people.
        reason: String,
        /// What the provider sent, cut to [`crate::limits::EVENT_BYTES_MAX`].
        raw: String,
    },
}

/// What there is of an owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// The single event, the master or an exception.
    Event(Box<Event>),
    /// A cancelled occurrence.
    Cancelled {
        /// Its id at the provider.
        provider_id: ProviderEventId,
        /// Its place in the series.
        position: SeriesPosition,
    },
    /// An occurrence that its provider made.
    Occurrence {
        /// Its id at the provider.
        provider_id: ProviderEventId,
        /// Its place in the series, and its time.
        occurrence: ProviderOccurrence,
    },
}

/// An occurrence of a series that its provider made. It says what its master says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderOccurrence {
    /// Its place in the series.
    pub position: SeriesPosition,
    /// Start.
    pub start: EventTime,
    /// End, exclusive.
    pub end: EventTime,
}

/// An event as its provider gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteEvent {
    /// What it says.
    pub event: Event,
    /// The provider's own mark of this version, such as an ETag. No reader is answered it.
    pub version: Option<String>,
    /// The provider's own text, as far as it was asked for; none where it is not kept.
    pub raw: Option<String>,
}

impl From<Event> for RemoteItem {
    fn from(event: Event) -> Self {
        Self::Event(Box::new(RemoteEvent { event, version: None, raw: None }))
    }
}

/// One occurrence inside the window: a single event, an exception, or one that a rule made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occurrence {
    /// The event whose body describes it: the single event, the exception, or the master.
    pub source_id: ProviderEventId,
    /// The series it belongs to (the master's id), if any.
    pub series_id: Option<ProviderEventId>,
    /// [`EventTime::key`] of where the rule put it; for a single event its own start.
    pub original_start: EventTime,
    /// Start.
    pub start: EventTime,
    /// End, exclusive.
    pub end: EventTime,
}

/// Whether a field says nothing: then a stored body has no word of it.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
