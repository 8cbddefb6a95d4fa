//! The SQLite backend: the conformance suite, and what only a file on disk can show.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy's allowance for tests does not reach their helper functions"
)]

mod conformance;

use conformance::Database;
use conformance::accounts::attempt;
use conformance::fixtures::{Seeded, add_account, at, consent, grant, seeded, single, tokens};
use evercal_devserver::small_disk::SmallDisk;
use evercal_domain::account::Secret;
use evercal_domain::{PendingConsent, PendingGrant};
use evercal_storage::{AuthorizationAttempt, DatabaseUrl, StoreErrorKind};
use sqlx::{Connection as _, SqliteConnection};

fn fresh() -> Database {
    let folder = tempfile::tempdir().unwrap();
    Database::new(&format!("sqlite://{}", folder.path().join("evercal.db").display()), folder)
}

conformance_tests!(crate::fresh);

#[tokio::test]
async fn credentials_are_not_in_plain_text_in_the_file() {
    let database = fresh();
    let Seeded { store, tenant, account, .. } = seeded(&database).await;
    store.replace_consent(account, &consent(2)).await.unwrap();
    grant(&*store, account, tokens("marker-refresh-token"), &format!("subject of {account}")).await;
    store.replace_consent(account, &PendingConsent { grant: marked_code(), ..consent(3) }).await.unwrap();
    let verifier = AuthorizationAttempt { code_verifier: Secret::new("marker-verifier"), ..attempt(tenant, 1) };
    store.insert_attempt(&verifier).await.unwrap();
    store.beat("plain-marker", verifier.created_at).await.unwrap();

    let bytes = bytes_of(&database);
    assert!(contains(&bytes, "plain-marker"), "the search itself works");
    for secret in ["marker-refresh-token", "marker-verifier", "marker-code"] {
        assert!(!contains(&bytes, secret), "{secret} is in the file");
    }
}

fn marked_code() -> PendingGrant {
    PendingGrant::Code {
        code: Secret::new("marker-code"),
        code_verifier: Secret::new("marker-verifier"),
        redirect_uri: "https://evercal.example/callback".into(),
    }
}

/// The database file and its write-ahead log.
fn bytes_of(database: &Database) -> Vec<u8> {
    let DatabaseUrl::Sqlite(path) = &database.url else { panic!("it is a file") };
    ["", "-wal"].iter().flat_map(|suffix| std::fs::read(format!("{}{suffix}", path.display())).unwrap()).collect()
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn credentials_that_were_moved_to_another_account_do_not_open() {
    let database = fresh();
    let Seeded { store, tenant, account, .. } = seeded(&database).await;
    let thief = add_account(&*store, tenant).await;
    let mut connection = SqliteConnection::connect(&database.url.to_string()).await.unwrap();
    sqlx::query("UPDATE accounts SET credentials = (SELECT credentials FROM accounts WHERE id = $1) WHERE id = $2")
        .bind(account.to_string())
        .bind(thief.to_string())
        .execute(&mut connection)
        .await
        .unwrap();
    assert_eq!(store.credentials(thief).await.unwrap_err().kind, StoreErrorKind::Sealed);
    assert!(store.credentials(account).await.unwrap().is_some());
}

#[tokio::test]
async fn a_file_from_a_newer_version_is_refused_with_its_reason() {
    let database = fresh();
    drop(database.open().await);
    let mut connection = SqliteConnection::connect(&database.url.to_string()).await.unwrap();
    sqlx::query("UPDATE _sqlx_migrations SET version = 9999 WHERE version = 1").execute(&mut connection).await.unwrap();
    let error = database.try_open(&database.key).await.err().unwrap();
    assert_eq!(error.kind, StoreErrorKind::Configuration);
    assert!(error.to_string().contains("a newer version of evercal"), "{error}");
}

#[tokio::test]
async fn a_file_that_is_no_database_or_has_no_folder_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("letter.txt");
    std::fs::write(&text, "Dear Ada, this is not a database. ".repeat(100)).unwrap();
    let missing = folder.path().join("missing/evercal.db");
    for (path, kind) in [(text, StoreErrorKind::Corrupt), (missing, StoreErrorKind::Unavailable)] {
        let database = Database::new(&format!("sqlite://{}", path.display()), ());
        let error = database.try_open(&database.key).await.err().unwrap();
        assert_eq!(error.kind, kind);
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    }
}

/// SQLite rolls a transaction back by itself after some errors, of which a trigger can make one anywhere.
#[tokio::test]
async fn a_write_that_is_rolled_back_by_the_database_itself_costs_no_connection() {
    let database = fresh();
    let seeded = seeded(&database).await;
    database
        .execute(
            "CREATE TRIGGER full BEFORE INSERT ON events BEGIN SELECT RAISE(ROLLBACK, 'database or disk is full'); END",
        )
        .await;
    for _ in 0..3 {
        let error = seeded.try_commit(&[single("one", "a")], &[], None).await.unwrap_err();
        assert!(error.cause().unwrap().contains("full"), "it is the error of the write: {error} {:?}", error.cause());
    }
    database.execute("DROP TRIGGER full").await;
    seeded.commit(&[single("one", "a")]).await;
    seeded.store.try_writing(at(1)).await.unwrap();
    assert_eq!(seeded.items().await.len(), 1);
}

#[tokio::test]
async fn a_disk_that_was_full_is_written_again_as_soon_as_there_is_room() {
    let Some(disk) = SmallDisk::mount(16 * 1024 * 1024) else {
        eprintln!("no disk can be mounted here; the test above covers what follows from a full one");
        return;
    };
    let database = Database::new(&format!("sqlite://{}", disk.folder().join("evercal.db").display()), ());
    let seeded = seeded(&database).await;
    let long = "x".repeat(2_000);
    let items: Vec<_> = (0..500).map(|index| single(&format!("event{index}"), &long)).collect();
    for round in 0..3 {
        disk.fill().unwrap();
        let mut errors = Vec::new();
        // The log has room of its own for the first writes.
        for _ in 0..20 {
            if let Err(error) = seeded.try_commit(&items, &[], None).await {
                errors.push(error.cause().unwrap());
            }
        }
        assert!(errors.iter().any(|error| error.contains("full")), "round {round}: the disk was full: {errors:?}");
        assert!(seeded.store.tenants().await.is_ok(), "it can be read");
        disk.free().unwrap();
        seeded.store.try_writing(at(1)).await.unwrap();
        seeded.commit(&items).await;
        assert_eq!(seeded.items().await.len(), 500);
    }
}

#[tokio::test]
async fn after_a_checkpoint_the_file_alone_holds_what_was_committed() {
    let database = fresh();
    let seeded = seeded(&database).await;
    seeded.commit(&[single("one", "a-marker-of-this-test")]).await;
    let DatabaseUrl::Sqlite(path) = &database.url else { panic!("it is a file") };
    assert!(!contains(&std::fs::read(path).unwrap(), "a-marker-of-this-test"), "it is in the log only");
    seeded.store.checkpoint().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let alone = folder.path().join("evercal.db");
    std::fs::copy(path, &alone).unwrap();
    let copy = Database::new(&format!("sqlite://{}", alone.display()), ());
    let store = copy.open_with_key(&database.key).await;
    let items = store.items(seeded.calendar, &evercal_storage::PageRequest::first(10)).await.unwrap().items;
    assert_eq!(items.len(), 1);
}

#[tokio::test]
async fn a_file_that_was_taken_away_or_replaced_is_lost_although_its_connections_go_on() {
    let database = fresh();
    let store = database.open().await;
    let DatabaseUrl::Sqlite(path) = &database.url else { panic!("it is a file") };
    let aside = path.with_extension("aside");
    std::fs::rename(path, &aside).unwrap();
    for _ in 0..2 {
        assert_eq!(store.try_reading().await.unwrap_err().kind, StoreErrorKind::Lost);
        assert_eq!(store.try_writing(at(1)).await.unwrap_err().kind, StoreErrorKind::Lost);
        std::fs::write(path, "another").unwrap();
    }
    std::fs::rename(&aside, path).unwrap();
    store.try_reading().await.unwrap();
}

#[tokio::test]
async fn what_is_kept_beside_a_file_is_there_for_the_next_process_bounded_and_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let database = fresh();
    let (store, next) = (database.open().await, database.open().await);
    assert_eq!(next.kept_beside().await.unwrap(), Vec::<String>::new());
    next.delete_beside().await.unwrap();
    store.keep_beside("first").await.unwrap();
    next.keep_beside("second").await.unwrap();
    assert_eq!(next.kept_beside().await.unwrap(), ["first", "second"]);
    let DatabaseUrl::Sqlite(path) = &database.url else { panic!("it is a file") };
    let file = path.with_file_name(format!("{}-troubles", path.file_name().unwrap().to_str().unwrap()));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    for _ in 0..100 {
        store.keep_beside(&"x".repeat(1_000)).await.unwrap();
    }
    assert!(std::fs::metadata(&file).unwrap().len() < 70_000);
    next.delete_beside().await.unwrap();
    assert_eq!(store.kept_beside().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn damaged_pages_are_found() {
    let database = fresh();
    let seeded = seeded(&database).await;
    let items: Vec<_> = (0..500).map(|index| single(&format!("event{index}"), &"x".repeat(500))).collect();
    seeded.commit(&items).await;
    seeded.store.checkpoint().await.unwrap();
    seeded.store.check_pages().await.unwrap();
    let DatabaseUrl::Sqlite(path) = &database.url else { panic!("it is a file") };
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 3 * 4096].fill(0xff);
    // In place: the file stays the same.
    std::fs::write(path, &bytes).unwrap();
    let error = seeded.store.check_pages().await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Corrupt, "{error}");
}
