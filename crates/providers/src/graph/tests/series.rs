//! Reading whole what a page only named.

use evercal_domain::{Part, ProviderError, ProviderErrorKind};
use serde_json::json;

use super::*;
use crate::provider::{CalendarProvider as _, Fetched};

/// All of these, or why some were left.
async fn fetched(
    ids: &[&str],
    answers: impl IntoIterator<Item = Result<HttpResponse, TransportErrorKind>>,
) -> (Result<Vec<RemoteItem>, ProviderError>, Arc<LiteralTransport>) {
    let (fetched, transport) = some_fetched(ids, answers).await;
    (fetched.and_then(|Fetched { items, left }| left.map_or(Ok(items), Err)), transport)
}

async fn some_fetched(
    ids: &[&str],
    answers: impl IntoIterator<Item = Result<HttpResponse, TransportErrorKind>>,
) -> (Result<Fetched, ProviderError>, Arc<LiteralTransport>) {
    let (graph, transport) = provider(answers);
    let (calendar, ids) = (team(), ids.iter().map(|id| self::id(id)).collect::<Vec<_>>());
    let fetched = graph.fetch_events(&context(), other(&calendar), &ids, &window()).await;
    (fetched, transport)
}

fn parts(responses: &Value) -> Result<HttpResponse, TransportErrorKind> {
    ok(&json!({ "responses": responses }))
}

#[tokio::test]
async fn one_series_takes_two_requests_and_has_its_occurrences_exceptions_and_cancelled_slots() {
    let mut with_cancelled = master("m");
    with_cancelled["cancelledOccurrences"] = json!(["OID.m.2027-07-05"]);
    let instances = json!({"value": [occurrence("o", "m", "2026-11-30"), exception("x", "m", "2026-12-07")]});
    let (items, transport) = fetched(&["m"], [ok(&with_cancelled), ok(&instances)]).await;
    let items = items.unwrap();
    let [RemoteItem::Whole { owner, parts, version, .. }] = items.as_slice() else { panic!("{items:?}") };
    assert_eq!((owner, version.as_deref()), (&id("m"), Some("k1")));
    let mut said: Vec<String> = Vec::new();
    for part in parts {
        said.push(match part {
            Part::Event(event) => {
                assert_eq!(event.ical_uid.as_deref(), Some("uid-of-series"), "one UID for all of a series");
                let slot = event.series.as_ref().map(|series| series.original_start.key());
                format!("{} {}", event.provider_id.as_str(), slot.unwrap_or_default())
            }
            Part::Cancelled { provider_id, position } => {
                format!("{} {}", provider_id.as_str(), position.original_start.key())
            }
            Part::Occurrence { provider_id, occurrence } => {
                format!("{} {}", provider_id.as_str(), occurrence.position.original_start.key())
            }
        });
    }
    // The series repeats at nine by Berlin's clock, which in July is an hour earlier.
    assert_eq!(said, ["o 20261130T080000Z", "x 20261207T080000Z", "OID.m.2027-07-05 20270705T070000Z", "m "]);
    let sent = sent(&transport);
    assert_eq!(sent.len(), 2, "{sent:?}");
    assert!(sent[0].starts_with("GET /me/calendars/AAMkTeam==/events/m?$select=id,type,"), "{}", sent[0]);
    assert!(sent[0].ends_with(",cancelledOccurrences"), "{}", sent[0]);
    assert!(sent[1].starts_with("GET /me/calendars/AAMkTeam==/events/m/instances?startDateTime="), "{}", sent[1]);
    assert!(sent[1].contains("&$top=500&"), "{}", sent[1]);
}

#[tokio::test]
async fn several_are_asked_for_at_once_and_each_is_judged_alone() {
    let first = parts(&json!([
        {"id": "2", "status": 200, "body": single("s")},
        {"id": "0", "status": 404, "body": {"error": {"code": "ErrorItemNotFound"}}},
    ]));
    // The second part was left out, and is asked for again.
    let (items, transport) = fetched(&["gone", "t", "s"], [first, ok(&single("t"))]).await;
    assert_eq!(in_short(&items.unwrap()), ["deleted gone", "whole t of 1", "whole s of 1"]);
    assert_eq!(sent(&transport)[0], "POST /$batch");
    let requests = transport.requests.lock().unwrap();
    let batch = json_of(&requests[0]);
    assert_eq!(batch["requests"].as_array().unwrap().len(), 3);
    let prefer = batch["requests"][0]["headers"]["Prefer"].as_str().unwrap();
    assert!(prefer.contains(r#"IdType="ImmutableId""#), "{prefer}");
    assert!(requests[0].bearer.is_some());
}

#[tokio::test]
async fn a_throttled_part_is_like_a_plain_refusal() {
    let throttled = parts(&json!([
        {"id": "0", "status": 200, "body": single("s")},
        {"id": "1", "status": 429, "headers": {"Retry-After": "17"}, "body": {"error": {"code": "ApplicationThrottled"}}},
    ]));
    let (fetched, transport) = some_fetched(&["s", "t"], [throttled]).await;
    let Fetched { items, left } = fetched.unwrap();
    assert_eq!(in_short(&items), ["whole s of 1"], "what was answered does not have to be asked for again");
    let error = left.unwrap();
    assert_eq!(error.kind, ProviderErrorKind::RateLimited);
    assert_eq!(error.retry_after, Some(std::time::Duration::from_secs(17)));
    assert_eq!(transport.requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn an_event_at_which_the_service_breaks_while_it_answers_for_others_is_in_quarantine() {
    let broken = || refused(500, "ErrorInternalServerError", "");
    let first = || {
        parts(&json!([
            {"id": "0", "status": 500, "body": {"error": {"code": "ErrorInternalServerError"}}},
            {"id": "1", "status": 200, "body": single("s")},
        ]))
    };
    let (items, _) = fetched(&["odd", "s"], [first(), broken()]).await;
    let expected = ["unreadable odd: Microsoft refuses to show it (ErrorInternalServerError)", "whole s of 1"];
    assert_eq!(in_short(&items.unwrap()), expected);
    let (items, _) = fetched(&["odd", "s"], [first(), ok(&single("odd"))]).await;
    assert_eq!(in_short(&items.unwrap()), ["whole odd of 1", "whole s of 1"], "once may be an accident");
    // Where it answers for nobody, it is down.
    let (items, transport) = fetched(&["odd"], [broken()]).await;
    assert_eq!(items.unwrap_err().kind, ProviderErrorKind::TemporaryFailure);
    assert_eq!(transport.requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn parts_that_never_come_are_a_failure() {
    let none = || parts(&json!([]));
    let (items, _) = fetched(&["s", "t"], [none(), none(), none()]).await;
    assert_eq!(items.unwrap_err().reason.as_deref(), Some("partsMissing"));
}

#[tokio::test]
async fn instances_are_read_to_their_last_page_and_only_at_microsoft() {
    let page = |id: &str, next: Option<&str>| {
        ok(&json!({"value": [occurrence(id, "m", "2026-11-30")], "@odata.nextLink": next}))
    };
    let link = format!("{BASE}/me/calendars/AAMkTeam==/events/m/instances?$skip=1");
    let (items, _) = fetched(&["m"], [ok(&master("m")), page("o", Some(&link)), page("p", None)]).await;
    assert_eq!(in_short(&items.unwrap()), ["whole m of 3"]);
    let (items, transport) = fetched(&["m"], [ok(&master("m")), page("o", Some("https://graph.example/v1.0/x"))]).await;
    assert_eq!(items.unwrap_err().reason.as_deref(), Some("foreignLink"));
    assert_eq!(transport.requests.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn instances_that_are_too_large_for_us_come_in_smaller_pages() {
    let answers = [ok(&master("m")), Err(TransportErrorKind::TooLarge), ok(&json!({"value": []}))];
    let (items, transport) = fetched(&["m"], answers).await;
    assert_eq!(in_short(&items.unwrap()), ["whole m of 1"]);
    assert!(sent(&transport)[2].contains("$top=50"), "{:?}", sent(&transport));
    let link = format!("{BASE}/me/calendars/AAMkTeam==/events/m/instances?$skip=1");
    let first = json!({"value": [occurrence("o", "m", "2026-11-30")], "@odata.nextLink": link});
    let all = json!({"value": [occurrence("o", "m", "2026-11-30")]});
    let answers = [ok(&master("m")), ok(&first), Err(TransportErrorKind::TooLarge), ok(&all)];
    let (items, transport) = fetched(&["m"], answers).await;
    assert_eq!(in_short(&items.unwrap()), ["whole m of 2"], "a later page, too");
    assert!(sent(&transport)[3].contains("$top=50"), "{:?}", sent(&transport));
}

#[tokio::test]
async fn a_series_that_goes_while_it_is_read_is_deleted() {
    let (items, _) = fetched(&["m"], [ok(&master("m")), refused(404, "ErrorItemNotFound", "")]).await;
    assert_eq!(in_short(&items.unwrap()), ["deleted m"]);
}

#[tokio::test]
async fn an_instance_that_cannot_be_read_stands_beside_the_others() {
    let mut odd = exception("x", "m", "2026-12-07");
    odd["originalStart"] = "soon".into();
    let instances = json!({"value": [odd, occurrence("o", "m", "2026-11-30")]});
    let (items, _) = fetched(&["m"], [ok(&master("m")), ok(&instances)]).await;
    let items = items.unwrap();
    assert_eq!(in_short(&items), ["unreadable x: an original start cannot be read", "whole m of 2"]);
}

#[tokio::test]
async fn what_was_asked_for_is_answered_even_where_nothing_of_it_can_be_read() {
    let (items, _) = fetched(&["s"], [ok(&json!({"subject": 7}))]).await;
    assert!(in_short(&items.unwrap())[0].starts_with("unreadable s: "));
}

#[tokio::test]
async fn an_answer_that_is_no_json_says_nothing_of_the_event() {
    let (items, _) = fetched(&["s"], [Ok(crate::literal::answer(200, "<html>"))]).await;
    assert_eq!(items.unwrap_err().kind, ProviderErrorKind::TemporaryFailure);
}

#[tokio::test]
async fn one_that_is_not_shown_is_in_quarantine_and_takes_no_other_with_it() {
    let answers = parts(&json!([
        {"id": "0", "status": 403, "body": {"error": {"code": "ErrorAccessDenied"}}},
        {"id": "1", "status": 400, "body": {"error": {"code": "ErrorInvalidIdMalformed"}}},
        {"id": "2", "status": 200, "body": single("s")},
    ]));
    let (items, transport) = fetched(&["private", "odd", "s"], [answers]).await;
    let expected = [
        "unreadable private: Microsoft refuses to show it (ErrorAccessDenied)",
        "unreadable odd: Microsoft refuses to show it (ErrorInvalidIdMalformed)",
        "whole s of 1",
    ];
    assert_eq!(in_short(&items.unwrap()), expected);
    assert_eq!(transport.requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn where_nothing_is_shown_the_calendar_is_asked_for_before_anything_is_deleted() {
    let gone = || refused(404, "ErrorItemNotFound", "");
    let (items, transport) = fetched(&["s"], [gone(), ok(&json!({"value": []}))]).await;
    assert_eq!(in_short(&items.unwrap()), ["deleted s"]);
    assert!(sent(&transport)[1].starts_with("GET /me/calendars/AAMkTeam==/events?$top=1"));
    let (items, _) = fetched(&["s"], [gone(), gone()]).await;
    assert_eq!(items.unwrap_err().kind, ProviderErrorKind::NotFound, "the calendar itself is gone");
}

#[tokio::test]
async fn a_cancelled_slot_takes_no_instance_away_that_is_shown() {
    let mut with_cancelled = master("m");
    with_cancelled["cancelledOccurrences"] = json!(["OID.m.2026-11-30", "OID.m.2026-12-14"]);
    let instances = json!({"value": [occurrence("o", "m", "2026-11-30")]});
    let (items, _) = fetched(&["m"], [ok(&with_cancelled), ok(&instances)]).await;
    assert_eq!(in_short(&items.unwrap()), ["whole m of 3"]);
}

#[tokio::test]
async fn whoever_is_asked_to_wait_asks_for_nothing_more() {
    let (items, transport) = fetched(&["s"], [refused(429, "ApplicationThrottled", "")]).await;
    assert_eq!(items.unwrap_err().kind, ProviderErrorKind::RateLimited);
    assert_eq!(transport.requests.lock().unwrap().len(), 1);
}
