#![expect(clippy::disallowed_methods, reason = "tests make ids")]

use proptest::prelude::*;

use super::*;
use crate::contract::{ChannelOpened, Failure};
use crate::shared::live_channel::{grants_too_little, lifetime_s};
use crate::subscription::channel::push::is_counted;
use crate::subscription::tests::builders::live;
use crate::subscription::{Refusal, RefusedCall, ToStop};
use evercal_domain::{ChannelId, SyncStrategy};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const MINUTE_MS: i64 = 60_000;
const ID: &str = "cal_a";
const START: UnixMs = UnixMs::EPOCH;

fn at(ms: i64) -> UnixMs {
    UnixMs::new(ms)
}

/// Without a channel yet.
fn unwatched() -> SubscriptionState {
    SubscriptionState::quiet(SyncStrategy::Webhook)
}

fn watched() -> SubscriptionState {
    SubscriptionState::watched_by(live(START, at(7 * DAY_MS)))
}

fn step(state: &SubscriptionState, now: UnixMs) -> ChannelStep {
    next_step(state, &Timing::default(), ID, now)
}

/// When the renewal of a live channel is due.
fn renewal_at(state: &SubscriptionState) -> UnixMs {
    attempt_due(state, &Timing::default(), ID).and_then(Due::instant).unwrap()
}

fn failed(kind: ProviderErrorKind) -> FailedCall {
    FailedCall::of(Cause::Provider(kind))
}

fn refusal() -> Refusal {
    Refusal {
        failure: Failure::of(Cause::Provider(ProviderErrorKind::Forbidden)),
        of: RefusedCall::Reading,
        next_try_at: at(HOUR_MS),
        trying: false,
    }
}

fn repeat(until_ms: i64, reason: WaitReason) -> AfterFailure {
    AfterFailure::Repeat { wait: Wait { until: at(until_ms), reason } }
}

#[test]
fn a_new_subscription_opens_a_channel_at_once() {
    assert_eq!(step(&unwatched(), START), ChannelStep::Attempt(AttemptKind::First));
}

#[test]
fn a_live_channel_waits_for_its_renewal_and_is_renewed_when_that_is_due() {
    let state = watched();
    let due_at = renewal_at(&state);
    assert_eq!(step(&state, START), ChannelStep::WaitUntil { at: due_at });
    assert_eq!(step(&state, due_at.minus_ms(1)), ChannelStep::WaitUntil { at: due_at });
    assert_eq!(step(&state, due_at), ChannelStep::Attempt(AttemptKind::Renewal));
}

#[test]
fn the_end_comes_before_everything_else() {
    let state = watched().in_fallback().closing_for("asked");
    assert_eq!(step(&state, START), ChannelStep::Close);
}

#[test]
fn the_fallback_starts_the_poller_then_raises_the_alert_then_tries_again() {
    let state = unwatched().after_failures(4, Some(Due::At(at(HOUR_MS)))).in_fallback();
    assert_eq!(step(&state, START), ChannelStep::StartPoller);
    let state = state.with_poller();
    assert_eq!(step(&state, START), ChannelStep::Alert(Alert::Raised));
    let state = state.with_alert(Alert::Raised);
    assert_eq!(step(&state, START), ChannelStep::WaitUntil { at: at(HOUR_MS) });
    assert_eq!(step(&state, at(HOUR_MS)), ChannelStep::Attempt(AttemptKind::First));
}

#[test]
fn a_channel_that_is_open_again_ends_the_poller_and_the_alert() {
    let mut state = unwatched().in_fallback().with_poller().with_alert(Alert::Raised);
    let opened = ChannelOpened {
        channel_id: ChannelId::generate(),
        remote_id: None,
        opened_at: START,
        expires_at: at(7 * DAY_MS),
        superseded: vec![],
        kept: false,
    };
    state.channel_opened(&opened);
    assert_eq!(step(&state, START), ChannelStep::StopPoller);
    let state = state.without_poller();
    assert_eq!(step(&state, START), ChannelStep::Alert(Alert::Cleared));
    let state = state.with_alert(Alert::Cleared);
    assert!(matches!(step(&state, START), ChannelStep::WaitUntil { .. }));
}

#[test]
fn a_calendar_that_cannot_be_watched_is_polled_without_an_alert_and_without_further_attempts() {
    let state = unwatched().unwatchable();
    assert_eq!(step(&state, START), ChannelStep::StartPoller);
    assert_eq!(step(&state.with_poller(), UnixMs::MAX), ChannelStep::Park);
}

#[test]
fn nobody_polls_while_nothing_can_be_read() {
    let fallback = unwatched().unwatchable().with_poller();
    let polled_beside = watched().choosing(SyncStrategy::Hybrid).with_poller();
    for polled in [fallback, polled_beside] {
        for state in [polled.clone().with_dead_grant(), polled.clone().with_refusal(refusal())] {
            assert_eq!(step(&state, START), ChannelStep::StopPoller);
            assert_eq!(step(&state.without_poller(), START), ChannelStep::Park);
        }
        assert_eq!(step(&polled.without_poller(), START), ChannelStep::StartPoller);
    }
}

#[test]
fn a_dead_grant_stops_calls_of_every_kind() {
    let state = watched().with_channel_to_stop(to_stop(Due::Now)).with_dead_grant();
    assert_eq!(step(&state, at(30 * DAY_MS)), ChannelStep::Park);
}

#[test]
fn somebody_who_has_to_act_is_waited_for_but_old_channels_are_stopped() {
    let state = watched().with_refusal(refusal());
    assert_eq!(step(&state, at(30 * DAY_MS)), ChannelStep::Park);
    let state = state.with_channel_to_stop(to_stop(Due::At(at(5))));
    assert_eq!(step(&state, START), ChannelStep::WaitUntil { at: at(5) });
    assert!(matches!(step(&state, at(5)), ChannelStep::Stop { reason: StopReason::Superfluous, .. }));
}

#[test]
fn a_due_attempt_goes_before_stopping_what_is_superfluous() {
    let state = watched().with_renewal_requested().with_channel_to_stop(to_stop(Due::Now));
    assert_eq!(step(&state, START), ChannelStep::Attempt(AttemptKind::Replacement));
}

#[test]
fn a_suspect_channel_is_replaced_and_not_extended_however_often_that_fails() {
    let state = watched().with_renewal_requested();
    assert_eq!(step(&state, START), ChannelStep::Attempt(AttemptKind::Replacement));
    let mut state = state.after_failures(1, Some(Due::At(at(5))));
    assert_eq!(step(&state, at(5)), ChannelStep::Attempt(AttemptKind::Replacement));
    let opened = ChannelOpened {
        channel_id: ChannelId::generate(),
        remote_id: None,
        opened_at: START,
        expires_at: at(7 * DAY_MS),
        superseded: vec![],
        kept: false,
    };
    state.channel_opened(&opened);
    assert_eq!(
        step(&state, renewal_at(&state)),
        ChannelStep::Attempt(AttemptKind::Renewal),
        "the new one is not suspect"
    );
}

#[test]
fn who_chose_polling_gets_a_poller_and_never_an_attempt_at_a_channel() {
    let state = SubscriptionState::first(SyncStrategy::Polling);
    assert_eq!(step(&state, START), ChannelStep::StartPoller);
    let state = state.with_poller();
    for now in [START, at(DAY_MS), UnixMs::MAX] {
        assert_eq!(step(&state, now), ChannelStep::Park);
    }
    let failing = watched().with_renewal_requested().after_failures(1, Some(Due::At(at(5))));
    let state = failing.choosing(SyncStrategy::Polling);
    assert_eq!(attempt_due(&state, &Timing::default(), ID), None, "whatever it knew before");
}

#[test]
fn who_chose_both_gets_the_poller_then_the_channel_and_keeps_both() {
    let state = SubscriptionState::first(SyncStrategy::Hybrid);
    assert_eq!(step(&state, START), ChannelStep::StartPoller);
    assert_eq!(step(&state.with_poller(), START), ChannelStep::Attempt(AttemptKind::First));
    let state = watched().choosing(SyncStrategy::Hybrid).with_poller();
    let due_at = renewal_at(&state);
    assert_eq!(step(&state, START), ChannelStep::WaitUntil { at: due_at });
    assert_eq!(step(&state, due_at), ChannelStep::Attempt(AttemptKind::Renewal));
}

#[test]
fn who_chose_both_hears_of_a_lost_channel_and_keeps_the_poller_when_it_is_back() {
    let lost = SubscriptionState::quiet(SyncStrategy::Hybrid).in_fallback().with_poller();
    assert_eq!(step(&lost, START), ChannelStep::Alert(Alert::Raised));
    let back = watched().choosing(SyncStrategy::Hybrid).with_poller().with_alert(Alert::Raised);
    assert_eq!(step(&back, START), ChannelStep::Alert(Alert::Cleared));
}

#[test]
fn a_channel_that_is_not_wanted_any_more_is_stopped_when_the_poller_runs() {
    let state = watched().choosing(SyncStrategy::Polling);
    assert_eq!(step(&state, START), ChannelStep::StartPoller);
    assert!(matches!(step(&state.with_poller(), START), ChannelStep::Stop { reason: StopReason::Superfluous, .. }));
}

#[test]
fn a_poller_that_is_there_for_good_is_paced_anew() {
    for strategy in [SyncStrategy::Polling, SyncStrategy::Hybrid] {
        let state = SubscriptionState::quiet(strategy).with_poller_interval(Some(1));
        assert_eq!(step(&state, START), ChannelStep::SetPollerInterval, "{strategy:?}");
    }
    let unwatchable = unwatched().unwatchable().with_poller_interval(Some(1));
    assert_eq!(step(&unwatchable, START), ChannelStep::SetPollerInterval, "it is polled for as long as it lives");
}

#[test]
fn a_poller_goes_on_until_the_channel_that_was_chosen_instead_is_open() {
    let polled = SubscriptionState::quiet(SyncStrategy::Polling).with_poller();
    let state = polled.choosing(SyncStrategy::Webhook);
    assert_eq!(step(&state, START), ChannelStep::Attempt(AttemptKind::First));
    assert_eq!(step(&watched().with_poller(), START), ChannelStep::StopPoller);
}

fn to_stop(not_before: Due) -> ToStop {
    let channel = ChannelRef { channel_id: ChannelId::generate(), remote_id: None, expires_at: Some(at(DAY_MS)) };
    ToStop { channel, reason: StopReason::Superfluous, not_before }
}

/// After so many failed attempts, the last one with this failure; the channel lives until then.
fn after(failures: u32, last: FailedCall, live_until_ms: Option<i64>) -> AfterFailure {
    let watched = |until_ms| SubscriptionState::watched_by(live(START, at(until_ms)));
    let state = live_until_ms.map_or_else(unwatched, watched).after_failures(failures, None);
    after_failure(&state, &last, &Timing::default(), ID, START)
}

fn limited(wait_ms: i64) -> FailedCall {
    FailedCall { retry_after_ms: Some(wait_ms), ..failed(ProviderErrorKind::RateLimited) }
}

#[test]
fn the_ladder_has_its_rungs_and_then_polls_for_ever() {
    let after = |failures| after(failures, failed(ProviderErrorKind::TemporaryFailure), None);
    assert_eq!(after(1), repeat(5 * MINUTE_MS, WaitReason::Recovery));
    assert_eq!(after(2), repeat(10 * MINUTE_MS, WaitReason::Recovery));
    assert_eq!(after(3), repeat(20 * MINUTE_MS, WaitReason::Recovery));
    for failures in [4, 5, 1_000, u32::MAX] {
        let AfterFailure::Fallback { wait } = after(failures) else { panic!("{failures}: {:?}", after(failures)) };
        assert!(
            (54 * MINUTE_MS..=66 * MINUTE_MS).contains(&wait.until.since_ms(START)),
            "hourly, give or take a tenth: {wait:?}"
        );
    }
}

#[test]
fn a_wish_of_the_provider_lengthens_a_pause_for_an_hour_at_most_and_never_shortens_it() {
    assert_eq!(after(1, limited(1_000), None), repeat(5 * MINUTE_MS, WaitReason::RetryAfter));
    assert_eq!(after(1, limited(30 * MINUTE_MS), None), repeat(30 * MINUTE_MS, WaitReason::RetryAfter));
    let AfterFailure::Fallback { wait } = after(4, limited(DAY_MS), None) else { panic!("the ladder is used up") };
    assert!(
        (HOUR_MS..=66 * MINUTE_MS).contains(&wait.until.since_ms(START)),
        "a day that was asked for once: {wait:?}"
    );
}

#[test]
fn a_wish_that_is_repeated_is_kept_whole() {
    let state = SubscriptionState { retry_after_until: Some(at(HOUR_MS)), ..watched() };
    let AfterFailure::Fallback { wait } = after_failure(&state, &limited(DAY_MS), &Timing::default(), ID, at(HOUR_MS))
    else {
        panic!("it outlasts the ladder")
    };
    assert_eq!(wait, Wait { until: at(HOUR_MS + DAY_MS), reason: WaitReason::RetryAfter });
}

#[test]
fn a_wait_that_outlasts_the_ladder_or_the_channel_has_a_poller() {
    for (failures, wait_ms, live_until_ms) in [
        (1, HOUR_MS, None),
        (1, HOUR_MS, Some(DAY_MS)),
        (3, 21 * MINUTE_MS, Some(DAY_MS)),
        (1, 30 * MINUTE_MS, Some(20 * MINUTE_MS)),
    ] {
        let wanted = AfterFailure::Fallback { wait: Wait { until: at(wait_ms), reason: WaitReason::RetryAfter } };
        assert_eq!(after(failures, limited(wait_ms), live_until_ms), wanted, "{failures} {wait_ms} {live_until_ms:?}");
    }
    let short = after(1, limited(30 * MINUTE_MS), Some(DAY_MS));
    assert_eq!(short, repeat(30 * MINUTE_MS, WaitReason::RetryAfter), "the live channel outlasts this one");
}

#[test]
fn a_store_that_fails_and_a_refusal_of_everybody_are_no_rungs_of_the_ladder() {
    for (cause, longest_ms) in [
        (Cause::Store, 20_000),
        (Cause::Provider(ProviderErrorKind::ProjectRefused), 5 * MINUTE_MS),
        (Cause::Provider(ProviderErrorKind::AccountRefused), 5 * MINUTE_MS),
    ] {
        assert!(!is_counted(cause), "{cause:?}");
        let AfterFailure::Repeat { wait } = after(1_000, FailedCall::of(cause), None) else {
            panic!("{cause:?} is repeated")
        };
        assert!((0..longest_ms).contains(&wait.until.since_ms(START)), "{cause:?}: {wait:?}");
        assert_eq!(wait.reason, WaitReason::Recovery);
    }
}

#[test]
fn each_kind_of_failure_leads_where_it_should() {
    for kind in ProviderErrorKind::ALL {
        let after = |refusals| {
            let state = unwatched().after_failures(1, None).after_refusals(refusals);
            after_failure(&state, &failed(kind), &Timing::default(), ID, START)
        };
        match kind {
            ProviderErrorKind::WatchUnsupported => assert_eq!(after(0), AfterFailure::PollOnly),
            ProviderErrorKind::GrantRevoked => assert_eq!(after(0), AfterFailure::NeedsReauth),
            ProviderErrorKind::NotFound | ProviderErrorKind::Forbidden => {
                assert!(matches!(after(1), AfterFailure::Repeat { .. }), "{kind} once may be a mistake");
                assert_eq!(after(2), AfterFailure::ActionRequired);
            }
            _ => assert!(matches!(after(0), AfterFailure::Repeat { .. }), "{kind}"),
        }
    }
}

#[test]
fn stopping_an_old_channel_never_holds_a_due_attempt_for_longer_than_one_call() {
    let state = watched();
    let due_at = renewal_at(&state);
    let timeout_s = |state: &SubscriptionState, now| stop_timeout_s(state, &Timing::default(), ID, now);
    assert_eq!(timeout_s(&state, START), 600);
    assert_eq!(timeout_s(&state, due_at.minus_ms(5 * MINUTE_MS)), 300);
    assert_eq!(timeout_s(&state, due_at.minus_ms(1)), 90);
    assert_eq!(timeout_s(&state.unwatchable(), due_at), 600, "no attempt is due");
}

proptest! {
    #[test]
    fn a_renewal_is_due_a_day_and_some_minutes_ahead_of_the_end(
        lifetime_ms in (2 * DAY_MS + 1)..=(30 * DAY_MS),
        opened_at in (0..(100 * 365 * DAY_MS)).prop_map(UnixMs::new),
        id in "cal_[0-9a-f]{32}",
    ) {
        let channel = live(opened_at, opened_at.plus_ms(lifetime_ms));
        let due_at = renewal_due_at(&channel, &Timing::default(), &id);
        let ahead_ms = channel.expires_at.since_ms(due_at);
        prop_assert!(ahead_ms >= DAY_MS + 5 * 60_000, "{ahead_ms}");
        prop_assert!(ahead_ms <= DAY_MS + HOUR_MS, "{ahead_ms}");
        prop_assert!(due_at > opened_at);
    }

    #[test]
    fn however_short_it_lives_a_channel_is_renewed_after_it_was_opened_and_before_its_end(
        lifetime_ms in 1..=(2 * DAY_MS),
        id in "cal_[0-9a-f]{32}",
    ) {
        let channel = live(at(1_000), at(1_000 + lifetime_ms));
        let due_at = renewal_due_at(&channel, &Timing::default(), &id);
        prop_assert!(due_at >= channel.opened_at && due_at <= channel.expires_at, "{due_at}");
        prop_assert!(due_at.since_ms(channel.opened_at) >= lifetime_ms / 4, "not the moment it is made: {due_at}");
    }

    #[test]
    fn where_polling_was_chosen_no_state_leads_to_an_attempt_or_an_alert(
        failures in 0..10_u32,
        flags in prop::array::uniform6(any::<bool>()),
        next_attempt_ms in prop::option::of(0..DAY_MS),
        now in (0..(30 * DAY_MS)).prop_map(UnixMs::new),
    ) {
        let [has_live, fallback, poller_runs, is_alarmed, renew_requested, attempting] = flags;
        let mut state = if has_live { watched() } else { unwatched() };
        state = state.after_failures(failures, next_attempt_ms.map(|ms| Due::At(at(ms))));
        for (is_so, made_so) in [
            (fallback, SubscriptionState::in_fallback as fn(SubscriptionState) -> SubscriptionState),
            (poller_runs, SubscriptionState::with_poller),
            (has_live && renew_requested, SubscriptionState::with_renewal_requested),
            (attempting, SubscriptionState::attempting),
            (is_alarmed, |state| state.with_alert(Alert::Raised)),
            (true, |state| state.choosing(SyncStrategy::Polling)),
        ] {
            state = if is_so { made_so(state) } else { state };
        }
        let step = step(&state, now);
        prop_assert!(!matches!(step, ChannelStep::Attempt(_) | ChannelStep::Alert(Alert::Raised)), "{step:?}");
    }

    #[test]
    fn the_lifetime_asked_for_is_spread_below_the_longest(id in "cal_[0-9a-f]{32}") {
        let timing = Timing::default();
        let lifetime_s = lifetime_s(&timing, &id);
        prop_assert!(lifetime_s <= timing.channel_lifetime_s);
        prop_assert!(lifetime_s >= timing.channel_lifetime_s - timing.channel_lifetime_spread_s);
    }

    #[test]
    fn whatever_lifetime_is_granted_the_next_attempt_is_never_due_at_once(
        granted_ms in -DAY_MS..=DAY_MS,
        asked_s in 40..=(7 * 24 * 3600_u32),
        id in "cal_[0-9a-f]{32}",
    ) {
        let timing = Timing { channel_lifetime_s: asked_s, ..Timing::default() };
        let opened = ChannelOpened {
            channel_id: ChannelId::generate(),
            remote_id: None,
            opened_at: at(DAY_MS),
            expires_at: at(DAY_MS + granted_ms),
            superseded: vec![],
            kept: false,
        };
        let mut state = unwatched();
        if grants_too_little(&opened, &timing) {
            state.channel_ends_at_once(&opened, &timing, &id, at(DAY_MS));
        } else {
            state.channel_opened(&opened);
        }
        let pause_ms = attempt_due(&state, &timing, &id).unwrap().left_ms(at(DAY_MS));
        let least_ms = i64::from((asked_s / 16).min(3 * 60)) * 1_000;
        prop_assert!(pause_ms >= least_ms, "{pause_ms} ms after {granted_ms} ms of {asked_s} s were granted");
    }
}
