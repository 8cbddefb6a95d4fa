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

    fn fails(&mut self, caller: Caller, kind: ProviderErrorKind) {
        self.state.failed(Source::OwnWork, caller, &error(kind), self.now);
    }

    fn works(&mut self, caller: Caller) {
        self.state.answered(Source::OwnWork, caller, self.now);
    }

    /// A probe whose answer is lost.
    fn probe(&mut self) -> Option<Probe> {
        self.state.next_probe(self.now)
    }

    /// The one of these that is probed now, with this answer.
    fn probes(&mut self, known: &[Caller], failing: Option<ProviderErrorKind>) -> Option<Caller> {
        let Probe::Calendar(calendar) = self.probe()? else { panic!("of one that is known") };
        let caller = *known.iter().find(|caller| caller.calendar == calendar).unwrap();
        match failing {
            Some(kind) => self.state.failed(Source::Probe, caller, &error(kind), self.now),
            None => self.state.answered(Source::Probe, caller, self.now),
        }
        Some(caller)
    }

    fn wakes(&mut self) -> Vec<CalendarId> {
        std::mem::take(&mut self.state.to_wake)
    }

    fn is_refused(&self) -> bool {
        self.state.refused().is_some()
    }
}

const DOWN: Option<ProviderErrorKind> = Some(ProviderErrorKind::TemporaryFailure);
const REFUSED: Option<ProviderErrorKind> = Some(ProviderErrorKind::ProjectRefused);

/// Calendars in the order of their ids, each of an account of its own.
fn strangers<const N: usize>() -> [Caller; N] {
    let mut ids: [CalendarId; N] = std::array::from_fn(|_| CalendarId::generate());
    ids.sort();
    ids.map(|calendar| Caller { account: AccountId::generate(), calendar })
}

/// Calendars in the order of their ids, of one account.
fn siblings<const N: usize>() -> [Caller; N] {
    let account = AccountId::generate();
    strangers().map(|caller| Caller { account, ..caller })
}

#[test]
fn all_that_failed_in_an_outage_are_woken_by_its_first_good_answer() {
    let known @ [one, two, healthy] = strangers();
    let mut scene = Scene::new();
    scene.works(healthy);
    scene.fails(one, ProviderErrorKind::TemporaryFailure);
    assert_eq!(scene.later(1).probes(&known, DOWN), None, "not at once");
    assert_eq!(scene.later(1).probes(&known, DOWN), Some(healthy), "one that answered before is probed");
    scene.fails(two, ProviderErrorKind::TimedOut);
    assert_eq!(scene.later(9).probes(&known, DOWN), None);
    assert_eq!(scene.later(1).probes(&known, DOWN), Some(one), "every ten seconds, for the next one");
    assert_eq!(scene.wakes(), []);
    assert_eq!(scene.later(10).probes(&known, None), Some(two));
    assert_eq!(scene.wakes(), [one, two].map(|caller| caller.calendar));
    assert_eq!(scene.later(60).probes(&known, None), None, "and nothing is probed any more");
}

#[test]
fn one_that_is_never_answered_stands_in_nobodys_way() {
    let known @ [one, two, poor] = strangers();
    let mut scene = Scene::new();
    scene.works(poor);
    for caller in [one, two] {
        scene.fails(caller, ProviderErrorKind::TemporaryFailure);
    }
    assert_eq!(scene.later(2).probes(&known, DOWN), Some(poor));
    let probed: Vec<_> = (0..4).map(|_| scene.later(10).probes(&known, DOWN).unwrap()).collect();
    assert_eq!(probed, [one, two, poor, one], "each in turn");
    assert_eq!(scene.later(10).probes(&known, None), Some(two));
    scene.fails(one, ProviderErrorKind::TemporaryFailure);
    assert_eq!(scene.later(2).probes(&known, DOWN), Some(two), "from now on it begins with the one that answered");
}

#[test]
fn one_that_has_no_grant_any_more_is_not_asked_for_again_and_the_next_one_is_at_once() {
    let known @ [one, gone] = strangers();
    for kind in [ProviderErrorKind::GrantRevoked, ProviderErrorKind::TokenRefreshNeeded] {
        let mut scene = Scene::new();
        scene.works(gone);
        scene.fails(one, ProviderErrorKind::TemporaryFailure);
        assert_eq!(scene.later(2).probes(&known, Some(kind)), Some(gone));
        assert_eq!(
            scene.wakes(),
            [],
            "{kind}: what the token endpoint says is no sign that the calendars are answered"
        );
        assert_eq!(scene.later(1).probes(&known, DOWN), Some(one), "{kind}");
        assert_eq!(scene.later(10).probes(&known, None), Some(one), "{kind}");
        assert_eq!(scene.wakes(), [one.calendar], "{kind}");
    }
    let mut scene = Scene::new();
    scene.works(gone);
    scene.fails(one, ProviderErrorKind::TemporaryFailure);
    scene.later(2).probe();
    scene.state.skip(gone.calendar);
    assert_eq!(scene.later(1).probes(&known, DOWN), Some(one));
}

#[test]
fn what_the_token_endpoint_says_ends_no_outage_and_no_refusal() {
    let known @ [one, two] = strangers();
    for kind in
        [ProviderErrorKind::GrantRevoked, ProviderErrorKind::TokenRefreshNeeded, ProviderErrorKind::ClientRefused]
    {
        let mut scene = Scene::new();
        scene.fails(one, ProviderErrorKind::TemporaryFailure);
        scene.fails(two, kind);
        assert_eq!((scene.state.phase == Phase::Healthy, scene.wakes()), (false, vec![]), "{kind}");

        let mut scene = Scene::new();
        scene.fails(one, ProviderErrorKind::ProjectRefused);
        scene.state.confirm_refusal(scene.now);
        scene.fails(two, kind);
        assert!(scene.is_refused(), "{kind}");
    }
    // Our own client is refused to all: they go on waiting, each probed in turn.
    let mut scene = Scene::new();
    for caller in known {
        scene.fails(caller, ProviderErrorKind::TemporaryFailure);
    }
    let client = Some(ProviderErrorKind::ClientRefused);
    assert_eq!(scene.later(2).probes(&known, client), Some(one));
    assert_eq!(scene.later(10).probes(&known, client), Some(two));
    assert_eq!(scene.later(10).probes(&known, None), Some(one));
    assert_eq!(scene.wakes(), [one, two].map(|caller| caller.calendar));
}

#[test]
fn a_calendar_that_fails_alone_is_tried_once_more_at_once_and_then_keeps_its_backoff() {
    let known @ [poor, healthy] = strangers();
    let mut scene = Scene::new();
    scene.works(healthy);
    for expected in [&[poor.calendar][..], &[], &[]] {
        scene.fails(poor, ProviderErrorKind::TemporaryFailure);
        assert_eq!(scene.later(2).probes(&known, None), Some(healthy));
        assert_eq!(scene.wakes(), expected);
    }
    scene.later(600).fails(poor, ProviderErrorKind::ConnectionReset);
    scene.works(healthy);
    assert_eq!(scene.wakes(), [poor.calendar]);
}

#[test]
fn the_only_calendar_is_asked_for_itself_and_woken() {
    let known @ [only] = strangers();
    let mut scene = Scene::new();
    scene.fails(only, ProviderErrorKind::TemporaryFailure);
    assert_eq!(scene.later(2).probes(&known, DOWN), Some(only));
    assert_eq!(scene.later(10).probes(&known, None), Some(only));
    assert_eq!(scene.wakes(), [only.calendar]);
}

#[test]
fn one_accounts_refusal_is_everybodys_only_when_another_account_that_is_asked_for_hears_the_same() {
    let [refused, sibling] = siblings();
    let [other, third] = strangers();
    let known = [refused, sibling, other, third];
    let mut scene = Scene::new();
    scene.works(other);
    scene.fails(refused, ProviderErrorKind::ProjectRefused);
    scene.fails(sibling, ProviderErrorKind::ProjectRefused);
    assert!(!scene.is_refused(), "all of one account");
    assert_eq!(scene.probes(&known, None), Some(other), "at once");
    assert_eq!(scene.state.take_refusal(), Refusal::None, "it was that account's alone");
    scene.fails(refused, ProviderErrorKind::ProjectRefused);
    assert_eq!(scene.later(1).probes(&known, None), None, "nothing is probed again and again because of it");

    scene.later(60).fails(refused, ProviderErrorKind::ProjectRefused);
    assert_eq!(scene.probes(&known, REFUSED), Some(other));
    assert!(scene.is_refused());
    scene.state.waits(third);
    assert_eq!(scene.later(29).probes(&known, REFUSED), None);
    assert_eq!(scene.later(1).probes(&known, REFUSED), Some(third), "one whose calls have not met it yet");
    assert!(scene.later(30).probes(&known, None).is_some());
    assert_eq!(scene.state.take_refusal(), Refusal::Over);
    assert_eq!(scene.wakes().len(), 3, "all that waited");
}

#[test]
fn the_refusal_of_the_only_known_account_is_confirmed_when_the_store_has_no_other_either() {
    let known @ [one, two] = siblings();
    let mut scene = Scene::new();
    for caller in known {
        scene.fails(caller, ProviderErrorKind::ProjectRefused);
    }
    assert_eq!(scene.probe(), Some(Probe::AnotherAccount([one.account].into())));
    assert!(!scene.is_refused());
    scene.state.confirm_refusal(scene.now);
    assert!(scene.is_refused());
    assert_eq!(scene.later(29).probes(&known, REFUSED), None);
    assert_eq!(scene.later(1).probes(&known, REFUSED), Some(one));
    assert_eq!(scene.later(30).probes(&known, REFUSED), Some(two), "each in turn");
    assert_eq!(scene.later(30).probes(&known, None), Some(one));
    assert_eq!((scene.wakes(), scene.state.take_refusal()), (vec![one.calendar, two.calendar], Refusal::Over));
    assert_eq!(scene.state.take_refusal(), Refusal::None, "reported once");
}

#[test]
fn what_is_refused_for_one_calendar_and_what_is_limited_is_no_outage() {
    let known @ [one] = strangers();
    let mut scene = Scene::new();
    for kind in [ProviderErrorKind::Forbidden, ProviderErrorKind::RateLimited, ProviderErrorKind::GrantRevoked] {
        scene.fails(one, kind);
        assert_eq!(scene.later(60).probes(&known, None), None, "{kind}");
    }
}
