//! What an account knows: a plain value that signals change, that the steps read, and that travels to the next run.

mod grant;

use std::collections::{BTreeMap, BTreeSet};

use evercal_domain::{AccountId, AccountState, CalendarId, ConsentOutcome, UnixMs};
use serde::{Deserialize, Serialize};

pub use grant::GrantProgress;

use super::list_channel::ListChannel;
use super::trouble::Trouble;
use crate::contract::{AccountRevoked, CodeRedeemed, Grant, ListLimit};
use crate::due::Due;

/// The least time between two looks at the list because of notices, in milliseconds: a burst of them is one look or two.
const LIST_SPACING_MS: i64 = 2_000;

/// What an account knows and hands over to its next run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountProgress {
    /// The consent that is being settled.
    pub consent: ConsentProgress,
    /// Whether there are tokens to call with.
    pub has_tokens: bool,
    /// What is known of the grant.
    pub grant: GrantProgress,
    /// The grant is dead.
    pub needs_reauth: bool,
    /// Why, for people.
    pub detail: Option<String>,
    /// The user is connected already, by this account: nothing is mirrored twice.
    pub duplicate_of: Option<AccountId>,
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
    /// Set when it has to end: why.
    pub disconnect: Option<String>,
    /// How far the end has come.
    pub ending: Ending,
    /// What was last written down for readers.
    pub recorded: Option<Recorded>,
}

/// How far the redemption of a consent has come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentProgress {
    /// A consent brought a code that has yet to be settled.
    pub waits: bool,
    /// It is being settled.
    pub is_under_way: bool,
    /// When it was first tried.
    pub tried_since: Option<UnixMs>,
    /// Why it could not be settled yet.
    pub trouble: Option<Trouble>,
}

impl ConsentProgress {
    /// A new one came: it is tried at once, whatever the one before it waits for.
    pub(super) fn comes(&mut self) {
        *self = Self { waits: true, is_under_way: self.is_under_way, ..Self::default() };
    }

    /// Whether one has yet to come to its end.
    pub fn is_open(&self) -> bool {
        self.waits || self.is_under_way
    }
}

/// How far the end has come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// Until when the subscriptions may take to end; `None` before it is known which there are.
    pub closes_until: Option<UnixMs>,
    /// Until when stopping channels is tried, those of the calendars and then those on their list: for readers.
    pub stops_until: Option<UnixMs>,
    /// The subscriptions that have yet to be asked to end.
    pub to_close: BTreeSet<CalendarId>,
    /// The channels on the list of calendars were stopped, or given up.
    pub list_is_unwatched: bool,
    /// When giving the grant back was first tried.
    pub revoked_since: Option<UnixMs>,
    /// What came of giving it back.
    pub revoked: Option<AccountRevoked>,
}

impl Ending {
    /// How long it may take; the same from the beginning to the end, so that it is written down once.
    fn sentence(&self) -> Option<String> {
        let until = self.stops_until?;
        Some(format!("channels that the provider has not stopped by {until} run out by themselves"))
    }

    /// What is left to its user when it is over.
    pub(super) fn last_words(&self) -> Option<String> {
        let is_left = self.revoked == Some(AccountRevoked::OnlyErased);
        is_left
            .then(|| "the provider could not be asked to end the grant; its channels run out by themselves".to_owned())
    }
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
    /// The state as readers see it, until the end.
    pub(super) fn state(&self) -> AccountState {
        if self.disconnect.is_some() {
            AccountState::Disconnecting
        } else if self.duplicate_of.is_some() {
            AccountState::Duplicate
        } else if self.needs_reauth {
            AccountState::NeedsReauth
        } else if self.discoveries == 0 {
            AccountState::Connecting
        } else {
            AccountState::Connected
        }
    }

    /// One sentence for people: the gravest first.
    pub(super) fn detail(&self) -> Option<String> {
        let trouble = |doing| self.trouble.as_ref().and_then(|trouble| trouble.sentence(doing));
        match self.state() {
            AccountState::Disconnecting => trouble("given back").or_else(|| self.ending.sentence()),
            AccountState::Duplicate => self.duplicate_of.map(|other| {
                format!(
                    "this user is connected already, as {other}: nothing is mirrored twice; disconnect this account, or \
                     connect it again with allow_duplicate"
                )
            }),
            AccountState::NeedsReauth => self.detail.clone(),
            AccountState::Connecting | AccountState::Connected | AccountState::Disconnected => {
                let consent = self.consent.trouble.as_ref().and_then(|trouble| trouble.sentence("redeemed"));
                consent.map(|sentence| format!("a consent waits: {sentence}"))
                    .or_else(|| trouble("listed").map(|sentence| format!("the list of calendars waits: {sentence}")))
                    .or_else(|| self.list_channel.asked_until.map(|until| format!(
                        "the channel on the list of calendars waits: the provider asked us to wait until {until}; until \
                         then the daily look finds what is new"
                    )))
                    .or_else(|| self.incomplete.map(|limit| limit_sentence(limit).to_owned()))
            }
        }
    }

    /// What subscriptions are told of the grant.
    pub(super) fn grant_is(&self) -> Grant {
        if self.needs_reauth { Grant::Dead } else { Grant::Works }
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
        self.has_tokens = has_tokens;
        match outcome {
            Some(ConsentOutcome::Granted) => self.regain_grant(now),
            // The workflow before this one was lost: the tokens may be good, which the list will show.
            None if has_tokens => self.regain_grant(now),
            Some(ConsentOutcome::Duplicate { account_id }) => self.duplicate_of = Some(*account_id),
            _ if has_tokens && !self.needs_reauth => {}
            outcome => {
                self.needs_reauth = true;
                self.detail = Some(refusal_sentence(outcome).to_owned());
            }
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

    use super::*;

    fn connected() -> AccountProgress {
        AccountProgress {
            has_tokens: true,
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
        assert_eq!((progress.state(), progress.duplicate_of), (AccountState::Connecting, None));
    }

    #[test]
    fn an_end_of_which_the_provider_was_not_told_says_so() {
        for (revoked, says) in [(AccountRevoked::Revoked, false), (AccountRevoked::OnlyErased, true)] {
            let ending = Ending { revoked: Some(revoked), ..Ending::default() };
            assert_eq!(ending.last_words().is_some(), says, "{revoked:?}");
        }
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
        progress.ending.to_close = calendars;
        let bytes = serde_json::to_vec(&progress).unwrap().len();
        // Temporal takes 2 MiB, and sealing makes a payload a little larger.
        assert!(bytes < 1_536 * 1_024, "{bytes} bytes");
    }
}
