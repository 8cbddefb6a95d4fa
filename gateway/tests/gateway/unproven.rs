//! Whoever has proven nothing causes nothing.

use std::time::Duration;

use evercal_domain::channel_token::{ChannelClaim, ChannelTokenKeys};
use evercal_domain::{AccountId, CalendarId, ChannelId, SyncReason, Watched};
use evercal_gateway::HEARTBEAT;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{World, eventually};

/// A notice whose body never comes to its end.
pub async fn half_sent(world: &World, headers: &[(&'static str, String)]) -> TcpStream {
    let mut head = "POST /api/webhooks/google HTTP/1.1\r\nhost: evercal\r\ncontent-length: 1000\r\n".to_owned();
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n{");
    let mut stream = TcpStream::connect(world.gateway.as_ref().unwrap().address()).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// The status line of the answer.
pub async fn status(stream: &mut TcpStream) -> String {
    let mut answer = vec![0; 64];
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut answer)).await;
    let bytes = read.expect("no answer").unwrap();
    String::from_utf8_lossy(&answer[..bytes]).lines().next().unwrap_or_default().to_owned()
}

fn forged(calendar: CalendarId) -> Vec<(&'static str, String)> {
    let watched = Watched::Calendar { account_id: AccountId::generate(), calendar_id: calendar };
    let claim = ChannelClaim { watched, channel_id: ChannelId::generate() };
    let others = ChannelTokenKeys::parse("somebody-elses-key").unwrap();
    vec![("x-goog-channel-id", claim.channel_id.to_string()), ("x-goog-channel-token", others.sign(claim))]
}

/// How often a calendar was signalled to catch up.
pub fn caught_up(world: &World, calendar: CalendarId) -> usize {
    let notifies = world.workflows.notifies(calendar);
    notifies.iter().filter(|notify| notify.reason == SyncReason::CatchUp).count()
}

#[tokio::test]
async fn a_notice_without_proof_is_refused_by_its_head_and_neither_takes_a_place_nor_causes_a_sync() {
    let mut world = World::new().await;
    world.config.limits.notices_max = 1;
    // Whatever waits for a body waits longer than this test.
    world.answer_notices_within(Duration::from_secs(60));
    world.start().await;
    let customer = world.customer().await;
    let mut senders = Vec::new();
    for number in 0..50 {
        let headers = if number % 2 == 0 { vec![] } else { forged(customer.calendar) };
        senders.push(half_sent(&world, &headers).await);
    }
    assert_eq!(world.send_notice(&world.notice(customer.calendar, "exists")).await.status, 204);
    for sender in &mut senders {
        assert_eq!(status(sender).await, "HTTP/1.1 401 Unauthorized");
    }
    world.heartbeats(10).await;
    assert_eq!(caught_up(&world, customer.calendar), 0);
    eventually(&50, async || world.security_events("notice_refused").await).await;
}

#[tokio::test]
async fn a_proven_notice_that_finds_no_place_is_caught_up_at_its_calendar_alone() {
    let mut world = World::new().await;
    world.config.limits.notices_max = 0;
    world.start().await;
    let (refused, other) = (world.customer().await, world.customer().await);
    assert_eq!(world.send_notice(&world.notice(refused.calendar, "exists")).await.status, 503);
    eventually(&1, async || caught_up(&world, refused.calendar)).await;
    world.heartbeats(10).await;
    assert_eq!(caught_up(&world, other.calendar), 0);
}

#[tokio::test]
async fn a_proven_notice_whose_body_never_ends_is_caught_up_at_its_calendar_alone() {
    let mut world = World::new().await;
    world.answer_notices_within(Duration::from_millis(100));
    world.start().await;
    let (sender, other) = (world.customer().await, world.customer().await);
    let mut stream = half_sent(&world, &world.notice(sender.calendar, "exists")).await;
    assert_eq!(status(&mut stream).await, "HTTP/1.1 503 Service Unavailable");
    eventually(&1, async || caught_up(&world, sender.calendar)).await;
    world.heartbeats(10).await;
    assert_eq!(caught_up(&world, other.calendar), 0);
    assert!(world.store.last_beat(HEARTBEAT).await.unwrap().is_some());
}

#[tokio::test]
async fn who_is_turned_away_without_proof_causes_one_catch_up_in_hours_however_often_it_happens() {
    let mut world = World::new().await;
    world.config.limits.connections_per_peer_max = std::num::NonZeroUsize::new(1);
    world.start().await;
    let customer = world.customer().await;
    let address = world.gateway.as_ref().unwrap().address();
    for _ in 0..3 {
        let crowd = futures::future::join_all((0..20).map(|_| TcpStream::connect(address))).await;
        let mut turned_away = 0;
        for stream in crowd {
            let mut byte = [0];
            let read = tokio::time::timeout(Duration::from_millis(50), stream.unwrap().read(&mut byte)).await;
            turned_away += usize::from(matches!(read, Ok(Ok(0) | Err(_))));
        }
        assert!(turned_away > 0);
        world.heartbeats(20).await;
    }
    assert_eq!(caught_up(&world, customer.calendar), 1);
}
