#![expect(clippy::disallowed_methods, reason = "tests make ids")]

use evercal_domain::{AccountState, ConsentOutcome};

use super::*;
use crate::account::decide::{AccountStep, next_step};
use crate::contract::ConsentSettled;

const CONSENTED_AT: UnixMs = UnixMs::new(1_000_000);

fn connected() -> AccountProgress {
    AccountProgress {
        access: Access::Works,
        discoveries: 1,
        calendars: BTreeSet::from([CalendarId::generate(), CalendarId::generate()]),
        ..AccountProgress::default()
    }
}

/// Just connected again, and all subscriptions know.
fn connected_again() -> AccountProgress {
    let mut progress = connected();
    let granted = ConsentSettled::Settled { outcome: ConsentOutcome::Granted, has_tokens: true };
    progress.consent_ends(&granted, CONSENTED_AT);
    progress.to_signal.clear();
    progress.discovery_due = Due::At(UnixMs::MAX);
    progress
}

#[test]
fn a_good_consent_heals_and_is_signalled_to_all_subscriptions() {
    let mut progress = connected();
    progress.grant_seen_dead(None, None, UnixMs::EPOCH);
    assert_eq!(progress.state(), AccountState::NeedsReauth);
    progress.discovery_due = Due::At(UnixMs::MAX);
    let granted = ConsentSettled::Settled { outcome: ConsentOutcome::Granted, has_tokens: true };
    progress.consent_ends(&granted, CONSENTED_AT);
    assert_eq!((progress.state(), progress.discovery_due), (AccountState::Connected, Due::Now));
    assert!(progress.to_signal.values().all(|grant| *grant == Grant::Works) && !progress.to_signal.is_empty());
}

#[test]
fn what_the_provider_says_of_a_dead_grant_is_told_and_else_that_it_is_dead() {
    let why = "a rule of the organisation refuses the sign-in: ask an administrator";
    for (said, told) in [(Some(why.to_owned()), why), (None, DETAIL)] {
        let mut by_subscription = connected();
        by_subscription.grant_seen_dead(None, said.clone(), UnixMs::EPOCH);
        let mut by_itself = connected();
        by_itself.grant_refused(0, said);
        for progress in [by_subscription, by_itself] {
            assert_eq!(progress.detail().as_deref(), Some(told));
        }
    }
}

#[test]
fn a_failure_of_the_grant_before_makes_the_account_check_and_parks_nobody() {
    let mut progress = connected_again();
    let doubting = *progress.calendars.first().unwrap();
    progress.grant_seen_dead(Some(doubting), None, CONSENTED_AT.plus_ms(1_000));
    assert_eq!(progress.state(), AccountState::Connected);
    assert_eq!(next_step(&progress, CONSENTED_AT.plus_ms(1_000)), AccountStep::Discover);
    progress.grant_works();
    assert_eq!(
        progress.to_signal.into_iter().collect::<Vec<_>>(),
        [(doubting, Grant::Works)],
        "who found it dead gets a signal"
    );

    let mut by_itself = connected_again();
    by_itself.grant_refused(0, None);
    assert_eq!((by_itself.state(), by_itself.discovery_due), (AccountState::Connected, Due::Now));
}

#[test]
fn a_grant_that_is_dead_indeed_parks_the_account_and_is_signalled_to_all() {
    let mut at_once = connected_again();
    at_once.grant_seen_dead(None, None, CONSENTED_AT.plus_ms(1_000));
    at_once.grant_refused(at_once.grant.number, None);
    let mut later = connected_again();
    later.grant_seen_dead(None, None, CONSENTED_AT.plus_ms(OLD_GRANT_ECHOES_MS));
    for progress in [at_once, later] {
        assert_eq!(progress.state(), AccountState::NeedsReauth);
        assert!(progress.to_signal.values().all(|grant| *grant == Grant::Dead) && progress.to_signal.len() == 2);
    }
}
