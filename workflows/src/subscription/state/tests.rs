#![expect(clippy::disallowed_methods, reason = "tests make ids")]

use evercal_domain::{ChannelId, Priority, RemoteChannelId};

use super::*;
use crate::contract::{ChannelHint, ChannelRef};
use crate::shared::waits::Wait;
use crate::subscription::PendingSync;
use crate::subscription::channel::ToStop;
use crate::subscription::channel::progress::{OVER_MAX, TO_STOP_MAX};

mod strategies;

const DAY_MS: i64 = 24 * 3_600_000;
const START: UnixMs = UnixMs::EPOCH;

fn at(ms: i64) -> UnixMs {
    UnixMs::new(ms)
}

/// What the provider calls a channel: each another name.
fn remote_id(channel_id: ChannelId) -> RemoteChannelId {
    RemoteChannelId::new(format!("{channel_id} r"))
}

fn hint(channel_id: ChannelId) -> ChannelHint {
    ChannelHint { channel_id, remote_id: Some(remote_id(channel_id)), announces_change: true }
}

fn notice(channel_id: ChannelId) -> Notify {
    Notify {
        reason: SyncReason::Notice,
        notices: 1,
        received_at: Some(at(5)),
        channels: vec![hint(channel_id)],
        priority: None,
    }
}

fn opened(channel_id: ChannelId, superseded: Vec<ChannelRef>) -> ChannelOpened {
    ChannelOpened {
        channel_id,
        remote_id: Some(remote_id(channel_id)),
        opened_at: START,
        expires_at: at(7 * DAY_MS),
        superseded,
        kept: false,
    }
}

fn grant_is(grant: Grant) -> AccountChanged {
    AccountChanged { grant: Some(grant), ..AccountChanged::default() }
}

fn forbidden() -> Failure {
    Failure::of(Cause::Provider(ProviderErrorKind::Forbidden))
}

fn failure() -> FailedCall {
    FailedCall::of(Cause::Provider(ProviderErrorKind::TemporaryFailure))
}

/// When the next attempt at a channel is due.
fn attempt_due(state: &SubscriptionState) -> Option<Due> {
    crate::subscription::channel::decide::attempt_due(state, &Timing::default(), "cal_a")
}

/// Watched by a channel, with nothing pending.
fn watched(channel_id: ChannelId) -> SubscriptionState {
    let mut state = SubscriptionState::quiet(SyncStrategy::Webhook);
    state.channel_opened(&opened(channel_id, vec![]));
    state.sync.pending = None;
    state
}

#[test]
fn a_subscription_whose_row_is_gone_from_the_store_ends_unless_it_comes_back_soon() {
    let timing = Timing { failed_sync_pause_s: 900, ..Timing::default() };
    let mut state = SubscriptionState::first(SyncStrategy::Webhook);
    for (now_ms, ends) in [(5, false), (900_004, false), (900_005, true)] {
        state.row_missing(&timing, at(now_ms));
        assert_eq!(!state.life.is_open(), ends, "{now_ms}");
    }
    assert_eq!(state.life.ending_reason(), Some("the store has no such calendar any more"));
}

#[test]
fn a_notice_of_the_live_channel_is_a_reason_to_sync() {
    let channel_id = ChannelId::generate();
    let mut state = watched(channel_id);
    state.receive(&notice(channel_id));
    let pending = state.sync.pending.unwrap();
    assert_eq!((pending.reason, pending.notices, pending.received_at), (SyncReason::Notice, 1, Some(at(5))));
}

#[test]
fn a_notice_is_as_urgent_as_its_provider_says_and_the_most_urgent_counts() {
    let channel_id = ChannelId::generate();
    let mut state = watched(channel_id);
    let said = |priority| Notify { priority, ..notice(channel_id) };
    let urgency = |state: &SubscriptionState| state.sync.pending.as_ref().unwrap().priority;
    state.receive(&said(Some(Priority::Medium)));
    assert_eq!(urgency(&state), Priority::Medium);
    state.receive(&said(Some(Priority::High)));
    state.receive(&said(Some(Priority::Medium)));
    assert_eq!(urgency(&state), Priority::High);
    state.sync.pending = None;
    state.receive(&said(None));
    assert_eq!(urgency(&state), Priority::High, "where it does not tell them apart");
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
    assert_eq!(state.channel.to_stop[0].reason, StopReason::Stray);
    state.channel.mark_over(stray);
    state.receive(&notice(stray));
    assert!(state.channel.to_stop.is_empty(), "it is remembered as over");
}

#[test]
fn while_a_channel_is_being_opened_a_notice_of_an_unknown_one_counts_and_is_sorted_afterwards() {
    let (new, stray) = (ChannelId::generate(), ChannelId::generate());
    let mut state = SubscriptionState::quiet(SyncStrategy::Webhook).attempting();
    state.receive(&notice(new));
    state.receive(&notice(stray));
    assert!(state.sync.pending.is_some(), "it may be the one that is being made");
    state.channel_opened(&opened(new, vec![]));
    let strays: Vec<ChannelId> = state.channel.to_stop.iter().map(|entry| entry.channel.channel_id).collect();
    assert_eq!(strays, [stray]);
}

#[test]
fn a_channel_whose_end_is_put_off_is_the_same_one_and_nothing_has_to_be_read() {
    let channel_id = ChannelId::generate();
    let mut state = watched(channel_id);
    let (later, expires_at) = (at(6 * DAY_MS), at(13 * DAY_MS));
    let mut extended = ChannelOpened { opened_at: later, expires_at, kept: true, ..opened(channel_id, vec![]) };
    state.channel_opened(&extended);
    let live = state.channel.push.live().cloned().unwrap();
    assert_eq!((live.channel_id, live.opened_at, live.expires_at), (channel_id, later, expires_at));
    assert_eq!((&state.sync.pending, state.state()), (&None, CalendarState::Live));

    extended.expires_at = later.plus_ms(1);
    state.channel_ends_at_once(&extended, &Timing::default(), "cal_a", later);
    assert_eq!(state.channel.push.live().map(|live| live.expires_at), Some(later.plus_ms(1)), "by too little");
    assert_eq!(state.channel.to_stop, [], "and nobody stops the channel that is left");
    assert_eq!(state.state(), CalendarState::Renewing);
}

#[test]
fn a_channel_that_became_suspect_or_unwanted_while_its_end_was_put_off_is_not_what_it_was() {
    let channel_id = ChannelId::generate();
    let extended = ChannelOpened { expires_at: at(13 * DAY_MS), kept: true, ..opened(channel_id, vec![]) };
    let mut suspect = watched(channel_id).attempting().with_renewal_requested();
    suspect.channel_opened(&extended);
    assert_eq!(attempt_due(&suspect), Some(Due::Now), "it is replaced");

    let mut unwanted = watched(channel_id).attempting().choosing(SyncStrategy::Polling);
    unwanted.channel_opened(&extended);
    assert_eq!((unwanted.channel.push.live(), unwanted.channel.to_stop.len()), (None, 1));

    let back = watched(channel_id).attempting().choosing(SyncStrategy::Polling);
    let mut back = back.choosing(SyncStrategy::Webhook);
    back.channel_opened(&extended);
    assert!(back.channel.push.live().is_some() && back.channel.to_stop.is_empty(), "wanted again, it is not stopped");
}

#[test]
fn a_notice_is_of_the_channel_that_the_provider_names_whatever_our_id_says() {
    let channel_id = ChannelId::generate();
    let mut state = watched(channel_id);
    // Its creation was asked for twice, under two ids of ours, and the provider answered with what it had made the first time.
    let mut notice = notice(ChannelId::generate());
    notice.channels[0].remote_id = Some(remote_id(channel_id));
    state.receive(&notice);
    assert!(state.sync.pending.take().is_some() && state.channel.to_stop.is_empty());
    // And a second one that it made under one id of ours is another.
    notice.channels[0] = ChannelHint { remote_id: Some(RemoteChannelId::new("twin")), ..hint(channel_id) };
    state.receive(&notice);
    assert_eq!((state.sync.pending, state.channel.to_stop.len()), (None, 1));
}

#[test]
fn an_old_channel_counts_until_it_is_stopped() {
    let (old, new) = (ChannelId::generate(), ChannelId::generate());
    let mut state = watched(old);
    let superseded = ChannelRef { channel_id: old, remote_id: None, expires_at: Some(at(DAY_MS)) };
    state.channel_opened(&opened(new, vec![superseded]));
    state.sync.pending = None;
    state.receive(&notice(old));
    assert!(state.sync.pending.is_some(), "both overlap: nothing may be lost in between");
    state.channel.mark_over(old);
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
        state.channel.mark_over(ChannelId::generate());
    }
    assert_eq!(state.channel.over.len(), OVER_MAX);
}

#[test]
fn a_channel_that_cannot_be_stopped_is_tried_again_until_its_end() {
    let (old, new) = (ChannelId::generate(), ChannelId::generate());
    let mut state = watched(old);
    let superseded = ChannelRef { channel_id: old, remote_id: None, expires_at: Some(at(DAY_MS)) };
    state.channel_opened(&opened(new, vec![superseded]));
    state.sync.pending = None;
    state.stop_failed(old, None, at(DAY_MS - 1));
    assert_eq!(state.channel.to_stop[0].not_before, Due::At(at(DAY_MS - 1)));
    state.stop_failed(old, None, at(DAY_MS));
    assert_eq!(state.sync.pending, None, "its notices counted all the time");
    assert!(state.channel.to_stop.is_empty(), "by then it has run out");
}

#[test]
fn a_stray_that_cannot_be_stopped_is_read_for_and_named_again_by_its_next_notice() {
    let mut state = watched(ChannelId::generate());
    let stray = ChannelId::generate();
    for _ in 0..2 {
        state.receive(&notice(stray));
        assert_eq!((state.channel.to_stop.len(), &state.sync.pending), (1, &None));
        state.stop_failed(stray, Some(ProviderErrorKind::TemporaryFailure), at(DAY_MS));
        assert_eq!((state.channel.to_stop.len(), state.channel.over.len()), (0, 0));
        assert_eq!(state.sync.pending.take().unwrap().reason, SyncReason::Notice, "its notice may be a real one");
    }
}

#[test]
fn a_stray_that_cannot_be_stopped_with_a_dead_grant_is_kept_until_the_grant_works() {
    let mut state = watched(ChannelId::generate());
    let stray = ChannelId::generate();
    state.receive(&notice(stray));
    state.stop_failed(stray, Some(ProviderErrorKind::GrantRevoked), at(DAY_MS));
    let entry = &state.channel.to_stop[0];
    assert_eq!((entry.channel.channel_id, entry.not_before), (stray, Due::At(at(DAY_MS))));
    assert_eq!(state.sync.pending, None);
}

#[test]
fn a_channel_that_ends_at_once_is_a_failed_attempt_and_leaves_the_live_one_in_place() {
    let (live, short) = (ChannelId::generate(), ChannelId::generate());
    let timing = Timing::default();
    let mut state = watched(live);
    let superseded = ChannelRef { channel_id: live, remote_id: None, expires_at: Some(at(7 * DAY_MS)) };
    let granted = ChannelOpened { expires_at: at(1), ..opened(short, vec![superseded]) };
    for _ in 0..4 {
        state.channel_ends_at_once(&granted, &timing, "cal_a", at(6 * DAY_MS));
    }
    assert_eq!(state.state(), CalendarState::Polling, "up the ladder like any other failure");
    assert_eq!(state.detail().unwrap(), "no channel could be opened (lifetime_too_short); polling meanwhile");
    assert_eq!(state.channel.push.live().unwrap().channel_id, live);
    let to_stop: Vec<ChannelId> = state.channel.to_stop.iter().map(|entry| entry.channel.channel_id).collect();
    assert_eq!(to_stop, [short]);
}

#[test]
fn a_new_channel_always_queues_one_sync() {
    let mut state = SubscriptionState::quiet(SyncStrategy::Webhook);
    state.channel_opened(&opened(ChannelId::generate(), vec![]));
    assert_eq!(state.sync.pending.unwrap().reason, SyncReason::NewChannel);
}

#[test]
fn a_grant_that_works_again_renews_reads_and_stops_what_could_not_be_stopped() {
    let mut state = watched(ChannelId::generate());
    state.receive(&notice(ChannelId::generate()));
    state.channel.to_stop[0].not_before = Due::At(at(DAY_MS));
    state.account_changed(&grant_is(Grant::Dead));
    assert_eq!(state.state(), CalendarState::NeedsReauth);
    state.account_changed(&grant_is(Grant::Works));
    assert_eq!(state.state(), CalendarState::Live);
    assert_eq!(attempt_due(&state), Some(Due::Now), "it is renewed");
    assert_eq!(state.channel.to_stop[0].not_before, Due::Now);
    assert_eq!(state.sync.pending.unwrap().reason, SyncReason::CatchUp);
}

#[test]
fn a_grant_that_always_worked_changes_nothing() {
    let mut state = watched(ChannelId::generate());
    let before = state.clone();
    state.account_changed(&grant_is(Grant::Works));
    state.account_changed(&AccountChanged::default());
    assert_eq!(state, before);
}

#[test]
fn failures_lead_from_renewing_to_polling_and_a_channel_leads_back() {
    let timing = Timing::default();
    let mut state = watched(ChannelId::generate());
    for _ in 0..3 {
        state.channel_failed(&failure(), &timing, "cal_a", at(6 * DAY_MS));
        assert_eq!(state.state(), CalendarState::Renewing);
    }
    state.channel_failed(&failure(), &timing, "cal_a", at(6 * DAY_MS));
    assert_eq!(state.state(), CalendarState::Polling);
    assert!(state.channel.push.live().is_some(), "what still lives goes on bringing notices");
    state.channel_failed(&failure(), &timing, "cal_a", at(8 * DAY_MS));
    assert!(state.channel.push.live().is_none(), "and is forgotten at its end");
    state.channel_opened(&opened(ChannelId::generate(), vec![]));
    assert_eq!(state.state(), CalendarState::Live);
    assert_eq!((state.channel.push.failed(), state.channel.push.repeated_at()), (None, None));
}

#[test]
fn an_operator_resumes_from_a_pause_and_from_what_needed_action() {
    let mut state = watched(ChannelId::generate());
    state.paused = true;
    assert!(state.reading_is_blocked());
    state.refused(RefusedCall::Reading, forbidden(), &Timing::default(), START);
    state.resume();
    assert!(!state.reading_is_blocked());
    assert_eq!(state.sync.pending.unwrap().reason, SyncReason::Operator);
}

#[test]
fn a_calendar_that_is_listed_is_tried_again_where_it_needed_action_and_is_left_alone_elsewhere() {
    let listed = AccountChanged { listed: true, ..AccountChanged::default() };
    let mut state = watched(ChannelId::generate());
    let before = state.clone();
    state.account_changed(&listed);
    assert_eq!(state.sync.pending.take().unwrap().reason, SyncReason::CatchUp, "it may be seen otherwise");
    assert_eq!(state, before, "and nothing else was wrong");
    state.paused = true;
    state.refused(
        RefusedCall::Reading,
        Failure::of(Cause::Provider(ProviderErrorKind::NotFound)),
        &Timing::default(),
        START,
    );
    state.account_changed(&listed);
    assert!(state.refusal.as_ref().unwrap().trying, "it stays refused until the provider answers");
    assert_eq!(state.sync.pending.as_ref().unwrap().reason, SyncReason::CatchUp);
    assert_eq!(state.state(), CalendarState::ActionRequired);
    state.read_works();
    assert_eq!(attempt_due(&state), Some(Due::Now), "the old channel may be gone with the access");
    assert_eq!(state.state(), CalendarState::Paused, "what an operator paused stays so");
}

#[test]
fn a_refused_calendar_says_what_was_refused_and_when_it_is_tried_again_and_a_person_may_try_before() {
    let timing = Timing::default();
    let mut state = watched(ChannelId::generate());
    let named = Failure { reason: Some("requiredAccessLevel".into()), ..forbidden() };
    state.refused(RefusedCall::Reading, named, &timing, START);
    assert_eq!(
        state.detail().unwrap(),
        "the provider refuses to read this calendar (forbidden: requiredAccessLevel): check its sharing; tried again at \
         1970-01-01 00:15 UTC"
    );
    assert!(state.reading_is_blocked());
    assert_eq!(state.sync.reconcile_due, None, "the first reconcile is due in any case");
    state.sync_asked();
    assert!(!state.reading_is_blocked());
    state.refused(RefusedCall::Reading, forbidden(), &timing, START);
    assert_eq!(state.refusal.unwrap().next_try_at, at(30 * 60_000), "each time after twice the pause");
}

#[test]
fn what_waits_for_the_provider_to_work_again_waits_no_longer_when_it_does() {
    let timing = Timing::default();
    let mut state = watched(ChannelId::generate());
    state.channel_failed(&failure(), &timing, "cal_a", at(6 * DAY_MS));
    assert!(state.channel.push.repeated_at().unwrap() > Due::At(at(6 * DAY_MS)));
    state.sync.failed = Some(PendingSync::of(SyncReason::Notice, 1, None));
    state.sync.reconcile_due = Some(Due::At(at(7 * DAY_MS)));
    state.retry_now();
    assert_eq!((state.channel.push.repeated_at(), state.sync.reconcile_due), (Some(Due::Now), Some(Due::Now)));
}

#[test]
fn a_wait_that_the_provider_asked_for_is_ended_by_a_consent_and_by_nothing_that_works_elsewhere() {
    let timing = Timing::default();
    let mut state = watched(ChannelId::generate());
    let limited =
        FailedCall { retry_after_ms: Some(DAY_MS), ..FailedCall::of(Cause::Provider(ProviderErrorKind::RateLimited)) };
    state.channel_failed(&limited, &timing, "cal_a", START);
    assert!(state.detail().unwrap().contains("asked us to wait until 1970-01-01 01:00 UTC"), "{:?}", state.detail());
    let before = state.clone();
    state.retry_now();
    assert_eq!(state, before);
    state.account_changed(&grant_is(Grant::Works));
    assert_eq!((state.channel.push.repeated_at(), state.retry_after_until), (Some(Due::Now), None));
}

#[test]
fn what_is_refused_to_everybody_and_a_store_that_fails_are_shown_and_count_as_no_failure() {
    for (cause, words) in [
        (Cause::Store, "the store does not answer"),
        (Cause::Provider(ProviderErrorKind::ProjectRefused), "refuses this installation (project_refused"),
        (Cause::Provider(ProviderErrorKind::AccountRefused), "refuses all calendars of this account"),
    ] {
        let mut state = watched(ChannelId::generate());
        state.channel_failed(&FailedCall::of(cause), &Timing::default(), "cal_a", START);
        assert_eq!((state.channel.push.failed(), state.state()), (None, CalendarState::Live), "{cause:?}");
        assert!(state.detail().unwrap().contains(words), "{:?}", state.detail());
    }
}

#[test]
fn each_limit_at_which_a_pass_is_given_up_is_shown_until_everything_is_read() {
    // As the activity says it (`activities/src/failure.rs`).
    for limit in ["too many empty pages in a row", "too many pages", "too many events", "it takes longer than a day"] {
        let mut state = watched(ChannelId::generate());
        let failure = Failure { reason: Some(limit.to_owned()), ..Failure::of(Cause::EndlessList) };
        let failed = FailedCall { failure, ..FailedCall::of(Cause::EndlessList) };
        let wait = Wait { until: START, reason: WaitReason::Recovery };
        state.sync.trouble = Trouble::of(&failed, Attempts::GivenUp, &wait, START);
        let shown = format!("the provider's list of events does not end (endless_list: {limit}); it is read anew");
        assert_eq!((state.state(), state.detail()), (CalendarState::Live, Some(shown)));
        state.read_works();
        assert_eq!((state.state(), state.detail()), (CalendarState::Live, None), "{limit}");
    }
}

#[test]
fn the_next_run_goes_on_with_everything_but_the_interval_that_this_one_signalled() {
    let state = watched(ChannelId::generate()).choosing(SyncStrategy::Hybrid);
    let expected = state.clone().with_poller_interval(None);
    assert_eq!(state.with_poller_interval(Some(900)).in_next_run(), expected);
}
