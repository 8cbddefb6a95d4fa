//! What a process does that stood still, or whose store went away for good.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{Filled, GatewayProcess, eventually, request};

/// Longer than the time for a first request.
const STOOD_STILL: Duration = Duration::from_secs(12);
/// A file that is gone is noticed at the next check, and the process ends at once.
const ENDS_WITHIN: Duration = Duration::from_secs(30);
/// After the end of a fault of the disk.
const WELL_WITHIN: Duration = Duration::from_secs(10);

#[tokio::test]
async fn what_was_asked_while_the_gateway_stood_still_is_answered() {
    let filled = Filled::new(1, 10).await;
    let gateway = GatewayProcess::start(&filled, &[]).await;
    let mut asking = Vec::new();
    for _ in 0..200 {
        asking.push(gateway.sent("").await);
    }
    // The gateway has taken all of them as soon as it answers one more.
    gateway.get(&filled.key, "/v1/accounts").await;
    gateway.signal("-STOP");
    tokio::time::sleep(STOOD_STILL).await;
    let asked = request(&filled.key, "/v1/accounts", "");
    for stream in &mut asking {
        stream.write_all(asked.as_bytes()).await.unwrap();
    }
    gateway.signal("-CONT");
    for (number, stream) in asking.iter_mut().enumerate() {
        let mut status = [0; 12];
        let read = stream.read_exact(&mut status).await;
        assert!(read.is_ok(), "connection {number} was closed without an answer");
        assert_eq!(&status, b"HTTP/1.1 200");
    }
}

#[tokio::test]
async fn a_gateway_whose_database_was_taken_away_ends_with_an_error_and_works_with_it_again() {
    let filled = Filled::new(1, 10).await;
    let mut gateway = GatewayProcess::start(&filled, &[]).await;
    gateway.get(&filled.key, "/v1/accounts").await;
    let (file, elsewhere) = (filled.folder.path().join("evercal.db"), filled.folder.path().join("elsewhere.db"));
    std::fs::rename(&file, &elsewhere).unwrap();
    let begun = Instant::now();
    assert_eq!(gateway.ended().await, Some(1));
    assert!(begun.elapsed() < ENDS_WITHIN, "{:?}", begun.elapsed());
    assert!(!file.exists(), "an empty database was made in its place");
    let log = gateway.log();
    assert!(log.contains("The store has been lost"), "its last words do not name the cause: {log}");

    std::fs::rename(&elsewhere, &file).unwrap();
    let gateway = GatewayProcess::start(&filled, &[]).await;
    let (head, body) = gateway.get(&filled.key, &filled.events_path()).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head} {body}");
}

/// What operators see of the store.
async fn trouble_of_store(gateway: &GatewayProcess) -> Option<String> {
    let (_, body) = gateway.get("none", "/api/health/sync").await;
    let health: Value = serde_json::from_str(&body).unwrap();
    let problems = health["problems"].as_array().unwrap();
    let of_store = problems.iter().find(|problem| problem["part"] == "store");
    of_store.map(|problem| problem["detail"].as_str().unwrap().to_owned())
}

/// Begins to connect an account, which writes.
async fn connect(gateway: &GatewayProcess, filled: &Filled) -> String {
    let body = r#"{"label":"Ada"}"#;
    let asked = format!(
        "POST /v1/oauth/google/start HTTP/1.1\r\nhost: evercal\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        filled.key,
        body.len()
    );
    let mut answer = String::new();
    gateway.sent(&asked).await.read_to_string(&mut answer).await.unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_disk_that_answers_writes_with_errors_shows_and_is_written_again_as_soon_as_it_takes_them() {
    let filled = Filled::new(1, 10).await;
    let gateway = GatewayProcess::start(&filled, &[]).await;
    eventually("it has checked the store", async || {
        let (_, body) = gateway.get("none", "/api/health/sync").await;
        (serde_json::from_str::<Value>(&body).ok()?["store"] == true).then_some(())
    })
    .await;
    for _ in 0..2 {
        // SQLite hears EFBIG, which is an input or output error to it, and no full disk.
        gateway.limit_files(Some(1));
        let sentence = eventually("it is said", async || {
            trouble_of_store(&gateway).await.filter(|detail| detail.contains("cannot be written"))
        })
        .await;
        assert!(sentence.contains("disk I/O error"), "{sentence}");
        assert_eq!(connect(&gateway, &filled).await, "HTTP/1.1 503 Service Unavailable");
        let (head, _) = gateway.get(&filled.key, &filled.events_path()).await;
        assert!(head.starts_with("HTTP/1.1 200"), "what is there is read: {head}");
        gateway.limit_files(None);
        let begun = Instant::now();
        eventually("it is healthy", async || trouble_of_store(&gateway).await.is_none().then_some(())).await;
        assert!(begun.elapsed() < WELL_WITHIN, "{:?}", begun.elapsed());
        assert_eq!(connect(&gateway, &filled).await, "HTTP/1.1 201 Created");
    }
}
