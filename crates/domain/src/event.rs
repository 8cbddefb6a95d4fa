//! Events as the mirror keeps them: singles, masters of a series and its exceptions. Occurrences are derived
//! (`crates/recurrence`).

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use evercal_zones::Zone;

use crate::calendar::EventView;
use crate::ids::ProviderEventId;

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
}

names! { EventStatus { Confirmed = "confirmed", Tentative = "tentative" } }

/// Somebody's answer to an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// No answer yet.
    NeedsAction,
    /// Yes.
    Accepted,
    /// Perhaps.
    Tentative,
    /// No.
    Declined,
}

names! {
    Response { NeedsAction = "needs_action", Accepted = "accepted", Tentative = "tentative", Declined = "declined" }
}

/// An organizer or a guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Their address, where the provider tells it.
    pub email: Option<String>,
    /// Their name, where the provider tells it.
    pub name: Option<String>,
    /// Whether it is the account's own user.
    pub is_self: bool,
}

/// A guest and the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attendee {
    /// Who.
    pub person: Person,
    /// Their answer.
    pub response: Response,
    /// Whether they may stay away.
    pub optional: bool,
    /// Whether it is a room or a thing.
    pub resource: bool,
}

/// How the guests of an event meet without being in one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conference {
    /// What to open to join: a web address, or `tel:` and `sip:` where there is no other way.
    pub url: String,
    /// Whose service it is.
    pub kind: ConferenceKind,
}

/// Whose service a conference is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConferenceKind {
    /// Google Meet.
    GoogleMeet,
    /// Google Hangouts, in old events.
    GoogleHangouts,
    /// A service that somebody added to the calendar.
    ThirdParty,
}

names! { ConferenceKind { GoogleMeet = "google_meet", GoogleHangouts = "google_hangouts", ThirdParty = "third_party" } }

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
    /// The provider's version tag.
    pub etag: Option<String>,
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
    /// Whether it takes the time of the account's user: not transparent (RFC 5545 `TRANSP`), and not declined by them.
    pub busy: bool,
    /// Whether only its guests may see the details.
    pub private: bool,
    /// The provider's own kind, such as `outOfOffice`; `None` for an ordinary event.
    pub event_type: Option<String>,
    /// The organizer.
    pub organizer: Option<Person>,
    /// The guests.
    pub attendees: Vec<Attendee>,
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
}

impl EventWarning {
    /// What it means for who reads the series.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::UnknownZone => "Its time zone is unknown: it repeats by the clock of the calendar's zone.",
            Self::DatesInUnknownZone => {
                "A line of added or excluded dates names an unknown time zone: those dates are left out."
            }
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
            etag: None,
            status: EventStatus::Confirmed,
            title: None,
            description: None,
            location: None,
            start,
            end,
            recurrence: Vec::new(),
            series: None,
            busy: true,
            private: false,
            event_type: None,
            organizer: None,
            attendees: Vec::new(),
            link: None,
            conference: None,
            created_at: None,
            updated_at: None,
            warnings: Vec::new(),
        }
    }

    /// Whether it is the master of a series.
    pub fn is_master(&self) -> bool {
        !self.recurrence.is_empty()
    }

    /// Takes out what a view may not show: it may have been read when the account could see more.
    pub fn hide_beyond(&mut self, view: EventView) {
        let shows_details = match view {
            EventView::Times => false,
            EventView::Public => !self.private,
            EventView::Everything => true,
        };
        if !shows_details {
            self.title = None;
            self.description = None;
            self.location = None;
            self.organizer = None;
            self.attendees = Vec::new();
            self.conference = None;
            self.private = true;
        }
    }
}

/// One entry of a provider's page, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteItem {
    /// It exists, like this.
    Event(Box<Event>),
    /// One occurrence of a living series is cancelled; kept as long as its master lives.
    CancelledOccurrence {
        /// Its id at the provider.
        provider_id: ProviderEventId,
        /// Its place in the series.
        position: SeriesPosition,
    },
    /// It does not exist any more; only the id is sure.
    Deleted {
        /// Its id at the provider.
        provider_id: ProviderEventId,
    },
    /// It could not be understood: quarantined, and the rest goes on.
    Unreadable {
        /// Its id, where even that could be read.
        provider_id: Option<ProviderEventId>,
        /// What was wrong, for people.
        reason: String,
        /// What the provider sent, cut to [`crate::limits::EVENT_BYTES_MAX`].
        raw: String,
    },
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

/// SHA-256 over what a reader of an event can see, without the provider's version marks; equal fingerprints mean
/// that there is nothing to tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Of an event.
    pub fn of_event(event: &Event) -> Self {
        let visible = Event { etag: None, updated_at: None, ..event.clone() };
        Self::of(&visible)
    }

    /// Of a cancelled occurrence.
    pub fn of_cancelled(position: &SeriesPosition) -> Self {
        Self::of(&("cancelled", position))
    }

    fn of(content: &impl Serialize) -> Self {
        // Serialising our own plain structs cannot fail; an empty text would still be a stable fingerprint.
        let text = serde_json::to_vec(content).unwrap_or_default();
        let digest = Sha256::digest(&text);
        Self(hex::encode(digest))
    }

    /// As 64 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads a stored one back.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Event {
        let date = |day| EventTime::Date { date: NaiveDate::from_ymd_opt(2026, 1, day).unwrap() };
        Event {
            etag: Some("\"1\"".into()),
            title: Some("Stand-up".into()),
            ..Event::minimal(ProviderEventId::new("e1"), date(1), date(2))
        }
    }

    #[test]
    fn a_new_version_tag_alone_is_no_change() {
        let touched = Event { etag: Some("\"2\"".into()), ..event() };
        assert_eq!(Fingerprint::of_event(&event()), Fingerprint::of_event(&touched));
    }

    #[test]
    fn a_new_title_is_a_change() {
        let renamed = Event { title: Some("Review".into()), ..event() };
        assert_ne!(Fingerprint::of_event(&event()), Fingerprint::of_event(&renamed));
    }

    #[test]
    fn the_same_instant_in_two_zones_is_the_same_occurrence() {
        let at = "2026-06-01T08:00:00Z".parse().unwrap();
        let berlin = EventTime::Instant { at, zone: Zone::of_iana("Europe/Berlin") };
        let tokyo = EventTime::Instant { at, zone: Zone::of_iana("Asia/Tokyo") };
        assert_eq!(berlin.key(), tokyo.key());
    }
}
