//! Whether the grant lives. New tokens come while calls with the old ones are still on their way: what such a call says of its
//! grant says nothing about the new one, and must not park an account that somebody has just connected again.

use std::collections::BTreeSet;

use evercal_domain::{AccountId, CalendarId, UnixMs};
use serde::{Deserialize, Serialize};

use super::AccountProgress;
use crate::contract::Grant;
use crate::due::Due;

/// For so long after new tokens came, a subscription may still report a failure of the old ones, in milliseconds: longer than
/// a call takes.
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
    /// The subscriptions that found a grant dead, perhaps the one before: they get a signal when this one is seen to work.
    pub doubted_by: BTreeSet<CalendarId>,
}

impl AccountProgress {
    /// A call of the account's own, made with this grant, found it dead.
    pub(in crate::account) fn grant_refused(&mut self, number: u64, why: Option<String>) {
        if self.grant.number == number {
            self.lose_grant(why);
        } else {
            self.discovery_due = Due::Now;
        }
    }

    /// A subscription found the grant dead. Just after a consent, the account first checks with a call of its own.
    pub(in crate::account) fn grant_seen_dead(
        &mut self,
        seen_by: Option<CalendarId>,
        why: Option<String>,
        now: UnixMs,
    ) {
        let is_new = self.grant.since.is_some_and(|since| now.since_ms(since) < OLD_GRANT_ECHOES_MS);
        if !is_new || matches!(self.access, Access::Lost { .. }) {
            self.lose_grant(why);
            return;
        }
        self.grant.doubted_by.extend(seen_by);
        // Spaced, should the provider refuse subscriptions what it allows the account.
        self.discovery_due = self.due_after_notice(now);
    }

    /// The list was read with the grant: subscriptions that found it dead get a signal.
    pub(in crate::account) fn grant_works(&mut self) {
        let doubted_by = std::mem::take(&mut self.grant.doubted_by);
        self.to_signal.extend(doubted_by.into_iter().map(|id| (id, Grant::Works)));
    }

    fn lose_grant(&mut self, why: Option<String>) {
        self.grant.doubted_by.clear();
        if matches!(self.access, Access::NoTokens | Access::Works) {
            self.access = Access::Lost { why: why.unwrap_or_else(|| DETAIL.to_owned()) };
            self.trouble = None;
            self.queue_grant_signals(Grant::Dead);
        }
    }

    /// The account has new tokens. All subscriptions get a signal: which of them found the grant dead, only they know.
    pub(super) fn regain_grant(&mut self, now: UnixMs) {
        self.grant = GrantProgress { number: self.grant.number + 1, since: Some(now), doubted_by: BTreeSet::new() };
        self.access = Access::Works;
        self.trouble = None;
        self.discovery_due = Due::Now;
        self.list_channel.start_afresh();
        self.queue_grant_signals(Grant::Works);
    }
}

#[cfg(test)]
mod tests;
