//! The bin `evercal-gateway` with a log that cannot be written: a pipe that was closed, a disk that is full.

use std::fs::File;
use std::process::Stdio;

use evercal_devserver::small_disk::SmallDisk;
use serde_json::Value;

use crate::support::{Filled, GatewayProcess, eventually};

/// Its loop has checked both, and said that one of them is missing; lines of that are lost, which it counts.
async fn goes_on_without_its_log(gateway: &GatewayProcess, filled: &Filled) {
    eventually("the gateway checks its parts, and counts what it could not log", async || {
        let (_, body) = gateway.get(&filled.key, "/api/health/sync").await;
        let health: Value = serde_json::from_str(&body).ok()?;
        let has_checked = health["store"] == true && health["problems"][0]["part"] == "temporal";
        (has_checked && health["log_lines_lost"].as_u64()? > 0).then_some(())
    })
    .await;
    let (head, _) = gateway.get(&filled.key, "/v1/calendars").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
}

#[tokio::test]
async fn a_gateway_whose_stderr_was_closed_goes_on_and_ends_as_it_should() {
    let filled = Filled::new(1, 10).await;
    let mut gateway = GatewayProcess::logging_to(&filled, Stdio::piped());
    gateway.close_stderr();
    goes_on_without_its_log(&gateway, &filled).await;
    assert_eq!(gateway.stop(), Some(0));
}

#[tokio::test]
async fn a_gateway_whose_stderr_takes_nothing_goes_on_and_ends_as_it_should() {
    let filled = Filled::new(1, 10).await;
    let gateway = GatewayProcess::logging_to(&filled, File::options().write(true).open("/dev/full").unwrap());
    goes_on_without_its_log(&gateway, &filled).await;
    assert_eq!(gateway.stop(), Some(0));
}

#[tokio::test]
async fn a_gateway_that_logs_to_a_full_disk_goes_on_and_says_later_how_many_lines_are_missing() {
    let Some(disk) = SmallDisk::mount(256 * 1024) else {
        println!("not tried: only root may mount a small disk");
        return;
    };
    let filled = Filled::new(1, 10).await;
    let path = disk.folder().join("gateway.log");
    disk.fill().unwrap();
    let gateway = GatewayProcess::logging_to(&filled, File::create(&path).unwrap());
    goes_on_without_its_log(&gateway, &filled).await;
    disk.free().unwrap();
    let log = eventually("the log goes on", async || {
        let log = std::fs::read_to_string(&path).unwrap();
        log.contains("lines of the log could not be written").then_some(log)
    })
    .await;
    assert!(log.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "no torn lines: {log}");
    assert_eq!(gateway.stop(), Some(0));
}
