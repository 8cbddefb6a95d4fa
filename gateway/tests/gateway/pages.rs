//! Pages while the mirror changes: what tags say, what a cursor is good for, and lists that have to be of one state.

use std::sync::atomic::{AtomicI64, Ordering};

use axum::body::Body;
use axum::http::Method;
use chrono::{DateTime, Duration, Utc};
use evercal_domain::calendar::LastSync;
use evercal_domain::event::Occurrence;
use evercal_domain::{AccessRole, CalendarId, Clock, Event, EventTime, RemoteItem, Via};
use evercal_domain::{ProviderCalendarId, RemoteCalendar, SystemClock};
use evercal_mirror::{Ends, Expansion, OwnerOccurrences, Plan, Window};
use evercal_storage::{Cursor, OccurrenceRange, PageCommit, PassFinish, SeriesRows};

use crate::api::event;
use crate::support::{Answer, Customer, World, bearer};

/// The morning of a day in June.
pub fn morning(day: u32) -> DateTime<Utc> {
    format!("2026-06-{day:02}T08:00:00Z").parse().unwrap()
}

pub fn single(id: &str, title: &str, at: DateTime<Utc>) -> (RemoteItem, OwnerOccurrences) {
    let time = |at| EventTime::Instant { at, zone: None };
    let event = Event { title: Some(title.into()), ..event(id, time(at), time(at + Duration::hours(1))) };
    let id = event.provider_id.clone();
    let occurrence = Occurrence {
        source_id: id.clone(),
        series_id: None,
        original_start: event.start,
        start: event.start,
        end: event.end,
    };
    (RemoteItem::from(event), OwnerOccurrences { owner: id, occurrences: vec![occurrence] })
}

/// A pass of one page, as a sync commits it.
pub async fn sync(world: &World, calendar: CalendarId, events: &[(RemoteItem, OwnerOccurrences)]) {
    sync_until(world, calendar, events, morning(30)).await;
}

/// The same, after which the window of series ends then.
async fn sync_until(
    world: &World,
    calendar: CalendarId,
    events: &[(RemoteItem, OwnerOccurrences)],
    window_end: DateTime<Utc>,
) {
    static PASSES: AtomicI64 = AtomicI64::new(0);
    let now = SystemClock.now() + Duration::seconds(PASSES.fetch_add(1, Ordering::SeqCst));
    let (items, occurrences): (Vec<_>, Vec<_>) = events.iter().cloned().unzip();
    let position = world.store.sync_position(calendar).await.unwrap();
    let (from, to) = (morning(1), morning(30));
    let snapshot = world.store.snapshot(calendar, &position, &items, Ends::Pass).await.unwrap();
    let plan = evercal_mirror::plan(
        items,
        Ends::Pass,
        &snapshot,
        &Expansion::ByRules { zone: None, window: Window::around(now) },
    );
    let commit = PageCommit {
        calendar_id: calendar,
        expected_revision: position.revision,
        generation: position.generation,
        has_worklist: false,
        plan: &Plan { occurrences, ..plan },
        window: OccurrenceRange {
            from,
            to,
            from_date: from.date_naive(),
            to_date: to.date_naive(),
            zone: evercal_domain::Zone::UTC,
            series: SeriesRows::All,
        },
        zone_data: &evercal_domain::zones::version(),
        cursor: &Cursor::ready("t"),
        finish: Some(PassFinish {
            confirmed_at: now,
            via: Via::Poll,
            window_end: Some(window_end),
            last_sync: LastSync { finished_at: now, changes: 0, notice_to_stored_ms: None },
            run: None,
        }),
        at: now,
    };
    world.store.commit_page(&commit).await.unwrap();
}

fn days(customer: &Customer, from: u32, to: u32) -> String {
    format!("/v1/calendars/{}/events?from=2026-06-{from:02}T00:00:00Z&to=2026-06-{to:02}T00:00:00Z", customer.calendar)
}

async fn ask(world: &World, customer: &Customer, path: &str, known: &Answer) -> Answer {
    let mut headers = bearer(&customer.key);
    headers.push(("if-none-match", tag(known)));
    world.send(Method::GET, path, &headers, Body::empty()).await
}

fn tag(answer: &Answer) -> String {
    answer.headers["etag"].to_str().unwrap().to_owned()
}

fn ids(answer: &Answer) -> Vec<String> {
    let body = answer.json();
    let items = body["items"].as_array().unwrap_or_else(|| panic!("no list in {answer:?}"));
    items.iter().map(|item| item["event_id"].as_str().unwrap().to_owned()).collect()
}

fn with_cursor(path: &str, page: &Answer) -> String {
    format!("{path}&cursor={}", page.json()["next_cursor"].as_str().unwrap())
}

#[tokio::test]
async fn a_sync_that_changes_nothing_changes_no_tag_and_a_304_reports_how_fresh_it_is() {
    let world = World::running().await;
    let customer = world.customer().await;
    let path = days(&customer, 10, 12);
    let never = world.get(&customer.key, &path).await;
    assert!(!never.headers.contains_key("evercal-confirmed-at") && !never.headers.contains_key("evercal-via"));
    assert_eq!(never.headers["evercal-state"], "creating");

    sync(&world, customer.calendar, &[single("one", "a", morning(10))]).await;
    let first = world.get(&customer.key, &path).await;
    assert_ne!(tag(&first), tag(&never));
    sync(&world, customer.calendar, &[]).await;
    sync(&world, customer.calendar, &[single("one", "a", morning(10))]).await;
    let again = world.get(&customer.key, &path).await;
    assert_eq!(tag(&again), tag(&first));
    assert_eq!(again.json()["revision"], first.json()["revision"]);
    assert_ne!(again.json()["confirmed_at"], first.json()["confirmed_at"]);

    let unchanged = ask(&world, &customer, &path, &first).await;
    assert_eq!((unchanged.status.as_u16(), unchanged.body.as_str()), (304, ""));
    for header in ["etag", "cache-control", "evercal-confirmed-at", "evercal-via", "evercal-state"] {
        assert_eq!(unchanged.headers[header], again.headers[header], "{header}");
    }
    let confirmed_at: DateTime<Utc> = unchanged.headers["evercal-confirmed-at"].to_str().unwrap().parse().unwrap();
    assert_eq!(serde_json::to_value(confirmed_at).unwrap(), again.json()["confirmed_at"]);
    assert_eq!(unchanged.headers["evercal-via"], "poll");
}

#[tokio::test]
async fn a_304_is_known_from_the_revision_before_any_row_is_read() {
    let world = World::running().await;
    let customer = world.customer().await;
    let path = days(&customer, 10, 12);
    sync(&world, customer.calendar, &[single("one", "a", morning(10))]).await;
    let first = world.get(&customer.key, &path).await;
    world.faults.calls.lock().unwrap().clear();
    assert_eq!(ask(&world, &customer, &path, &first).await.status, 304);
    assert!(!world.faults.called("occurrences"), "rows were read");
}

#[tokio::test]
async fn a_page_that_was_read_is_not_read_again_and_is_as_fresh_as_the_mirror() {
    let world = World::running().await;
    let customer = world.customer().await;
    let path = format!("{}&limit=1", days(&customer, 10, 12));
    sync(&world, customer.calendar, &[single("one", "a", morning(10)), single("two", "a", morning(11))]).await;
    let first = world.get(&customer.key, &path).await.json();
    sync(&world, customer.calendar, &[]).await;
    world.faults.calls.lock().unwrap().clear();
    let again = world.get(&customer.key, &path).await.json();
    assert!(!world.faults.called("occurrences"), "rows were read");
    for same in ["items", "revision", "complete_from", "complete_until", "calendar_id"] {
        assert_eq!(again[same], first[same], "{same}");
    }
    let [first, again] = [first, again].map(|page| page["confirmed_at"].as_str().unwrap().to_owned());
    assert!(again > first, "{again} is not after {first}");

    sync(&world, customer.calendar, &[single("one", "b", morning(10))]).await;
    assert_eq!(world.get(&customer.key, &path).await.json()["items"][0]["title"], "b");
}

#[tokio::test]
async fn who_may_see_less_is_shown_less_of_a_page_that_was_read_before() {
    let world = World::running().await;
    let customer = world.customer().await;
    let path = days(&customer, 10, 12);
    sync(&world, customer.calendar, &[single("one", "secret", morning(10))]).await;
    let before = world.get(&customer.key, &path).await;
    assert_eq!(before.json()["items"][0]["title"], "secret");
    world.store.set_access_role(customer.calendar, AccessRole::FreeBusyReader).await.unwrap();
    let after = ask(&world, &customer, &path, &before).await;
    assert!(after.status == 200 && !after.body.contains("secret"), "{after:?}");
}

#[tokio::test]
async fn who_waits_for_memory_while_they_come_to_see_less_is_shown_less() {
    let mut world = World::new().await;
    // So little that a tenant is answered one at a time.
    world.config.limits.answer_bytes_max = 0;
    world.start().await;
    let customer = world.customer().await;
    let path = days(&customer, 10, 12);
    sync(&world, customer.calendar, &[single("one", "secret", morning(10))]).await;
    assert!(world.get(&customer.key, &path).await.body.contains("secret"));

    *world.faults.held.lock().unwrap() = Some("occurrences");
    world.faults.calls.lock().unwrap().clear();
    let calls = |method| world.faults.calls.lock().unwrap().iter().filter(|called| **called == method).count();
    let other = days(&customer, 1, 5);
    let before = async { world.get(&customer.key, &other).await };
    let waiting = async {
        crate::support::eventually(&1, async || calls("occurrences")).await;
        world.get(&customer.key, &path).await
    };
    let losing = async {
        crate::support::eventually(&2, async || calls("revision_of")).await;
        world.store.set_access_role(customer.calendar, AccessRole::FreeBusyReader).await.unwrap();
        world.heartbeats(20).await;
        *world.faults.held.lock().unwrap() = None;
    };
    let (before, waiting, ()) = tokio::join!(before, waiting, losing);
    assert!(before.status == 200 && waiting.status == 200, "{waiting:?}");
    assert_eq!(ids(&waiting), ["one"]);
    assert!(!waiting.body.contains("secret"), "{waiting:?}");
}

#[tokio::test]
async fn a_window_of_series_that_moves_changes_the_tags_of_what_is_beyond_it_and_no_others() {
    let world = World::running().await;
    let customer = world.customer().await;
    let events = [single("one", "a", morning(10))];
    sync(&world, customer.calendar, &events).await;
    let inside = days(&customer, 10, 12);
    let beyond = inside.replace("2026-06", "2026-07");
    let [first_inside, first_beyond] =
        [world.get(&customer.key, &inside).await, world.get(&customer.key, &beyond).await];
    sync_until(&world, customer.calendar, &[], morning(30) + Duration::days(1)).await;
    assert_eq!(ask(&world, &customer, &inside, &first_inside).await.status, 304);
    let moved = ask(&world, &customer, &beyond, &first_beyond).await;
    assert_eq!(moved.status, 200);
    // Once it reaches so far, nothing is computed there any more.
    sync_until(&world, customer.calendar, &[], morning(30) + Duration::days(30)).await;
    assert_eq!(ask(&world, &customer, &beyond, &moved).await.status, 200);
    assert_eq!(ask(&world, &customer, &inside, &first_inside).await.status, 304);
}

#[tokio::test]
async fn a_change_inside_the_window_changes_the_tag_and_one_outside_of_it_does_not() {
    let world = World::running().await;
    let customer = world.customer().await;
    let path = days(&customer, 10, 12);
    sync(&world, customer.calendar, &[single("inside", "a", morning(10)), single("outside", "a", morning(20))]).await;
    let first = world.get(&customer.key, &path).await;
    sync(&world, customer.calendar, &[single("outside", "b", morning(21))]).await;
    assert_eq!(ask(&world, &customer, &path, &first).await.status, 304);
    for changed in
        [single("inside", "b", morning(10)), single("outside", "b", morning(11)), single("inside", "b", morning(20))]
    {
        let before = world.get(&customer.key, &path).await;
        sync(&world, customer.calendar, &[changed]).await;
        let after = ask(&world, &customer, &path, &before).await;
        assert_eq!(after.status, 200);
        assert_ne!(tag(&after), tag(&before));
        assert!(after.json()["revision"].as_i64() > before.json()["revision"].as_i64(), "{after:?}");
    }
}

#[tokio::test]
async fn each_page_and_each_window_has_a_tag_of_its_own() {
    let world = World::running().await;
    let customer = world.customer().await;
    sync(&world, customer.calendar, &[single("one", "a", morning(10)), single("two", "a", morning(11))]).await;
    let whole = days(&customer, 10, 12);
    let first = world.get(&customer.key, &format!("{whole}&limit=1")).await;
    let second = with_cursor(&format!("{whole}&limit=1"), &first);
    let mut tags = Vec::new();
    for path in [whole.clone(), format!("{whole}&limit=1"), second, days(&customer, 10, 13)] {
        tags.push(tag(&world.get(&customer.key, &path).await));
    }
    let before = tags.clone();
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), before.len(), "{before:?}");
}

#[tokio::test]
async fn with_consistent_a_page_of_another_state_is_refused() {
    let world = World::running().await;
    let customer = world.customer().await;
    let events = [single("one", "a", morning(10)), single("two", "a", morning(11)), single("far", "a", morning(20))];
    sync(&world, customer.calendar, &events).await;
    let path = format!("{}&limit=1", days(&customer, 10, 13));
    let consistent = format!("{path}&consistent=true");
    let first = world.get(&customer.key, &consistent).await;
    assert_eq!(ids(&first), ["one"]);

    // What happens elsewhere, and what changes nothing, is none of this list's.
    sync(&world, customer.calendar, &[single("far", "b", morning(21)), single("two", "a", morning(11))]).await;
    let second = world.get(&customer.key, &with_cursor(&consistent, &first)).await;
    assert_eq!((ids(&second), &second.json()["revision"]), (vec!["two".to_owned()], &first.json()["revision"]));

    // The event of the second page moves before the first one: who goes on would never see it.
    sync(&world, customer.calendar, &[single("two", "a", morning(10) - Duration::hours(2))]).await;
    let refused = world.get(&customer.key, &with_cursor(&consistent, &first)).await;
    assert_eq!((refused.problem(), refused.kind().as_str()), (409, "list-changed"));
    let without = world.get(&customer.key, &with_cursor(&path, &first)).await;
    assert_eq!(ids(&without), Vec::<String>::new());
    assert!(without.json()["revision"].as_i64() > first.json()["revision"].as_i64(), "{without:?}");
    let anew = world.get(&customer.key, &consistent).await;
    assert_eq!(ids(&anew), ["two"]);
    assert_eq!(ids(&world.get(&customer.key, &with_cursor(&consistent, &anew)).await), ["one"]);
}

#[tokio::test]
async fn a_write_between_the_reads_of_the_revision_and_of_the_rows_is_noticed() {
    let world = World::running().await;
    let customer = world.customer().await;
    sync(&world, customer.calendar, &[single("one", "a", morning(10)), single("two", "a", morning(11))]).await;
    let path = format!("{}&limit=1", days(&customer, 10, 13));
    for (is_second_page, expected) in [(false, 200), (true, 409)] {
        let first = world.get(&customer.key, &path).await;
        let second = with_cursor(&format!("{path}&consistent=true"), &first);
        // None that is kept from before.
        let path = if is_second_page { second } else { days(&customer, 9, 13) };
        *world.faults.held.lock().unwrap() = Some("occurrences");
        world.faults.calls.lock().unwrap().clear();
        let write = async {
            crate::support::eventually(&true, async || world.faults.called("occurrences")).await;
            sync(&world, customer.calendar, &[single("two", &format!("title {expected}"), morning(11))]).await;
            *world.faults.held.lock().unwrap() = None;
        };
        let (answer, ()) = tokio::join!(world.get(&customer.key, &path), write);
        assert_eq!(answer.status, expected, "{answer:?}");
        if !is_second_page {
            let now = world.get(&customer.key, &path).await;
            assert_eq!(tag(&answer), tag(&now), "the tag is the one of the rows that were sent");
        }
    }
}

#[tokio::test]
async fn another_zone_of_the_calendar_is_another_state() {
    let world = World::running().await;
    let customer = world.customer().await;
    sync(&world, customer.calendar, &[single("one", "a", morning(10)), single("two", "a", morning(11))]).await;
    let path = format!("{}&limit=1", days(&customer, 10, 13));
    let first = world.get(&customer.key, &path).await;
    let remote = RemoteCalendar {
        provider_id: ProviderCalendarId::new("c@example.com"),
        title: "Work".into(),
        time_zone: Some("Asia/Tokyo".into()),
        access_role: AccessRole::Owner,
        primary: true,
        id_follows_address: true,
    };
    world.store.reconcile_calendars(customer.account, &[remote], SystemClock.now()).await.unwrap();
    assert_ne!(tag(&world.get(&customer.key, &path).await), tag(&first), "all-day events are elsewhere now");
    let second = with_cursor(&format!("{path}&consistent=true"), &first);
    assert_eq!(world.get(&customer.key, &second).await.problem(), 409);
}

#[tokio::test]
async fn a_cursor_belongs_to_its_query() {
    let world = World::running().await;
    let customer = world.customer().await;
    for _ in 0..2 {
        world.account(customer.tenant, evercal_domain::AccountState::Connected).await;
    }
    sync(&world, customer.calendar, &[single("one", "a", morning(10)), single("two", "a", morning(11))]).await;
    let path = format!("{}&limit=1", days(&customer, 10, 13));
    let events = world.get(&customer.key, &path).await;
    let accounts = world.get(&customer.key, "/v1/accounts?limit=1").await;
    let other_window = format!("{}&limit=1", days(&customer, 10, 14));
    for (path, page) in [
        (other_window.as_str(), &events),
        (path.as_str(), &accounts),
        ("/v1/calendars?limit=1", &accounts),
        ("/v1/accounts?limit=1", &events),
        ("/v1/audit?limit=1", &accounts),
    ] {
        let answer = world.get(&customer.key, &with_cursor(path, page)).await;
        assert_eq!((answer.problem(), answer.kind().as_str()), (400, "invalid-cursor"), "{path}");
        assert_eq!(answer.errors()[0].0, "cursor");
    }
    // Its own query, however many rows are asked for and however the same moments are written.
    let same = path.replace("T00:00:00Z", "T02:00:00%2B02:00").replace("limit=1", "limit=7");
    assert_eq!(ids(&world.get(&customer.key, &with_cursor(&same, &events)).await), ["two"]);
    assert_eq!(world.get(&customer.key, &with_cursor("/v1/accounts?limit=5", &accounts)).await.status, 200);
}
