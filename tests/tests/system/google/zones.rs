//! Clocks that changed: of zones whose rules are new, and of a machine that gets newer zone data.
//!
//! The simulated provider has zone data and code of its own, so that what both show is right.

use chrono::{DateTime, Utc};
use evercal_domain::zones::{self, ZoneDataVersion};
use evercal_domain::{CalendarId, ProviderEventId};
use evercal_http::Method;
use evercal_mirror::OwnerOccurrences;
use evercal_simulator::TruePosition;
use evercal_storage::{Expanded, WindowNow};
use evercal_tests::{Google, USER, World, WorldOptions, eventually, shown};
use serde_json::{Map, Value, json};

use super::control;

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

/// Nine to ten o'clock on Mondays, from before the clocks changed on; one Monday in December is cancelled, the next moved.
fn insert_mondays(world: &World, zone: &str) -> String {
    let at = |day: &str, hour: u32| json!({"dateTime": format!("{day}T{hour:02}:00:00"), "timeZone": zone});
    let control = control(world);
    let event = json!({
        "summary": zone,
        "start": at("2026-09-07", 9),
        "end": at("2026-09-07", 10),
        "recurrence": ["RRULE:FREQ=WEEKLY", format!("EXDATE;TZID={zone}:20261221T090000")],
    });
    let id = control.insert_event(USER, object(&event)).unwrap()["id"].as_str().unwrap().to_owned();
    let instances = control.occurrences(USER, "2026-12-01T00:00:00Z", "2026-12-31T00:00:00Z").unwrap();
    let instance = |day: &str| {
        let is_it = |at: &TruePosition| at.series == id && at.original_start.starts_with(day);
        instances.iter().find(|one| one.occurrence_of.as_ref().is_some_and(is_it)).unwrap().id.clone()
    };
    control.delete_event(USER, &instance("2026-12-07")).unwrap();
    let moved = json!({"start": at("2026-12-15", 11), "end": at("2026-12-15", 12)});
    control.patch_event(USER, &instance("2026-12-14"), object(&moved)).unwrap();
    id
}

async fn starts(world: &World, calendar: CalendarId, title: &str, from: &str, to: &str) -> Vec<DateTime<Utc>> {
    let path = format!("/v1/calendars/{calendar}/events?limit=500&from={from}&to={to}");
    let page = world.api(Method::GET, &path, None).await.unwrap();
    let of_title = |item: &&Value| item["title"] == title;
    let start = |item: &Value| item["start"]["date_time"].as_str().unwrap().parse().unwrap();
    page["items"].as_array().unwrap().iter().filter(of_title).map(start).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn series_in_zones_with_new_clocks_are_shown_as_the_provider_shows_them() {
    let world = World::with::<Google>(WorldOptions { events: 0, ..WorldOptions::default() }).await;
    let zones = ["America/Vancouver", "America/Havana", "Africa/Casablanca", "GMT+02:00", "UTC-5", "Etc/GMT+3"];
    for zone in zones {
        insert_mondays(&world, zone);
    }
    let (_account, calendar) = world.connect_and_mirror().await;
    eventually("the mirror shows what the provider shows", || shown::shows_what_the_provider_shows(&world, calendar))
        .await;
    // What the provider shows is not taken from its own data here.
    for (zone, hour) in [
        ("America/Vancouver", 16),
        ("America/Havana", 13),
        ("Africa/Casablanca", 9),
        ("GMT+02:00", 7),
        ("UTC-5", 14),
        ("Etc/GMT+3", 12),
    ] {
        let found = starts(&world, calendar, zone, "2026-12-01T00:00:00Z", "2026-12-31T00:00:00Z").await;
        let at = |text: String| text.parse::<DateTime<Utc>>().unwrap();
        let expected = [at(format!("2026-12-15T{:02}:00:00Z", hour + 2)), at(format!("2026-12-28T{hour:02}:00:00Z"))];
        assert_eq!(found, expected, "{zone}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn series_that_stand_by_older_zone_data_are_expanded_again_without_a_restart() {
    let world = World::with::<Google>(WorldOptions { events: 0, ..WorldOptions::default() }).await;
    let id = insert_mondays(&world, "America/Vancouver");
    let (_account, calendar) = world.connect_and_mirror().await;
    let found =
        async || starts(&world, calendar, "America/Vancouver", "2026-12-01T00:00:00Z", "2027-02-01T00:00:00Z").await;
    let status = async || {
        let path = format!("/v1/calendars/{calendar}/status");
        world.api(Method::GET, &path, None).await.unwrap()["zone_data"].as_str().map(str::to_owned)
    };
    let before = eventually("the series is mirrored", || async {
        let found = found().await;
        if found.is_empty() { Err(found) } else { Ok(found) }
    })
    .await;
    assert_eq!(status().await.as_deref(), Some(zones::version().as_str()));

    // As older data would have left it: other times, here none at all.
    let older = ZoneDataVersion::read("2020a").unwrap();
    let nothing = [OwnerOccurrences { owner: ProviderEventId::new(id), occurrences: vec![] }];
    let expanded = Expanded { occurrences: &nothing, zone_data: &older, window: WindowNow::Same };
    eventually("no sync is in between", || async {
        let revision = world.store.sync_position(calendar).await.unwrap().revision;
        world.store.replace_occurrences(calendar, revision, &expanded).await.map_err(|error| error.to_string())
    })
    .await;

    eventually("the series is expanded again", || async {
        let (found, status) = (found().await, status().await);
        if found == before && status.as_deref() == Some(zones::version().as_str()) {
            Ok(())
        } else {
            Err((found, status))
        }
    })
    .await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_dates_in_an_unknown_zone_costs_that_line_and_is_a_warning_of_the_event() {
    let world = World::with::<Google>(WorldOptions { events: 0, ..WorldOptions::default() }).await;
    let at = |hour: u32| json!({"dateTime": format!("2026-12-01T{hour:02}:00:00"), "timeZone": "Europe/Berlin"});
    let event = json!({
        "summary": "daily",
        "start": at(9),
        "end": at(10),
        "recurrence": [
            "RRULE:FREQ=DAILY;COUNT=5",
            "EXDATE;TZID=Mars/Olympus:20261202T090000",
            "EXDATE;TZID=GMT+01:00:20261203T090000",
            "EXDATE;TZID=UTC-5:20261204T030000",
        ],
    });
    control(&world).insert_event(USER, object(&event)).unwrap();
    let (_account, calendar) = world.connect_and_mirror().await;
    let found = eventually("the series is mirrored", || async {
        let found = starts(&world, calendar, "daily", "2026-12-01T00:00:00Z", "2026-12-31T00:00:00Z").await;
        if found.is_empty() { Err(found) } else { Ok(found) }
    })
    .await;
    let days = [1, 2, 5].map(|day| format!("2026-12-{day:02}T08:00:00Z").parse::<DateTime<Utc>>().unwrap());
    assert_eq!(found, days);
    let path = format!("/v1/calendars/{calendar}/events?from=2026-12-01T00:00:00Z&to=2026-12-31T00:00:00Z");
    let page = world.api(Method::GET, &path, None).await.unwrap();
    let warnings = &page["items"][0]["warnings"];
    assert!(warnings[0].as_str().unwrap().contains("unknown time zone"), "{page:#}");
    let status = world.api(Method::GET, &format!("/v1/calendars/{calendar}/status"), None).await.unwrap();
    assert_eq!(status["warnings"][0]["event_id"], page["items"][0]["series_id"], "{status:#}");
    assert_eq!(&status["warnings"][0]["warnings"], warnings);
    assert_eq!(status["quarantined"], json!([]));
    world.end().await;
}
