//! The reading side of the API, and syncs that somebody asks for.

use std::time::Duration;

use axum::http::{Method, Request};
use evercal_domain::calendar::LastSync;
use evercal_domain::event::{Event, EventTime, SeriesPosition};
use evercal_domain::journal::{AuditEntry, AuditKind};
use evercal_domain::{
    CalendarId, CalendarState, Clock, ProviderErrorKind, ProviderEventId, RemoteItem, SyncReason, SystemClock, Via,
};
use evercal_mirror::{Ends, Expansion, Window};
use evercal_storage::{Cursor, OccurrenceRange, PageCommit, PassFinish, SeriesRows, StateRecord};
use evercal_workflow_client::WorkflowError;
use evercal_workflows::contract::{Cause, Failure, SyncNowResult};
use serde_json::{Value, json};

use crate::support::{Call, Customer, World, bearer, eventually};

fn instant(text: &str) -> EventTime {
    EventTime::Instant { at: text.parse().unwrap(), zone: evercal_domain::Zone::of_iana("Europe/Berlin") }
}

pub fn event(id: &str, start: EventTime, end: EventTime) -> Event {
    Event { title: Some(format!("title of {id}")), ..Event::minimal(ProviderEventId::new(id), start, end) }
}

/// Commits a mirror: a single event, an all-day one, and an occurrence of a series that was moved.
async fn fill(world: &World, calendar: CalendarId) {
    let day = |text: &str| EventTime::Date { date: text.parse().unwrap() };
    let single = event("single", instant("2026-06-10T08:00:00Z"), instant("2026-06-10T09:00:00Z"));
    let all_day = event("all-day", day("2026-06-10"), day("2026-06-11"));
    let position =
        SeriesPosition { master_id: ProviderEventId::new("master"), original_start: instant("2026-06-10T10:00:00Z") };
    let mut moved = event("moved", instant("2026-06-10T11:00:00Z"), instant("2026-06-10T12:00:00Z"));
    moved.series = Some(position);
    let now = SystemClock.now();
    let position = world.store.begin_full_pass(calendar, 0, 2_500).await.unwrap();
    let finish = PassFinish {
        confirmed_at: now,
        via: Via::Push,
        window_end: Some(now),
        last_sync: LastSync { finished_at: now, changes: 0, notice_to_stored_ms: Some(12) },
        run: None,
    };
    let items: Vec<_> = [single, all_day, moved].map(RemoteItem::from).into();
    let snapshot = world.store.snapshot(calendar, &position, &items, Ends::FullPass).await.unwrap();
    let plan = evercal_mirror::plan(
        items,
        Ends::FullPass,
        &snapshot,
        &Expansion::ByRules { zone: None, window: Window::around(now) },
    );
    let commit = PageCommit {
        calendar_id: calendar,
        expected_revision: position.revision,
        generation: position.generation,
        has_worklist: false,
        plan: &plan,
        window: OccurrenceRange {
            from: now,
            to: now,
            from_date: now.date_naive(),
            to_date: now.date_naive(),
            zone: evercal_domain::Zone::UTC,
            series: SeriesRows::All,
        },
        zone_data: &evercal_domain::zones::version(),
        cursor: &Cursor::ready("t"),
        finish: Some(finish),
        at: now,
    };
    world.store.commit_page(&commit).await.unwrap();
}

#[tokio::test]
async fn every_read_carries_its_freshness() {
    let world = World::running().await;
    let customer = world.customer().await;
    let path = format!(
        "/v1/calendars/{}/events?from=2026-06-10T00:00:00%2B02:00&to=2026-06-11T00:00:00%2B02:00",
        customer.calendar
    );
    let before = world.get(&customer.key, &path).await.json();
    assert_eq!((&before["confirmed_at"], &before["via"]), (&Value::Null, &Value::Null));
    fill(&world, customer.calendar).await;
    let after = world.get(&customer.key, &path).await.json();
    assert_eq!(after["via"], "push");
    assert!(after["confirmed_at"].as_str().unwrap().ends_with('Z'), "{after}");
    let status = world.get(&customer.key, &format!("/v1/calendars/{}/status", customer.calendar)).await.json();
    assert_eq!(status["confirmed_at"], after["confirmed_at"]);
    assert_eq!(status["event_count"], 3);
    assert_eq!(status["last_sync"]["notice_to_stored_ms"], 12);
    assert_eq!(status["workflow"]["id"], format!("subscription/{}", customer.calendar));
}

#[tokio::test]
async fn occurrences_come_with_stable_ids_and_times_in_their_zone() {
    let world = World::running().await;
    let customer = world.customer().await;
    fill(&world, customer.calendar).await;
    let path = format!("/v1/calendars/{}/events?from=2026-06-10T00:00:00Z&to=2026-06-11T00:00:00Z", customer.calendar);
    let answer = world.get(&customer.key, &path).await.json();
    let items = answer["items"].as_array().unwrap();
    let find =
        |id: &str| items.iter().find(|item| item["event_id"] == id).unwrap_or_else(|| panic!("{id} in {answer}"));
    assert_eq!(items.len(), 3);
    assert_eq!(find("single")["id"], "single");
    assert_eq!(
        find("single")["start"],
        json!({"date_time": "2026-06-10T10:00:00+02:00", "time_zone": "Europe/Berlin"})
    );
    assert_eq!(find("all-day")["start"], json!({"date": "2026-06-10"}));
    assert_eq!(find("moved")["id"], "master_20260610T100000Z");
    assert_eq!(find("moved")["series_id"], "master");
    assert_eq!(answer["next_cursor"], Value::Null);
}

#[tokio::test]
async fn paging_has_no_duplicate_and_no_gap_at_page_edges() {
    let world = World::running().await;
    let customer = world.customer().await;
    fill(&world, customer.calendar).await;
    let path =
        format!("/v1/calendars/{}/events?from=2026-06-10T00:00:00Z&to=2026-06-11T00:00:00Z&limit=1", customer.calendar);
    let (mut seen, mut next) = (Vec::new(), path.clone());
    loop {
        let page = world.get(&customer.key, &next).await.json();
        seen.extend(page["items"].as_array().unwrap().iter().map(|item| item["event_id"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(cursor) => next = format!("{path}&cursor={cursor}"),
            None => break,
        }
    }
    seen.sort();
    assert_eq!(seen, ["all-day", "moved", "single"]);
}

#[tokio::test]
async fn nobody_sees_what_belongs_to_another_tenant() {
    let world = World::running().await;
    let (mine, theirs) = (world.customer().await, world.customer().await);
    let window = "from=2026-06-10T00:00:00Z&to=2026-06-11T00:00:00Z";
    let (calendar, account) = (theirs.calendar, theirs.account);
    fill(&world, calendar).await;
    let requests = [
        (Method::GET, format!("/v1/accounts/{account}")),
        (Method::DELETE, format!("/v1/accounts/{account}")),
        (Method::POST, format!("/v1/accounts/{account}/refresh")),
        (Method::GET, format!("/v1/calendars/{calendar}")),
        (Method::GET, format!("/v1/calendars/{calendar}/status")),
        (Method::GET, format!("/v1/calendars/{calendar}/events?{window}")),
        (Method::GET, format!("/v1/calendars/{calendar}/events/single")),
        (Method::POST, format!("/v1/calendars/{calendar}/sync")),
        (Method::GET, format!("/v1/audit?calendar={calendar}")),
    ];
    for (method, path) in requests {
        let answer = world.send(method, &path, &bearer(&mine.key), axum::body::Body::empty()).await;
        assert_eq!(answer.problem(), 404, "{path}");
    }
    let reconnect = world.post(&mine.key, "/v1/oauth/google/start", &json!({"account_id": account})).await;
    assert_eq!(reconnect.problem(), 404);
    for (path, id) in [("/v1/accounts", mine.account.to_string()), ("/v1/calendars", mine.calendar.to_string())] {
        let list = world.get(&mine.key, path).await.json();
        assert_eq!(list["items"].as_array().unwrap().len(), 1);
        assert_eq!(list["items"][0]["id"], id);
    }
    let entry = |tenant_id, message: &str| AuditEntry {
        dedup_key: message.to_owned(),
        at: SystemClock.now(),
        kind: AuditKind::AlertRaised,
        tenant_id: Some(tenant_id),
        account_id: None,
        calendar_id: None,
        message: message.to_owned(),
    };
    world.store.append_audit(&entry(theirs.tenant, "theirs")).await.unwrap();
    world.store.append_audit(&entry(mine.tenant, "mine")).await.unwrap();
    let audit = world.get(&mine.key, "/v1/audit").await.json();
    let messages: Vec<&str> =
        audit["items"].as_array().unwrap().iter().filter_map(|item| item["message"].as_str()).collect();
    assert_eq!(messages, ["mine"]);
    assert_eq!(world.workflows.calls(), []);
}

/// A new route has to be put here, and with that into the test above or out of it for a reason.
#[tokio::test]
async fn each_route_with_a_key_is_known_to_the_test_of_what_tenants_may_see() {
    let tried = [
        "get /v1/accounts",
        "get /v1/accounts/{id}",
        "delete /v1/accounts/{id}",
        "post /v1/accounts/{id}/refresh",
        "get /v1/calendars",
        "get /v1/calendars/{id}",
        "get /v1/calendars/{id}/status",
        "get /v1/calendars/{id}/events",
        "get /v1/calendars/{id}/events/{event}",
        "post /v1/calendars/{id}/sync",
        "post /v1/oauth/{provider}/start",
        "get /v1/audit",
        // Counts of what nobody's key came with: they belong to no tenant, and show no source.
        "get /v1/security-events",
    ];
    let world = World::running().await;
    let description = world.get("", "/openapi.json").await.json();
    let mut described = Vec::new();
    for (path, operations) in description["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            if operation["security"].as_array().is_some_and(|ways| !ways.is_empty()) {
                described.push(format!("{method} {path}"));
            }
        }
    }
    described.sort();
    let mut tried: Vec<String> = tried.iter().map(|route| (*route).to_owned()).collect();
    tried.sort();
    assert_eq!(described, tried);
}

#[tokio::test]
async fn a_sync_that_was_asked_for_returns_its_outcome() {
    let world = World::running().await;
    let customer = world.customer().await;
    let path = format!("/v1/calendars/{}/sync", customer.calendar);
    let answers = [
        (Ok(SyncNowResult::Done { changes: 3 }), 200),
        (Ok(SyncNowResult::Failed(Failure::of(Cause::Provider(ProviderErrorKind::RateLimited)))), 502),
        (Err(WorkflowError::Rejected("the calendar is paused".into())), 409),
        (Err(WorkflowError::NotFound), 202),
    ];
    for (answer, status) in answers {
        *world.workflows.sync.lock().unwrap() = Some(answer);
        let answer = world.post(&customer.key, &path, &json!({})).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
}

#[tokio::test]
async fn a_sync_that_is_refused_says_what_the_calendar_needs() {
    let world = World::running().await;
    let customer = world.customer().await;
    let path = format!("/v1/calendars/{}/sync", customer.calendar);
    *world.workflows.sync.lock().unwrap() = Some(Err(WorkflowError::Rejected("marker: the workflow's words".into())));
    for (state, kind) in [
        (CalendarState::Live, "sync-refused"),
        (CalendarState::Paused, "calendar-paused"),
        (CalendarState::NeedsReauth, "calendar-needs-reauth"),
        (CalendarState::ActionRequired, "calendar-action-required"),
        (CalendarState::Closed, "calendar-closed"),
    ] {
        let record = StateRecord {
            calendar_id: customer.calendar,
            state,
            detail: None,
            channel_expires_at: None,
            at: SystemClock.now(),
        };
        world.store.record_state(&record).await.unwrap();
        let answer = world.post(&customer.key, &path, &json!({})).await;
        assert_eq!((answer.problem(), answer.kind().as_str()), (409, kind), "{state:?}");
        assert!(!answer.body.contains("marker"), "{}", answer.body);
    }
}

#[tokio::test]
async fn a_sync_that_nobody_takes_on_is_left_behind_as_a_signal() {
    let world = World::running().await;
    let customer = world.customer().await;
    let answer = world.post(&customer.key, &format!("/v1/calendars/{}/sync", customer.calendar), &json!({})).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["state"]), (202, &json!("underway")));
    assert_eq!(answer.headers["location"], format!("/v1/calendars/{}/status", customer.calendar));
    let [notify] = world.workflows.notifies(customer.calendar).try_into().unwrap();
    assert_eq!(notify.reason, SyncReason::Operator);
}

#[tokio::test]
async fn a_tenant_that_waits_for_too_many_syncs_leaves_room_for_others() {
    let mut world = World::new().await;
    world.config.limits.syncs_per_tenant_max = 1;
    // Longer than this test may take: whoever waits for a sync waits to its end.
    world.config.limits.sync_timeout = Duration::from_hours(1);
    world.start().await;
    let (greedy, other) = (world.customer().await, world.customer().await);
    let path = |customer: &Customer| format!("/v1/calendars/{}/sync", customer.calendar);
    let (greedy_path, other_path, body) = (path(&greedy), path(&other), json!({}));
    let ask_more = async {
        eventually(&true, async || world.workflows.calls().contains(&Call::SyncNow(greedy.calendar))).await;
        let further = world.post(&greedy.key, &greedy_path, &body);
        let further = tokio::time::timeout(Duration::from_secs(10), further).await.expect("nobody waits for this one");
        assert_eq!((further.status.as_u16(), &further.json()["state"]), (202, &json!("underway")));
        *world.workflows.sync.lock().unwrap() = Some(Ok(SyncNowResult::Done { changes: 0 }));
        assert_eq!(world.post(&other.key, &other_path, &body).await.status, 200);
    };
    tokio::select! {
        answer = world.post(&greedy.key, &greedy_path, &body) => panic!("nobody syncs this calendar: {answer:?}"),
        () = ask_more => {}
    }
}

#[tokio::test]
async fn a_gateway_that_stops_leaves_the_sync_behind_that_somebody_waits_for() {
    let mut world = World::new().await;
    // Longer than this test may take: only the stop ends the wait.
    world.config.limits.sync_timeout = Duration::from_hours(1);
    world.start().await;
    let customer = world.customer().await;
    let gateway = world.gateway.take().unwrap();
    let request = Request::post(format!("http://{}/v1/calendars/{}/sync", gateway.address(), customer.calendar))
        .header("authorization", format!("Bearer {}", customer.key))
        .body(axum::body::Body::empty())
        .unwrap();
    let asked_then_stopped = async {
        let is_asked = async || world.workflows.calls().contains(&Call::SyncNow(customer.calendar));
        eventually(&true, is_asked).await;
        gateway.stop().await;
        let reasons: Vec<_> = world.workflows.notifies(customer.calendar).iter().map(|notify| notify.reason).collect();
        assert_eq!(reasons, [SyncReason::Operator], "stopped, and the sync is left behind");
    };
    let (answer, ()) = tokio::join!(world.request(request), asked_then_stopped);
    assert_eq!((answer.status.as_u16(), &answer.json()["state"]), (202, &json!("underway")));
}

#[tokio::test]
async fn callers_that_ask_together_share_one_update() {
    let world = World::running().await;
    let customer = world.customer().await;
    *world.workflows.sync.lock().unwrap() = Some(Ok(SyncNowResult::Done { changes: 0 }));
    *world.workflows.delay.lock().unwrap() = Duration::from_millis(500);
    let path = format!("/v1/calendars/{}/sync", customer.calendar);
    let body = json!({});
    let answers = futures::future::join_all((0..20).map(|_| world.post(&customer.key, &path, &body))).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    let updates = world.workflows.calls().into_iter().filter(|call| matches!(call, Call::SyncNow(_))).count();
    assert!(updates <= 3, "{updates} updates");
}
