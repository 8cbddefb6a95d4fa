//! Comparing the mirror with the provider's own state.

use std::collections::BTreeMap;

use evercal_domain::event::{Attendee, EventTime, Fingerprint, Response};
use evercal_domain::{CalendarId, EventStatus};
use evercal_mirror::{StoredBody, StoredRow};
use evercal_simulator::{TrueEvent, TrueGuest, TruePosition, Truth};
use evercal_storage::{PageRequest, Store};

use crate::shown;
use crate::wait::eventually;
use crate::world::{USER, World};

/// What both sides say about each event, by its id: the provider writes it from its own resources, this file from the mirror's
/// rows.
type Facts = BTreeMap<String, TrueEvent>;

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

/// Compares the mirror of a calendar with the provider's own state; an error names some differences.
pub async fn compare(store: &dyn Store, calendar: CalendarId, truth: &Truth) -> Result<(), Vec<String>> {
    let (truth, mirror) = (provider_facts(truth), mirror_facts(store, calendar).await);
    if truth == mirror { Ok(()) } else { Err(difference(&truth, &mirror)) }
}

/// Asserts that the change feed, applied from its beginning, gives exactly the mirror: no change comes twice, nothing is
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
    let fingerprint = |item: &StoredRow| match &item.body {
        StoredBody::Event(event) => Fingerprint::of_event(event),
        StoredBody::Cancelled(position) => Fingerprint::of_cancelled(position),
        StoredBody::Occurrence(_) | StoredBody::Unreadable => panic!("lists leave such rows out: {item:?}"),
    };
    let rows = rows(store, calendar).await;
    let mirror = rows.iter().map(|item| (item.provider_id.as_str().to_owned(), fingerprint(item))).collect();
    assert_eq!(known, mirror, "the feed ends in another state than the mirror's");
}

async fn rows(store: &dyn Store, calendar: CalendarId) -> Vec<StoredRow> {
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
    rows(store, calendar).await.iter().map(|item| (item.provider_id.as_str().to_owned(), mirrored(item))).collect()
}

/// What the mirror holds, as the provider says it.
fn mirrored(item: &StoredRow) -> TrueEvent {
    let id = item.provider_id.as_str().to_owned();
    match &item.body {
        StoredBody::Event(event) => TrueEvent {
            id,
            // A provider may leave this out of an exception that takes place: where that stands, readers are shown.
            occurrence_of: None,
            is_cancelled: false,
            title: event.title.clone(),
            start: Some(time(&event.start)),
            end: Some(time(&event.end)),
            recurrence: event.recurrence.clone(),
            status: Some(if event.status == EventStatus::Tentative { "tentative" } else { "confirmed" }.to_owned()),
            version: item.version.clone(),
            location: event.location.clone(),
            guests: event.attendees.iter().map(guest).collect(),
        },
        StoredBody::Cancelled(position) => {
            let series = position.master_id.as_str().to_owned();
            let position = TruePosition { series, original_start: time(&position.original_start) };
            TrueEvent::cancelled(id, Some(position))
        }
        StoredBody::Occurrence(_) | StoredBody::Unreadable => panic!("lists leave such rows out: {item:?}"),
    }
}

fn guest(attendee: &Attendee) -> TrueGuest {
    let response = match attendee.response {
        Response::NeedsAction => "needs_action",
        Response::Accepted => "accepted",
        Response::Tentative => "tentative",
        Response::Declined => "declined",
    };
    TrueGuest {
        name: attendee.person.name.clone(),
        email: attendee.person.email.clone(),
        response: response.to_owned(),
    }
}

fn time(time: &EventTime) -> String {
    match time {
        EventTime::Date { date } => date.to_string(),
        EventTime::Instant { at, .. } => at.to_rfc3339(),
    }
}

fn provider_facts(truth: &Truth) -> Facts {
    let fact = |event: &TrueEvent| match event {
        TrueEvent { is_cancelled: false, .. } => TrueEvent { occurrence_of: None, ..event.clone() },
        cancelled => cancelled.clone(),
    };
    truth.events.iter().map(|event| (event.id.clone(), fact(event))).collect()
}

fn difference(truth: &Facts, mirror: &Facts) -> Vec<String> {
    const SHOWN: usize = 10;
    let missing = truth.iter().filter(|(id, fact)| mirror.get(*id) != Some(fact));
    let missing = missing.map(|(id, fact)| format!("provider {id}: {fact:?}; mirror: {:?}", mirror.get(id)));
    let extra =
        mirror.iter().filter(|(id, _)| !truth.contains_key(*id)).map(|(id, fact)| format!("extra {id}: {fact:?}"));
    missing.chain(extra).take(SHOWN).collect()
}
