//! Workers as processes whose store is not fit: their log says why, in words that an operator can act on, and they take no work
//! until somebody has.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use evercal_devserver::activity_pollers;
use evercal_devserver::postgres::{self, PostgresServer};
use evercal_storage::{DatabaseUrl, Keyring, StoreSettings};
use evercal_tests::eventually;
use evercal_tests::temporal::TestTemporal;
use evercal_workflows::names;
use serde_json::Value;

use crate::stub::{evercal, program};

const KEY: &str = "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// A worker that runs, and ends with its test.
struct Worker {
    process: Child,
    log: PathBuf,
}

impl Worker {
    fn start(temporal: &TestTemporal, identity: &str, database: &str, folder: &Path) -> Self {
        let log = folder.join(format!("{identity}.log"));
        let mut command = program(folder);
        command.args(["worker", "--identity", identity]).stdin(Stdio::null()).stdout(Stdio::null()).envs([
            ("DATABASE_URL", database),
            ("EVERCAL_MASTER_KEY", KEY),
            ("EVERCAL_CHANNEL_KEYS", "0123456789abcdef0123456789abcdef"),
            ("GOOGLE_CLIENT_ID", "client"),
            ("GOOGLE_CLIENT_SECRET", "secret"),
            ("WEBHOOK_BASE_URL", "https://calendar.example.com"),
            ("TEMPORAL_ADDRESS", temporal.address.as_str()),
            ("TEMPORAL_NAMESPACE", temporal.namespace.as_str()),
            ("TEMPORAL_CONFIG_FILE", "/dev/null"),
        ]);
        Self { process: command.stderr(File::create(&log).unwrap()).spawn().unwrap(), log }
    }

    /// Waits until one line of its log, which is an error, has all these words.
    async fn says(&self, words: &[&str]) {
        eventually("its log says why", || async {
            let log = std::fs::read_to_string(&self.log).unwrap();
            let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let says_so = |line: Value| {
                let fields = line["fields"].to_string();
                line["level"] == "ERROR" && words.iter().all(|some| fields.contains(some))
            };
            if lines.any(says_so) { Ok(()) } else { Err(log) }
        })
        .await;
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Also after a failed assertion.
        let _ended_already = self.process.kill();
        let _status = self.process.wait();
    }
}

async fn is_at_work(temporal: &TestTemporal, worker: &str) -> bool {
    let connection = temporal.client.connection();
    let pollers = activity_pollers(connection, &temporal.namespace, names::QUEUE_STORE).await.unwrap();
    pollers.contains(worker)
}

async fn takes_work(temporal: &TestTemporal, worker: &str) {
    eventually("it takes work", || async {
        if is_at_work(temporal, worker).await { Ok(()) } else { Err(worker.to_owned()) }
    })
    .await;
}

/// An empty database, and its URL.
async fn database(name: &str) -> (&'static PostgresServer, String) {
    let server = tokio::task::spawn_blocking(postgres::shared).await.unwrap().unwrap();
    server.create_database(name).unwrap();
    (server, server.url(name))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_with_the_store_of_another_installation_names_both_and_takes_no_work() {
    let temporal = TestTemporal::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| DatabaseUrl::file(folder.path().join(name));
    let _first = Worker::start(&temporal, "first", &file("first.db").to_string(), folder.path());
    takes_work(&temporal, "first").await;
    let stranger = Worker::start(&temporal, "stranger", &file("another.db").to_string(), folder.path());
    stranger
        .says(&[
            "The store is not the one of this installation",
            "the workflows in Temporal belong to the database of",
            "and this is the one of",
        ])
        .await;
    let settings = StoreSettings::new(file("another.db"), Keyring::parse(KEY).unwrap());
    let another = evercal_storage::open(&settings).await.unwrap();
    for _ in 0..2 {
        let before = another.last_written_at().await.unwrap();
        eventually("it has checked once more whose it is", || async {
            let now = another.last_written_at().await.unwrap();
            if now > before { Ok(()) } else { Err(now) }
        })
        .await;
    }
    assert!(!is_at_work(&temporal, "stranger").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_store_has_no_tables_of_its_version_names_the_command_that_makes_them_and_waits_for_it() {
    let (_server, url) = database("not_migrated").await;
    let temporal = TestTemporal::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let worker = Worker::start(&temporal, "worker", &url, folder.path());
    let words = ["nothing is done until it can", "older than this version of evercal", "run `evercal migrate`"];
    worker.says(&words).await;
    assert!(!is_at_work(&temporal, "worker").await);
    evercal(&["migrate"], &[("DATABASE_URL", url.as_str())], folder.path()).await.text();
    takes_work(&temporal, "worker").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_lacks_a_right_to_its_store_names_the_table_and_waits_for_the_right() {
    let (server, url) = database("without_a_right").await;
    evercal_storage::migrate(&url.parse().unwrap()).await.unwrap();
    for statement in [
        "CREATE ROLE worker_without_a_right LOGIN PASSWORD 'limited'",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO worker_without_a_right",
        "REVOKE INSERT ON changes FROM worker_without_a_right",
    ] {
        server.query("without_a_right", statement).unwrap();
    }
    let temporal = TestTemporal::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let url = format!("postgres://worker_without_a_right:limited@{}/without_a_right", server.address());
    let worker = Worker::start(&temporal, "worker", &url, folder.path());
    worker.says(&["The store cannot be written", "our role may not write the table changes"]).await;
    assert!(!is_at_work(&temporal, "worker").await);
    server.query("without_a_right", "GRANT INSERT ON changes TO worker_without_a_right").unwrap();
    takes_work(&temporal, "worker").await;
}
