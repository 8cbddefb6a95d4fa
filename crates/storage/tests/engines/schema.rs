//! Both engines have the same tables: columns with their types and whether they may be empty, keys, references, indexes.
//! Copying a store relies on it, and so does every statement.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{Connection as _, SqliteConnection};

use crate::conformance::Database;
use crate::{fresh, name, server};

/// A database as far as statements can tell.
#[derive(Debug, Default, PartialEq, Eq)]
struct Schema {
    /// By table and column: the type, and `not null` where it is.
    columns: BTreeMap<(String, String), String>,
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

fn of_postgres(database: &str) -> Schema {
    let rows = |sql: &str| -> Vec<Vec<String>> {
        let answer = server().query(database, sql).unwrap();
        answer.lines().map(|line| line.split('|').map(str::to_owned).collect()).collect()
    };
    let mut schema = Schema::default();
    for row in rows(
        "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns \
         WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations'",
    ) {
        schema.columns.insert((row[0].clone(), row[1].clone()), type_of(&row[2], row[3] == "NO"));
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
    let columns: Vec<(String, String, String, bool)> = sqlx::query_as(
        "SELECT m.name, c.name, c.type, c.\"notnull\" FROM sqlite_master m JOIN pragma_table_info(m.name) c \
         WHERE m.type = 'table' AND m.name <> '_sqlx_migrations'",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    for (table, column, kind, not_null) in columns {
        schema.columns.insert((table, column), type_of(&kind, not_null));
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

/// The name of a type that both engines mean the same by.
fn type_of(declared: &str, not_null: bool) -> String {
    let kind = match declared.to_lowercase().as_str() {
        "bytea" | "blob" => "bytes".to_owned(),
        other => other.to_owned(),
    };
    if not_null { format!("{kind} not null") } else { kind }
}
