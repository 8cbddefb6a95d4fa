//! The walks over a path: one without a fault to learn its calls, then one for each of them and each kind of fault.

use std::collections::{BTreeMap, BTreeSet};

use evercal_simulator::{FaultAction, FaultPlan, FaultRule};
use evercal_tests::{ProviderCall, World};

/// A kind of fault, and the calls that it can happen to.
type Fault = (FaultAction, To);

/// Calls that a fault can happen to.
#[derive(Debug, Clone, Copy)]
enum To {
    All,
    /// Those that are made with an access token.
    WithToken,
    These(&'static [ProviderCall]),
}

/// A fault at one call of a path: the n-th of its method, from 0. The n-th of all would be another call each time, since
/// both lanes of a subscription call at once.
#[derive(Debug, Clone)]
pub struct Hit {
    pub method: String,
    pub after: u32,
    pub action: FaultAction,
}

fn faults() -> Vec<Fault> {
    let status = |status: u16| FaultAction::Status { status, reason: None, retry_after_s: None };
    let throttled = |status| FaultAction::Status { status, reason: Some("throttled".to_owned()), retry_after_s: None };
    vec![
        (FaultAction::ResetBefore, To::All),
        (FaultAction::ResetAfter, To::All),
        (FaultAction::Hang, To::All),
        (FaultAction::SlowBody { chunk_bytes: 64, delay_ms: 1 }, To::All),
        // Slower than the client's timeout: each piece comes in time, the whole does not.
        (FaultAction::SlowBody { chunk_bytes: 1, delay_ms: 50 }, To::All),
        (FaultAction::TruncatedBody, To::All),
        (FaultAction::GarbageBody, To::All),
        (FaultAction::OversizedBody { bytes: 400_000 }, To::All),
        (status(500), To::All),
        (FaultAction::Status { status: 503, reason: None, retry_after_s: Some(1) }, To::All),
        (FaultAction::Quota { status: 403 }, To::WithToken),
        (FaultAction::Quota { status: 429 }, To::All),
        (FaultAction::ExpiredToken, To::WithToken),
        (FaultAction::InvalidGrant, To::All),
        (FaultAction::EmptyPage, To::These(&[ProviderCall::ReadEvents])),
        (FaultAction::EmptyPage, To::These(&[ProviderCall::ListCalendars])),
        (status(404), To::These(&[ProviderCall::ReadEvents, ProviderCall::OpenChannel, ProviderCall::ExtendChannel])),
        (status(404), To::These(&[ProviderCall::ListCalendars])),
        (status(410), To::These(&[ProviderCall::ReadEvents])),
        (status(404), To::These(&[ProviderCall::Revoke])),
        (throttled(403), To::These(&[ProviderCall::Redeem, ProviderCall::Refresh])),
        (throttled(404), To::These(&[ProviderCall::Redeem, ProviderCall::Refresh])),
    ]
}

/// Which walks are still to be made, and what was met on those before.
#[derive(Default)]
pub struct Walks {
    begun: bool,
    /// The methods of the walk without a fault, in order.
    calls: Vec<String>,
    /// What is still to be walked.
    left: Vec<Hit>,
    calls_before: u64,
    /// Walks whose fault happened, and those whose fault found no call any more.
    met: BTreeSet<(String, &'static str)>,
    missed: Vec<Hit>,
}

impl Walks {
    /// The next walk: without a fault the first time, `None` when all are made.
    #[expect(clippy::option_option, reason = "no walk left, a walk without a fault, a walk with one")]
    pub fn next(&mut self) -> Option<Option<Hit>> {
        if !self.begun {
            self.begun = true;
            return Some(None);
        }
        self.left.pop().map(Some)
    }

    pub fn begin(&mut self, world: &World, hit: Option<&Hit>) {
        self.calls_before = last_call(world);
        let rules = hit
            .into_iter()
            .map(|hit| FaultRule { after: hit.after, ..FaultRule::once(&hit.method, hit.action.clone()) });
        world.control().set_faults(FaultPlan { rules: rules.collect(), random: None }).unwrap();
    }

    pub fn end(&mut self, world: &World, hit: Option<Hit>) {
        world.control().set_faults(FaultPlan::default()).unwrap();
        let before = self.calls_before;
        let calls = world.control().calls().unwrap().calls.into_iter().filter(|call| call.index > before);
        match hit {
            None => {
                self.calls = calls.map(|call| call.method).collect();
                self.left = every_hit(world, &self.calls);
            }
            Some(hit) => {
                let mut calls = calls;
                match calls.find(|call| call.fault.as_deref() == Some(hit.action.kind())) {
                    Some(call) => {
                        self.met.insert((call.method, hit.action.kind()));
                    }
                    None => self.missed.push(hit),
                }
            }
        }
    }

    /// Nothing above can pass by not happening: the path made these calls, and each met each kind of fault.
    pub fn met_everything(&self, world: &World, path: &[ProviderCall]) {
        assert!(self.missed.is_empty(), "of {:?} these were never met: {:?}", self.calls, self.missed);
        for method in path.iter().filter_map(|call| world.provider.method(*call)) {
            assert!(self.calls.iter().any(|call| call == method), "{method} is not in {:?}", self.calls);
            for (action, applies_to) in faults() {
                let applies = applies(world, applies_to, method);
                let met = self.met.contains(&(method.to_owned(), action.kind()));
                assert!(met || !applies, "{method} never met {}: {:?} {:?}", action.kind(), self.calls, self.met);
            }
        }
    }
}

/// Each fault at each call of ours that it can happen to. The consent page is opened by a browser.
fn every_hit(world: &World, calls: &[String]) -> Vec<Hit> {
    let mut hits = Vec::new();
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    let is_ours = |method: &&String| ProviderCall::ALL.into_iter().any(|call| is_of(world, call, method));
    for method in calls.iter().filter(is_ours) {
        let after = seen.entry(method).or_default();
        for (action, applies_to) in faults() {
            if applies(world, applies_to, method) {
                hits.push(Hit { method: method.clone(), after: *after, action });
            }
        }
        *after += 1;
    }
    hits
}

fn is_of(world: &World, call: ProviderCall, method: &str) -> bool {
    world.provider.method(call) == Some(method)
}

fn applies(world: &World, to: To, method: &str) -> bool {
    let is_one_of = |calls: &[ProviderCall]| calls.iter().any(|call| is_of(world, *call, method));
    match to {
        To::All => true,
        To::WithToken => ProviderCall::ALL.into_iter().any(|call| !call.is_sign_in() && is_one_of(&[call])),
        To::These(calls) => is_one_of(calls),
    }
}

/// The newest calls, for people.
pub fn recent_calls(world: &World) -> Vec<String> {
    let calls = world.control().calls().unwrap().calls;
    let newest = calls.iter().skip(calls.len().saturating_sub(12));
    newest
        .map(|call| format!("{} {:?} {:?} at {:?}", call.method, call.status, call.fault, call.simulated_now))
        .collect()
}

pub fn last_call(world: &World) -> u64 {
    world.control().calls().unwrap().calls.last().map_or(0, |call| call.index)
}
