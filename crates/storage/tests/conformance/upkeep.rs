//! What shows how a store is.

use evercal_storage::StoreErrorKind;

use super::Database;
use super::fixtures::at;

pub async fn an_empty_database_is_given_an_id_that_all_its_processes_see(database: &Database) {
    let (one, other) = (database.open().await, database.open().await);
    assert_eq!(one.last_written_at().await.unwrap(), None);
    let ids = futures::future::join_all((0..8).map(|index| {
        let store = if index % 2 == 0 { &one } else { &other };
        store.try_writing(at(index))
    }))
    .await;
    let ids: Vec<_> = ids.into_iter().map(Result::unwrap).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    other.try_writing(at(9)).await.unwrap();
    assert_eq!(one.last_written_at().await.unwrap(), Some(at(9)));
    one.try_writing(at(5)).await.unwrap();
    assert_eq!(one.last_written_at().await.unwrap(), Some(at(9)), "a clock that is behind makes it no older");
    let (day, wrong) = (60 * 24, 60 * 24 * 365);
    one.try_writing(at(wrong)).await.unwrap();
    other.try_writing(at(wrong - day)).await.unwrap();
    assert_eq!(one.last_written_at().await.unwrap(), Some(at(wrong)), "clocks may be hours apart");
    other.try_writing(at(9)).await.unwrap();
    assert_eq!(one.last_written_at().await.unwrap(), Some(at(9)), "what a wrong clock wrote does not stay");
    one.try_reading().await.unwrap();
    one.try_afresh(at(10)).await.unwrap();
    one.checkpoint().await.unwrap();
    one.check_pages().await.unwrap();
}

pub async fn a_table_that_is_not_there_shows(database: &Database) {
    let store = database.open().await;
    store.try_reading().await.unwrap();
    database.execute("DROP TABLE quarantine").await;
    assert_eq!(store.try_reading().await.unwrap_err().kind, StoreErrorKind::Schema);
    assert_eq!(store.try_afresh(at(1)).await.unwrap_err().kind, StoreErrorKind::Schema);
}

pub async fn tables_of_a_newer_version_are_not_migrated_and_the_error_says_what_to_do(database: &Database) {
    drop(database.open().await);
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (9999, 'of tomorrow', true, '\\x00', 0)";
    database.execute(newer).await;
    let migrated = evercal_storage::migrate(&database.url).await.unwrap_err();
    let asked = evercal_storage::migrations(&database.url).await.unwrap_err();
    for error in [migrated, asked] {
        assert_eq!(error.kind, StoreErrorKind::Configuration, "{error}");
        let text = error.to_string();
        assert!(text.contains("up to migration 9999") && text.contains("run that version"), "{text}");
    }
}
