//! What an account knows: a plain value that signals change, that the steps read, and that travels to the next run.

use std::collections::{BTreeMap, BTreeSet};

use evercal_domain::{AccountState, CalendarId};
use serde::{Deserialize, Serialize};

/// What an account knows and hands over to its next run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountProgress {
    /// A consent brought a code that is not redeemed yet.
    pub code_waits: bool,
    /// A consent was redeemed, and no list of calendars has shown yet whose it is.
    pub consent_unchecked: bool,
    /// The grant is dead.
    pub needs_reauth: bool,
    /// Why, for people.
    pub detail: Option<String>,
    /// The calendars whose subscription runs.
    pub calendars: BTreeSet<CalendarId>,
    /// The calendars whose subscription has to be started (again).
    pub to_ensure: BTreeSet<CalendarId>,
    /// The subscriptions to tell that the grant is dead (true) or works again (false).
    pub to_tell: BTreeMap<CalendarId, bool>,
    /// When the list of calendars is due; 0 means now.
    pub discovery_due_at_ms: i64,
    /// Discoveries so far.
    pub discoveries: u64,
    /// Set when it has to end: why.
    pub disconnect: Option<String>,
    /// What was last written down for readers.
    pub recorded: Option<AccountState>,
}

impl AccountProgress {
    /// The state as readers see it, until the end.
    pub(super) fn state(&self) -> AccountState {
        if self.disconnect.is_some() {
            AccountState::Disconnecting
        } else if self.needs_reauth {
            AccountState::NeedsReauth
        } else if self.discoveries == 0 {
            AccountState::Connecting
        } else {
            AccountState::Connected
        }
    }

    pub(super) fn lose_grant(&mut self, detail: &str) {
        if !self.needs_reauth {
            self.needs_reauth = true;
            self.detail = Some(detail.to_owned());
            self.tell_all(true);
        }
    }

    /// A consent was redeemed. Whose it is, the list of calendars shows, so it comes first.
    pub(super) fn regain_grant(&mut self) {
        self.consent_unchecked = true;
        self.needs_reauth = false;
        self.detail = None;
        self.discovery_due_at_ms = 0;
    }

    /// The list of calendars was read with a consent of the right user. All subscriptions hear of a new one: which of them
    /// found the grant dead, only they know.
    pub(super) fn consent_is_good(&mut self) {
        if self.consent_unchecked {
            self.consent_unchecked = false;
            // Who said meanwhile that the grant is dead spoke of the one before, or will say it again.
            self.needs_reauth = false;
            self.detail = None;
            self.tell_all(false);
        }
    }

    fn tell_all(&mut self, needs_reauth: bool) {
        self.to_tell = self.calendars.iter().map(|id| (*id, needs_reauth)).collect();
    }

    pub(super) fn forget(&mut self, calendar_id: CalendarId) {
        self.calendars.remove(&calendar_id);
        self.to_ensure.remove(&calendar_id);
        self.to_tell.remove(&calendar_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscriptions_hear_of_a_new_consent_when_the_list_was_read_with_it_also_where_the_account_missed_the_loss() {
        let calendar_id = CalendarId::generate();
        let mut progress = AccountProgress { calendars: BTreeSet::from([calendar_id]), ..AccountProgress::default() };
        progress.regain_grant();
        assert!(progress.to_tell.is_empty(), "whose consent it is nobody knows yet");
        progress.lose_grant("a subscription found the grant before it dead");
        progress.consent_is_good();
        assert_eq!(progress.state(), AccountState::Connecting);
        assert_eq!(progress.to_tell, BTreeMap::from([(calendar_id, false)]));
        progress.to_tell.clear();
        progress.consent_is_good();
        assert!(progress.to_tell.is_empty(), "the daily list tells nobody anything");
    }
}
