//! Comparing the mirror with the provider's own state.

use std::collections::BTreeMap;

use evercal_domain::event::EventTime;
use evercal_domain::{CalendarId, EventStatus};
use evercal_simulator::CalendarTruth;
use evercal_storage::{PageRequest, Store, StoredBody};
use serde_json::{Map, Value};

use crate::wait::eventually;
use crate::world::World;

/// What both sides say about an event, by its id; written down in two independent ways.
type Facts = BTreeMap<String, String>;

/// Waits until the mirror of a calendar holds exactly what the provider has.
pub async fn equals_provider(world: &World, calendar: CalendarId) {
    let row = world.store.calendar(calendar).await.expect("the store answers").expect("a row");
    let provider_id = row.remote.provider_id.as_str().to_owned();
    eventually("the mirror equals the provider", || async {
        compare(&*world.store, calendar, &world.control().truth(&provider_id).expect("the provider's state")).await
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
    let mirror = mirror_facts(store, calendar).await;
    assert!(known.keys().eq(mirror.keys()), "the feed ends in another set of events than the mirror holds");
}

async fn mirror_facts(store: &dyn Store, calendar: CalendarId) -> Facts {
    let mut facts = Facts::new();
    let mut after = None;
    loop {
        let page = PageRequest { after, limit: 1_000 };
        let page = store.items(calendar, &page).await.expect("the mirror's rows");
        for item in page.items {
            let fact = match &item.body {
                StoredBody::Event(event) => format!(
                    "{:?} | {} | {} | {:?} | {}",
                    event.title,
                    time(&event.start),
                    time(&event.end),
                    event.recurrence,
                    if event.status == EventStatus::Tentative { "tentative" } else { "confirmed" },
                ),
                StoredBody::Cancelled(position) => {
                    format!("cancelled | {} | {}", position.master_id.as_str(), time(&position.original_start))
                }
            };
            facts.insert(item.provider_id.as_str().to_owned(), fact);
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return facts,
        }
    }
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
    let recurrence: Vec<String> = event
        .get("recurrence")
        .and_then(Value::as_array)
        .map(|lines| lines.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        .unwrap_or_default();
    format!(
        "{:?} | {} | {} | {recurrence:?} | {}",
        event.get("summary").and_then(Value::as_str).map(str::to_owned),
        provider_time(&event["start"]),
        provider_time(&event["end"]),
        event.get("status").and_then(Value::as_str).unwrap_or("confirmed"),
    )
}

fn provider_time(time: &Value) -> String {
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
