//! Losing a calendar, quotas, free/busy and batches.

use evercal_simulator::{AccessRole, CalendarAccess, QuotaLimits};
use reqwest::header;
use serde_json::json;

use crate::support::{ADA, BEN, World, ids, meeting};

fn access(role: Option<AccessRole>) -> CalendarAccess {
    CalendarAccess { calendar: BEN.to_owned(), user: ADA.to_owned(), role }
}

#[tokio::test]
async fn a_calendar_that_is_no_longer_shared_is_not_found_and_leaves_the_list() {
    let world = World::start().await;
    let path = format!("calendars/{BEN}/events");
    world.get(&path).await.fails(404, "notFound");
    world.control.set_access(&access(Some(AccessRole::Writer))).unwrap();
    world.get(&path).await.ok();
    let list = world.get("users/me/calendarList").await.ok();
    let token = list["nextSyncToken"].as_str().unwrap();
    world.control.set_access(&access(None)).unwrap();
    world.get(&path).await.fails(404, "notFound");
    let changed = world.get(&format!("users/me/calendarList?syncToken={token}")).await.ok();
    assert_eq!(changed["items"][0]["deleted"], true);
}

#[tokio::test]
async fn a_closed_calendar_is_forbidden_and_not_in_the_list() {
    let world = World::start().await;
    world.control.set_access(&access(Some(AccessRole::Reader))).unwrap();
    world.control.set_access(&access(Some(AccessRole::None))).unwrap();
    world.get(&format!("calendars/{BEN}/events")).await.fails(403, "forbidden");
    let list = world.get("users/me/calendarList").await.ok();
    assert_eq!(ids(list["items"].as_array().unwrap()), [ADA]);
    world.get(&format!("users/me/calendarList/{BEN}")).await.fails(404, "notFound");
}

#[tokio::test]
async fn the_quota_refuses_in_both_of_its_forms() {
    let world = World::start().await;
    for (status, reason) in [(403, "userRateLimitExceeded"), (429, "rateLimitExceeded")] {
        let limits = QuotaLimits { per_user_per_minute: Some(2), per_project_per_minute: None, status };
        world.control.set_quota(limits).unwrap();
        world.list("").await.ok();
        world.list("").await.ok();
        world.list("").await.fails(status, reason);
        // Another user is charged for this one.
        world.list("quotaUser=other").await.ok();
    }
    let limits = QuotaLimits { per_project_per_minute: Some(1), ..QuotaLimits::default() };
    world.control.set_quota(limits).unwrap();
    world.list("").await.ok();
    world.list("").await.fails(403, "rateLimitExceeded");
}

#[tokio::test]
async fn busy_times_are_joined_and_transparent_events_left_out() {
    let world = World::start().await;
    world.insert(meeting("A", "2026-03-02T09:00:00")).await;
    world.insert(meeting("B", "2026-03-02T09:30:00")).await;
    let mut free = meeting("Free", "2026-03-02T15:00:00");
    free["transparency"] = json!("transparent");
    world.insert(free).await;
    let query = json!({"timeMin": "2026-03-02T00:00:00Z", "timeMax": "2026-03-03T00:00:00Z",
        "items": [{"id": "primary"}, {"id": BEN}]});
    let answer = world.post("freeBusy", query).await.ok();
    let busy = &answer["calendars"]["primary"]["busy"];
    assert_eq!(*busy, json!([{"start": "2026-03-02T08:00:00Z", "end": "2026-03-02T09:30:00Z"}]));
    assert_eq!(answer["calendars"][BEN]["errors"][0]["reason"], "notFound");
    let many: Vec<_> = (0..51).map(|n| json!({"id": n.to_string()})).collect();
    let query = json!({"timeMin": "2026-03-02T00:00:00Z", "timeMax": "2026-03-03T00:00:00Z", "items": many});
    world.post("freeBusy", query).await.fails(400, "tooManyCalendarsRequested");
}

#[tokio::test]
async fn each_part_of_a_batch_has_its_own_status_and_counts_as_a_call() {
    let world = World::start().await;
    let part = |id: u32, call: &str| {
        format!("--b\r\nContent-Type: application/http\r\nContent-ID: <{id}>\r\n\r\n{call} HTTP/1.1\r\n\r\n\r\n")
    };
    let body = [
        part(1, "GET /calendar/v3/calendars/primary/events"),
        part(2, "GET /calendar/v3/calendars/primary/events/missing"),
        "--b--".to_owned(),
    ]
    .concat();
    let response = world
        .http
        .post(format!("{}batch/calendar/v3", world.simulator.root_url()))
        .bearer_auth(&world.token)
        .header(header::CONTENT_TYPE, "multipart/mixed; boundary=b")
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let text = response.text().await.unwrap();
    let second = text.find("<response-2>").unwrap();
    assert!(text.find("HTTP/1.1 200 OK").unwrap() < second, "{text}");
    assert!(text.find("HTTP/1.1 404 Not Found").unwrap() > second, "{text}");
    let counts = world.control.calls().unwrap().counts;
    assert_eq!((counts["calendar.events.list"], counts["calendar.events.get"]), (1, 1));
}
