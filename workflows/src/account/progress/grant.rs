//! Whether the grant lives. New tokens come while calls with the old ones are still on their way: what such a call says of its
//! grant says nothing about the new one, and must not park an account that somebody has just connected again.

use std::collections::BTreeSet;

use evercal_domain::{AccountId, CalendarId, UnixMs};
use serde::{Deserialize, Serialize};

use super::AccountProgress;
use crate::contract::Grant;
use crate::due::Due;

/// For so long after new tokens came, a subscription may still speak of the old ones, in milliseconds: longer than a call takes.
const OLD_GRANT_ECHOES_MS: i64 = 120_000;
const DETAIL: &str = "the provider refuses the grant: connect the account again";

/// Whether an account can call its provider.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Access {
    /// No consent has brought tokens yet.
    #[default]
    NoTokens,
    /// There are tokens, and nothing is known against them.
    Works,
    /// Somebody has to consent again.
    Lost {
        /// Why, in one sentence for people.
        why: String,
    },
    /// The user is connected already by another account: nothing is mirrored twice.
    Duplicate {
        /// The other account.
        of: AccountId,
    },
}

/// What is known of the grant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantProgress {
    /// Which one it is: counted with each consent that brought new tokens.
    pub number: u64,
    /// When its tokens came; `None` before the first.
    pub since: Option<UnixMs>,
    /// The subscriptions that found a grant dead, perhaps the one before: told when this one is seen to work.
    pub doubted_by: BTreeSet<CalendarId>,
}

impl AccountProgress {
    /// A call of the account's own, made with this grant, found it dead.
    pub(in crate::account) fn grant_refused(&mut self, number: u64) {
        if self.grant.number == number {
            self.lose_grant();
        } else {
            self.discovery_due = Due::Now;
        }
    }

    /// A subscription found the grant dead. Just after a consent, the account first looks for itself.
    pub(in crate::account) fn grant_seen_dead(&mut self, seen_by: Option<CalendarId>, now: UnixMs) {
        let is_new = self.grant.since.is_some_and(|since| now.since_ms(since) < OLD_GRANT_ECHOES_MS);
        if !is_new || matches!(self.access, Access::Lost { .. }) {
            self.lose_grant();
            return;
        }
        self.grant.doubted_by.extend(seen_by);
        // Spaced, should the provider refuse subscriptions what it allows the account.
        self.discovery_due = self.due_after_notice(now);
    }

    /// The list was read with the grant: whoever thought it dead is told.
    pub(in crate::account) fn grant_works(&mut self) {
        let doubted_by = std::mem::take(&mut self.grant.doubted_by);
        self.to_tell.extend(doubted_by.into_iter().map(|id| (id, Grant::Works)));
    }

    fn lose_grant(&mut self) {
        self.grant.doubted_by.clear();
        if matches!(self.access, Access::NoTokens | Access::Works) {
            self.access = Access::Lost { why: DETAIL.to_owned() };
            self.trouble = None;
            self.tell_all(Grant::Dead);
        }
    }

    /// The account lives on new tokens. All subscriptions hear of it: which of them found the grant dead, only they know.
    pub(super) fn regain_grant(&mut self, now: UnixMs) {
        self.grant = GrantProgress { number: self.grant.number + 1, since: Some(now), doubted_by: BTreeSet::new() };
        self.access = Access::Works;
        self.trouble = None;
        self.discovery_due = Due::Now;
        self.list_channel.start_afresh();
        self.tell_all(Grant::Works);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "tests make ids")]

    use evercal_domain::{AccountState, ConsentOutcome};

    use super::*;
    use crate::account::decide::{AccountStep, next_step};
    use crate::contract::CodeRedeemed;

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
        let granted = CodeRedeemed::Settled { outcome: ConsentOutcome::Granted, has_tokens: true };
        progress.consent_ends(&granted, CONSENTED_AT);
        progress.to_tell.clear();
        progress.discovery_due = Due::At(UnixMs::MAX);
        progress
    }

    #[test]
    fn a_good_consent_heals_and_all_subscriptions_hear_of_it() {
        let mut progress = connected();
        progress.grant_seen_dead(None, UnixMs::EPOCH);
        assert_eq!(progress.state(), AccountState::NeedsReauth);
        progress.discovery_due = Due::At(UnixMs::MAX);
        let granted = CodeRedeemed::Settled { outcome: ConsentOutcome::Granted, has_tokens: true };
        progress.consent_ends(&granted, CONSENTED_AT);
        assert_eq!((progress.state(), progress.discovery_due), (AccountState::Connected, Due::Now));
        assert!(progress.to_tell.values().all(|grant| *grant == Grant::Works) && !progress.to_tell.is_empty());
    }

    #[test]
    fn what_is_said_of_the_grant_before_makes_the_account_look_and_parks_nobody() {
        let mut progress = connected_again();
        let doubting = *progress.calendars.first().unwrap();
        progress.grant_seen_dead(Some(doubting), CONSENTED_AT.plus_ms(1_000));
        assert_eq!(progress.state(), AccountState::Connected);
        assert_eq!(next_step(&progress, CONSENTED_AT.plus_ms(1_000)), AccountStep::Discover);
        progress.grant_works();
        assert_eq!(
            progress.to_tell.into_iter().collect::<Vec<_>>(),
            [(doubting, Grant::Works)],
            "who thought it dead is told"
        );

        let mut by_itself = connected_again();
        by_itself.grant_refused(0);
        assert_eq!((by_itself.state(), by_itself.discovery_due), (AccountState::Connected, Due::Now));
    }

    #[test]
    fn a_grant_that_is_dead_indeed_parks_the_account_and_all_hear_of_it() {
        let mut at_once = connected_again();
        at_once.grant_seen_dead(None, CONSENTED_AT.plus_ms(1_000));
        at_once.grant_refused(at_once.grant.number);
        let mut later = connected_again();
        later.grant_seen_dead(None, CONSENTED_AT.plus_ms(OLD_GRANT_ECHOES_MS));
        for progress in [at_once, later] {
            assert_eq!(progress.state(), AccountState::NeedsReauth);
            assert!(progress.to_tell.values().all(|grant| *grant == Grant::Dead) && progress.to_tell.len() == 2);
        }
    }
}
