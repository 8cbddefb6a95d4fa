//! Events and calendars without delta.

use serde_json::json;

use super::*;
use crate::core::changes::{BulkChanges, ChangeNotices};

#[tokio::test]
async fn an_event_has_what_graph_writes() {
    let mailbox = Mailbox::start().await;
    let mut body = event("Lunch", "2027-03-02T12:00:00", "2027-03-02T13:00:00");
    body["body"] = json!({"contentType": "text", "content": "Bring <cake>"});
    body["location"] = json!({"displayName": "Room Elm"});
    body["isOnlineMeeting"] = json!(true);
    body["attendees"] = json!([{"type": "optional", "emailAddress": {"address": "ben@example.com", "name": "Ben"}}]);
    let id = mailbox.create(&body).await;
    let shown = mailbox.get(&format!("me/events/{id}")).await.expect(200);
    for (field, expected) in [
        ("subject", json!("Lunch")),
        ("type", json!("singleInstance")),
        ("originalStartTimeZone", json!("W. Europe Standard Time")),
        ("start", json!({"dateTime": "2027-03-02T11:00:00.0000000", "timeZone": "UTC"})),
        ("showAs", json!("busy")),
        ("sensitivity", json!("normal")),
        ("isOrganizer", json!(true)),
        ("isCancelled", json!(false)),
        ("bodyPreview", json!("Bring <cake>")),
        ("onlineMeetingProvider", json!("teamsForBusiness")),
        ("organizer", json!({"emailAddress": {"name": "Ada Lin", "address": ADA}})),
        ("recurrence", json!(null)),
    ] {
        assert_eq!(shown[field], expected, "{field}");
    }
    assert_eq!(shown["location"]["displayName"], "Room Elm");
    assert_eq!(shown["locations"][0]["displayName"], "Room Elm");
    assert_eq!(shown["attendees"][0]["status"]["response"], "none");
    assert_eq!(shown["body"]["contentType"], "html");
    assert!(shown["onlineMeeting"]["joinUrl"].as_str().unwrap().starts_with("https://teams."));
    assert_eq!(shown["@odata.etag"], json!(format!("W/\"{}\"", shown["changeKey"].as_str().unwrap())));
    let prefer = [IMMUTABLE, r#"outlook.timezone="Tokyo Standard Time", outlook.body-content-type="text""#];
    let path = format!("me/calendar/events/{id}");
    let shown = mailbox.call(Method::GET, &path, &prefer, None).await.expect(200);
    assert_eq!(shown["start"], json!({"dateTime": "2027-03-02T20:00:00.0000000", "timeZone": "Tokyo Standard Time"}));
    assert_eq!(shown["body"], json!({"contentType": "text", "content": "Bring <cake>"}));
    mailbox.quirks(Quirks { html_bodies_always: true, ..Quirks::default() });
    let shown = mailbox.call(Method::GET, &path, &prefer, None).await.expect(200);
    assert_eq!(shown["body"]["contentType"], "html");
}

#[tokio::test]
async fn ids_have_two_forms_that_both_work() {
    let mailbox = Mailbox::start().await;
    let body = event("Lunch", "2027-03-02T12:00:00", "2027-03-02T13:00:00");
    let plain = id(&mailbox.call(Method::POST, "me/events", &[], Some(&body)).await.expect(201));
    let immutable = id(&mailbox.get(&format!("me/events/{plain}")).await.expect(200));
    assert_ne!(plain, immutable);
    mailbox.get(&format!("me/events/{immutable}")).await.expect(200);
    assert_eq!(mailbox.get("me/events/nonsense").await.code(), "ErrorInvalidIdMalformed");
    assert_eq!(mailbox.get(&format!("me/events/{}", plain.to_uppercase())).await.status, 400);
}

#[tokio::test]
async fn a_repeated_transaction_gives_the_first_event() {
    let mailbox = Mailbox::start().await;
    let mut body = event("Once", "2027-03-02T12:00:00", "2027-03-02T13:00:00");
    body["transactionId"] = json!("7e5ad0f6");
    let first = mailbox.create(&body).await;
    body["subject"] = json!("Twice");
    let second = mailbox.post("me/events", &body).await.expect(201);
    assert_eq!((id(&second), second["subject"].as_str()), (first, Some("Once")));
    assert_eq!(mailbox.all("me/events").await.len(), 1);
}

#[tokio::test]
async fn another_version_is_a_conflict() {
    let mailbox = Mailbox::start().await;
    let id = mailbox.create(&event("Once", "2027-03-02T12:00:00", "2027-03-02T13:00:00")).await;
    let url = mailbox.url(&format!("me/events/{id}"));
    let etag = mailbox.get(&url).await.expect(200)["@odata.etag"].as_str().unwrap().to_owned();
    let patch = |etag: String| {
        let request = mailbox.http.patch(&url).bearer_auth(&mailbox.token).header("if-match", etag);
        request.json(&json!({"subject": "Changed"})).send()
    };
    assert_eq!(patch(etag.clone()).await.unwrap().status(), 200);
    assert_eq!(patch(etag).await.unwrap().status(), 412);
}

#[tokio::test]
async fn lists_have_pages_of_ten() {
    let mailbox = Mailbox::start().await;
    for number in 0..12 {
        mailbox.create(&event(&format!("{number:02}"), "2027-03-02T12:00:00", "2027-03-02T13:00:00")).await;
    }
    let page = mailbox.get("me/events?$orderby=subject desc&$select=subject").await.expect(200);
    assert_eq!(page["value"].as_array().unwrap().len(), 10);
    assert_eq!(page["value"][0]["subject"], "11");
    assert_eq!(page["value"][0].get("start"), None);
    let next = mailbox.get(page["@odata.nextLink"].as_str().unwrap()).await.expect(200);
    assert_eq!(next["value"][1]["subject"], "00");
    assert_eq!(next.get("@odata.nextLink"), None);
    assert_eq!(mailbox.get("me/events?$top=500").await.expect(200)["value"].as_array().unwrap().len(), 12);
}

#[tokio::test]
async fn instances_and_views_are_whole_and_have_no_cancelled_ones() {
    let mailbox = Mailbox::start().await;
    let series = mailbox.create(&mondays()).await;
    let path = format!("me/events/{series}/instances?{WINDOW}");
    let instances = mailbox.all(&path).await;
    assert_eq!(kinds(&instances), ["occurrence"; 5]);
    assert!(instances.iter().all(|instance| instance["subject"] == "Mondays"));
    let uids: std::collections::BTreeSet<&str> = instances.iter().map(|one| one["iCalUId"].as_str().unwrap()).collect();
    assert_eq!(uids.len(), 5);
    mailbox.delete(&format!("me/events/{}", id(&instances[1]))).await.expect(204);
    mailbox.patch(&format!("me/events/{}", id(&instances[2])), &json!({"subject": "Other"})).await.expect(200);
    assert_eq!(kinds(&mailbox.all(&path).await), ["occurrence", "exception", "occurrence", "occurrence"]);
    mailbox.create(&event("Single", "2027-03-02T12:00:00", "2027-03-02T13:00:00")).await;
    let view = mailbox.all(&format!("me/calendarView?{WINDOW}")).await;
    assert_eq!(kinds(&view), ["occurrence", "singleInstance", "exception", "occurrence", "occurrence"]);
    let range = "startDateTime=2027-01-01T00:00:00Z&endDateTime=2033-01-01T00:00:00Z";
    assert_eq!(mailbox.get(&format!("me/calendarView?{range}")).await.status, 400);
}

#[tokio::test]
async fn the_whole_day_of_a_series_is_a_day() {
    let mailbox = Mailbox::start().await;
    let mut body = event("Payday", "2027-01-31T00:00:00", "2027-02-01T00:00:00");
    body["isAllDay"] = json!(true);
    body["recurrence"] = json!({
        "pattern": {"type": "absoluteMonthly", "interval": 1, "dayOfMonth": 31},
        "range": {"type": "noEnd", "startDate": "2027-01-31"},
    });
    let series = mailbox.create(&body).await;
    let path =
        format!("me/events/{series}/instances?startDateTime=2027-01-01T00:00:00Z&endDateTime=2027-05-01T00:00:00Z");
    let starts: Vec<Value> = mailbox.all(&path).await.iter().map(|one| one["start"]["dateTime"].clone()).collect();
    let expected = ["2027-01-31", "2027-02-28", "2027-03-31", "2027-04-30"];
    assert_eq!(starts, expected.map(|day| json!(format!("{day}T00:00:00.0000000"))));
    // Its midnight where it was made is on the day before in UTC, and its zone is that of whoever looks.
    let second = &mailbox.all(&path).await[1];
    assert_eq!(second["originalStart"], "2027-02-27T23:00:00Z");
    assert_eq!(second["originalStartTimeZone"], "UTC");
    let zone = |shown: &Value| shown["recurrence"]["range"]["recurrenceTimeZone"].clone();
    assert_eq!(zone(&mailbox.get(&format!("me/events/{series}")).await.expect(200)), "W. Europe Standard Time");
    mailbox.quirks(Quirks { recurrence_zone_left_out: true, original_start_left_out: true, ..Quirks::default() });
    assert_eq!(zone(&mailbox.get(&format!("me/events/{series}")).await.expect(200)), "");
    assert_eq!(mailbox.all(&path).await[1].get("originalStart"), None);
    let truth = mailbox.control.truth(ADA).unwrap();
    assert_eq!(truth.events[0].start.as_deref(), Some("2027-01-31"));
    assert_eq!(truth.events[0].recurrence, ["RRULE:FREQ=MONTHLY;BYMONTHDAY=28,29,30,31;BYSETPOS=-1"]);
}

#[tokio::test]
async fn the_truth_has_what_became_of_a_series() {
    let mailbox = Mailbox::start().await;
    let series = mailbox.create(&mondays()).await;
    let instances = mailbox.all(&format!("me/events/{series}/instances?{WINDOW}")).await;
    mailbox.delete(&format!("me/events/{}", id(&instances[1]))).await.expect(204);
    let change = event("Later", "2027-03-15T15:00:00", "2027-03-15T16:00:00");
    mailbox.patch(&format!("me/events/{}", id(&instances[2])), &change).await.expect(200);
    let truth = mailbox.control.truth(ADA).unwrap();
    let summary: Vec<_> =
        truth.events.iter().map(|event| (event.id.as_str(), event.start.as_deref(), event.is_cancelled)).collect();
    let cancelled = format!("OID.{series}.2027-03-08");
    assert_eq!(
        summary,
        [
            (series.as_str(), Some("2027-03-01T09:00:00+00:00"), false),
            (&id(&instances[2]), Some("2027-03-15T14:00:00+00:00"), false),
            (&cancelled, None, true),
        ]
    );
    let position = truth.events[1].occurrence_of.clone().unwrap();
    assert_eq!((position.series, position.original_start), (series, "2027-03-15T09:00:00+00:00".to_owned()));
    let occurrences = mailbox.control.occurrences(ADA, "2027-03-01T00:00:00Z", "2027-04-01T00:00:00Z").unwrap();
    assert_eq!(occurrences.len(), 4);
}

#[tokio::test]
async fn an_occurrence_cannot_pass_its_neighbours() {
    let mailbox = Mailbox::start().await;
    let series = mailbox.create(&mondays()).await;
    let instances = mailbox.all(&format!("me/events/{series}/instances?{WINDOW}")).await;
    let second = format!("me/events/{}", id(&instances[1]));
    for day in ["2027-03-01", "2027-03-15", "2027-03-20"] {
        let change = event("Moved", &format!("{day}T15:00:00"), &format!("{day}T16:00:00"));
        assert_eq!(mailbox.patch(&second, &change).await.code(), "ErrorOccurrenceCrossingBoundary", "{day}");
    }
    let change = event("Moved", "2027-03-14T15:00:00", "2027-03-14T16:00:00");
    mailbox.patch(&second, &change).await.expect(200);
    mailbox.quirks(Quirks { cancelled_occurrences_left_out: true, ..Quirks::default() });
    let master = mailbox.get(&format!("me/events/{series}?$select=cancelledOccurrences")).await.expect(200);
    assert_eq!(master.get("cancelledOccurrences"), None);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let mailbox = Mailbox::start().await;
    let post = |body: Value| {
        let mailbox = &mailbox;
        async move { mailbox.post("me/events", &body).await.code().to_owned() }
    };
    assert_eq!(post(json!({"subject": "No time"})).await, "ErrorInvalidRequest");
    let mut unknown = event("x", "2027-03-02T12:00:00", "2027-03-02T13:00:00");
    unknown["summary"] = json!("x");
    assert_eq!(post(unknown).await, "RequestBodyRead");
    let backwards = event("x", "2027-03-02T12:00:00", "2027-03-02T11:00:00");
    assert_eq!(post(backwards).await, "ErrorCalendarEndDateIsEarlierThanStartDate");
    assert_eq!(mailbox.get("me/nowhere").await.status, 400);
}

#[tokio::test]
async fn calendars_can_be_made_renamed_and_deleted() {
    let mailbox = Mailbox::start().await;
    let made = mailbox.post("me/calendars", &json!({"name": "Chess"})).await.expect(201);
    assert_eq!(mailbox.post("me/calendars", &json!({"name": "chess"})).await.status, 409);
    let path = format!("me/calendars/{}", id(&made));
    let renamed = mailbox.patch(&path, &json!({"name": "Go", "color": "lightRed"})).await.expect(200);
    assert_ne!(renamed["changeKey"], made["changeKey"]);
    let listed = mailbox.get("me/calendars?$top=1").await.expect(200);
    assert_eq!(listed["value"][0]["isDefaultCalendar"], true);
    assert_eq!(listed["value"][0]["id"], json!(mailbox.calendar));
    let next = mailbox.get(listed["@odata.nextLink"].as_str().unwrap()).await.expect(200);
    assert_eq!(next["value"][0]["name"], "Go");
    let body = event("x", "2027-03-02T12:00:00", "2027-03-02T13:00:00");
    let event = id(&mailbox.post(&format!("{path}/events"), &body).await.expect(201));
    mailbox.get(&format!("me/events/{event}")).await.expect(200);
    mailbox.get(&format!("me/calendar/events/{event}")).await.expect(404);
    mailbox.delete(&path).await.expect(204);
    mailbox.get(&path).await.expect(404);
    assert_eq!(mailbox.delete(&format!("me/calendars/{}", mailbox.calendar)).await.status, 400);
    assert_eq!(mailbox.get("me").await.expect(200)["mail"], ADA);
}

#[tokio::test]
async fn zones_can_be_custom_and_fields_poisoned() {
    let mailbox = Mailbox::start().await;
    let series = mailbox.create(&mondays()).await;
    mailbox.control.set_custom_zone(ADA, &series, true).unwrap();
    let shown = mailbox.get(&format!("me/events/{series}")).await.expect(200);
    assert_eq!(shown["originalStartTimeZone"], "tzone://Microsoft/Custom");
    assert_eq!(shown["recurrence"]["range"]["recurrenceTimeZone"], "tzone://Microsoft/Custom");
    mailbox.control.set_raw_fields(ADA, &series, object(json!({"start": "nonsense"}))).unwrap();
    assert_eq!(mailbox.get(&format!("me/events/{series}")).await.expect(200)["start"], "nonsense");
}

#[tokio::test]
async fn bulk_changes_are_the_same_for_the_same_seed() {
    let changed = async |seed| {
        let mailbox = Mailbox::start().await;
        let bulk = BulkChanges {
            calendar: ADA.to_owned(),
            count: 120,
            seed,
            kinds: Vec::new(),
            spacing_ms: 0,
            notices: ChangeNotices::None,
        };
        let summary = mailbox.control.make_changes(&bulk).await.unwrap();
        assert_eq!(summary.counts.values().sum::<u32>(), 120);
        let truth = mailbox.control.truth(ADA).unwrap();
        truth.events.iter().map(|event| (event.title.clone(), event.start.clone())).collect::<Vec<_>>()
    };
    assert_eq!(changed(1).await, changed(1).await);
    assert_ne!(changed(1).await, changed(2).await);
}
