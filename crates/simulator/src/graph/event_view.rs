//! Events as the API shows them: to whom, in which zone, with which ids.

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Map, Value, json};

use super::World;
use super::event_fields::{no_place, text_of};
use super::ids::{IdForm, ItemId, change_key, ical_uid};
use super::request::Preferences;
use super::series::Occurrence;
use super::store::{CalendarRecord, EventRecord};
use super::times::{EventTime, timestamp};
use super::zone_names::CUSTOM;
use crate::core::access::AccessRole;

const PREVIEW_CHARS: usize = 255;

/// Who looks at a calendar, and how they want to see it.
pub(crate) struct Viewer<'a> {
    pub(crate) world: &'a World,
    pub(crate) calendar: &'a CalendarRecord,
    pub(crate) role: AccessRole,
    pub(crate) preferences: &'a Preferences,
}

impl Viewer<'_> {
    /// The id of an event or series.
    pub(crate) fn id(&self, event: &EventRecord) -> String {
        self.write_id(event, None)
    }

    /// The id of an occurrence.
    pub(crate) fn occurrence_id(&self, series: &EventRecord, slot: NaiveDate) -> String {
        self.write_id(series, Some(slot))
    }

    fn write_id(&self, event: &EventRecord, slot: Option<NaiveDate>) -> String {
        let id = ItemId { key: event.key.clone(), generation: event.generation, epoch: event.epoch, slot };
        id.write(self.world.seed(), self.preferences.ids)
    }

    /// What `cancelledOccurrences` names.
    pub(crate) fn cancelled_ids(&self, series: &EventRecord) -> Vec<String> {
        let id = self.id(series);
        series.cancelled.iter().map(|slot| format!("OID.{id}.{slot}")).collect()
    }

    /// An event that does not recur, or a series.
    pub(crate) fn event(&self, event: &EventRecord) -> Map<String, Value> {
        let kind = if event.is_series() { "seriesMaster" } else { "singleInstance" };
        let mut shown = self.common(event, &event.fields, &event.time, kind, None);
        shown.insert("id".to_owned(), json!(self.id(event)));
        self.stamp(&mut shown, event, event.version, event.modified, None);
        if let Some(recurrence) = &event.recurrence {
            let zone = if event.time.is_all_day && self.world.provider.quirks.recurrence_zone_left_out {
                ""
            } else if event.has_custom_zone {
                CUSTOM
            } else {
                &event.time.start_zone
            };
            shown.insert("recurrence".to_owned(), recurrence.to_value(zone));
        }
        finished(event, shown)
    }

    /// An occurrence with everything that it has of its series.
    pub(crate) fn occurrence(&self, series: &EventRecord, occurrence: &Occurrence<'_>) -> Map<String, Value> {
        let mut fields = series.fields.clone();
        let (mut version, mut modified, mut kind) = (series.version, series.modified, "occurrence");
        if let Some(exception) = occurrence.exception {
            fields.extend(exception.fields.clone());
            (version, modified, kind) = (exception.version.max(series.own_version), exception.modified, "exception");
        }
        let mut shown = self.common(series, &fields, &occurrence.time, kind, Some(occurrence.slot));
        shown.insert("id".to_owned(), json!(self.occurrence_id(series, occurrence.slot)));
        shown.insert("seriesMasterId".to_owned(), json!(self.id(series)));
        // Also of a whole day: its midnight where the series was made, which is another day in UTC.
        let original = series.time.on(occurrence.slot).start_at();
        shown.insert("originalStart".to_owned(), json!(original.format("%Y-%m-%dT%H:%M:%SZ").to_string()));
        self.stamp(&mut shown, series, version, modified, Some(occurrence.slot));
        finished(series, shown)
    }

    /// The little that delta says of an occurrence that is as its series says.
    pub(crate) fn bare_occurrence(&self, series: &EventRecord, occurrence: &Occurrence<'_>) -> Map<String, Value> {
        let (start, end) = occurrence.time.shown(&self.preferences.display);
        let mut shown = Map::new();
        shown.insert("@odata.type".to_owned(), json!("#microsoft.graph.event"));
        shown.insert("@odata.etag".to_owned(), json!(self.etag(series, series.version, None)));
        shown.insert("id".to_owned(), json!(self.occurrence_id(series, occurrence.slot)));
        shown.insert("type".to_owned(), json!("occurrence"));
        shown.insert("seriesMasterId".to_owned(), json!(self.id(series)));
        shown.insert("start".to_owned(), start);
        shown.insert("end".to_owned(), end);
        shown
    }

    /// The version of an event or of one of its occurrences, as an ETag.
    pub(crate) fn etag(&self, event: &EventRecord, version: u64, slot: Option<NaiveDate>) -> String {
        format!("W/\"{}\"", self.change_key(event, version, slot))
    }

    fn change_key(&self, event: &EventRecord, version: u64, slot: Option<NaiveDate>) -> String {
        let slot = slot.map(|slot| slot.to_string()).unwrap_or_default();
        change_key(self.world.seed(), &format!("{}/{}/{slot}", self.calendar.id, event.key), version)
    }

    fn stamp(
        &self,
        shown: &mut Map<String, Value>,
        event: &EventRecord,
        version: u64,
        modified: DateTime<Utc>,
        slot: Option<NaiveDate>,
    ) {
        // An occurrence that is as its series says has the series' version.
        let slot = slot.filter(|slot| event.exceptions.contains_key(slot));
        shown.insert("@odata.etag".to_owned(), json!(self.etag(event, version, slot)));
        shown.insert("changeKey".to_owned(), json!(self.change_key(event, version, slot)));
        shown.insert("lastModifiedDateTime".to_owned(), json!(timestamp(modified)));
    }

    fn sees_details(&self, fields: &Map<String, Value>) -> bool {
        let sensitivity = fields.get("sensitivity").and_then(Value::as_str).unwrap_or("normal");
        let is_private = matches!(sensitivity, "private" | "confidential");
        self.role > AccessRole::FreeBusyReader && (!is_private || self.role.sees_private())
    }

    fn common(
        &self,
        event: &EventRecord,
        fields: &Map<String, Value>,
        time: &EventTime,
        kind: &str,
        slot: Option<NaiveDate>,
    ) -> Map<String, Value> {
        let sees_details = self.sees_details(fields);
        let field = |name: &str, default: Value| fields.get(name).cloned().unwrap_or(default);
        let detail = |name: &str, default: Value| if sees_details { field(name, default) } else { default };
        let (start, end) = time.shown(&self.preferences.display);
        let owner = self.world.provider.users.get(&self.calendar.owner);
        let owner = json!({"emailAddress": {
            "name": owner.map(|owner| owner.name.as_str()).unwrap_or_default(),
            "address": owner.map(|owner| owner.email.as_str()).unwrap_or_default(),
        }});
        let zone = |name: &str| {
            if time.is_all_day {
                // Whatever its author said.
                self.preferences.display.name.clone()
            } else if event.has_custom_zone {
                CUSTOM.to_owned()
            } else {
                name.to_owned()
            }
        };
        let html = detail("body", json!({"contentType": "html", "content": ""}));
        let text = text_of(html.get("content").and_then(Value::as_str).unwrap_or_default());
        let subject = if sees_details {
            field("subject", json!(""))
        } else if self.role > AccessRole::FreeBusyReader {
            json!("Private Appointment")
        } else {
            json!("Busy")
        };
        let is_online = sees_details && field("isOnlineMeeting", json!(false)) == json!(true);
        let address = urlencoded(&self.id(event));
        let mut shown = json!({
            "createdDateTime": timestamp(event.created),
            "categories": detail("categories", json!([])),
            "transactionId": event.transaction_id,
            "originalStartTimeZone": zone(&event.time.start_zone),
            "originalEndTimeZone": zone(&event.time.end_zone),
            "iCalUId": ical_uid(self.world.seed(), &event.key, slot),
            "reminderMinutesBeforeStart": detail("reminderMinutesBeforeStart", json!(15)),
            "isReminderOn": detail("isReminderOn", json!(true)),
            "hasAttachments": detail("hasAttachments", json!(false)),
            "subject": subject,
            "bodyPreview": text.chars().take(PREVIEW_CHARS).collect::<String>(),
            "importance": detail("importance", json!("normal")),
            "sensitivity": field("sensitivity", json!("normal")),
            "isAllDay": time.is_all_day,
            "isCancelled": field("isCancelled", json!(false)),
            "isOrganizer": field("isOrganizer", json!(true)),
            "responseRequested": detail("responseRequested", json!(true)),
            "seriesMasterId": null,
            "showAs": field("showAs", json!("busy")),
            "type": kind,
            "webLink": format!("https://outlook.office365.com/owa/?itemid={address}&exvsurl=1&path=/calendar/item"),
            "onlineMeetingUrl": null,
            "isOnlineMeeting": is_online,
            "onlineMeetingProvider": if is_online { "teamsForBusiness" } else { "unknown" },
            "allowNewTimeProposals": detail("allowNewTimeProposals", json!(true)),
            "isDraft": false,
            "hideAttendees": detail("hideAttendees", json!(false)),
            "responseStatus": field("responseStatus", json!({"response": "organizer", "time": "0001-01-01T00:00:00Z"})),
            "body": self.body(html, text),
            "start": start,
            "end": end,
            "location": detail("location", no_place()),
            "locations": detail("locations", json!([])),
            "recurrence": null,
            "attendees": detail("attendees", json!([])),
            "organizer": field("organizer", owner),
            "onlineMeeting": is_online.then(|| json!({
                "joinUrl": format!("https://teams.microsoft.com/l/meetup-join/19%3ameeting_{}%40thread.v2/0", event.key),
            })),
        });
        match shown.as_object_mut() {
            Some(shown) => std::mem::take(shown),
            None => Map::new(),
        }
    }

    fn body(&self, html: Value, text: String) -> Value {
        if self.preferences.text_bodies && !self.world.provider.quirks.html_bodies_always {
            json!({"contentType": "text", "content": text})
        } else {
            html
        }
    }
}

impl Viewer<'_> {
    /// An occurrence among others: what lists and delta say of it.
    pub(crate) fn listed_occurrence(&self, series: &EventRecord, occurrence: &Occurrence<'_>) -> Map<String, Value> {
        let mut shown = self.occurrence(series, occurrence);
        if self.world.provider.quirks.original_start_left_out {
            shown.remove("originalStart");
        }
        shown
    }
}

/// With what the control API lays over it.
fn finished(event: &EventRecord, mut shown: Map<String, Value>) -> Map<String, Value> {
    shown.extend(event.raw.clone());
    shown
}

fn urlencoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// The immutable id of an event, for what nobody looks at in particular.
pub(crate) fn plain_id(seed: u64, event: &EventRecord, slot: Option<NaiveDate>, form: IdForm) -> String {
    ItemId { key: event.key.clone(), generation: event.generation, epoch: event.epoch, slot }.write(seed, form)
}
