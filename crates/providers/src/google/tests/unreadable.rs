//! Entries that cannot be parsed: each is quarantined by itself, and none spoils the others.

use evercal_domain::limits::EVENT_BYTES_MAX;
use evercal_domain::{ProviderEventId, RemoteItem};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::super::event::remote_item;
use super::super::parse::events_page;
use super::events::{event_with, item};
use super::{PAGE_EVENTS_MAX, answer};
use crate::google::cursor::GoogleCursor;

/// Each entry that cannot be parsed is kept with its text, and only that one.
#[test]
fn an_odd_event_is_quarantined_with_its_raw_text() {
    let table = [
        (event_with(json!({"start": null})), "no start"),
        (event_with(json!({"start": {}})), "exactly one"),
        (event_with(json!({"start": {"date": "2026-06-01", "dateTime": "2026-06-01T08:00:00Z"}})), "exactly one"),
        (event_with(json!({"start": {"date": "2026-06-31"}})), "a date cannot be read"),
        (event_with(json!({"start": {"date": "+12026-06-01"}})), "a date cannot be read"),
        (event_with(json!({"start": {"dateTime": "10 o'clock"}})), "a time cannot be read"),
        (event_with(json!({"start": {"dateTime": "2026-06-01T10:00:00"}})), "a time cannot be read"),
        (event_with(json!({"start": {"date": "2026-06-01"}})), "one of start and end"),
        (event_with(json!({"start": {"dateTime": "2026-06-01T12:00:00Z"}})), "ends before"),
        (event_with(json!({"status": "marker"})), "wrong type"),
        (event_with(json!({"summary": {"marker": 1}})), "wrong type"),
        (event_with(json!({"recurrence": "RRULE:FREQ=DAILY"})), "wrong type"),
        (event_with(json!({"attendees": [{"email": 7}]})), "wrong type"),
        (event_with(json!({"attendees": vec![json!({}); 2_001]})), "too many guests"),
        (
            event_with(json!({
                "recurringEventId": "m", "originalStartTime": {"date": "2026-06-01"}, "recurrence": ["RRULE:FREQ=DAILY"]
            })),
            "both a series and an exception",
        ),
    ];
    for (event, expected) in table {
        let text = event.to_string();
        let RemoteItem::Unreadable { provider_id, reason, raw } = remote_item(&text) else { panic!("{text}") };
        assert_eq!((provider_id.unwrap().as_str(), raw), ("e1", text));
        assert!(reason.contains(expected) && !reason.contains("marker"), "{reason:?} instead of {expected:?}");
    }
}

#[test]
fn an_entry_without_an_id_is_quarantined_too() {
    for event in [json!({}), event_with(json!({"id": ""})), json!({"id": 7}), json!("text"), json!(null), json!([1])] {
        let RemoteItem::Unreadable { provider_id, raw, .. } = item(&event) else { panic!("{event}") };
        assert_eq!((provider_id, raw), (None, event.to_string()));
    }
}

/// They would be keys, and not every database takes them: one such event must not fail the whole page for ever.
#[test]
fn an_id_that_no_database_could_keep_is_quarantined_without_it() {
    for id in ["e\u{0}1".to_owned(), "e".repeat(1_025)] {
        let event = event_with(json!({"id": id}));
        let RemoteItem::Unreadable { provider_id, reason, .. } = item(&event) else { panic!("{event}") };
        assert_eq!((provider_id, reason.contains("an id is too long")), (None, true), "{reason}");
        let exception = event_with(json!({"recurringEventId": id, "originalStartTime": {"date": "2026-06-01"}}));
        assert!(matches!(item(&exception), RemoteItem::Unreadable { provider_id: Some(_), .. }), "{exception}");
    }
}

#[test]
fn an_event_over_the_limit_is_quarantined_and_its_text_is_cut() {
    let event = event_with(json!({"description": "é".repeat(EVENT_BYTES_MAX)}));
    let RemoteItem::Unreadable { provider_id, raw, reason } = item(&event) else { panic!("parsed") };
    assert_eq!(provider_id, Some(ProviderEventId::new("e1")));
    assert!(raw.len() <= EVENT_BYTES_MAX && raw.len() > EVENT_BYTES_MAX - 4, "{}", raw.len());
    assert!(reason.contains("larger"), "{reason}");
}

/// Any JSON at all, with the names of our fields among its keys so that it gets past the first check.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        prop::sample::select(vec!["cancelled", "2026-06-01", "+262142-12-31", "2026-06-01T08:00:00Z", "Europe/Berlin"])
            .prop_map(Value::from),
    ];
    let key = prop::sample::select(vec![
        "id",
        "status",
        "start",
        "end",
        "date",
        "dateTime",
        "timeZone",
        "recurrence",
        "recurringEventId",
        "originalStartTime",
        "attendees",
        "organizer",
        "email",
        "self",
        "summary",
    ]);
    leaf.prop_recursive(4, 48, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(key.clone(), inner, 0..8)
                .prop_map(|map| Value::Object(map.into_iter().map(|(k, v)| (k.to_owned(), v)).collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #[test]
    fn each_entry_of_any_page_becomes_exactly_one_item(entries in prop::collection::vec(any_json(), 0..6)) {
        let good = event_with(json!({}));
        let items: Vec<&Value> = entries.iter().chain([&good]).collect();
        let body = json!({"items": items, "nextSyncToken": "s"}).to_string();
        let page = events_page(&answer(200, body), &GoogleCursor::default(), PAGE_EVENTS_MAX).unwrap();
        prop_assert_eq!(page.items.len(), entries.len() + 1);
        prop_assert!(matches!(page.items.last(), Some(RemoteItem::Event(_))));
    }

    #[test]
    fn no_bytes_make_the_parser_panic(body in prop::collection::vec(any::<u8>(), 0..512)) {
        drop(events_page(&answer(200, body), &GoogleCursor::default(), PAGE_EVENTS_MAX));
    }
}
