//! Pages beside rows: what is planned, in whatever order a page has it.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use evercal_domain::change::ChangeKind;
use evercal_domain::event::Occurrence;
use evercal_domain::{Event, EventTime, Part, ProviderOccurrence, RemoteEvent, SeriesPosition};
use proptest::prelude::*;

use super::*;
use crate::expand_stored;
use crate::row::{NewBody, StoredBody};

mod from_provider;

fn at(hours: i64) -> DateTime<Utc> {
    "2026-06-01T08:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::hours(hours)
}

fn instant(hours: i64) -> EventTime {
    EventTime::Instant { at: at(hours), zone: None }
}

fn id(text: &str) -> ProviderEventId {
    ProviderEventId::new(text)
}

/// Three days from the first occurrence on.
fn window() -> Window {
    Window { start: at(0), end: at(3 * 24) }
}

fn by_rules() -> Expansion {
    Expansion::ByRules { zone: None, window: window() }
}

/// An hour at the beginning of the window.
fn single(provider_id: &str) -> Event {
    Event::minimal(id(provider_id), instant(0), instant(1))
}

/// A series whose master is `m1`, every day.
fn master() -> Event {
    Event { recurrence: vec!["RRULE:FREQ=DAILY".into()], ..single("m1") }
}

fn broken_master() -> Event {
    Event { recurrence: vec!["RRULE:FREQ=SOMETIMES".into()], ..master() }
}

fn position(day: i64) -> SeriesPosition {
    SeriesPosition { master_id: id("m1"), original_start: instant(24 * day) }
}

/// An occurrence that was moved by two hours.
fn exception(provider_id: &str, day: i64) -> Event {
    let (start, end) = (instant(24 * day + 2), instant(24 * day + 3));
    Event { series: Some(position(day)), start, end, ..single(provider_id) }
}

fn is(event: Event) -> RemoteItem {
    RemoteItem::from(event)
}

fn cancelled(provider_id: &str, day: i64) -> RemoteItem {
    RemoteItem::CancelledOccurrence { provider_id: id(provider_id), position: position(day) }
}

fn deleted(provider_id: &str) -> RemoteItem {
    RemoteItem::Deleted { provider_id: id(provider_id) }
}

fn unreadable(provider_id: &str) -> RemoteItem {
    RemoteItem::Unreadable { provider_id: Some(id(provider_id)), reason: "no start".into(), raw: String::new() }
}

fn stored(event: Event) -> StoredRow {
    let state = RowState::of_event(&event);
    StoredRow { provider_id: event.provider_id.clone(), state, version: None, body: StoredBody::Event(Box::new(event)) }
}

fn stored_cancelled(provider_id: &str, day: i64) -> StoredRow {
    let (state, body) = (RowState::of_cancelled(&position(day)), StoredBody::Cancelled(position(day)));
    StoredRow { provider_id: id(provider_id), state, version: None, body }
}

fn damaged(row: StoredRow) -> StoredRow {
    StoredRow { body: StoredBody::Unreadable, ..row }
}

fn beside(rows: &[StoredRow]) -> Snapshot {
    Snapshot { rows: rows.to_vec(), ..Snapshot::default() }
}

fn planned(rows: &[StoredRow], page: &[RemoteItem]) -> Plan {
    plan(page.to_vec(), Ends::No, &beside(rows), &by_rules())
}

/// What a page makes of the occurrences, by owner, as `source+hours`.
fn occurrences(rows: &[StoredRow], page: &[RemoteItem]) -> BTreeMap<String, Vec<String>> {
    readable(&planned(rows, page).occurrences)
}

fn readable(occurrences: &[OwnerOccurrences]) -> BTreeMap<String, Vec<String>> {
    let one = |occurrence: &Occurrence| {
        let EventTime::Instant { at: start, .. } = occurrence.start else { panic!("{occurrence:?}") };
        format!("{}+{}", occurrence.source_id.as_str(), (start - at(0)).num_hours())
    };
    let owners = occurrences.iter().map(|owned| {
        let mut times: Vec<String> = owned.occurrences.iter().map(one).collect();
        times.sort();
        (owned.owner.as_str().to_owned(), times)
    });
    owners.collect()
}

fn expected(owners: &[(&str, &[&str])]) -> BTreeMap<String, Vec<String>> {
    let text = |times: &[&str]| times.iter().map(|time| (*time).to_owned()).collect();
    owners.iter().map(|(owner, times)| ((*owner).to_owned(), text(times))).collect()
}

/// The feed, as `kind id`.
fn reported(plan: &Plan) -> Vec<String> {
    plan.changes.iter().map(|change| format!("{} {}", change.kind.as_str(), change.id.as_str())).collect()
}

fn texts(ids: &[ProviderEventId]) -> Vec<&str> {
    ids.iter().map(ProviderEventId::as_str).collect()
}

#[test]
fn in_whatever_order_the_items_of_a_page_come_the_occurrences_are_the_same() {
    let rows = [stored(master()), stored(exception("m1_1", 1)), stored(exception("m1_2", 2))];
    for (what, page, wanted) in [
        (
            "a guest was taken off a series and kept on one instance",
            vec![is(exception("m1_1", 1)), deleted("m1")],
            expected(&[("m1", &["m1_1+26"])]),
        ),
        (
            "an exception that cannot be read stands as it was",
            vec![deleted("m1"), unreadable("m1_2")],
            expected(&[("m1", &["m1_2+50"])]),
        ),
        ("a deleted series takes its exceptions along", vec![deleted("m1")], expected(&[("m1", &[])])),
        (
            "cancelled occurrences do not outlive their series",
            vec![cancelled("m1_1", 1), deleted("m1")],
            expected(&[("m1", &[]), ("m1_1", &[])]),
        ),
        (
            "an exception that is deleted falls back to what the rule says",
            vec![deleted("m1_1"), is(exception("m1_2", 2))],
            expected(&[("m1", &["m1+0", "m1+24", "m1_2+50"]), ("m1_1", &[])]),
        ),
    ] {
        let mut reversed = page.clone();
        reversed.reverse();
        assert_eq!(occurrences(&rows, &page), wanted, "{what}");
        assert_eq!(occurrences(&rows, &reversed), wanted, "{what}, in reverse order");
    }
}

#[test]
fn of_the_same_id_the_last_item_counts() {
    let rows = [stored(single("s1"))];
    let gone = planned(&rows, &[is(single("s1")), deleted("s1")]);
    assert_eq!((readable(&gone.occurrences), texts(&gone.deletes)), (expected(&[("s1", &[])]), vec!["s1"]));
    assert_eq!((reported(&gone), gone.event_count_delta), (vec!["deleted s1".to_owned()], -1));
    let stays = expected(&[("s1", &["s1+0"])]);
    assert_eq!(occurrences(&rows, &[deleted("s1"), is(single("s1"))]), stays);
    let later = Event { start: instant(5), end: instant(6), ..single("s1") };
    let unread = planned(&rows, &[is(later), unreadable("s1")]);
    assert_eq!(readable(&unread.occurrences), stays, "its old row stands");
    assert_eq!((unread.upserts.len(), texts(&unread.kept), reported(&unread)), (0, vec!["s1"], vec![]));
}

#[test]
fn only_true_differences_are_reported() {
    let rows = [stored(single("same")), stored(single("renamed")), stored(single("gone"))];
    let new_version = RemoteEvent { event: single("same"), version: Some("2".into()), raw: Some("{}".into()) };
    let renamed = Event { title: Some("other".into()), ..single("renamed") };
    let plan = planned(
        &rows,
        &[
            deleted("gone"),
            RemoteItem::Event(Box::new(new_version)),
            is(renamed),
            is(single("new")),
            deleted("unknown"),
        ],
    );
    assert_eq!(reported(&plan), ["updated renamed", "created new", "deleted gone"]);
    assert_eq!((plan.event_count_delta, plan.upserts.len(), texts(&plan.deletes)), (0, 3, vec!["gone"]));
    let mut visible: Vec<&str> = plan.visible.iter().map(|change| change.id.as_str()).collect();
    visible.sort_unstable();
    assert_eq!(visible, ["gone", "new", "renamed"]);
}

#[test]
fn the_parts_of_a_deleted_series_go_with_it_each_reported_but_for_those_that_the_page_names() {
    let rows = [stored(master()), stored(exception("m1_2", 2)), stored_cancelled("m1_1", 1), stored(single("s1"))];
    let plan = planned(&rows, &[deleted("m1"), is(exception("m1_2", 2))]);
    assert_eq!(reported(&plan), ["deleted m1", "deleted m1_1"]);
    assert_eq!((texts(&plan.deletes), plan.event_count_delta), (vec!["m1", "m1_1"], -1));
}

#[test]
fn a_series_that_cannot_be_expanded_is_set_aside_and_keeps_its_row_and_its_occurrences() {
    let plan = planned(&[stored(master())], &[is(broken_master()), is(single("s1"))]);
    assert_eq!(readable(&plan.occurrences), expected(&[("s1", &["s1+0"])]), "nothing is said of m1");
    let [set_aside] = plan.quarantine.as_slice() else { panic!("{:?}", plan.quarantine) };
    assert_eq!((set_aside.item_key.as_str(), texts(&plan.kept)), ("id:m1", vec!["m1"]));
    assert!(set_aside.raw.contains("SOMETIMES"), "what was sent is kept: {}", set_aside.raw);
    assert_eq!(reported(&plan), ["created s1"]);
}

#[test]
fn what_could_be_read_leaves_the_quarantine_and_so_does_what_is_gone() {
    let held = ["id:s1", "id:s2", "id:s3", "id:other"].map(str::to_owned);
    let snapshot = Snapshot { quarantined: held.into(), ..beside(&[]) };
    let page = vec![is(single("s1")), deleted("s2"), unreadable("s3"), is(single("s4"))];
    let plan = plan(page, Ends::No, &snapshot, &by_rules());
    assert_eq!(plan.released, ["id:s1", "id:s2"]);
    assert_eq!(plan.quarantine[0].item_key, "id:s3");
}

#[test]
fn a_full_pass_takes_away_what_it_did_not_see_and_no_other_page_does() {
    let rows = [stored(master()), stored(single("s1")), stored(single("s2"))];
    let snapshot = Snapshot { stale: [id("s1"), id("s2")].into(), ..beside(&rows) };
    let page = || vec![cancelled("m1_1", 1), unreadable("s2")];
    let swept = plan(page(), Ends::FullPass, &snapshot, &by_rules());
    assert_eq!(readable(&swept.occurrences), expected(&[("m1", &["m1+0", "m1+48"]), ("s1", &[]), ("s2", &["s2+0"])]));
    assert_eq!((texts(&swept.deletes), swept.sweeps_quarantine), (vec!["s1"], true));
    assert_eq!(reported(&swept), ["cancelled m1_1", "deleted s1"]);
    for ends in [Ends::No, Ends::Pass] {
        let kept = plan(page(), ends, &snapshot, &by_rules());
        assert_eq!((kept.deletes.len(), kept.sweeps_quarantine), (0, false), "{ends:?}");
    }
}

#[test]
fn a_cancelled_occurrence_without_its_series_stays_until_the_pass_ends_and_no_longer() {
    let left = |ends, page: &[RemoteItem], snapshot: &Snapshot| {
        let plan = plan(page.to_vec(), ends, snapshot, &by_rules());
        (plan.upserts.len(), texts(&plan.deletes).join(" "), reported(&plan).join(", "))
    };
    let nothing = Snapshot::default();
    let alone = [cancelled("m1_1", 1)];
    assert_eq!(left(Ends::No, &alone, &nothing), (1, String::new(), "cancelled m1_1".into()));
    assert_eq!(left(Ends::Pass, &alone, &nothing), (0, String::new(), String::new()), "it never was there");
    let with_master = [cancelled("m1_1", 1), is(master())];
    assert_eq!(left(Ends::Pass, &with_master, &nothing).0, 2);
    let with_broken = [cancelled("m1_1", 1), is(broken_master())];
    assert_eq!(left(Ends::Pass, &with_broken, &nothing).0, 1, "its series waits in quarantine");
    // From an earlier page of the pass.
    let row = stored_cancelled("m1_1", 1);
    let orphan = Snapshot { orphans: vec![(row.provider_id, row.state)], ..Snapshot::default() };
    assert_eq!(left(Ends::No, &[], &orphan), (0, String::new(), String::new()));
    assert_eq!(left(Ends::Pass, &[], &orphan), (0, "m1_1".into(), "deleted m1_1".into()));
    assert_eq!(left(Ends::FullPass, &[is(master())], &orphan).1, "", "its series has come");
    let held = Snapshot { quarantined: ["id:m1".to_owned()].into(), ..orphan };
    assert_eq!(left(Ends::Pass, &[], &held).1, "", "its series waits in quarantine");
    let swept = Snapshot { stale_quarantined: ["id:m1".to_owned()].into(), ..held };
    assert_eq!(left(Ends::FullPass, &[], &swept).1, "m1_1", "which is emptied of it");
}

#[test]
fn a_window_that_moves_on_brings_new_occurrences_and_keeps_what_was_said_of_single_ones() {
    let rows = [stored(master()), stored(exception("m1_4", 4)), stored_cancelled("m1_3", 3)];
    let tomorrow = Window { start: at(24), end: at(5 * 24) };
    let (rolled, unreadable) = expand_stored(&rows, &Expansion::ByRules { zone: None, window: tomorrow });
    assert_eq!(readable(&rolled), expected(&[("m1", &["m1+24", "m1+48", "m1_4+98"])]));
    assert!(unreadable.is_empty());
}

#[test]
fn a_series_that_cannot_be_expanded_for_a_new_window_keeps_what_it_has() {
    let (rolled, unreadable) = expand_stored(&[stored(broken_master())], &by_rules());
    assert_eq!((rolled, unreadable.len()), (vec![], 1));
}

#[test]
fn a_series_of_which_a_stored_row_cannot_be_read_keeps_what_it_has_until_a_fresh_copy_comes() {
    // An occurrence that may have been cancelled, or the series itself.
    for rows in [
        [stored(master()), stored(exception("m1_1", 1)), damaged(stored_cancelled("m1_2", 2))].to_vec(),
        [damaged(stored(master())), stored(exception("m1_1", 1))].to_vec(),
    ] {
        assert_eq!(expand_stored(&rows, &by_rules()).0, []);
        let page = [is(Event { title: Some("Moved".into()), ..exception("m1_1", 1) })];
        assert_eq!(planned(&rows, &page).occurrences, []);
        let fresh = [is(master()), cancelled("m1_2", 2)];
        assert_eq!(occurrences(&rows, &fresh), expected(&[("m1", &["m1+0", "m1_1+26"])]));
    }
}

/// Rows and items over few ids, so that they meet.
fn any_item() -> impl Strategy<Value = RemoteItem> {
    let part = |day: i64| format!("m1_{day}");
    prop_oneof![
        (0..4_i64).prop_map(|number| is(single(&format!("s{number}")))),
        (0..4_i64).prop_map(|number| deleted(&format!("s{number}"))),
        (0..4_i64).prop_map(|number| unreadable(&format!("s{number}"))),
        Just(is(master())),
        Just(is(broken_master())),
        Just(deleted("m1")),
        (1..4_i64).prop_map(move |day| is(exception(&part(day), day))),
        (1..4_i64).prop_map(move |day| cancelled(&part(day), day)),
        (1..4_i64).prop_map(move |day| deleted(&part(day))),
    ]
}

/// The rows after a plan.
fn after(rows: &[StoredRow], plan: &Plan) -> Vec<StoredRow> {
    let mut all: BTreeMap<ProviderEventId, StoredRow> =
        rows.iter().map(|row| (row.provider_id.clone(), row.clone())).collect();
    for row in &plan.upserts {
        let body = match &row.body {
            NewBody::Event(remote) => StoredBody::Event(Box::new(remote.event.clone())),
            NewBody::Cancelled(position) => StoredBody::Cancelled(position.clone()),
            NewBody::Occurrence(occurrence) => StoredBody::Occurrence(occurrence.clone()),
        };
        let row = StoredRow { provider_id: row.provider_id.clone(), state: row.state.clone(), version: None, body };
        all.insert(row.provider_id.clone(), row);
    }
    for id in &plan.deletes {
        assert!(all.remove(id).is_some(), "what is deleted is there, once: {}", id.as_str());
    }
    all.into_values().collect()
}

proptest! {
    #[test]
    fn what_a_plan_says_is_what_it_does_and_planned_again_it_changes_nothing(
        first in prop::collection::vec(any_item(), 0..8),
        second in prop::collection::vec(any_item(), 0..8),
    ) {
        let rows = after(&[], &planned(&[], &first));
        let plan = planned(&rows, &second);
        let rows_after = after(&rows, &plan);
        // The number of events is what it says, and each change stands for a row that differs.
        let events = |rows: &[StoredRow]| i64::try_from(rows.iter().filter(|row| row.state.kind != RowKind::Cancelled).count()).unwrap();
        prop_assert_eq!(events(&rows_after) - events(&rows), plan.event_count_delta);
        let find = |rows: &[StoredRow], id: &ProviderEventId| rows.iter().find(|row| row.provider_id == *id).map(|row| row.state.fingerprint.clone());
        for change in &plan.changes {
            prop_assert_eq!(&change.before, &find(&rows, &change.id));
            prop_assert_eq!(&change.after, &find(&rows_after, &change.id));
            prop_assert!(change.before != change.after);
            prop_assert_eq!(change.kind == ChangeKind::Deleted, change.after.is_none());
        }
        // Nothing that is reported as gone or as quarantined is written.
        for id in &plan.kept {
            prop_assert!(!plan.upserts.iter().any(|row| row.provider_id == *id));
        }
        // Planned again, it changes nothing.
        let again = planned(&rows_after, &second);
        prop_assert!(again.changes.is_empty(), "{:?}", reported(&again));
        prop_assert_eq!(again.event_count_delta, 0);
        prop_assert!(again.visible.is_empty());
    }

    #[test]
    fn the_order_inside_a_page_says_nothing(items in prop::collection::vec(any_item(), 0..8), seed in any::<u64>()) {
        // One item of each id: of several the last counts.
        let mut page: Vec<RemoteItem> = Vec::new();
        for item in items {
            if !page.iter().any(|other| id_of(other) == id_of(&item)) {
                page.push(item);
            }
        }
        let rows = [stored(master()), stored(exception("m1_1", 1)), stored_cancelled("m1_2", 2), stored(single("s1"))];
        let mut shuffled = page.clone();
        let length = shuffled.len().max(1);
        shuffled.rotate_left(usize::try_from(seed % u64::try_from(length).unwrap()).unwrap());
        let (one, other) = (planned(&rows, &page), planned(&rows, &shuffled));
        prop_assert_eq!(after(&rows, &one), after(&rows, &other));
        prop_assert_eq!(readable(&one.occurrences), readable(&other.occurrences));
        prop_assert_eq!(one.event_count_delta, other.event_count_delta);
    }
}
