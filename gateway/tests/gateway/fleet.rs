//! Workflows that should run and do not: they are found, started again and written down.

use std::time::Duration;

use std::sync::atomic::Ordering;

use chrono::TimeDelta;
use evercal_domain::journal::{AuditEntry, AuditKind};
use evercal_domain::{AccessRole, AccountState, Clock as _, ProviderCalendarId, RemoteCalendar, SystemClock};
use evercal_storage::{AuditOf, PageRequest};
use evercal_workflow_client::AccountSignal;
use evercal_workflows::names;
use serde_json::json;

use crate::support::{Call, Customer, World, eventually};

/// A world whose fleet is checked every second, with a customer who is older than the grace of new ones.
async fn aged_world() -> (World, Customer) {
    let mut world = World::new().await;
    world.config.fleet_interval = Duration::from_secs(1);
    let customer = world.customer().await;
    age(&world, &customer).await;
    (world, customer)
}

/// Makes everything look some minutes old.
async fn age(world: &World, customer: &Customer) {
    let at = SystemClock.now() - TimeDelta::minutes(5);
    for state in [AccountState::NeedsReauth, AccountState::Connected] {
        world.store.set_account_state(customer.account, state, None, at).await.unwrap();
    }
}

async fn missing_entries(world: &World) -> Vec<AuditEntry> {
    let entries = world.store.audit_entries(AuditOf::Everything, &PageRequest::first(100)).await.unwrap().items;
    entries.into_iter().filter(|entry| entry.kind == AuditKind::WorkflowMissing).collect()
}

#[tokio::test]
async fn an_account_without_a_workflow_is_brought_back_and_written_down() {
    let (mut world, customer) = aged_world().await;
    world.workflows.accounts.lock().unwrap().clear();
    world.start().await;
    let path = format!("/v1/accounts/{}", customer.account);
    assert_eq!(world.get(&customer.key, &path).await.json()["workflow"], "missing", "it shows until then");
    eventually(&true, async || world.workflows.calls().contains(&Call::Start(customer.account))).await;
    eventually(&1, async || missing_entries(&world).await.len()).await;
    let [entry] = missing_entries(&world).await.try_into().unwrap();
    assert_eq!((entry.account_id, entry.calendar_id), (Some(customer.account), None));
    assert_eq!(world.get(&customer.key, &path).await.json()["workflow"], "running");
}

#[tokio::test]
async fn one_that_cannot_be_brought_back_keeps_the_others_neither_from_it_nor_from_being_checked() {
    let (mut world, _first) = aged_world().await;
    // More than may fail in a row without a question whether anybody is there.
    for _ in 0..6 {
        age(&world, &world.customer().await).await;
    }
    let broken: Vec<_> = world.workflows.accounts.lock().unwrap().drain().collect();
    world.workflows.broken.lock().unwrap().extend(broken);
    let last = world.customer().await;
    age(&world, &last).await;
    world.workflows.accounts.lock().unwrap().clear();
    world.start().await;
    eventually(&true, async || world.workflows.calls().contains(&Call::Start(last.account))).await;
    eventually(&vec![Some(last.account)], async || {
        missing_entries(&world).await.into_iter().map(|entry| entry.account_id).collect::<Vec<_>>()
    })
    .await;
    // And the calendars have their turn: one whose row cannot be read keeps nobody from it either.
    let pages_before = world.workflows.index_pages.load(Ordering::SeqCst);
    eventually(&true, async || world.workflows.index_pages.load(Ordering::SeqCst) >= pages_before + 4).await;
}

#[tokio::test]
async fn a_check_that_was_cut_short_can_soon_be_claimed_again() {
    let (mut world, _customer) = aged_world().await;
    world.config.fleet_interval = Duration::from_secs(3_600);
    world.faults.failing.lock().unwrap().insert("open_accounts_after");
    world.start().await;
    eventually(&true, async || world.faults.called("open_accounts_after")).await;
    eventually(&true, async || {
        let soon = SystemClock.now() + TimeDelta::minutes(1);
        world.store.take_claim("fleet", "another", soon, soon + TimeDelta::hours(1)).await.unwrap().is_some()
    })
    .await;
}

#[tokio::test]
async fn whoever_a_late_notice_brings_back_is_written_down() {
    let (mut world, customer) = aged_world().await;
    // The check of the fleet does not come that far.
    world.faults.failing.lock().unwrap().insert("open_accounts_after");
    world.start().await;
    world.workflows.missing.lock().unwrap().insert(customer.calendar);
    world.workflows.accounts.lock().unwrap().clear();
    // The calendar is a second old before it can be missed.
    eventually(&vec![None, Some(customer.calendar)], async || {
        assert_eq!(world.send_notice(&world.notice(customer.calendar, "exists")).await.status, 204);
        let mut calendars: Vec<_> = missing_entries(&world).await.into_iter().map(|entry| entry.calendar_id).collect();
        calendars.sort();
        calendars
    })
    .await;
}

#[tokio::test]
async fn what_the_index_does_not_know_yet_is_not_taken_for_missing() {
    let (mut world, _customer) = aged_world().await;
    world.start().await;
    let pages_before = world.workflows.index_pages.load(Ordering::SeqCst);
    eventually(&true, async || world.workflows.index_pages.load(Ordering::SeqCst) >= pages_before + 4).await;
    assert_eq!(missing_entries(&world).await, []);
}

#[tokio::test]
async fn a_large_index_is_read_page_by_page() {
    let (mut world, customer) = aged_world().await;
    let mut index: Vec<String> = (0..5).map(|_| names::account_id(evercal_domain::AccountId::generate())).collect();
    index.push(names::account_id(customer.account));
    *world.workflows.index.lock().unwrap() = index;
    world.start().await;
    // Three pages of accounts, one of subscriptions.
    eventually(&true, async || world.workflows.index_pages.load(Ordering::SeqCst) >= 4).await;
    assert_eq!(missing_entries(&world).await, []);
}

#[tokio::test]
async fn a_check_of_a_large_fleet_asks_temporal_a_few_times_per_thousand_calendars() {
    const CALENDARS: usize = 2_500;
    // As Temporal's index gives them (`crates/workflow-client/src/temporal.rs`).
    const PAGE: usize = 1_000;
    const NOT_IN_THE_INDEX: usize = 3;
    let (mut world, customer) = aged_world().await;
    // Time for one check alone.
    world.config.fleet_interval = Duration::from_secs(20);
    let listed: Vec<_> = (0..CALENDARS).map(calendar).collect();
    let at = SystemClock.now() - TimeDelta::minutes(5);
    world.store.reconcile_calendars(customer.account, &listed, at).await.unwrap();
    let open = world.store.open_calendar_ids(None, 10_000).await.unwrap();
    assert_eq!(open.len(), CALENDARS + 1, "with the one that was there before");
    let indexed = open.iter().take(open.len() - NOT_IN_THE_INDEX);
    let mut index: Vec<String> = indexed.map(|id| names::subscription_id(*id)).collect();
    index.push(names::account_id(customer.account));
    *world.workflows.index.lock().unwrap() = index;
    world.workflows.index_page_size.store(PAGE, Ordering::SeqCst);
    world.start().await;
    eventually(&1, async || world.store.claim_rounds("fleet").await.unwrap().done).await;
    let pages = world.workflows.index_pages.load(Ordering::SeqCst);
    assert_eq!(pages, 1 + CALENDARS.div_ceil(PAGE), "the accounts' page, and one for each thousand calendars");
    let asked = world.workflows.asked_by_name.load(Ordering::SeqCst);
    assert_eq!(asked, NOT_IN_THE_INDEX, "by name only those that the index does not have");
    assert_eq!(missing_entries(&world).await, []);
}

/// A calendar as the provider lists it.
fn calendar(number: usize) -> RemoteCalendar {
    RemoteCalendar {
        provider_id: ProviderCalendarId::new(format!("c{number}@example.com")),
        title: format!("Calendar {number}"),
        time_zone: Some("Europe/Berlin".into()),
        access_role: AccessRole::Owner,
        primary: false,
        id_follows_address: false,
    }
}

#[tokio::test]
async fn of_two_gateways_one_checks_the_fleet() {
    let (mut world, _customer) = aged_world().await;
    world.config.fleet_interval = Duration::from_secs(8);
    world.start().await;
    let first = world.gateway.take();
    world.start().await;
    eventually(&true, async || world.workflows.index_pages.load(Ordering::SeqCst) >= 2).await;
    world.heartbeats(50).await;
    assert_eq!(world.workflows.index_pages.load(Ordering::SeqCst), 2, "one page of each kind, by one of them");
    first.unwrap().stop().await;
}

#[tokio::test]
async fn the_status_of_a_calendar_says_that_its_workflow_is_missing_or_that_nobody_knows() {
    let (mut world, customer) = aged_world().await;
    world.config.fleet_interval = Duration::from_secs(3_600);
    world.start().await;
    let path = format!("/v1/calendars/{}/status", customer.calendar);
    let state = async || world.get(&customer.key, &path).await.json()["workflow"]["state"].clone();
    assert_eq!(state().await, json!("running"));
    world.workflows.missing.lock().unwrap().insert(customer.calendar);
    assert_eq!(state().await, json!("missing"));
    world.workflows.down.store(true, Ordering::SeqCst);
    assert_eq!(state().await, json!("unknown"));
}

#[tokio::test]
async fn a_notice_about_a_list_of_calendars_goes_to_its_account() {
    let world = World::running().await;
    let customer = world.customer().await;
    let watched = evercal_domain::Watched::CalendarList { account_id: customer.account };
    assert_eq!(world.send_notice(&world.notice_about(watched, "sync")).await.status, 204);
    assert_eq!(world.workflows.calls(), [], "a greeting says nothing");
    assert_eq!(world.send_notice(&world.notice_about(watched, "exists")).await.status, 204);
    let calls = world.workflows.calls();
    let [Call::Signal(account, AccountSignal::ListChanged(hint))] = calls.as_slice() else { panic!("{calls:?}") };
    assert_eq!((*account, hint.announces_change), (customer.account, true));
    world.workflows.down.store(true, Ordering::SeqCst);
    assert_eq!(world.send_notice(&world.notice_about(watched, "exists")).await.status, 503, "to be sent again");
    let unknown = evercal_domain::Watched::CalendarList { account_id: evercal_domain::AccountId::generate() };
    world.workflows.down.store(false, Ordering::SeqCst);
    assert_eq!(world.send_notice(&world.notice_about(unknown, "exists")).await.status, 204);
    eventually(&1, async || world.security_events("notice_for_unknown_channel").await).await;
}
