//! Series: masters, exceptions and cancelled occurrences, and what belongs together.

use evercal_mirror::Ends;
use evercal_storage::PageRequest;

use super::Database;
use super::fixtures::{all_pages, first, master};
use super::fixtures::{
    at, cancelled, deleted, exception, finish, id, instant, occurrence, occurrences_of, seeded, single, unreadable,
};

pub async fn deleting_a_master_deletes_its_series_and_reports_each_row(database: &Database) {
    let seeded = seeded(database).await;
    let rows = [master("m1", "a"), exception("m1_1", "m1", "a"), cancelled("m1_2", "m1"), single("s1", "a")];
    let occurrences = [occurrences_of("m1", vec![occurrence("m1", instant(0), instant(30))])];
    seeded.try_commit(&rows, &occurrences, None).await.unwrap();
    let before = seeded.last_sequence().await;
    assert_eq!(seeded.commit(&[deleted("m1")]).await.changes, 3);
    assert_eq!(seeded.feed_after(before).await, ["deleted m1", "deleted m1_1", "deleted m1_2"]);
    assert_eq!(seeded.ids().await, ["s1"]);
    assert_eq!(seeded.event_count().await, 1);
    let range = super::occurrences::range(0, 60);
    assert!(seeded.store.occurrences(seeded.calendar, &range, &first(10)).await.unwrap().items.is_empty());
}

pub async fn an_exception_that_the_page_itself_names_survives_its_master(database: &Database) {
    let seeded = seeded(database).await;
    seeded.commit(&[master("m1", "a"), exception("m1_1", "m1", "a"), exception("m1_2", "m1", "a")]).await;
    let before = seeded.last_sequence().await;
    seeded.commit(&[exception("m1_1", "m1", "b"), deleted("m1"), unreadable(Some("m1_2"), "{}")]).await;
    assert_eq!(seeded.ids().await, ["m1_1", "m1_2"]);
    assert_eq!(seeded.feed_after(before).await, ["updated m1_1", "deleted m1"]);
}

pub async fn a_cancelled_occurrence_goes_with_its_master_in_any_order(database: &Database) {
    let seeded = seeded(database).await;
    seeded.commit(&[master("m1", "a"), exception("m1_1", "m1", "a"), exception("m1_2", "m1", "a")]).await;
    let before = seeded.last_sequence().await;
    // In the same page, before and after the master; then in a later page of the same pass.
    seeded.commit(&[cancelled("m1_1", "m1"), deleted("m1"), cancelled("m1_3", "m1")]).await;
    assert_eq!(seeded.feed_after(before).await, ["deleted m1_1", "deleted m1", "deleted m1_2"]);
    let before = seeded.last_sequence().await;
    let last = seeded.try_commit(&[cancelled("m1_4", "m1")], &[], Some(finish(false, at(1)))).await.unwrap();
    assert_eq!(last.changes, 0);
    assert!(seeded.feed_after(before).await.is_empty());
    assert!(seeded.ids().await.is_empty());

    // A cancelled occurrence that comes a page before its new master is kept.
    seeded.commit(&[cancelled("m2_1", "m2")]).await;
    seeded.try_commit(&[master("m2", "a")], &[], Some(finish(false, at(2)))).await.unwrap();
    assert_eq!(seeded.ids().await, ["m2", "m2_1"]);
}

pub async fn a_cancelled_occurrence_waits_for_a_master_in_quarantine(database: &Database) {
    let seeded = seeded(database).await;
    seeded.full_pass(&[unreadable(Some("m1"), "{}"), cancelled("m1_1", "m1")]).await;
    assert_eq!(seeded.ids().await, ["m1_1"]);
}

pub async fn related_rows_give_the_whole_series_of_what_is_named(database: &Database) {
    let seeded = seeded(database).await;
    seeded
        .commit(&[
            master("m1", "a"),
            exception("m1_1", "m1", "a"),
            cancelled("m1_2", "m1"),
            master("m2", "a"),
            exception("m2_1", "m2", "a"),
            exception("lone_1", "lone", "a"),
            single("s1", "a"),
        ])
        .await;
    let cases = [
        (vec!["m1"], vec!["m1", "m1_1", "m1_2"]),
        (vec!["m1_2"], vec!["m1", "m1_1", "m1_2"]),
        (vec!["lone"], vec!["lone_1"]),
        (vec!["s1", "m2_1", "unknown"], vec!["m2", "m2_1", "s1"]),
        (vec![], vec![]),
    ];
    for (named, expected) in cases {
        let ids: Vec<_> = named.iter().copied().map(id).collect();
        let items = seeded.store.related_rows(seeded.calendar, &ids).await.unwrap();
        let found: Vec<_> = items.iter().map(|item| item.provider_id.as_str()).collect();
        assert_eq!(found, expected, "named {named:?}");
    }
    let many: Vec<_> = (0..2_500).map(|index| id(&format!("none{index}"))).chain([id("s1")]).collect();
    assert_eq!(seeded.store.related_rows(seeded.calendar, &many).await.unwrap().len(), 1);
}

pub async fn a_snapshot_has_what_a_full_pass_did_not_see_where_it_ends(database: &Database) {
    let seeded = seeded(database).await;
    seeded.full_pass(&[single("kept", "a"), single("gone", "a"), cancelled("gone_1", "kept")]).await;
    let position = seeded.store.sync_position(seeded.calendar).await.unwrap();
    seeded.store.begin_full_pass(seeded.calendar, position.revision, 2_500).await.unwrap();
    seeded.commit(&[single("kept", "a")]).await;
    let position = seeded.store.sync_position(seeded.calendar).await.unwrap();
    for (ends, expected) in [(Ends::FullPass, vec!["gone", "gone_1"]), (Ends::Pass, vec![]), (Ends::No, vec![])] {
        let snapshot = seeded.store.snapshot(seeded.calendar, &position, &[], ends).await.unwrap();
        let stale: Vec<_> = snapshot.stale.iter().map(evercal_domain::ProviderEventId::as_str).collect();
        assert_eq!(stale, expected, "{ends:?}");
    }
    seeded.try_commit(&[], &[], Some(finish(true, at(1)))).await.unwrap();
    assert_eq!(seeded.ids().await, ["kept"]);
}

pub async fn a_snapshot_has_the_quarantine_and_lonely_cancellations_where_there_are_any(database: &Database) {
    let seeded = seeded(database).await;
    seeded.commit(&[single("s1", "a")]).await;
    let position = seeded.store.sync_position(seeded.calendar).await.unwrap();
    assert!(!position.has_quarantine && !position.has_cancelled);
    seeded.commit(&[unreadable(Some("bad"), "{}"), cancelled("m1_1", "m1")]).await;
    let position = seeded.store.sync_position(seeded.calendar).await.unwrap();
    assert!(position.has_quarantine && position.has_cancelled);
    let snapshot = seeded.store.snapshot(seeded.calendar, &position, &[], Ends::Pass).await.unwrap();
    assert_eq!(snapshot.quarantined, ["id:bad".to_owned()].into());
    assert!(snapshot.stale_quarantined.is_empty());
    assert_eq!(snapshot.orphans.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["m1_1"]);
    let begun = seeded.store.begin_full_pass(seeded.calendar, position.revision, 2_500).await.unwrap();
    let snapshot = seeded.store.snapshot(seeded.calendar, &begun, &[], Ends::FullPass).await.unwrap();
    assert_eq!(snapshot.stale_quarantined, snapshot.quarantined, "no page of this pass had it");
}

pub async fn master_ids_page_in_order(database: &Database) {
    let seeded = seeded(database).await;
    seeded.commit(&[master("m3", "a"), single("s1", "a"), master("m1", "a"), master("m2", "a")]).await;
    let first = seeded.store.master_ids(seeded.calendar, None, 2).await.unwrap();
    assert_eq!(first, [id("m1"), id("m2")]);
    assert_eq!(seeded.store.master_ids(seeded.calendar, first.last(), 2).await.unwrap(), [id("m3")]);
}

pub async fn items_page_in_order_and_read_back_whole(database: &Database) {
    let seeded = seeded(database).await;
    let names: Vec<String> = (0..7).map(|index| format!("s{index}")).collect();
    let page: Vec<_> = names.iter().rev().map(|name| single(name, "a")).collect();
    seeded.commit(&page).await;
    let read = async |page: PageRequest| seeded.store.items(seeded.calendar, &page).await.unwrap();
    let seen = all_pages(3, read).await;
    assert_eq!(seen.iter().map(|item| item.provider_id.as_str()).collect::<Vec<_>>(), names);
    let whole = evercal_mirror::StoredBody::Event(Box::new(super::fixtures::event("s0", "a")));
    assert_eq!(seen[0].body, whole);
}
