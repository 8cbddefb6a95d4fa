//! What happens after times in which notices may have been refused.

use std::sync::atomic::Ordering;

use evercal_domain::{CalendarId, SyncReason};
use evercal_gateway::HEARTBEAT;
use evercal_storage::{AuditOf, PageRequest};

use crate::support::{World, eventually};

/// How often a calendar was told to catch up.
fn caught_up(world: &World, calendar: CalendarId) -> usize {
    let notifies = world.workflows.notifies(calendar);
    notifies.iter().filter(|notify| notify.reason == SyncReason::CatchUp).count()
}

async fn beats(world: &World) -> bool {
    world.store.last_beat(HEARTBEAT).await.unwrap().is_some()
}

#[tokio::test]
async fn the_first_start_owes_nothing_and_every_later_one_tells_all_open_calendars() {
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
async fn when_temporal_comes_back_every_open_calendar_is_told() {
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
async fn one_calendar_that_cannot_be_told_does_not_keep_the_others_from_it() {
    let mut world = World::new().await;
    let (broken, healthy) = (world.customer().await, world.customer().await);
    world.start().await;
    eventually(&true, async || beats(&world).await).await;
    world.stop().await;
    let began = world.store.last_beat(HEARTBEAT).await.unwrap();
    world.workflows.failing.lock().unwrap().insert(broken.calendar);
    world.start().await;
    eventually(&1, async || caught_up(&world, healthy.calendar)).await;
    assert_eq!(world.store.last_beat(HEARTBEAT).await.unwrap(), began, "something is still owed");
    world.workflows.failing.lock().unwrap().clear();
    eventually(&1, async || caught_up(&world, broken.calendar)).await;
    eventually(&"ok".to_owned(), async || sync_health(&world).await).await;
    assert_eq!(caught_up(&world, healthy.calendar), 1, "told once is enough");
}

#[tokio::test]
async fn a_single_refused_notice_is_caught_up_though_temporal_answers_all_the_time() {
    let world = World::running().await;
    let customer = world.customer().await;
    eventually(&true, async || beats(&world).await).await;
    world.workflows.failing.lock().unwrap().insert(customer.calendar);
    assert_eq!(world.send_notice(&world.notice(customer.calendar, "exists")).await.status, 503);
    world.workflows.failing.lock().unwrap().clear();
    eventually(&1, async || caught_up(&world, customer.calendar)).await;
}

async fn sync_health(world: &World) -> String {
    world.get("", "/api/health/sync").await.json()["status"].as_str().unwrap().to_owned()
}
