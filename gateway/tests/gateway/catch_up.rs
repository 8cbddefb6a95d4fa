//! What happens after times in which notices may have been refused.

use std::sync::atomic::Ordering;
use std::time::Duration;

use evercal_domain::{CalendarId, Clock as _, SyncReason, SystemClock, Watched};
use evercal_gateway::HEARTBEAT;
use evercal_storage::{AuditOf, PageRequest};
use evercal_workflow_client::AccountSignal;

use crate::support::{Call, Customer, World, eventually};

/// How often a calendar was signalled to catch up.
fn caught_up(world: &World, calendar: CalendarId) -> usize {
    let notifies = world.workflows.notifies(calendar);
    notifies.iter().filter(|notify| notify.reason == SyncReason::CatchUp).count()
}

async fn beats(world: &World) -> bool {
    world.store.last_beat(HEARTBEAT).await.unwrap().is_some()
}

#[tokio::test]
async fn the_first_start_has_no_backlog_and_every_later_one_signals_all_open_calendars() {
    let mut world = World::new().await;
    let customer = world.customer().await;
    world.start().await;
    eventually(&true, async || beats(&world).await).await;
    assert_eq!(caught_up(&world, customer.calendar), 0);
    world.stop().await;
    world.start().await;
    eventually(&1, async || caught_up(&world, customer.calendar)).await;
    eventually(&1, async || {
        world.store.audit_entries(AuditOf::Everything, &PageRequest::first(10)).await.unwrap().items.len()
    })
    .await;
}

#[tokio::test]
async fn when_temporal_comes_back_every_open_calendar_is_signalled() {
    let world = World::running().await;
    let (one, other) = (world.customer().await, world.customer().await);
    eventually(&true, async || beats(&world).await).await;
    world.workflows.down.store(true, Ordering::SeqCst);
    eventually(&"down".to_owned(), async || sync_health(&world).await).await;
    let frozen = world.store.last_beat(HEARTBEAT).await.unwrap();
    assert_eq!(world.send_notice(&world.notice(one.calendar, "exists")).await.status, 503);
    assert_eq!(world.store.last_beat(HEARTBEAT).await.unwrap(), frozen, "no heartbeat while notices are refused");
    world.workflows.down.store(false, Ordering::SeqCst);
    eventually(&(1, 1), async || (caught_up(&world, one.calendar), caught_up(&world, other.calendar))).await;
    eventually(&"ok".to_owned(), async || sync_health(&world).await).await;
}

#[tokio::test]
async fn one_calendar_that_cannot_be_signalled_keeps_no_other_from_its_signal() {
    let mut world = World::new().await;
    let (broken, healthy) = (world.customer().await, world.customer().await);
    world.start().await;
    eventually(&true, async || beats(&world).await).await;
    world.stop().await;
    let began = world.store.last_beat(HEARTBEAT).await.unwrap();
    world.workflows.failing.lock().unwrap().insert(broken.calendar);
    world.start().await;
    eventually(&1, async || caught_up(&world, healthy.calendar)).await;
    assert_eq!(world.store.last_beat(HEARTBEAT).await.unwrap(), began, "the backlog is not empty");
    world.workflows.failing.lock().unwrap().clear();
    eventually(&1, async || caught_up(&world, broken.calendar)).await;
    eventually(&"ok".to_owned(), async || sync_health(&world).await).await;
    assert_eq!(caught_up(&world, healthy.calendar), 1, "one signal is enough");
}

/// How often an account was signalled that its list of calendars may have changed.
fn list_signals(world: &World, customer: &Customer) -> usize {
    let signal = Call::Signal(customer.account, AccountSignal::ListMayHaveChanged);
    world.workflows.calls().into_iter().filter(|call| *call == signal).count()
}

#[tokio::test]
async fn a_refused_notice_about_a_list_of_calendars_is_caught_up_at_its_account_alone() {
    let world = World::running().await;
    let (refused, other) = (world.customer().await, world.customer().await);
    eventually(&true, async || beats(&world).await).await;
    world.workflows.failing_accounts.lock().unwrap().insert(refused.account);
    let notice = world.notice_about(Watched::CalendarList { account_id: refused.account }, "exists");
    assert_eq!(world.send_notice(&notice).await.status, 503);
    eventually(&"catching_up".to_owned(), async || sync_health(&world).await).await;
    world.workflows.failing_accounts.lock().unwrap().clear();
    eventually(&1, async || list_signals(&world, &refused)).await;
    eventually(&"ok".to_owned(), async || sync_health(&world).await).await;
    assert_eq!(
        (list_signals(&world, &refused), list_signals(&world, &other), caught_up(&world, refused.calendar)),
        (1, 0, 0)
    );
}

#[tokio::test]
async fn after_an_outage_every_account_is_signalled_once_that_its_list_may_have_changed() {
    let world = World::running().await;
    let customers = [world.customer().await, world.customer().await];
    eventually(&true, async || beats(&world).await).await;
    world.workflows.down.store(true, Ordering::SeqCst);
    eventually(&"down".to_owned(), async || sync_health(&world).await).await;
    let notice = world.notice_about(Watched::CalendarList { account_id: customers[0].account }, "exists");
    assert_eq!(world.send_notice(&notice).await.status, 503);
    world.workflows.down.store(false, Ordering::SeqCst);
    eventually(&"ok".to_owned(), async || sync_health(&world).await).await;
    let [refused, other] = customers.each_ref().map(|customer| list_signals(&world, customer));
    assert!((1..=2).contains(&refused) && other == 1, "{refused} {other}");
}

/// How often each of these calendars was signalled to catch up.
fn signalled(world: &World, customers: &[Customer]) -> Vec<usize> {
    customers.iter().map(|customer| caught_up(world, customer.calendar)).collect()
}

/// Whether a calendar can be signalled, in the order of their ids.
const NEIGHBOURS: [bool; 9] = [true, true, false, false, false, false, false, false, true];
const SCATTERED: [bool; 12] = [true, false, true, false, true, false, true, false, true, false, false, true];

#[tokio::test]
async fn many_calendars_that_cannot_be_signalled_neither_stop_the_others_nor_have_them_signalled_twice() {
    for healthy in [NEIGHBOURS.as_slice(), SCATTERED.as_slice()] {
        let mut world = World::new().await;
        let mut customers = Vec::new();
        for healthy in healthy {
            let customer = world.customer().await;
            if !healthy {
                world.workflows.failing.lock().unwrap().insert(customer.calendar);
            }
            customers.push(customer);
        }
        world.store.beat(HEARTBEAT, SystemClock.now()).await.unwrap();
        world.start().await;
        world.heartbeats(50).await;
        assert_eq!(
            signalled(&world, &customers),
            healthy.iter().map(|healthy| usize::from(*healthy)).collect::<Vec<_>>()
        );
        world.workflows.failing.lock().unwrap().clear();
        eventually(&vec![1; customers.len()], async || signalled(&world, &customers)).await;
    }
}

#[tokio::test]
async fn a_refused_notice_is_caught_up_at_its_calendar_alone() {
    let world = World::running().await;
    let customers = [world.customer().await, world.customer().await, world.customer().await];
    eventually(&true, async || beats(&world).await).await;
    let [_, refused, _] = &customers;
    world.workflows.failing.lock().unwrap().insert(refused.calendar);
    assert_eq!(world.send_notice(&world.notice(refused.calendar, "exists")).await.status, 503);
    world.workflows.failing.lock().unwrap().clear();
    eventually(&1, async || caught_up(&world, refused.calendar)).await;
    world.heartbeats(10).await;
    assert_eq!(signalled(&world, &customers), [0, 1, 0]);
}

#[tokio::test]
async fn a_refused_notice_is_caught_up_while_another_calendar_still_cannot_be_signalled() {
    let world = World::running().await;
    let (broken, refused) = (world.customer().await, world.customer().await);
    eventually(&true, async || beats(&world).await).await;
    for customer in [&broken, &refused] {
        world.workflows.failing.lock().unwrap().insert(customer.calendar);
        assert_eq!(world.send_notice(&world.notice(customer.calendar, "exists")).await.status, 503);
        eventually(&"catching_up".to_owned(), async || sync_health(&world).await).await;
    }
    world.workflows.failing.lock().unwrap().remove(&refused.calendar);
    eventually(&1, async || caught_up(&world, refused.calendar)).await;
    assert_eq!(caught_up(&world, broken.calendar), 0);
}

#[tokio::test]
async fn one_slow_answer_of_temporal_is_no_outage() {
    let world = World::running().await;
    let customer = world.customer().await;
    eventually(&true, async || beats(&world).await).await;
    world.workflows.pings_lost.store(1, Ordering::SeqCst);
    world.heartbeats(10).await;
    assert_eq!(caught_up(&world, customer.calendar), 0);
    world.workflows.pings_lost.store(2, Ordering::SeqCst);
    eventually(&1, async || caught_up(&world, customer.calendar)).await;
}

#[tokio::test]
async fn when_the_store_comes_back_every_open_calendar_is_signalled() {
    for method in ["last_beat", "beat"] {
        let world = World::running().await;
        let customers = [world.customer().await, world.customer().await];
        eventually(&true, async || beats(&world).await).await;
        world.faults.failing.lock().unwrap().insert(method);
        // So a load balancer sends notices nowhere, and nobody counts them.
        eventually(&503, async || world.get("", "/health/ready").await.status.as_u16()).await;
        // It stays so for as long as the store does not do all that it has to.
        let checks = || world.faults.calls.lock().unwrap().iter().filter(|call| **call == "last_beat").count();
        let checks_before = checks();
        eventually(&true, async || checks() >= checks_before + 5).await;
        assert_eq!(world.get("", "/health/ready").await.status, 503, "{method}");
        assert_eq!(signalled(&world, &customers), [0, 0], "{method}");
        world.faults.failing.lock().unwrap().clear();
        eventually(&vec![1, 1], async || signalled(&world, &customers)).await;
        eventually(&"ok".to_owned(), async || sync_health(&world).await).await;
        assert_eq!(signalled(&world, &customers), [1, 1], "once");
    }
}

#[tokio::test]
async fn health_answers_while_the_store_hangs_and_asks_it_nothing() {
    let world = World::running().await;
    eventually(&"ok".to_owned(), async || sync_health(&world).await).await;
    world.faults.hanging.store(true, Ordering::SeqCst);
    let asked_before = world.faults.calls.lock().unwrap().len();
    let requests = (0..200).map(|number| {
        let path = if number % 2 == 0 { "/health/ready" } else { "/api/health/sync" };
        async { world.get("", path).await.status.as_u16() }
    });
    let answers = tokio::time::timeout(Duration::from_secs(60), futures::future::join_all(requests)).await;
    assert!(answers.is_ok(), "no answer within the bound");
    let asked = world.faults.calls.lock().unwrap().len() - asked_before;
    assert!(asked < 100, "{asked} calls to the store for 200 requests");
    eventually(&503, async || world.get("", "/health/ready").await.status.as_u16()).await;
    eventually(&"down".to_owned(), async || sync_health(&world).await).await;
}

async fn sync_health(world: &World) -> String {
    world.get("", "/api/health/sync").await.json()["status"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn of_two_gateways_with_all_calendars_in_their_backlogs_one_signals_them() {
    let mut world = World::new().await;
    // Wide enough for both to see the end of the outage before one of them begins, also on a busy machine.
    world.config.catch_up.heartbeat = Duration::from_millis(250);
    world.start().await;
    let customer = world.customer().await;
    eventually(&true, async || beats(&world).await).await;
    let other = {
        let first = world.gateway.take();
        world.start().await;
        first.unwrap()
    };
    // The second one may have all in its backlog after its start, since a gateway ran here before.
    eventually(&"ok".to_owned(), async || sync_health(&world).await).await;
    let before = caught_up(&world, customer.calendar);
    world.workflows.down.store(true, Ordering::SeqCst);
    eventually(&"down".to_owned(), async || sync_health(&world).await).await;
    // Both have seen it, and noted whose turn it would be, before it ends.
    world.heartbeats(12).await;
    world.workflows.down.store(false, Ordering::SeqCst);
    eventually(&"ok".to_owned(), async || sync_health(&world).await).await;
    world.heartbeats(30).await;
    assert_eq!(caught_up(&world, customer.calendar) - before, 1);
    other.stop().await;
}

#[tokio::test]
async fn the_claim_of_a_gateway_that_is_cut_off_while_it_signals_all_is_taken_over() {
    let mut world = World::new().await;
    let customer = world.customer().await;
    world.store.beat(HEARTBEAT, SystemClock.now()).await.unwrap();
    let past = SystemClock.now() - chrono::TimeDelta::seconds(1);
    // Another one began, and nobody has heard of it since.
    assert_eq!(world.store.take_claim("catch_up", "gone", past, past).await.unwrap(), Some(1));
    world.start().await;
    eventually(&1, async || caught_up(&world, customer.calendar)).await;
}
