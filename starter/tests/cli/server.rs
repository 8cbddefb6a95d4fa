//! Commands on a PostgreSQL server: tables that a newer version has made, and a store that moves there.

use std::path::Path;

use evercal_devserver::postgres::{self, PostgresServer};
use evercal_domain::account::{Credentials, OAuthTokens, Secret};
use evercal_domain::tenant::Tenant;
use evercal_domain::{
    Account, AccountId, Clock as _, ConsentOutcome, PendingConsent, PendingGrant, Provider, SystemClock,
};
use evercal_storage::{AccountAdmission, DatabaseUrl, Keyring, Settlement, StoreSettings};

use crate::stub::{Run, evercal};

const KEY: &str = "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const ANOTHER_KEY: &str = "k1:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

/// An empty database, and its URL.
async fn database(name: &str) -> (&'static PostgresServer, String) {
    let server = tokio::task::spawn_blocking(postgres::shared).await.unwrap().unwrap();
    server.create_database(name).unwrap();
    (server, server.url(name))
}

async fn run(url: &str, arguments: &[&str], folder: &Path) -> Run {
    evercal(arguments, &[("DATABASE_URL", url)], folder).await
}

#[tokio::test]
async fn tables_of_a_newer_version_are_left_alone_and_it_is_said_what_to_do_also_with_dry_run() {
    let (server, url) = database("newer").await;
    let folder = tempfile::tempdir().unwrap();
    run(&url, &["migrate"], folder.path()).await.text();
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (9999, 'of tomorrow', true, '\\x00', 0)";
    server.query("newer", newer).unwrap();
    for arguments in [["migrate"].as_slice(), &["migrate", "--dry-run"]] {
        let refused = run(&url, arguments, folder.path()).await;
        assert_ne!(refused.code, Some(0), "{arguments:?}: {refused:?}");
        let advice = ["up to migration 9999", "run that version or a newer one"];
        assert!(advice.iter().all(|words| refused.stderr.contains(words)), "{arguments:?}: {}", refused.stderr);
    }
}

/// A file with an account whose grant is sealed with `KEY`.
async fn fill(file: &Path) {
    let keyring = Keyring::parse(KEY).unwrap();
    let store = evercal_storage::open(&StoreSettings::new(DatabaseUrl::file(file), keyring)).await.unwrap();
    let now = SystemClock.now();
    let tenant = Tenant::new("Demo", now);
    store.insert_tenant(&tenant).await.unwrap();
    let account = Account::connecting(AccountId::generate(), tenant.id, Provider::new("google"), "Ada".into(), now);
    let grant = PendingGrant::Code {
        code: Secret::new("code"),
        code_verifier: Secret::new("verifier"),
        redirect_uri: String::new(),
    };
    let consent = PendingConsent { state_hash: [0; 32], allow_duplicate: false, came_at: now, grant };
    assert_eq!(store.insert_account(&account, &consent).await.unwrap(), AccountAdmission::Inserted);
    let (_, version) = store.consent(account.id).await.unwrap().unwrap();
    let credentials = Credentials::OAuth(OAuthTokens {
        access_token: Secret::new("access"),
        access_token_expires_at: now,
        refresh_token: Secret::new("refresh"),
        scope: String::new(),
    });
    let redeemed = Settlement::Redeemed { credentials, subject_hash: "ada".to_owned() };
    assert_eq!(store.settle_consent(account.id, version, &redeemed).await.unwrap(), ConsentOutcome::Granted);
}

#[tokio::test]
async fn a_store_moves_to_a_server_with_the_key_that_opens_it_and_with_no_other() {
    let (server, url) = database("moved").await;
    let folder = tempfile::tempdir().unwrap();
    fill(&folder.path().join("evercal.db")).await;
    run(&url, &["migrate"], folder.path()).await.text();
    let copy = async |key: &str| {
        let environment = [("DATABASE_URL", url.as_str()), ("EVERCAL_MASTER_KEY", key)];
        evercal(&["copy-store", "--from", "sqlite:evercal.db"], &environment, folder.path()).await
    };
    let tenants = || server.query("moved", "SELECT count(*) FROM tenants").unwrap();
    let refused = copy(ANOTHER_KEY).await;
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("EVERCAL_MASTER_KEY"), "{}", refused.stderr);
    assert_eq!(tenants(), "0", "nothing was copied");
    let copied = copy(KEY).await;
    assert_eq!(copied.code, Some(0), "{copied:?}");
    assert_eq!(tenants(), "1");
}
