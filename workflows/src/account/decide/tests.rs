//! The steps of an account, and its waits, as tables.

#![expect(clippy::disallowed_methods, reason = "tests make ids")]

use super::*;
use evercal_domain::{AccountState, ProviderErrorKind};

use crate::account::trouble::{Trouble, after_failed_settlement, after_failure};
use crate::contract::{AccountRevoked, Cause};
use crate::shared::failure::FailedCall;

const MINUTE_MS: i64 = 60_000;
const START: UnixMs = UnixMs::EPOCH;

fn at(ms: i64) -> UnixMs {
    UnixMs::new(ms)
}

fn connected() -> AccountProgress {
    AccountProgress { access: Access::Works, discovery_due: Due::At(at(1_000)), ..AccountProgress::default() }
}

fn input() -> AccountInput {
    AccountInput {
        account_id: evercal_domain::AccountId::generate(),
        tenant_id: evercal_domain::TenantId::generate(),
        provider: evercal_domain::Provider::new("somewhere"),
        timing: Timing::default(),
        strategy: SyncStrategy::Webhook,
        carried: None,
    }
}

fn failed(kind: ProviderErrorKind, retry_after_ms: Option<i64>) -> FailedCall {
    FailedCall { retry_after_ms, ..FailedCall::of(Cause::Provider(kind)) }
}

fn after(before: Option<&Trouble>, failed: &FailedCall, now: UnixMs) -> Trouble {
    after_failure(before, failed, &Timing::default(), "acc_1", now)
}

#[test]
fn attempts_that_found_the_provider_off_count_for_themselves() {
    let off = FailedCall::of(Cause::ProviderOff);
    let mut trouble = None;
    for _ in 0..3 {
        trouble = Some(after(trouble.as_ref(), &failed(ProviderErrorKind::TemporaryFailure, None), START));
    }
    let first = after(trouble.as_ref(), &off, at(MINUTE_MS));
    assert_eq!((first.failures, first.since), (1, at(MINUTE_MS)), "an outage before it is none of them");
    let second = after(Some(&first), &off, at(2 * MINUTE_MS));
    assert_eq!((second.failures, second.since), (2, at(MINUTE_MS)));
}

#[test]
fn subscriptions_hear_of_settings_that_changed_and_of_no_others() {
    let changed = |timing: Timing, strategy| settings_changed(&input(), timing, strategy);
    assert_eq!(changed(Timing::default(), SyncStrategy::Webhook), None);
    let hybrid = changed(Timing::default(), SyncStrategy::Hybrid).unwrap();
    assert_eq!((hybrid.timing, hybrid.strategy), (None, Some(SyncStrategy::Hybrid)));
    let often = Timing { polling_interval_s: 60, ..Timing::default() };
    let change = changed(often.clone(), SyncStrategy::Webhook).unwrap();
    assert_eq!((change.timing, change.strategy, change.grant), (Some(often), None, None));
}

#[test]
fn a_connected_account_lists_its_calendars_again_when_it_is_due() {
    assert_eq!(next_step(&connected(), at(999)), AccountStep::WaitUntil { at: at(1_000) });
    assert_eq!(next_step(&connected(), at(1_000)), AccountStep::Discover);
    let without_tokens = AccountProgress { access: Access::NoTokens, ..connected() };
    assert_eq!(
        next_step(&without_tokens, at(1_000)),
        AccountStep::Park,
        "nothing can be called before the consent is settled"
    );
}

#[test]
fn a_dead_grant_or_a_duplicate_stops_calls_but_a_lost_subscription_is_brought_back() {
    let calendar_id = CalendarId::generate();
    for mut progress in [
        AccountProgress { access: Access::Lost { why: "refused".into() }, ..connected() },
        AccountProgress { access: Access::Duplicate { of: evercal_domain::AccountId::generate() }, ..connected() },
    ] {
        assert_eq!(next_step(&progress, at(5_000)), AccountStep::Park);
        progress.to_ensure.insert(calendar_id);
        assert_eq!(next_step(&progress, at(5_000)), AccountStep::Ensure { calendars: vec![calendar_id] });
        progress.life.end("asked".into());
        assert_eq!(next_step(&progress, at(5_000)), AccountStep::FindOpen);
    }
}

#[test]
fn many_subscriptions_are_dealt_with_in_batches_and_hear_of_the_grant_before_others_are_started() {
    let calendars: std::collections::BTreeSet<CalendarId> =
        (0..BATCH_MAX + 7).map(|_| CalendarId::generate()).collect();
    let mut progress = AccountProgress { to_ensure: calendars.clone(), ..connected() };
    progress.to_signal = calendars.iter().map(|id| (*id, Grant::Works)).collect();
    let AccountStep::SignalGrant { calendars: signalled } = next_step(&progress, START) else {
        panic!("signalled first")
    };
    assert_eq!(signalled.len(), BATCH_MAX);
    progress.to_signal.clear();
    let AccountStep::Ensure { calendars } = next_step(&progress, START) else { panic!("then started") };
    assert_eq!(calendars.len(), BATCH_MAX);
}

#[test]
fn the_end_comes_in_order() {
    let (one, two) = (CalendarId::generate(), CalendarId::generate());
    let mut progress = connected();
    progress.life.end("asked".into());
    let reach = |progress: &mut AccountProgress, stage| progress.life.ending().unwrap().stage = stage;
    let closing =
        |to_close: &[CalendarId]| EndingStage::Closing { until: at(100), to_close: to_close.iter().copied().collect() };
    assert_eq!(next_step(&progress, START), AccountStep::FindOpen);
    progress.calendars = [one, two].into();
    reach(&mut progress, closing(&[one]));
    assert_eq!(next_step(&progress, START), AccountStep::Close { calendars: vec![one] });
    reach(&mut progress, closing(&[]));
    assert_eq!(next_step(&progress, at(99)), AccountStep::AwaitClosed { at: at(100) });
    assert_eq!(next_step(&progress, at(100)), AccountStep::UnwatchList, "waiting has an end");
    progress.calendars.clear();
    assert_eq!(next_step(&progress, START), AccountStep::UnwatchList);
    reach(&mut progress, EndingStage::Revoking { since: None });
    assert_eq!(next_step(&progress, START), AccountStep::Revoke);
    progress.trouble = Some(after(None, &failed(ProviderErrorKind::RateLimited, Some(5 * MINUTE_MS)), START));
    assert_eq!(next_step(&progress, START), AccountStep::WaitUntil { at: at(5 * MINUTE_MS) });
    assert_eq!(next_step(&progress, at(5 * MINUTE_MS)), AccountStep::Revoke);
    assert_eq!(progress.state(), AccountState::Disconnecting);
    for (revoked, has_detail) in
        [(AccountRevoked::Revoked, false), (AccountRevoked::OnlyErased, true), (AccountRevoked::NotRevocable, true)]
    {
        reach(&mut progress, EndingStage::TakenDown { revoked });
        assert_eq!(next_step(&progress, UnixMs::MAX), AccountStep::Park);
        assert_eq!(progress.state(), AccountState::Disconnected);
        assert_eq!(
            progress.detail().is_some(),
            has_detail,
            "what it waited for is over; that the grant may still stand is shown"
        );
    }
}

#[test]
fn a_failing_list_is_tried_again_within_half_a_minute_however_long_it_fails() {
    let mut trouble = None;
    let mut now = START;
    for failures in 1..=50 {
        let next = after(trouble.as_ref(), &failed(ProviderErrorKind::TemporaryFailure, None), now);
        assert!(next.until > now && next.until <= now.plus_ms(30_000), "{next:?}");
        assert_eq!(next.sentence("listed").is_some(), failures > 2, "a passing failure is not worth a word");
        assert_eq!(next.since, START);
        now = next.until;
        trouble = Some(next);
    }
}

#[test]
fn a_refused_list_is_tried_again_within_five_minutes() {
    let trouble = after(None, &failed(ProviderErrorKind::Forbidden, None), START);
    assert!((at(MINUTE_MS)..at(5 * MINUTE_MS)).contains(&trouble.until), "{trouble:?}");
}

#[test]
fn a_wish_is_kept_for_an_hour_shown_when_it_is_long_and_kept_in_full_when_it_is_repeated() {
    let day = failed(ProviderErrorKind::RateLimited, Some(86_400_000));
    let first = after(None, &day, START);
    assert_eq!(first.until, at(60 * MINUTE_MS));
    assert_eq!(first.sentence("listed").unwrap(), "the provider asked to wait until 1970-01-01 01:00 UTC");
    let passed = after(Some(&first), &day, at(MINUTE_MS));
    assert_eq!(
        passed.until,
        at(61 * MINUTE_MS),
        "a wait that was passed and is asked for again was not kept to its end"
    );
    let repeated = after(Some(&first), &day, first.until);
    assert_eq!(repeated.until, first.until.plus_ms(86_400_000));
    let short = after(None, &failed(ProviderErrorKind::RateLimited, Some(10 * MINUTE_MS)), START);
    assert_eq!((short.until, short.sentence("listed")), (at(10 * MINUTE_MS), None));
}

#[test]
fn a_code_outlives_no_wish() {
    let day = failed(ProviderErrorKind::RateLimited, Some(86_400_000));
    let trouble = after_failed_settlement(None, &day, &Timing::default(), "acc_1", START);
    assert_eq!(trouble.until, at(15_000));
}

#[test]
fn an_installation_that_is_not_accepted_is_said_at_once_to_be_the_operators() {
    let trouble = after(None, &failed(ProviderErrorKind::ClientRefused, None), START);
    assert!(trouble.sentence("redeemed").unwrap().contains("operator"), "{trouble:?}");
    assert!(trouble.until <= at(30_000), "{trouble:?}");
}

#[test]
fn a_burst_of_notices_is_one_listing_and_passes_no_wait() {
    let mut progress =
        AccountProgress { listed_at: Some(at(10_000)), discovery_due: Due::At(at(86_400_000)), ..connected() };
    assert_eq!(progress.due_after_notice(at(10_100)), Due::At(at(12_000)));
    assert_eq!(progress.due_after_notice(at(50_000)), Due::At(at(50_000)));
    progress.trouble = Some(after(None, &failed(ProviderErrorKind::RateLimited, Some(MINUTE_MS)), at(50_000)));
    assert_eq!(progress.due_after_notice(at(50_000)), Due::At(at(50_000 + MINUTE_MS)));
    progress.discovery_due = Due::Now;
    assert_eq!(progress.due_after_notice(at(50_000)), Due::Now, "what is due already stays so");
}
