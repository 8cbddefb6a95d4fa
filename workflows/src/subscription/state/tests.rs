use super::*;

const DAY_MS: i64 = 24 * 3_600_000;

fn hint(channel_id: ChannelId) -> ChannelHint {
    ChannelHint { channel_id, resource_id: Some("r".into()), announces_change: true }
}

fn notice(channel_id: ChannelId) -> Notify {
    Notify { reason: SyncReason::Notice, notices: 1, received_at_ms: 5, channels: vec![hint(channel_id)] }
}

fn opened(channel_id: ChannelId, superseded: Vec<ChannelRef>) -> ChannelOpened {
    ChannelOpened { channel_id, resource_id: "r".into(), opened_at_ms: 0, expires_at_ms: 7 * DAY_MS, superseded }
}

/// Watched by a channel, with nothing pending.
fn watched(channel_id: ChannelId) -> SubscriptionState {
    let mut state = SubscriptionState::default();
    state.channel_opened(&opened(channel_id, vec![]));
    state.sync.pending = None;
    state
}

#[test]
fn a_notice_of_the_live_channel_is_a_reason_to_sync() {
    let channel_id = ChannelId::generate();
    let mut state = watched(channel_id);
    state.receive(&notice(channel_id));
    let pending = state.sync.pending.unwrap();
    assert_eq!((pending.reason, pending.notices, pending.received_at_ms), (SyncReason::Notice, 1, 5));
}

#[test]
fn a_sync_message_announces_nothing() {
    let channel_id = ChannelId::generate();
    let mut state = watched(channel_id);
    let mut sync_message = notice(channel_id);
    sync_message.channels[0].announces_change = false;
    state.receive(&sync_message);
    assert_eq!(state.sync.pending, None);
}

#[test]
fn a_notice_of_an_unknown_channel_counts_nothing_and_has_the_channel_stopped_once() {
    let mut state = watched(ChannelId::generate());
    let stray = ChannelId::generate();
    for _ in 0..3 {
        state.receive(&notice(stray));
    }
    assert_eq!(state.sync.pending, None);
    assert_eq!(state.channel.to_stop.len(), 1);
    assert!(state.channel.to_stop[0].stray);
    state.channel.settled(stray);
    state.receive(&notice(stray));
    assert!(state.channel.to_stop.is_empty(), "it is remembered as over");
}

#[test]
fn while_a_channel_is_being_opened_a_notice_of_an_unknown_one_counts_and_is_sorted_afterwards() {
    let (new, stray) = (ChannelId::generate(), ChannelId::generate());
    let mut state = SubscriptionState::default();
    state.channel.attempting = true;
    state.receive(&notice(new));
    state.receive(&notice(stray));
    assert!(state.sync.pending.is_some(), "it may be the one that is being made");
    state.channel_opened(&opened(new, vec![]));
    let strays: Vec<ChannelId> = state.channel.to_stop.iter().map(|entry| entry.channel.channel_id).collect();
    assert_eq!(strays, [stray]);
}

#[test]
fn an_old_channel_counts_until_it_is_stopped() {
    let (old, new) = (ChannelId::generate(), ChannelId::generate());
    let mut state = watched(old);
    let superseded = ChannelRef { channel_id: old, resource_id: None, expires_at_ms: DAY_MS };
    state.channel_opened(&opened(new, vec![superseded]));
    state.sync.pending = None;
    state.receive(&notice(old));
    assert!(state.sync.pending.is_some(), "both overlap: nothing may be lost in between");
    state.channel.settled(old);
    state.sync.pending = None;
    state.receive(&notice(old));
    assert_eq!(state.sync.pending, None);
}

#[test]
fn lists_of_channels_do_not_grow_without_end() {
    let mut state = watched(ChannelId::generate());
    for _ in 0..10 * TO_STOP_MAX {
        state.receive(&notice(ChannelId::generate()));
    }
    assert_eq!(state.channel.to_stop.len(), TO_STOP_MAX);
    for _ in 0..10 * OVER_MAX {
        state.channel.settled(ChannelId::generate());
    }
    assert_eq!(state.channel.over.len(), OVER_MAX);
}

#[test]
fn a_channel_that_cannot_be_stopped_is_tried_again_until_its_end() {
    let (old, new) = (ChannelId::generate(), ChannelId::generate());
    let mut state = watched(old);
    let superseded = ChannelRef { channel_id: old, resource_id: None, expires_at_ms: DAY_MS };
    state.channel_opened(&opened(new, vec![superseded]));
    state.channel.stop_later(old, DAY_MS - 1);
    assert_eq!(state.channel.to_stop[0].not_before_ms, DAY_MS - 1);
    state.channel.stop_later(old, DAY_MS);
    assert!(state.channel.to_stop.is_empty(), "by then it has run out");
}

#[test]
fn a_new_channel_always_queues_one_sync() {
    let mut state = SubscriptionState::default();
    state.channel_opened(&opened(ChannelId::generate(), vec![]));
    assert_eq!(state.sync.pending.unwrap().reason, SyncReason::NewChannel);
}

#[test]
fn a_grant_that_works_again_renews_reads_and_stops_what_could_not_be_stopped() {
    let mut state = watched(ChannelId::generate());
    state.receive(&notice(ChannelId::generate()));
    state.channel.to_stop[0].not_before_ms = DAY_MS;
    state.account_changed(&AccountChanged { needs_reauth: Some(true), timing: None });
    assert_eq!(state.state(), CalendarState::NeedsReauth);
    state.account_changed(&AccountChanged { needs_reauth: Some(false), timing: None });
    assert_eq!(state.state(), CalendarState::Live);
    assert!(state.channel.renew_requested);
    assert_eq!(state.channel.to_stop[0].not_before_ms, 0);
    assert_eq!(state.sync.pending.unwrap().reason, SyncReason::CatchUp);
}

#[test]
fn a_grant_that_always_worked_changes_nothing() {
    let mut state = watched(ChannelId::generate());
    let before = state.clone();
    state.account_changed(&AccountChanged { needs_reauth: Some(false), timing: None });
    state.account_changed(&AccountChanged::default());
    assert_eq!(state, before);
}

#[test]
fn failures_lead_from_renewing_to_polling_and_a_channel_leads_back() {
    let timing = Timing::default();
    let mut state = watched(ChannelId::generate());
    let failure = FailedCall { kind: Some(ProviderErrorKind::TemporaryFailure), wait_ms: 0 };
    for _ in 0..3 {
        state.channel_failed(failure, &timing, "cal_a", 6 * DAY_MS);
        assert_eq!(state.state(), CalendarState::Renewing);
    }
    state.channel_failed(failure, &timing, "cal_a", 6 * DAY_MS);
    assert_eq!(state.state(), CalendarState::Polling);
    assert!(state.channel.live.is_some(), "what still lives goes on bringing notices");
    state.channel_failed(failure, &timing, "cal_a", 8 * DAY_MS);
    assert!(state.channel.live.is_none(), "and is forgotten at its end");
    state.channel_opened(&opened(ChannelId::generate(), vec![]));
    assert_eq!(state.state(), CalendarState::Live);
    assert_eq!((state.channel.failures, state.channel.next_attempt_at_ms), (0, None));
}

#[test]
fn an_operator_resumes_from_a_pause_and_from_what_needed_action() {
    let mut state = watched(ChannelId::generate());
    state.paused = true;
    assert!(state.reading_is_blocked());
    state.action_required = true;
    state.resume();
    assert!(!state.reading_is_blocked());
    assert_eq!(state.sync.pending.unwrap().reason, SyncReason::Operator);
}

#[test]
fn what_is_merged_keeps_the_most_urgent_reason_the_first_arrival_and_what_was_done() {
    let mut sync = SyncProgress::default();
    sync.add(SyncReason::Reconcile, 0, 0);
    sync.add(SyncReason::Notice, 3, 70);
    sync.add(SyncReason::Notice, 2, 50);
    let so_far = SyncCounts { started_at_ms: 9, pages: 2, ..SyncCounts::default() };
    sync.merge(PendingSync { reason: SyncReason::Connect, notices: 0, received_at_ms: 0, so_far });
    let pending = sync.pending.unwrap();
    assert_eq!((pending.reason, pending.notices, pending.received_at_ms), (SyncReason::Notice, 5, 50));
    assert_eq!(pending.so_far, so_far);
}

#[test]
fn the_state_of_an_older_version_reads_with_defaults() {
    let state: SubscriptionState = serde_json::from_str("{}").unwrap();
    assert_eq!(state, SubscriptionState::default());
}
