//! Several stores on one database, as gateway, worker and `dev` are several processes.

use std::sync::Arc;

use evercal_mirror::{Ends, Expansion, Window};
use evercal_storage::{ClaimRounds, PageCommit, StoreError, TakenAttempt};
use futures::future::join_all;

use super::Database;
use super::accounts::attempt;
use super::fixtures::{
    add_tenant, at, ready, refresh_token, remote_calendar, seeded, single, tokens, window, zone_data,
};

pub async fn two_stores_on_one_database_see_each_other(database: &Database) {
    let seeded = seeded(database).await;
    let other = database.open().await;
    seeded.commit(&[single("s1", "a")]).await;
    assert_eq!(other.changes(seeded.calendar, 0, 10).await.unwrap().len(), 1);
    other.beat("gateway", at(1)).await.unwrap();
    assert_eq!(seeded.store.last_beat("gateway").await.unwrap(), Some(at(1)));
}

pub async fn processes_that_start_together_all_open_a_new_database(database: &Database) {
    let stores = join_all((0..6).map(|_| database.open())).await;
    for store in &stores {
        add_tenant(&**store).await;
    }
    assert_eq!(stores[0].tenants().await.unwrap().len(), stores.len());
}

pub async fn of_two_commits_on_one_revision_exactly_one_wins(database: &Database) {
    let seeded = seeded(database).await;
    let other = database.open().await;
    for round in 0..20 {
        let position = seeded.store.sync_position(seeded.calendar).await.unwrap();
        let commit = |store: Arc<dyn evercal_storage::Store>, name: String| {
            let (calendar_id, position) = (seeded.calendar, position.clone());
            tokio::spawn(async move {
                let (items, cursor) = (vec![single(&name, "a")], ready());
                let snapshot = store.snapshot(calendar_id, &position, &items, Ends::No).await?;
                let plan = evercal_mirror::plan(
                    items,
                    Ends::No,
                    &snapshot,
                    &Expansion::ByRules { zone: None, window: Window::around(at(0)) },
                );
                let page = PageCommit {
                    calendar_id,
                    expected_revision: position.revision,
                    generation: position.generation,
                    has_worklist: false,
                    plan: &plan,
                    window: window(),
                    zone_data: &zone_data(),
                    cursor: &cursor,
                    finish: None,
                    at: at(1),
                };
                store.commit_page(&page).await
            })
        };
        let left = commit(Arc::clone(&seeded.store), format!("left{round}"));
        let right = commit(Arc::clone(&other), format!("right{round}"));
        let results = [left.await.unwrap(), right.await.unwrap()];
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
        assert!(results.iter().filter_map(|result| result.as_ref().err()).all(StoreError::is_conflict));
        assert_eq!(seeded.items().await.len(), round + 1);
    }
}

pub async fn of_two_swaps_of_one_version_exactly_one_wins(database: &Database) {
    let seeded = seeded(database).await;
    let other = database.open().await;
    let (_, version) = seeded.store.credentials(seeded.account).await.unwrap().unwrap();
    let (mine, theirs) = (tokens("mine"), tokens("theirs"));
    let results = futures::join!(
        seeded.store.swap_credentials(seeded.account, version, &mine),
        other.swap_credentials(seeded.account, version, &theirs),
    );
    assert!(results.0.is_ok() != results.1.is_ok(), "{results:?}");
    let (read, _) = other.credentials(seeded.account).await.unwrap().unwrap();
    assert_eq!(refresh_token(&read), if results.0.is_ok() { "mine" } else { "theirs" });
}

pub async fn of_many_takers_of_a_consent_exactly_one_gets_it(database: &Database) {
    let seeded = seeded(database).await;
    let other = database.open().await;
    let attempt = attempt(seeded.tenant, 1);
    seeded.store.insert_attempt(&attempt).await.unwrap();
    let stores = [&seeded.store, &other];
    let takers = (0..8).map(|index| stores[index % 2].take_attempt(&attempt.state_hash, &[0; 32], at(1)));
    let taken = join_all(takers).await.into_iter().filter_map(Result::unwrap);
    let taken = taken.filter(|taken| matches!(taken, TakenAttempt::Now(_))).count();
    assert_eq!(taken, 1);
}

pub async fn writers_of_two_stores_wait_for_each_other(database: &Database) {
    let seeded = seeded(database).await;
    let other = database.open().await;
    let writers = (0..40).map(|index| {
        let store = Arc::clone(if index % 2 == 0 { &seeded.store } else { &other });
        tokio::spawn(async move { store.beat(&format!("service{index}"), at(index)).await })
    });
    for written in join_all(writers).await {
        written.unwrap().unwrap();
    }
    // These read before they write, which is where a transaction that became a writer too late would fail.
    let readers_first = (0..40).map(|index| {
        let (store, account) = (Arc::clone(if index % 2 == 0 { &seeded.store } else { &other }), seeded.account);
        tokio::spawn(
            async move { store.reconcile_calendars(account, &[remote_calendar("work@example.com")], at(1)).await },
        )
    });
    for reconciled in join_all(readers_first).await {
        assert_eq!(reconciled.unwrap().unwrap().listed, [seeded.calendar]);
    }
    for index in 0..40 {
        assert_eq!(seeded.store.last_beat(&format!("service{index}")).await.unwrap(), Some(at(index)));
    }
}

pub async fn work_that_one_does_for_all_is_begun_by_one_and_taken_over_when_its_time_is_over(database: &Database) {
    let (store, other) = (database.open().await, database.open().await);
    let rounds = async || store.claim_rounds("walk").await.unwrap();
    assert_eq!(rounds().await, ClaimRounds::default());
    let takers =
        futures::join!(store.take_claim("walk", "one", at(0), at(2)), other.take_claim("walk", "two", at(0), at(2)),);
    let (holder, late) = if takers.0.as_ref().unwrap().is_some() { ("one", "two") } else { ("two", "one") };
    assert!(takers.0.unwrap().is_some() != takers.1.unwrap().is_some(), "exactly one has it");
    assert!(store.keep_claim("walk", holder, 1, at(4)).await.unwrap());
    assert_eq!(other.take_claim("walk", late, at(3), at(5)).await.unwrap(), None);
    assert_eq!(other.take_claim("walk", late, at(4), at(6)).await.unwrap(), Some(2), "its time is over");
    assert!(!store.keep_claim("walk", holder, 1, at(9)).await.unwrap());
    assert!(!store.finish_claim("walk", holder, 1, at(9)).await.unwrap());
    assert_eq!(rounds().await, ClaimRounds { begun: 2, done: 0 });
    assert!(other.finish_claim("walk", late, 2, at(5)).await.unwrap());
    assert_eq!(rounds().await, ClaimRounds { begun: 2, done: 2 });
    assert_eq!(store.take_claim("walk", holder, at(5), at(7)).await.unwrap(), Some(3));
    // Somebody's clock was two minutes ahead, which may be, and then days, which may not.
    assert!(store.keep_claim("walk", holder, 3, at(9)).await.unwrap());
    assert_eq!(other.take_claim("walk", late, at(6), at(7)).await.unwrap(), None);
    assert!(store.keep_claim("walk", holder, 3, at(9 + 60)).await.unwrap());
    assert_eq!(other.take_claim("walk", late, at(6), at(7)).await.unwrap(), None, "a clock that is an hour ahead");
    assert!(store.keep_claim("walk", holder, 3, at(9 + 2 * 24 * 60)).await.unwrap());
    assert_eq!(other.take_claim("walk", late, at(6), at(7)).await.unwrap(), Some(4), "nobody holds it for days");
}
