//! What a share that was reduced no longer shows: from the next read on, wherever it is read.

use evercal_domain::event::Visibility;
use evercal_domain::{AccessRole, CalendarState, Clock as _, Event, SystemClock};
use evercal_storage::StateRecord;
use serde_json::Value;

use crate::api::event;
use crate::ranges::{at, fill};
use crate::support::{Customer, World};

const DETAILS: [&str; 3] = ["title", "description", "location"];
/// Repeats inside the window that is stored, and beyond it.
const STORED: &str = "weekly";
/// Only expanded while it is read.
const COMPUTED: &str = "daily";
const PRIVATE: &str = "doctor";

fn with_details(id: &str, private: bool) -> Event {
    Event {
        description: Some("what it is about".to_owned()),
        location: Some("Room 1".to_owned()),
        recurrence: vec!["RRULE:FREQ=DAILY".to_owned()],
        visibility: if private { Visibility::Private } else { Visibility::Public },
        ..event(id, at("2019-01-07T19:00:00Z"), at("2019-01-07T20:00:00Z"))
    }
}

/// An event by its own address; none where there is no such event.
async fn one(world: &World, customer: &Customer, id: &str) -> Option<Value> {
    let path = format!("/v1/calendars/{}/events/{id}", customer.calendar);
    let answer = world.get(&customer.key, &path).await;
    (answer.status == 200).then(|| answer.json())
}

/// Rows of an event in two lists: one of today, which is stored, and one of the far future, which is computed.
async fn rows(world: &World, customer: &Customer, id: &str) -> Vec<Value> {
    let now = SystemClock.now();
    let soon = now + chrono::TimeDelta::days(20);
    let text = |at: chrono::DateTime<chrono::Utc>| at.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let mut found = Vec::new();
    for (from, to) in [(text(now), text(soon)), ("2040-12-03T00:00:00Z".into(), "2041-01-02T00:00:00Z".into())] {
        let path = format!("/v1/calendars/{}/events?from={from}&to={to}&limit=500", customer.calendar);
        let list = world.get(&customer.key, &path).await.json();
        let rows = list["items"].as_array().unwrap().iter().filter(|row| row["event_id"] == id);
        found.extend(rows.cloned());
    }
    found
}

fn shows_details(shown: &Value) -> bool {
    DETAILS.iter().any(|detail| !shown[detail].is_null())
}

/// Whether each read of an event has its details; all have to agree.
async fn has_details(world: &World, customer: &Customer, id: &str) -> bool {
    let mut all = rows(world, customer, id).await;
    assert!(all.len() >= 4, "{id} is in both lists, or in one of them often: {all:?}");
    all.extend(one(world, customer, id).await);
    let with: Vec<bool> = all.iter().map(shows_details).collect();
    assert!(with.iter().all(|shows| *shows == with[0]), "{id}: {all:#?}");
    with[0]
}

async fn world_with_details() -> (World, Customer) {
    let world = World::running().await;
    let customer = world.customer().await;
    fill(&world, customer.calendar, vec![with_details(COMPUTED, false), with_details(PRIVATE, true)]).await;
    (world, customer)
}

#[tokio::test]
async fn a_share_that_was_reduced_hides_details_in_stored_rows_in_computed_ones_and_in_each_event() {
    let (world, customer) = world_with_details().await;
    for id in [STORED, COMPUTED, PRIVATE] {
        assert!(has_details(&world, &customer, id).await, "{id}");
    }
    // A reader sees all but what is private, and who sees times alone sees nothing else.
    for (role, readable) in [(AccessRole::Reader, true), (AccessRole::FreeBusyReader, false)] {
        world.store.set_access_role(customer.calendar, role).await.unwrap();
        for (id, expected) in [(STORED, readable), (COMPUTED, readable), (PRIVATE, false)] {
            assert_eq!(has_details(&world, &customer, id).await, expected, "{id} as {role:?}");
        }
    }
    let single = one(&world, &customer, "single").await.unwrap();
    assert!(!shows_details(&single) && single["start"].is_object(), "its times stay: {single:#}");
}

#[tokio::test]
async fn a_share_that_ended_serves_no_event_at_any_range() {
    for state in [CalendarState::ActionRequired, CalendarState::Closed] {
        let (world, customer) = world_with_details().await;
        let at = SystemClock.now();
        let (detail, channel_expires_at) = (None, None);
        let record = StateRecord { calendar_id: customer.calendar, state, detail, channel_expires_at, at };
        world.store.record_state(&record).await.unwrap();
        for id in [STORED, COMPUTED, PRIVATE] {
            let rows = rows(&world, &customer, id).await;
            let one = one(&world, &customer, id).await;
            assert!(rows.is_empty() && one.is_none(), "{state:?}: {rows:?} {one:?}");
        }
    }
}
