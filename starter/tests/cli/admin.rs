//! The commands that open the database itself: `migrate`, `tenants`, `keys`. `copy-store` and tables of another version are in
//! `server.rs`.

use std::path::Path;

use evercal_domain::tenant::ApiKeyHash;
use evercal_storage::{AuditOf, DatabaseUrl, Keyring, PageRequest, Store, StoreSettings};
use serde_json::{Value, json};

use crate::stub::{Run, evercal};

struct Database {
    folder: tempfile::TempDir,
}

impl Database {
    async fn migrated() -> Self {
        let database = Self { folder: tempfile::tempdir().unwrap() };
        database.run(&["migrate"]).await.text();
        database
    }

    async fn run(&self, arguments: &[&str]) -> Run {
        evercal(arguments, &[("DATABASE_URL", "sqlite:evercal.db")], self.folder.path()).await
    }

    /// A tenant of this name.
    async fn tenant(&self, name: &str) -> String {
        let made = self.run(&["tenants", "create", name, "--json"]).await.json();
        made["id"].as_str().unwrap().to_owned()
    }

    async fn store(&self) -> std::sync::Arc<dyn Store> {
        let url = DatabaseUrl::file(self.folder.path().join("evercal.db"));
        evercal_storage::open(&StoreSettings::new(url, Keyring::none())).await.unwrap()
    }
}

#[tokio::test]
async fn migrating_shows_what_was_missing_and_can_be_repeated() {
    let database = Database { folder: tempfile::tempdir().unwrap() };
    let states = async |arguments: &[&str]| {
        let answer = database.run(arguments).await.json();
        let items = answer["items"].as_array().unwrap().clone();
        items.into_iter().map(|item| item["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(states(&["migrate", "--dry-run", "--json"]).await.iter().all(|state| state == "missing"));
    assert!(!database.folder.path().join("evercal.db").exists(), "a dry run makes no file");
    assert!(states(&["migrate", "--json"]).await.iter().all(|state| state == "applied now"));
    assert!(states(&["migrate", "--json"]).await.iter().all(|state| state == "was there"));
    let shown = database.run(&["migrate"]).await.text();
    assert!(shown.contains("first tables") && shown.contains("is up to date."), "{shown}");
}

#[tokio::test]
async fn a_key_is_shown_once_and_is_good_until_it_is_revoked() {
    let database = Database::migrated().await;
    let tenant = database.tenant("Acme").await;
    let key = database.run(&["keys", "create", "--tenant", "Acme", "--scopes", "read", "--quiet"]).await.text();
    let key = key.trim();
    assert!(key.starts_with("evk_") && key.len() > 40, "{key}");
    let listed = database.run(&["keys", "list", "--json"]).await.json();
    assert_eq!(listed["items"][0]["tenant_id"], tenant.as_str());
    assert_eq!(listed["items"][0]["scopes"], json!(["read"]));
    assert!(!listed.to_string().contains(key), "a list has no keys: {listed}");

    let store = database.store().await;
    let hash = ApiKeyHash::of(key);
    assert!(store.api_key_by_hash(&hash).await.unwrap().is_some());
    let id = listed["items"][0]["id"].as_str().unwrap();
    assert!(database.run(&["keys", "revoke", id]).await.text().contains("refused from now on"));
    assert!(store.api_key_by_hash(&hash).await.unwrap().is_none());
    let kinds: Vec<&str> = store
        .audit_entries(AuditOf::Everything, &PageRequest::first(10))
        .await
        .unwrap()
        .items
        .iter()
        .map(|entry| entry.kind.as_str())
        .collect();
    for kind in ["tenant_created", "key_created", "key_revoked"] {
        assert!(kinds.contains(&kind), "{kinds:?}");
    }
}

#[tokio::test]
async fn a_tenants_limits_are_changed_one_by_one_and_written_down() {
    let database = Database::migrated().await;
    let tenant = database.tenant("Acme").await;
    let limited = database.run(&["tenants", "limit", "Acme", "--accounts-max", "7", "--json"]).await.json();
    assert_eq!((&limited["id"], &limited["accounts_max"]), (&json!(tenant), &json!(7)));
    assert_eq!(limited["requests_per_minute"], 6_000, "what is not named stays");
    let shown = database.run(&["tenants", "limit", "Acme", "--requests-per-minute", "11"]).await.text();
    assert!(shown.contains("11 requests a minute and 7 accounts"), "{shown}");
    let listed = database.run(&["tenants", "list", "--json"]).await.json();
    assert_eq!(listed["items"][0]["requests_per_minute"], 11);
    let store = database.store().await;
    let entries = store.audit_entries(AuditOf::Everything, &PageRequest::first(10)).await.unwrap().items;
    assert_eq!(entries.iter().filter(|entry| entry.kind.as_str() == "tenant_limited").count(), 2, "{entries:?}");
    let nobody = database.run(&["tenants", "limit", "nobody", "--accounts-max", "7"]).await;
    assert_eq!(nobody.code, Some(3), "{nobody:?}");
    let nothing = database.run(&["tenants", "limit", "Acme"]).await;
    assert_eq!(nothing.code, Some(2), "{nothing:?}");
}

#[tokio::test]
async fn a_revoked_tenant_gets_no_more_keys() {
    let database = Database::migrated().await;
    let tenant = database.tenant("Acme").await;
    let revoked = database.run(&["tenants", "revoke", &tenant, "--json"]).await.json();
    assert_eq!(revoked, json!({"id": tenant, "revoked": true, "open_accounts": 0, "disconnecting": null}));
    let refused = database.run(&["keys", "create", "--tenant", &tenant]).await;
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("is revoked"), "{}", refused.stderr);
    let shown = database.run(&["tenants", "list"]).await.text();
    assert!(shown.contains("Acme") && shown.lines().all(|line| line.chars().count() <= 100), "{shown}");
}

#[tokio::test]
async fn what_cannot_be_meant_is_an_error_that_says_what_to_do() {
    let database = Database::migrated().await;
    database.tenant("Twins").await;
    database.tenant("Twins").await;
    let unknown = evercal_domain::ApiKeyId::generate().to_string();
    let table: [(&[&str], i32, &str, &str); 8] = [
        (&["keys", "revoke", &unknown], 3, "there is no key", "`evercal keys list`"),
        (&["keys", "create", "--tenant", "nobody"], 3, "there is no tenant `nobody`", "`evercal tenants list`"),
        (&["keys", "create", "--tenant", "Twins"], 2, "several tenants are called `Twins`", "`evercal tenants list`"),
        (&["keys", "create", "--tenant", "Twins", "--scopes", "admin"], 2, "read, write, operator and raw", "--help"),
        (&["keys", "revoke", "evk_secret"], 2, "is not the id of a key", "`evercal keys list`"),
        (&["tenants", "create", "two\nlines"], 2, "control character", "another one"),
        (&["tenants", "create", "Idle", "--requests-per-minute", "0"], 2, "0 is not in", "--help"),
        (&["copy-store", "--from", "sqlite:evercal.db"], 2, "to a PostgreSQL database", "correct what"),
    ];
    for (arguments, code, message, advice) in table {
        let run = database.run(arguments).await;
        assert_eq!(run.code, Some(code), "{arguments:?}: {run:?}");
        assert!(run.stderr.contains(message) && run.stderr.contains(advice), "{arguments:?}: {}", run.stderr);
    }
    let nowhere = evercal(&["tenants", "list", "--json"], &[], Path::new("/")).await;
    assert_eq!(nowhere.code, Some(2));
    let error: Value = serde_json::from_str(&nowhere.stderr).unwrap();
    assert!(error["error"]["message"].as_str().unwrap().contains("DATABASE_URL"), "{error}");
}
