//! What readers see of a mirror, in numbers: a number moves when something in its range reads differently, and not for the rest.

use evercal_domain::event::Occurrence;
use evercal_domain::{Event, EventTime, RemoteEvent, RemoteItem};
use evercal_mirror::OwnerOccurrences;
use evercal_storage::{Expanded, OccurrenceRange, WindowNow};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::Database;
use super::fixtures::{
    Seeded, add_calendar, at, cancelled, date, days, deleted, event, exception, finish, first, id, instant, master,
    occurrence, occurrences_of, seeded, single, unreadable, zone_data,
};

const DAY: i64 = 24 * 60;
/// Runs with random commits, each compared with what reads differently after it.
const CASES: u32 = 48;

/// The revisions of so many days, each on its own, from the first day of the tests' time on.
async fn revisions(seeded: &Seeded, days_shown: i64) -> Vec<i64> {
    let mut revisions = Vec::new();
    for day in 0..days_shown {
        revisions.push(revision(seeded, &days(day, day + 1)).await);
    }
    revisions
}

async fn revision(seeded: &Seeded, range: &OccurrenceRange) -> i64 {
    seeded.store.revision_of(seeded.calendar, range).await.unwrap()
}

/// The days whose revision is another one than before.
fn moved(before: &[i64], after: &[i64]) -> Vec<usize> {
    assert!(before.iter().zip(after).all(|(before, after)| before <= after), "{before:?} {after:?}: one went back");
    (0..before.len()).filter(|day| before[*day] != after[*day]).collect()
}

/// Commits a page and answers the days, of the first five, that it touched.
async fn touched(seeded: &Seeded, items: &[RemoteItem], occurrences: &[OwnerOccurrences]) -> Vec<usize> {
    let before = revisions(seeded, 5).await;
    seeded.try_commit(items, occurrences, None).await.unwrap();
    moved(&before, &revisions(seeded, 5).await)
}

/// Half an hour of an owner, in the morning of a day.
fn on_day(owner: &str, day: i64) -> OwnerOccurrences {
    occurrences_of(owner, vec![occurrence(owner, instant(day * DAY), instant(day * DAY + 30))])
}

/// An occurrence of a daily series, in the morning of a day.
fn of_series(series: &str, source: &str, original_day: i64, day: i64) -> Occurrence {
    Occurrence {
        source_id: id(source),
        series_id: Some(id(series)),
        original_start: instant(original_day * DAY),
        start: instant(day * DAY),
        end: instant(day * DAY + 30),
    }
}

pub async fn a_commit_that_changes_nothing_for_readers_leaves_no_revision(database: &Database) {
    let seeded = seeded(database).await;
    let nothing_yet = revisions(&seeded, 5).await;
    assert_eq!(nothing_yet, [0; 5]);
    let occurrences = [on_day("s1", 1)];
    seeded.try_commit(&[single("s1", "a")], &occurrences, Some(finish(false, at(1)))).await.unwrap();
    let before = revisions(&seeded, 5).await;
    assert_eq!(moved(&nothing_yet, &before), [1]);

    let new_version = RemoteEvent { event: event("s1", "a"), version: Some("\"2\"".into()), raw: None };
    seeded.try_commit(&[], &[], Some(finish(false, at(2)))).await.unwrap();
    seeded
        .try_commit(&[RemoteItem::Event(Box::new(new_version))], &occurrences, Some(finish(false, at(3))))
        .await
        .unwrap();
    seeded.try_commit(&[unreadable(Some("s1"), "{}"), deleted("s9")], &[], None).await.unwrap();
    let position = seeded.store.sync_position(seeded.calendar).await.unwrap();
    let begun = seeded.store.begin_full_pass(seeded.calendar, position.revision, 2_500).await.unwrap();
    seeded.store.take_over_pass(seeded.calendar, begun.revision).await.unwrap();
    seeded.try_commit(&[single("s1", "a")], &occurrences, Some(finish(true, at(4)))).await.unwrap();
    assert_eq!(revisions(&seeded, 5).await, before);

    let later = RemoteItem::from(Event { updated_at: Some(at(9)), ..event("s1", "a") });
    assert_eq!(touched(&seeded, &[later], &occurrences).await, [1]);
}

pub async fn a_change_moves_the_revision_of_the_ranges_that_it_touches_and_of_no_other(database: &Database) {
    let seeded = seeded(database).await;
    let items = [single("s1", "a"), single("s2", "a")];
    assert_eq!(touched(&seeded, &items, &[on_day("s1", 1), on_day("s2", 4)]).await, [1, 4]);
    assert_eq!(touched(&seeded, &[single("s1", "b")], &[on_day("s1", 1)]).await, [1]);
    assert_eq!(touched(&seeded, &[single("s1", "b")], &[on_day("s1", 3)]).await, [1, 3]);
    assert_eq!(touched(&seeded, &[deleted("s1")], &[occurrences_of("s1", vec![])]).await, [3]);
    // From the end of the one day into the next; of no duration; to the moment at which the next day begins.
    let night = occurrence("s3", instant(DAY - 9 * 60), instant(DAY - 7 * 60));
    assert_eq!(touched(&seeded, &[single("s3", "a")], &[occurrences_of("s3", vec![night])]).await, [0, 1]);
    let moment = occurrence("s4", instant(2 * DAY - 8 * 60), instant(2 * DAY - 8 * 60));
    assert_eq!(touched(&seeded, &[single("s4", "a")], &[occurrences_of("s4", vec![moment])]).await, [2]);
    let evening = occurrence("s5", instant(2 * DAY - 9 * 60), instant(2 * DAY - 8 * 60));
    assert_eq!(touched(&seeded, &[single("s5", "a")], &[occurrences_of("s5", vec![evening])]).await, [1]);
}

pub async fn a_change_of_all_day_events_goes_by_date(database: &Database) {
    let seeded = seeded(database).await;
    let day = occurrence("s1", date("2026-03-03"), date("2026-03-04"));
    assert_eq!(touched(&seeded, &[single("s1", "a")], &[occurrences_of("s1", vec![day])]).await, [1]);
    // Far west of Greenwich the same instants are another date.
    let range = days(1, 2);
    let west = OccurrenceRange { from_date: days(0, 1).from_date, to_date: days(0, 1).to_date, ..range };
    let before = (revision(&seeded, &range).await, revision(&seeded, &west).await);
    let longer = occurrence("s1", date("2026-03-02"), date("2026-03-04"));
    assert_eq!(touched(&seeded, &[single("s1", "a")], &[occurrences_of("s1", vec![longer])]).await, [0, 1]);
    let after = (revision(&seeded, &range).await, revision(&seeded, &west).await);
    assert!(after.0 > before.0 && after.1 > before.1, "{before:?} {after:?}");
    assert_eq!(before.1, 0, "nothing was on that date");
}

pub async fn one_occurrence_of_a_series_touches_its_places_and_a_new_title_all_of_them(database: &Database) {
    let seeded = seeded(database).await;
    let by_rule = |days: &[i64]| days.iter().map(|day| of_series("m1", "m1", *day, *day)).collect::<Vec<_>>();
    let all = [occurrences_of("m1", by_rule(&[0, 1, 3]))];
    assert_eq!(touched(&seeded, &[master("m1", "a")], &all).await, [0, 1, 3]);
    let moved_one = [by_rule(&[0, 3]), vec![of_series("m1", "m1_1", 1, 4)]].concat();
    let moved_one = [occurrences_of("m1", moved_one)];
    assert_eq!(touched(&seeded, &[exception("m1_1", "m1", "a")], &moved_one).await, [1, 4]);
    assert_eq!(touched(&seeded, &[exception("m1_1", "m1", "b")], &moved_one).await, [4]);
    let without = [occurrences_of("m1", by_rule(&[0, 3]))];
    assert_eq!(touched(&seeded, &[cancelled("m1_1", "m1")], &without).await, [4]);
    assert_eq!(touched(&seeded, &[master("m1", "b")], &without).await, [0, 3]);
    assert_eq!(touched(&seeded, &[deleted("m1")], &[occurrences_of("m1", vec![])]).await, [0, 3]);
}

pub async fn a_series_may_touch_what_lies_outside_of_the_window(database: &Database) {
    let seeded = seeded(database).await;
    let series = [occurrences_of("m1", vec![of_series("m1", "m1", 1, 1)])];
    let outside = [days(-60, -30), days(365, 400), days(-60, -29), days(364, 400)];
    let of_all = async || {
        let mut revisions = Vec::new();
        for range in &outside {
            revisions.push(revision(&seeded, range).await);
        }
        revisions
    };
    let nothing_yet = of_all().await;
    seeded.try_commit(&[single("s1", "a")], &[on_day("s1", 1)], None).await.unwrap();
    assert_eq!(of_all().await, nothing_yet, "a single event is where it is");
    seeded.try_commit(&[master("m1", "a")], &series, None).await.unwrap();
    let known = of_all().await;
    assert!(known.iter().all(|revision| *revision > 0), "{known:?}");
    seeded.try_commit(&[cancelled("m1_1", "m1")], &series, None).await.unwrap();
    assert!(of_all().await.iter().zip(&known).all(|(after, before)| after > before));
}

pub async fn what_is_swept_or_erased_moves_the_revision_and_no_number_comes_back(database: &Database) {
    let seeded = seeded(database).await;
    let occurrences = [on_day("s1", 1), on_day("s2", 3)];
    seeded.try_commit(&[single("s1", "a"), single("s2", "a")], &occurrences, None).await.unwrap();
    let before = revisions(&seeded, 5).await;
    let position = seeded.store.sync_position(seeded.calendar).await.unwrap();
    seeded.store.begin_full_pass(seeded.calendar, position.revision, 2_500).await.unwrap();
    let swept = [on_day("s1", 1), occurrences_of("s2", vec![])];
    seeded.try_commit(&[single("s1", "a")], &swept, Some(finish(true, at(1)))).await.unwrap();
    let after_the_sweep = revisions(&seeded, 5).await;
    assert_eq!(moved(&before, &after_the_sweep), [3]);
    seeded.store.erase_mirrors(seeded.account).await.unwrap();
    let erased = revisions(&seeded, 5).await;
    assert_eq!(moved(&after_the_sweep, &erased), [0, 1, 2, 3, 4]);
    assert_eq!(touched(&seeded, &[single("s1", "a")], &[on_day("s1", 1)]).await, [1], "and the numbers go on");
}

pub async fn after_a_return_from_a_backup_no_number_stands_for_something_else(database: &Database) {
    let seeded = seeded(database).await;
    seeded.try_commit(&[single("s1", "a")], &[on_day("s1", 1)], None).await.unwrap();
    database.execute("CREATE TABLE backup AS SELECT * FROM mirror_revisions").await;
    seeded.try_commit(&[single("s1", "b")], &[on_day("s1", 1)], None).await.unwrap();
    let before = revision(&seeded, &days(1, 2)).await;
    database.execute("DELETE FROM mirror_revisions").await;
    database.execute("INSERT INTO mirror_revisions SELECT * FROM backup").await;
    seeded.try_commit(&[single("s1", "c")], &[on_day("s1", 1)], None).await.unwrap();
    assert_ne!(revision(&seeded, &days(1, 2)).await, before);
}

pub async fn a_row_whose_occurrences_are_not_replaced_counts_as_a_change_everywhere(database: &Database) {
    let seeded = seeded(database).await;
    seeded.try_commit(&[master("m1", "a")], &[occurrences_of("m1", vec![])], None).await.unwrap();
    assert_eq!(touched(&seeded, &[exception("m1_1", "m1", "a")], &[]).await, [0, 1, 2, 3, 4]);
}

pub async fn a_window_that_rolls_touches_what_it_adds(database: &Database) {
    let seeded = seeded(database).await;
    let by_rule = |days: &[i64]| days.iter().map(|day| of_series("m1", "m1", *day, *day)).collect::<Vec<_>>();
    seeded.try_commit(&[master("m1", "a")], &[occurrences_of("m1", by_rule(&[0, 1, 2]))], None).await.unwrap();
    let before = revisions(&seeded, 5).await;
    let position = seeded.store.sync_position(seeded.calendar).await.unwrap();
    let rolled = [occurrences_of("m1", by_rule(&[0, 1, 2, 3]))];
    let window = WindowNow::Until(at(4 * DAY));
    let expanded = Expanded { occurrences: &rolled, zone_data: &zone_data(), window };
    seeded.store.replace_occurrences(seeded.calendar, position.revision, &expanded).await.unwrap();
    assert_eq!(moved(&before, &revisions(&seeded, 5).await), [3]);
}

pub async fn ranges_in_which_nothing_changes_keep_their_revision_through_many_commits(database: &Database) {
    let seeded = seeded(database).await;
    let items = [single("s1", "a"), single("s2", "a")];
    seeded.try_commit(&items, &[on_day("s1", 1), on_day("s2", 3)], None).await.unwrap();
    let mut numbers_of_the_quiet_day = vec![revision(&seeded, &days(3, 4)).await];
    let mut last = 0;
    for commit in 0..300 {
        let title = format!("title {commit}");
        seeded.try_commit(&[single("s1", &title)], &[on_day("s1", 1)], None).await.unwrap();
        let of_the_busy_day = revision(&seeded, &days(1, 2)).await;
        assert!(of_the_busy_day > last, "a change was not seen at commit {commit}");
        last = of_the_busy_day;
        numbers_of_the_quiet_day.push(revision(&seeded, &days(3, 4)).await);
    }
    assert!(numbers_of_the_quiet_day.is_sorted(), "{numbers_of_the_quiet_day:?}");
    numbers_of_the_quiet_day.dedup();
    assert!(numbers_of_the_quiet_day.len() <= 3, "{numbers_of_the_quiet_day:?}");
}

/// An event, the day of its occurrence, and what becomes of it.
fn change() -> impl Strategy<Value = (RemoteItem, OwnerOccurrences)> {
    let title = prop_oneof![Just("a"), Just("b")];
    let singles = (0..3_u8, title.clone(), 0..6_i64, any::<bool>()).prop_map(|(index, title, day, all_day)| {
        let name = format!("s{index}");
        let one = if all_day {
            let date = |day| EventTime::Date { date: days(day, day + 1).from_date };
            occurrence(&name, date(day), date(day + 2))
        } else {
            occurrence(&name, instant(day * DAY), instant(day * DAY + 30))
        };
        (single(&name, title), occurrences_of(&name, vec![one]))
    });
    let series = (title, vec(0..6_i64, 0..4)).prop_map(|(title, days)| {
        let by_rule = days.iter().map(|day| of_series("m1", "m1", *day, *day)).collect();
        (master("m1", title), occurrences_of("m1", by_rule))
    });
    let gone =
        prop_oneof![Just("s0"), Just("s1"), Just("m1")].prop_map(|name| (deleted(name), occurrences_of(name, vec![])));
    prop_oneof![3 => singles, 2 => series, 1 => gone]
}

pub fn whatever_reads_differently_after_a_commit_has_another_revision(database: &Database) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let seeded = runtime.block_on(seeded(database));
    let names = std::cell::Cell::new(0);
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&vec(vec(change(), 0..4), 1..5), |commits| {
        names.set(names.get() + 1);
        runtime.block_on(async {
            let calendar = add_calendar(&*seeded.store, seeded.account, &format!("calendar {}", names.get())).await;
            let seeded = Seeded { store: seeded.store.clone(), calendar, ..seeded };
            let mut before = by_day(&seeded).await;
            for commit in &commits {
                let (items, occurrences): (Vec<_>, Vec<_>) = commit.iter().cloned().unzip();
                seeded.try_commit(&items, &occurrences, None).await.unwrap();
                let after = by_day(&seeded).await;
                for (day, (old, new)) in before.iter().zip(&after).enumerate() {
                    prop_assert!(old.1 == new.1 || old.0 < new.0, "day {day} reads differently under {}", old.0);
                    prop_assert!(old.0 <= new.0, "day {day} went back");
                }
                before = after;
            }
            Ok(())
        })
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

/// Of each day its revision, and all that a reader sees.
async fn by_day(seeded: &Seeded) -> Vec<(i64, String)> {
    let mut seen = Vec::new();
    for day in 0..8 {
        let range = days(day, day + 1);
        let read = seeded.store.occurrences(seeded.calendar, &range, &first(1_000)).await.unwrap();
        seen.push((revision(seeded, &range).await, format!("{:?}", read.items)));
    }
    seen
}
