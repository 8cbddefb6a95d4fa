//! What a pass has named, and fetches before it is over; and rows of occurrences that a provider makes.

use evercal_domain::{ProviderOccurrence, RemoteItem};
use evercal_mirror::{Named, RowKind, StoredBody};
use evercal_storage::Cursor;

use super::Database;
use super::fixtures::{Seeded, deleted, id, instant, master, position, seeded, single};

fn named(provider_id: &str, version: &str) -> RemoteItem {
    RemoteItem::Named { provider_id: id(provider_id), version: Some(version.into()) }
}

async fn worklist(seeded: &Seeded, limit: u32) -> Vec<(String, Option<String>)> {
    let named = seeded.store.worklist(seeded.calendar, limit).await.unwrap();
    let text = |Named { provider_id, version }: Named| (provider_id.as_str().to_owned(), version);
    named.into_iter().map(text).collect()
}

fn entry(provider_id: &str, version: &str) -> (String, Option<String>) {
    (provider_id.to_owned(), Some(version.to_owned()))
}

pub async fn what_pages_name_is_to_be_fetched_until_a_page_has_it_or_says_that_it_is_gone(database: &Database) {
    let seeded = seeded(database).await;
    seeded.commit(&[named("b", "1"), named("a", "1"), single("c", "x")]).await;
    seeded.commit(&[named("b", "2"), named("d", "1")]).await;
    assert_eq!(worklist(&seeded, 2).await, [entry("a", "1"), entry("b", "2")], "by their ids, the newest version");
    assert_eq!(worklist(&seeded, 9).await.len(), 3);
    assert!(seeded.store.sync_position(seeded.calendar).await.unwrap().has_worklist);
    assert_eq!(seeded.ids().await, ["c"], "what is only named is not mirrored");

    seeded.commit(&[single("a", "x"), deleted("b")]).await;
    assert_eq!(worklist(&seeded, 9).await, [entry("d", "1")]);
    seeded.commit(&[single("d", "x")]).await;
    assert_eq!(worklist(&seeded, 9).await, []);
    assert!(!seeded.store.sync_position(seeded.calendar).await.unwrap().has_worklist);
    assert_eq!(seeded.ids().await, ["a", "c", "d"]);
}

pub async fn a_mirror_that_is_erased_has_nothing_to_fetch(database: &Database) {
    let seeded = seeded(database).await;
    seeded.commit(&[named("a", "1")]).await;
    seeded.store.erase_mirrors(seeded.account).await.unwrap();
    assert_eq!(worklist(&seeded, 9).await, []);
    assert_eq!(seeded.store.sync_position(seeded.calendar).await.unwrap().cursor, Cursor::Start);
}

pub async fn an_occurrence_that_its_provider_makes_is_a_row_and_no_event(database: &Database) {
    let seeded = seeded(database).await;
    let made = ProviderOccurrence { position: position("m1"), start: instant(24 * 60), end: instant(24 * 60 + 30) };
    let before = seeded.last_sequence().await;
    seeded
        .commit(&[master("m1", "a"), RemoteItem::Occurrence { provider_id: id("m1_1"), occurrence: made.clone() }])
        .await;
    let items = seeded.items().await;
    let row = items.iter().find(|item| item.provider_id == id("m1_1")).unwrap();
    assert_eq!(
        (row.state.kind, row.owner(), &row.body),
        (RowKind::Occurrence, &id("m1"), &StoredBody::Occurrence(made))
    );
    assert_eq!((seeded.event_count().await, seeded.feed_after(before).await), (1, vec!["created m1".to_owned()]));
    assert_eq!(seeded.store.event(seeded.calendar, &id("m1_1")).await.unwrap(), None);
    assert_eq!(seeded.store.event_raw(seeded.calendar, &id("m1_1")).await.unwrap(), None);
    seeded.commit(&[deleted("m1")]).await;
    assert!(seeded.ids().await.is_empty(), "it goes with its series");
}
