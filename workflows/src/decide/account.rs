//! What an account does next.

use evercal_domain::{CalendarId, SyncStrategy};

use crate::account::AccountProgress;
use crate::contract::{AccountChanged, AccountInput};
use crate::retry::Timing;

/// The next thing for an account to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountStep {
    /// Take everything down and end.
    Disconnect,
    /// Redeem the code that a consent brought.
    Redeem,
    /// Tell a subscription that the grant is dead, or works again.
    TellGrant {
        /// Which subscription.
        calendar_id: CalendarId,
        /// What to tell.
        needs_reauth: bool,
    },
    /// Make sure that a subscription runs.
    Ensure {
        /// Which.
        calendar_id: CalendarId,
    },
    /// Read the list of calendars.
    Discover,
    /// Nothing until then.
    WaitUntil {
        /// Unix milliseconds.
        at_ms: i64,
    },
    /// Nothing until something changes.
    Park,
}

/// Decides the next step. The end comes first, then what a person did, then what follows from it.
pub fn next_step(progress: &AccountProgress, now_ms: i64) -> AccountStep {
    if progress.disconnect.is_some() {
        return AccountStep::Disconnect;
    }
    if progress.code_waits {
        return AccountStep::Redeem;
    }
    if let Some((calendar_id, needs_reauth)) = progress.to_tell.first_key_value() {
        return AccountStep::TellGrant { calendar_id: *calendar_id, needs_reauth: *needs_reauth };
    }
    if progress.needs_reauth {
        return AccountStep::Park;
    }
    if let Some(calendar_id) = progress.to_ensure.first() {
        return AccountStep::Ensure { calendar_id: *calendar_id };
    }
    if progress.discovery_due_at_ms <= now_ms {
        return AccountStep::Discover;
    }
    AccountStep::WaitUntil { at_ms: progress.discovery_due_at_ms }
}

/// What subscriptions have to hear of the settings that a worker has now, if anything. A strategy that it does not tell stays
/// as it is.
pub fn settings_changed(
    input: &AccountInput,
    timing: Timing,
    strategy: Option<SyncStrategy>,
) -> Option<AccountChanged> {
    let change = AccountChanged {
        timing: Some(timing).filter(|timing| *timing != input.timing),
        strategy: strategy.filter(|strategy| *strategy != input.strategy),
        ..AccountChanged::default()
    };
    (change != AccountChanged::default()).then_some(change)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connected() -> AccountProgress {
        AccountProgress { discovery_due_at_ms: 1_000, ..AccountProgress::default() }
    }

    fn input() -> AccountInput {
        AccountInput {
            account_id: evercal_domain::AccountId::generate(),
            tenant_id: evercal_domain::TenantId::generate(),
            provider: evercal_domain::Provider::Google,
            timing: Timing::default(),
            strategy: SyncStrategy::Webhook,
            carried: None,
        }
    }

    #[test]
    fn subscriptions_hear_of_settings_that_changed_and_of_no_others() {
        let changed = |timing: Timing, strategy| settings_changed(&input(), timing, strategy);
        assert_eq!(changed(Timing::default(), Some(SyncStrategy::Webhook)), None);
        assert_eq!(changed(Timing::default(), None), None, "an older worker tells no strategy");
        let hybrid = changed(Timing::default(), Some(SyncStrategy::Hybrid)).unwrap();
        assert_eq!((hybrid.timing, hybrid.strategy), (None, Some(SyncStrategy::Hybrid)));
        let often = Timing { polling_interval_s: 60, ..Timing::default() };
        let change = changed(often.clone(), None).unwrap();
        assert_eq!((change.timing, change.strategy, change.needs_reauth), (Some(often), None, None));
    }

    #[test]
    fn a_connected_account_looks_again_when_it_is_due() {
        assert_eq!(next_step(&connected(), 999), AccountStep::WaitUntil { at_ms: 1_000 });
        assert_eq!(next_step(&connected(), 1_000), AccountStep::Discover);
    }

    #[test]
    fn a_dead_grant_stops_everything_but_a_new_consent_and_the_end() {
        let calendar_id = CalendarId::generate();
        let mut progress = AccountProgress { needs_reauth: true, ..connected() };
        progress.to_ensure.insert(calendar_id);
        assert_eq!(next_step(&progress, 5_000), AccountStep::Park);
        progress.code_waits = true;
        assert_eq!(next_step(&progress, 5_000), AccountStep::Redeem);
        progress.disconnect = Some("asked".into());
        assert_eq!(next_step(&progress, 5_000), AccountStep::Disconnect);
    }

    #[test]
    fn subscriptions_hear_of_the_grant_before_they_are_started() {
        let calendar_id = CalendarId::generate();
        let mut progress = connected();
        progress.to_ensure.insert(calendar_id);
        progress.to_tell.insert(calendar_id, false);
        assert_eq!(next_step(&progress, 0), AccountStep::TellGrant { calendar_id, needs_reauth: false });
    }
}
