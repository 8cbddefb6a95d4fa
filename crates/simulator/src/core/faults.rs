//! Faults of provider calls, by script and by seed. Provider-neutral: a call is a method name, a calendar and an
//! index; what an action looks like on the wire is the provider folder's business. Not for notices, see
//! [`super::notices`].

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What goes wrong. In JSON `{"kind":"status","status":503,"reason":"backendError"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultAction {
    /// Answers with this status instead of handling the call.
    Status {
        /// HTTP status, 400 to 599.
        status: u16,
        /// The provider's reason word; a fitting one is chosen when it is absent.
        #[serde(default)]
        reason: Option<String>,
        /// Sent as `Retry-After`, in seconds.
        #[serde(default)]
        retry_after_s: Option<u64>,
    },
    /// Answers with this status and a page for people, as a proxy in front of the API does: without a reason.
    ErrorPage {
        /// HTTP status, 400 to 599.
        status: u16,
    },
    /// Resets the connection; the call has no effect.
    ResetBefore,
    /// Handles the call, then resets the connection: the effect happened, the answer is lost.
    ResetAfter,
    /// Waits, then handles the call normally.
    Delay {
        /// How long, in milliseconds.
        delay_ms: u64,
    },
    /// Never answers; ends when the client gives up.
    Hang,
    /// Handles the call and sends the answer in small pieces.
    SlowBody {
        /// Size of a piece.
        chunk_bytes: usize,
        /// Pause after each piece, in milliseconds.
        delay_ms: u64,
    },
    /// Handles the call, sends half of the body, then resets the connection.
    TruncatedBody,
    /// Handles the call and answers with a body that is no JSON: 200 where the call went well.
    GarbageBody,
    /// Handles the call and answers with JSON that is larger than any client should read: 200 where the call went well.
    OversizedBody {
        /// Size of the body.
        bytes: usize,
    },
    /// A list answers with no items and a page token for the same position. Other calls are not touched.
    EmptyPage,
    /// The access token counts as expired: 401.
    ExpiredToken,
    /// The token endpoint answers `invalid_grant`, and the grant is dead from now on. Other calls get 401.
    InvalidGrant,
    /// The provider's rate limit, in one of its two forms.
    Quota {
        /// 403 or 429.
        status: u16,
    },
}

impl FaultAction {
    /// The `kind` word of the JSON form.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Status { .. } => "status",
            Self::ErrorPage { .. } => "error_page",
            Self::ResetBefore => "reset_before",
            Self::ResetAfter => "reset_after",
            Self::Delay { .. } => "delay",
            Self::Hang => "hang",
            Self::SlowBody { .. } => "slow_body",
            Self::TruncatedBody => "truncated_body",
            Self::GarbageBody => "garbage_body",
            Self::OversizedBody { .. } => "oversized_body",
            Self::EmptyPage => "empty_page",
            Self::ExpiredToken => "expired_token",
            Self::InvalidGrant => "invalid_grant",
            Self::Quota { .. } => "quota",
        }
    }
}

/// One line of a fault script. All conditions that are given must hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRule {
    /// Only this method, for example `calendar.events.list`; with `*` at the end, every method that begins so.
    #[serde(default)]
    pub method: Option<String>,
    /// Only calls with this calendar in their path.
    #[serde(default)]
    pub calendar: Option<String>,
    /// Lets this many otherwise fitting calls through first; with no method, or `*`, counted over all calls.
    #[serde(default)]
    pub after: u32,
    /// How often the rule applies: once when absent, without end when null.
    #[serde(default = "once")]
    pub times: Option<u32>,
    /// What happens.
    pub action: FaultAction,
}

#[expect(clippy::unnecessary_wraps, reason = "serde wants the field's own type")]
fn once() -> Option<u32> {
    Some(1)
}

impl FaultRule {
    /// A rule that applies `action` once to the next call of `method`.
    pub fn once(method: &str, action: FaultAction) -> Self {
        Self { method: Some(method.to_owned()), calendar: None, after: 0, times: Some(1), action }
    }

    /// A rule that applies `action` to every call of `method` until the plan is replaced.
    pub fn always(method: &str, action: FaultAction) -> Self {
        Self { times: None, ..Self::once(method, action) }
    }

    fn fits(&self, call: &CallSubject<'_>) -> bool {
        let method_fits = self.method.as_deref().is_none_or(|wanted| {
            wanted.strip_suffix('*').map_or(wanted == call.method, |start| call.method.starts_with(start))
        });
        let calendar_fits = self.calendar.as_deref().is_none_or(|wanted| call.calendar == Some(wanted));
        method_fits && calendar_fits
    }
}

/// Faults at random, the same for the same seed and order of calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomFaults {
    /// Chooses calls and actions.
    pub seed: u64,
    /// Share of the calls that fail, 0 to 100.
    pub percent: u8,
    /// Only these methods; all when empty. A `*` at the end matches every method that begins so.
    #[serde(default)]
    pub methods: Vec<String>,
    /// One of these happens.
    pub actions: Vec<FaultAction>,
}

/// All faults that are armed. Arming a plan replaces the one before, and calls are counted anew.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultPlan {
    /// The script; the first rule that fits applies.
    #[serde(default)]
    pub rules: Vec<FaultRule>,
    /// Asked when no rule fits.
    #[serde(default)]
    pub random: Option<RandomFaults>,
}

/// The call that a fault is sought for.
pub(crate) struct CallSubject<'a> {
    pub(crate) method: &'a str,
    pub(crate) calendar: Option<&'a str>,
}

/// The armed plan and how much of it is used up.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct FaultBook {
    plan: FaultPlan,
    calls_since_armed: u64,
    /// For each rule, how many calls fitted so far.
    fitted: Vec<u32>,
}

impl FaultBook {
    pub(crate) fn arm(&mut self, plan: FaultPlan) {
        self.fitted = vec![0; plan.rules.len()];
        self.plan = plan;
        self.calls_since_armed = 0;
    }

    pub(crate) fn plan(&self) -> &FaultPlan {
        &self.plan
    }

    pub(crate) fn is_armed(&self) -> bool {
        !self.plan.rules.is_empty() || self.plan.random.is_some()
    }

    /// Counts one call and says what goes wrong with it, if anything.
    pub(crate) fn decide(&mut self, call: &CallSubject<'_>) -> Option<FaultAction> {
        self.calls_since_armed += 1;
        let index = self.calls_since_armed;
        for (rule, fitted) in self.plan.rules.iter().zip(&mut self.fitted) {
            if !rule.fits(call) {
                continue;
            }
            *fitted = fitted.saturating_add(1);
            let past_the_start = *fitted > rule.after;
            let not_used_up = rule.times.is_none_or(|times| *fitted <= rule.after.saturating_add(times));
            if past_the_start && not_used_up {
                return Some(rule.action.clone());
            }
        }
        self.plan.random.as_ref()?.decide(call, index)
    }
}

impl RandomFaults {
    fn decide(&self, call: &CallSubject<'_>, index: u64) -> Option<FaultAction> {
        let method_fits = self.methods.is_empty()
            || self.methods.iter().any(|wanted| {
                wanted.strip_suffix('*').map_or(wanted == call.method, |start| call.method.starts_with(start))
            });
        let dice = Dice::new(self.seed, "fault", index);
        if !method_fits || !dice.percent(self.percent, 0) {
            return None;
        }
        dice.choose(&self.actions, 1).cloned()
    }
}

/// Random decisions that depend only on a seed, a purpose and a position, so that they do not depend on the order
/// in which concurrent calls ask.
pub(crate) struct Dice([u8; 32]);

impl Dice {
    pub(crate) fn new(seed: u64, purpose: &str, position: u64) -> Self {
        let mut hash = Sha256::new();
        hash.update(seed.to_be_bytes());
        hash.update(purpose.as_bytes());
        hash.update(position.to_be_bytes());
        Self(hash.finalize().into())
    }

    /// One of up to eight independent numbers.
    fn number(&self, which: usize) -> u32 {
        self.0
            .chunks_exact(4)
            .nth(which)
            .map_or(0, |bytes| bytes.iter().fold(0, |sum, byte| (sum << 8) | u32::from(*byte)))
    }

    /// True in `percent` of all cases.
    pub(crate) fn percent(&self, percent: u8, which: usize) -> bool {
        self.number(which) % 100 < u32::from(percent)
    }

    /// A number below `limit`; 0 when the limit is 0.
    pub(crate) fn below(&self, limit: u64, which: usize) -> u64 {
        u64::from(self.number(which)).checked_rem(limit).unwrap_or(0)
    }

    pub(crate) fn choose<'a, T>(&self, items: &'a [T], which: usize) -> Option<&'a T> {
        let index = usize::try_from(self.number(which)).ok()?.checked_rem(items.len())?;
        items.get(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: CallSubject<'static> =
        CallSubject { method: "calendar.events.list", calendar: Some("work@example.com") };

    fn decisions(plan: FaultPlan, count: usize) -> Vec<bool> {
        let mut book = FaultBook::default();
        book.arm(plan);
        (0..count).map(|_| book.decide(&LIST).is_some()).collect()
    }

    #[test]
    fn a_rule_skips_its_first_calls_and_then_applies_so_many_times() {
        let rule = FaultRule { after: 1, times: Some(2), ..FaultRule::once("calendar.events.*", FaultAction::Hang) };
        let plan = FaultPlan { rules: vec![rule], random: None };
        assert_eq!(decisions(plan, 5), [false, true, true, false, false]);
    }

    #[test]
    fn random_faults_are_the_same_for_the_same_seed() {
        let plan = |seed| FaultPlan {
            rules: Vec::new(),
            random: Some(RandomFaults {
                seed,
                percent: 30,
                methods: Vec::new(),
                actions: vec![FaultAction::Hang, FaultAction::ResetAfter],
            }),
        };
        assert_eq!(decisions(plan(1), 200), decisions(plan(1), 200));
        assert_ne!(decisions(plan(1), 200), decisions(plan(2), 200));
        let hits = decisions(plan(1), 1000).iter().filter(|hit| **hit).count();
        assert!((250..350).contains(&hits), "{hits} of 1000 at 30 %");
    }

    #[test]
    fn a_script_is_read_from_json_with_its_defaults() {
        let plan: FaultPlan = serde_json::from_str(
            r#"{"rules":[
                {"method":"oauth.token","action":{"kind":"invalid_grant"}},
                {"times":null,"action":{"kind":"quota","status":403}}]}"#,
        )
        .unwrap();
        assert_eq!(plan.rules[0].times, Some(1));
        assert_eq!(plan.rules[1].times, None);
    }
}
