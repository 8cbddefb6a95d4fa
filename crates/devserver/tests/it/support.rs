//! What the tests share: options, waiting, and which processes run.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use evercal_devserver::{TemporalOptions, cache_dir};
use tokio::time::{Instant, sleep};

const TIMEOUT: Duration = Duration::from_secs(30);

/// Options of a server in `data_dir` that uses the build in this user's cache.
pub fn options(data_dir: &Path) -> TemporalOptions {
    let variable = |name| std::env::var_os(name);
    let cache = cache_dir(variable("XDG_CACHE_HOME").as_deref(), variable("HOME").as_deref());
    let search_path = variable("PATH").expect("PATH is set");
    TemporalOptions::new(data_dir, cache.expect("XDG_CACHE_HOME or HOME is set"), search_path)
}

/// Repeats `check` until it gives an `Ok`, and panics with its last `Err` when that takes too long.
pub async fn wait_for<T>(what: &str, mut check: impl AsyncFnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        match check().await {
            Ok(value) => return value,
            Err(state) if Instant::now() >= deadline => panic!("waited in vain for {what}; last: {state}"),
            Err(_) => sleep(Duration::from_millis(20)).await,
        }
    }
}

pub async fn wait_until_gone(pid: u32) {
    wait_for(&format!("the end of process {pid}"), async || match process_state(pid) {
        Some(state) if state != 'Z' => Err(format!("state {state}")),
        _ => Ok(()),
    })
    .await;
}

/// The one-letter state of a process; `Z` is one that is dead but not yet collected by its parent.
fn process_state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

pub fn send_signal(signal: &str, pid: u32) {
    let status = Command::new("sh").args(["-c", &format!("kill -s {signal} {pid}")]).status().expect("sh runs");
    assert!(status.success(), "kill -s {signal} {pid}: {status}");
}
