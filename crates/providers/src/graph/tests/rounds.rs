//! Rounds of the delta query: what each entry of a page means in a round over everything and in one over what changed.

use evercal_domain::{ProviderCursor, ProviderErrorKind};
use serde_json::{Value, json};

use super::super::cursor::{GraphCursor, Round};
use super::*;
use crate::provider::{CalendarProvider as _, EventsPage, Next, Position};

fn link(token: &str) -> String {
    format!("{BASE}/me/calendarView/delta?{token}")
}

fn in_round(round: Round, token: &str) -> ProviderCursor {
    GraphCursor { round, link: link(token) }.into_cursor()
}

async fn everything(
    answers: impl IntoIterator<Item = Result<HttpResponse, TransportErrorKind>>,
) -> (Result<EventsPage, evercal_domain::ProviderError>, Arc<LiteralTransport>) {
    let (graph, transport) = provider(answers);
    let calendar = team();
    let page =
        graph.read_events(&context(), other(&calendar), Position::Beginning(Some(window())), PAGE_EVENTS_MAX).await;
    (page, transport)
}

async fn changes(value: Value) -> Vec<String> {
    let (graph, _) = provider([ok(&json!({"value": value, "@odata.deltaLink": link("$deltatoken=2")}))]);
    let (calendar, cursor) = (team(), in_round(Round::Changes, "$deltatoken=1"));
    let page = graph.read_events(&context(), other(&calendar), Position::At(&cursor), PAGE_EVENTS_MAX).await.unwrap();
    assert_eq!(page.next, Next::Done(in_round(Round::Changes, "$deltatoken=2")));
    in_short(&page.items)
}

#[tokio::test]
async fn a_round_over_everything_takes_occurrences_as_they_are_and_asks_which_slots_are_cancelled() {
    let page = json!({"value": [
        single("s"), master("m"), occurrence("o1", "m", "2026-11-30"), exception("x", "m", "2026-12-07"),
    ], "@odata.deltaLink": link("$deltatoken=1")});
    let cancelled = json!({"id": "m", "type": "seriesMaster", "start": at("2026-11-30T08:00:00"),
        "recurrence": master("m")["recurrence"],
        "cancelledOccurrences": ["OID.m.2026-12-14", "OID.m.2027-07-05", "OID.m.2026-11-30"]});
    let (page, transport) = everything([ok(&page), ok(&cancelled)]).await;
    let page = page.unwrap();
    let expected =
        // By Berlin's clock, which in July is an hour earlier; what the page shows is not cancelled.
        [
            "event s",
            "event m",
            "occurrence o1 of m",
            "event x",
            "cancelled OID.m.2026-12-14 20261214T080000Z",
            "cancelled OID.m.2027-07-05 20270705T070000Z",
        ];
    assert_eq!(in_short(&page.items), expected);
    assert_eq!(page.next, Next::Done(in_round(Round::Changes, "$deltatoken=1")));
    assert_eq!(
        sent(&transport),
        [
            "GET /me/calendars/AAMkTeam==/calendarView/delta?startDateTime=2026-10-31T00:00:00.000Z&\
             endDateTime=2027-12-31T00:00:00.000Z",
            "GET /me/calendars/AAMkTeam==/events/m?\
             $select=id,isAllDay,start,originalStartTimeZone,recurrence,cancelledOccurrences",
        ]
    );
}

#[tokio::test]
async fn what_belongs_to_a_series_that_the_page_does_not_have_waits_for_all_of_it() {
    let page = json!({"value": [
        occurrence("o1", "lost", "2026-11-30"), exception("x", "lost", "2026-12-07"), single("s"),
    ], "@odata.nextLink": link("$skiptoken=1")});
    let (page, _) = everything([ok(&page)]).await;
    let page = page.unwrap();
    assert_eq!(in_short(&page.items), ["event s", "named lost"]);
    assert_eq!(page.next, Next::More(in_round(Round::Everything, "$skiptoken=1")));
}

#[tokio::test]
async fn a_round_over_changes_reads_each_series_as_a_whole_however_it_is_named() {
    assert_eq!(changes(json!([master("m")])).await, ["named m"]);
    assert_eq!(
        changes(json!([occurrence("o", "m", "2026-11-30"), occurrence("p", "m", "2026-12-07")])).await,
        ["named m"]
    );
    assert_eq!(changes(json!([exception("x", "m", "2026-12-07"), single("s")])).await, ["whole s of 1", "named m"]);
}

#[tokio::test]
async fn what_is_removed_may_only_have_left_the_window() {
    for reason in ["deleted", "changed"] {
        assert_eq!(changes(json!([{"id": "gone", "@removed": {"reason": reason}}])).await, ["missing gone"]);
    }
}

#[tokio::test]
async fn one_entry_that_cannot_be_read_takes_no_other_with_it() {
    let mut odd = single("odd");
    odd["start"] = json!({"dateTime": "soon", "timeZone": "UTC"});
    let items =
        changes(json!([{"id": ""}, {"no": "id"}, 7, {"id": "typed", "isAllDay": "yes"}, odd, single("s")])).await;
    assert_eq!(items.len(), 6);
    assert!(items.iter().take(5).all(|item| item.starts_with("unreadable")), "{items:?}");
    assert!(items[4].starts_with("unreadable odd: a time cannot be read"), "{items:?}");
    assert_eq!(items[5], "whole s of 1");
}

#[tokio::test]
async fn while_a_page_follows_a_round_is_not_over_and_a_page_without_a_link_is_no_end() {
    let both = json!({"value": [], "@odata.nextLink": link("$skiptoken=1"), "@odata.deltaLink": link("$deltatoken=1")});
    let (page, _) = everything([ok(&both)]).await;
    assert_eq!(page.unwrap().next, Next::More(in_round(Round::Everything, "$skiptoken=1")));
    let (page, _) = everything([ok(&json!({"value": []}))]).await;
    assert_eq!(page.unwrap_err().reason.as_deref(), Some("noNextLink"));
}

#[tokio::test]
async fn a_link_to_another_server_is_an_error_and_is_never_followed() {
    for field in ["@odata.nextLink", "@odata.deltaLink"] {
        let (page, _) = everything([ok(&json!({"value": [], field: "https://graph.example/v1.0/x"}))]).await;
        assert_eq!(page.unwrap_err().reason.as_deref(), Some("foreignLink"));
    }
    let (graph, transport) = provider([]);
    let foreign = GraphCursor { round: Round::Changes, link: "https://graph.example/v1.0/x".into() }.into_cursor();
    let calendar = team();
    let error = graph.read_events(&context(), other(&calendar), Position::At(&foreign), 1).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::PositionLost);
    assert!(transport.requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_page_that_is_too_large_for_us_is_asked_for_in_smaller_ones() {
    let (page, _) = everything([Err(TransportErrorKind::TooLarge)]).await;
    assert_eq!(page.unwrap_err().kind, ProviderErrorKind::PageTooLarge);
}
