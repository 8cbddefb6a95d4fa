use super::*;
use crate::account::trouble::after_failed_settlement;
use crate::contract::Cause;
use crate::retry::Timing;
use crate::shared::failure::FailedCall;

fn fails(consent: &mut Consent, now: UnixMs) {
    let failed = FailedCall::of(Cause::NoAnswer);
    consent.fails(|before| after_failed_settlement(before, &failed, &Timing::default(), "acc_1", now));
}

#[test]
fn a_consent_that_fails_waits_and_is_known_since_its_first_attempt() {
    let mut consent = Consent::default();
    consent.comes();
    for now in [UnixMs::new(5), UnixMs::new(60_000)] {
        assert_eq!(consent.begin_attempt(now), UnixMs::new(5));
        fails(&mut consent, now);
        assert!(consent.waits() && consent.trouble().is_some());
    }
    consent.begin_attempt(UnixMs::new(90_000));
    consent.settle();
    assert_eq!(consent, Consent::Settled);
}

#[test]
fn one_that_comes_during_an_attempt_is_tried_for_itself_however_that_ends() {
    let ends: [fn(&mut Consent); 2] = [Consent::settle, |consent| fails(consent, UnixMs::new(6))];
    for ends in ends {
        let mut consent = Consent::default();
        consent.comes();
        consent.begin_attempt(UnixMs::new(5));
        consent.comes();
        assert!(!consent.waits(), "not before the attempt has ended");
        ends(&mut consent);
        assert_eq!(consent, Consent::Waits { tried: None });
        assert_eq!(consent.begin_attempt(UnixMs::new(7)), UnixMs::new(7));
    }
}
