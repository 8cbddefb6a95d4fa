//! The consent of an account that has yet to be settled.

use evercal_domain::UnixMs;
use serde::{Deserialize, Serialize};

use crate::account::trouble::Trouble;

/// How far the redemption of a consent has come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Consent {
    /// There is none to settle.
    #[default]
    Settled,
    /// One brought a code that has yet to be redeemed.
    Waits {
        /// The attempts that failed, if any.
        tried: Option<Tried>,
    },
    /// It is being redeemed.
    UnderWay {
        /// When it was first tried.
        since: UnixMs,
        /// Why it could not be settled before this attempt.
        trouble: Option<Trouble>,
    },
    /// It is being redeemed, and another one came, which is then tried for itself.
    Overtaken,
}

/// Attempts at a consent that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// When it was first tried.
    pub since: UnixMs,
    /// Why it could not be settled yet.
    pub trouble: Trouble,
}

impl Consent {
    /// A new one came: it is tried at once, whatever the one before it waits for.
    pub(in crate::account) fn comes(&mut self) {
        *self = match self {
            Self::Settled | Self::Waits { .. } => Self::Waits { tried: None },
            Self::UnderWay { .. } | Self::Overtaken => Self::Overtaken,
        };
    }

    /// An attempt begins; answers when this consent was first tried.
    pub(in crate::account) fn is_tried(&mut self, now: UnixMs) -> UnixMs {
        let (since, trouble) = match std::mem::take(self) {
            Self::Waits { tried: Some(Tried { since, trouble }) } => (since, Some(trouble)),
            _ => (now, None),
        };
        *self = Self::UnderWay { since, trouble };
        since
    }

    /// The attempt failed, and is repeated after what `trouble` makes of the one before it.
    pub(in crate::account) fn fails(&mut self, trouble: impl FnOnce(Option<&Trouble>) -> Trouble) {
        match self {
            Self::UnderWay { since, trouble: before } => {
                let tried = Tried { since: *since, trouble: trouble(before.as_ref()) };
                *self = Self::Waits { tried: Some(tried) };
            }
            _ => self.is_settled(),
        }
    }

    /// The attempt was the last one at this consent.
    pub(in crate::account) fn is_settled(&mut self) {
        *self = match self {
            Self::Overtaken => Self::Waits { tried: None },
            _ => Self::Settled,
        };
    }

    /// Whether one waits to be redeemed.
    pub(in crate::account) fn waits(&self) -> bool {
        matches!(self, Self::Waits { .. })
    }

    /// Why it could not be settled yet.
    pub(in crate::account) fn trouble(&self) -> Option<&Trouble> {
        match self {
            Self::Waits { tried } => tried.as_ref().map(|tried| &tried.trouble),
            Self::UnderWay { trouble, .. } => trouble.as_ref(),
            Self::Settled | Self::Overtaken => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::trouble::after_failed_redemption;
    use crate::contract::Cause;
    use crate::retry::Timing;
    use crate::shared::failure::FailedCall;

    fn fails(consent: &mut Consent, now: UnixMs) {
        let failed = FailedCall::of(Cause::NoAnswer);
        consent.fails(|before| after_failed_redemption(before, &failed, &Timing::default(), "acc_1", now));
    }

    #[test]
    fn a_consent_that_fails_waits_and_is_known_since_its_first_attempt() {
        let mut consent = Consent::default();
        consent.comes();
        for now in [UnixMs::new(5), UnixMs::new(60_000)] {
            assert_eq!(consent.is_tried(now), UnixMs::new(5));
            fails(&mut consent, now);
            assert!(consent.waits() && consent.trouble().is_some());
        }
        consent.is_tried(UnixMs::new(90_000));
        consent.is_settled();
        assert_eq!(consent, Consent::Settled);
    }

    #[test]
    fn one_that_comes_during_an_attempt_is_tried_for_itself_however_that_ends() {
        let ends: [fn(&mut Consent); 2] = [Consent::is_settled, |consent| fails(consent, UnixMs::new(6))];
        for ends in ends {
            let mut consent = Consent::default();
            consent.comes();
            consent.is_tried(UnixMs::new(5));
            consent.comes();
            assert!(!consent.waits(), "not before the attempt has ended");
            ends(&mut consent);
            assert_eq!(consent, Consent::Waits { tried: None });
            assert_eq!(consent.is_tried(UnixMs::new(7)), UnixMs::new(7));
        }
    }
}
