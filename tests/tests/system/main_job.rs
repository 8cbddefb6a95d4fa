//! The main job: a calendar kept fresh.

use evercal_tests::{USER, World, mirror};

#[tokio::test(flavor = "multi_thread")]
async fn a_connected_calendar_is_mirrored_and_a_change_shows_without_anybody_asking() {
    let world = World::start().await;
    let (_account, calendar) = world.connect_and_settle().await;
    world.change_events(USER, 7).await;
    mirror::equals_provider(&world, calendar).await;
    world.end().await;
}
