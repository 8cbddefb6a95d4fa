//! Builds of the worker: work goes to the promoted one, and workflows move over while they live.

use evercal_domain::CalendarId;
use evercal_tests::{ProviderUnderTest, USER, World, eventually, mirror};
use evercal_worker::builds::{BuildId, BuildStatus, BuildsError, builds, promote};
use evercal_workflows::names;
use prost::Message as _;
use temporalio_common::protos::temporal::api::history::v1::History;
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;

fn build(id: &str) -> BuildId {
    id.parse().unwrap()
}

/// Promotes a build as soon as Temporal has seen its workers on all queues.
async fn promote_soon(world: &World, id: &str) {
    let connection = world.temporal.client.connection().clone();
    eventually("the build is promoted", || async {
        let promoted = promote(&connection, &world.temporal.namespace, &build(id)).await;
        let known = builds(&connection, &world.temporal.namespace).await;
        promoted.map_err(|error| format!("{error}; {known:?}"))
    })
    .await;
}

/// The build that did a subscription's last workflow task.
async fn last_build(world: &World, calendar: CalendarId) -> String {
    let history = world.history(&names::subscription_id(calendar)).await;
    let events = History::decode(history.as_slice()).unwrap().events;
    let last = events.into_iter().rev().find_map(|event| match event.attributes {
        Some(Attributes::WorkflowTaskCompletedEventAttributes(task)) => Some(task),
        _ => None,
    });
    last.and_then(|task| task.deployment_version).map(|version| version.build_id).unwrap_or_default()
}

pub async fn work_goes_to_the_promoted_build_and_a_living_subscription_moves_over<P: ProviderUnderTest>() {
    let mut world = World::start::<P>().await;
    let connection = world.temporal.client.connection().clone();
    let namespace = world.temporal.namespace.clone();
    assert!(matches!(builds(&connection, &namespace).await, Err(BuildsError::NoDeployment)));
    assert!(promote(&connection, &namespace, &build("none")).await.is_err());

    // An installation without builds begins to have them.
    let (_account, calendar) = world.connect_and_mirror().await;
    assert_eq!(last_build(&world, calendar).await, "");
    world.settings.build_id = Some(build("one"));
    world.start_worker().unwrap();
    promote_soon(&world, "one").await;
    world.stop_worker().await.unwrap();
    world.change_events(USER, 3).await;
    mirror::equals_provider(&world, calendar).await;
    eventually("the first build does the work", || async {
        let done_by = last_build(&world, calendar).await;
        if done_by == "one" { Ok(()) } else { Err(done_by) }
    })
    .await;

    // The next one waits until it is promoted.
    world.settings.build_id = Some(build("two"));
    world.start_worker().unwrap();
    eventually("Temporal knows the second build", || async {
        let known = builds(&connection, &namespace).await.unwrap();
        if known.iter().any(|known| known.build_id == "two" && known.status != BuildStatus::Current) {
            Ok(())
        } else {
            Err(known)
        }
    })
    .await;
    world.change_events(USER, 4).await;
    mirror::equals_provider(&world, calendar).await;
    assert_eq!(last_build(&world, calendar).await, "one");
    promote_soon(&world, "two").await;
    world.change_events(USER, 5).await;
    mirror::equals_provider(&world, calendar).await;
    eventually("the second build does the work", || async {
        let done_by = last_build(&world, calendar).await;
        if done_by == "two" { Ok(()) } else { Err(done_by) }
    })
    .await;
    let known = builds(&connection, &namespace).await.unwrap();
    let current: Vec<_> = known
        .iter()
        .filter(|build| build.status == BuildStatus::Current)
        .map(|build| build.build_id.as_str())
        .collect();
    assert_eq!(current, ["two"], "{known:?}");
    world.end().await;
}
