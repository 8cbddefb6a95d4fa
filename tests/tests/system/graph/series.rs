//! Series, whose occurrences are Microsoft's: whatever is done to one there, the mirror is the provider's truth after it.

use chrono::{DateTime, Datelike as _, Days, NaiveDate, SecondsFormat, Utc};
use evercal_domain::{CalendarId, Clock as _, SystemClock};
use evercal_http::Method;
use evercal_mirror::StoredBody;
use evercal_simulator::TrueEvent;
use evercal_storage::PageRequest;
use evercal_tests::{Graph, ProviderCall, USER, World, WorldOptions, calls, eventually, histories, mirror};
use evercal_workflows::names;
use serde_json::{Map, Value, json};

use super::control;

/// The Monday after today: a series from there lies inside of every window.
fn next_monday() -> NaiveDate {
    let today = SystemClock.now().date_naive();
    today + Days::new(7 - u64::from(today.weekday().num_days_from_monday()))
}

fn weekly(title: &str) -> Map<String, Value> {
    let (day, point) = (
        next_monday(),
        |clock: &str| json!({"dateTime": format!("{}T{clock}", next_monday()), "timeZone": "W. Europe Standard Time"}),
    );
    let event = json!({
        "subject": title, "start": point("09:00:00"), "end": point("10:00:00"),
        "recurrence": {
            "pattern": {"type": "weekly", "interval": 1, "daysOfWeek": ["monday"], "firstDayOfWeek": "monday"},
            "range": {"type": "numbered", "startDate": day.to_string(), "numberOfOccurrences": 12},
        },
    });
    event.as_object().unwrap().clone()
}

/// The occurrences of a series at the provider, in order.
fn occurrences(world: &World, calendar: &str, series: &str) -> Vec<TrueEvent> {
    let from = next_monday().and_hms_opt(0, 0, 0).unwrap().and_utc();
    let text = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let all = control(world).occurrences(calendar, &text(from), &text(from + Days::new(200))).unwrap();
    let of_it = |one: &TrueEvent| one.occurrence_of.as_ref().is_some_and(|position| position.series == series);
    all.into_iter().filter(of_it).collect()
}

/// How many slots the mirror has as cancelled.
async fn cancelled(world: &World, calendar: CalendarId) -> usize {
    let rows = world.store.items(calendar, &PageRequest { after: None, limit: 500 }).await.unwrap().items;
    rows.iter().filter(|row| matches!(row.body, StoredBody::Cancelled(_))).count()
}

/// Titles that the API answers for the next months, each as often as it is there.
async fn titles(world: &World, calendar: CalendarId) -> Vec<String> {
    let from = next_monday();
    let path = format!(
        "/v1/calendars/{calendar}/events?from={from}T00:00:00Z&to={}T00:00:00Z&limit=500",
        from + Days::new(200)
    );
    let answer = world.api(Method::GET, &path, None).await.unwrap();
    let items = answer["items"].as_array().unwrap().iter();
    items.map(|item| item["title"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_done_to_a_series_the_mirror_is_the_providers_truth_after_it() {
    let world = World::with::<Graph>(WorldOptions { events: 0, ..WorldOptions::default() }).await;
    let (team, archive) = (world.new_calendar("Team"), world.new_calendar("Archive"));
    world.connect_and_mirror().await;
    let default = control(&world).default_calendar(USER).unwrap();
    let archived = world.calendar_of(&archive).await.id;
    world.wait_until_mirrored(archived).await;
    for (number, calendar) in [default, team].into_iter().enumerate() {
        let (at, title) = (control(&world), format!("Standup {number}"));
        let id = world.calendar_of(&calendar).await.id;
        world.wait_until_mirrored(id).await;
        let shown = async |title: &str| titles(&world, id).await.iter().filter(|shown| *shown == title).count();

        let series = at.insert_event(&calendar, weekly(&title)).unwrap()["id"].as_str().unwrap().to_owned();
        mirror::equals_provider(&world, id).await;
        assert_eq!(shown(&title).await, 12);

        // Of an occurrence that is deleted, the delta query never says a word.
        at.delete_event(&calendar, &occurrences(&world, &calendar, &series)[2].id).unwrap();
        mirror::equals_provider(&world, id).await;
        assert_eq!((shown(&title).await, cancelled(&world, id).await), (11, 1), "and the slot is a cancelled one");

        let exception = occurrences(&world, &calendar, &series)[4].id.clone();
        let change = json!({"subject": "Retrospective"}).as_object().unwrap().clone();
        at.patch_event(&calendar, &exception, change).unwrap();
        mirror::equals_provider(&world, id).await;
        assert_eq!((shown(&title).await, shown("Retrospective").await), (10, 1));

        // All of its occurrences get other ids, without a word of the old ones.
        at.reschedule_series(&calendar, &series, 60).unwrap();
        mirror::equals_provider(&world, id).await;

        let last = next_monday() + Days::new(7 * 5);
        at.cut_series(&calendar, &series, last).unwrap();
        mirror::equals_provider(&world, id).await;
        let left = shown(&title).await + shown("Retrospective").await;
        assert!(left < 11, "{left} after the end");

        let moved = at.move_event(&calendar, &series, &archive).unwrap()["id"].as_str().unwrap().to_owned();
        mirror::equals_provider(&world, id).await;
        mirror::equals_provider(&world, archived).await;
        assert_eq!(shown(&title).await, 0, "it is in the other calendar now");
        let there = titles(&world, archived).await.iter().filter(|shown| **shown == title).count();
        assert!(there > 0);

        at.delete_event(&archive, &moved).unwrap();
        mirror::equals_provider(&world, archived).await;
        assert_eq!(titles(&world, archived).await.len(), 0);
        mirror::follows_from_its_changes(&*world.store, id).await;
        mirror::follows_from_its_changes(&*world.store, archived).await;
    }
    world.end().await;
}

/// Requests to Microsoft about events so far.
fn requests(world: &World) -> u64 {
    let about_events =
        [ProviderCall::ReadEvents, ProviderCall::FetchEvents, ProviderCall::FetchEvent, ProviderCall::FetchInstances];
    about_events.into_iter().map(|call| calls(world, call)).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_series_costs_three_requests_and_nothing_changed_costs_one() {
    let world = World::with::<Graph>(WorldOptions { events: 0, ..WorldOptions::default() }).await;
    let (_account, id) = world.connect_and_mirror().await;
    let calendar = control(&world).default_calendar(USER).unwrap();
    let series = control(&world).insert_event(&calendar, weekly("Standup")).unwrap()["id"].as_str().unwrap().to_owned();
    mirror::equals_provider(&world, id).await;
    let idle = async || {
        eventually("nothing is being read", || async {
            let status = world.status(id).await;
            if status.syncing { Err(status) } else { Ok(()) }
        })
        .await;
    };
    let repeated = async || histories::repeated_attempts(&world, &names::subscription_id(id)).await;
    idle().await;
    let (before, repeated_before) = (requests(&world), repeated().await);
    control(&world).delete_event(&calendar, &occurrences(&world, &calendar, &series)[3].id).unwrap();
    mirror::equals_provider(&world, id).await;
    idle().await;
    let (made, again) = (requests(&world) - before, repeated().await - repeated_before);
    assert!((3..=3 * (1 + again)).contains(&made), "{made} requests, {again} attempts repeated");

    let (before, repeated_before) = (requests(&world), repeated().await);
    world.api(Method::POST, &format!("/v1/calendars/{id}/sync"), None).await.unwrap();
    idle().await;
    let (made, again) = (requests(&world) - before, repeated().await - repeated_before);
    assert!((1..=1 + again).contains(&made), "{made} requests, {again} attempts repeated");
    world.end().await;
}
