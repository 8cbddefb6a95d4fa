//! A worker that is lost in the middle of its work, killed or frozen: its calendars go on without it, soon.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use evercal_domain::CalendarState;
use evercal_http::Method;
use evercal_storage::Store;
use evercal_tests::{eventually, mirror};
use serde_json::json;
use tokio::time::Instant;

use crate::installation::{Installation, calendar, calendars, signal, store};

const USER: &str = "robin.hale@example.com";
/// Beside the demo's own two: enough that any worker has some of them.
const FURTHER_CALENDARS: usize = 4;
const READ: &str = "calendar.events.list";
/// Within so long another worker has what the lost one had.
const GOES_ON_WITHIN: Duration = Duration::from_secs(20);
/// What it takes for its work then, on a busy machine.
const DONE_WITHIN: Duration = Duration::from_secs(10);
/// Longer than whatever anybody waits for a worker.
const FROZEN_FOR: Duration = Duration::from_secs(60);

/// A worker beside that of `dev`, with the same settings.
struct SecondWorker(Child);

impl SecondWorker {
    async fn start(dev: &Installation, folder: &Path) -> Self {
        Self::start_logging_to(dev, File::create(folder.join("second.log")).unwrap()).await
    }

    async fn start_logging_to(dev: &Installation, log: File) -> Self {
        let environment = std::fs::read_to_string(format!("/proc/{}/environ", dev.pid("worker"))).unwrap();
        let variables = environment.split('\0').filter_map(|variable| variable.split_once('='));
        let mut command = Command::new(env!("CARGO_BIN_EXE_evercal"));
        command.env_clear().envs(variables).args(["worker", "--identity", "second"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let worker = Self(command.spawn().unwrap());
        workers_are(dev, 2).await;
        worker
    }
}

impl Drop for SecondWorker {
    fn drop(&mut self) {
        // Also after a failed assertion, and where it was killed.
        let _ended_already = self.0.kill();
        let _status = self.0.wait();
    }
}

async fn workers_are(dev: &Installation, count: usize) {
    eventually("so many workers are alive", || async {
        let health = dev.api(Method::GET, "/api/health/sync", None).await.map_err(|error| error.to_string())?;
        if health["workers"] == count { Ok(()) } else { Err(health.to_string()) }
    })
    .await;
}

/// The provider's ids of all calendars, all of them live.
async fn several_calendars(dev: &Installation, store: &dyn Store) -> Vec<String> {
    let known = calendars(store).await.len();
    for number in 0..FURTHER_CALENDARS {
        let new = json!({"owner": USER, "summary": format!("Further {number}"), "time_zone": "Europe/Berlin"});
        dev.control(Method::POST, "calendars", Some(new)).await.unwrap();
    }
    eventually("all calendars are live", || async {
        let rows = calendars(store).await;
        let live = rows.iter().filter(|row| row.state == CalendarState::Live && row.confirmed_at.is_some());
        if live.count() == known + FURTHER_CALENDARS { Ok(()) } else { Err(rows) }
    })
    .await;
    calendars(store).await.into_iter().map(|row| row.remote.provider_id.as_str().to_owned()).collect()
}

async fn change(dev: &Installation, calendars: &[String], seed: u32) {
    for calendar in calendars {
        let changes = json!({"calendar": calendar, "count": 3, "seed": seed, "notices": "once"});
        dev.control(Method::POST, "changes", Some(changes)).await.unwrap();
    }
}

async fn are_equal(dev: &Installation, store: &dyn Store, all: &[String]) {
    for provider_id in all {
        eventually("the mirror equals the provider", || async {
            let row = calendar(store, provider_id).await.ok_or_else(|| vec!["no calendar".to_owned()])?;
            let truth = dev.truth(provider_id).await.map_err(|error| vec![error.to_string()])?;
            mirror::compare(store, row.id, &truth).await
        })
        .await;
    }
}

/// Loses a worker while each calendar is being read, and has more changes come right afterwards.
async fn all_go_on_without(dev: &Installation, store: &dyn Store, all: &[String], seed: u32, lose: impl FnOnce()) {
    are_equal(dev, store, all).await;
    let before = dev.calls(READ).await;
    let slow = json!({"method": READ, "times": all.len(), "action": {"kind": "delay", "delay_ms": 3000}});
    dev.control(Method::PUT, "faults", Some(json!({"rules": [slow]}))).await.unwrap();
    change(dev, all, seed).await;
    eventually("calendars are being read", || async {
        let calls = dev.calls(READ).await - before;
        if calls >= u64::try_from(all.len()).unwrap() { Ok(()) } else { Err(calls) }
    })
    .await;
    lose();
    let lost_at = Instant::now();
    change(dev, all, seed + 1).await;
    let equal = tokio::time::timeout_at(lost_at + GOES_ON_WITHIN + DONE_WITHIN, are_equal(dev, store, all));
    assert!(equal.await.is_ok(), "calendars still wait for the lost worker");
    println!("all went on within {:?}", lost_at.elapsed());
}

/// After whatever happened: no change came twice.
async fn are_right(dev: &Installation, store: &dyn Store, all: &[String]) {
    are_equal(dev, store, all).await;
    for row in calendars(store).await {
        mirror::follows_from_its_changes(store, row.id).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calendars_of_a_frozen_worker_go_on_with_another_one() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Installation::start(folder.path(), "{}");
    let store = store(folder.path()).await;
    let second = SecondWorker::start(&dev, folder.path()).await;
    let all = several_calendars(&dev, &*store).await;
    for (seed, frozen) in [(10, dev.pid("worker")), (20, second.0.id())] {
        let frozen_at = Instant::now();
        all_go_on_without(&dev, &*store, &all, seed, || signal(frozen, "-STOP")).await;
        if seed == 10 {
            // Whatever comes meanwhile goes to the other one, however long it takes.
            tokio::time::sleep_until(frozen_at + FROZEN_FOR / 2).await;
            change(&dev, &all, seed + 2).await;
            let equal = tokio::time::timeout(GOES_ON_WITHIN + DONE_WITHIN, are_equal(&dev, &*store, &all));
            assert!(equal.await.is_ok(), "calendars wait for the frozen worker");
            tokio::time::sleep_until(frozen_at + FROZEN_FOR).await;
        }
        // What it does as if nothing had been comes too late, and changes nothing.
        signal(frozen, "-CONT");
        workers_are(&dev, 2).await;
        are_right(&dev, &*store, &all).await;
    }
    drop(second);
    assert!(dev.stop().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn when_temporal_is_back_nobody_waits_for_what_was_waited_for_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Installation::start(folder.path(), "{}");
    let store = store(folder.path()).await;
    let all = several_calendars(&dev, &*store).await;
    for seed in [10, 20] {
        are_equal(&dev, &*store, &all).await;
        let before = dev.pid("temporal-server");
        assert_eq!(dev.kill_part("temporal-server").await, 1);
        change(&dev, &all, seed).await;
        eventually("Temporal is back", || async {
            let health = dev.api(Method::GET, "/api/health/sync", None).await.map_err(|error| error.to_string())?;
            let another = dev.listening_ports("temporal-server").len() > 1 && dev.pid("temporal-server") != before;
            if another && health["temporal"] == true { Ok(()) } else { Err(health.to_string()) }
        })
        .await;
        let back_at = Instant::now();
        let equal = tokio::time::timeout(GOES_ON_WITHIN + DONE_WITHIN, are_equal(&dev, &*store, &all)).await;
        assert!(equal.is_ok(), "calendars still wait for Temporal, which is back");
        println!("all was equal within {:?}", back_at.elapsed());
    }
    assert!(dev.stop().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn calendars_of_a_killed_worker_go_on_with_another_one_or_with_the_one_that_takes_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Installation::start(folder.path(), "{}");
    let store = store(folder.path()).await;
    let all = several_calendars(&dev, &*store).await;
    // `dev` starts another one.
    all_go_on_without(&dev, &*store, &all, 10, || signal(dev.pid("worker"), "-KILL")).await;
    // Nobody starts the second one again.
    let second = SecondWorker::start(&dev, folder.path()).await;
    all_go_on_without(&dev, &*store, &all, 20, || signal(second.0.id(), "-KILL")).await;
    are_right(&dev, &*store, &all).await;
    assert!(dev.stop().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_can_write_no_log_works_on() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Installation::start(folder.path(), "{}");
    let store = store(folder.path()).await;
    let all = several_calendars(&dev, &*store).await;
    let second = SecondWorker::start_logging_to(&dev, File::options().write(true).open("/dev/full").unwrap()).await;
    // All work is its own.
    all_go_on_without(&dev, &*store, &all, 10, || signal(dev.pid("worker"), "-STOP")).await;
    // And what it has to complain about.
    let slow = json!({"method": READ, "times": 3, "action": {"kind": "status", "status": 503}});
    dev.control(Method::PUT, "faults", Some(json!({"rules": [slow]}))).await.unwrap();
    change(&dev, &all, 20).await;
    are_equal(&dev, &*store, &all).await;
    signal(dev.pid("worker"), "-CONT");
    workers_are(&dev, 2).await;
    drop(second);
    assert!(dev.stop().success());
}
