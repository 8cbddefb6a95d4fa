//! A fault of each kind at each provider call of each path: whatever breaks, and wherever, the end state is the right one.
//!
//! A path is walked once without a fault to learn its calls. Then it is walked once for each of them and each kind of
//! fault.

mod walks;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use evercal_domain::profile::Push;
use evercal_domain::{AccountId, AccountState, Calendar, CalendarState, ChannelState};
use evercal_http::{HttpSettings, Method};
use evercal_simulator::{BulkChanges, ChangeNotices, FaultAction, NewUser};
use evercal_storage::PageRequest;
use evercal_tests::{
    ProviderCall, ProviderUnderTest, USER, World, WorldOptions, channels, eventually, is_list_watched, mirror, quick,
    shown, skipping,
};
use evercal_workflows::{Timing, names};
use serde_json::json;
use walks::{Hit, Walks, last_call, recent_calls};

/// What is used up of the world by one walk.
struct Walker {
    user: String,
    account: AccountId,
    calendar: Calendar,
}

/// Everything in real time is short; what the provider may take for an answer too, since faults that hang are among them.
fn options() -> WorldOptions {
    let timing = Timing { failed_sync_pause_s: 1, ..quick() };
    let http =
        HttpSettings { total_timeout: Duration::from_secs(1), response_bytes_max: 300_000, ..HttpSettings::default() };
    WorldOptions { timing, http, events: 12, ..WorldOptions::default() }
}

pub async fn a_fault_at_any_call_of_connecting_leaves_a_mirrored_and_watched_calendar<P: ProviderUnderTest>() {
    let world = World::with::<P>(options()).await;
    let mut walks = Walks::default();
    let mut number = 0;
    while let Some(hit) = walks.next() {
        let user = new_user(&world, number).await;
        number += 1;
        walks.begin(&world, hit.as_ref());
        let account = connect(&world, &user, None).await;
        let calendar = found(&world, &user, account, hit.as_ref()).await;
        reaches_end_state(&world, &Walker { user, account, calendar }, hit.as_ref()).await;
        walks.end(&world, hit);
    }
    walks.met_everything(
        &world,
        &[
            ProviderCall::Redeem,
            ProviderCall::WhoseGrant,
            ProviderCall::ListCalendars,
            ProviderCall::OpenListChannel,
            ProviderCall::ReadEvents,
            ProviderCall::OpenChannel,
        ],
    );
    world.end().await;
}

pub async fn a_fault_at_any_call_of_a_full_read_leaves_an_equal_mirror<P: ProviderUnderTest>() {
    let world = World::with::<P>(options()).await;
    let walker = connected(&world).await;
    let mut walks = Walks::default();
    while let Some(hit) = walks.next() {
        two_pages(&world, &walker.user);
        world.control().expire_access_tokens(Some(&walker.user)).unwrap();
        world.control().expire_sync_tokens(&walker.user).unwrap();
        walks.begin(&world, hit.as_ref());
        change(&world, &walker.user).await;
        reaches_end_state(&world, &walker, hit.as_ref()).await;
        walks.end(&world, hit);
    }
    walks.met_everything(&world, &[ProviderCall::Refresh, ProviderCall::ReadEvents]);
    world.end().await;
}

pub async fn a_fault_at_any_call_of_reading_what_changed_leaves_an_equal_mirror<P: ProviderUnderTest>() {
    let world = World::with::<P>(options()).await;
    let walker = connected(&world).await;
    let mut walks = Walks::default();
    while let Some(hit) = walks.next() {
        world.control().expire_access_tokens(Some(&walker.user)).unwrap();
        walks.begin(&world, hit.as_ref());
        change(&world, &walker.user).await;
        reaches_end_state(&world, &walker, hit.as_ref()).await;
        walks.end(&world, hit);
    }
    walks.met_everything(&world, &[ProviderCall::Refresh, ProviderCall::ReadEvents]);
    world.end().await;
}

pub async fn a_fault_at_any_call_of_a_renewal_leaves_one_live_channel<P: ProviderUnderTest>() {
    let timing = Timing {
        // Only what belongs to a renewal happens in the week, and it waits its full time: that costs nothing here.
        reconcile_interval_s: 10 * 365 * 24 * 3600,
        ladder_s: Timing::default().ladder_s,
        regain_interval_s: Timing::default().regain_interval_s,
        ..options().timing
    };
    let world = World::with::<P>(WorldOptions { timing, simulated_time: true, ..options() }).await;
    let walker = connected(&world).await;
    let mut walks = Walks::default();
    let mut number = 0;
    while let Some(hit) = walks.next() {
        number += 1;
        let before = channels::ends_in_register(&world, walker.calendar.id).await;
        world.control().expire_access_tokens(Some(&walker.user)).unwrap();
        walks.begin(&world, hit.as_ref());
        live_through_a_renewal(&world, &walker, number).await;
        tokio::select! {
            () = reaches_end_state_on(&world, &walker, hit.as_ref(), &before) => {}
            () = live_on_while_renewing(&world, &walker, number) => panic!("after twelve hours it still renews"),
        }
        walks.end(&world, hit);
    }
    walks.met_everything(
        &world,
        if P::nature().push == Push::Extended {
            &[ProviderCall::Refresh, ProviderCall::ExtendChannel]
        } else {
            &[ProviderCall::Refresh, ProviderCall::OpenChannel, ProviderCall::CloseChannel, ProviderCall::ReadEvents]
        },
    );
    world.end().await;
}

/// Lives on until shortly before the renewal, and then hour by hour until there was time for the ladder and for another try
/// at stopping the old channel; the old channel's end is later than that.
///
/// In steps, because the server (1.32.0) may pass over a timer: it skips to the moment at which one is due, and if a signal
/// comes in before it has fired, the next skip takes only later moments into account and goes straight to the target, where
/// the timer then fires. So no step is longer than a timer may be late here.
async fn live_through_a_renewal(world: &World, walker: &Walker, number: u32) {
    let workflow = names::subscription_id(walker.calendar.id);
    let (client, namespace) = (&world.temporal.client, &world.temporal.namespace);
    let register = world.store.channels_of_calendar(walker.calendar.id).await.unwrap();
    let live = register.iter().find(|channel| channel.state == ChannelState::Live).unwrap();
    let now = skipping::now(client, namespace, &workflow).await.unwrap();
    let first = (live.expires_at - chrono::TimeDelta::hours(26) - now).to_std().unwrap();
    for (step, by) in std::iter::once(first).chain([Duration::from_hours(1); 7]).enumerate() {
        let id = format!("renewal {number}, step {step}");
        skipping::fast_forward(client, namespace, &workflow, &id, by).await.unwrap();
    }
}

/// A machine may be so slow that the time is over before the first attempt has failed: then the ladder gets some more.
async fn live_on_while_renewing(world: &World, walker: &Walker, number: u32) {
    let workflow = names::subscription_id(walker.calendar.id);
    for hour in 1..=12 {
        eventually("it renews", || async {
            match world.store.calendar(walker.calendar.id).await.unwrap().unwrap().state {
                CalendarState::Renewing => Ok(()),
                other => Err(other),
            }
        })
        .await;
        let id = format!("renewal {number}, further hour {hour}");
        let (client, namespace) = (&world.temporal.client, &world.temporal.namespace);
        skipping::fast_forward(client, namespace, &workflow, &id, Duration::from_hours(1)).await.unwrap();
    }
}

async fn newly_connected(world: &World, number: u32) -> Walker {
    let user = new_user(world, number).await;
    let account = connect(world, &user, None).await;
    let calendar = world.calendar_of(&user).await;
    let walker = Walker { user, account, calendar };
    reaches_end_state(world, &walker, None).await;
    walker
}

pub async fn a_fault_at_any_call_of_disconnecting_leaves_no_channel_no_token_and_no_grant<P: ProviderUnderTest>() {
    let world = World::with::<P>(options()).await;
    let mut walks = Walks::default();
    let mut number = 0;
    while let Some(hit) = walks.next() {
        let walker = newly_connected(&world, number).await;
        number += 1;
        // Another refresh is a call of this path too.
        world.control().expire_access_tokens(Some(&walker.user)).unwrap();
        walks.begin(&world, hit.as_ref());
        world.api(Method::DELETE, &format!("/v1/accounts/{}", walker.account), None).await.unwrap();
        disconnected(&world, &walker, hit.as_ref()).await;
        walks.end(&world, hit);
    }
    walks.met_everything(&world, &[ProviderCall::Refresh, ProviderCall::CloseChannel, ProviderCall::Revoke]);
    world.end().await;
}

/// Pages of little more than half of the events, so that each full read has the same number of calls.
fn two_pages(world: &World, calendar: &str) {
    let events = world.control().truth(calendar).unwrap().events.len();
    let page_items_max = u32::try_from(events / 2 + 2).unwrap();
    world.provider.set_page_items_max(page_items_max);
}

/// A user with a calendar of a few events.
async fn new_user(world: &World, number: u32) -> String {
    let email = format!("user{number}@example.com");
    let user = NewUser { email: email.clone(), name: "User".to_owned(), time_zone: "Europe/Paris".to_owned() };
    world.control().create_user(&user).unwrap();
    world.change_events(&email, 8).await;
    email
}

async fn connected(world: &World) -> Walker {
    let (account, id) = world.connect_and_mirror().await;
    let calendar = world.store.calendar(id).await.unwrap().unwrap();
    let walker = Walker { user: USER.to_owned(), account, calendar };
    reaches_end_state(world, &walker, None).await;
    walker
}

async fn connect(world: &World, user: &str, again: Option<AccountId>) -> AccountId {
    let mut start = json!({"label": "User", "login_hint": user});
    if let Some(account) = again {
        start["account_id"] = json!(account.to_string());
    }
    // What the page says, the account says too.
    let (account, callback) = world.consent(start).await.unwrap();
    world.page_of(callback).await.unwrap();
    account
}

async fn change(world: &World, calendar: &str) {
    let changes = json!({"calendar": calendar, "count": 3, "seed": last_call(world), "notices": "once"});
    let changes: BulkChanges = serde_json::from_value(changes).unwrap();
    assert_eq!(changes.notices, ChangeNotices::Once);
    world.control().make_changes(&changes).await.unwrap();
}

/// Waits until an account has found its calendar, with a further consent where the account asks for one.
async fn found(world: &World, user: &str, account: AccountId, hit: Option<&Hit>) -> Calendar {
    let mut consented_again = false;
    loop {
        let found = eventually("the calendar is found, or the account asks for a consent", || async {
            let row = world.store.account(account).await.unwrap().unwrap();
            let calendars = world.store.calendars_of_account(account).await.unwrap();
            match calendars.into_iter().next() {
                Some(calendar) => Ok(Some(calendar)),
                None if row.state == AccountState::NeedsReauth && !consented_again => Ok(None),
                None => Err((row.state, row.detail)),
            }
        })
        .await;
        if let Some(calendar) = found {
            return calendar;
        }
        assert!(may_ask_for_consent(world, hit), "nobody has to consent again because of {hit:?}");
        consented_again = true;
        connect(world, user, Some(account)).await;
    }
}

/// Whether it is right to ask for a new consent: the grant is dead, or a code, which is good for one use, was used up
/// without an answer that could be read. A second token in a row that is refused is a dead grant too.
fn may_ask_for_consent(world: &World, hit: Option<&Hit>) -> bool {
    hit.is_some_and(|hit| {
        let answer_is_lost = matches!(
            hit.action,
            FaultAction::ResetAfter
                | FaultAction::TruncatedBody
                | FaultAction::GarbageBody
                | FaultAction::OversizedBody { .. }
                | FaultAction::SlowBody { chunk_bytes: 1, .. }
        );
        let refused = matches!(hit.action, FaultAction::InvalidGrant | FaultAction::ExpiredToken);
        refused || (answer_is_lost && world.provider.method(ProviderCall::Redeem) == Some(&hit.method))
    })
}

/// Waits for the right end state.
async fn reaches_end_state(world: &World, walker: &Walker, hit: Option<&Hit>) {
    reaches_end_state_on(world, walker, hit, &BTreeMap::new()).await;
}

/// Waits for the right end state, on other channels than those, or the same with other ends. A new consent, where it may be asked for, has to heal
/// everything.
async fn reaches_end_state_on(
    world: &World,
    walker: &Walker,
    hit: Option<&Hit>,
    before: &BTreeMap<String, DateTime<Utc>>,
) {
    let mut consented_again = false;
    loop {
        let needs_consent = eventually("the calendar is live, or the account asks for a consent", || async {
            let account = world.store.account(walker.account).await.unwrap().unwrap();
            let calendar = world.store.calendar(walker.calendar.id).await.unwrap().unwrap();
            // The subscription itself is asked, since what it found out may still be on its way into the store.
            let live = account.state == AccountState::Connected
                && calendar.state == CalendarState::Live
                && is_live_and_idle(world, walker).await
                && channels::ends_in_register(world, walker.calendar.id).await != *before
                && is_list_watched(world, walker.account).await;
            match account.state {
                AccountState::NeedsReauth if !consented_again => Ok(true),
                _ if live && is_equal(world, walker).await => Ok(false),
                _ => Err((hit, account.state, account.detail, calendar.state, calendar.detail, recent_calls(world))),
            }
        })
        .await;
        if !needs_consent {
            break;
        }
        assert!(may_ask_for_consent(world, hit), "nobody has to consent again because of {hit:?}");
        consented_again = true;
        connect(world, &walker.user, Some(walker.account)).await;
    }
    mirror::follows_from_its_changes(&*world.store, walker.calendar.id).await;
    channels::are_owned(world, walker.calendar.id, 1).await;
}

async fn is_live_and_idle(world: &World, walker: &Walker) -> bool {
    let subscription = world.status(walker.calendar.id).await;
    subscription.state == CalendarState::Live && !subscription.syncing
}

async fn is_equal(world: &World, walker: &Walker) -> bool {
    let truth = world.control().truth(&walker.user).unwrap();
    let (store, calendar) = (&*world.store, walker.calendar.id);
    let between = async |from: &str, to: &str| world.control().occurrences(&walker.user, from, to).unwrap();
    mirror::compare_promised(store, calendar, world.provider.profile(), truth, between).await.is_ok()
        && shown::shows_what_the_provider_shows(world, calendar).await.is_ok()
}

/// With a dead grant (a second refused token in a row counts as one) nobody can stop a channel any more: it runs out by
/// itself, and the register still knows it. A provider that refuses to revoke keeps its grant, but we keep no token.
async fn disconnected(world: &World, walker: &Walker, hit: Option<&Hit>) {
    let refused_twice = |hit: &Hit| hit.action == FaultAction::ExpiredToken && hit.after > 0;
    let dead_grant = hit.is_some_and(|hit| hit.action == FaultAction::InvalidGrant || refused_twice(hit));
    let is_refused = |hit: &Hit| matches!(hit.action, FaultAction::Status { status: 404, .. });
    let keeps_grant =
        hit.is_some_and(|hit| world.provider.method(ProviderCall::Revoke) == Some(&hit.method) && is_refused(hit));
    eventually("the account is disconnected", || async {
        let row = world.store.account(walker.account).await.unwrap().unwrap();
        if row.state == AccountState::Disconnected { Ok(()) } else { Err(row.state) }
    })
    .await;
    assert!(world.store.credentials(walker.account).await.unwrap().is_none());
    let calendar = world.store.calendar(walker.calendar.id).await.unwrap().unwrap();
    assert_eq!(calendar.state, CalendarState::Closed);
    let left = world.store.items(calendar.id, &PageRequest { after: None, limit: 10 }).await.unwrap();
    assert!(left.items.is_empty() && calendar.event_count == 0, "{hit:?}: the mirror is erased: {left:?}");
    let alive = channels::alive_at_provider(world, &walker.user);
    if dead_grant {
        let known = world.store.channels_of_calendar(walker.calendar.id).await.unwrap();
        assert!(alive.iter().all(|id| known.iter().any(|channel| channel.id.to_string() == *id)), "{alive:?}");
    } else {
        assert!(alive.is_empty(), "{hit:?} {alive:?} {:#?}", recent_calls(world));
        let keeps_grant = keeps_grant || !world.provider.profile().takes_grants_back();
        let grants_left = world.control().revoke_grants(&walker.user).unwrap();
        assert_eq!(grants_left, usize::from(keeps_grant), "{hit:?}");
    }
}
