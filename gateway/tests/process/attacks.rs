//! Readers that do not read, and crowds without a key.

use evercal_domain::journal::SecurityKind;
use serde_json::Value;
use tokio::io::AsyncReadExt as _;

use crate::support::{Filled, GatewayProcess, eventually, request};

/// The most memory that a gateway may ever have.
const MEMORY_MAX_MIB: u64 = 256;
/// A page of events in bytes.
const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// A description in bytes, as lists show it.
const SHOWN_BYTES_MAX: usize = 64 * 1024;
/// Close to the largest event that is mirrored.
const DESCRIPTION_BYTES: usize = 194 * 1024;

#[tokio::test]
async fn readers_that_do_not_read_and_slow_sockets_take_neither_the_memory_nor_the_room_of_others() {
    let filled = Filled::new(500, DESCRIPTION_BYTES).await;
    let gateway = GatewayProcess::start(&filled, &[]).await;
    let path = filled.events_path();
    let mut silent = Vec::new();
    for number in 0..790 {
        silent.push(gateway.sent(if number % 2 == 0 { "" } else { "GET /v1/accounts HTTP/1.1\r\nhost: ev" }).await);
    }
    let (head, _) = gateway.get(&filled.key, "/v1/accounts").await;
    assert!(head.starts_with("HTTP/1.1 200"), "locked out by silent sockets: {head}");
    let mut unread = Vec::new();
    for _ in 0..60 {
        unread.push(gateway.sent(&request(&filled.key, &path, "")).await);
    }
    // Each that is answered at all begins to be; the others are asked to come again.
    let answered = eventually("answers begin", async || {
        let mut begun = 0;
        for stream in &unread {
            let mut start = [0; 12];
            if tokio::time::timeout(std::time::Duration::from_millis(20), stream.peek(&mut start)).await.is_ok() {
                begun += 1;
            }
        }
        (begun >= 10).then_some(begun)
    })
    .await;
    let (head, _) = gateway.get(&filled.key, "/v1/accounts").await;
    assert!(head.starts_with("HTTP/1.1 200"), "locked out by {answered} readers that do not read: {head}");
    let peak = gateway.memory_peak_mib();
    assert!(peak <= MEMORY_MAX_MIB, "{peak} MiB");
}

#[tokio::test]
async fn silent_sockets_lock_nobody_out_while_the_store_is_not_there_yet() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = GatewayProcess::without_store(folder.path(), "512");
    // It listens.
    gateway.get("none", "/health/live").await;
    let mut silent = Vec::new();
    for number in 0..600 {
        silent.push(gateway.sent(if number % 2 == 0 { "" } else { "GET /v1/accounts HTTP/1.1\r\nhost: ev" }).await);
    }
    let (head, _) = gateway.get("none", "/health/live").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let (head, body) = gateway.get("none", "/v1/accounts").await;
    assert!(head.starts_with("HTTP/1.1 503") && body.contains("cannot be opened yet"), "{head}: {body}");
}

#[tokio::test]
async fn a_page_of_large_events_is_bounded_and_reading_on_finds_each_of_them_once() {
    let filled = Filled::new(120, DESCRIPTION_BYTES).await;
    let gateway = GatewayProcess::start(&filled, &[]).await;
    let (mut seen, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let after = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let (head, body) = gateway.get(&filled.key, &format!("{}{after}", filled.events_path())).await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(body.len() <= PAGE_BYTES_MAX, "{} bytes", body.len());
        let page: Value = serde_json::from_str(&body).unwrap();
        for item in page["items"].as_array().unwrap() {
            let description = item["description"].as_str().unwrap();
            assert!((SHOWN_BYTES_MAX - 1..=SHOWN_BYTES_MAX).contains(&description.len()), "{}", description.len());
            assert_eq!(item["description_truncated"], true);
            seen.push(item["event_id"].as_str().unwrap().to_owned());
        }
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = Some(next.to_owned());
    }
    assert_eq!(seen, (0..120).map(|number| format!("event{number:06}")).collect::<Vec<_>>());

    let (_, body) = gateway.get(&filled.key, &format!("/v1/calendars/{}/events/event000007", filled.calendar)).await;
    let event: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(event["event_id"], "event000007");
    assert_eq!(event["description"].as_str().unwrap().len(), DESCRIPTION_BYTES);
    let (head, _) = gateway.get(&filled.key, &format!("/v1/calendars/{}/events/other", filled.calendar)).await;
    assert!(head.starts_with("HTTP/1.1 404"), "{head}");
}

#[tokio::test]
async fn a_crowd_without_a_key_is_a_line_a_second_and_each_of_them_is_counted() {
    let filled = Filled::new(1, 10).await;
    let gateway = GatewayProcess::start(&filled, &[("EVERCAL_CONNECTIONS_PER_PEER", "1")]).await;
    let began = std::time::Instant::now();
    // An answer that is not read to its end, by somebody with a key: this connection makes no room.
    let _first = gateway.sent(&request(&filled.key, "/v1/accounts", "")).await;
    let mut turned_away = 0;
    while turned_away < 1_000 {
        let mut stream = gateway.sent("").await;
        let mut byte = [0];
        let read = tokio::time::timeout(std::time::Duration::from_millis(200), stream.read(&mut byte)).await;
        turned_away += u64::from(matches!(read, Ok(Ok(0) | Err(_))));
    }
    let is_about = |line: &Value| {
        line["fields"]["message"].as_str().is_some_and(|message| message.starts_with("an address has its share"))
    };
    let lines = eventually("each is counted", async || {
        let lines: Vec<_> = gateway.lines().into_iter().filter(is_about).collect();
        let counted: u64 = lines.iter().map(|line| line["fields"]["left_out"].as_u64().unwrap_or(1)).sum();
        (counted >= turned_away).then_some(lines.len())
    })
    .await;
    let seconds = usize::try_from(began.elapsed().as_secs()).unwrap();
    assert!(lines <= seconds + 2, "{lines} lines in {seconds} s");
}

#[tokio::test]
async fn hundreds_of_half_sent_notices_are_refused_by_their_heads_counted_and_a_line_a_second() {
    const SENDERS: i64 = 700;
    let filled = Filled::new(1, 10).await;
    let gateway = GatewayProcess::start(&filled, &[("EVERCAL_CONNECTIONS_PER_PEER", "768")]).await;
    let begun = std::time::Instant::now();
    // What it says at its start, and all the time of a Temporal that is away, is not about them.
    let is_about_temporal = |line: &Value| line.to_string().contains("emporal");
    let others = || gateway.lines().iter().filter(|line| !is_about_temporal(line)).count();
    let before = others();
    let half = "POST /api/webhooks/google HTTP/1.1\r\nhost: evercal\r\ncontent-length: 100000\r\n\r\n{";
    let mut senders = Vec::new();
    for _ in 0..SENDERS {
        senders.push(gateway.sent(half).await);
    }
    for sender in &mut senders {
        let mut status = [0; 12];
        sender.read_exact(&mut status).await.unwrap();
        assert_eq!(&status, b"HTTP/1.1 401");
    }
    eventually("each is counted", async || {
        let events = filled.store.security_events(100).await.unwrap();
        let refused = events.iter().filter(|event| event.kind == SecurityKind::NoticeRefused);
        (refused.map(|event| event.count).sum::<i64>() == SENDERS).then_some(())
    })
    .await;
    let lines = others() - before;
    let seconds = usize::try_from(begun.elapsed().as_secs()).unwrap();
    assert!(lines <= 2 * (seconds + 2), "{lines} lines in {seconds} s: {}", gateway.log());
}

/// What is refused as none of ours, as in the test before this one, is worth no line at all; what cannot be served is.
#[tokio::test]
async fn hundreds_who_cannot_be_served_are_a_line_a_second_and_each_of_them_is_counted() {
    const ASKING: u64 = 700;
    let filled = Filled::new(1, 10).await;
    let gateway = GatewayProcess::start(&filled, &[("EVERCAL_CONNECTIONS_PER_PEER", "768")]).await;
    let begun = std::time::Instant::now();
    let mut asking = Vec::new();
    for _ in 0..ASKING {
        // Nobody needs a key for it, and Temporal is away.
        asking.push(gateway.sent(&request("none", "/health/ready", "")).await);
    }
    for stream in &mut asking {
        let mut status = [0; 12];
        stream.read_exact(&mut status).await.unwrap();
        assert_eq!(&status, b"HTTP/1.1 503");
    }
    let is_about_them = |line: &Value| line["fields"]["message"] == "answered that the request could not be served now";
    let lines = eventually("each is counted", async || {
        let lines: Vec<_> = gateway.lines().into_iter().filter(is_about_them).collect();
        let counted: u64 = lines.iter().map(|line| line["fields"]["left_out"].as_u64().unwrap_or(1)).sum();
        (counted == ASKING).then_some(lines.len())
    })
    .await;
    let seconds = usize::try_from(begun.elapsed().as_secs()).unwrap();
    assert!(lines <= seconds + 2, "{lines} lines in {seconds} s: {}", gateway.log());
}
