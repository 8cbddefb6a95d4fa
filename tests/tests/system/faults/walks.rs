//! The walks over a path: one without a fault to learn its calls, then one for each of them and each kind of fault.

use std::collections::{BTreeMap, BTreeSet};

use evercal_simulator::{FaultAction, FaultPlan, FaultRule};
use evercal_tests::World;

/// A kind of fault, and the methods that it can happen to.
type Fault = (FaultAction, &'static str);

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
        (FaultAction::ResetBefore, "*"),
        (FaultAction::ResetAfter, "*"),
        (FaultAction::Hang, "*"),
        (FaultAction::SlowBody { chunk_bytes: 64, delay_ms: 1 }, "*"),
        // Slower than the client's patience: each piece comes in time, the whole does not.
        (FaultAction::SlowBody { chunk_bytes: 1, delay_ms: 50 }, "*"),
        (FaultAction::TruncatedBody, "*"),
        (FaultAction::GarbageBody, "*"),
        (FaultAction::OversizedBody { bytes: 400_000 }, "*"),
        (status(500), "*"),
        (FaultAction::Status { status: 503, reason: None, retry_after_s: Some(1) }, "*"),
        (FaultAction::Quota { status: 403 }, "calendar.*"),
        (FaultAction::Quota { status: 429 }, "*"),
        (FaultAction::ExpiredToken, "calendar.*"),
        (FaultAction::InvalidGrant, "*"),
        (FaultAction::EmptyPage, "calendar.events.list"),
        (FaultAction::EmptyPage, "calendar.calendarList.list"),
        (status(404), "calendar.events.*"),
        (status(404), "calendar.calendarList.list"),
        (status(410), "calendar.events.list"),
        (status(404), "oauth.revoke"),
        (throttled(403), "oauth.token"),
        (throttled(404), "oauth.token"),
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
                self.left = every_hit(&self.calls);
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
    pub fn met_everything(&self, methods: &[&str]) {
        assert!(self.missed.is_empty(), "of {:?} these were never met: {:?}", self.calls, self.missed);
        for method in methods {
            assert!(self.calls.iter().any(|call| call == method), "{method} is not in {:?}", self.calls);
            for (action, applies_to) in faults() {
                let applies = applies(applies_to, method);
                let met = self.met.contains(&((*method).to_owned(), action.kind()));
                assert!(met || !applies, "{method} never met {}: {:?} {:?}", action.kind(), self.calls, self.met);
            }
        }
    }
}

/// Each fault at each call that it can happen to. The consent page is opened by a browser, not by us.
fn every_hit(calls: &[String]) -> Vec<Hit> {
    let mut hits = Vec::new();
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    for method in calls.iter().filter(|method| *method != "oauth.authorize") {
        let after = seen.entry(method).or_default();
        for (action, applies_to) in faults() {
            if applies(applies_to, method) {
                hits.push(Hit { method: method.clone(), after: *after, action });
            }
        }
        *after += 1;
    }
    hits
}

fn applies(pattern: &str, method: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == method, |start| method.starts_with(start))
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
