//! What Google does to a mirror within the rules: free/busy readers, special events, addresses that change, and series that
//! come back. The mirror has to be what the provider shows.

use evercal_domain::CalendarId;
use evercal_http::Method;
use evercal_simulator::{AccessRole, AddressChange, CalendarAccess, NewCalendar, NewUser, Quirks};
use evercal_tests::{Google, USER, World, WorldOptions, discover, eventually, mirror, shown};
use serde_json::{Map, Value, json};

use super::control;

const BEN: &str = "ben@example.com";

fn options() -> WorldOptions {
    WorldOptions { events: 0, ..WorldOptions::default() }
}

fn fields(value: Value) -> Map<String, Value> {
    let Value::Object(fields) = value else { panic!("no object: {value}") };
    fields
}

fn insert(world: &World, calendar: &str, event: Value) -> String {
    let stored = control(world).insert_event(calendar, fields(event)).unwrap();
    stored["id"].as_str().unwrap().to_owned()
}

fn patch(world: &World, calendar: &str, event: &str, change: Value) {
    control(world).patch_event(calendar, event, fields(change)).unwrap();
}

/// Tuesdays at nine in Berlin from 2026-03-17 on.
fn series(title: &str, rule: &str) -> Value {
    json!({
        "summary": title,
        "start": {"dateTime": "2026-03-17T09:00:00", "timeZone": "Europe/Berlin"},
        "end": {"dateTime": "2026-03-17T10:00:00", "timeZone": "Europe/Berlin"},
        "recurrence": [format!("RRULE:{rule}")],
    })
}

fn moved_to(from: &str, to: &str) -> Value {
    let point = |at: &str| json!({"dateTime": at, "timeZone": "Europe/Berlin"});
    json!({"start": point(from), "end": point(to)})
}

/// A calendar of Ben's of which Ada sees only when he is busy.
fn free_busy_calendar(world: &World) -> String {
    let control = control(world);
    let ben = NewUser { email: BEN.to_owned(), name: "Ben".to_owned(), time_zone: "Europe/Berlin".to_owned() };
    control.create_user(&ben).unwrap();
    let calendar = NewCalendar {
        owner: BEN.to_owned(),
        summary: "Team".to_owned(),
        time_zone: "Europe/Berlin".to_owned(),
        id: None,
        watchable: true,
    };
    let calendar = control.create_calendar(&calendar).unwrap();
    share(world, &calendar, AccessRole::FreeBusyReader);
    calendar
}

fn share(world: &World, calendar: &str, role: AccessRole) {
    let access = CalendarAccess { calendar: calendar.to_owned(), user: USER.to_owned(), role: Some(role) };
    world.control().set_access(&access).unwrap();
}

/// What the API and the provider show between two instants: single places in time, so that a range in years to come is
/// compared too.
async fn shows_the_same(world: &World, calendar: CalendarId, provider_id: &str, from: &str, to: &str) -> usize {
    let days = shown::Days { from: from.to_owned(), to: to.to_owned() };
    eventually("the API shows what the provider shows", || async {
        let ours = shown::by_us(calendar, &days, async |path: &str| world.api(Method::GET, path, None).await).await;
        let ours = ours.map_err(|error| vec![error.to_string()])?;
        let theirs = world.control().occurrences_for(provider_id, USER, from, to).unwrap();
        shown::compare(&shown::by_provider(&theirs), &ours)?;
        Ok::<_, Vec<String>>(ours.len())
    })
    .await
}

/// The instances of a series come one by one, and only their ids say where in the series they are.
#[tokio::test(flavor = "multi_thread")]
async fn a_calendar_of_which_only_busy_times_are_seen_is_mirrored_years_ahead() {
    for free_busy_without_original_start in [false, true] {
        let world = World::with::<Google>(options()).await;
        let quirks = Quirks { free_busy_without_original_start, page_items_max: 50, ..Quirks::default() };
        control(&world).set_quirks(quirks).unwrap();
        let team = free_busy_calendar(&world);
        let weekly = insert(&world, &team, series("Stand-up", "FREQ=WEEKLY"));
        let whole_days = json!({"summary": "Off", "start": {"date": "2026-03-20"}, "end": {"date": "2026-03-22"},
            "recurrence": ["RRULE:FREQ=MONTHLY;COUNT=40"]});
        let monthly = insert(&world, &team, whole_days);
        insert(&world, &team, json!({"start": {"date": "2029-01-01"}, "end": {"date": "2029-01-02"}}));
        world.connect().await;
        let calendar = world.calendar_of(&team).await.id;
        world.wait_until_mirrored(calendar).await;
        let quarantined = world.store.quarantined(calendar, 10).await.unwrap();
        assert!(quarantined.is_empty(), "{quarantined:?}");
        let in_2029 = ("2029-01-01T00:00:00Z", "2029-04-01T00:00:00Z");
        let found = shows_the_same(&world, calendar, &team, in_2029.0, in_2029.1).await;
        assert!(found >= 15, "13 weeks, 3 months and a day: {found}");

        patch(
            &world,
            &team,
            &format!("{weekly}_20261201T080000Z"),
            moved_to("2026-12-02T14:00:00", "2026-12-02T15:00:00"),
        );
        world.control().delete_event(&team, &format!("{weekly}_20261208T080000Z")).unwrap();
        world.control().delete_event(&team, &format!("{monthly}_20290120")).unwrap();
        mirror::equals_provider(&world, calendar).await;
        shows_the_same(&world, calendar, &team, in_2029.0, in_2029.1).await;
        // The whole series moves, and then ends before those years.
        patch(&world, &team, &weekly, moved_to("2026-03-17T11:00:00", "2026-03-17T12:00:00"));
        mirror::equals_provider(&world, calendar).await;
        patch(&world, &team, &weekly, json!({"recurrence": ["RRULE:FREQ=WEEKLY;COUNT=60"]}));
        mirror::equals_provider(&world, calendar).await;
        let left = shows_the_same(&world, calendar, &team, in_2029.0, in_2029.1).await;
        assert!(left <= 3, "{left}");
        // More to see, and less again.
        share(&world, &team, AccessRole::Reader);
        patch(&world, &team, &monthly, json!({"summary": "Away"}));
        mirror::equals_provider(&world, calendar).await;
        share(&world, &team, AccessRole::FreeBusyReader);
        world.control().delete_event(&team, &monthly).unwrap();
        mirror::equals_provider(&world, calendar).await;
        world.control().delete_event(&team, &weekly).unwrap();
        mirror::equals_provider(&world, calendar).await;
        assert_eq!(world.store.calendar(calendar).await.unwrap().unwrap().event_count, 1);
        mirror::follows_from_its_changes(&*world.store, calendar).await;
        world.end().await;
    }
}

/// Google lists all of them where nobody asks for some.
#[tokio::test(flavor = "multi_thread")]
async fn special_events_are_mirrored_with_their_type_and_count_as_busy_as_the_provider_says() {
    let world = World::with::<Google>(options()).await;
    let timed = |fields: Value| {
        let mut event = moved_to("2026-12-01T09:00:00", "2026-12-01T10:00:00");
        event.as_object_mut().unwrap().extend(self::fields(fields));
        event
    };
    insert(&world, USER, timed(json!({"summary": "default"})));
    insert(&world, USER, timed(json!({"summary": "focusTime", "eventType": "focusTime", "focusTimeProperties": {}})));
    let away = json!({"summary": "outOfOffice", "eventType": "outOfOffice", "outOfOfficeProperties": {}});
    insert(&world, USER, timed(away));
    let at_home = json!({"summary": "workingLocation", "eventType": "workingLocation", "visibility": "public",
        "transparency": "transparent", "workingLocationProperties": {"type": "homeOffice"},
        "start": {"date": "2026-12-01"}, "end": {"date": "2026-12-02"}});
    insert(&world, USER, at_home);
    let birthday = json!({"summary": "birthday", "eventType": "birthday", "visibility": "private",
        "transparency": "transparent", "recurrence": ["RRULE:FREQ=YEARLY"],
        "start": {"date": "1999-12-01"}, "end": {"date": "1999-12-02"}});
    insert(&world, USER, birthday);
    let flight = json!({"id": "flight1", "status": "confirmed", "summary": "fromGmail", "eventType": "fromGmail",
        "start": {"dateTime": "2026-12-01T12:00:00+01:00"}, "end": {"dateTime": "2026-12-01T14:00:00+01:00"}});
    control(&world).put_raw_event(USER, fields(flight)).unwrap();
    let (_account, calendar) = world.connect_and_mirror().await;
    mirror::equals_provider(&world, calendar).await;
    let path = format!("/v1/calendars/{calendar}/events?from=2026-12-01T00:00:00Z&to=2026-12-02T00:00:00Z");
    let page = world.api(Method::GET, &path, None).await.unwrap();
    let mut found: Vec<(String, Value, bool, bool)> = page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| {
            let title = event["title"].as_str().unwrap().to_owned();
            (title, event["event_type"].clone(), event["busy"].as_bool().unwrap(), event["private"].as_bool().unwrap())
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    let is = |kind: &str, busy: bool, private: bool| {
        let event_type = if kind == "default" { Value::Null } else { json!(kind) };
        (kind.to_owned(), event_type, busy, private)
    };
    let expected = [
        is("birthday", false, true),
        is("default", true, false),
        is("focusTime", true, false),
        is("fromGmail", true, false),
        is("outOfOffice", true, false),
        is("workingLocation", false, false),
    ];
    assert_eq!(found, expected);
    world.end().await;
}

/// The id of a primary calendar is its owner's address. Readers of the mirror keep theirs.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_whose_address_changed_keeps_the_mirror() {
    for keeps_alias in [false, true] {
        let world = World::start::<Google>().await;
        let (account, calendar) = world.connect_and_mirror().await;
        let before = world.store.calendar(calendar).await.unwrap().unwrap();
        let email = "lovelace@example.com";
        control(&world).change_address(USER, &AddressChange { email: email.to_owned(), keeps_alias }).unwrap();
        discover(&world, account).await;
        eventually("the calendar is known by its new id", || async {
            let row = world.store.calendar(calendar).await.unwrap().unwrap();
            if row.remote.provider_id.as_str() == email { Ok(()) } else { Err(row) }
        })
        .await;
        insert(&world, email, series("After", "FREQ=WEEKLY;COUNT=3"));
        mirror::equals_provider(&world, calendar).await;
        world.wait_until_mirrored(calendar).await;
        let calendars = world.store.calendars_of_account(account).await.unwrap();
        assert_eq!(calendars.len(), 1, "no second calendar: {calendars:?}");
        assert_eq!(calendars[0].id, before.id);
        // Who consents again does so under the new address, and is the same person.
        let again = json!({"label": "Ada", "login_hint": email, "account_id": account.to_string()});
        world.try_connect(again).await.unwrap();
        world.control().expire_access_tokens(Some(email)).unwrap();
        insert(&world, email, series("After the consent", "FREQ=WEEKLY;COUNT=3"));
        mirror::equals_provider(&world, calendar).await;
        world.wait_until_mirrored(calendar).await;
        world.end().await;
    }
}

/// With their master, exceptions go, and with it they come back: moved ones moved, cancelled ones cancelled, and each on a
/// page of its own before it.
#[tokio::test(flavor = "multi_thread")]
async fn a_series_that_is_restored_has_its_exceptions_again() {
    for silent_exception_removal in [false, true] {
        let world = World::with::<Google>(options()).await;
        let quirks = Quirks { silent_exception_removal, page_items_max: 1, ..Quirks::default() };
        control(&world).set_quirks(quirks).unwrap();
        let id = insert(&world, USER, series("Stand-up", "FREQ=WEEKLY;COUNT=60"));
        patch(&world, USER, &format!("{id}_20261201T080000Z"), moved_to("2026-12-02T14:00:00", "2026-12-02T15:00:00"));
        world.control().delete_event(USER, &format!("{id}_20261208T080000Z")).unwrap();
        let (_account, calendar) = world.connect_and_mirror().await;
        mirror::equals_provider(&world, calendar).await;
        world.control().delete_event(USER, &id).unwrap();
        mirror::equals_provider(&world, calendar).await;
        assert_eq!(world.store.calendar(calendar).await.unwrap().unwrap().event_count, 0);
        patch(&world, USER, &id, json!({"status": "confirmed"}));
        mirror::equals_provider(&world, calendar).await;
        let december = ("2026-12-01T00:00:00Z", "2026-12-15T00:00:00Z");
        assert_eq!(shows_the_same(&world, calendar, USER, december.0, december.1).await, 1, "the moved one alone");
        mirror::follows_from_its_changes(&*world.store, calendar).await;
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn google_410_starts_full_pass_and_shows_in_status() {
    let world = World::start::<Google>().await;
    let (_account, calendar) = world.connect_and_mirror().await;
    world.control().expire_sync_tokens(USER).unwrap();
    world.change_events(USER, 9).await;
    mirror::equals_provider(&world, calendar).await;
    eventually("the status shows the full pass", || async {
        let status = world.api(Method::GET, &format!("/v1/calendars/{calendar}/status"), None).await.unwrap();
        let runs = status["recent_syncs"].as_array().unwrap();
        let is_shown = runs
            .iter()
            .any(|run| run["detail"].as_str().is_some_and(|detail| detail.contains("everything was read again")));
        if is_shown { Ok(()) } else { Err(status) }
    })
    .await;
    world.end().await;
}
