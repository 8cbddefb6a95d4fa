//! A store that goes wrong under a running installation, and comes right again: nobody starts anything by hand.

use std::time::Duration;

use evercal_devserver::postgres::{self, PostgresServer};
use evercal_devserver::small_disk::SmallDisk;
use evercal_devserver::{activity_pollers, connect};
use evercal_domain::journal::{AuditEntry, AuditKind, SecurityKind};
use evercal_domain::{CalendarState, Clock as _, SystemClock};
use evercal_http::Method;
use evercal_storage::{AuditOf, DatabaseUrl, PageRequest};
use evercal_tests::{
    ProviderUnderTest, USER, World, WorldOptions, channels, eventually, histories, mirror, quick, reach,
};
use evercal_workflows::{Timing, names};
use temporalio_client::WorkflowTerminateOptions;
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;

/// Within so long everything is as it should be after a fault has ended.
const BACK_WITHIN: Duration = Duration::from_secs(10);

/// What load balancers see.
async fn readiness(world: &World) -> (u16, String) {
    let answer = world.call(Method::GET, "/health/ready", None, None).await.unwrap();
    (answer.status, String::from_utf8_lossy(&answer.body).into_owned())
}

pub(crate) async fn is_not_ready_because(world: &World, reason: &str) {
    eventually("the gateway is not ready, and says why", || async {
        let (status, body) = readiness(world).await;
        if status == 503 && body.contains(reason) { Ok(()) } else { Err((status, body)) }
    })
    .await;
}

async fn is_ready(world: &World) {
    eventually("the gateway is ready", || async {
        let (status, body) = readiness(world).await;
        if status == 200 { Ok(()) } else { Err((status, body)) }
    })
    .await;
}

async fn audit(world: &World) -> Vec<AuditEntry> {
    world.store.audit_entries(AuditOf::Everything, &PageRequest::first(500)).await.unwrap().items
}

/// The trouble and its end are in the audit log.
pub(crate) async fn is_in_the_audit_log(world: &World, cause: &str) {
    eventually("the audit log has the trouble and its end", || async {
        let entries = audit(world).await;
        let has = |kind| entries.iter().any(|entry| entry.kind == kind && entry.message.contains(cause));
        if has(AuditKind::AlertRaised) && has(AuditKind::AlertCleared) { Ok(()) } else { Err(entries) }
    })
    .await;
}

/// Everything is equal and live again, in time.
pub(crate) async fn is_back(world: &World, calendar: evercal_domain::CalendarId) {
    let back = async {
        mirror::equals_provider(world, calendar).await;
        is_ready(world).await;
        reach(world, calendar, CalendarState::Live).await;
    };
    let ended_at = std::time::Instant::now();
    tokio::time::timeout(BACK_WITHIN, back).await.expect("everything is back in time");
    println!("everything was back after {:?}", ended_at.elapsed());
}

async fn server() -> &'static PostgresServer {
    tokio::task::spawn_blocking(postgres::shared).await.unwrap().unwrap()
}

/// A world whose disk can be filled; none where the system lets nobody mount one.
async fn world_on_a_small_disk<P: ProviderUnderTest>() -> Option<(World, SmallDisk)> {
    let disk = SmallDisk::mount(64 * 1024 * 1024);
    let Some(disk) = disk else {
        eprintln!("no disk can be mounted here: what follows from a full one is tested with the store alone");
        return None;
    };
    let database = Some(DatabaseUrl::file(disk.folder().join("evercal.db")).to_string());
    Some((World::with::<P>(WorldOptions { database, ..WorldOptions::default() }).await, disk))
}

/// Takes all room, also that which the log had of its own.
async fn fill(world: &World, disk: &SmallDisk) {
    disk.fill().unwrap();
    let mut number = 0;
    eventually("the store cannot be written", || {
        number += 1;
        async move {
            let entry = AuditEntry {
                dedup_key: format!("ballast/{number}"),
                at: SystemClock.now(),
                kind: AuditKind::CatchUp,
                tenant_id: None,
                account_id: None,
                calendar_id: None,
                message: "x".repeat(500_000),
            };
            match world.store.append_audit(&entry).await {
                Ok(()) => Err("it can"),
                Err(_full) => Ok(()),
            }
        }
    })
    .await;
}

pub async fn a_disk_that_is_full_for_a_moment_or_a_minute_stops_nothing_for_longer<P: ProviderUnderTest>() {
    let Some((world, disk)) = world_on_a_small_disk::<P>().await else { return };
    let (_account, calendar) = world.connect_and_mirror().await;
    fill(&world, &disk).await;
    world.change_events(USER, 30).await;
    // As long as it takes a sync to fail of it.
    eventually("a commit has met the full disk", || async {
        let row = world.store.calendar(calendar).await.unwrap().unwrap();
        let full = world.store.try_writing(SystemClock.now()).await.is_err();
        if full { Ok(()) } else { Err(row.state) }
    })
    .await;
    disk.free().unwrap();
    is_back(&world, calendar).await;

    fill(&world, &disk).await;
    world.change_events(USER, 30).await;
    is_not_ready_because(&world, "cannot be written").await;
    let read = world.api(Method::GET, "/v1/calendars", None).await.expect("what is there is read");
    assert_eq!(read["items"].as_array().map(Vec::len), Some(1));
    disk.free().unwrap();
    is_back(&world, calendar).await;
    is_in_the_audit_log(&world, "cannot be written").await;
    world.change_events(USER, 5).await;
    mirror::equals_provider(&world, calendar).await;
    mirror::follows_from_its_changes(&*world.store, calendar).await;
    world.end().await;
}

pub async fn a_subscription_whose_calendar_is_gone_from_the_store_ends_by_itself_and_the_calendar_is_found_anew<
    P: ProviderUnderTest,
>() {
    let server = server().await;
    server.create_database("older").unwrap();
    let database = server.url("older");
    evercal_storage::migrate(&database.parse().unwrap()).await.unwrap();
    let timing = Timing { failed_sync_pause_s: 2, ..quick() };
    let world = World::with::<P>(WorldOptions { timing, database: Some(database), ..WorldOptions::default() }).await;
    let other = world.new_calendar("Team");
    let (_account, calendar) = world.connect_and_mirror().await;
    let gone = world.calendar_of(&other).await.id;
    world.wait_until_mirrored(gone).await;

    // As in a database of the time before it was found.
    let delete = format!(
        "SET session_replication_role = replica; DELETE FROM channels WHERE calendar_id = '{gone}'; \
         DELETE FROM calendars WHERE id = '{gone}'"
    );
    server.query("older", &delete).unwrap();
    world.change_events(&other, 3).await;
    let result = eventually("its subscription has ended", || async {
        let runs = histories::of_workflow(&world, &names::subscription_id(gone)).await;
        let last = runs.into_iter().flat_map(|run| run.events).last().and_then(|event| event.attributes);
        match last {
            Some(Attributes::WorkflowExecutionCompletedEventAttributes(it)) => Ok(it.result.unwrap_or_default()),
            other => Err(other),
        }
    })
    .await;
    let message = String::from_utf8_lossy(&result.payloads[0].data).into_owned();
    assert!(message.contains("the store has no such calendar any more"), "{message}");
    // Its channel, which nobody knows any more, announces a change.
    world.change_events(&other, 3).await;
    let anew = world.calendar_of(&other).await.id;
    assert_ne!(anew, gone);
    world.wait_until_mirrored(anew).await;
    mirror::equals_provider(&world, calendar).await;
    world.end().await;
}

/// A database of a name, and a role of its own that may use it.
pub(crate) async fn limited(name: &str) -> (&'static PostgresServer, String, String) {
    let server = server().await;
    server.create_database(name).unwrap();
    evercal_storage::migrate(&server.url(name).parse().unwrap()).await.unwrap();
    let role = format!("limited_{name}");
    server.query(name, &format!("CREATE ROLE {role} LOGIN PASSWORD 'limited'")).unwrap();
    grant(server, name);
    let url = format!("postgres://{role}:limited@{}/{name}", server.address());
    (server, role, url)
}

pub(crate) fn grant(server: &PostgresServer, name: &str) {
    let tables = "SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public";
    server.query(name, &format!("GRANT {tables} TO limited_{name}")).unwrap();
}

pub async fn rights_that_are_taken_away_for_a_while_cost_no_calendar_more_than_that_while<P: ProviderUnderTest>() {
    let (server, role, database) = limited("rights").await;
    let mut world = World::with::<P>(WorldOptions { database: Some(database), ..WorldOptions::default() }).await;
    world.start_worker().unwrap();
    let (_account, calendar) = world.connect_and_mirror().await;
    server.query("rights", &format!("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}")).unwrap();
    world.change_events(USER, 10).await;
    let read = world.call(Method::GET, "/v1/calendars", None, Some(&world.api_key)).await.unwrap();
    assert_eq!(read.status, 503, "it is not the caller's fault, and passes");
    is_not_ready_because(&world, "permission denied").await;
    grant(server, "rights");
    is_back(&world, calendar).await;
    is_in_the_audit_log(&world, "permission denied").await;

    // One right to one table: only some of the syncs would notice.
    server.query("rights", &format!("REVOKE INSERT ON changes FROM {role}")).unwrap();
    world.change_events(USER, 10).await;
    is_not_ready_because(&world, "may not write the table changes").await;
    grant(server, "rights");
    is_back(&world, calendar).await;
    mirror::follows_from_its_changes(&*world.store, calendar).await;
    world.end().await;
}

pub async fn what_the_store_refuses_of_one_calendar_alone_is_shown_in_its_state_and_is_no_end<P: ProviderUnderTest>() {
    let (server, _role, database) = limited("refusing").await;
    let world = World::with::<P>(WorldOptions { database: Some(database), ..WorldOptions::default() }).await;
    let (_account, calendar) = world.connect_and_mirror().await;
    for statement in [
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '42501'; END $$",
        "CREATE TRIGGER refuse BEFORE INSERT ON changes FOR EACH ROW EXECUTE FUNCTION refuse()",
    ] {
        server.query("refusing", statement).unwrap();
    }
    world.change_events(USER, 10).await;
    eventually("the calendar's state says why it stands still", || async {
        let status = world.api(Method::GET, &format!("/v1/calendars/{calendar}/status"), None).await.unwrap();
        let detail = status["detail"].as_str().unwrap_or_default().to_owned();
        if detail.contains("the store does not answer or refuses") { Ok(()) } else { Err(status) }
    })
    .await;
    server.query("refusing", "DROP TRIGGER refuse ON changes").unwrap();
    mirror::equals_provider(&world, calendar).await;
    eventually("nothing is left of it", || async {
        let row = world.store.calendar(calendar).await.unwrap().unwrap();
        row.detail.map_or(Ok(()), Err)
    })
    .await;
    world.end().await;
}

pub async fn a_worker_with_another_database_takes_no_work<P: ProviderUnderTest>() {
    let mut world = World::start::<P>().await;
    let (_account, calendar) = world.connect_and_mirror().await;
    let folder = tempfile::tempdir().unwrap();
    let empty = DatabaseUrl::file(folder.path().join("evercal.db")).to_string();
    world.start_worker_as("stranger", &empty).unwrap();
    let empty = world.settings.store_at(&empty).unwrap();
    let strangers = eventually("the other worker has its database", || async {
        if !folder.path().join("evercal.db").exists() {
            return Err("no file".to_owned());
        }
        evercal_storage::open(&empty).await.map_err(|error| error.to_string())
    })
    .await;
    eventually("it has seen whose it is", || async {
        let written_at = strangers.last_written_at().await.unwrap();
        written_at.ok_or("not yet")
    })
    .await;
    for round in 0..5 {
        world.change_events(USER, round + 1).await;
        mirror::equals_provider(&world, calendar).await;
    }
    let server = connect(&world.temporal.address).await.unwrap();
    let provider = world.provider.profile().provider;
    let of_provider = [names::provider_queue(provider), names::channel_queue(provider)];
    for queue in of_provider.into_iter().chain([names::QUEUE_STORE.to_owned()]) {
        let pollers = activity_pollers(&server, &world.temporal.namespace, &queue).await.unwrap();
        assert!(pollers.contains("worker") && !pollers.contains("stranger"), "{queue}: {pollers:?}");
    }
    let runs = world.store.sync_runs(calendar, 100).await.unwrap();
    assert!(
        runs.iter().all(|run| run.detail.as_deref().is_none_or(|detail| !detail.starts_with("store_"))),
        "{runs:?}"
    );
    world.end().await;
}

/// Puts another database in the place of one that is in use.
fn swap(server: &PostgresServer, out: &str, r#in: &str) {
    let aside = format!("{out}_aside");
    for statement in [
        format!("ALTER DATABASE {out} ALLOW_CONNECTIONS false"),
        format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{out}'"),
        format!("ALTER DATABASE {out} RENAME TO {aside}"),
        format!("ALTER DATABASE {aside} ALLOW_CONNECTIONS true"),
        format!("ALTER DATABASE {in} RENAME TO {out}"),
    ] {
        server.query("postgres", &statement).unwrap();
    }
}

pub async fn while_an_empty_database_is_in_the_place_of_the_store_nobody_works_with_it<P: ProviderUnderTest>() {
    let server = server().await;
    for name in ["replaced", "replaced_empty"] {
        server.create_database(name).unwrap();
        evercal_storage::migrate(&server.url(name).parse().unwrap()).await.unwrap();
    }
    let database = Some(server.url("replaced"));
    let world = World::with::<P>(WorldOptions { database, ..WorldOptions::default() }).await;
    let (_account, calendar) = world.connect_and_mirror().await;
    swap(server, "replaced", "replaced_empty");
    world.change_events(USER, 10).await;
    is_not_ready_because(&world, "not the one of this installation").await;
    let read = world.call(Method::GET, "/v1/calendars", None, Some(&world.api_key)).await.unwrap();
    assert_eq!(read.status, 503, "an empty store's answer would be wrong");
    let rows = server.query("replaced", "SELECT count(*) FROM audit_log").unwrap();
    assert_eq!(rows, "0", "nothing is written into it");
    server.query("postgres", "ALTER DATABASE replaced ALLOW_CONNECTIONS false").unwrap();
    for statement in [
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'replaced'",
        "ALTER DATABASE replaced RENAME TO replaced_empty",
        "ALTER DATABASE replaced_aside RENAME TO replaced",
    ] {
        server.query("postgres", statement).unwrap();
    }
    is_back(&world, calendar).await;
    is_in_the_audit_log(&world, "workflows in Temporal belong to").await;
    eventually("the security log has it", || async {
        let events = world.store.security_events(100).await.unwrap();
        if events.iter().any(|event| event.kind == SecurityKind::StoreReplaced) { Ok(()) } else { Err(events) }
    })
    .await;
    world.end().await;
}

pub async fn tables_that_are_locked_make_reads_fail_soon_and_health_shows_it<P: ProviderUnderTest>() {
    let (server, _role, database) = limited("locked").await;
    let world = World::with::<P>(WorldOptions { database: Some(database), ..WorldOptions::default() }).await;
    let (_account, calendar) = world.connect_and_mirror().await;
    let holder = std::thread::spawn(|| {
        let hold = "BEGIN; LOCK TABLE calendars IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(600); COMMIT";
        // Ended from outside.
        drop(server.query("locked", hold));
    });
    eventually("the table is locked", || async {
        let locks = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted \
                     AND relation = 'calendars'::regclass";
        if server.query("locked", locks).unwrap() == "1" { Ok(()) } else { Err("not yet") }
    })
    .await;
    let began = std::time::Instant::now();
    let path = format!("/v1/calendars/{calendar}");
    let read = world.call(Method::GET, &path, None, Some(&world.api_key)).await.unwrap();
    assert_eq!(read.status, 503);
    assert!(began.elapsed() < Duration::from_secs(6), "callers get an answer soon: {:?}", began.elapsed());
    eventually("health is not ok", || async {
        let health = world.api(Method::GET, "/api/health/sync", None).await.unwrap();
        if health["status"] == "ok" { Err(health) } else { Ok(()) }
    })
    .await;
    is_not_ready_because(&world, "cannot be read").await;
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' \
               AND pid <> pg_backend_pid()";
    server.query("postgres", end).unwrap();
    holder.join().unwrap();
    is_back(&world, calendar).await;
    world.end().await;
}

/// Forgets a calendar, as a backup from before it was connected would.
fn forget_calendar(server: &PostgresServer, name: &str, calendar: evercal_domain::CalendarId) {
    let tables = "SELECT table_name FROM information_schema.columns WHERE table_schema = 'public' \
                  AND column_name = 'calendar_id' AND table_name <> 'audit_log'";
    for table in server.query(name, tables).unwrap().lines() {
        server.query(name, &format!("DELETE FROM {table} WHERE calendar_id = '{calendar}'")).unwrap();
    }
    server.query(name, &format!("DELETE FROM calendars WHERE id = '{calendar}'")).unwrap();
}

pub async fn a_channel_of_a_calendar_that_nobody_knows_any_more_is_stopped_when_its_notice_comes<
    P: ProviderUnderTest,
>() {
    let (server, _role, database) = limited("forgotten").await;
    let mut world = World::with::<P>(WorldOptions { database: Some(database), ..WorldOptions::default() }).await;
    let (_account, calendar) = world.connect_and_mirror().await;
    let lost = channels::alive_at_provider(&world, USER);
    assert_eq!(lost.len(), 1);
    world.subscription(calendar).terminate(WorkflowTerminateOptions::default()).await.unwrap();
    // What a worker writes down meanwhile would refer to what is gone.
    world.stop_worker().await.unwrap();
    forget_calendar(server, "forgotten", calendar);
    world.start_worker().unwrap();
    world.change_events(USER, 5).await;
    eventually("the channel is stopped", || async {
        let alive = channels::alive_at_provider(&world, USER);
        if alive.is_disjoint(&lost) { Ok(()) } else { Err(alive) }
    })
    .await;
    eventually("the security log has it", || async {
        let events = world.store.security_events(100).await.unwrap();
        let noted = events.iter().any(|event| event.kind == SecurityKind::NoticeForUnknownChannel);
        if noted { Ok(()) } else { Err(events) }
    })
    .await;
    // The account finds the calendar again, under a new id.
    let again = world.calendar_of(USER).await.id;
    assert_ne!(again, calendar);
    world.wait_until_mirrored(again).await;
    world.end().await;
}
