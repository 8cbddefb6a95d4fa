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

fn settled(outcome: ConsentOutcome, has_tokens: bool) -> ConsentSettled {
    ConsentSettled::Settled { outcome, has_tokens }
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
    progress.queue_grant_signals(Grant::Works);
    let stage = EndingStage::Closing { until: UnixMs::MAX, to_close: calendars };
    progress.life = Life::Ending(Ending { reason: "asked".into(), stops_until: Some(UnixMs::MAX), stage });
    let bytes = serde_json::to_vec(&progress).unwrap().len();
    // Temporal takes 2 MiB, and sealing makes a payload a little larger.
    assert!(bytes < 1_536 * 1_024, "{bytes} bytes");
}

#[test]
fn each_limit_at_which_a_list_was_not_read_any_further_is_named_until_one_is_read_to_its_end() {
    for (limit, words) in [
        (
            ListLimit::TooManyCalendars,
            "the provider lists more calendars than an account may have: the first 5,000 are mirrored",
        ),
        (
            ListLimit::TooManyPages,
            "the provider's list of calendars does not end: what it had until its 200th page is mirrored",
        ),
        (ListLimit::TooSlow, "the provider's list of calendars took too long: what it had until then is mirrored"),
    ] {
        let progress = AccountProgress { incomplete: Some(limit), ..connected() };
        assert_eq!(progress.detail().as_deref(), Some(words), "{limit:?}");
        assert_eq!(progress.readers_see().detail, progress.detail(), "it is written down");
        assert_eq!(progress.state(), AccountState::Connected, "what was listed is kept fresh");
    }
    assert_eq!(connected().detail(), None);
    let limits = (evercal_domain::limits::CALENDARS_PER_ACCOUNT_MAX, evercal_domain::limits::CALENDAR_LIST_PAGES_MAX);
    assert_eq!(limits, (5_000, 200), "as the sentences say");
}
