//! `kill -9` at any moment: afterwards the mirror equals the provider, no change comes twice, and no channel lives that
//! nobody owns.
//!
//! Moments are chosen by a seed and by what has happened (changes made, calls begun), not by time.

use std::collections::BTreeMap;

use evercal_domain::{AccountId, AccountState, CalendarState, ChannelState};
use evercal_http::Method;
use evercal_simulator::ChannelReport;
use evercal_storage::{PageRequest, Store};
use evercal_tests::{eventually, mirror, shown};
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::installation::{Installation, QUICK_TIMING, calendar, calendars, store};

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
        mirror::compare(store, id, &truth).await?;
        let days = shown::days(store, id).await?;
        let theirs = dev.occurrences(user, &days).await.map_err(|error| vec![error.to_string()])?;
        let read = async |path: &str| dev.api(Method::GET, path, None).await;
        let ours = shown::by_us(id, &days, read).await.map_err(|error| vec![error.to_string()])?;
        shown::compare(&shown::by_provider(&theirs), &ours)
    })
    .await;
    mirror::follows_from_its_changes(store, id).await;
    all_channels_have_an_owner(dev, store, user).await;
}

/// Every channel that ever was at the provider is in the register and was stopped by us, but for one: that is the
/// workflow's. None just ran out, which would hide a lost one.
async fn all_channels_have_an_owner(dev: &Installation, store: &dyn Store, user: &str) {
    eventually("every channel has an owner", || async {
        let row = calendar(store, user).await.unwrap();
        let of_workflow = row.channel_expires_at.map(|at| at.timestamp_millis());
        let registered = store.channels_of_calendar(row.id).await.unwrap();
        let registered: BTreeMap<_, _> = registered.iter().map(|row| (row.id.to_string(), row.state)).collect();
        let channels = dev.channels(user).await.map_err(|error| error.to_string())?;
        let is_in_order = |channel: &ChannelReport| match registered.get(&channel.id) {
            Some(ChannelState::Live) => channel.live && of_workflow == Some(channel.expires_at.timestamp_millis()),
            Some(_) => channel.stopped_at.is_some(),
            None => false,
        };
        let strays: Vec<_> = channels.iter().filter(|channel| !is_in_order(channel)).collect();
        let live = channels.iter().filter(|channel| channel.live).count();
        if strays.is_empty() && live == 1 { Ok(()) } else { Err(format!("{live} live; {strays:?}; {registered:?}")) }
    })
    .await;
}

async fn version(dev: &Installation, user: &str) -> u64 {
    dev.truth(user).await.unwrap().version
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_killed_at_many_moments_of_a_burst_of_changes_lose_and_double_nothing() {
    const SEED: u64 = 20_261_126;
    const KILLS_OF_EACH: usize = 3;
    // A channel is renewed after a quarter of its life, so that each calendar renews its own while parts die. The rest is for a
    // busy machine to stop it: none may just run out.
    let timing = QUICK_TIMING.replace('}', r#", "channel_lifetime_s": 100, "channel_lifetime_spread_s": 0}"#);
    let folder = tempfile::tempdir().unwrap();
    let dev = Installation::start(folder.path(), &timing);
    let store = store(folder.path()).await;
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let mut victims = PARTS.repeat(KILLS_OF_EACH);
    victims.shuffle(&mut random);
    let mut moments: Vec<u64> = victims.iter().map(|_| random.random_range(1..BURST)).collect();
    moments.sort_unstable();
    let begin = version(&dev, USER).await;
    let changes = json!({"calendar": USER, "count": BURST, "seed": SEED, "spacing_ms": 50});
    let killer = async {
        let (mut hits, mut renewals_begin) = (BTreeMap::new(), None);
        let last = moments.len() - 1;
        for (number, (moment, parts)) in moments.iter().zip(victims).enumerate() {
            eventually("so many changes are made", || async {
                let made = version(&dev, USER).await - begin;
                if made >= *moment { Ok(()) } else { Err(made) }
            })
            .await;
            if let Some(begin) = renewals_begin.filter(|_| number == last) {
                // On a busy machine these take longer than the burst.
                eventually("channels are renewed between the kills", || async {
                    let renewals = dev.calls("calendar.events.watch").await - begin;
                    if renewals >= 2 { Ok(()) } else { Err(renewals) }
                })
                .await;
            }
            println!("seed {SEED}: after {moment} changes, killing {parts:?}");
            let mut all_died = true;
            for part in parts {
                all_died &= dev.kill_part(part).await > 0;
            }
            *hits.entry(parts).or_insert(0) += usize::from(all_died);
            if renewals_begin.is_none() {
                renewals_begin = Some(dev.calls("calendar.events.watch").await);
            }
        }
        hits
    };
    let (made, hits) = tokio::join!(dev.control(Method::POST, "changes", Some(changes)), killer);
    made.unwrap();
    assert!(PARTS.iter().all(|parts| hits[parts] >= 2), "each was killed while it ran: {hits:?}");
    is_right(&dev, &*store, USER).await;
    for row in calendars(&*store).await {
        all_channels_have_an_owner(&dev, &*store, row.remote.provider_id.as_str()).await;
    }
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
    let store = store(folder.path()).await;
    is_right(&dev, &*store, USER).await;
    for row in calendars(&*store).await {
        all_channels_have_an_owner(&dev, &*store, row.remote.provider_id.as_str()).await;
    }
}

/// Lets the next call of a method take long; answers how many there were before.
async fn slow_down(dev: &Installation, method: &str, after_effect: bool) -> u64 {
    // Answered slowly, it has had its effect at the provider; delayed, it has not yet.
    let action = if after_effect {
        json!({"kind": "slow_body", "chunk_bytes": 8, "delay_ms": 200})
    } else {
        json!({"kind": "delay", "delay_ms": 2000})
    };
    let before = dev.calls(method).await;
    dev.control(Method::PUT, "faults", Some(json!({"rules": [{"method": method, "action": action}]}))).await.unwrap();
    before
}

/// Does what leads to these calls, one after the other, and kills the worker in the middle of each.
async fn kill_during(dev: &Installation, methods: &[&str], after_effect: bool, cause: impl Future<Output = ()>) {
    let mut methods = methods.iter().peekable();
    let mut before = slow_down(dev, methods.peek().unwrap(), after_effect).await;
    cause.await;
    while let Some(method) = methods.next() {
        eventually("the call is made", || async {
            let calls = dev.calls(method).await;
            if calls > before { Ok(()) } else { Err((*method, calls)) }
        })
        .await;
        // Before the worker is back, so that the next one cannot slip through.
        match methods.peek() {
            Some(next) => before = slow_down(dev, next, after_effect).await,
            None => drop(dev.control(Method::PUT, "faults", Some(json!({}))).await.unwrap()),
        }
        println!("killing the worker during {method}, after its effect: {after_effect}");
        assert!(dev.kill_part("worker").await > 0, "it ran during {method}");
    }
}

async fn new_user(dev: &Installation, user: &str) {
    let body = json!({"email": user, "name": "Kim", "time_zone": "Asia/Seoul"});
    dev.control(Method::POST, "users", Some(body)).await.unwrap();
    let changes = json!({"calendar": user, "count": 30, "seed": 5});
    dev.control(Method::POST, "changes", Some(changes)).await.unwrap();
}

/// Makes a few changes, with one notice for all.
async fn change(dev: &Installation, user: &str, seed: u64) {
    let changes = json!({"calendar": user, "count": 5, "seed": seed, "notices": "once"});
    dev.control(Method::POST, "changes", Some(changes)).await.unwrap();
}

async fn lost_its_grant(store: &dyn Store, label: &str) -> AccountId {
    let tenant = store.tenants().await.unwrap().first().unwrap().id;
    eventually("the account needs another consent", || async {
        let accounts = store.accounts_of_tenant(tenant, &PageRequest::first(10)).await.unwrap().items;
        let account = accounts.into_iter().find(|account| account.label == label);
        let state = account.as_ref().map(|account| account.state);
        account.filter(|account| account.state == AccountState::NeedsReauth).map(|account| account.id).ok_or(state)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_before_any_call_of_a_calendars_life_has_its_effect_leaves_the_right_state() {
    a_worker_is_killed_during_each_call_of_a_calendars_life(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_after_the_effect_of_any_call_of_a_calendars_life_leaves_the_right_state() {
    a_worker_is_killed_during_each_call_of_a_calendars_life(true).await;
}

async fn a_worker_is_killed_during_each_call_of_a_calendars_life(after_effect: bool) {
    // Renewals come by themselves, a quarter of its life after a channel was opened.
    let timing = QUICK_TIMING.replace('}', r#", "channel_lifetime_s": 80, "channel_lifetime_spread_s": 0}"#);
    let folder = tempfile::tempdir().unwrap();
    let dev = Installation::start(folder.path(), &timing);
    let store = store(folder.path()).await;
    // The demo calendars make calls too, which would be taken for those below.
    let demo = calendar(&*store, USER).await.unwrap().account_id;
    dev.api(Method::DELETE, &format!("/v1/accounts/{demo}"), None).await.unwrap();
    is_disconnected(&*store, demo).await;
    let user = "kim@example.com";
    new_user(&dev, user).await;
    let redeemed = ["oauth.token"];
    let connecting = ["calendar.calendarList.list", "calendar.events.list", "calendar.events.watch"];
    let consent = async |account| dev.connect(user, account).await.unwrap();
    if after_effect {
        // A code is good for one use: the provider took it, nobody has the tokens, and the user has to consent again.
        kill_during(&dev, &redeemed, after_effect, consent(None)).await;
        let again = lost_its_grant(&*store, user).await;
        kill_during(&dev, &connecting, after_effect, consent(Some(again))).await;
    } else {
        kill_during(&dev, &[&redeemed[..], &connecting].concat(), after_effect, consent(None)).await;
    }
    is_right(&dev, &*store, user).await;
    // Renewals: the successor is asked for, and the old channel stopped.
    for method in ["calendar.events.watch", "calendar.channels.stop"] {
        kill_during(&dev, &[method], after_effect, async {}).await;
        is_right(&dev, &*store, user).await;
    }
    let expire = async {
        dev.control(Method::DELETE, "access-tokens", None).await.unwrap();
        change(&dev, user, 1).await;
    };
    kill_during(&dev, &["oauth.token"], after_effect, expire).await;
    is_right(&dev, &*store, user).await;
    // A full read of many pages.
    dev.control(Method::PUT, "google/quirks", Some(json!({"page_items_max": 2}))).await.unwrap();
    let full_read = async {
        let path = format!("calendars/{}/sync-tokens", user.replace('@', "%40"));
        dev.control(Method::DELETE, &path, None).await.unwrap();
        change(&dev, user, 2).await;
    };
    kill_during(&dev, &["calendar.events.list"; 3], after_effect, full_read).await;
    is_right(&dev, &*store, user).await;
    disconnect(&dev, &*store, user, after_effect).await;
}

async fn disconnect(dev: &Installation, store: &dyn Store, user: &str, after_effect: bool) {
    let account = calendar(store, user).await.unwrap().account_id;
    let request = async {
        let answer: Value = dev.api(Method::DELETE, &format!("/v1/accounts/{account}"), None).await.unwrap();
        assert!(answer.is_null() || answer.is_object(), "{answer}");
    };
    kill_during(dev, &["calendar.channels.stop", "oauth.revoke"], after_effect, request).await;
    is_disconnected(store, account).await;
    assert!(store.credentials(account).await.unwrap().is_none());
    assert_eq!(dev.live_channels(user).await.unwrap(), Vec::<String>::new());
}

async fn is_disconnected(store: &dyn Store, account: AccountId) {
    eventually("the account is disconnected", || async {
        let account = store.account(account).await.unwrap().unwrap();
        if account.state == AccountState::Disconnected { Ok(()) } else { Err(account.state) }
    })
    .await;
}
