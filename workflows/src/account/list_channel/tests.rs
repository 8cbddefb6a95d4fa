#![expect(clippy::disallowed_methods, reason = "tests make ids")]

use super::*;

const DAY_MS: i64 = 86_400_000;

const START: UnixMs = UnixMs::EPOCH;

fn opened(at: UnixMs, superseded: Vec<ChannelRef>) -> ChannelOpened {
    ChannelOpened {
        channel_id: ChannelId::generate(),
        remote_id: Some(evercal_domain::RemoteChannelId::new("resource")),
        opened_at: at,
        expires_at: at.plus_ms(7 * DAY_MS),
        superseded,
        kept: false,
    }
}

fn next(channel: &ListChannel, now: UnixMs) -> ListChannelStep {
    channel.next_step(true, &Timing::default(), "acc_1", now)
}

/// When an attempt is repeated that failed.
fn next_at(channel: &ListChannel) -> UnixMs {
    let ListAttempts::Failed { next_at, .. } = channel.attempts else { panic!("it failed: {channel:?}") };
    next_at
}

#[test]
fn what_is_refused_whatever_the_channel_is_no_rung_of_its_ladder() {
    for cause in [Cause::ProviderOff, Cause::Provider(ProviderErrorKind::ProjectRefused)] {
        let mut channel = ListChannel::default();
        let mut now = START;
        for _ in 0..10 {
            channel.failed(&FailedCall::of(cause), &Timing::default(), "acc_1", now);
            let pause_ms = next_at(&channel).since_ms(now);
            assert!((1..=5 * 60_000).contains(&pause_ms), "{cause:?}: {pause_ms}");
            now = next_at(&channel);
        }
        channel.failed(&FailedCall::of(Cause::LifetimeTooShort), &Timing::default(), "acc_1", now);
        assert_eq!(next_at(&channel).since_ms(now), 5 * 60_000, "the first rung");
    }
}

#[test]
fn a_wait_that_the_provider_asks_for_is_kept_whatever_it_refuses() {
    let refused = Cause::Provider(ProviderErrorKind::ProjectRefused);
    let failed = FailedCall { retry_after_ms: Some(30 * 60_000), ..FailedCall::of(refused) };
    let mut channel = ListChannel::default();
    channel.failed(&failed, &Timing::default(), "acc_1", START);
    assert_eq!(next_at(&channel), START.plus_ms(30 * 60_000));
    assert_eq!(channel.asked_until(), Some(next_at(&channel)), "which people see");
}

#[test]
fn it_is_opened_at_once_and_renewed_a_day_before_it_ends_and_its_predecessor_is_stopped() {
    let mut channel = ListChannel::default();
    assert_eq!(next(&channel, START), ListChannelStep::Attempt);
    assert_eq!(channel.next_step(false, &Timing::default(), "acc_1", START), ListChannelStep::Park);
    let first = opened(START, vec![]);
    channel.opened(&first);
    let ListChannelStep::WaitUntil { at } = next(&channel, START) else { panic!("it waits") };
    assert!((5 * DAY_MS..6 * DAY_MS).contains(&at.since_ms(START)), "{at}");
    assert_eq!(next(&channel, at), ListChannelStep::Attempt);
    let old = ChannelRef { channel_id: first.channel_id, remote_id: None, expires_at: Some(first.expires_at) };
    channel.opened(&opened(at, vec![old.clone()]));
    assert_eq!(next(&channel, at), ListChannelStep::Stop { channel: old });
    channel.mark_over(first.channel_id);
    assert!(matches!(next(&channel, at), ListChannelStep::WaitUntil { .. }));
}

#[test]
fn a_failed_attempt_climbs_the_ladder_and_then_goes_on_once_an_hour() {
    let mut channel = ListChannel::default();
    let mut pauses = Vec::new();
    for _ in 0..4 {
        channel.failed(&FailedCall::of(Cause::NoAnswer), &Timing::default(), "acc_1", START);
        pauses.push(next_at(&channel).since_ms(START) / 60_000);
    }
    assert_eq!(pauses[..3], [5, 10, 20]);
    assert!((54..=66).contains(&pauses[3]), "{pauses:?}");
    let rate_limited =
        FailedCall { retry_after_ms: Some(DAY_MS), ..FailedCall::of(Cause::Provider(ProviderErrorKind::RateLimited)) };
    let mut asked = ListChannel::default();
    asked.failed(&rate_limited, &Timing::default(), "acc_1", START);
    assert_eq!(next_at(&asked), START.plus_ms(3_600_000), "an hour, until the provider repeats it");
    assert_eq!(asked.asked_until(), Some(next_at(&asked)), "which people see");
    channel.start_afresh();
    assert_eq!(next(&channel, START), ListChannelStep::Attempt, "new tokens pass the wait");
}

#[test]
fn a_channel_that_would_end_at_once_is_stopped_and_the_live_one_stays_with_its_failed_attempts() {
    let mut channel = ListChannel::default();
    let live = opened(START, vec![]);
    channel.opened(&live);
    let live_ref = ChannelRef { channel_id: live.channel_id, remote_id: None, expires_at: Some(live.expires_at) };
    for failures in 1..=2 {
        let short = ChannelOpened { expires_at: START.plus_ms(1_000), ..opened(START, vec![live_ref.clone()]) };
        channel.ends_at_once(&short, &Timing::default(), "acc_1", START);
        assert_eq!(channel.live.as_ref().unwrap().channel_id, live.channel_id);
        assert!(matches!(channel.attempts, ListAttempts::Failed { count, .. } if count == failures));
        let ListChannelStep::Stop { channel: stopped } = next(&channel, START) else { panic!("it is stopped") };
        assert_eq!(stopped.channel_id, short.channel_id);
        channel.mark_over(short.channel_id);
        assert!(
            matches!(next(&channel, START), ListChannelStep::WaitUntil { at } if at >= START.plus_ms(300_000)),
            "the ladder"
        );
    }
}

#[test]
fn a_list_that_cannot_be_watched_is_not_tried_again() {
    let mut channel = ListChannel::default();
    let unsupported = FailedCall::of(Cause::Provider(ProviderErrorKind::WatchUnsupported));
    channel.failed(&unsupported, &Timing::default(), "acc_1", START);
    assert_eq!(next(&channel, UnixMs::MAX), ListChannelStep::Park);
}

#[test]
fn a_channel_whose_end_is_put_off_stays_the_live_one_and_is_not_stopped() {
    let mut channel = ListChannel::default();
    channel.opened(&opened(START, vec![]));
    let live = channel.live.clone().unwrap();
    let later = START.plus_ms(6 * DAY_MS);
    let extended = |expires_at| ChannelOpened {
        channel_id: live.channel_id,
        remote_id: live.remote_id.clone(),
        opened_at: later,
        expires_at,
        superseded: vec![],
        kept: true,
    };
    channel.opened(&extended(later.plus_ms(7 * DAY_MS)));
    let kept = channel.live.clone().unwrap();
    assert_eq!((kept.channel_id, kept.opened_at, kept.expires_at), (live.channel_id, later, later.plus_ms(7 * DAY_MS)));
    channel.ends_at_once(&extended(later.plus_ms(1)), &Timing::default(), "acc_1", later);
    assert_eq!(channel.live.as_ref().map(|live| live.expires_at), Some(later.plus_ms(1)), "by too little");
    assert!(channel.to_stop.is_empty());
}

#[test]
fn a_notice_on_a_channel_that_nobody_knows_has_it_stopped_once() {
    let mut channel = ListChannel::default();
    channel.opened(&opened(START, vec![]));
    let hint = |channel_id| ChannelHint { channel_id, remote_id: None, announces_change: true };
    let (own, stray) = (channel.live.as_ref().unwrap().channel_id, ChannelId::generate());
    channel.receive(&hint(own));
    assert!(channel.to_stop.is_empty());
    channel.receive(&hint(stray));
    channel.receive(&hint(stray));
    assert_eq!(channel.to_stop.len(), 1);
    channel.stop_failed(stray, START);
    assert!(channel.to_stop.is_empty(), "nobody knows when it ends: its next notice names it again");
    channel.receive(&hint(stray));
    channel.mark_over(stray);
    channel.receive(&hint(stray));
    assert!(channel.to_stop.is_empty(), "its late notices cost nothing");
}
