//! Comparing the mirror with the provider's own state.

use std::collections::BTreeMap;

use evercal_domain::event::{Attendee, EventTime, Fingerprint, Response};
use evercal_domain::{CalendarId, EventStatus};
use evercal_simulator::CalendarTruth;
use evercal_storage::{PageRequest, Store, StoredBody, StoredItem};
use serde_json::{Map, Value};

use crate::shown;
use crate::wait::eventually;
use crate::world::{USER, World};

/// What both sides say about an event, by its id; written down in two independent ways.
type Facts = BTreeMap<String, String>;

/// Waits until the mirror of a calendar holds exactly what the provider shows its user, and shows the same occurrences.
pub async fn equals_provider(world: &World, calendar: CalendarId) {
    let row = world.store.calendar(calendar).await.expect("the store answers").expect("a row");
    let provider_id = row.remote.provider_id.as_str().to_owned();
    eventually("the mirror equals the provider", || async {
        // Of a calendar that the usual user does not see, what its owner has.
        let control = world.control();
        let truth = control.truth_for(&provider_id, USER).or_else(|_not_shared| control.truth(&provider_id));
        let truth = truth.expect("the provider's state");
        compare(&*world.store, calendar, &truth).await?;
        if world.has_gateway() { shown::shows_what_the_provider_shows(world, calendar).await } else { Ok(()) }
    })
    .await;
}

/// Compares the mirror of a calendar with the provider's own state; an error tells some differences.
pub async fn compare(store: &dyn Store, calendar: CalendarId, truth: &CalendarTruth) -> Result<(), Vec<String>> {
    let (truth, mirror) = (provider_facts(truth), mirror_facts(store, calendar).await);
    if truth == mirror { Ok(()) } else { Err(difference(&truth, &mirror)) }
}

/// Asserts that the change feed, applied from its beginning, gives exactly the mirror: nothing is told twice, nothing is
/// left out.
pub async fn follows_from_its_changes(store: &dyn Store, calendar: CalendarId) {
    let changes = store.changes(calendar, 0, u32::MAX).await.expect("the change feed");
    let mut known = BTreeMap::new();
    for (sequence, change) in (1..).zip(&changes) {
        assert_eq!(change.sequence, sequence, "the feed is numbered without gaps");
        let id = change.event_id.as_str().to_owned();
        assert_eq!(known.get(&id), change.before.as_ref(), "change {sequence} of {id} does not follow");
        match &change.after {
            Some(after) => known.insert(id, after.clone()),
            None => known.remove(&id),
        };
    }
    let fingerprint = |item: &StoredItem| match &item.body {
        StoredBody::Event(event) => Fingerprint::of_event(event),
        StoredBody::Cancelled(position) => Fingerprint::of_cancelled(position),
        StoredBody::Unreadable { .. } => panic!("lists leave such rows out: {item:?}"),
    };
    let rows = rows(store, calendar).await;
    let mirror = rows.iter().map(|item| (item.provider_id.as_str().to_owned(), fingerprint(item))).collect();
    assert_eq!(known, mirror, "the feed ends in another state than the mirror's");
}

async fn rows(store: &dyn Store, calendar: CalendarId) -> Vec<StoredItem> {
    let mut rows = Vec::new();
    let mut after = None;
    loop {
        let page = store.items(calendar, &PageRequest { after, limit: 1_000 }).await.expect("the mirror's rows");
        rows.extend(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => return rows,
        }
    }
}

async fn mirror_facts(store: &dyn Store, calendar: CalendarId) -> Facts {
    let fact = |item: &StoredItem| match &item.body {
        StoredBody::Event(event) => format!(
            "{:?} | {} | {} | {:?} | {} | {:?} | {:?} | {:?}",
            event.title,
            time(&event.start),
            time(&event.end),
            event.recurrence,
            if event.status == EventStatus::Tentative { "tentative" } else { "confirmed" },
            event.etag,
            event.location,
            event.attendees.iter().map(guest).collect::<Vec<_>>(),
        ),
        StoredBody::Cancelled(position) => {
            format!("cancelled | {} | {}", position.master_id.as_str(), time(&position.original_start))
        }
        StoredBody::Unreadable { .. } => panic!("lists leave such rows out: {item:?}"),
    };
    rows(store, calendar).await.iter().map(|item| (item.provider_id.as_str().to_owned(), fact(item))).collect()
}

fn guest(attendee: &Attendee) -> String {
    let response = match attendee.response {
        Response::NeedsAction => "needsAction",
        Response::Accepted => "accepted",
        Response::Tentative => "tentative",
        Response::Declined => "declined",
    };
    format!("{:?} {:?} {response}", attendee.person.name, attendee.person.email)
}

fn provider_facts(truth: &CalendarTruth) -> Facts {
    truth.events.iter().map(|event| (text(event, "id"), provider_fact(event))).collect()
}

fn provider_fact(event: &Map<String, Value>) -> String {
    if event.get("status").and_then(Value::as_str) == Some("cancelled") {
        return format!(
            "cancelled | {} | {}",
            text(event, "recurringEventId"),
            provider_time(&event["originalStartTime"])
        );
    }
    let list = |name: &str| event.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let is_timed = event["start"].get("dateTime").is_some();
    let recurrence: Vec<&str> = list("recurrence")
        .iter()
        .filter_map(Value::as_str)
        // Such a line excludes nothing, and is not kept.
        .filter(|line| !(is_timed && line.starts_with("EXDATE;VALUE=DATE:")))
        .collect();
    let guests: Vec<String> = list("attendees")
        .iter()
        .map(|guest| {
            let response = guest["responseStatus"].as_str().unwrap_or("needsAction");
            format!("{:?} {:?} {response}", guest["displayName"].as_str(), guest["email"].as_str())
        })
        .collect();
    let optional = |name: &str| event.get(name).and_then(Value::as_str);
    format!(
        "{:?} | {} | {} | {recurrence:?} | {} | {:?} | {:?} | {guests:?}",
        optional("summary"),
        provider_time(&event["start"]),
        provider_time(&event["end"]),
        optional("status").unwrap_or("confirmed"),
        optional("etag"),
        optional("location"),
    )
}

pub(crate) fn provider_time(time: &Value) -> String {
    match (time["date"].as_str(), time["dateTime"].as_str()) {
        (Some(date), _) => date.to_owned(),
        (None, Some(instant)) => chrono::DateTime::parse_from_rfc3339(instant)
            .map_or_else(|error| format!("{instant}: {error}"), |at| at.to_utc().to_rfc3339()),
        (None, None) => "none".to_owned(),
    }
}

fn time(time: &EventTime) -> String {
    match time {
        EventTime::Date { date } => date.to_string(),
        EventTime::Instant { at, .. } => at.to_rfc3339(),
    }
}

fn text(event: &Map<String, Value>, field: &str) -> String {
    event.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn difference(truth: &Facts, mirror: &Facts) -> Vec<String> {
    const SHOWN: usize = 10;
    let missing = truth.iter().filter(|(id, fact)| mirror.get(*id) != Some(fact));
    let missing = missing.map(|(id, fact)| format!("provider {id}: {fact}; mirror: {:?}", mirror.get(id)));
    let extra =
        mirror.iter().filter(|(id, _)| !truth.contains_key(*id)).map(|(id, fact)| format!("extra {id}: {fact}"));
    missing.chain(extra).take(SHOWN).collect()
}
