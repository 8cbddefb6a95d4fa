//! Nobody to do the work: it shows, and is over by itself.

use std::process::Command;

use evercal_http::Method;
use evercal_tests::eventually;
use serde_json::Value;

use crate::installation::{self, Installation};

async fn health(dev: &Installation) -> Value {
    dev.api(Method::GET, "/api/health/sync", None).await.unwrap()
}

fn signal(pid: u32, signal: &str) {
    assert!(Command::new("kill").args([signal, &pid.to_string()]).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn with_no_worker_alive_health_is_down_and_says_so_and_with_one_back_it_is_well_again() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Installation::start(folder.path(), "{}");
    let is = async |wanted: &str| {
        eventually(wanted, || async {
            let health = health(&dev).await;
            if health["status"] == wanted { Ok(health) } else { Err(health.to_string()) }
        })
        .await
    };
    let well = is("ok").await;
    assert_eq!((&well["workers"], &well["problems"]), (&Value::from(1), &Value::Array(Vec::new())));

    // Frozen and not killed: `dev` would start another one.
    let worker = dev.pid("worker");
    signal(worker, "-STOP");
    let down = is("down").await;
    let problem = &down["problems"][0];
    assert!(down["workers"] == 0 && problem["part"] == "workers" && problem["since"].is_string(), "{down}");
    assert!(problem["detail"].as_str().unwrap().contains("No worker"), "{down}");
    assert!(down["store"] == true && down["temporal"] == true, "{down}");
    let mut status = installation::evercal();
    status.args(["status", "robin", "--data-dir"]).arg(folder.path());
    let shown = String::from_utf8(status.output().unwrap().stdout).unwrap();
    assert!(shown.contains("No worker"), "{shown}");

    signal(worker, "-CONT");
    is("ok").await;
    assert!(dev.stop().success());
    let store = installation::store(folder.path()).await;
    assert_eq!(store.beats_of("worker").await.unwrap(), [], "a worker that ends says good-bye");
}
