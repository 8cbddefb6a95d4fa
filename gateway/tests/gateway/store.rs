//! A store that goes wrong under a running gateway: callers get an answer soon, and load balancers the reason.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use evercal_domain::journal::{AuditEntry, AuditKind};
use evercal_domain::{CalendarId, InstallationId, Watched};
use evercal_storage::{AuditOf, PageRequest, StoreCondition};
use evercal_workflow_client::AccountSignal;
use serde_json::json;

use crate::support::{Call, World, eventually};

/// What a read may wait for a store that does not answer, and a little. The quickest of some reads keeps it also on a busy
/// machine.
const SOON: Duration = Duration::from_millis(2_500);
/// Much shorter than a request may take in all, and room for a busy machine.
const NOTICED_WITHIN: Duration = Duration::from_secs(6);

#[tokio::test]
async fn a_read_that_the_store_does_not_answer_is_turned_away_soon() {
    let world = World::running().await;
    let customer = world.customer().await;
    assert_eq!(world.get(&customer.key, "/v1/calendars").await.status, 200);
    world.faults.hanging.store(true, Ordering::SeqCst);
    let mut quickest = Duration::MAX;
    for round in 0..3 {
        let begun = Instant::now();
        // All that wait, and not only the first.
        let reads = (0..20).map(|_| world.get(&customer.key, "/v1/calendars"));
        for answer in futures::future::join_all(reads).await {
            assert_eq!(answer.problem(), 503);
        }
        // Nobody has noticed yet in the first one.
        assert!(round > 0 || begun.elapsed() < NOTICED_WITHIN, "{:?}", begun.elapsed());
        quickest = quickest.min(begun.elapsed());
    }
    assert!(quickest < SOON, "{quickest:?}");
    world.faults.hanging.store(false, Ordering::SeqCst);
    eventually(&200, async || world.get(&customer.key, "/v1/calendars").await.status.as_u16()).await;
}

#[tokio::test]
async fn a_slow_read_is_waited_for_while_the_store_answers_others() {
    let world = World::running().await;
    let customer = world.customer().await;
    *world.faults.held.lock().unwrap() = Some("calendars_of_tenant");
    let read = world.get(&customer.key, "/v1/calendars");
    tokio::pin!(read);
    assert!(tokio::time::timeout(Duration::from_secs(3), &mut read).await.is_err(), "it is not cut off");
    *world.faults.held.lock().unwrap() = None;
    assert_eq!(read.await.status, 200);
}

#[tokio::test]
async fn a_gateway_with_the_store_of_another_installation_serves_nobody_and_says_why() {
    let mut world = World::new().await;
    let customer = world.customer().await;
    *world.workflows.installation.lock().unwrap() = Some(InstallationId::generate());
    world.start().await;
    eventually(&503, async || world.get(&customer.key, "/v1/calendars").await.status.as_u16()).await;
    eventually(&true, async || {
        let ready = world.get("", "/health/ready").await;
        ready.problem() == 503 && ready.body.contains("not the one of this installation")
    })
    .await;
    assert_eq!(audit(&world).await, 0, "nothing is written into a store that is not ours");

    // An operator says that it is.
    *world.workflows.installation.lock().unwrap() = None;
    eventually(&200, async || world.get("", "/health/ready").await.status.as_u16()).await;
    assert_eq!(world.get(&customer.key, "/v1/calendars").await.status, 200);
    eventually(&2, async || audit(&world).await).await;
    eventually(&1, async || world.security_events("store_replaced").await).await;
}

async fn audit(world: &World) -> usize {
    let entries = world.store.audit_entries(AuditOf::Everything, &PageRequest::first(100)).await.unwrap().items;
    entries.iter().filter(|entry| entry.message.contains("not the one of this installation")).count()
}

#[tokio::test]
async fn a_store_that_was_brought_back_from_a_backup_is_in_the_logs() {
    let mut world = World::new().await;
    let long_ago = "2026-01-01T00:00:00Z".parse().unwrap();
    world.store.try_writing(long_ago).await.unwrap();
    *world.workflows.synced_since.lock().unwrap() = 3;
    world.start().await;
    eventually(&1, async || world.security_events("store_replaced").await).await;
    let watch = world.gateway.as_ref().unwrap().store_watch();
    let sentence = watch.until(|condition| condition.trouble().is_some()).await.sentence().unwrap();
    assert!(sentence.contains("older than its workflows") && sentence.contains("3 calendars"), "{sentence}");
    eventually(&200, async || world.get("", "/health/ready").await.status.as_u16()).await;
    is_a_warning(&world, "older than its workflows").await;
}

/// Operators see it in health and in the audit log; nobody is kept from working.
async fn is_a_warning(world: &World, sentence: &str) {
    eventually(&true, async || {
        let health = world.get("", "/api/health/sync").await.json();
        health["warnings"].as_array().unwrap().iter().any(|warning| warning.as_str().unwrap().contains(sentence))
    })
    .await;
    eventually(&1, async || {
        let entries = world.store.audit_entries(AuditOf::Everything, &PageRequest::first(100)).await.unwrap().items;
        let raised = |entry: &&AuditEntry| entry.kind == AuditKind::AlertRaised && entry.message.contains(sentence);
        entries.iter().filter(raised).count()
    })
    .await;
    eventually(&200, async || world.get("", "/health/ready").await.status.as_u16()).await;
}

#[tokio::test]
async fn damaged_pages_are_a_warning_to_operators_until_they_are_whole_again() {
    let mut world = World::new().await;
    world.config.probe.pages = Duration::from_millis(100);
    world.faults.failing.lock().unwrap().insert("check_pages");
    world.start().await;
    is_a_warning(&world, "The store is damaged").await;
    world.faults.failing.lock().unwrap().clear();
    eventually(&json!([]), async || world.get("", "/api/health/sync").await.json()["warnings"].clone()).await;
}

#[tokio::test]
async fn a_store_that_cannot_be_written_shows_and_its_reads_go_on() {
    let world = World::running().await;
    let customer = world.customer().await;
    eventually(&200, async || world.get("", "/health/ready").await.status.as_u16()).await;
    world.faults.failing.lock().unwrap().insert("try_writing");
    let watch = world.gateway.as_ref().unwrap().store_watch();
    let unfit = tokio::time::timeout(Duration::from_secs(60), watch.until(StoreCondition::is_unfit));
    assert!(unfit.await.unwrap().sentence().unwrap().contains("cannot be written"));
    let ready = world.get("", "/health/ready").await;
    assert_eq!(ready.problem(), 503);
    assert!(ready.json()["detail"].as_str().unwrap().contains("cannot be written"));
    assert_eq!(world.get(&customer.key, "/v1/calendars").await.status, 200);
    world.faults.failing.lock().unwrap().clear();
    eventually(&200, async || world.get("", "/health/ready").await.status.as_u16()).await;
}

#[tokio::test]
async fn a_channel_whose_calendar_is_not_in_the_store_is_given_to_its_account_to_stop() {
    let world = World::running().await;
    let customer = world.customer().await;
    world.workflows.accounts.lock().unwrap().insert(customer.account);
    let calendar_id = CalendarId::generate();
    world.workflows.missing.lock().unwrap().insert(calendar_id);
    let forgotten = Watched::Calendar { account_id: customer.account, calendar_id };
    let notice = world.notice_about(forgotten, "exists");
    assert_eq!(world.send_notice(&notice).await.status, 204);
    let calls = world.workflows.calls();
    let stray = calls.iter().find_map(|call| match call {
        Call::Signal(account, AccountSignal::ListChanged(hint)) if *account == customer.account => Some(hint),
        _ => None,
    });
    let stray = stray.unwrap_or_else(|| panic!("its account was signalled: {calls:?}"));
    let remote_id = format!("{} resource", notice[0].1);
    assert_eq!(
        (stray.channel_id.to_string(), stray.remote_id.as_ref().map(evercal_domain::RemoteChannelId::as_str)),
        (notice[0].1.clone(), Some(remote_id.as_str()))
    );
    eventually(&1, async || world.security_events("notice_for_unknown_channel").await).await;
}
