//! What is known of a provider's outages, as a plain value: what each answer and each failure makes of it, and what is probed
//! next.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::Duration;

use evercal_domain::{AccountId, CalendarId, ProviderError, ProviderErrorKind};
use tokio::time::Instant;

use super::{Caller, Probe, Refusal};

/// Calendars that are remembered as waiting. Beyond it, the next ones wait for their backoff.
const WAITING_MAX: usize = 100_000;
/// Accounts of which it is remembered which calendar was answered last.
const ANSWERED_MAX: usize = 16;
/// After a first failure this passes before the first probe.
const FIRST_PROBE_AFTER: Duration = Duration::from_secs(2);
/// Between two probes while the provider does not answer.
const PROBE_INTERVAL: Duration = Duration::from_secs(10);
/// Between two probes while it refuses the whole installation. Nobody else calls it meanwhile.
const REFUSED_PROBE_INTERVAL: Duration = Duration::from_secs(30);
/// An answer is a recent one for so long.
const RECENT: Duration = Duration::from_secs(30);
/// A calendar that failed alone, as far as anybody knows, is woken once in this time.
const WOKEN_ALONE_AGAIN: Duration = Duration::from_mins(10);

/// What is known.
#[derive(Default)]
pub(super) struct State {
    /// Those whose own work failed.
    waiting: BTreeMap<CalendarId, AccountId>,
    phase: Phase,
    standing: Standing,
    /// That a refusal of the whole installation is over has yet to be reported.
    is_over: bool,
    /// The calendars that were answered last, one of each account, the latest at the end.
    answered: Vec<(Caller, Instant)>,
    /// When the last probe was made, and of which calendar: the next one is of the next.
    probed_at: Option<Instant>,
    probed: Option<CalendarId>,
    /// When calendars that failed alone were woken last.
    woken_alone: BTreeMap<CalendarId, Instant>,
    /// Accounts that are refused as the whole installation would be, while others are answered; and when that was seen.
    refused_alone: BTreeMap<AccountId, Instant>,
    to_wake: Vec<CalendarId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    #[default]
    Healthy,
    Suspected {
        since: Instant,
    },
    Outage,
}

/// How the whole installation stands with the provider.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Standing {
    #[default]
    Accepted,
    /// Calls of some accounts were answered that the installation is refused. A call of another account has to confirm it.
    Doubted(Refusing),
    /// It is.
    Refused(Refusing),
}

/// The refusal, and the accounts that met it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Refusing {
    error: ProviderError,
    /// Those whose calls met it, and those with whose grant nothing can be probed.
    accounts: BTreeSet<AccountId>,
}

/// What a call was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The calendar's own work: where it failed, the calendar waits, and where it succeeded, it does not.
    OwnWork,
    /// Finding out whether the provider answers.
    Probe,
}

/// What a failed call says about the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    /// It answers; what it says is about this calendar or this account.
    Answers,
    /// It does not answer, or not as it should.
    Fails,
    /// It refuses the whole installation.
    Refuses,
    /// It did not get as far as the calendars: there is no token to call with.
    NoToken,
    /// Nothing.
    Nothing,
}

impl State {
    pub(super) fn failed(&mut self, source: Source, caller: Caller, error: &ProviderError, now: Instant) {
        match says(error.kind) {
            Says::Answers => self.answered(source, caller, now),
            Says::Nothing => {}
            Says::NoToken => {
                if source == Source::Probe {
                    self.has_no_token(caller, error.kind);
                }
            }
            Says::Fails => {
                if source == Source::OwnWork {
                    self.waits(caller);
                }
                self.phase = match self.phase {
                    Phase::Healthy => Phase::Suspected { since: now },
                    Phase::Suspected { .. } if source == Source::Probe => Phase::Outage,
                    other => other,
                };
            }
            Says::Refuses => {
                if source == Source::OwnWork {
                    self.waits(caller);
                }
                self.note_refusal(source, caller.account, error, now);
            }
        }
    }

    /// A call of an account was answered that the installation is refused. When a probe with another account's grant is
    /// answered so too, an operator is alerted and no more calls are made.
    fn note_refusal(&mut self, source: Source, account: AccountId, error: &ProviderError, now: Instant) {
        let is_recent = |at: &Instant| now.duration_since(*at) < RECENT;
        match &mut self.standing {
            Standing::Accepted if self.refused_alone.get(&account).is_some_and(is_recent) => {}
            Standing::Accepted => {
                self.standing = Standing::Doubted(Refusing { error: error.clone(), accounts: [account].into() });
                self.probed_at = None;
                self.probed = None;
            }
            Standing::Doubted(refusing) | Standing::Refused(refusing) => {
                let is_another = refusing.accounts.insert(account);
                if source == Source::Probe && is_another {
                    self.confirm_refusal(now);
                }
            }
        }
    }

    /// The whole installation is refused, as accounts were answered.
    pub(super) fn confirm_refusal(&mut self, now: Instant) {
        if let Standing::Doubted(refusing) = &self.standing {
            self.standing = Standing::Refused(refusing.clone());
            self.phase = Phase::Outage;
            self.probed_at = Some(now);
            self.probed = None;
        }
    }

    pub(super) fn waits(&mut self, caller: Caller) {
        if self.waiting.len() < WAITING_MAX {
            self.waiting.insert(caller.calendar, caller.account);
        }
    }

    pub(super) fn skip(&mut self, calendar: CalendarId) {
        self.waiting.remove(&calendar);
        self.answered.retain(|(answered, _)| answered.calendar != calendar);
        // Where it was the one that was probed, the next one is probed at once.
        self.probed_at.take_if(|_| self.probed == Some(calendar));
    }

    /// A probe could not even be made. Where it is our own client that is not accepted, that is so for all that wait, and
    /// they go on waiting.
    fn has_no_token(&mut self, caller: Caller, kind: ProviderErrorKind) {
        if kind == ProviderErrorKind::ClientRefused {
            self.answered.retain(|(answered, _)| answered.calendar != caller.calendar);
        } else {
            self.has_no_grant(caller);
        }
    }

    /// An account waits for a person, and nothing can be probed with its grant.
    pub(super) fn has_no_grant(&mut self, caller: Caller) {
        if let Standing::Doubted(refusing) = &mut self.standing {
            refusing.accounts.insert(caller.account);
        }
        self.skip(caller.calendar);
    }

    pub(super) fn answered(&mut self, source: Source, caller: Caller, now: Instant) {
        self.answered.retain(|(answered, _)| answered.account != caller.account);
        self.answered.push((caller, now));
        if self.answered.len() > ANSWERED_MAX {
            self.answered.remove(0);
        }
        if source == Source::OwnWork {
            self.waiting.remove(&caller.calendar);
        }
        self.probed_at = None;
        self.probed = None;
        self.refused_alone.retain(|_, at| now.duration_since(*at) < RECENT);
        match std::mem::take(&mut self.standing) {
            Standing::Accepted => {}
            Standing::Doubted(refusing) => self.refused_alone.extend(refusing.accounts.iter().map(|id| (*id, now))),
            Standing::Refused(refusing) => {
                self.is_over = true;
                // Should they still be, the others are not.
                self.refused_alone.extend(refusing.accounts.iter().map(|id| (*id, now)));
            }
        }
        let waiting = match self.phase {
            Phase::Healthy => return,
            Phase::Suspected { .. } | Phase::Outage => std::mem::take(&mut self.waiting),
        };
        self.woken_alone.retain(|_, woken_at| now.duration_since(*woken_at) < WOKEN_ALONE_AGAIN);
        for id in waiting.into_keys() {
            if self.phase == Phase::Outage {
                self.to_wake.push(id);
            } else if let Entry::Vacant(first) = self.woken_alone.entry(id) {
                // It may have been an outage that was over before any probe. One that fails again fails alone.
                first.insert(now);
                self.to_wake.push(id);
            }
        }
        self.phase = Phase::Healthy;
    }

    pub(super) fn next_probe(&mut self, now: Instant) -> Option<Probe> {
        if !self.is_due(now) {
            return None;
        }
        let probe = self.choose_probe();
        match &probe {
            Some(Probe::Calendar(calendar)) => self.probed = Some(*calendar),
            Some(Probe::AnotherAccount(_)) => {}
            None => {
                // Nobody waits, and nothing can be probed: the next call shows whether it answers.
                self.phase = Phase::Healthy;
                self.is_over |= matches!(self.standing, Standing::Refused(_));
                self.standing = Standing::Accepted;
                self.probed = None;
            }
        }
        self.probed_at = probe.is_some().then_some(now);
        probe
    }

    fn is_due(&self, now: Instant) -> bool {
        let probed_for = self.probed_at.map(|at| now.duration_since(at));
        match (&self.standing, self.phase, probed_for) {
            (Standing::Doubted(_) | Standing::Refused(_), _, None) | (_, Phase::Outage, None) => true,
            (Standing::Refused(_), _, Some(passed)) => passed >= REFUSED_PROBE_INTERVAL,
            (Standing::Accepted, Phase::Healthy, _) => false,
            (Standing::Accepted, Phase::Suspected { since }, None) => now.duration_since(since) >= FIRST_PROBE_AFTER,
            (Standing::Doubted(_) | Standing::Accepted, _, Some(passed)) => passed >= PROBE_INTERVAL,
        }
    }

    fn choose_probe(&self) -> Option<Probe> {
        let (Standing::Doubted(Refusing { accounts, .. }) | Standing::Refused(Refusing { accounts, .. })) =
            &self.standing
        else {
            return self.next_of(|_| true).map(Probe::Calendar);
        };
        if let Some(calendar) = self.next_of(|account| !accounts.contains(&account)) {
            return Some(Probe::Calendar(calendar));
        }
        match self.standing {
            Standing::Doubted(_) => Some(Probe::AnotherAccount(accounts.clone())),
            _ => self.next_of(|_| true).map(Probe::Calendar),
        }
    }

    /// The next calendar to probe: the one that was answered last, then one after the other, so that none which is never
    /// answered stands in the others' way.
    fn next_of(&self, fits: impl Fn(AccountId) -> bool) -> Option<CalendarId> {
        let answered = || self.answered.iter().rev().map(|(caller, _)| caller).filter(|caller| fits(caller.account));
        let waiting = |range| {
            let mut waiting = self.waiting.range::<CalendarId, (Bound<CalendarId>, Bound<CalendarId>)>(range);
            waiting.find(|(_, account)| fits(**account)).map(|(calendar, _)| *calendar)
        };
        let first_waiting = || waiting((Bound::Unbounded, Bound::Unbounded));
        let Some(probed) = self.probed else {
            return answered().next().map(|caller| caller.calendar).or_else(first_waiting);
        };
        let after = answered().map(|caller| caller.calendar).filter(|calendar| *calendar > probed);
        let after = after.chain(waiting((Bound::Excluded(probed), Bound::Unbounded))).min();
        after.or_else(|| answered().map(|caller| caller.calendar).chain(first_waiting()).min())
    }

    pub(super) fn refused(&self) -> Option<&ProviderError> {
        match &self.standing {
            Standing::Refused(refusing) => Some(&refusing.error),
            Standing::Accepted | Standing::Doubted(_) => None,
        }
    }

    pub(super) fn is_answered(&self, now: Instant) -> bool {
        let is_recent = |(_, at): &(Caller, Instant)| now.duration_since(*at) < RECENT;
        self.phase == Phase::Healthy
            && self.standing == Standing::Accepted
            && self.answered.last().is_some_and(is_recent)
    }

    pub(super) fn take_refusal(&mut self) -> Refusal {
        if let Some(error) = self.refused() {
            return Refusal::Refused(error.clone());
        }
        if std::mem::take(&mut self.is_over) { Refusal::Over } else { Refusal::None }
    }

    pub(super) fn take_to_wake(&mut self, limit: usize) -> Vec<CalendarId> {
        let rest = self.to_wake.len().saturating_sub(limit);
        self.to_wake.split_off(rest)
    }
}

fn says(kind: ProviderErrorKind) -> Says {
    match kind {
        ProviderErrorKind::ConnectionRefused
        | ProviderErrorKind::ConnectionReset
        | ProviderErrorKind::TimedOut
        | ProviderErrorKind::TemporaryFailure => Says::Fails,
        ProviderErrorKind::ProjectRefused => Says::Refuses,
        // The token endpoint's words.
        ProviderErrorKind::GrantRevoked | ProviderErrorKind::TokenRefreshNeeded | ProviderErrorKind::ClientRefused => {
            Says::NoToken
        }
        ProviderErrorKind::RateLimited => Says::Nothing,
        ProviderErrorKind::NotFound
        | ProviderErrorKind::Forbidden
        | ProviderErrorKind::AccountRefused
        | ProviderErrorKind::PositionLost
        | ProviderErrorKind::PageTooLarge
        | ProviderErrorKind::WatchUnsupported
        | ProviderErrorKind::InvalidRequest => Says::Answers,
    }
}

#[cfg(test)]
mod tests;
