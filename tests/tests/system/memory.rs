//! A worker's memory has an end: it lets go of the workflows that it holds, and goes on with them.

use evercal_domain::CalendarId;
use evercal_tests::{ProviderUnderTest, USER, World, eventually, histories, mirror};
use evercal_workflows::names;
use temporalio_common::protos::temporal::api::enums::v1::TaskQueueKind;
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;

const MIB: usize = 1024 * 1024;

/// The resident size of this process, in MiB.
fn resident_mib() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096 / MIB
}

/// The queue of the worker that has a calendar's workflow in memory, as the history last names it: each worker has its own.
async fn held_by(world: &World, calendar: CalendarId) -> Option<String> {
    let runs = histories::of_workflow(world, &names::subscription_id(calendar)).await;
    let mut tasks = runs.into_iter().flat_map(|run| run.events).filter_map(|event| match event.attributes {
        Some(Attributes::WorkflowTaskScheduledEventAttributes(task)) => task.task_queue,
        _ => None,
    });
    tasks.rfind(|queue| queue.kind() == TaskQueueKind::Sticky).map(|queue| queue.name)
}

pub async fn a_worker_that_has_grown_too_large_lets_go_of_its_workflows_and_goes_on_with_them<P: ProviderUnderTest>() {
    let mut world = World::start::<P>().await;
    world.stop_worker().await.unwrap();
    let resident = resident_mib();
    let limit = resident + resident / 4 + 50;
    world.settings.memory_mib = limit as u64;
    world.start_worker().unwrap();
    let (_account, calendar) = world.connect_and_mirror().await;
    let before = held_by(&world, calendar).await.expect("a worker holds it");

    let ballast = vec![1_u8; (resident + 150) * MIB];
    eventually("another worker holds the workflow", || async {
        world.change_events(USER, 1).await;
        mirror::equals_provider(&world, calendar).await;
        let now = held_by(&world, calendar).await;
        if now.as_ref() == Some(&before) { Err((now, resident_mib(), limit)) } else { Ok(()) }
    })
    .await;
    assert!(ballast.iter().all(|byte| *byte == 1), "it was needed until now");
    mirror::equals_provider(&world, calendar).await;
    world.end().await;
}
