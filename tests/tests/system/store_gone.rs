//! A server that is gone for a while, or lets nobody in, or lets nobody write: callers get an error, and afterwards everything is
//! as it should be, without anybody's hand.

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use evercal_devserver::postgres::{PostgresOptions, PostgresServer};
use evercal_devserver::{activity_pollers, connect};
use evercal_domain::{CalendarId, CalendarState};
use evercal_http::Method;
use evercal_tests::{ProviderUnderTest, USER, World, WorldOptions, eventually, histories, mirror, reach};
use evercal_workflows::names;
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;

use crate::store::{grant, is_back, is_in_the_audit_log, is_not_ready_because, limited};

/// What a read may wait for a store that is gone, and a little. The quickest of some reads keeps it also on a busy machine.
const TOLD_WITHIN: Duration = Duration::from_millis(2_500);

/// A worker with a store that is fit takes work within this.
const CHECKED_FOR_S: f64 = 5.0;

/// Reads are turned away, and soon, as what passes and is not the caller's fault.
async fn reads_are_turned_away(world: &World) {
    eventually("reads are turned away", || async {
        let read = world.call(Method::GET, "/v1/calendars", None, Some(&world.api_key)).await.unwrap();
        if read.status == 503 { Ok(()) } else { Err(read.status) }
    })
    .await;
    let mut quickest = Duration::MAX;
    for _ in 0..3 {
        let begun = Instant::now();
        let read = world.call(Method::GET, "/v1/calendars", None, Some(&world.api_key)).await.unwrap();
        assert_eq!(read.status, 503);
        quickest = quickest.min(begun.elapsed());
    }
    assert!(quickest < TOLD_WITHIN, "{quickest:?}");
}

pub async fn whoever_is_not_let_in_finds_no_database_or_may_not_write_says_so_and_goes_on_when_it_is_over<
    P: ProviderUnderTest,
>() {
    let (server, role, database) = limited("gone").await;
    let world = World::with::<P>(WorldOptions { database: Some(database), ..WorldOptions::default() }).await;
    let (_account, calendar) = world.connect_and_mirror().await;
    let statements = |all: &[&str]| {
        for statement in all {
            server.query("postgres", statement).unwrap();
        }
    };
    let put_out = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'");

    statements(&[&format!("ALTER ROLE {role} NOLOGIN"), &put_out]);
    world.change_events(USER, 5).await;
    reads_are_turned_away(&world).await;
    is_not_ready_because(&world, "not permitted to log in").await;
    statements(&[&format!("ALTER ROLE {role} LOGIN")]);
    is_back(&world, calendar).await;
    is_in_the_audit_log(&world, "not permitted to log in").await;

    statements(&["ALTER DATABASE gone ALLOW_CONNECTIONS false", &put_out, "ALTER DATABASE gone RENAME TO gone_aside"]);
    world.change_events(USER, 5).await;
    reads_are_turned_away(&world).await;
    is_not_ready_because(&world, "does not exist").await;
    statements(&["ALTER DATABASE gone_aside RENAME TO gone", "ALTER DATABASE gone ALLOW_CONNECTIONS true"]);
    is_back(&world, calendar).await;

    statements(&[&format!("ALTER ROLE {role} SET default_transaction_read_only = on"), &put_out]);
    world.change_events(USER, 5).await;
    is_not_ready_because(&world, "read-only transaction").await;
    let read = world.call(Method::GET, "/v1/calendars", None, Some(&world.api_key)).await.unwrap();
    assert_eq!(read.status, 200, "what is there is read");
    statements(&[&format!("ALTER ROLE {role} RESET default_transaction_read_only"), &put_out]);
    is_back(&world, calendar).await;
    mirror::follows_from_its_changes(&*world.store, calendar).await;
    world.end().await;
}

pub async fn a_restart_of_the_server_costs_no_calendar_more_than_the_restart<P: ProviderUnderTest>() {
    let open_to_everybody = std::fs::Permissions::from_mode(0o755);
    let folder = tempfile::Builder::new().permissions(open_to_everybody).tempdir().unwrap();
    let server = PostgresServer::start(PostgresOptions::new(folder.path().join("server"), "test")).await.unwrap();
    server.create_database("restarted").unwrap();
    let database = server.url("restarted");
    evercal_storage::migrate(&database.parse().unwrap()).await.unwrap();
    let world = World::with::<P>(WorldOptions { database: Some(database), ..WorldOptions::default() }).await;
    let (_account, calendar) = world.connect_and_mirror().await;
    for _ in 0..2 {
        let before = server.pid().unwrap();
        world.change_events(USER, 20).await;
        let ended = std::process::Command::new("kill").args(["-INT", &before.to_string()]).status().unwrap();
        assert!(ended.success());
        world.change_events(USER, 5).await;
        eventually("the server is started again", || async {
            let is_another = server.pid().is_some_and(|pid| pid != before);
            let answers = server.query("restarted", "SELECT 1").map_err(|error| error.to_string());
            if is_another { answers.map(drop) } else { Err(format!("{before} still runs")) }
        })
        .await;
        is_back(&world, calendar).await;
    }
    mirror::follows_from_its_changes(&*world.store, calendar).await;
    world.end().await;
    server.stop().await;
}

pub async fn a_gateway_and_a_worker_that_start_without_a_right_or_a_table_serve_nobody_until_it_is_there<
    P: ProviderUnderTest,
>() {
    let (server, role, database) = limited("unfit").await;
    let mut world = World::with::<P>(WorldOptions { database: Some(database), ..WorldOptions::default() }).await;
    let (_account, calendar) = world.connect_and_mirror().await;
    let temporal = connect(&world.temporal.address).await.unwrap();
    let is_at_work = async |world: &World, worker: &str| {
        let namespace = world.temporal.namespace.clone();
        activity_pollers(&temporal, &namespace, &names::provider_queue(world.provider.profile().provider))
            .await
            .unwrap()
            .contains(worker)
    };
    let faults = [
        ("first", format!("REVOKE INSERT ON changes FROM {role}, first"), None, "may not write the table changes"),
        (
            "second",
            "ALTER TABLE changes RENAME TO changes_aside".to_owned(),
            Some("ALTER TABLE changes_aside RENAME TO changes"),
            "does not exist",
        ),
    ];
    world.stop_worker().await.unwrap();
    for (worker, take_away, give_back, reason) in faults {
        // By a role of its own, its sessions are known from the others.
        let all = "SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public";
        server
            .query("unfit", &format!("CREATE ROLE {worker} LOGIN PASSWORD 'limited'; GRANT {all} TO {worker}"))
            .unwrap();
        world.stop_gateway().await;
        server.query("unfit", &take_away).unwrap();
        world.start_gateway().await.unwrap();
        is_not_ready_because(&world, reason).await;
        let url = format!("postgres://{worker}:limited@{}/unfit", server.address());
        world.start_worker_as(worker, &url).unwrap();
        world.change_events(USER, 5).await;
        let checked_for = || {
            let query = format!(
                "SELECT extract(epoch FROM max(query_start)) - extract(epoch FROM min(backend_start)) \
                 FROM pg_stat_activity WHERE usename = '{worker}'"
            );
            server.query("postgres", &query).unwrap().parse::<f64>().unwrap_or_default()
        };
        eventually("the worker has checked the store for a while", || async {
            let seconds = checked_for();
            if seconds > CHECKED_FOR_S { Ok(()) } else { Err(seconds) }
        })
        .await;
        assert!(!is_at_work(&world, worker).await, "a worker with an unfit store takes work");
        if let Some(give_back) = give_back {
            server.query("unfit", give_back).unwrap();
        }
        grant(server, "unfit");
        server.query("unfit", &format!("GRANT {all} TO {worker}")).unwrap();
        is_back(&world, calendar).await;
        assert!(is_at_work(&world, worker).await);
        world.stop_worker().await.unwrap();
    }
    world.start_worker().unwrap();
    reach(&world, calendar, CalendarState::Live).await;
    world.end().await;
}

/// So many workers show a sign of life.
async fn workers_are(world: &World, count: usize) {
    eventually("so many workers are alive", || async {
        let health = world.api(Method::GET, "/api/health/sync", None).await.unwrap();
        if health["workers"] == count { Ok(()) } else { Err((count, health)) }
    })
    .await;
}

/// The workers that began the steps and the activities of a subscription, in their order. An activity that was tried again is
/// written with its last attempt alone: whoever began the one before is not known.
async fn begun_by(world: &World, calendar: CalendarId) -> Vec<String> {
    let runs = histories::of_workflow(world, &names::subscription_id(calendar)).await;
    let begun = runs.into_iter().flat_map(|run| run.events).filter_map(|event| match event.attributes? {
        Attributes::WorkflowTaskStartedEventAttributes(it) => Some(it.identity),
        Attributes::ActivityTaskStartedEventAttributes(it) if it.attempt > 1 => Some(format!("{} again", it.identity)),
        Attributes::ActivityTaskStartedEventAttributes(it) => Some(it.identity),
        _ => None,
    });
    begun.collect()
}

/// Changes something, waits until it is mirrored, and answers who has begun what was to be done for that.
async fn change_is_mirrored_by(world: &World, calendar: CalendarId, changes: u32) -> Vec<String> {
    let before = begun_by(world, calendar).await.len();
    world.change_events(USER, changes).await;
    mirror::equals_provider(world, calendar).await;
    begun_by(world, calendar).await.split_off(before)
}

pub async fn a_worker_whose_store_goes_wrong_begins_nothing_until_it_is_right_again<P: ProviderUnderTest>() {
    const ROUNDS: u32 = 6;
    let (server, _role, database) = limited("sick").await;
    let mut world = World::with::<P>(WorldOptions { database: Some(database), ..WorldOptions::default() }).await;
    let (_account, calendar) = world.connect_and_mirror().await;
    // By a role of its own: it alone loses a right, and another worker is there for all that it does not begin.
    let all = "SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public";
    let role = format!("CREATE ROLE sick_worker LOGIN PASSWORD 'limited'; GRANT {all} TO sick_worker");
    server.query("sick", &role).unwrap();
    world.start_worker_as("sick", &format!("postgres://sick_worker:limited@{}/sick", server.address())).unwrap();
    workers_are(&world, 2).await;
    world.stop_worker().await.unwrap();
    let mut changes = 3;
    let begun = change_is_mirrored_by(&world, calendar, changes).await;
    assert!(begun.iter().any(|worker| worker == "sick"), "it works as any other: {begun:?}");
    world.start_worker().unwrap();
    workers_are(&world, 2).await;

    server.query("sick", "REVOKE INSERT ON changes FROM sick_worker").unwrap();
    workers_are(&world, 1).await;
    eventually("what it was about to take when it stopped is over", || {
        changes += 1;
        let world = &world;
        async move {
            let begun = change_is_mirrored_by(world, calendar, changes).await;
            if !begun.is_empty() && begun.iter().all(|worker| worker == "worker") { Ok(()) } else { Err(begun) }
        }
    })
    .await;
    for round in 1..=ROUNDS {
        let begun = change_is_mirrored_by(&world, calendar, changes + round).await;
        let is_its_own = !begun.is_empty() && begun.iter().all(|worker| worker == "worker");
        assert!(is_its_own, "round {round}: {begun:?}");
    }
    workers_are(&world, 1).await;

    server.query("sick", "GRANT INSERT ON changes TO sick_worker").unwrap();
    workers_are(&world, 2).await;
    changes += ROUNDS;
    eventually("it works again", || {
        changes += 1;
        let world = &world;
        async move {
            let begun = change_is_mirrored_by(world, calendar, changes).await;
            if begun.iter().any(|worker| worker == "sick") { Ok(()) } else { Err(begun) }
        }
    })
    .await;
    mirror::follows_from_its_changes(&*world.store, calendar).await;
    world.end().await;
}
