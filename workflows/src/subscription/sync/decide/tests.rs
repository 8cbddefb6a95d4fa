use super::*;

#[test]
fn only_a_more_urgent_reason_overtakes() {
    assert!(overtakes(Some(Priority::Critical), Priority::High));
    assert!(overtakes(Some(Priority::High), Priority::Low));
    assert!(!overtakes(Some(Priority::High), Priority::High), "a flood of notices must not restart itself");
    assert!(!overtakes(Some(Priority::Medium), Priority::Low), "routine waits for the first read");
    assert!(!overtakes(None, Priority::Low));
}

const MINUTE_MS: i64 = 60_000;

fn after(failed: &FailedCall, reason: SyncReason, failed_attempts: u32) -> AfterFailure {
    after_failure(failed, reason, failed_attempts, None, &Timing::default(), "cal_a", UnixMs::EPOCH)
}

/// How long a wait is that began at [`UnixMs::EPOCH`], in milliseconds.
fn length_ms(wait: Wait) -> i64 {
    wait.until.since_ms(UnixMs::EPOCH)
}

fn provider(kind: ProviderErrorKind) -> FailedCall {
    FailedCall::of(Cause::Provider(kind))
}

#[test]
fn a_provider_that_keeps_failing_is_asked_as_often_as_the_job_deserves_each_time_after_twice_the_pause() {
    for (reason, retries) in [
        (SyncReason::Connect, 3),
        (SyncReason::Operator, 5),
        (SyncReason::CatchUp, 5),
        (SyncReason::NewChannel, 5),
        (SyncReason::Reconcile, 5),
        (SyncReason::Notice, 7),
        (SyncReason::Poll, 2),
    ] {
        let failed = provider(ProviderErrorKind::TemporaryFailure);
        for attempt in 0..retries {
            let AfterFailure::Repeat { wait, is_counted: true } = after(&failed, reason, attempt) else {
                panic!("{reason:?}: attempt {attempt} is repeated");
            };
            let least_ms = 30_000 << attempt;
            assert!((least_ms..=least_ms + least_ms / 10).contains(&length_ms(wait)), "{attempt}: {wait:?}");
            assert_eq!(wait.reason, WaitReason::Recovery, "it is cut short when the provider answers again");
        }
        assert_eq!(after(&failed, reason, retries), AfterFailure::GiveUp, "{reason:?}");
    }
}

#[test]
fn an_operators_cap_lowers_the_retries_of_a_sync_and_never_raises_them() {
    for (cap, expected) in [(0, 0), (4, 4), (100, 7)] {
        let timing = Timing { sync_retries_max: Some(cap), ..Timing::default() };
        assert_eq!(retries(&timing, SyncReason::Notice), expected, "{cap}");
    }
}

#[test]
fn a_wish_of_a_day_is_kept_for_an_hour_and_counts_for_nothing_unless_it_is_repeated() {
    let rate_limited = FailedCall { retry_after_ms: Some(86_400_000), ..provider(ProviderErrorKind::RateLimited) };
    let asked = |until_ms| AfterFailure::Repeat {
        wait: Wait { until: UnixMs::new(until_ms), reason: WaitReason::RetryAfter },
        is_counted: false,
    };
    let at = |retry_after_until_ms: Option<i64>, now_ms| {
        let retry_after_until = retry_after_until_ms.map(UnixMs::new);
        let now = UnixMs::new(now_ms);
        after_failure(&rate_limited, SyncReason::Notice, 7, retry_after_until, &Timing::default(), "cal_a", now)
    };
    assert_eq!(at(None, 0), asked(60 * MINUTE_MS));
    assert_eq!(at(Some(60 * MINUTE_MS), 5), asked(60 * MINUTE_MS + 5), "somebody passed: it was not kept to its end");
    assert_eq!(at(Some(60 * MINUTE_MS), 60 * MINUTE_MS), asked(25 * 60 * MINUTE_MS));
}

#[test]
fn nothing_about_the_store_is_final_and_it_is_tried_again_within_seconds() {
    for attempts in [0, 100] {
        let AfterFailure::Repeat { wait, is_counted: false } =
            after(&FailedCall::of(Cause::Store), SyncReason::Poll, attempts)
        else {
            panic!("it is repeated");
        };
        assert!((5_000..=20_000).contains(&length_ms(wait)), "{wait:?}");
    }
}

#[test]
fn what_the_provider_refuses_to_everybody_is_tried_again_within_five_minutes_for_ever() {
    for kind in [ProviderErrorKind::ProjectRefused, ProviderErrorKind::AccountRefused] {
        let AfterFailure::Repeat { wait, is_counted: false } = after(&provider(kind), SyncReason::Poll, 100) else {
            panic!("{kind} is repeated");
        };
        assert!((2 * MINUTE_MS..5 * MINUTE_MS).contains(&length_ms(wait)), "{wait:?}");
    }
}

#[test]
fn what_is_refused_for_one_calendar_is_tried_again_after_a_quarter_of_an_hour_doubling_to_a_day() {
    let pauses: Vec<i64> = (0..9).map(|before| refused_pause_ms(&Timing::default(), before) / MINUTE_MS).collect();
    assert_eq!(pauses, [15, 30, 60, 120, 240, 480, 960, 1_440, 1_440]);
    assert_eq!(refused_pause_ms(&Timing::default(), u32::MAX) / MINUTE_MS, 1_440);
}

#[test]
fn a_list_without_an_end_and_a_wrong_request_are_not_repeated_at_once() {
    assert_eq!(after(&FailedCall::of(Cause::EndlessList), SyncReason::Notice, 0), AfterFailure::GiveUp);
    assert_eq!(after(&provider(ProviderErrorKind::InvalidRequest), SyncReason::Notice, 0), AfterFailure::GiveUp);
}

#[test]
fn a_person_passes_every_wait_and_a_notice_only_that_of_a_less_urgent_job() {
    assert!(passes_wait(Some(Priority::Critical), Priority::Critical));
    assert!(passes_wait(Some(Priority::High), Priority::Medium));
    assert!(!passes_wait(Some(Priority::High), Priority::High));
    assert!(!passes_wait(None, Priority::Low));
}

#[test]
fn a_notice_clears_the_suspicion_against_the_channel() {
    let after = |reason, has_channel, found| missed_pushes(2, reason, SyncStrategy::Webhook, has_channel, found);
    assert_eq!(after(SyncReason::Reconcile, true, 4), 3);
    assert_eq!(after(SyncReason::Reconcile, true, 0), 0);
    assert_eq!(after(SyncReason::Notice, true, 0), 0);
    assert_eq!(after(SyncReason::Operator, true, 9), 2, "an operator may be faster than a notice");
    assert_eq!(after(SyncReason::Poll, true, 9), 2, "the fallback poller runs: the channel is under suspicion already");
    assert_eq!(after(SyncReason::Reconcile, false, 9), 0, "no channel, nothing missed");
}

#[test]
fn where_a_poller_runs_beside_the_channel_its_finds_are_missed_pushes() {
    let after = |reason, has_channel, found| missed_pushes(2, reason, SyncStrategy::Hybrid, has_channel, found);
    for reason in [SyncReason::Poll, SyncReason::Reconcile] {
        assert_eq!(after(reason, true, 4), 3, "{reason:?}");
        assert_eq!(after(reason, true, 0), 2, "{reason:?}: most polls find nothing, and prove nothing");
    }
    assert_eq!(after(SyncReason::Notice, true, 0), 0);
    assert_eq!(after(SyncReason::Poll, false, 9), 2, "no channel, nothing missed");
    assert_eq!(after(SyncReason::Reconcile, false, 9), 0, "no channel, nothing missed");
}

#[test]
fn reconciles_of_a_fleet_do_not_fall_together() {
    let timing = Timing::default();
    let due: std::collections::BTreeSet<UnixMs> =
        (0..100).map(|n| reconcile_due_at(&timing, &format!("cal_{n}"), 0, UnixMs::EPOCH)).collect();
    assert!(due.len() > 90, "{} different moments", due.len());
}
