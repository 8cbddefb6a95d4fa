//! A database file that is taken away under everything that runs: nobody works with an empty one in its place, and its return
//! is enough; where it does not return, a new one can be made the installation's.

use std::path::Path;

use evercal_domain::journal::{AuditKind, SecurityKind};
use evercal_http::Method;
use evercal_storage::{AuditOf, PageRequest, Store};
use evercal_tests::{eventually, mirror};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

use crate::installation::{self, Installation, calendar, store};

const USER: &str = "robin.hale@example.com";
const FILES: [&str; 3] = ["evercal.db", "evercal.db-wal", "evercal.db-shm"];
/// After its return; processes that end are started again meanwhile.
const BACK_WITHIN: Duration = Duration::from_secs(30);

fn rename(from: &Path, to: &Path) {
    for file in FILES {
        // The log and its index come and go with whoever uses them.
        let renamed = std::fs::rename(from.join(file), to.join(file));
        assert!(renamed.is_ok() || file != "evercal.db", "{renamed:?}");
    }
}

async fn health(dev: &Installation) -> Result<Value, String> {
    dev.api(Method::GET, "/api/health/sync", None).await.map_err(|error| error.to_string())
}

/// Whether load balancers send anybody there.
async fn is_ready(dev: &Installation) -> bool {
    dev.api(Method::GET, "/health/ready", None).await.is_ok()
}

async fn nobody_works_with_what_is_there_instead(dev: &Installation) {
    eventually("health says whose store it is not", || async {
        let health = health(dev).await?;
        let says_so = health["problems"].to_string().contains("not the one of this installation");
        if says_so { Ok(()) } else { Err(health.to_string()) }
    })
    .await;
    assert!(!is_ready(dev).await);
    assert!(dev.api(Method::GET, "/v1/calendars", None).await.is_err(), "an empty store's answer would be wrong");
}

async fn change(dev: &Installation, seed: u32) {
    let changes = json!({"calendar": USER, "count": 3, "seed": seed, "notices": "once"});
    dev.control(Method::POST, "changes", Some(changes)).await.unwrap();
}

async fn is_equal(dev: &Installation, store: &dyn Store) {
    eventually("the mirror equals the provider", || async {
        let row = calendar(store, USER).await.ok_or_else(|| vec!["no calendar".to_owned()])?;
        let truth = dev.truth(USER).await.map_err(|error| vec![error.to_string()])?;
        mirror::compare(store, row.id, &truth).await?;
        if is_ready(dev).await { Ok(()) } else { Err(vec!["not ready".to_owned()]) }
    })
    .await;
}

/// That it was another one's, and that this is over; and that somebody may have done that on purpose.
async fn is_in_both_logs(store: &dyn Store) {
    eventually("the audit log and the security log have it", || async {
        let entries = store.audit_entries(AuditOf::Everything, &PageRequest::first(100)).await.unwrap().items;
        let sentence = "not the one of this installation";
        let has = |kind| entries.iter().any(|entry| entry.kind == kind && entry.message.contains(sentence));
        let events = store.security_events(100).await.unwrap();
        let is_noted = events.iter().any(|event| event.kind == SecurityKind::StoreReplaced);
        if has(AuditKind::AlertRaised) && has(AuditKind::AlertCleared) && is_noted {
            Ok(())
        } else {
            Err((entries, events))
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_taken_away_is_missed_its_return_is_enough_and_another_can_be_adopted() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let dev = Installation::start(folder.path(), "{}");
    let before = store(folder.path()).await;
    change(&dev, 1).await;
    is_equal(&dev, &*before).await;
    drop(before);

    rename(folder.path(), elsewhere.path());
    change(&dev, 2).await;
    nobody_works_with_what_is_there_instead(&dev).await;
    let replaced = tempfile::tempdir().unwrap();
    rename(folder.path(), replaced.path());
    rename(elsewhere.path(), folder.path());
    let returned_at = Instant::now();
    let again = store(folder.path()).await;
    let equal = tokio::time::timeout_at(returned_at + BACK_WITHIN, is_equal(&dev, &*again)).await;
    assert!(equal.is_ok(), "not equal within {BACK_WITHIN:?} of its return: {:?}", health(&dev).await);
    println!("equal again after {:?}", returned_at.elapsed());
    is_in_both_logs(&*again).await;
    drop(again);

    // For good this time.
    rename(folder.path(), elsewhere.path());
    nobody_works_with_what_is_there_instead(&dev).await;
    let mut prepare = installation::evercal();
    prepare.args(["prepare-temporal", "--adopt-database"]);
    prepare.env("DATABASE_URL", format!("sqlite:{}", folder.path().join("evercal.db").display()));
    prepare.env("TEMPORAL_ADDRESS", dev.ready["temporal"].as_str().unwrap());
    let said = prepare.output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    eventually("it is the installation's", || async {
        if is_ready(&dev).await { Ok(()) } else { Err(health(&dev).await) }
    })
    .await;
    eventually("a worker works with it", || async {
        let health = health(&dev).await?;
        if health["workers"] == 1 && health["status"] == "ok" { Ok(()) } else { Err(health.to_string()) }
    })
    .await;
    is_in_both_logs(&*store(folder.path()).await).await;
    assert!(dev.stop().success());
}
