//! The PostgreSQL backend: the conformance suite on a real server, and what only a server can show.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy's allowance for tests does not reach their helper functions"
)]

mod conformance;
mod engines;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use conformance::Database;
use conformance::fixtures::{Seeded, add_tenant, at, seeded, single};
use evercal_devserver::postgres::{PostgresServer, shared};
use evercal_storage::{Keyring, StoreErrorKind, StoreSettings};
use sqlx::{Connection as _, Executor as _, PgConnection};

static DATABASES: AtomicU32 = AtomicU32::new(0);

fn server() -> &'static PostgresServer {
    shared().unwrap()
}

fn fresh() -> Database {
    let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
    server().create_database(&name).unwrap();
    Database::new(&server().url(&name), ())
}

fn name(database: &Database) -> String {
    database.url.to_string().rsplit('/').next().unwrap().to_owned()
}

conformance_tests!(crate::fresh);

#[tokio::test]
async fn a_database_without_tables_is_refused_and_the_error_says_what_to_run() {
    let database = fresh();
    let error = database.try_open(&database.key).await.err().unwrap();
    assert_eq!(error.kind, StoreErrorKind::Configuration);
    assert!(error.to_string().contains("run `evercal migrate`"), "{error}");
}

#[tokio::test]
async fn migrating_says_what_it_brought_and_does_nothing_the_second_time() {
    let database = fresh();
    let first = evercal_storage::migrate(&database.url).await.unwrap();
    assert!(!first.is_empty() && first.iter().all(|migration| !migration.applied), "{first:?}");
    let second = evercal_storage::migrate(&database.url).await.unwrap();
    assert!(second.iter().all(|migration| migration.applied), "{second:?}");
    assert_eq!(second, evercal_storage::migrations(&database.url).await.unwrap());
}

/// A rolling update migrates first, and the old version works on for a while.
#[tokio::test]
async fn tables_of_a_newer_version_are_used_and_changed_ones_of_ours_are_refused() {
    let database = fresh();
    evercal_storage::migrate(&database.url).await.unwrap();
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (9999, 'of tomorrow', true, '\\x00', 0)";
    server().query(&name(&database), newer).unwrap();
    add_tenant(&*database.try_open(&database.key).await.unwrap()).await;

    server().query(&name(&database), "UPDATE _sqlx_migrations SET checksum = '\\x00' WHERE version = 1").unwrap();
    let error = database.try_open(&database.key).await.err().unwrap();
    assert_eq!(error.kind, StoreErrorKind::Configuration);
    assert!(error.to_string().contains("migration 1"), "{error}");
}

#[tokio::test]
async fn a_store_never_holds_more_connections_than_it_was_given() {
    let database = fresh();
    evercal_storage::migrate(&database.url).await.unwrap();
    let settings = StoreSettings {
        connections_max: 3,
        ..StoreSettings::new(database.url.clone(), Keyring::parse(&database.key).unwrap())
    };
    let store = evercal_storage::open(&settings).await.unwrap();
    let calls = (0..50).map(|_| store.tenants());
    futures::future::try_join_all(calls).await.unwrap();
    let held = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{}'", name(&database));
    let held: u32 = server().query("postgres", &held).unwrap().parse().unwrap();
    assert!((1..=3).contains(&held), "{held} connections");
}

/// Connections that were used a moment ago are not asked whether they are still there, so that a caller may notice; but each of
/// them once, and nobody any more after that.
#[tokio::test]
async fn each_connection_that_the_server_ends_fails_at_most_one_call() {
    let database = fresh();
    evercal_storage::migrate(&database.url).await.unwrap();
    let connections_max = 3;
    let settings = StoreSettings {
        connections_max,
        ..StoreSettings::new(database.url.clone(), Keyring::parse(&database.key).unwrap())
    };
    let store = evercal_storage::open(&settings).await.unwrap();
    futures::future::try_join_all((0..50).map(|_| store.tenants())).await.unwrap();
    let name = name(&database);
    let end = format!("SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE datname = '{name}'");
    let ended: u32 = server().query("postgres", &end).unwrap().parse().unwrap();
    assert!((1..=connections_max).contains(&ended), "{ended} connections");
    let mut failed = 0;
    for _ in 0..50 {
        failed += u32::from(store.tenants().await.is_err());
    }
    assert!(failed <= ended, "{failed} calls failed by {ended} connections");
}

/// A worker that is frozen in the middle of a commit holds the calendar's row. Its calendars are to go on within twenty
/// seconds, whoever has them then.
#[tokio::test]
async fn a_process_that_stands_still_inside_a_transaction_holds_nobody_up_for_long() {
    let database = fresh();
    let frozen = seeded(&database).await;
    let other = Seeded { store: database.open().await, ..frozen };
    let items = [single("frozen", "a")];
    let backends = |what: &str| {
        let of_ours = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND {what}", name(&database));
        server().query("postgres", &of_ours).unwrap()
    };
    // It holds the calendar's row when it comes to the events.
    let mut lock = PgConnection::connect(&server().url(&name(&database))).await.unwrap();
    lock.execute("BEGIN; LOCK TABLE events IN EXCLUSIVE MODE").await.unwrap();
    let mut commit = Box::pin(frozen.try_commit(&items, &[], None));
    let holds_the_row = tokio::time::timeout(Duration::from_secs(30), async {
        while backends("wait_event_type = 'Lock' AND backend_xid IS NOT NULL") != "1" {
            // Between two polls it goes on as far as it can, which is up to the lock.
            let came_past = tokio::time::timeout(Duration::from_millis(20), &mut commit).await;
            assert!(came_past.is_err(), "it came past the lock");
        }
        // Nobody asks for its next step any more: to the server it is like a stopped process.
        lock.execute("COMMIT").await.unwrap();
    });
    assert!(holds_the_row.await.is_ok(), "it never came to the lock");
    let goes_on = tokio::time::timeout(Duration::from_secs(20), other.commit(&[single("other", "a")])).await;
    assert!(goes_on.is_ok(), "the calendar waits for a transaction that stands still");
    // A conflict would mean that it held nobody up.
    assert_eq!(commit.await.unwrap_err().kind, StoreErrorKind::Unavailable);
    assert_eq!(other.items().await.len(), 1, "what the frozen one began is taken back");
}

#[tokio::test]
async fn a_wrong_password_is_a_matter_of_configuration_and_is_not_shown() {
    let url = server().url("postgres").replace(server().password(), "wrong-marker");
    let database = Database::new(&url, ());
    let error = database.try_open(&database.key).await.err().unwrap();
    assert_eq!(error.kind, StoreErrorKind::AccessDenied);
    let cause = error.cause().unwrap();
    assert!(cause.contains("password authentication failed"), "{cause}");
    let shown = format!("{error} {cause} {error:?}");
    assert!(!shown.contains("wrong-marker"), "{shown}");
}

#[tokio::test]
async fn an_error_shows_no_values_of_rows() {
    let database = fresh();
    let seeded = seeded(&database).await;
    let tenant = seeded.store.tenants().await.unwrap().remove(0);
    let error = seeded.store.insert_tenant(&tenant).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Conflict);
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains(&tenant.id.to_string()), "{shown}");
}

#[tokio::test]
async fn a_right_that_is_missing_on_one_table_shows_and_names_the_table() {
    let database = fresh();
    evercal_storage::migrate(&database.url).await.unwrap();
    let name = name(&database);
    let role = format!("limited_{name}");
    let query = |statement: &str| server().query(&name, statement).unwrap();
    query(&format!("CREATE ROLE {role} LOGIN PASSWORD 'limited'"));
    query(&format!("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"));
    let url = format!("postgres://{role}:limited@{}/{name}", server().address());
    let limited = Database::new(&url, ());
    let store = limited.try_open(&limited.key).await.unwrap();
    store.try_reading().await.unwrap();
    store.try_writing(at(1)).await.unwrap();

    query(&format!("REVOKE DELETE ON quarantine FROM {role}"));
    let error = store.try_writing(at(2)).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::AccessDenied);
    assert!(error.to_string().contains("quarantine"), "{error}");
    store.try_reading().await.unwrap();

    query(&format!("REVOKE SELECT ON events FROM {role}"));
    let error = store.try_reading().await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::AccessDenied);
    assert!(error.cause().unwrap().contains("events"), "{:?}", error.cause());

    query(&format!("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"));
    store.try_reading().await.unwrap();
    store.try_writing(at(3)).await.unwrap();
    query(&format!("ALTER ROLE {role} SET default_transaction_read_only = on"));
    assert_eq!(store.try_afresh(at(4)).await.unwrap_err().kind, StoreErrorKind::AccessDenied);
}
