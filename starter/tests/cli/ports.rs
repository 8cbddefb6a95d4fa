//! Ports that cannot be listened on.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::log;
use crate::stub::program;

/// After so long a part that cannot listen has said so.
const TOLD_WITHIN: Duration = Duration::from_secs(2);

/// What a program says until it ends by itself, which is waited for at most this long.
async fn said(mut command: Command, timeout: Duration) -> Output {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let program = tokio::process::Command::from(command).kill_on_drop(true).spawn().unwrap();
    tokio::time::timeout(timeout, program.wait_with_output()).await.expect("it ends by itself, in time").unwrap()
}

/// How long this program takes to start and end here and now, which is none of its work.
async fn start(folder: &Path) -> Duration {
    let begun = Instant::now();
    let mut command = program(folder);
    command.arg("--version");
    assert!(said(command, evercal_tests::TIMEOUT).await.status.success());
    begun.elapsed()
}

/// A part that cannot listen ends in time, with an error that names the port and the reason.
async fn says_that_the_port_is_taken(command: Command, folder: &Path, port: u16, reason: &str) {
    let output = said(command, start(folder).await + TOLD_WITHIN).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&port.to_string()) && said.contains(reason), "{said}");
}

const IN_USE: &str = "Address already in use";

#[tokio::test]
async fn a_gateway_says_that_its_port_is_taken_before_it_waits_for_a_store_that_does_not_answer() {
    let folder = tempfile::tempdir().unwrap();
    let (taken, database) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let port = taken.local_addr().unwrap().port();
    let mut command = log::gateway(folder.path(), port);
    command.env("DATABASE_URL", format!("postgres://nobody@{}/nothing", database.local_addr().unwrap()));
    says_that_the_port_is_taken(command, folder.path(), port, IN_USE).await;
    database.set_nonblocking(true).unwrap();
    assert!(database.accept().is_err(), "the store was not even asked");
}

#[tokio::test]
async fn codec_and_simulator_say_that_their_port_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut codec = program(folder.path());
    codec.arg("codec").env("EVERCAL_PAYLOAD_KEY", "p1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    codec.env("EVERCAL_CODEC_ADDRESS", format!("127.0.0.1:{port}"));
    says_that_the_port_is_taken(codec, folder.path(), port, IN_USE).await;
    let mut simulator = program(folder.path());
    simulator.args(["simulator", "--port", &port.to_string()]);
    says_that_the_port_is_taken(simulator, folder.path(), port, IN_USE).await;
}

#[tokio::test]
async fn dev_says_that_its_port_is_taken_before_it_starts_anything() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut dev = program(folder.path());
    dev.args(["dev", "--json", "--data-dir", "data", "--port", &port.to_string()]);
    says_that_the_port_is_taken(dev, folder.path(), port, "in use by another program").await;
    assert!(!folder.path().join("data/temporal").exists());
}

#[tokio::test]
async fn a_gateway_whose_store_cannot_be_opened_says_so_and_opens_it_when_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = log::gateway(folder.path(), port);
    command.env("DATABASE_URL", "sqlite:later/evercal.db");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut gateway = tokio::process::Command::from(command).kill_on_drop(true).spawn().unwrap();
    evercal_tests::eventually("it says that the store cannot be opened", || async {
        let said = readiness(port).await.unwrap_or_default();
        if said.contains(" 503 ") && said.contains("store cannot be opened") { Ok(()) } else { Err(said) }
    })
    .await;
    std::fs::create_dir(folder.path().join("later")).unwrap();
    evercal_tests::eventually("it has opened the store", || async {
        let said = readiness(port).await.unwrap_or_default();
        let is_open = !said.is_empty() && !said.contains("store cannot be opened");
        if is_open { Ok(()) } else { Err(said) }
    })
    .await;
    assert!(folder.path().join("later/evercal.db").exists());
    gateway.kill().await.unwrap();
}

/// The answer to `GET /health/ready`, as it comes.
async fn readiness(port: u16) -> std::io::Result<String> {
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(b"GET /health/ready HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n").await?;
    let mut said = String::new();
    stream.read_to_string(&mut said).await?;
    Ok(said)
}
