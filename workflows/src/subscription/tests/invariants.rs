//! What holds of a subscription after any sequence of events.

#![expect(clippy::disallowed_methods, reason = "tests make ids")]

use evercal_domain::{ChannelId, ProviderErrorKind, SyncReason, SyncStrategy, UnixMs};
use proptest::prelude::*;

use crate::contract::{AccountChanged, Cause, ChannelHint, ChannelOpened, Failure, Grant, Notify};
use crate::retry::Timing;
use crate::shared::failure::FailedCall;
use crate::subscription::channel::decide::{ChannelStep, attempt_due, next_step};
use crate::subscription::channel::progress::{OVER_MAX, TO_STOP_MAX};
use crate::subscription::{Poller, Push, RefusedCall, RunningAttempt, SubscriptionState};

const ID: &str = "cal_a";
const HOUR_MS: i64 = 3_600_000;

/// What can happen to a subscription.
#[derive(Debug, Clone)]
enum Event {
    NoticeOfLiveChannel,
    NoticeOfUnknownChannel,
    AccountChanged(AccountChanged),
    SomethingWorksAgain,
    OperatorResumes,
    ReadingWorks,
    ReadingIsRefused,
    ChannelIsSuspect,
    TimePasses { ms: i64 },
    LaneDoesItsStep,
    AttemptOpensChannel,
    AttemptExtendsChannel,
    AttemptFails(Cause),
    RunContinuesAsNew,
}

fn event() -> impl Strategy<Value = Event> {
    let grant = prop_oneof![Just(Grant::Dead), Just(Grant::Works)];
    let cause = prop_oneof![
        prop::sample::select(ProviderErrorKind::ALL.to_vec()).prop_map(Cause::Provider),
        Just(Cause::Store),
        Just(Cause::NoAnswer),
    ];
    prop_oneof![
        1 => Just(Event::NoticeOfLiveChannel),
        1 => Just(Event::NoticeOfUnknownChannel),
        1 => (prop::option::of(grant), prop::option::of(prop::sample::select(SyncStrategy::ALL.to_vec())), any::<bool>())
            .prop_map(|(grant, strategy, listed)| {
                Event::AccountChanged(AccountChanged { grant, strategy, listed, timing: None })
            }),
        1 => Just(Event::SomethingWorksAgain),
        1 => Just(Event::OperatorResumes),
        1 => Just(Event::ReadingWorks),
        1 => Just(Event::ReadingIsRefused),
        1 => Just(Event::ChannelIsSuspect),
        1 => (0..(8 * 24 * HOUR_MS)).prop_map(|ms| Event::TimePasses { ms }),
        6 => Just(Event::LaneDoesItsStep),
        2 => Just(Event::AttemptOpensChannel),
        2 => Just(Event::AttemptExtendsChannel),
        4 => cause.prop_map(Event::AttemptFails),
        1 => Just(Event::RunContinuesAsNew),
    ]
}

fn notice(channel_id: ChannelId) -> Notify {
    let hint = ChannelHint { channel_id, remote_id: None, announces_change: true };
    Notify { reason: SyncReason::Notice, notices: 1, received_at: None, channels: vec![hint], priority: None }
}

/// Does what the channel lane does, with activities that succeed. Answers whether that was more than to wait.
fn do_step(state: &mut SubscriptionState, step: ChannelStep) -> bool {
    let channel = &mut state.channel;
    match step {
        ChannelStep::StartPoller | ChannelStep::SetPollerInterval => {
            channel.poller = Poller::Runs { interval_s: Some(Timing::default().polling_interval_s) };
        }
        ChannelStep::StopPoller => channel.poller = Poller::Stopped,
        ChannelStep::Alert(alert) => channel.alert = alert,
        ChannelStep::Stop { channel: stopped, .. } => channel.mark_over(stopped.channel_id),
        ChannelStep::Attempt(_) => channel.attempt = Some(RunningAttempt::default()),
        ChannelStep::Close | ChannelStep::WaitUntil { .. } | ChannelStep::Park => return false,
    }
    true
}

fn happens(state: &mut SubscriptionState, event: Event, now: &mut UnixMs) {
    let timing = Timing::default();
    let is_attempting = state.channel.attempt.is_some();
    match event {
        Event::NoticeOfLiveChannel => {
            if let Some(live) = state.channel.push.live() {
                state.receive(&notice(live.channel_id));
            }
        }
        Event::NoticeOfUnknownChannel => state.receive(&notice(ChannelId::generate())),
        Event::AccountChanged(change) => state.account_changed(&change),
        Event::SomethingWorksAgain => state.retry_now(),
        Event::OperatorResumes => state.resume(),
        Event::ReadingWorks => state.read_works(),
        Event::ReadingIsRefused => {
            let forbidden = Failure::of(Cause::Provider(ProviderErrorKind::Forbidden));
            state.refused(RefusedCall::Reading, forbidden, &timing, *now);
        }
        Event::ChannelIsSuspect => state.channel.push.suspect(),
        Event::TimePasses { ms } => *now = now.plus_ms(ms),
        Event::LaneDoesItsStep if !is_attempting => {
            let step = next_step(state, &timing, ID, *now);
            do_step(state, step);
        }
        Event::AttemptOpensChannel if is_attempting => {
            let superseded = state.channel.push.live().cloned().map(Into::into).into_iter().collect();
            let (channel_id, expires_at) = (ChannelId::generate(), now.plus_ms(7 * 24 * HOUR_MS));
            let opened =
                ChannelOpened { channel_id, remote_id: None, opened_at: *now, expires_at, superseded, kept: false };
            state.channel_opened(&opened);
        }
        Event::AttemptExtendsChannel if is_attempting => {
            let Some(live) = state.channel.push.live().cloned() else { return };
            state.channel_opened(&ChannelOpened {
                channel_id: live.channel_id,
                remote_id: live.remote_id,
                opened_at: *now,
                expires_at: now.plus_ms(7 * 24 * HOUR_MS),
                superseded: vec![],
                kept: true,
            });
        }
        Event::AttemptFails(cause) if is_attempting => {
            state.channel_failed(&FailedCall::of(cause), &timing, ID, *now);
        }
        Event::RunContinuesAsNew if !is_attempting => {
            let carried = serde_json::to_string(state).unwrap();
            assert_eq!(serde_json::from_str::<SubscriptionState>(&carried).unwrap(), *state, "{carried}");
            *state = state.clone().in_next_run();
        }
        Event::LaneDoesItsStep
        | Event::AttemptOpensChannel
        | Event::AttemptExtendsChannel
        | Event::AttemptFails(_)
        | Event::RunContinuesAsNew => {}
    }
}

fn assert_holds(state: &SubscriptionState, now: UnixMs) {
    let (channel, watches) = (&state.channel, state.strategy.watches());
    let attempt_due = attempt_due(state, &Timing::default(), ID);
    assert!(watches || !matches!(channel.push, Push::Wanted(_)), "a channel is wanted that nobody chose");
    assert!(channel.push != Push::Unwanted || !watches, "no channel is wanted although one was chosen");
    if !watches {
        assert_eq!(
            (channel.push.live(), attempt_due),
            (None, None),
            "a channel is kept, or tried for, against the choice"
        );
    }
    if let Some(live) = channel.push.live() {
        let is_to_stop = channel.to_stop.iter().any(|entry| entry.channel.channel_id == live.channel_id);
        assert!(!is_to_stop, "the live channel is to be stopped");
    }
    assert!(channel.to_stop.len() <= TO_STOP_MAX && channel.over.len() <= OVER_MAX, "a list grows without end");
    if state.grant == Grant::Works && state.refusal.is_none() {
        let is_polled = state.strategy.polls() || channel.push.needs_poller();
        assert!(is_polled || attempt_due.is_some(), "nobody polls, and nobody opens a channel");
    }
    let mut calm = state.clone();
    let has_come_to_rest = (0..TO_STOP_MAX + 5).any(|_| {
        let step = next_step(&calm, &Timing::default(), ID, now);
        matches!(step, ChannelStep::Attempt(_)) || !do_step(&mut calm, step)
    });
    assert!(has_come_to_rest, "the lane spins");
}

proptest! {
    #[test]
    fn whatever_happens_the_channel_follows_the_choice_and_somebody_polls_or_opens_a_channel(
        first in prop::sample::select(SyncStrategy::ALL.to_vec()),
        events in prop::collection::vec(event(), 0..60),
    ) {
        let (mut state, mut now) = (SubscriptionState::first(first), UnixMs::EPOCH);
        for event in events {
            happens(&mut state, event, &mut now);
            assert_holds(&state, now);
        }
    }
}
