use chrono::{DateTime, Duration, Utc};
use evercal_domain::EventTime;

use super::*;

fn at(hours: i64) -> DateTime<Utc> {
    "2026-03-02T08:00:00Z".parse::<DateTime<Utc>>().unwrap() + Duration::hours(hours)
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

/// An hour at the beginning of the window.
fn event(provider_id: &str) -> Event {
    Event::minimal(id(provider_id), instant(0), instant(1))
}

fn single(provider_id: &str) -> Event {
    event(provider_id)
}

/// A series whose master is `m1`, every day.
fn master() -> Event {
    Event { recurrence: vec!["RRULE:FREQ=DAILY".into()], ..event("m1") }
}

fn position(day: i64) -> SeriesPosition {
    SeriesPosition { master_id: id("m1"), original_start: instant(24 * day) }
}

/// The occurrence of `m1` on a day, moved by two hours.
fn exception(provider_id: &str, day: i64) -> Event {
    let start = 24 * day + 2;
    Event { series: Some(position(day)), start: instant(start), end: instant(start + 1), ..event(provider_id) }
}

fn is(event: Event) -> RemoteItem {
    RemoteItem::Event(Box::new(event))
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

fn stored(event: Event) -> StoredItem {
    StoredItem { provider_id: event.provider_id.clone(), body: StoredBody::Event(Box::new(event)) }
}

/// What a page makes of the occurrences, by owner, as `source+hours`.
fn occurrences(rows: &[StoredItem], page: &[RemoteItem]) -> BTreeMap<String, Vec<String>> {
    readable(&merged(rows, page).occurrences)
}

fn merged(rows: &[StoredItem], page: &[RemoteItem]) -> Merged {
    expand(rows.to_vec(), page.to_vec(), &BTreeSet::new(), None, &window())
}

fn readable(occurrences: &[OwnerOccurrences]) -> BTreeMap<String, Vec<String>> {
    let one = |occurrence: &evercal_domain::event::Occurrence| {
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

#[test]
fn in_whatever_order_a_page_tells_it_the_occurrences_are_the_same() {
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
            expected(&[("m1", &[])]),
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
        assert_eq!(occurrences(&rows, &reversed), wanted, "{what}, told the other way round");
    }
}

#[test]
fn of_the_same_id_the_last_item_counts() {
    let rows = [stored(single("s1"))];
    let gone = expected(&[("s1", &[])]);
    let stays = expected(&[("s1", &["s1+0"])]);
    assert_eq!(occurrences(&rows, &[is(single("s1")), deleted("s1")]), gone);
    assert_eq!(occurrences(&rows, &[deleted("s1"), is(single("s1"))]), stays);
    let later = Event { start: instant(5), end: instant(6), ..single("s1") };
    assert_eq!(occurrences(&rows, &[is(later), unreadable("s1")]), stays, "its old row stands");
    assert_eq!(merged(&rows, &[is(single("s1")), deleted("s1")]).items, [deleted("s1")]);
}

#[test]
fn a_series_that_cannot_be_expanded_is_set_aside_and_keeps_its_occurrences() {
    let broken = Event { recurrence: vec!["RRULE:FREQ=SOMETIMES".into()], ..master() };
    let merged = merged(&[stored(master())], &[is(broken), is(single("s1"))]);
    assert_eq!(readable(&merged.occurrences), expected(&[("s1", &["s1+0"])]), "nothing is said of m1");
    assert!(matches!(&merged.items[0], RemoteItem::Unreadable { provider_id: Some(it), .. } if *it == id("m1")));
}

#[test]
fn what_the_sweep_takes_has_no_occurrences_any_more() {
    let rows = vec![stored(master()), stored(single("s1"))];
    let swept = BTreeSet::from([id("s1")]);
    let merged = expand(rows, vec![cancelled("m1_1", 1)], &swept, None, &window());
    assert_eq!(readable(&merged.occurrences), expected(&[("m1", &["m1+0", "m1+48"]), ("s1", &[])]));
}

#[test]
fn a_window_that_moves_on_brings_new_occurrences_and_keeps_what_was_said_of_single_ones() {
    let cancelled = StoredItem { provider_id: id("m1_3"), body: StoredBody::Cancelled(position(3)) };
    let rows = vec![stored(master()), stored(exception("m1_4", 4)), cancelled];
    let tomorrow = Window { start: at(24), end: at(5 * 24) };
    let rolled = expand_stored(rows, None, &tomorrow);
    assert_eq!(readable(&rolled), expected(&[("m1", &["m1+24", "m1+48", "m1_4+98"])]));
}

#[test]
fn a_series_that_cannot_be_expanded_for_a_new_window_keeps_what_it_has() {
    let broken = Event { recurrence: vec!["RRULE:FREQ=SOMETIMES".into()], ..master() };
    assert_eq!(expand_stored(vec![stored(broken)], None, &window()), []);
}

#[test]
fn a_series_of_which_a_stored_row_cannot_be_read_keeps_what_it_has_until_a_fresh_copy_comes() {
    let damaged = |row_id: &str, master_id: Option<&str>| StoredItem {
        provider_id: id(row_id),
        body: StoredBody::Unreadable { master_id: master_id.map(id) },
    };
    // An occurrence that may have been cancelled, or the series itself.
    for rows in [
        vec![stored(master()), stored(exception("m1_1", 1)), damaged("m1_2", Some("m1"))],
        vec![damaged("m1", None), stored(exception("m1_1", 1))],
    ] {
        assert_eq!(expand_stored(rows.clone(), None, &window()), []);
        let page = [is(Event { title: Some("Moved".into()), ..exception("m1_1", 1) })];
        assert_eq!(merged(&rows, &page).occurrences, []);
        let fresh = [is(master()), cancelled("m1_2", 2)];
        assert_eq!(occurrences(&rows, &fresh), expected(&[("m1", &["m1+0", "m1_1+26"])]));
    }
}
