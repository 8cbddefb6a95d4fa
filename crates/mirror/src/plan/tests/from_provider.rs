//! Series whose occurrences their provider makes, owners that come as a whole, and what has to be fetched or confirmed.

use super::*;

/// What the provider was asked for: three days from the first occurrence on.
fn from_provider() -> Expansion {
    Expansion::FromProvider { window: window() }
}

fn made(day: i64) -> ProviderOccurrence {
    ProviderOccurrence { position: position(day), start: instant(24 * day), end: instant(24 * day + 1) }
}

fn occurrence(provider_id: &str, day: i64) -> RemoteItem {
    RemoteItem::Occurrence { provider_id: id(provider_id), occurrence: made(day) }
}

fn stored_occurrence(provider_id: &str, day: i64) -> StoredRow {
    let (state, body) = (RowState::of_occurrence(&made(day)), StoredBody::Occurrence(made(day)));
    StoredRow { provider_id: id(provider_id), state, version: None, body }
}

fn named(provider_id: &str) -> RemoteItem {
    RemoteItem::Named { provider_id: id(provider_id), version: Some("v2".into()) }
}

fn whole(owner: &str, parts: Vec<Part>) -> RemoteItem {
    RemoteItem::Whole { owner: id(owner), version: Some("v2".into()), raw: Some("all of it".into()), parts }
}

fn part(provider_id: &str, day: i64) -> Part {
    Part::Occurrence { provider_id: id(provider_id), occurrence: made(day) }
}

fn planned_at(rows: &[StoredRow], page: &[RemoteItem], ends: Ends) -> Plan {
    plan(page.to_vec(), ends, &beside(rows), &from_provider())
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.named.iter().map(|named| named.provider_id.as_str()).collect()
}

#[test]
fn a_series_has_the_occurrences_that_its_provider_makes_and_no_other() {
    let page = [is(master()), occurrence("o0", 0), occurrence("o2", 2)];
    let plan = planned_at(&[], &page, Ends::No);
    assert_eq!(readable(&plan.occurrences), expected(&[("m1", &["m1+0", "m1+48"])]), "every day, say its rules");
    assert_eq!((reported(&plan), plan.event_count_delta), (vec!["created m1".to_owned()], 1));
    assert_eq!(plan.upserts.len(), 3);
}

#[test]
fn occurrences_wait_for_their_master_which_a_later_page_may_bring() {
    let plan = planned_at(&[], &[occurrence("o0", 0)], Ends::No);
    assert_eq!(readable(&plan.occurrences), expected(&[("m1", &[])]));
    let plan = planned_at(&[stored_occurrence("o0", 0)], &[is(master())], Ends::No);
    assert_eq!(readable(&plan.occurrences), expected(&[("m1", &["m1+0"])]));
}

#[test]
fn an_exception_or_a_cancellation_counts_more_than_the_occurrence_in_its_place() {
    let rows = [stored(master()), stored_occurrence("o0", 0), stored_occurrence("o1", 1), stored_occurrence("o2", 2)];
    let plan = planned_at(&rows, &[is(exception("x1", 1)), cancelled("c2", 2)], Ends::No);
    assert_eq!(readable(&plan.occurrences), expected(&[("m1", &["m1+0", "x1+26"])]));
}

#[test]
fn an_occurrence_that_becomes_an_exception_is_created_to_readers_and_deleted_when_it_is_none_any_more() {
    let rows = [stored(master()), stored_occurrence("o1", 1)];
    let plan = planned_at(&rows, &[is(exception("o1", 1))], Ends::No);
    assert_eq!((reported(&plan), plan.event_count_delta), (vec!["created o1".to_owned()], 1));
    let rows = [stored(master()), stored(exception("o1", 1))];
    let plan = planned_at(&rows, &[occurrence("o1", 1)], Ends::No);
    assert_eq!((reported(&plan), plan.event_count_delta), (vec!["deleted o1".to_owned()], -1));
    assert_eq!(readable(&plan.occurrences), expected(&[("m1", &["m1+24"])]));
}

#[test]
fn a_whole_replaces_all_rows_of_its_owner() {
    let rows = [stored(master()), stored(exception("x1", 1)), stored_occurrence("o0", 0), stored_occurrence("o2", 2)];
    let again = Part::Event(Box::new(Event { title: Some("Moved".into()), ..master() }));
    let plan = planned_at(&rows, &[whole("m1", vec![again, part("o2", 2), part("o9", 1)])], Ends::Pass);
    assert_eq!(readable(&plan.occurrences), expected(&[("m1", &["m1+48", "x1+26"])]));
    assert_eq!(texts(&plan.deletes), ["o0"]);
    assert_eq!(reported(&plan), ["updated m1"], "occurrences are no events of their own");
    assert_eq!(names(&plan), ["x1"], "an exception may have been moved out of the window, and is asked for");
    let NewBody::Event(master) = &plan.upserts[0].body else { panic!("{:?}", plan.upserts) };
    assert_eq!((master.version.as_deref(), master.raw.as_deref()), (Some("v2"), Some("all of it")));
    assert!(texts(&plan.answered).contains(&"m1"));
}

#[test]
fn a_whole_of_nothing_takes_its_owner_away() {
    let rows = [stored(master()), stored_occurrence("o0", 0), stored(single("s1"))];
    let plan = planned_at(&rows, &[whole("m1", vec![]), whole("s1", vec![])], Ends::Pass);
    assert_eq!(readable(&plan.occurrences), expected(&[("m1", &[]), ("s1", &[])]));
    assert_eq!(reported(&plan), ["deleted m1", "deleted s1"]);
}

#[test]
fn what_lies_outside_of_the_time_that_was_asked_for_stays_as_it_was_last_seen() {
    let rows = [stored(master()), stored_occurrence("past", -2), stored_occurrence("o1", 1)];
    let all = whole("m1", vec![Part::Event(Box::new(master())), part("o2", 2)]);
    let plan = planned_at(&rows, &[all], Ends::Pass);
    assert_eq!(texts(&plan.deletes), ["o1"]);
    assert_eq!(readable(&plan.occurrences), expected(&[("m1", &["m1+-48", "m1+48"])]));
}

#[test]
fn what_is_missing_where_the_provider_looked_is_asked_for_where_it_is_mirrored_and_else_ignored() {
    let rows = [stored(single("s1")), stored(master()), stored_occurrence("o1", 1), stored(exception("x2", 2))];
    let missing = |provider_id: &str| RemoteItem::Missing { provider_id: id(provider_id) };
    let page = ["s1", "o1", "x2", "unknown"].map(missing);
    for ends in [Ends::No, Ends::Pass, Ends::Listing] {
        let plan = planned_at(&rows, &page, ends);
        assert_eq!(names(&plan), ["m1", "s1"], "of what belongs to a series, the series is asked for");
        assert!(plan.deletes.is_empty() && plan.answered.is_empty() && plan.upserts.is_empty(), "{plan:?}");
        assert_eq!(reported(&plan), [""; 0]);
    }
}

#[test]
fn what_a_page_only_names_stands_as_it_is_and_is_to_be_fetched() {
    let rows = [stored(single("s1"))];
    let plan = planned_at(&rows, &[named("s1"), named("s2")], Ends::No);
    assert_eq!((names(&plan), plan.upserts.len(), plan.deletes.len()), (vec!["s1", "s2"], 0, 0));
    assert_eq!(plan.named[0].version.as_deref(), Some("v2"));
    assert!(plan.answered.is_empty() && plan.changes.is_empty());
}

#[test]
fn what_was_not_listed_has_to_be_confirmed_unless_it_lies_outside_of_what_was_asked_for() {
    let past = |provider_id| Event { start: instant(-50), end: instant(-49), ..single(provider_id) };
    let rows = [
        stored(single("s1")),
        stored(past("s2")),
        stored(master()),
        stored_occurrence("o1", 1),
        stored_occurrence("o9", -2),
        stored(single("seen")),
    ];
    let stale = ["s1", "s2", "o1", "o9"].map(id).into();
    let snapshot = Snapshot { stale, ..beside(&rows) };
    let plan = plan(vec![named("s3")], Ends::Listing, &snapshot, &from_provider());
    assert_eq!(names(&plan), ["m1", "s1", "s3"], "of a missing occurrence the series is asked for");
    assert_eq!(texts(&plan.kept), ["s2", "o9"]);
    assert_eq!((plan.deletes.len(), reported(&plan)), (0, vec![]));

    let rules = Expansion::ByRules { zone: None, window: window() };
    let plan = super::plan(vec![], Ends::Listing, &snapshot, &rules);
    assert_eq!(names(&plan), ["m1", "s1", "s2"], "where everything is asked for");
}

#[test]
fn what_was_fetched_and_cannot_be_read_is_not_asked_for_again() {
    let broken = Event { recurrence: vec!["RRULE:FREQ=SOMETIMES".into()], ..single("m2") };
    let page = vec![unreadable("s1"), is(broken), named("s2"), is(single("s3"))];
    let plan = plan(page, Ends::No, &beside(&[]), &by_rules());
    assert_eq!(plan.quarantine.len(), 2);
    assert_eq!(texts(&plan.answered), ["s3", "s1", "m2"]);
}

#[test]
fn what_is_named_and_has_to_be_confirmed_is_fetched_once() {
    let rows = [stored(master()), stored_occurrence("o1", 1)];
    let snapshot = Snapshot { stale: [id("o1")].into(), ..beside(&rows) };
    let plan_of = |page: Vec<RemoteItem>| plan(page, Ends::Listing, &snapshot, &from_provider());
    let both = plan_of(vec![named("m1")]);
    assert_eq!(names(&both), ["m1"]);
    assert_eq!(both.named[0].version.as_deref(), Some("v2"), "the newer version");
    let listed = plan_of(vec![is(master())]);
    assert_eq!(names(&listed), ["m1"], "the master alone does not say what became of its occurrence");
}

#[test]
fn a_cancelled_occurrence_waits_for_the_master_that_is_still_to_be_fetched() {
    // An earlier page has named it.
    let plan = plan(vec![cancelled("c1", 1)], Ends::Listing, &Snapshot::default(), &from_provider());
    assert_eq!(plan.upserts.len(), 1);
}

#[test]
fn a_past_of_which_a_page_over_everything_says_nothing_is_neither_computed_nor_written_again() {
    let past = Event { start: instant(-90), end: instant(-89), ..single("past") };
    let rows = [stored(past), stored(master()), stored_occurrence("o1", 1)];
    let snapshot = Snapshot { stale: [id("past"), id("m1"), id("o1")].into(), ..beside(&rows) };
    let plan = plan(vec![], Ends::Listing, &snapshot, &from_provider());
    assert_eq!(texts(&plan.kept), ["past"]);
    assert_eq!(readable(&plan.occurrences), expected(&[("m1", &["m1+24"])]));
    assert!(plan.upserts.is_empty() && plan.deletes.is_empty());
    assert_eq!(names(&plan), ["m1"]);
}
