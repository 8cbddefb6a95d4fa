//! What cuts the wait of a failed attempt short: counted, so that nothing is missed which comes while the attempt still runs.

use crate::shared::waits::WaitReason;

/// How often in this run something happened for which an attempt that failed is repeated without its wait. Read before an
/// attempt: what comes during it counts too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Wakeups {
    /// The provider was seen to answer again.
    pub recoveries: u64,
    /// Somebody consented.
    pub consents: u64,
}

impl Wakeups {
    /// Whether a wait is over because of what came since. A new consent also passes one that the provider asked for.
    pub fn end_wait(self, reason: WaitReason, since: Self) -> bool {
        self.consents != since.consents || (reason == WaitReason::Recovery && self.recoveries != since.recoveries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_consent_passes_every_wait_and_a_recovery_only_what_may_have_recovered() {
        let before = Wakeups { recoveries: 3, consents: 1 };
        let (recovered, consented) = (Wakeups { recoveries: 4, ..before }, Wakeups { consents: 2, ..before });
        for (now, reason, passes) in [
            (before, WaitReason::Recovery, false),
            (recovered, WaitReason::Recovery, true),
            (recovered, WaitReason::RetryAfter, false),
            (consented, WaitReason::Recovery, true),
            (consented, WaitReason::RetryAfter, true),
        ] {
            assert_eq!(now.end_wait(reason, before), passes, "{now:?} {reason:?}");
        }
    }
}
