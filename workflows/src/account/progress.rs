//! What an account knows: a plain value that signals change, that the steps read, and that is carried when it continues as new.

mod consent;
mod grant;
mod life;

use std::collections::{BTreeMap, BTreeSet};

use evercal_domain::{AccountState, CalendarId, ConsentOutcome, UnixMs};
use serde::{Deserialize, Serialize};

pub use consent::{Consent, Tried};
pub use grant::{Access, GrantProgress};
pub use life::{Ending, EndingStage, Life};

use super::list_channel::ListChannel;
use super::trouble::Trouble;
use crate::contract::{ConsentSettled, Grant, ListLimit};
use crate::due::Due;

/// The least time between two discoveries because of notices, in milliseconds: a burst of notices causes one or two.
const LIST_SPACING_MS: i64 = 2_000;

/// What an account knows, and carries when it continues as new.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountProgress {
    /// Whether it goes on.
    pub life: Life,
    /// The consent that is being settled.
    pub consent: Consent,
    /// Whether it can call its provider.
    pub access: Access,
    /// What is known of the grant.
    pub grant: GrantProgress,
    /// The calendars whose subscription runs.
    pub calendars: BTreeSet<CalendarId>,
    /// The calendars whose subscription has to be started (again).
    pub to_ensure: BTreeSet<CalendarId>,
    /// The calendars that are not listed any more, and whose subscription was asked to end.
    pub closing: BTreeSet<CalendarId>,
    /// Those among them that are listed again: they are started when their subscription has ended.
    pub relisted: BTreeSet<CalendarId>,
    /// The state of the grant that has yet to be signalled, by subscription.
    pub to_signal: BTreeMap<CalendarId, Grant>,
    /// When the list of calendars is due.
    pub discovery_due: Due,
    /// Discoveries so far.
    pub discoveries: u64,
    /// When the list was last read.
    pub listed_at: Option<UnixMs>,
    /// Why the last list was not read to its end.
    pub incomplete: Option<ListLimit>,
    /// What keeps the next call of the list, or at the end of the revocation, waiting.
    pub trouble: Option<Trouble>,
    /// The channel on the list of calendars.
    pub list_channel: ListChannel,
    /// What was last written down for readers.
    pub recorded: Option<Recorded>,
}

/// What was last written down for readers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// The state.
    pub state: AccountState,
    /// The sentence.
    pub detail: Option<String>,
    /// When the channel on the list of calendars ends.
    pub channel_expires_at: Option<UnixMs>,
}

impl AccountProgress {
    /// The state as readers see it.
    pub(super) fn state(&self) -> AccountState {
        match (&self.life, &self.access) {
            (Life::Ending(Ending { stage: EndingStage::TakenDown { .. }, .. }), _) => AccountState::Disconnected,
            (Life::Ending(_), _) => AccountState::Disconnecting,
            (Life::Open, Access::Duplicate { .. }) => AccountState::Duplicate,
            (Life::Open, Access::Lost { .. }) => AccountState::NeedsReauth,
            (Life::Open, Access::NoTokens | Access::Works) if self.discoveries == 0 => AccountState::Connecting,
            (Life::Open, Access::NoTokens | Access::Works) => AccountState::Connected,
        }
    }

    /// One sentence for people: the gravest first.
    pub(super) fn detail(&self) -> Option<String> {
        let trouble = |doing| self.trouble.as_ref().and_then(|trouble| trouble.sentence(doing));
        match (&self.life, &self.access) {
            (Life::Ending(ending @ Ending { stage: EndingStage::TakenDown { .. }, .. }), _) => ending.sentence(),
            (Life::Ending(ending), _) => trouble("given back").or_else(|| ending.sentence()),
            (Life::Open, Access::Duplicate { of }) => Some(format!(
                "this user is connected already, as {of}: nothing is mirrored twice; disconnect this account, or connect \
                 it again with allow_duplicate"
            )),
            (Life::Open, Access::Lost { why }) => Some(why.clone()),
            (Life::Open, Access::NoTokens | Access::Works) => {
                let consent = self.consent.trouble().and_then(|trouble| trouble.sentence("redeemed"));
                consent.map(|sentence| format!("a consent waits: {sentence}"))
                    .or_else(|| trouble("listed").map(|sentence| format!("the list of calendars waits: {sentence}")))
                    .or_else(|| self.list_channel.asked_until().map(|until| format!(
                        "the channel on the list of calendars waits: the provider asked us to wait until {until}; until \
                         then the daily discovery finds what is new"
                    )))
                    .or_else(|| self.incomplete.map(|limit| limit_sentence(limit).to_owned()))
            }
        }
    }

    /// Whether calls are made for it, but for those of its end.
    pub(super) fn can_call(&self) -> bool {
        self.access == Access::Works && self.life.is_open()
    }

    /// The state of the grant, as subscriptions get it.
    pub(super) fn grant_is(&self) -> Grant {
        if matches!(self.access, Access::Lost { .. }) { Grant::Dead } else { Grant::Works }
    }

    pub(super) fn readers_see(&self) -> Recorded {
        Recorded {
            state: self.state(),
            detail: self.detail(),
            channel_expires_at: self.list_channel.live.as_ref().map(|live| live.expires_at),
        }
    }

    /// What came of a consent. One that is of no use takes nothing away that works.
    pub(super) fn consent_ends(&mut self, settled: &ConsentSettled, now: UnixMs) {
        let (outcome, has_tokens) = match settled {
            ConsentSettled::Settled { outcome, has_tokens } => (Some(outcome), *has_tokens),
            ConsentSettled::NothingWaits { has_tokens } => (None, *has_tokens),
        };
        match outcome {
            // Without an outcome, the workflow before this one was lost: the tokens may be good, which the list will show.
            Some(ConsentOutcome::Granted) | None if has_tokens => self.regain_grant(now),
            Some(ConsentOutcome::Duplicate { account_id }) => self.access = Access::Duplicate { of: *account_id },
            outcome => match self.access {
                Access::Duplicate { .. } => {}
                Access::NoTokens | Access::Works if has_tokens => self.access = Access::Works,
                _ => self.access = Access::Lost { why: refusal_sentence(outcome).to_owned() },
            },
        }
    }

    /// Somebody wants the list read now, whatever it waits for.
    pub(super) fn discover_now(&mut self) {
        self.discovery_due = Due::Now;
        self.trouble = None;
        self.list_channel.start_afresh();
    }

    /// When the list is read because the provider announced a change of it. A wait that it asked for is kept.
    pub(super) fn due_after_notice(&self, now: UnixMs) -> Due {
        let spaced = self.listed_at.map_or(now, |listed_at| now.max(listed_at.plus_ms(LIST_SPACING_MS)));
        let allowed = self.trouble.as_ref().map_or(spaced, |trouble| trouble.until.max(spaced));
        self.discovery_due.min(Due::At(allowed))
    }

    fn queue_grant_signals(&mut self, grant: Grant) {
        self.to_signal = self.calendars.iter().map(|id| (*id, grant)).collect();
    }

    /// The list was read: what is new has to be started. The gateway's fleet check finds those that
    /// should be running and do not.
    pub(super) fn list_is_read(&mut self, listed: Vec<CalendarId>, vanished: &[CalendarId]) {
        for id in vanished {
            self.closing.insert(*id);
            self.relisted.remove(id);
            self.to_ensure.remove(id);
        }
        for id in listed {
            if self.closing.contains(&id) {
                self.relisted.insert(id);
            } else if !self.calendars.contains(&id) {
                self.to_ensure.insert(id);
            }
        }
    }

    /// A subscription has ended. One whose calendar is listed again is started anew.
    pub(super) fn forget(&mut self, calendar_id: CalendarId) {
        self.calendars.remove(&calendar_id);
        self.to_ensure.remove(&calendar_id);
        self.to_signal.remove(&calendar_id);
        self.closing.remove(&calendar_id);
        if self.relisted.contains(&calendar_id) {
            self.to_ensure.insert(calendar_id);
        }
    }
}

fn limit_sentence(limit: ListLimit) -> &'static str {
    match limit {
        ListLimit::TooManyCalendars => {
            "the provider lists more calendars than an account may have: the first 5,000 are mirrored"
        }
        ListLimit::TooManyPages => {
            "the provider's list of calendars does not end: what it had until its 200th page is mirrored"
        }
        ListLimit::TooSlow => "the provider's list of calendars took too long: what it had until then is mirrored",
    }
}

fn refusal_sentence(outcome: Option<&ConsentOutcome>) -> &'static str {
    match outcome {
        Some(ConsentOutcome::AnotherUser) => {
            "the consent was another user's: connect again as the one whose calendars these are, or disconnect and connect \
             the other as a new account"
        }
        Some(ConsentOutcome::MissingScopes { .. }) => {
            "not all that is needed was granted: connect the account again, and leave all boxes ticked"
        }
        Some(ConsentOutcome::TooLate) => "the consent could not be redeemed in time: connect the account again",
        _ => "the consent could not be used: connect the account again",
    }
}

#[cfg(test)]
mod tests;
