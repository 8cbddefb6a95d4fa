//! Who waits for a provider that fails, so that nobody waits for an old backoff when it answers again.
//!
//! A failure raises a suspicion; it is an outage when a question about a calendar that answered before fails too. While it
//! lasts, this process asks one small question every few seconds, and with the first good answer all that wait are woken. A
//! calendar that fails alone is woken once, since its failure may have been an outage that was over before anybody asked, and
//! then keeps its backoff. Kept in memory: what a killed process knew is lost, and its
//! calendars wait for their backoff. Pure but for the lock; asking and waking are the worker's.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use evercal_domain::{CalendarId, ProviderError, ProviderErrorKind};
use evercal_providers::TokenError;
use tokio::time::Instant;

/// Calendars that are remembered as waiting. Beyond it, the next ones wait for their backoff.
const WAITING_MAX: usize = 100_000;
/// After a first failure this passes before it is asked whether the provider answers.
const FIRST_QUESTION_AFTER: Duration = Duration::from_secs(2);
/// Between two questions while it does not.
const QUESTION_INTERVAL: Duration = Duration::from_secs(10);
/// Between two questions while it refuses the whole installation. Nobody else calls it meanwhile.
const REFUSED_QUESTION_INTERVAL: Duration = Duration::from_secs(30);
/// A calendar that failed alone, as far as anybody knows, is woken once in this time.
const WOKEN_ALONE_AGAIN: Duration = Duration::from_mins(10);

/// Who waits for a provider.
#[derive(Default)]
pub struct Outages {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Those whose own work failed.
    waiting: BTreeSet<CalendarId>,
    phase: Phase,
    /// The one that answered last, and when.
    answered: Option<(CalendarId, Instant)>,
    asked_at: Option<Instant>,
    /// When calendars that failed alone were woken last.
    woken_alone: BTreeMap<CalendarId, Instant>,
    to_wake: Vec<CalendarId>,
    refusal: Refusal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    #[default]
    Well,
    Suspected {
        since: Instant,
    },
    Outage,
}

/// Whether the provider refuses the whole installation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Refusal {
    /// It does not, as far as this process knows.
    #[default]
    None,
    /// It does.
    Refused(ProviderError),
    /// It did, and answers again.
    Over,
}

impl Outages {
    /// Notes how a call of a calendar's own work went.
    pub fn note<T>(&self, calendar: CalendarId, outcome: &Result<T, TokenError>) {
        self.note_from(Source::OwnWork, calendar, outcome);
    }

    /// Notes how a question about a calendar went.
    pub fn note_question<T>(&self, calendar: CalendarId, outcome: &Result<T, TokenError>) {
        self.note_from(Source::Question, calendar, outcome);
    }

    fn note_from<T>(&self, source: Source, calendar: CalendarId, outcome: &Result<T, TokenError>) {
        match outcome {
            Ok(_) => self.state().answered(source, calendar, Instant::now()),
            Err(TokenError::Provider(error)) => self.state().failed(source, calendar, error, Instant::now()),
            Err(TokenError::Store(_) | TokenError::NotConnected) => {}
        }
    }

    /// The error that a call would meet, while the provider refuses the whole installation: then it is not made.
    pub fn refused(&self) -> Option<ProviderError> {
        match &self.state().refusal {
            Refusal::Refused(error) => Some(error.clone()),
            Refusal::None | Refusal::Over => None,
        }
    }

    /// A calendar waits, although it was not asked for.
    pub fn waits(&self, calendar: CalendarId) {
        self.state().waits(calendar);
    }

    /// Whether the provider answered a call a moment ago, and refuses nothing since.
    pub fn is_answered(&self) -> bool {
        let state = self.state();
        let is_recent = |at: Instant| at.elapsed() < REFUSED_QUESTION_INTERVAL;
        state.phase == Phase::Well && state.answered.is_some_and(|(_, at)| is_recent(at))
    }

    /// Whether the provider refuses the whole installation. That it is over is told once.
    pub fn refusal(&self) -> Refusal {
        let mut state = self.state();
        let now = state.refusal.clone();
        if now == Refusal::Over {
            state.refusal = Refusal::None;
        }
        now
    }

    /// The calendar to ask for now, if it is time.
    pub fn question(&self) -> Option<CalendarId> {
        self.state().question(Instant::now())
    }

    /// A question got no answer about the calendar, such as when it is gone: another one is asked for next.
    pub fn is_unfit(&self, calendar: CalendarId) {
        let mut state = self.state();
        state.waiting.remove(&calendar);
        state.answered.take_if(|(answered, _)| *answered == calendar);
    }

    /// Calendars to wake, at most so many.
    pub fn take_to_wake(&self, limit: usize) -> Vec<CalendarId> {
        let mut state = self.state();
        let rest = state.to_wake.len().saturating_sub(limit);
        state.to_wake.split_off(rest)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a call was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// The calendar's own work: where it failed, the calendar waits, and where it succeeded, it does not.
    OwnWork,
    /// Finding out whether the provider answers.
    Question,
}

impl State {
    fn failed(&mut self, source: Source, calendar: CalendarId, error: &ProviderError, now: Instant) {
        if !may_be_an_outage(error.kind) {
            // It answers; what it says is about this calendar or this account.
            if error.kind != ProviderErrorKind::RateLimited {
                self.answered(source, calendar, now);
            }
            return;
        }
        if source == Source::OwnWork {
            self.waits(calendar);
        }
        if error.kind == ProviderErrorKind::ProjectRefused {
            if error.reason.is_some() || !self.answers_others(calendar, now) {
                self.refusal = Refusal::Refused(error.clone());
                self.phase = Phase::Outage;
                self.asked_at.get_or_insert(now);
            }
            return;
        }
        self.phase = match self.phase {
            Phase::Well => Phase::Suspected { since: now },
            Phase::Suspected { .. } if source == Source::Question => Phase::Outage,
            other => other,
        };
    }

    fn waits(&mut self, calendar: CalendarId) {
        if self.waiting.len() < WAITING_MAX {
            self.waiting.insert(calendar);
        }
    }

    /// Whether the provider answered another calendar a moment ago. Then a refusal without a reason is not everybody's.
    fn answers_others(&self, than: CalendarId, now: Instant) -> bool {
        let is_recent = |at: Instant| now.duration_since(at) < REFUSED_QUESTION_INTERVAL;
        self.answered.is_some_and(|(calendar, at)| calendar != than && is_recent(at))
    }

    fn answered(&mut self, source: Source, calendar: CalendarId, now: Instant) {
        self.answered = Some((calendar, now));
        if source == Source::OwnWork {
            self.waiting.remove(&calendar);
        }
        if let Refusal::Refused(_) = self.refusal {
            self.refusal = Refusal::Over;
        }
        let waiting = match self.phase {
            Phase::Well => return,
            Phase::Suspected { .. } | Phase::Outage => std::mem::take(&mut self.waiting),
        };
        self.woken_alone.retain(|_, woken_at| now.duration_since(*woken_at) < WOKEN_ALONE_AGAIN);
        for id in waiting {
            if self.phase == Phase::Outage {
                self.to_wake.push(id);
            } else if let Entry::Vacant(first) = self.woken_alone.entry(id) {
                // It may have been an outage that was over before anybody asked. One that fails again fails alone.
                first.insert(now);
                self.to_wake.push(id);
            }
        }
        self.phase = Phase::Well;
        self.asked_at = None;
    }

    fn question(&mut self, now: Instant) -> Option<CalendarId> {
        let is_due = match (self.phase, self.asked_at) {
            (Phase::Well, _) => false,
            (Phase::Suspected { since }, None) => now.duration_since(since) >= FIRST_QUESTION_AFTER,
            (_, Some(asked_at)) => {
                let is_refused = matches!(self.refusal, Refusal::Refused(_));
                let interval = if is_refused { REFUSED_QUESTION_INTERVAL } else { QUESTION_INTERVAL };
                now.duration_since(asked_at) >= interval
            }
            (Phase::Outage, None) => true,
        };
        if !is_due {
            return None;
        }
        let answered = self.answered.map(|(calendar, _)| calendar);
        let calendar = answered.or_else(|| self.waiting.first().copied());
        if calendar.is_none() {
            // Nobody waits, and nobody can be asked for: the next call tells.
            self.phase = Phase::Well;
            self.refusal = Refusal::None;
        }
        self.asked_at = calendar.map(|_| now);
        calendar
    }
}

/// Whether a failure may be the provider's for everybody.
fn may_be_an_outage(kind: ProviderErrorKind) -> bool {
    matches!(
        kind,
        ProviderErrorKind::ConnectionRefused
            | ProviderErrorKind::ConnectionReset
            | ProviderErrorKind::TimedOut
            | ProviderErrorKind::TemporaryFailure
            | ProviderErrorKind::ProjectRefused
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: ProviderErrorKind) -> ProviderError {
        ProviderError::without_answer(kind, "calendar.events.list")
    }

    /// Time that a test moves.
    struct Scene {
        state: State,
        now: Instant,
    }

    impl Scene {
        fn new() -> Self {
            Self { state: State::default(), now: Instant::now() }
        }

        fn later(&mut self, seconds: u64) -> &mut Self {
            self.now += Duration::from_secs(seconds);
            self
        }

        fn fails(&mut self, calendar: CalendarId, kind: ProviderErrorKind) {
            self.state.failed(Source::OwnWork, calendar, &error(kind), self.now);
        }

        fn works(&mut self, calendar: CalendarId) {
            self.state.answered(Source::OwnWork, calendar, self.now);
        }

        /// The calendar that is asked for now, and what the answer is.
        fn asks(&mut self, failing: Option<ProviderErrorKind>) -> Option<CalendarId> {
            let calendar = self.state.question(self.now)?;
            match failing {
                Some(kind) => self.state.failed(Source::Question, calendar, &error(kind), self.now),
                None => self.state.answered(Source::Question, calendar, self.now),
            }
            Some(calendar)
        }

        fn wakes(&mut self) -> Vec<CalendarId> {
            std::mem::take(&mut self.state.to_wake)
        }
    }

    const DOWN: Option<ProviderErrorKind> = Some(ProviderErrorKind::TemporaryFailure);

    fn ids<const N: usize>() -> [CalendarId; N] {
        let mut ids = std::array::from_fn(|_| CalendarId::generate());
        ids.sort();
        ids
    }

    #[test]
    fn all_that_failed_in_an_outage_are_woken_by_its_first_good_answer() {
        let [one, two, healthy] = ids();
        let mut scene = Scene::new();
        scene.works(healthy);
        scene.fails(one, ProviderErrorKind::TemporaryFailure);
        assert_eq!(scene.later(1).asks(DOWN), None, "not at once");
        assert_eq!(scene.later(1).asks(DOWN), Some(healthy), "one that answered before is asked for");
        scene.fails(two, ProviderErrorKind::TimedOut);
        assert_eq!(scene.later(9).asks(DOWN), None);
        assert_eq!(scene.later(1).asks(DOWN), Some(healthy), "every ten seconds");
        assert_eq!(scene.wakes(), []);
        assert_eq!(scene.later(10).asks(None), Some(healthy));
        assert_eq!(scene.wakes(), [one, two]);
        assert_eq!(scene.later(60).asks(None), None, "and nobody asks any more");
    }

    #[test]
    fn a_calendar_that_fails_alone_is_tried_once_more_at_once_and_then_keeps_its_backoff() {
        let [poor, healthy] = ids();
        let mut scene = Scene::new();
        scene.works(healthy);
        for expected in [&[poor][..], &[], &[]] {
            scene.fails(poor, ProviderErrorKind::TemporaryFailure);
            assert_eq!(scene.later(2).asks(None), Some(healthy));
            assert_eq!(scene.wakes(), expected);
        }
        scene.later(600).fails(poor, ProviderErrorKind::ConnectionReset);
        scene.works(healthy);
        assert_eq!(scene.wakes(), [poor]);
    }

    #[test]
    fn the_only_calendar_is_asked_for_itself_and_woken() {
        let [only] = ids();
        let mut scene = Scene::new();
        scene.fails(only, ProviderErrorKind::TemporaryFailure);
        assert_eq!(scene.later(2).asks(DOWN), Some(only));
        assert_eq!(scene.later(10).asks(None), Some(only));
        assert_eq!(scene.wakes(), [only]);
    }

    #[test]
    fn a_refusal_of_the_whole_installation_is_asked_about_now_and_then_and_is_over_with_the_first_answer() {
        let [one, two] = ids();
        let mut scene = Scene::new();
        for calendar in [one, two] {
            scene.fails(calendar, ProviderErrorKind::ProjectRefused);
        }
        assert!(matches!(scene.state.refusal, Refusal::Refused(_)));
        let refused = Some(ProviderErrorKind::ProjectRefused);
        assert_eq!(scene.later(29).asks(refused), None);
        assert_eq!(scene.later(1).asks(refused), Some(one));
        assert_eq!(scene.later(30).asks(None), Some(one));
        assert_eq!((scene.wakes(), &scene.state.refusal), (vec![one, two], &Refusal::Over));
    }

    #[test]
    fn a_refusal_without_a_reason_is_everybodys_only_where_nobody_is_answered() {
        let [one, healthy] = ids();
        let mut scene = Scene::new();
        scene.works(healthy);
        scene.fails(one, ProviderErrorKind::ProjectRefused);
        assert_eq!(scene.state.refusal, Refusal::None);
        scene.later(31).fails(one, ProviderErrorKind::ProjectRefused);
        assert!(matches!(scene.state.refusal, Refusal::Refused(_)));
    }

    #[test]
    fn what_is_refused_for_one_calendar_and_what_is_limited_is_no_outage() {
        let [one] = ids();
        let mut scene = Scene::new();
        for kind in [ProviderErrorKind::Forbidden, ProviderErrorKind::RateLimited, ProviderErrorKind::GrantRevoked] {
            scene.fails(one, kind);
            assert_eq!(scene.later(60).asks(None), None, "{kind}");
        }
    }
}
