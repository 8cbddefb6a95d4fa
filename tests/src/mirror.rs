//! Comparing the mirror with the provider's own state.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use evercal_domain::event::{Attendee, EventTime, Fingerprint, Response};
use evercal_domain::profile::Occurrences;
use evercal_domain::{CalendarId, EventStatus, Profile};
use evercal_mirror::{RowKind, StoredBody, StoredRow};
use evercal_simulator::{TrueEvent, TrueGuest, TruePosition, Truth};
use evercal_storage::{PageRequest, Store};

use crate::shown;
use crate::wait::eventually;
use crate::world::{USER, World};

/// What is promised of a provider that is asked for a window: thirty days before the day on which everything was read, and 365 after it.
const WINDOW: TimeDelta = TimeDelta::days(30 + 1 + 365);

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
        let occurrences = async |from: &str, to: &str| {
            let occurrences = control.occurrences_for(&provider_id, USER, from, to);
            let occurrences = occurrences.or_else(|_not_shared| control.occurrences(&provider_id, from, to));
            occurrences.expect("the provider's occurrences")
        };
        let truth = truth.expect("the provider's state");
        compare_promised(&*world.store, calendar, world.provider.profile(), truth, occurrences).await?;
        if world.has_gateway() { shown::shows_what_the_provider_shows(world, calendar).await } else { Ok(()) }
    })
    .await;
}

/// Compares the mirror of a calendar with the provider's own state; an error names some differences.
pub async fn compare(store: &dyn Store, calendar: CalendarId, truth: &Truth) -> Result<(), Vec<String>> {
    compare_within(store, calendar, truth, None).await
}

async fn compare_within(
    store: &dyn Store,
    calendar: CalendarId,
    truth: &Truth,
    window: Option<&InWindow>,
) -> Result<(), Vec<String>> {
    let (mut truth, rows) = (provider_facts(truth), rows(store, calendar).await);
    let mut mirror: Facts = rows.iter().map(|row| (row.provider_id.as_str().to_owned(), mirrored(row))).collect();
    if window.is_some() {
        // What was read as a whole has the version of its owner, exceptions included.
        let exceptions = rows.iter().filter(|row| row.state.kind == RowKind::Exception);
        for id in exceptions.map(|row| row.provider_id.as_str()) {
            truth.get_mut(id).into_iter().chain(mirror.get_mut(id)).for_each(|event| event.version = None);
        }
    }
    // What lies outside may be there as it was last seen.
    mirror.retain(|_, event| window.is_none_or(|window| window.has(event)));
    if truth == mirror { Ok(()) } else { Err(difference(&truth, &mirror)) }
}

/// What is promised of a provider that is asked for a window.
struct InWindow {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    /// The series that have an occurrence in it.
    series: BTreeSet<String>,
}

impl InWindow {
    fn has(&self, event: &TrueEvent) -> bool {
        let instant = |time: &str| match time.parse::<NaiveDate>() {
            Ok(date) => date.and_time(NaiveTime::MIN).and_utc(),
            Err(_) => DateTime::parse_from_rfc3339(time).expect("a time").to_utc(),
        };
        let begins_inside = |time: &str| (self.from..self.to).contains(&instant(time));
        match (&event.occurrence_of, &event.start, &event.end) {
            (Some(position), None, _) => {
                self.series.contains(&position.series) && begins_inside(&position.original_start)
            }
            _ if !event.recurrence.is_empty() => self.series.contains(&event.id),
            (_, Some(start), Some(end)) => {
                begins_inside(start) || (instant(start) < self.to && instant(end) > self.from)
            }
            _ => false,
        }
    }
}

/// Compares the mirror of a calendar with what is promised of its provider's state: with all of it, or with what lies in the
/// window for which the provider was asked. `occurrences` are the provider's between two instants.
pub async fn compare_promised(
    store: &dyn Store,
    calendar: CalendarId,
    profile: &Profile,
    mut truth: Truth,
    occurrences: impl AsyncFn(&str, &str) -> Vec<TrueEvent>,
) -> Result<(), Vec<String>> {
    if profile.occurrences == Occurrences::ByRules {
        return compare(store, calendar, &truth).await;
    }
    let window_end = store.sync_position(calendar).await.expect("the position").window_end;
    let to = window_end.ok_or_else(|| vec!["nothing is read yet".to_owned()])?;
    let from = to - WINDOW;
    let inside = occurrences(&from.to_rfc3339(), &to.to_rfc3339()).await;
    let series = inside.into_iter().filter_map(|one| one.occurrence_of).map(|position| position.series);
    let window = InWindow { from, to, series: series.collect() };
    truth.events.retain(|event| window.has(event));
    compare_within(store, calendar, &truth, Some(&window)).await
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
        // Occurrences that the provider made are the series' own: what readers are shown of them is compared elsewhere.
        rows.extend(page.items.into_iter().filter(|row| row.state.kind != RowKind::Occurrence));
        match page.next {
            Some(next) => after = Some(next),
            None => return rows,
        }
    }
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
