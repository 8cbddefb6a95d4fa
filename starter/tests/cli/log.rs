//! Processes whose log cannot be written: a pipe that was closed, a disk that is full.

use std::fs::File;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use evercal_devserver::small_disk::SmallDisk;
use evercal_http::{HttpClient, HttpRequest, HttpSettings, Transport as _};
use evercal_tests::eventually;
use serde_json::Value;

use crate::stub::program;

/// A process that runs; a gateway without a Temporal says so again and again in its log.
pub struct Running {
    process: Child,
    port: u16,
}

impl Running {
    fn start_gateway(folder: &Path, stderr: impl Into<Stdio>) -> Self {
        let port = free_port();
        let mut command = gateway(folder, port);
        Self { process: command.stderr(stderr).spawn().unwrap(), port }
    }

    async fn health(&self) -> anyhow::Result<Value> {
        let url = format!("http://127.0.0.1:{}/api/health/sync", self.port).parse()?;
        let answer = HttpClient::new(&HttpSettings::default())?.send(HttpRequest::get("health", url)).await?;
        Ok(serde_json::from_slice(&answer.body)?)
    }

    /// Waits until its health shows that the store is there and Temporal is not.
    async fn checks_its_health(&self) -> Value {
        eventually("the gateway has checked its health", || async {
            let health = self.health().await.map_err(|error| error.to_string())?;
            let has_checked = health["store"] == true && health["problems"][0]["part"] == "temporal";
            if has_checked { Ok(health) } else { Err(health.to_string()) }
        })
        .await
    }

    async fn has_lost_lines(&self) {
        eventually("lines are lost", || async {
            let health = self.health().await.map_err(|error| error.to_string())?;
            if health["log_lines_lost"].as_u64() > Some(0) { Ok(()) } else { Err(health.to_string()) }
        })
        .await;
    }

    /// Its exit code.
    fn stop(mut self) -> Option<i32> {
        assert!(Command::new("kill").arg(self.process.id().to_string()).status().unwrap().success());
        self.process.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Also after a failed assertion.
        let _ended_already = self.process.kill();
        let _status = self.process.wait();
    }
}

pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// `evercal gateway` with all settings that it needs.
pub fn gateway(folder: &Path, port: u16) -> Command {
    let mut command = program(folder);
    command.arg("gateway").stdin(Stdio::null()).envs([
        ("DATABASE_URL", format!("sqlite:{}", folder.join("evercal.db").display())),
        ("EVERCAL_MASTER_KEY", "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_owned()),
        ("EVERCAL_CHANNEL_KEYS", "0123456789abcdef0123456789abcdef".to_owned()),
        ("GOOGLE_CLIENT_ID", "client".to_owned()),
        ("WEBHOOK_BASE_URL", "https://calendar.example.com".to_owned()),
        ("EVERCAL_HTTP_ADDRESS", format!("127.0.0.1:{port}")),
        ("TEMPORAL_ADDRESS", "127.0.0.1:1".to_owned()),
        ("TEMPORAL_CONFIG_FILE", "/dev/null".to_owned()),
    ]);
    command
}

#[tokio::test]
async fn a_gateway_whose_stderr_was_closed_goes_on_and_ends_as_it_should() {
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = Running::start_gateway(folder.path(), Stdio::piped());
    drop(gateway.process.stderr.take());
    gateway.checks_its_health().await;
    gateway.has_lost_lines().await;
    assert_eq!(gateway.stop(), Some(0));
}

#[tokio::test]
async fn a_gateway_whose_stderr_takes_nothing_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = Running::start_gateway(folder.path(), File::options().write(true).open("/dev/full").unwrap());
    gateway.checks_its_health().await;
    gateway.has_lost_lines().await;
    assert_eq!(gateway.stop(), Some(0));
}

#[tokio::test]
async fn a_gateway_that_logs_to_a_full_disk_goes_on_and_says_later_how_many_lines_are_missing() {
    let Some(disk) = SmallDisk::mount(256 * 1024) else {
        println!("not tried: only root may mount a small disk");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = disk.folder().join("gateway.log");
    disk.fill().unwrap();
    let gateway = Running::start_gateway(folder.path(), File::create(&path).unwrap());
    gateway.checks_its_health().await;
    gateway.has_lost_lines().await;
    disk.free().unwrap();
    let log = eventually("the log goes on", || async {
        let log = std::fs::read_to_string(&path).unwrap();
        if log.contains("lines of the log could not be written") { Ok(log) } else { Err(log) }
    })
    .await;
    assert!(log.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "no torn lines: {log}");
}

#[tokio::test]
async fn a_simulator_that_can_write_no_log_plays_on() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut command = program(folder.path());
    command.args(["simulator", "--port", &port.to_string(), "--data-dir"]).arg(folder.path().join("simulator"));
    let mut running = Running { process: command.stdin(Stdio::null()).stderr(full).spawn().unwrap(), port };
    eventually("the simulator answers", || async {
        let url = format!("http://127.0.0.1:{port}/control/calls").parse().unwrap();
        let http = HttpClient::new(&HttpSettings::default()).unwrap();
        let answer = http.send(HttpRequest::get("calls", url)).await.map_err(|error| error.to_string())?;
        if answer.status == 200 { Ok(()) } else { Err(answer.status.to_string()) }
    })
    .await;
    assert!(running.process.try_wait().unwrap().is_none());
    assert_eq!(running.stop(), Some(0));
}

#[tokio::test]
async fn whoever_cannot_say_what_went_wrong_ends_with_the_same_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, code) in [(["gateway"].as_slice(), 1), (&["calendars", "--data-dir", "not-there"], 5)] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let status = program(folder.path()).args(arguments).stdin(Stdio::null()).stderr(full).status().unwrap();
        assert_eq!(status.code(), Some(code), "{arguments:?}");
    }
}
