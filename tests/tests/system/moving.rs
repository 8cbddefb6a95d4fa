//! From one machine to an installation: the store moves to PostgreSQL, and the workflows to another Temporal.

use evercal_devserver::postgres;
use evercal_domain::CalendarState;
use evercal_storage::DatabaseUrl;
use evercal_tests::temporal::TestTemporal;
use evercal_tests::{ProviderUnderTest, USER, World, channels, eventually, mirror};

pub async fn a_store_that_moves_to_postgresql_and_another_temporal_goes_on_where_it_was<P: ProviderUnderTest>() {
    let mut world = World::start::<P>().await;
    let (_account, calendar) = world.connect_and_mirror().await;
    let before = world.store.changes(calendar, 0, 10_000).await.unwrap();
    world.stop_gateway().await;
    world.stop_worker().await.unwrap();
    // What happens in between is found by nobody's notice.
    world.change_events(USER, 10).await;

    let server = tokio::task::spawn_blocking(postgres::shared).await.unwrap().unwrap();
    server.create_database("moved").unwrap();
    let moved = server.url("moved");
    let target: DatabaseUrl = moved.parse().unwrap();
    evercal_storage::migrate(&target).await.unwrap();
    let source = world.move_store(&moved).await.unwrap();
    evercal_storage::copy_store(&source, &target, None, |_, _| {}).await.unwrap();
    world.temporal = TestTemporal::start().await.unwrap();

    world.start_gateway().await.unwrap();
    world.start_worker().unwrap();
    mirror::equals_provider(&world, calendar).await;
    eventually("the calendar is live, by one channel", || async {
        let state = world.store.calendar(calendar).await.unwrap().unwrap().state;
        let alive = channels::alive_at_provider(&world, USER);
        if state == CalendarState::Live && alive.len() == 1 { Ok(()) } else { Err((state, alive)) }
    })
    .await;
    world.change_events(USER, 10).await;
    mirror::equals_provider(&world, calendar).await;
    let after = world.store.changes(calendar, 0, 10_000).await.unwrap();
    assert_eq!(after[..before.len()], before, "the feed goes on where it was");
    mirror::follows_from_its_changes(&*world.store, calendar).await;
    world.end().await;
}
