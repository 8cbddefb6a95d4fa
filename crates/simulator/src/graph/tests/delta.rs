//! What delta says, and what it does not say.

use serde_json::json;

use super::*;
use crate::core::access::AccessRole;
use crate::core::control::{CalendarAccess, NewCalendar};
use crate::core::faults::{FaultAction, FaultPlan, FaultRule};
use crate::graph::exports::TokenDeath;

async fn with_series() -> (Mailbox, String, String) {
    let mailbox = Mailbox::start().await;
    let series = mailbox.create(&mondays()).await;
    let (_, link) = mailbox.first_round().await;
    (mailbox, series, link)
}

fn occurrence_of(items: &[Value], day: &str) -> String {
    let found = items.iter().find(|item| item["start"]["dateTime"].as_str().is_some_and(|at| at.starts_with(day)));
    id(found.unwrap())
}

#[tokio::test]
async fn a_full_round_has_singles_whole_masters_and_bare_occurrences() {
    let mailbox = Mailbox::start().await;
    mailbox.create(&event("Once", "2027-03-02T10:00:00", "2027-03-02T11:00:00")).await;
    mailbox.create(&event("Elsewhen", "2027-05-02T10:00:00", "2027-05-02T11:00:00")).await;
    let series = mailbox.create(&mondays()).await;
    let (items, link) = mailbox.first_round().await;
    assert_eq!(
        kinds(&items),
        ["singleInstance", "seriesMaster", "occurrence", "occurrence", "occurrence", "occurrence", "occurrence"]
    );
    assert_eq!(items[1]["subject"], "Mondays");
    let mut fields: Vec<&String> = items[2].as_object().unwrap().keys().collect();
    fields.sort();
    assert_eq!(fields, ["@odata.etag", "@odata.type", "end", "id", "seriesMasterId", "start", "type"]);
    assert_eq!(items[2]["seriesMasterId"], json!(series));
    assert_eq!(items[2]["start"], json!({"dateTime": "2027-03-01T09:00:00.0000000", "timeZone": "UTC"}));
    // Daylight saving begins on the 28th.
    assert_eq!(items[6]["start"]["dateTime"], "2027-03-29T08:00:00.0000000");
    let (items, again) = mailbox.next_round(&link).await;
    assert!(items.is_empty() && again.contains("$deltatoken="), "{items:?}");
}

#[tokio::test]
async fn both_spellings_work_in_all_places() {
    let mailbox = Mailbox::start().await;
    mailbox.create(&event("Once", "2027-03-02T10:00:00", "2027-03-02T11:00:00")).await;
    let calendar = format!("me/calendars/{}", mailbox.calendar);
    for place in ["me", "me/calendar", calendar.as_str()] {
        for spelling in ["delta", "delta()"] {
            let (items, link) = mailbox.round(&format!("{place}/calendarView/{spelling}?{WINDOW}"), &[]).await;
            assert_eq!(items.len(), 1);
            assert!(link.contains(&format!("/calendarView/{spelling}?")), "{link}");
        }
    }
}

#[tokio::test]
async fn nothing_says_that_an_occurrence_was_deleted() {
    let (mailbox, series, link) = with_series().await;
    let (items, _) = mailbox.first_round().await;
    let second = occurrence_of(&items, "2027-03-08");
    mailbox.delete(&format!("me/events/{second}")).await.expect(204);
    let (items, _) = mailbox.next_round(&link).await;
    assert_eq!(kinds(&items), ["seriesMaster", "occurrence", "occurrence", "occurrence", "occurrence"]);
    assert!(!ids(&items).contains(&second));
    assert_eq!(mailbox.get(&format!("me/events/{second}")).await.code(), "ErrorItemNotFound");
    let master = mailbox.get(&format!("me/events/{series}?$select=subject,cancelledOccurrences")).await.expect(200);
    assert_eq!(master["cancelledOccurrences"], json!([format!("OID.{series}.2027-03-08")]));
    assert_eq!(master.get("start"), None);
    let unasked = mailbox.get(&format!("me/events/{series}")).await.expect(200);
    assert_eq!(unasked.get("cancelledOccurrences"), None);
}

#[tokio::test]
async fn an_exception_comes_whole_with_its_series() {
    let (mailbox, series, link) = with_series().await;
    let (items, _) = mailbox.first_round().await;
    let second = occurrence_of(&items, "2027-03-08");
    let change = event("Later", "2027-03-08T15:00:00", "2027-03-08T16:00:00");
    let patched = mailbox.patch(&format!("me/events/{second}"), &change).await.expect(200);
    assert_eq!((patched["type"].as_str(), id(&patched)), (Some("exception"), second.clone()));
    assert_eq!(patched["originalStart"], "2027-03-08T09:00:00Z");
    let (items, _) = mailbox.next_round(&link).await;
    assert_eq!(kinds(&items), ["seriesMaster", "occurrence", "exception", "occurrence", "occurrence", "occurrence"]);
    assert_eq!((items[2]["subject"].as_str(), items[2]["seriesMasterId"].as_str()), (Some("Later"), Some(&*series)));
    mailbox.quirks(Quirks { exceptions_alone: true, ..Quirks::default() });
    let (items, _) = mailbox.next_round(&link).await;
    assert_eq!(ids(&items), [second]);
}

#[tokio::test]
async fn a_rescheduled_series_has_new_occurrences_and_the_old_ones_just_vanish() {
    let (mailbox, series, link) = with_series().await;
    let (before, _) = mailbox.first_round().await;
    mailbox.control.reschedule_series(ADA, &series, 30).unwrap();
    let (after, _) = mailbox.next_round(&link).await;
    assert_eq!(kinds(&after), ["seriesMaster", "occurrence", "occurrence", "occurrence", "occurrence", "occurrence"]);
    assert_eq!(id(&after[0]), series);
    assert!(ids(&after)[1..].iter().all(|id| !ids(&before).contains(id)));
}

#[tokio::test]
async fn a_series_that_is_cut_keeps_what_became_of_the_rest() {
    let (mailbox, series, link) = with_series().await;
    let (items, _) = mailbox.first_round().await;
    let second = occurrence_of(&items, "2027-03-08");
    mailbox.delete(&format!("me/events/{second}")).await.expect(204);
    mailbox.control.cut_series(ADA, &series, "2027-03-15".parse().unwrap()).unwrap();
    let (items, _) = mailbox.next_round(&link).await;
    assert_eq!(kinds(&items), ["seriesMaster", "occurrence", "occurrence"]);
    assert_eq!(items[0]["recurrence"]["range"]["endDate"], "2027-03-15");
}

#[tokio::test]
async fn what_lies_outside_of_the_window_is_said_to_be_deleted() {
    let mailbox = Mailbox::start().await;
    let inside = mailbox.create(&event("Inside", "2027-03-02T10:00:00", "2027-03-02T11:00:00")).await;
    let outside = mailbox.create(&event("Outside", "2027-05-02T10:00:00", "2027-05-02T11:00:00")).await;
    let (_, link) = mailbox.first_round().await;
    let away = event("Inside", "2027-06-02T10:00:00", "2027-06-02T11:00:00");
    mailbox.patch(&format!("me/events/{inside}"), &away).await.expect(200);
    mailbox.patch(&format!("me/events/{outside}"), &json!({"subject": "Edited"})).await.expect(200);
    let new = mailbox.create(&event("New", "2027-07-02T10:00:00", "2027-07-02T11:00:00")).await;
    let (items, _) = mailbox.next_round(&link).await;
    assert_eq!((kinds(&items), ids(&items)), (vec!["removed"; 3], vec![inside.clone(), outside, new]));
    assert_eq!(items[0]["@removed"]["reason"], "deleted");
    mailbox.get(&format!("me/events/{inside}")).await.expect(200);
}

#[tokio::test]
async fn deleted_events_and_series_leave_a_tombstone_each() {
    let (mailbox, series, _) = with_series().await;
    let single = mailbox.create(&event("Once", "2027-03-02T10:00:00", "2027-03-02T11:00:00")).await;
    let (_, link) = mailbox.first_round().await;
    mailbox.delete(&format!("me/events/{series}")).await.expect(204);
    mailbox.delete(&format!("me/events/{single}")).await.expect(204);
    let (items, _) = mailbox.next_round(&link).await;
    assert_eq!((kinds(&items), ids(&items)), (vec!["removed"; 2], vec![series, single]));
}

#[tokio::test]
async fn a_moved_event_goes_here_and_comes_there() {
    let mailbox = Mailbox::start().await;
    let second = NewCalendar {
        owner: ADA.to_owned(),
        summary: "Second".to_owned(),
        time_zone: "UTC".to_owned(),
        id: None,
        watchable: true,
    };
    let second = mailbox.control.create_calendar(&second).unwrap();
    let immutable = mailbox.create(&event("Mover", "2027-03-02T10:00:00", "2027-03-02T11:00:00")).await;
    let here = format!("me/calendarView/delta?{WINDOW}");
    let there = format!("me/calendars/{second}/calendarView/delta?{WINDOW}");
    let (before, link) = mailbox.round(&here, &[]).await;
    let (_, immutable_link) = mailbox.round(&here, &[IMMUTABLE]).await;
    mailbox.control.move_event(ADA, &immutable, &second).unwrap();
    let (gone, _) = mailbox.round(&link, &[]).await;
    assert_eq!((kinds(&gone), ids(&gone)), (vec!["removed"], ids(&before)));
    assert_eq!(ids(&mailbox.round(&immutable_link, &[IMMUTABLE]).await.0), std::slice::from_ref(&immutable));
    let (come, _) = mailbox.round(&there, &[]).await;
    assert!(come.len() == 1 && ids(&come) != ids(&before));
    assert_eq!(ids(&mailbox.round(&there, &[IMMUTABLE]).await.0), std::slice::from_ref(&immutable));
    // By its own calendar, and anywhere in the mailbox, but not in the one that it left.
    mailbox.get(&format!("me/calendars/{second}/events/{immutable}")).await.expect(200);
    mailbox.get(&format!("me/events/{immutable}")).await.expect(200);
    mailbox.get(&format!("me/calendars/{}/events/{immutable}", mailbox.calendar)).await.expect(404);
    mailbox.get(&format!("me/events/{}", ids(&before)[0])).await.expect(404);
}

#[tokio::test]
async fn pages_end_where_they_are_asked_to_and_links_take_no_parameters() {
    let mailbox = Mailbox::start().await;
    mailbox.create(&mondays()).await;
    let path = format!("me/calendarView/delta?{WINDOW}");
    let page = mailbox.call(Method::GET, &path, &[IMMUTABLE, "odata.maxpagesize=4"], None).await;
    assert_eq!(page.headers["preference-applied"], "IdType=\"ImmutableId\", odata.maxpagesize=4, odata.track-changes");
    let page = page.expect(200);
    assert_eq!(page["value"].as_array().unwrap().len(), 4);
    assert_eq!(page.get("@odata.deltaLink"), None);
    let next = page["@odata.nextLink"].as_str().unwrap();
    assert_eq!(mailbox.get(&format!("{next}&$top=2")).await.status, 400);
    let rest = mailbox.get(next).await.expect(200);
    assert_eq!(rest["value"].as_array().unwrap().len(), 2);
    for option in ["$filter=a", "$orderby=a", "$expand=a", "$search=a", "$select=id", "$top=5"] {
        assert_eq!(mailbox.get(&format!("{path}&{option}")).await.status, 400, "{option}");
    }
    assert_eq!(mailbox.get("me/calendarView/delta").await.status, 400);
}

#[tokio::test]
async fn what_changes_while_pages_are_read_comes_in_the_next_round() {
    let mailbox = Mailbox::start().await;
    for number in 0..6 {
        mailbox.create(&event(&format!("{number}"), "2027-03-02T10:00:00", "2027-03-02T11:00:00")).await;
    }
    let path = format!("me/calendarView/delta?{WINDOW}");
    let prefer = [IMMUTABLE, "odata.maxpagesize=2"];
    let page = mailbox.call(Method::GET, &path, &prefer, None).await.expect(200);
    let first = id(&page["value"][0]);
    let new = mailbox.create(&event("new", "2027-03-02T10:00:00", "2027-03-02T11:00:00")).await;
    mailbox.patch(&format!("me/events/{first}"), &json!({"subject": "edited"})).await.expect(200);
    let (rest, link) = mailbox.round(page["@odata.nextLink"].as_str().unwrap(), &prefer).await;
    assert_eq!(rest.len(), 4);
    let (items, _) = mailbox.next_round(&link).await;
    assert_eq!(ids(&items), [new, first]);
}

#[tokio::test]
async fn quirks_disturb_pages_but_lose_nothing() {
    let mailbox = Mailbox::start().await;
    for number in 0..7 {
        mailbox.create(&event(&format!("{number}"), "2027-03-02T10:00:00", "2027-03-02T11:00:00")).await;
    }
    let (plain, _) = mailbox.first_round().await;
    mailbox.quirks(Quirks {
        empty_page_every: 2,
        page_items_max: 3,
        items_repeat: true,
        items_shuffled: true,
        ..Quirks::default()
    });
    let (items, _) = mailbox.first_round().await;
    assert!(items.len() > 7, "{}", items.len());
    let (mut found, mut expected) = (ids(&items), ids(&plain));
    found.sort();
    found.dedup();
    expected.sort();
    assert_eq!(found, expected);
    mailbox.quirks(Quirks { foreign_next_links: true, page_items_max: 3, ..Quirks::default() });
    let page = mailbox.get(&format!("me/calendarView/delta?{WINDOW}")).await.expect(200);
    assert!(page["@odata.nextLink"].as_str().unwrap().starts_with("https://graph.elsewhere.example/v1.0/me/"));
    mailbox.quirks(Quirks { long_window_fails_days: 30, ..Quirks::default() });
    assert_eq!(mailbox.get(&format!("me/calendarView/delta?{WINDOW}")).await.status, 504);
    mailbox.quirks(Quirks { first_pages_empty: true, ..Quirks::default() });
    let page = mailbox.get(&format!("me/calendarView/delta?{WINDOW}")).await.expect(200);
    assert_eq!(page["value"], json!([]));
    assert_eq!(mailbox.all(page["@odata.nextLink"].as_str().unwrap()).await.len(), 7);
    mailbox.quirks(Quirks { masters_left_out: true, ..Quirks::default() });
    mailbox.create(&mondays()).await;
    assert!(!kinds(&mailbox.first_round().await.0).contains(&"seriesMaster"));
}

#[tokio::test]
async fn tokens_die_in_the_way_that_is_set() {
    let (mailbox, _, link) = with_series().await;
    mailbox.control.expire_sync_tokens(ADA).unwrap();
    let gone = mailbox.get(&link).await;
    assert_eq!((gone.status, gone.code()), (410, "SyncStateNotFound"));
    let anew = gone.headers["location"].to_str().unwrap().to_owned();
    assert_eq!(mailbox.round(&anew, &[IMMUTABLE]).await.0.len(), 6);
    let death = TokenDeath { status: 400, code: "ErrorInvalidSyncStateData".to_owned(), with_location: false };
    mailbox.control.set_token_death(death).unwrap();
    let gone = mailbox.get(&link).await;
    assert_eq!((gone.status, gone.code()), (400, "ErrorInvalidSyncStateData"));
    assert_eq!(mailbox.get("me/calendarView/delta?$deltatoken=nonsense").await.status, 400);
}

#[tokio::test]
async fn changes_may_be_visible_late_but_are_not_lost() {
    let (mailbox, _, _) = with_series().await;
    let (_, link) = mailbox.first_round().await;
    mailbox.quirks(Quirks { delta_lag_ms: 900, ..Quirks::default() });
    let new = mailbox.create(&event("New", "2027-03-02T10:00:00", "2027-03-02T11:00:00")).await;
    let (items, link) = mailbox.next_round(&link).await;
    assert!(items.is_empty(), "{items:?}");
    let (mut items, mut link) = (items, link);
    for _ in 0..500 {
        (items, link) = mailbox.next_round(&link).await;
        if !items.is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(ids(&items), [new]);
    assert!(mailbox.next_round(&link).await.0.is_empty());
}

#[tokio::test]
async fn faults_take_pages_away() {
    let (mailbox, _, _) = with_series().await;
    let rule = FaultRule::once("graph.calendarView.delta", FaultAction::EmptyPage);
    mailbox.control.set_faults(FaultPlan { rules: vec![rule], random: None }).unwrap();
    let page = mailbox.get(&format!("me/calendarView/delta?{WINDOW}")).await.expect(200);
    assert_eq!(page["value"], json!([]));
    assert_eq!(mailbox.all(page["@odata.nextLink"].as_str().unwrap()).await.len(), 6);
}

#[tokio::test]
async fn a_shared_calendar_is_read_by_its_own_path_alone() {
    let (mailbox, series, _) = with_series().await;
    create(&mailbox.control, "ben@example.com");
    let secret = json!({"subject": "Secret", "sensitivity": "private",
        "start": {"dateTime": "2027-03-03T10:00:00", "timeZone": "UTC"},
        "end": {"dateTime": "2027-03-03T11:00:00", "timeZone": "UTC"}});
    mailbox.create(&secret).await;
    let share = |role| CalendarAccess { calendar: ADA.to_owned(), user: "ben@example.com".to_owned(), role };
    mailbox.control.set_access(&share(Some(AccessRole::Reader))).unwrap();
    let calendar = mailbox.calendar.clone();
    let ben = Mailbox { token: token_of(&mailbox.control, "ben@example.com"), ..mailbox };
    let listed = ben.get("me/calendars").await.expect(200);
    assert_eq!(listed["value"][1]["owner"]["address"], ADA);
    assert_eq!(listed["value"][1]["canEdit"], false);
    let (items, _) = ben.round(&format!("me/calendars/{calendar}/calendarView/delta?{WINDOW}"), &[IMMUTABLE]).await;
    assert_eq!(items.len(), 7);
    assert_eq!(items[6]["subject"], "Private Appointment");
    ben.get(&format!("me/calendars/{calendar}/events/{series}")).await.expect(200);
    assert_eq!(ben.get(&format!("me/events/{series}")).await.code(), "ErrorItemNotFound");
    assert_eq!(ben.patch(&format!("me/calendars/{calendar}/events/{series}"), &json!({})).await.status, 403);
    ben.quirks(Quirks { shared_scopes_needed: true, ..Quirks::default() });
    assert_eq!(ben.get(&format!("me/calendars/{calendar}")).await.code(), "ErrorAccessDenied");
    ben.quirks(Quirks::default());
    ben.control.set_access(&share(Some(AccessRole::None))).unwrap();
    assert_eq!(ben.get(&format!("me/calendars/{calendar}")).await.code(), "ErrorAccessDenied");
    ben.control.set_access(&share(None)).unwrap();
    assert_eq!(ben.get(&format!("me/calendars/{calendar}")).await.code(), "ErrorItemNotFound");
}
