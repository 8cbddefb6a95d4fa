//! Both engines have the same tables: columns with their types and whether they may be empty, keys, references, indexes.
//! Copying a store relies on it, and so does every statement.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{Connection as _, SqliteConnection};

use crate::conformance::Database;
use crate::{fresh, name, server};

/// A database as far as statements can read it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Schema {
    /// By table and column: the type, and `not null` where it is.
    columns: BTreeMap<(String, String), String>,
    /// By table and column: what a row gets that does not say it.
    defaults: BTreeMap<(String, String), String>,
    /// Tables with the columns of each index; those that allow no doubles are marked.
    indexes: BTreeSet<(String, String)>,
    /// Table, column and the table that it refers to.
    references: BTreeSet<(String, String, String)>,
}

#[tokio::test]
async fn both_engines_have_the_same_tables() {
    let postgres = fresh();
    evercal_storage::migrate(&postgres.url).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let sqlite = Database::new(&format!("sqlite://{}", folder.path().join("evercal.db").display()), ());
    evercal_storage::migrate(&sqlite.url).await.unwrap();

    let of_postgres = of_postgres(&name(&postgres));
    let of_sqlite = of_sqlite(&sqlite).await;
    assert!(of_postgres.columns.len() > 80, "the catalogue was read: {}", of_postgres.columns.len());
    assert_eq!(of_postgres.columns, of_sqlite.columns);
    assert_eq!(of_postgres.defaults, of_sqlite.defaults);
    assert_eq!(of_postgres.references, of_sqlite.references);
    assert_eq!(of_postgres.indexes, of_sqlite.indexes);
}

#[tokio::test]
async fn both_engines_have_the_same_migrations() {
    let postgres = fresh();
    let sqlite = Database::new("sqlite:does-not-exist.db", ());
    let names = async |database: &Database| {
        let migrations = evercal_storage::migrations(&database.url).await.unwrap();
        migrations.into_iter().map(|migration| (migration.version, migration.description)).collect::<Vec<_>>()
    };
    assert_eq!(names(&postgres).await, names(&sqlite).await);
}

/// The version before works on with the new tables until the last of its processes is stopped: nothing that it reads or
/// writes is gone, and what it does not know of has a default.
#[tokio::test]
async fn each_migration_leaves_room_for_the_version_before_it() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/postgres");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "the migrations were found");
    let database = name(&fresh());
    let mut before = Schema::default();
    for (number, file) in files.iter().enumerate() {
        let migration = std::fs::read_to_string(file).unwrap();
        server().query(&database, &migration).unwrap();
        let after = of_postgres(&database);
        let tables: BTreeSet<&String> = before.columns.keys().map(|(table, _)| table).collect();
        for (column, kind) in &before.columns {
            let now = after.columns.get(column).unwrap_or_else(|| panic!("{file:?} takes {column:?} away"));
            assert_eq!(now, kind, "{file:?}: the version before reads and writes {column:?} as it was");
        }
        for (column, kind) in &after.columns {
            let is_new = tables.contains(&column.0) && !before.columns.contains_key(column);
            let can_be_left_out = !kind.ends_with("not null") || after.defaults.contains_key(column);
            assert!(!is_new || can_be_left_out, "{file:?}: the version before cannot write {column:?}");
        }
        let is_stricter = after.indexes.iter().any(|(table, index)| {
            let is_new = !before.indexes.contains(&(table.clone(), index.clone()));
            is_new && index.ends_with("(unique)") && tables.contains(table)
        });
        assert!(!is_stricter, "{file:?}: the version before may write what a new index forbids");
        let is_bound = after.references.difference(&before.references).any(|(table, ..)| tables.contains(table));
        assert!(!is_bound, "{file:?}: the version before may write what a new reference forbids");
        // Whoever waits for a table's lock makes all that come after wait too. The first came before anybody ran.
        let is_bounded = migration.contains("SET LOCAL lock_timeout");
        assert!(number < 1 || is_bounded, "{file:?} does not bound its wait for locks");
        before = after;
    }
}

fn of_postgres(database: &str) -> Schema {
    let rows = |sql: &str| -> Vec<Vec<String>> {
        let answer = server().query(database, sql).unwrap();
        answer.lines().map(|line| line.split('|').map(str::to_owned).collect()).collect()
    };
    let mut schema = Schema::default();
    for row in rows(
        "SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns \
         WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations'",
    ) {
        let column = (row[0].clone(), row[1].clone());
        schema.columns.insert(column.clone(), type_of(&row[2], row[3] == "NO"));
        if let Some(default) = default_of(row.get(4).map(String::as_str)) {
            schema.defaults.insert(column, default);
        }
    }
    for row in rows(
        "SELECT t.relname, i.indisunique, (SELECT string_agg(a.attname, ',' ORDER BY k.place) \
         FROM unnest(i.indkey) WITH ORDINALITY AS k (number, place) \
         JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.number) \
         FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace \
         WHERE n.nspname = 'public' AND t.relname <> '_sqlx_migrations'",
    ) {
        schema.indexes.insert((row[0].clone(), index(row[1] == "t", &row[2])));
    }
    for row in rows(
        "SELECT conrelid::regclass, a.attname, confrelid::regclass FROM pg_constraint c \
         JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] WHERE contype = 'f'",
    ) {
        schema.references.insert((row[0].clone(), row[1].clone(), row[2].clone()));
    }
    schema
}

async fn of_sqlite(database: &Database) -> Schema {
    let mut connection = SqliteConnection::connect(&database.url.to_string()).await.unwrap();
    let mut schema = Schema::default();
    let columns: Vec<(String, String, String, bool, Option<String>)> = sqlx::query_as(
        "SELECT m.name, c.name, c.type, c.\"notnull\", c.dflt_value FROM sqlite_master m JOIN pragma_table_info(m.name) c \
         WHERE m.type = 'table' AND m.name <> '_sqlx_migrations'",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    for (table, column, kind, not_null, default) in columns {
        let column = (table, column);
        schema.columns.insert(column.clone(), type_of(&kind, not_null));
        if let Some(default) = default_of(default.as_deref()) {
            schema.defaults.insert(column, default);
        }
    }
    let indexes: Vec<(String, bool, String)> = sqlx::query_as(
        "SELECT m.name, i.\"unique\", (SELECT group_concat(x.name, ',' ORDER BY x.seqno) FROM pragma_index_info(i.name) x) \
         FROM sqlite_master m JOIN pragma_index_list(m.name) i WHERE m.type = 'table' AND m.name <> '_sqlx_migrations'",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    for (table, unique, columns) in indexes {
        schema.indexes.insert((table, index(unique, &columns)));
    }
    let references: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT m.name, f.\"from\", f.\"table\" FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f \
         WHERE m.type = 'table'",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    schema.references.extend(references);
    schema
}

fn index(unique: bool, columns: &str) -> String {
    if unique { format!("{columns} (unique)") } else { columns.to_owned() }
}

/// A default as both engines mean it: PostgreSQL adds the type, as in `'read'::text`.
fn default_of(declared: Option<&str>) -> Option<String> {
    let value = declared?.split("::").next()?.trim();
    if value.is_empty() { None } else { Some(value.to_lowercase()) }
}

/// The name of a type that both engines mean the same by.
fn type_of(declared: &str, not_null: bool) -> String {
    let kind = match declared.to_lowercase().as_str() {
        "bytea" | "blob" => "bytes".to_owned(),
        other => other.to_owned(),
    };
    if not_null { format!("{kind} not null") } else { kind }
}
