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
use conformance::fixtures::{Seeded, add_account, seeded, tokens};
use evercal_domain::account::Secret;
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
    store.replace_credentials(account, &tokens("marker-refresh-token")).await.unwrap();
    let verifier = AuthorizationAttempt { code_verifier: Secret::new("marker-verifier"), ..attempt(tenant, 1) };
    store.insert_attempt(&verifier).await.unwrap();
    store.beat("plain-marker", verifier.created_at).await.unwrap();

    let bytes = bytes_of(&database);
    assert!(contains(&bytes, "plain-marker"), "the search itself works");
    for secret in ["marker-refresh-token", "marker-verifier"] {
        assert!(!contains(&bytes, secret), "{secret} is in the file");
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
    assert!(error.to_string().contains("another version of evercal"), "{error}");
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
