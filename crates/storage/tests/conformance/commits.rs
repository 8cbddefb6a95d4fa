//! Committing pages: atomicity, the change feed, sweeps, quarantine, finishing a pass.

use evercal_domain::calendar::LastSync;
use evercal_domain::change::ChangeKind;
use evercal_domain::event::Fingerprint;
use evercal_domain::{CalendarState, RemoteEvent, RemoteItem, SyncReason, Via};
use evercal_mirror::{Ends, StoredBody};
use evercal_storage::{
    Cursor, PageCommit, PageCommitted, PassFinish, StoreErrorKind, SyncPosition, SyncRun, SyncRunOutcome,
};

use super::Database;
use super::calendars::record;
use super::fixtures::{
    Finish, add_calendar, at, cancelled, deleted, event, exception, finish, first, id, in_full_pass, instant,
    occurrence, occurrences_of, ready, seeded, single, unreadable, window, zone_data,
};

pub async fn a_page_moves_rows_cursor_and_revision_together(database: &Database) {
    let seeded = seeded(database).await;
    let start = seeded.store.sync_position(seeded.calendar).await.unwrap();
    assert_eq!((&start.cursor, start.window_end), (&Cursor::Start, None));
    let begun = seeded.store.begin_full_pass(seeded.calendar, start.revision, 2_500).await.unwrap();
    assert_eq!(
        (&begun.cursor, begun.generation),
        (&Cursor::Full { page_events_max: 2_500, reached: None }, start.generation + 1)
    );

    let cursor = in_full_pass("page 2");
    let page = PageCommit {
        calendar_id: seeded.calendar,
        expected_revision: begun.revision,
        generation: begun.generation,
        has_worklist: false,
        plan: &seeded.plan(&[single("s1", "a"), cancelled("m1_1", "m1")], &[], Ends::No).await,
        window: window(),
        zone_data: &zone_data(),
        cursor: &cursor,
        finish: None,
        at: at(1),
    };
    let committed = seeded.store.commit_page(&page).await.unwrap();
    assert_eq!(committed, PageCommitted { revision: begun.revision + 1, changes: 2 });
    let position = seeded.store.sync_position(seeded.calendar).await.unwrap();
    assert_eq!(position, SyncPosition { revision: committed.revision, cursor, has_cancelled: true, ..begun });
    assert_eq!(seeded.ids().await, ["m1_1", "s1"]);
    assert_eq!(seeded.feed_after(0).await, ["created s1", "cancelled m1_1"]);
    assert_eq!(seeded.event_count().await, 1);
}

pub async fn a_commit_on_an_old_revision_writes_nothing(database: &Database) {
    let seeded = seeded(database).await;
    seeded.commit(&[single("s1", "a")]).await;
    let position = seeded.store.sync_position(seeded.calendar).await.unwrap();
    let occurrences = [occurrences_of("s2", vec![occurrence("s2", instant(0), instant(30))])];
    let plan = seeded.plan(&[single("s2", "zombie"), deleted("s1")], &occurrences, Ends::FullPass).await;
    for expected_revision in [position.revision - 1, position.revision + 1] {
        let page = PageCommit {
            calendar_id: seeded.calendar,
            expected_revision,
            generation: position.generation,
            has_worklist: false,
            plan: &plan,
            window: window(),
            zone_data: &zone_data(),
            cursor: &Cursor::Start,
            finish: Some(finish(true, at(5)).pass),
            at: at(1),
        };
        assert!(seeded.store.commit_page(&page).await.unwrap_err().is_conflict());
        assert!(
            seeded.store.begin_full_pass(seeded.calendar, expected_revision, 2_500).await.unwrap_err().is_conflict()
        );
        assert!(seeded.store.take_over_pass(seeded.calendar, expected_revision).await.unwrap_err().is_conflict());
    }
    assert_eq!(seeded.store.sync_position(seeded.calendar).await.unwrap(), position);
    assert_eq!(seeded.ids().await, ["s1"]);
    assert_eq!(seeded.feed_after(0).await, ["created s1"]);
    assert_eq!(seeded.store.calendar(seeded.calendar).await.unwrap().unwrap().confirmed_at, None);
}

pub async fn who_takes_a_pass_over_goes_on_where_it_stands_and_shuts_out_the_one_before(database: &Database) {
    let seeded = seeded(database).await;
    let start = seeded.store.sync_position(seeded.calendar).await.unwrap();
    let begun = seeded.store.begin_full_pass(seeded.calendar, start.revision, 2_500).await.unwrap();
    let taken = seeded.store.take_over_pass(seeded.calendar, begun.revision).await.unwrap();
    assert_eq!(taken, SyncPosition { revision: begun.revision + 1, ..begun.clone() });
    assert_eq!(seeded.store.sync_position(seeded.calendar).await.unwrap(), taken);
    let late = PageCommit {
        calendar_id: seeded.calendar,
        expected_revision: begun.revision,
        generation: begun.generation,
        has_worklist: false,
        plan: &seeded.plan(&[single("s1", "a")], &[], Ends::No).await,
        window: window(),
        zone_data: &zone_data(),
        cursor: &in_full_pass("page 2"),
        finish: None,
        at: at(1),
    };
    assert!(seeded.store.commit_page(&late).await.unwrap_err().is_conflict());
    let next = PageCommit { expected_revision: taken.revision, ..late };
    seeded.store.commit_page(&next).await.unwrap();
    assert_eq!(seeded.ids().await, ["s1"]);
}

pub async fn a_commit_that_is_cut_off_leaves_all_or_nothing(database: &Database) {
    let seeded = seeded(database).await;
    let mut expected = 0;
    for step in 0..40 {
        let items: Vec<RemoteItem> = (0..300).map(|index| single(&format!("s{step}_{index}"), "a")).collect();
        let before = seeded.store.sync_position(seeded.calendar).await.unwrap();
        // Dropped while it runs, as by a cancelled activity, a little later each time.
        let cut_after = std::time::Duration::from_micros(300 * step);
        let finished = tokio::time::timeout(cut_after, seeded.commit(&items)).await.is_ok();
        // A write to the calendar's row waits for whoever holds it: then the commit is either there or rolled back.
        seeded.store.record_state(&record(seeded.calendar, CalendarState::Live, 1)).await.unwrap();
        let moved = seeded.store.sync_position(seeded.calendar).await.unwrap().revision > before.revision;
        assert!(moved || !finished, "a finished commit is there");
        expected += if moved { 300 } else { 0 };
        assert_eq!(seeded.event_count().await, expected);
        assert_eq!(seeded.last_sequence().await, expected);
    }
    let rows = seeded.store.items(seeded.calendar, &first(100_000)).await.unwrap().items.len();
    assert_eq!(i64::try_from(rows).unwrap(), expected);
}

pub async fn only_true_differences_are_reported(database: &Database) {
    let seeded = seeded(database).await;
    seeded.commit(&[single("same", "a"), single("renamed", "a"), single("gone", "a")]).await;
    let before = seeded.last_sequence().await;
    let (version, raw) = (Some("\"2\"".to_owned()), Some("{}".to_owned()));
    let touched = RemoteEvent { event: event("same", "a"), version: version.clone(), raw: raw.clone() };
    let page = [RemoteItem::Event(Box::new(touched)), single("renamed", "b"), deleted("gone")];
    assert_eq!(seeded.commit(&page).await.changes, 2);
    assert_eq!(seeded.feed_after(before).await, ["updated renamed", "deleted gone"]);
    let versions: Vec<_> = seeded.items().await.into_iter().map(|item| item.version).collect();
    assert_eq!(versions, [None, version], "of what was renamed, and of what is the same");
    assert_eq!(seeded.store.event_raw(seeded.calendar, &id("same")).await.unwrap(), raw);
    assert_eq!(seeded.store.event_raw(seeded.calendar, &id("renamed")).await.unwrap(), None);

    let change = &seeded.store.changes(seeded.calendar, before, 1).await.unwrap()[0];
    assert_eq!((change.kind, change.committed_at), (ChangeKind::Updated, at(1)));
    assert_eq!(change.before, Some(Fingerprint::of_event(&event("renamed", "a"))));
    assert_eq!(change.after, Some(Fingerprint::of_event(&event("renamed", "b"))));
}

pub async fn the_same_item_twice_in_a_page_counts_once_and_the_last_wins(database: &Database) {
    let seeded = seeded(database).await;
    let page =
        [single("s1", "old"), single("s2", "a"), deleted("s2"), single("s1", "new"), deleted("s3"), single("s3", "a")];
    assert_eq!(seeded.commit(&page).await.changes, 2);
    assert_eq!(seeded.feed_after(0).await, ["created s1", "created s3"]);
    let StoredBody::Event(event) = &seeded.items().await[0].body else { panic!("expected an event") };
    assert_eq!(event.title.as_deref(), Some("new"));
    assert_eq!(seeded.event_count().await, 2);
}

pub async fn a_deletion_of_an_unknown_event_is_silent(database: &Database) {
    let seeded = seeded(database).await;
    assert_eq!(seeded.commit(&[deleted("unknown")]).await.changes, 0);
    assert!(seeded.feed_after(0).await.is_empty());
    assert_eq!(seeded.event_count().await, 0);
}

pub async fn a_sweep_deletes_what_the_full_pass_did_not_see_and_reports_it(database: &Database) {
    let seeded = seeded(database).await;
    seeded.full_pass(&[single("kept", "a"), single("changed", "a"), single("gone", "a")]).await;
    let before = seeded.last_sequence().await;
    let committed = seeded.full_pass(&[single("kept", "a"), single("changed", "b"), single("new", "a")]).await;
    assert_eq!(committed.changes, 3);
    assert_eq!(seeded.feed_after(before).await, ["updated changed", "created new", "deleted gone"]);
    assert_eq!(seeded.ids().await, ["changed", "kept", "new"]);
    assert_eq!(seeded.event_count().await, 3);
}

pub async fn finishing_a_pass_confirms_the_mirror_and_never_moves_back(database: &Database) {
    let seeded = seeded(database).await;
    let last_sync = LastSync { finished_at: at(8), changes: 5, notice_to_stored_ms: Some(740) };
    let Finish { ends, pass } = finish(false, at(7));
    let pushed = PassFinish { via: Via::Push, last_sync, ..pass };
    seeded.try_commit(&[single("s1", "a")], &[], Some(Finish { ends, pass: pushed.clone() })).await.unwrap();
    let read = seeded.store.calendar(seeded.calendar).await.unwrap().unwrap();
    assert_eq!((read.confirmed_at, read.confirmed_via), (Some(at(7)), Some(Via::Push)));
    assert_eq!(read.last_sync, Some(LastSync { changes: 6, ..pushed.last_sync }));
    let position = seeded.store.sync_position(seeded.calendar).await.unwrap();
    assert_eq!(position.window_end, pushed.window_end);

    seeded.try_commit(&[], &[], Some(finish(false, at(6)))).await.unwrap();
    let read = seeded.store.calendar(seeded.calendar).await.unwrap().unwrap();
    assert_eq!((read.confirmed_at, read.confirmed_via), (Some(at(7)), Some(Via::Push)));
    seeded.try_commit(&[], &[], Some(finish(false, at(9)))).await.unwrap();
    let read = seeded.store.calendar(seeded.calendar).await.unwrap().unwrap();
    assert_eq!((read.confirmed_at, read.confirmed_via), (Some(at(9)), Some(Via::Reconcile)));
}

pub async fn an_unreadable_event_is_quarantined_and_the_rest_goes_on(database: &Database) {
    let seeded = seeded(database).await;
    let page = [unreadable(Some("bad"), "{\"id\":\"bad\"}"), single("good", "a"), unreadable(None, "{}")];
    assert_eq!(seeded.commit(&page).await.changes, 1);
    seeded.commit(&page).await;
    assert_eq!(seeded.ids().await, ["good"]);
    let held = seeded.store.quarantined(seeded.calendar, 10).await.unwrap();
    let mut seen: Vec<_> = held.iter().map(|item| (item.provider_id.clone(), item.raw.as_str())).collect();
    seen.sort();
    assert_eq!(seen, [(None, "{}"), (Some(id("bad")), "{\"id\":\"bad\"}")]);
    assert!(held.iter().all(|item| item.reason == "no start" && item.at == at(1)));
    assert_eq!(seeded.store.quarantined(seeded.calendar, 1).await.unwrap().len(), 1);
}

pub async fn an_event_leaves_quarantine_when_it_reads_again_or_is_deleted(database: &Database) {
    let seeded = seeded(database).await;
    seeded
        .commit(&[unreadable(Some("read"), "1"), unreadable(Some("gone"), "2"), unreadable(Some("still"), "3")])
        .await;
    let committed = seeded.commit(&[single("read", "a"), deleted("gone")]).await;
    assert_eq!(committed.changes, 1);
    let held = seeded.store.quarantined(seeded.calendar, 10).await.unwrap();
    assert_eq!(held.into_iter().map(|item| item.provider_id).collect::<Vec<_>>(), [Some(id("still"))]);
}

pub async fn an_event_that_becomes_unreadable_keeps_its_row_through_a_sweep(database: &Database) {
    let seeded = seeded(database).await;
    seeded.full_pass(&[single("s1", "a"), exception("m1_1", "m1", "a")]).await;
    let before = seeded.items().await;
    let committed = seeded.full_pass(&[unreadable(Some("s1"), "{}"), unreadable(Some("m1_1"), "{}")]).await;
    assert_eq!(committed.changes, 0);
    assert_eq!(seeded.items().await, before);
}

pub async fn a_sweep_forgets_quarantined_items_that_are_gone(database: &Database) {
    let seeded = seeded(database).await;
    seeded.full_pass(&[unreadable(Some("gone"), "1"), unreadable(None, "2"), unreadable(None, "3")]).await;
    seeded.full_pass(&[unreadable(None, "3")]).await;
    let held = seeded.store.quarantined(seeded.calendar, 10).await.unwrap();
    assert_eq!(held.iter().map(|item| item.raw.as_str()).collect::<Vec<_>>(), ["3"]);
}

pub async fn sequences_are_per_calendar_and_the_feed_pages(database: &Database) {
    let mut seeded = seeded(database).await;
    seeded.commit(&[single("s1", "a"), single("s2", "a")]).await;
    let work = seeded.calendar;
    seeded.calendar = add_calendar(&*seeded.store, seeded.account, "home@example.com").await;
    seeded.commit(&[single("h1", "a")]).await;
    assert_eq!(seeded.last_sequence().await, 1);
    seeded.calendar = work;
    seeded.commit(&[single("s3", "a"), deleted("s1")]).await;
    let sequences = |changes: Vec<evercal_domain::change::Change>| -> Vec<i64> {
        changes.iter().map(|change| change.sequence).collect()
    };
    assert_eq!(sequences(seeded.store.changes(work, 0, 3).await.unwrap()), [1, 2, 3]);
    assert_eq!(sequences(seeded.store.changes(work, 3, 3).await.unwrap()), [4]);
}

pub async fn erasing_a_mirror_forgets_it_and_shuts_out_a_running_sync(database: &Database) {
    let seeded = seeded(database).await;
    let range = super::occurrences::range(0, 60);
    let occurrences = [occurrences_of("s1", vec![occurrence("s1", instant(0), instant(30))])];
    let items = [single("s1", "a"), unreadable(None, "{}")];
    seeded.try_commit(&items, &occurrences, Some(finish(false, at(1)))).await.unwrap();
    let running = seeded.store.sync_position(seeded.calendar).await.unwrap();
    let plan = seeded.plan(&items, &[], Ends::No).await;
    // As a disconnect does it: the subscription has closed by then.
    let closed = super::calendars::record(seeded.calendar, CalendarState::Closed, 1);
    seeded.store.record_state(&closed).await.unwrap();
    for _ in 0..2 {
        seeded.store.erase_mirrors(seeded.account).await.unwrap();
    }

    let page = PageCommit {
        calendar_id: seeded.calendar,
        expected_revision: running.revision,
        generation: running.generation,
        has_worklist: false,
        plan: &plan,
        window: window(),
        zone_data: &zone_data(),
        cursor: &ready(),
        finish: None,
        at: at(2),
    };
    assert!(seeded.store.commit_page(&page).await.unwrap_err().is_conflict());
    assert!(seeded.items().await.is_empty());
    assert!(seeded.feed_after(0).await.is_empty());
    assert!(seeded.store.quarantined(seeded.calendar, 10).await.unwrap().is_empty());
    let read = seeded.store.occurrences(seeded.calendar, &range, &first(10)).await.unwrap();
    assert!(read.items.is_empty());
    let position = seeded.store.sync_position(seeded.calendar).await.unwrap();
    assert_eq!((position.cursor, position.window_end), (Cursor::Start, None));
    let calendar = seeded.store.calendar(seeded.calendar).await.unwrap().unwrap();
    assert_eq!((calendar.event_count, calendar.confirmed_at, calendar.last_sync), (0, None, None));

    // A number that a reader may have kept is not given again.
    seeded.commit(&[single("s1", "a")]).await;
    assert_eq!(seeded.last_sequence().await, 2);
}

pub async fn the_sync_log_has_one_line_per_run_newest_first(database: &Database) {
    let seeded = seeded(database).await;
    let run = |key: &str, minutes| SyncRun {
        dedup_key: key.into(),
        calendar_id: seeded.calendar,
        reason: SyncReason::Notice,
        started_at: at(minutes),
        finished_at: at(minutes + 1),
        outcome: SyncRunOutcome::Failed,
        pages: 3,
        changes: 40,
        detail: Some("timed_out".into()),
    };
    let (older, newer) = (run("a", 1), run("b", 2));
    for run in [&older, &newer, &older] {
        seeded.store.record_sync_run(run).await.unwrap();
    }
    assert_eq!(seeded.store.sync_runs(seeded.calendar, 10).await.unwrap(), [newer.clone(), older]);
    assert_eq!(seeded.store.sync_runs(seeded.calendar, 1).await.unwrap(), std::slice::from_ref(&newer));
    let unknown = SyncRun { calendar_id: evercal_domain::CalendarId::generate(), dedup_key: "c".into(), ..newer };
    assert_eq!(seeded.store.record_sync_run(&unknown).await.unwrap_err().kind, StoreErrorKind::NotFound);
}
