//! `kill -9` at any moment: afterwards the mirror equals the provider, nothing is told twice, and no channel lives that
//! nobody owns.
//!
//! Moments are chosen by a seed and by what has happened (changes made, calls begun), not by time.

use std::collections::BTreeSet;

use evercal_domain::{AccountState, CalendarState};
use evercal_http::Method;
use evercal_storage::Store;
use evercal_tests::{eventually, mirror};
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::installation::{Installation, QUICK_TIMING, calendar, registered_channels, store};

const USER: &str = "robin.hale@example.com";
const BURST: u64 = 500;

/// What may be killed; the provider lives on.
const PARTS: [&[&str]; 4] =
    [&["worker"], &["gateway"], &["temporal-server"], &["worker", "gateway", "temporal-server"]];

/// Waits for the right end state of a calendar that is connected.
async fn is_right(dev: &Installation, store: &dyn Store, user: &str) {
    let id = eventually("the calendar is live", || async {
        match calendar(store, user).await {
            Some(row) if row.state == CalendarState::Live && row.confirmed_at.is_some() => Ok(row.id),
            other => Err(other.map(|row| (row.state, row.detail))),
        }
    })
    .await;
    eventually("the mirror equals the provider", || async {
        let truth = dev.truth(user).await.map_err(|error| vec![error.to_string()])?;
        mirror::compare(store, id, &truth).await
    })
    .await;
    mirror::follows_from_its_changes(store, id).await;
    eventually("one channel lives, and the register has it", || async {
        let live = dev.live_channels(user).await.map_err(|error| (vec![error.to_string()], vec![]))?;
        let registered = registered_channels(store, id).await;
        if live.len() == 1 && live == registered { Ok(()) } else { Err((live, registered)) }
    })
    .await;
}

async fn version(dev: &Installation, user: &str) -> u64 {
    dev.truth(user).await.unwrap().version
}

/// Makes changes at the provider, some milliseconds apart.
fn burst(dev: &Installation, count: u64, seed: u64) -> impl Future<Output = ()> {
    let body = json!({"calendar": USER, "count": count, "seed": seed, "spacing_ms": 25});
    async move {
        dev.control(Method::POST, "changes", Some(body)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_killed_at_many_moments_of_a_burst_of_changes_lose_and_double_nothing() {
    const SEED: u64 = 20_261_126;
    const KILLS: usize = 14;
    let folder = tempfile::tempdir().unwrap();
    let dev = Installation::start(folder.path(), QUICK_TIMING);
    let store = store(folder.path()).await;
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let moments: BTreeSet<u64> = (0..KILLS).map(|_| random.random_range(1..BURST)).collect();
    let begin = version(&dev, USER).await;
    let killer = async {
        for moment in &moments {
            let parts = PARTS.choose(&mut random).unwrap();
            eventually("so many changes are made", || async {
                let made = version(&dev, USER).await - begin;
                if made >= *moment { Ok(()) } else { Err(made) }
            })
            .await;
            println!("seed {SEED}: after {moment} changes, killing {parts:?}");
            for part in *parts {
                dev.kill_part(part);
            }
        }
    };
    tokio::join!(burst(&dev, BURST, SEED), killer);
    is_right(&dev, &*store, USER).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_it_killed_at_several_moments_goes_on_where_it_was() {
    const SEED: u64 = 3;
    const ROUNDS: u64 = 4;
    let folder = tempfile::tempdir().unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    for round in 0..ROUNDS {
        let dev = Installation::start(folder.path(), QUICK_TIMING);
        let moment = random.random_range(1..BURST / ROUNDS);
        let begin = version(&dev, USER).await;
        let body = json!({"calendar": USER, "count": BURST / ROUNDS, "seed": SEED + round, "spacing_ms": 10});
        // The provider dies with the rest: the changes that it has made by then are the truth.
        let changes = dev.control(Method::POST, "changes", Some(body));
        let killer = eventually("so many changes are made", || async {
            let made = version(&dev, USER).await - begin;
            if made >= moment { Ok(()) } else { Err(made) }
        });
        tokio::select! {
            () = killer => {}
            _ = changes => panic!("the burst ended before the kill: moment {moment}"),
        }
        println!("seed {SEED}: round {round}, killing all after {moment} changes");
        dev.kill();
    }
    let dev = Installation::start(folder.path(), QUICK_TIMING);
    is_right(&dev, &*store(folder.path()).await, USER).await;
}

/// Lets the next call of `method` take long, and kills the worker in the middle of it.
async fn kill_during(dev: &Installation, method: &str, after_effect: bool) {
    // Answered slowly, it has had its effect at the provider; delayed, it has not yet.
    let action = if after_effect {
        json!({"kind": "slow_body", "chunk_bytes": 8, "delay_ms": 200})
    } else {
        json!({"kind": "delay", "delay_ms": 2000})
    };
    let before = dev.calls(method).await;
    dev.control(Method::PUT, "faults", Some(json!({"rules": [{"method": method, "action": action}]}))).await.unwrap();
    eventually("the call is made", || async {
        let calls = dev.calls(method).await;
        if calls > before { Ok(()) } else { Err(calls) }
    })
    .await;
    println!("killing the worker during {method}, after its effect: {after_effect}");
    dev.kill_part("worker");
    dev.control(Method::PUT, "faults", Some(json!({}))).await.unwrap();
}

async fn new_user(dev: &Installation, user: &str) {
    let body = json!({"email": user, "name": "Kim", "time_zone": "Asia/Seoul"});
    dev.control(Method::POST, "users", Some(body)).await.unwrap();
    let changes = json!({"calendar": user, "count": 30, "seed": 5});
    dev.control(Method::POST, "changes", Some(changes)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_during_any_call_of_a_calendars_life_leaves_the_right_state() {
    // Renewals come by themselves, a quarter of its life after a channel was opened. A channel lives longer than anybody
    // waits below: one that is left over does not go away by itself meanwhile.
    let timing = QUICK_TIMING.replace('}', r#", "channel_lifetime_s": 150, "channel_lifetime_spread_s": 0}"#);
    let folder = tempfile::tempdir().unwrap();
    let dev = Installation::start(folder.path(), &timing);
    let store = store(folder.path()).await;
    for (number, after_effect) in [(1, false), (2, true)] {
        let user = format!("kim{number}@example.com");
        new_user(&dev, &user).await;
        let connecting = ["calendar.calendarList.list", "calendar.events.list", "calendar.events.watch"];
        dev.connect(&user).await.unwrap();
        for method in connecting {
            kill_during(&dev, method, after_effect).await;
        }
        is_right(&dev, &*store, &user).await;
        // Renewals: the successor is asked for, and the old channel stopped.
        for method in ["calendar.events.watch", "calendar.channels.stop"] {
            kill_during(&dev, method, after_effect).await;
            is_right(&dev, &*store, &user).await;
        }
        // A full read of many pages.
        dev.control(Method::PUT, "quirks", Some(json!({"page_items_max": 2}))).await.unwrap();
        let path = format!("calendars/{}/sync-tokens", user.replace('@', "%40"));
        dev.control(Method::DELETE, &path, None).await.unwrap();
        let changes = json!({"calendar": user, "count": 5, "seed": number, "notices": "once"});
        dev.control(Method::POST, "changes", Some(changes)).await.unwrap();
        for _page in 0..3 {
            kill_during(&dev, "calendar.events.list", after_effect).await;
        }
        is_right(&dev, &*store, &user).await;
        disconnect(&dev, &*store, &user, after_effect).await;
    }
}

async fn disconnect(dev: &Installation, store: &dyn Store, user: &str, after_effect: bool) {
    let row = calendar(store, user).await.unwrap();
    let path = format!("/v1/accounts/{}", row.account_id);
    let answer: Value = dev.api(Method::DELETE, &path, None).await.unwrap();
    assert!(answer.is_null() || answer.is_object(), "{answer}");
    for method in ["calendar.channels.stop", "oauth.revoke"] {
        kill_during(dev, method, after_effect).await;
    }
    eventually("the account is disconnected", || async {
        let account = store.account(row.account_id).await.unwrap().unwrap();
        if account.state == AccountState::Disconnected { Ok(()) } else { Err(account.state) }
    })
    .await;
    assert!(store.credentials(row.account_id).await.unwrap().is_none());
    assert_eq!(dev.live_channels(user).await.unwrap(), Vec::<String>::new());
}
