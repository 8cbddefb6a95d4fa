//! Notices that are proven in the body of a request, many at a time, and what is done before that.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Method;
use evercal_domain::channel_token::ChannelClaim;
use evercal_domain::{CalendarId, ChannelId, LifecycleEvent, Priority, SyncReason, Watched};
use evercal_workflow_client::AccountSignal;
use evercal_workflows::contract::{ChannelHint, Lifecycle};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::played_notices::{
    BODY_BYTES_MAX, ITEMS_MAX, Item, LIFECYCLE, LONG, NOTICES, Said, body, channel_on, forged, watching,
};
use crate::support::{Call, Customer, World, eventually};
use crate::unproven::{caught_up, half_sent, status};

/// A gateway whose provider has its notices in bodies.
async fn world(answer_within: Duration) -> World {
    let mut world = World::new().await;
    world.take_notices_in_bodies(answer_within);
    world.start_quietly().await;
    world
}

/// Channels on so many calendars.
fn channels(count: usize) -> Vec<ChannelClaim> {
    (0..count).map(|_| channel_on(CalendarId::generate())).collect()
}

fn calendar_of(claim: &ChannelClaim) -> CalendarId {
    claim.watched.calendar_id().unwrap()
}

/// An item for each of these channels.
fn items(world: &World, channels: &[ChannelClaim], says: Said) -> Vec<Item> {
    channels.iter().map(|channel| world.item(*channel, says)).collect()
}

/// Why calendars were signalled, one after the other.
fn reasons(world: &World, channels: &[ChannelClaim]) -> Vec<Vec<SyncReason>> {
    let of = |claim| world.workflows.notifies(calendar_of(claim)).iter().map(|notify| notify.reason).collect();
    channels.iter().map(of).collect()
}

/// What subscriptions were told of their channels.
fn lifecycles(world: &World) -> Vec<(CalendarId, Lifecycle)> {
    let lifecycle = |call| match call {
        Call::Lifecycle(calendar, lifecycle) => Some((calendar, lifecycle)),
        _ => None,
    };
    world.workflows.calls().into_iter().filter_map(lifecycle).collect()
}

async fn connection(world: &World) -> TcpStream {
    TcpStream::connect(world.gateway.as_ref().unwrap().address()).await.unwrap()
}

/// A request with this body, of which only so many bytes are sent for now.
fn request(body: &str, sent_bytes: usize) -> String {
    let (bytes, begun) = (body.len(), &body[..sent_bytes]);
    format!("POST {NOTICES} HTTP/1.1\r\nhost: evercal\r\ncontent-length: {bytes}\r\n\r\n{begun}")
}

#[tokio::test]
async fn a_thousand_items_are_one_signal_for_each_calendar_and_those_without_proof_are_dropped_and_counted() {
    let world = world(LONG).await;
    let channels = channels(200);
    let says = |number| if number == 5 { Said::Urgent } else { Said::Routine };
    let mut items: Vec<_> =
        (0..997).map(|number| world.item(channels[number % channels.len()], says(number))).collect();
    let contradicting = Item { channel: ChannelId::generate().to_string(), ..world.item(channels[0], Said::Urgent) };
    let another = channel_on(CalendarId::generate());
    items.insert(0, forged(calendar_of(&another)));
    items.insert(500, contradicting);
    items.push(forged(calendar_of(&channels[1])));
    assert_eq!(items.len(), 1_000);
    let answer = world.send_items(&items).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (202, ""));

    let told: BTreeMap<_, _> = channels.iter().map(|claim| (calendar_of(claim), claim.channel_id)).collect();
    let calls = world.workflows.calls();
    assert_eq!(calls.len(), 200, "one for each calendar");
    let mut notices = 0;
    for call in calls {
        let Call::Notify(calendar, notify) = call else { panic!("{call:?}") };
        let hint = ChannelHint { channel_id: told[&calendar], remote_id: None, announces_change: true };
        assert_eq!((notify.reason, notify.channels), (SyncReason::Notice, vec![hint]));
        let is_urgent = calendar == calendar_of(&channels[5]);
        assert_eq!(notify.priority, Some(if is_urgent { Priority::High } else { Priority::Medium }));
        notices += notify.notices;
    }
    assert_eq!(notices, 997, "each is counted");
    let counted =
        async || (world.security_events("notice_refused").await, world.security_events("notice_contradicts").await);
    eventually(&(2, 1), counted).await;
}

#[tokio::test]
async fn those_that_could_not_be_told_are_caught_up_with_and_nobody_else() {
    // All of them, and every second one.
    for step in [1, 2] {
        let world = world(LONG).await;
        let other = world.customer().await;
        let channels = channels(200);
        let fails = |number: usize| number.is_multiple_of(step);
        let failing = || channels.iter().enumerate().filter(|(number, _)| fails(*number)).map(|(_, claim)| claim);
        world.workflows.failing.lock().unwrap().extend(failing().map(calendar_of));
        let answer = world.send_items(&items(&world, &channels, Said::Routine)).await;
        assert_eq!((answer.problem(), answer.kind().as_str()), (503, "temporal-unavailable"));
        world.workflows.failing.lock().unwrap().clear();
        let expected: Vec<_> = (0..channels.len())
            .map(|number| vec![if fails(number) { SyncReason::CatchUp } else { SyncReason::Notice }])
            .collect();
        eventually(&expected, async || reasons(&world, &channels)).await;
        world.heartbeats(10).await;
        assert_eq!(reasons(&world, &channels), expected, "each once");
        assert_eq!(caught_up(&world, other.calendar), 0);
    }
}

#[tokio::test]
async fn while_temporal_is_down_the_sender_is_asked_to_come_again() {
    let world = world(LONG).await;
    world.workflows.down.store(true, Ordering::SeqCst);
    let answer = world.send_items(&items(&world, &channels(200), Said::Routine)).await;
    assert_eq!((answer.problem(), answer.kind().as_str()), (503, "temporal-unavailable"));
}

#[tokio::test]
async fn a_sender_that_cannot_wait_for_a_slow_temporal_is_answered_in_its_time_and_what_arrives_later_is_not_caught_up()
{
    let slow = Duration::from_secs(3);
    let world = world(Duration::from_millis(300)).await;
    *world.workflows.delay.lock().unwrap() = slow;
    let channels = channels(50);
    let began = Instant::now();
    let answer = world.send_items(&items(&world, &channels, Said::Routine)).await;
    assert_eq!((answer.problem(), answer.kind().as_str()), (503, "timed-out"));
    assert!(began.elapsed() < slow, "{:?}", began.elapsed());
    *world.workflows.delay.lock().unwrap() = Duration::ZERO;
    eventually(&vec![vec![SyncReason::Notice]; 50], async || reasons(&world, &channels)).await;
    world.heartbeats(10).await;
    assert_eq!(reasons(&world, &channels), vec![vec![SyncReason::Notice]; 50]);
}

#[tokio::test]
async fn a_request_without_a_single_proof_is_answered_like_any_other_and_does_nothing() {
    let mut world = World::new().await;
    world.take_notices_in_bodies(LONG);
    // It takes no place of those who have proven something.
    world.config.limits.notices_max = 0;
    world.start_quietly().await;
    let customer = world.customer().await;
    assert_eq!(world.send_items(&[forged(customer.calendar), forged(customer.calendar)]).await.status, 202);
    assert_eq!(world.send_items(&[]).await.status, 202);
    eventually(&2, async || world.security_events("notice_refused").await).await;
    world.heartbeats(10).await;
    assert_eq!(world.workflows.calls(), []);
}

#[tokio::test]
async fn a_full_gateway_refuses_what_a_body_has_proven_and_catches_up_with_it_alone() {
    let mut world = World::new().await;
    world.take_notices_in_bodies(LONG);
    world.config.limits.notices_max = 0;
    world.start_quietly().await;
    let other = world.customer().await;
    let channels = channels(3);
    let answer = world.send_items(&items(&world, &channels, Said::Routine)).await;
    assert_eq!((answer.problem(), answer.kind().as_str()), (503, "overloaded"));
    eventually(&vec![vec![SyncReason::CatchUp]; 3], async || reasons(&world, &channels)).await;
    world.heartbeats(10).await;
    assert_eq!(caught_up(&world, other.calendar), 0);
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_as_a_whole_by_what_is_wrong_with_it() {
    let world = world(LONG).await;
    let channels = channels(2);
    let one = items(&world, &channels[..1], Said::Routine);
    let many = vec![one[0].clone(); ITEMS_MAX + 1];
    let huge = "x".repeat(10 * BODY_BYTES_MAX);
    for (body, expected) in [
        ("{\"not\": \"a list\"}".to_owned(), (400, "malformed-notice")),
        ("no JSON".to_owned(), (400, "malformed-notice")),
        (String::new(), (400, "malformed-notice")),
        (body(&many), (413, "body-too-large")),
        (huge, (413, "body-too-large")),
    ] {
        let answer = world.send(Method::POST, NOTICES, &[], Body::from(body)).await;
        assert_eq!((answer.problem(), answer.kind().as_str()), expected, "{answer:?}");
    }
    assert_eq!(world.workflows.calls(), []);
    eventually(&4, async || world.security_events("notice_refused").await).await;
    assert_eq!(world.send_items(&many[..ITEMS_MAX]).await.status, 202, "and the gateway goes on");
    let [notify] = world.workflows.notifies(calendar_of(&channels[0])).try_into().unwrap();
    assert_eq!((notify.notices as usize, notify.channels.len()), (ITEMS_MAX, 1));
}

#[tokio::test]
async fn a_body_that_does_not_come_to_its_end_in_time_is_turned_away_and_signals_nothing_of_what_it_has() {
    let world = world(Duration::from_millis(200)).await;
    let customer = world.customer().await;
    let body = body(&items(&world, &[channel_on(customer.calendar)], Said::Urgent));
    let mut stream = connection(&world).await;
    stream.write_all(request(&body, body.len() - 1).as_bytes()).await.unwrap();
    assert_eq!(status(&mut stream).await, "HTTP/1.1 503 Service Unavailable");
    // It may have brought something, about whomever.
    eventually(&1, async || caught_up(&world, customer.calendar)).await;
    assert_eq!(world.workflows.notifies(customer.calendar).len(), 1);
    assert_eq!(world.security_events("notice_refused").await, 0);
}

#[tokio::test]
async fn a_flood_of_bodies_that_never_end_keeps_no_proven_notice_away_and_is_over_when_its_senders_are_gone() {
    let mut world = World::new().await;
    world.take_notices_in_bodies(LONG);
    // Room for four.
    world.config.limits.unproven_body_bytes_max = 64 * 1024;
    world.config.limits.notices_max = 1;
    world.start_quietly().await;
    let customer = world.customer().await;
    let mut senders = Vec::new();
    for _ in 0..50 {
        senders.push(half_sent(&world, &[]).await);
    }
    assert_eq!(world.send_notice(&world.notice(customer.calendar, "exists")).await.status, 204);
    let in_body = items(&world, &[channel_on(customer.calendar)], Said::Routine);
    let sent = async || world.send_items(&in_body).await.status.as_u16();
    eventually(&503, sent).await;
    drop(senders);
    eventually(&202, sent).await;
    // Those who were turned away may have brought something: one catch-up for all of them.
    eventually(&1, async || caught_up(&world, customer.calendar)).await;
}

#[tokio::test]
async fn what_is_said_of_a_channel_is_told_to_its_subscription_once() {
    let world = world(LONG).await;
    let channels = channels(2);
    let said = [
        world.item(channels[0], Said::Removed),
        world.item(channels[1], Said::NoticesLost),
        world.item(channels[0], Said::Removed),
        world.item(channels[0], Said::SomethingNew),
    ];
    let answer = world.send(Method::POST, LIFECYCLE, &[], Body::from(body(&said))).await;
    assert_eq!(answer.status, 202);
    let mut expected: Vec<_> = [(channels[0], LifecycleEvent::Removed), (channels[1], LifecycleEvent::NoticesLost)]
        .map(|(claim, event)| {
            let hint = ChannelHint { channel_id: claim.channel_id, remote_id: None, announces_change: false };
            (calendar_of(&claim), Lifecycle { event, channel: Some(hint) })
        })
        .into();
    let mut told = lifecycles(&world);
    expected.sort_by_key(|(calendar, _)| *calendar);
    told.sort_by_key(|(calendar, _)| *calendar);
    assert_eq!(told, expected);
    assert_eq!(world.workflows.calls().len(), 2, "nothing else");
}

#[tokio::test]
async fn what_is_said_of_a_channel_and_cannot_be_told_is_caught_up_with_and_a_missing_subscription_is_reported() {
    let world = world(LONG).await;
    let (failing, missing) = (world.customer().await, world.customer().await);
    world.workflows.failing.lock().unwrap().insert(failing.calendar);
    world.workflows.missing.lock().unwrap().insert(missing.calendar);
    let of = |customer: &Customer| {
        let (account_id, calendar_id) = (customer.account, customer.calendar);
        watching(Watched::Calendar { account_id, calendar_id })
    };
    let said = items(&world, &[of(&failing), of(&missing)], Said::Removed);
    assert_eq!(world.send_items(&said).await.problem(), 503);
    let report = Call::Signal(missing.account, AccountSignal::SubscriptionMissing(missing.calendar));
    assert!(world.workflows.calls().contains(&report));
    world.workflows.failing.lock().unwrap().clear();
    eventually(&1, async || caught_up(&world, failing.calendar)).await;
    world.heartbeats(10).await;
    assert_eq!((caught_up(&world, missing.calendar), lifecycles(&world)), (0, vec![]));
}

#[tokio::test]
async fn an_account_hears_once_that_its_list_of_calendars_changed_and_is_caught_up_with_where_it_cannot() {
    let world = world(LONG).await;
    let (reached, unreachable) = (world.customer().await, world.customer().await);
    world.workflows.failing_accounts.lock().unwrap().insert(unreachable.account);
    let list = |customer: &Customer| watching(Watched::CalendarList { account_id: customer.account });
    let channels = [list(&reached), list(&unreachable), list(&reached)];
    assert_eq!(world.send_items(&items(&world, &channels, Said::Routine)).await.problem(), 503);
    let hint = ChannelHint { channel_id: channels[0].channel_id, remote_id: None, announces_change: true };
    assert_eq!(world.workflows.calls(), [Call::Signal(reached.account, AccountSignal::ListChanged(hint))]);
    world.workflows.failing_accounts.lock().unwrap().clear();
    let caught_up = Call::Signal(unreachable.account, AccountSignal::ListMayHaveChanged);
    eventually(&true, async || world.workflows.calls().contains(&caught_up)).await;
}

#[tokio::test]
async fn what_was_not_told_when_the_sender_goes_away_is_caught_up_with_and_what_is_on_its_way_arrives() {
    let world = world(LONG).await;
    let customers = [world.customer().await, world.customer().await, world.customer().await];
    let [changed, removed, other] = customers.each_ref().map(|customer| channel_on(customer.calendar));
    let said = body(&[world.item(changed, Said::Urgent), world.item(removed, Said::Removed)]);
    *world.workflows.delay.lock().unwrap() = Duration::from_secs(1);
    let mut stream = connection(&world).await;
    stream.write_all(request(&said, said.len()).as_bytes()).await.unwrap();
    eventually(&2, async || world.workflows.reached_by.load(Ordering::SeqCst)).await;
    *world.workflows.delay.lock().unwrap() = Duration::ZERO;
    drop(stream);
    let expected = [vec![SyncReason::Notice], vec![SyncReason::CatchUp], vec![]].to_vec();
    eventually(&expected, async || reasons(&world, &[changed, removed, other])).await;
    world.heartbeats(10).await;
    assert_eq!(reasons(&world, &[changed, removed, other]), expected);
    assert_eq!(lifecycles(&world), [], "its signal was given up");
}

/// Reads an answer without a body to its end; its status line.
async fn answer(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let byte = tokio::time::timeout(Duration::from_secs(20), stream.read_u8()).await;
        answer.push(byte.expect("no answer").unwrap());
    }
    String::from_utf8(answer).unwrap().lines().next().unwrap().to_owned()
}

#[tokio::test]
async fn a_connection_is_kept_for_what_a_body_has_proven_and_not_for_what_it_has_not() {
    let mut world = World::new().await;
    world.take_notices_in_bodies(LONG);
    world.config.limits.connections_per_peer_max = std::num::NonZeroUsize::new(2);
    world.start_quietly().await;
    let genuine = body(&items(&world, &channels(1), Said::Routine));
    let forged = body(&[forged(CalendarId::generate())]);
    // Each has an answer, and is in the middle of its next request; the one with a proof has been so for longer.
    let (mut proven, mut unproven) = (connection(&world).await, connection(&world).await);
    for (stream, body) in [(&mut proven, &genuine), (&mut unproven, &forged)] {
        stream.write_all(request(body, body.len()).as_bytes()).await.unwrap();
        assert_eq!(answer(stream).await, "HTTP/1.1 202 Accepted");
        stream.write_all(request(body, 1).as_bytes()).await.unwrap();
    }
    let served = async || {
        let mut further = connection(&world).await;
        // One that is turned away may be closed already.
        let _closed = further.write_all(b"GET /health/live HTTP/1.1\r\nhost: evercal\r\n\r\n").await;
        let mut start = [0; 12];
        further.read_exact(&mut start).await.is_ok_and(|_| start == *b"HTTP/1.1 200")
    };
    eventually(&true, served).await;
    let mut byte = [0];
    let closed = tokio::time::timeout(Duration::from_secs(20), unproven.read(&mut byte)).await.expect("still open");
    assert!(matches!(closed, Ok(0) | Err(_)), "made room: {closed:?}");
    proven.write_all(&genuine.as_bytes()[1..]).await.unwrap();
    assert_eq!(answer(&mut proven).await, "HTTP/1.1 202 Accepted");
}
