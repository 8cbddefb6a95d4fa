//! One event of Microsoft's as the domain sees it. Pure, and alone: whatever is wrong with it stays with it.

use evercal_domain::event::{EventWarning, Person};
use evercal_domain::limits::EVENT_BYTES_MAX;
use evercal_domain::{
    Event, EventStatus, EventTime, ProviderEventId, ProviderOccurrence, RemoteItem, SeriesPosition, Zone,
};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::body::{Description, WireBody};
use super::details::{self, WireAttendee, WireMeeting, WirePerson, WirePlace, WireStatus};
use super::recurrence::{UNKNOWN_RULE, WireRecurrence};
use super::times::{self, WireTime};
use crate::entry::{
    ATTENDEES_MAX, check_order, end_in_years, informational, is_beyond_years, is_usable_id, misformed, unreadable,
};

/// The fields of [`WireEvent`], as `$select` names them. What a delta query brings beside them is not read.
pub(super) const EVENT_FIELDS: &str = "id,type,seriesMasterId,subject,body,start,end,originalStart,\
    originalStartTimeZone,isAllDay,isCancelled,showAs,sensitivity,responseStatus,attendees,organizer,isOrganizer,\
    location,onlineMeeting,onlineMeetingUrl,onlineMeetingProvider,categories,reminderMinutesBeforeStart,isReminderOn,\
    webLink,iCalUId,createdDateTime,lastModifiedDateTime,recurrence,changeKey";

/// An entry of a page.
pub(super) enum Entry<'raw> {
    /// It is not there any more, where we look.
    Removed(ProviderEventId),
    /// It is there, with its own text.
    Event(Box<WireEvent>, &'raw str),
    /// Nobody knows what it is.
    Unreadable(RemoteItem),
}

/// What kind of event it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Single,
    Master,
    Occurrence,
    Exception,
}

/// What the occurrences of a series have from their master.
#[derive(Debug, Clone, Default)]
pub(super) struct OfSeries {
    pub(super) is_all_day: bool,
    pub(super) zone: Option<Zone>,
    pub(super) ical_uid: Option<String>,
}

/// Parses one entry of a page from its own JSON text.
pub(super) fn entry(raw: &str) -> Entry<'_> {
    let wire: WireEvent = match serde_json::from_str(raw) {
        Ok(wire) => wire,
        Err(error) => return Entry::Unreadable(unreadable(raw, misformed(&error))),
    };
    if !is_usable_id(&wire.id) || !wire.series_master_id.as_deref().is_none_or(is_usable_id) {
        let reason = "an id is missing, too long, or has a character that cannot be stored";
        return Entry::Unreadable(unreadable(raw, reason.to_owned()));
    }
    if wire.removed.is_some() {
        return Entry::Removed(ProviderEventId::new(wire.id));
    }
    // A long description is cut; all else has to fit.
    let description_bytes = wire.body.as_ref().map_or(0, |body| body.get().len());
    if raw.len().saturating_sub(description_bytes) > EVENT_BYTES_MAX {
        let reason = format!("the event is larger than {EVENT_BYTES_MAX} bytes");
        return Entry::Unreadable(unreadable(raw, reason));
    }
    Entry::Event(Box::new(wire), raw)
}

/// The provider's own text of an event, where it can be kept.
pub(super) fn raw_text(raw: &str) -> Option<String> {
    (raw.len() <= EVENT_BYTES_MAX).then(|| raw.to_owned())
}

impl WireEvent {
    pub(super) fn kind(&self) -> Kind {
        match (self.kind.as_deref(), &self.recurrence) {
            (Some("seriesMaster"), _) => Kind::Master,
            (Some("occurrence"), _) => Kind::Occurrence,
            (Some("exception"), _) => Kind::Exception,
            (None, Some(recurrence)) if !recurrence.is_null() => Kind::Master,
            // `singleInstance`, and any value that we do not know.
            _ => Kind::Single,
        }
    }

    pub(super) fn id(&self) -> ProviderEventId {
        ProviderEventId::new(self.id.clone())
    }

    /// The series that it belongs to, or is.
    pub(super) fn series_id(&self) -> Option<ProviderEventId> {
        match self.kind() {
            Kind::Single => None,
            Kind::Master => Some(self.id()),
            Kind::Occurrence | Kind::Exception => self.series_master_id.clone().map(ProviderEventId::new),
        }
    }

    /// The provider's own mark of this version.
    pub(super) fn version(&self) -> Option<String> {
        self.etag.clone().or_else(|| self.change_key.clone())
    }

    /// What a master's occurrences have from it.
    pub(super) fn of_series(&self) -> OfSeries {
        OfSeries { is_all_day: self.is_all_day, zone: self.zone(), ical_uid: self.ical_uid.clone() }
    }

    /// The zone by whose clock it repeats.
    fn zone(&self) -> Option<Zone> {
        let of_rule = self.parsed_recurrence().and_then(|recurrence| recurrence.zone());
        // Of whole days that is only the zone in which we asked.
        let said = self.original_start_time_zone.as_deref().filter(|_| !self.is_all_day);
        of_rule.or_else(|| times::zone(said))
    }

    fn parsed_recurrence(&self) -> Option<WireRecurrence> {
        serde_json::from_value(self.recurrence.clone()?).ok()
    }

    /// An occurrence. It says no more than when it is.
    pub(super) fn into_occurrence(self, series: &OfSeries) -> Result<ProviderOccurrence, &'static str> {
        let (start, end) = self.times(self.is_all_day || series.is_all_day, series.zone)?;
        let master_id = self.series_master_id.ok_or("the occurrence is of no series")?;
        // One that was moved is an exception.
        let position = SeriesPosition { master_id: ProviderEventId::new(master_id), original_start: start };
        Ok(ProviderOccurrence { position, start, end })
    }

    /// The slots of a master that are cancelled, each with Microsoft's id of it: `OID.{id of the master}.{date}`. The date is one
    /// of the series' zone.
    pub(super) fn cancelled(&self) -> Vec<(ProviderEventId, SeriesPosition)> {
        let (is_all_day, zone) = (self.is_all_day, self.zone());
        let Some(first) = self.start.as_ref().and_then(|start| start.event_time(is_all_day, zone)) else {
            return vec![];
        };
        let slot = |id: &String| {
            let date = id.rsplit_once('.')?.1.parse().ok()?;
            let original_start = match first {
                EventTime::Date { .. } => EventTime::Date { date },
                EventTime::Instant { at, zone: None } => {
                    EventTime::Instant { at: date.and_time(at.time()).and_utc(), zone }
                }
                EventTime::Instant { at, zone: Some(known) } => {
                    let wall_clock = known.clock().wall_clock(at).time();
                    EventTime::Instant { at: known.instant_of(date.and_time(wall_clock)), zone }
                }
            };
            let usable = is_usable_id(id).then(|| ProviderEventId::new(id.clone()))?;
            Some((usable, SeriesPosition { master_id: self.id(), original_start }))
        };
        self.cancelled_occurrences.iter().filter_map(slot).collect()
    }

    /// A single event, a master, or an exception; `series` is what an exception has from its master, where that is at hand.
    pub(super) fn into_event(self, series: Option<&OfSeries>) -> Result<Event, &'static str> {
        let kind = self.kind();
        if self.attendees.len() > ATTENDEES_MAX {
            return Err("the event has too many guests");
        }
        let of_master = series.filter(|_| kind == Kind::Exception);
        let zone = of_master.map_or_else(|| self.zone(), |series| series.zone);
        let (start, end) = self.times(self.is_all_day, zone)?;
        let position = self.position(kind, start, of_master)?;
        // Its occurrences are Microsoft's, whether they follow a rule that we know or not.
        let rule = self.parsed_recurrence().and_then(|recurrence| recurrence.rule(self.is_all_day, zone).ok());
        let has_unknown_rule = kind == Kind::Master && rule.is_none();
        let recurrence = match kind {
            Kind::Master => vec![rule.unwrap_or_else(|| UNKNOWN_RULE.to_owned())],
            _ => vec![],
        };
        let body = self.body.and_then(|body| serde_json::from_str::<Option<WireBody>>(body.get()).ok().flatten());
        let Description { text: description, is_cut } = body.map(WireBody::into_description).unwrap_or_default();
        let said = |text: Option<String>| text.filter(|text| !text.is_empty());
        let has_unknown_zone = kind == Kind::Master && zone.is_none() && !self.is_all_day;
        let warnings = [
            (has_unknown_zone, EventWarning::UnknownZone),
            (is_cut, EventWarning::DescriptionCut),
            (has_unknown_rule, EventWarning::UnknownRecurrence),
        ];
        Ok(Event {
            provider_id: ProviderEventId::new(self.id),
            // Of an occurrence it is another one, which is nobody's UID.
            ical_uid: if kind == Kind::Exception {
                series.and_then(|series| series.ical_uid.clone())
            } else {
                self.ical_uid
            },
            status: if self.is_cancelled { EventStatus::Cancelled } else { EventStatus::Confirmed },
            title: said(self.subject),
            description,
            location: said(self.location.and_then(|place| place.display_name)),
            start,
            end,
            recurrence,
            series: position,
            show_as: details::show_as(self.show_as.as_deref()),
            visibility: details::visibility(self.sensitivity.as_deref()),
            event_type: None,
            categories: self.categories,
            creator: None,
            organizer: self.organizer.map(|person| person.into_domain(self.is_organizer)).filter(is_somebody),
            self_response: details::self_response(self.response_status.as_ref()),
            attendees: self.attendees.into_iter().map(WireAttendee::into_domain).collect(),
            reminders: details::reminders(self.is_reminder_on, self.reminder_minutes_before_start),
            attachments: vec![],
            sequence: None,
            link: details::link(self.web_link),
            conference: details::conference(
                self.online_meeting,
                self.online_meeting_url,
                self.online_meeting_provider.as_deref(),
            ),
            created_at: informational(self.created_date_time.as_deref()),
            updated_at: informational(self.last_modified_date_time.as_deref()),
            warnings: warnings.into_iter().filter(|(holds, _)| *holds).map(|(_, warning)| warning).collect(),
        })
    }

    fn position(
        &self,
        kind: Kind,
        start: EventTime,
        series: Option<&OfSeries>,
    ) -> Result<Option<SeriesPosition>, &'static str> {
        if !matches!(kind, Kind::Occurrence | Kind::Exception) {
            return Ok(None);
        }
        let master_id = self.series_master_id.clone().ok_or("the occurrence is of no series")?;
        // A slot of a series of whole days is a day, also where the exception has times.
        let (is_all_day, zone) =
            series.map_or_else(|| (self.is_all_day, self.zone()), |series| (series.is_all_day, series.zone));
        let said = self.original_start.as_deref();
        let said =
            said.map(|slot| times::original_start(slot, is_all_day, zone).ok_or("an original start cannot be read"));
        let original_start = match said.transpose()? {
            Some(original_start) => original_start,
            None if kind == Kind::Occurrence => start,
            // It may have been moved, and a wrong original start would take another occurrence away.
            None => return Err("the exception does not say which occurrence it stands for"),
        };
        if is_beyond_years(original_start) {
            return Err("it starts outside of the years 1 to 9998");
        }
        Ok(Some(SeriesPosition { master_id: ProviderEventId::new(master_id), original_start }))
    }

    fn times(&self, is_all_day: bool, zone: Option<Zone>) -> Result<(EventTime, EventTime), &'static str> {
        let read = |time: &WireTime| time.event_time(is_all_day, zone).ok_or("a time cannot be read");
        let start = read(self.start.as_ref().ok_or("the event has no start")?)?;
        let end = self.end.as_ref().map_or(Ok(start), read)?;
        check_order(start, end)?;
        if is_beyond_years(start) {
            return Err("it starts outside of the years 1 to 9998");
        }
        Ok((start, end_in_years(start, end)))
    }
}

/// An organizer without an address and a name is nobody: events that nobody else was asked to have such ones.
fn is_somebody(person: &Person) -> bool {
    person.email.is_some() || person.name.is_some()
}

/// A field that is there and null says as much as one that is not there.
fn null_is_nothing<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// The fields that we read; any others are ignored.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireEvent {
    id: String,
    #[serde(rename = "@removed")]
    removed: Option<Value>,
    #[serde(rename = "@odata.etag")]
    etag: Option<String>,
    change_key: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    series_master_id: Option<String>,
    subject: Option<String>,
    /// Read for itself: it may be most of the text.
    body: Option<Box<RawValue>>,
    start: Option<WireTime>,
    end: Option<WireTime>,
    original_start: Option<String>,
    original_start_time_zone: Option<String>,
    #[serde(default, deserialize_with = "null_is_nothing")]
    is_all_day: bool,
    #[serde(default, deserialize_with = "null_is_nothing")]
    is_cancelled: bool,
    show_as: Option<String>,
    sensitivity: Option<String>,
    response_status: Option<WireStatus>,
    #[serde(default, deserialize_with = "null_is_nothing")]
    attendees: Vec<WireAttendee>,
    organizer: Option<WirePerson>,
    #[serde(default, deserialize_with = "null_is_nothing")]
    is_organizer: bool,
    location: Option<WirePlace>,
    online_meeting: Option<WireMeeting>,
    online_meeting_url: Option<String>,
    online_meeting_provider: Option<String>,
    #[serde(default, deserialize_with = "null_is_nothing")]
    categories: Vec<String>,
    is_reminder_on: Option<bool>,
    reminder_minutes_before_start: Option<i64>,
    web_link: Option<String>,
    #[serde(rename = "iCalUId")]
    ical_uid: Option<String>,
    created_date_time: Option<String>,
    last_modified_date_time: Option<String>,
    /// Read for itself: of what is odd about it, the reason is told.
    recurrence: Option<Value>,
    #[serde(default, deserialize_with = "null_is_nothing")]
    cancelled_occurrences: Vec<String>,
}
