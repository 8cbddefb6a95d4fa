//! Nobody to do the work: it shows, and is over by itself.

use std::time::{Duration, Instant};

use evercal_http::Method;
use evercal_tests::eventually;
use serde_json::Value;

use crate::installation::{self, Installation, signal};

/// After the last sign of life of a worker, with the check that finds none.
const MISSED_WITHIN: Duration = Duration::from_secs(30);

/// The health once it is as wanted. On a busy machine the store may seem to be away for a moment: that is not what is
/// waited for here, and passes.
async fn health(dev: &Installation, wanted: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
    eventually(wanted, || async {
        let health = dev.api(Method::GET, "/api/health/sync", None).await.map_err(|error| error.to_string())?;
        if is_wanted(&health) { Ok(health) } else { Err(health.to_string()) }
    })
    .await
}

/// What health says of the workers.
fn of_workers(health: &Value) -> Option<&Value> {
    health["problems"].as_array().unwrap().iter().find(|problem| problem["part"] == "workers")
}

#[tokio::test(flavor = "multi_thread")]
async fn with_no_worker_alive_health_is_down_and_says_so_and_with_one_back_it_is_ok_again() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Installation::start(folder.path(), "{}");
    health(&dev, "a worker is alive", |health| health["workers"] == 1 && of_workers(health).is_none()).await;

    // Frozen and not killed: `dev` would start another one.
    let worker = dev.pid("worker");
    let stopped_at = Instant::now();
    signal(worker, "-STOP");
    let down = health(&dev, "health misses the worker", |health| of_workers(health).is_some()).await;
    assert!(stopped_at.elapsed() < MISSED_WITHIN, "{:?}", stopped_at.elapsed());
    let problem = of_workers(&down).unwrap();
    assert!(down["status"] == "down" && down["workers"] == 0 && problem["since"].is_string(), "{down}");
    assert!(problem["detail"].as_str().unwrap().contains("No worker"), "{down}");
    eventually("the command line says so", || async {
        let mut status = installation::evercal();
        status.args(["status", "robin", "--data-dir"]).arg(folder.path());
        let shown = String::from_utf8(status.output().unwrap().stdout).unwrap();
        if shown.contains("No worker") { Ok(()) } else { Err(shown) }
    })
    .await;
    let only_workers = |health: &Value| {
        let count = health["problems"].as_array().unwrap().len();
        count == 1 && of_workers(health).is_some() && health["store"] == true && health["temporal"] == true
    };
    health(&dev, "nothing else is wrong", only_workers).await;

    signal(worker, "-CONT");
    health(&dev, "it is ok again", |health| health["status"] == "ok" && health["workers"] == 1).await;
    assert!(dev.stop().success());
    let store = installation::store(folder.path()).await;
    assert_eq!(store.beats_of("worker").await.unwrap(), [], "a worker that ends says good-bye");
}
