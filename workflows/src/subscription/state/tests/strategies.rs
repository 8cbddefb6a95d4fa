//! Another strategy is chosen: channels and pollers follow it without a gap.

use super::*;

#[test]
fn a_subscription_begins_with_the_strategy_that_it_is_given() {
    for (strategy, state) in [
        (SyncStrategy::Webhook, CalendarState::Creating),
        (SyncStrategy::Hybrid, CalendarState::Creating),
        (SyncStrategy::Polling, CalendarState::PollOnly),
    ] {
        let first = SubscriptionState::first(strategy);
        assert_eq!((first.strategy, first.state()), (strategy, state));
        assert_eq!(first.sync.pending.unwrap().reason, SyncReason::Connect, "{strategy:?}");
    }
}

#[test]
fn who_chooses_polling_has_the_channel_stopped_and_is_not_alarmed() {
    let channel_id = ChannelId::generate();
    let mut state = watched(channel_id).with_renewal_requested().in_fallback();
    state = state.after_failures(4, Some(Due::At(at(DAY_MS))));
    state = state.choosing(SyncStrategy::Polling);
    assert_eq!(state.state(), CalendarState::PollOnly);
    assert_eq!(state.detail().unwrap(), "polled by choice: no channel is opened");
    let channel = &state.channel;
    let to_stop = ChannelRef { channel_id, remote_id: Some(remote_id(channel_id)), expires_at: Some(at(7 * DAY_MS)) };
    assert_eq!(channel.to_stop, [ToStop { channel: to_stop, reason: StopReason::Superfluous, not_before: Due::Now }]);
    assert_eq!(channel.push, Push::Unwanted, "neither the channel nor what failed before is kept");
    state.receive(&notice(channel_id));
    assert!(state.sync.pending.is_some(), "until it is stopped, its notices count");
}

#[test]
fn an_attempt_that_was_under_way_when_polling_was_chosen_leaves_no_channel_and_no_ladder() {
    let timing = Timing::default();
    let begin = || SubscriptionState::quiet(SyncStrategy::Webhook).attempting().choosing(SyncStrategy::Polling);
    let (mut had, mut failed) = (begin(), begin());
    let channel_id = ChannelId::generate();
    had.channel_opened(&opened(channel_id, vec![]));
    assert_eq!(had.channel.push, Push::Unwanted);
    assert_eq!(had.channel.to_stop[0].channel.channel_id, channel_id);
    for _ in 0..5 {
        failed.channel_failed(&failure(), &timing, "cal_a", START);
    }
    assert_eq!(failed.channel.push, Push::Unwanted);
    assert_eq!((had.state(), failed.state()), (CalendarState::PollOnly, CalendarState::PollOnly));
}

#[test]
fn who_chooses_notices_again_is_polled_until_the_first_channel() {
    let mut state = SubscriptionState::first(SyncStrategy::Polling).with_poller();
    state = state.choosing(SyncStrategy::Webhook);
    assert!(state.channel.push.needs_poller());
    assert_eq!(state.state(), CalendarState::Creating);
    assert_eq!(state.detail().unwrap(), "polled until the first channel is open");
    state.channel_failed(&failure(), &Timing::default(), "cal_a", START);
    assert!(state.channel.push.needs_poller(), "one failure is no reason to stop polling");
    state.channel_opened(&opened(ChannelId::generate(), vec![]));
    assert!(!state.channel.push.needs_poller());
    assert_eq!(state.state(), CalendarState::Live);
}

#[test]
fn a_channel_is_kept_when_a_poller_is_put_beside_it_or_taken_away() {
    let mut state = watched(ChannelId::generate());
    let push = state.channel.push.clone();
    for strategy in [SyncStrategy::Hybrid, SyncStrategy::Webhook] {
        state = state.choosing(strategy);
        assert_eq!((&state.channel.push, state.channel.to_stop.len()), (&push, 0), "{strategy:?}");
        assert_eq!(state.state(), CalendarState::Live, "{strategy:?}");
    }
}

#[test]
fn the_strategy_that_it_has_changes_nothing() {
    for strategy in SyncStrategy::ALL {
        let mut state = SubscriptionState::first(strategy);
        let before = state.clone();
        state = state.choosing(strategy);
        state.account_changed(&AccountChanged::default());
        assert_eq!(state, before);
    }
}
