//! What an account knows: a plain value that signals change, that the steps read, and that travels to the next run.

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
use crate::contract::{CodeRedeemed, Grant, ListLimit};
use crate::due::Due;

/// The least time between two looks at the list because of notices, in milliseconds: a burst of them is one look or two.
const LIST_SPACING_MS: i64 = 2_000;

/// What an account knows and hands over to its next run.
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
    /// What subscriptions have yet to be told of the grant.
    pub to_tell: BTreeMap<CalendarId, Grant>,
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

/// What readers were told.
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
                         then the daily look finds what is new"
                    )))
                    .or_else(|| self.incomplete.map(|limit| limit_sentence(limit).to_owned()))
            }
        }
    }

    /// Whether calls are made for it, but for those of its end.
    pub(super) fn can_call(&self) -> bool {
        self.access == Access::Works && self.life.is_open()
    }

    /// What subscriptions are told of the grant.
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
    pub(super) fn consent_ends(&mut self, redeemed: &CodeRedeemed, now: UnixMs) {
        let (outcome, has_tokens) = match redeemed {
            CodeRedeemed::Settled { outcome, has_tokens } => (Some(outcome), *has_tokens),
            CodeRedeemed::NothingWaits { has_tokens } => (None, *has_tokens),
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
    pub(super) fn look_now(&mut self) {
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

    fn tell_all(&mut self, grant: Grant) {
        self.to_tell = self.calendars.iter().map(|id| (*id, grant)).collect();
    }

    /// The list was read: what is new has to be started. Those that should be running and do not are found by the gateway's
    /// look at the fleet.
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
        self.to_tell.remove(&calendar_id);
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
mod tests {
    #![expect(clippy::disallowed_methods, reason = "tests make ids")]

    use evercal_domain::AccountId;

    use super::*;

    fn connected() -> AccountProgress {
        AccountProgress {
            access: Access::Works,
            discoveries: 1,
            calendars: BTreeSet::from([CalendarId::generate()]),
            ..AccountProgress::default()
        }
    }

    fn settled(outcome: ConsentOutcome, has_tokens: bool) -> CodeRedeemed {
        CodeRedeemed::Settled { outcome, has_tokens }
    }

    #[test]
    fn a_consent_that_is_of_no_use_takes_nothing_away_that_works() {
        let scopes = ConsentOutcome::MissingScopes { scopes: vec!["calendar".into()] };
        for outcome in [ConsentOutcome::AnotherUser, ConsentOutcome::Refused, ConsentOutcome::TooLate, scopes] {
            let mut progress = connected();
            progress.consent_ends(&settled(outcome.clone(), true), UnixMs::EPOCH);
            assert_eq!(progress, connected_like(&progress), "{outcome:?}");
            assert_eq!(progress.state(), AccountState::Connected);

            let mut new = AccountProgress::default();
            new.consent_ends(&settled(outcome.clone(), false), UnixMs::EPOCH);
            assert_eq!(new.state(), AccountState::NeedsReauth, "{outcome:?}");
            assert!(new.detail().is_some());
        }
    }

    fn connected_like(progress: &AccountProgress) -> AccountProgress {
        AccountProgress { calendars: progress.calendars.clone(), ..connected() }
    }

    #[test]
    fn a_duplicate_names_the_account_that_was_there_before_and_is_healed_by_a_consent_that_asks_for_it() {
        let other = AccountId::generate();
        let mut progress = AccountProgress::default();
        progress.consent_ends(&settled(ConsentOutcome::Duplicate { account_id: other }, false), UnixMs::EPOCH);
        assert_eq!(progress.state(), AccountState::Duplicate);
        assert!(progress.detail().unwrap().contains(&other.to_string()));
        progress.consent_ends(&settled(ConsentOutcome::Granted, true), UnixMs::EPOCH);
        assert_eq!((progress.state(), progress.access), (AccountState::Connecting, Access::Works));
    }

    #[test]
    fn a_calendar_that_is_listed_again_while_its_subscription_ends_is_started_when_it_has_ended() {
        let mut progress = connected();
        let id = *progress.calendars.first().unwrap();
        progress.list_is_read(vec![], &[id]);
        progress.list_is_read(vec![id], &[]);
        assert!(progress.to_ensure.is_empty(), "it is still ending");
        progress.forget(id);
        assert_eq!(progress.to_ensure, BTreeSet::from([id]));

        let mut gone = connected();
        let id = *gone.calendars.first().unwrap();
        for (listed, vanished) in [(vec![], vec![id]), (vec![id], vec![]), (vec![], vec![id])] {
            gone.list_is_read(listed, &vanished);
        }
        gone.forget(id);
        assert!(gone.to_ensure.is_empty(), "it vanished again");
        let mut ended = connected();
        let id = *ended.calendars.first().unwrap();
        ended.list_is_read(vec![id], &[]);
        ended.forget(id);
        assert!(ended.to_ensure.is_empty(), "one that ended for another reason stays away");
    }

    #[test]
    fn the_largest_account_fits_into_a_payload_in_the_worst_moment() {
        let calendars: BTreeSet<CalendarId> =
            (0..evercal_domain::limits::CALENDARS_PER_ACCOUNT_MAX).map(|_| CalendarId::generate()).collect();
        let mut progress = AccountProgress { calendars: calendars.clone(), ..AccountProgress::default() };
        progress.closing = calendars.clone();
        progress.relisted = calendars.clone();
        progress.grant.doubted_by = calendars.clone();
        progress.tell_all(Grant::Works);
        let stage = EndingStage::Closing { until: UnixMs::MAX, to_close: calendars };
        progress.life = Life::Ending(Ending { reason: "asked".into(), stops_until: Some(UnixMs::MAX), stage });
        let bytes = serde_json::to_vec(&progress).unwrap().len();
        // Temporal takes 2 MiB, and sealing makes a payload a little larger.
        assert!(bytes < 1_536 * 1_024, "{bytes} bytes");
    }
}
