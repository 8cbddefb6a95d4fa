//! How Microsoft judges those that receive notices: by host, so that one slow receiver hurts all subscriptions there. Not
//! journaled, since ten minutes are short.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use url::Url;

/// What receivers have to keep to. The defaults are the documented values; a test can make them shorter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EndpointRules {
    /// How long the question to a new address may take.
    pub validation_timeout_ms: u64,
    /// How long the first attempt of a notice may take.
    pub first_timeout_ms: u64,
    /// How long each further attempt may take.
    pub retry_timeout_ms: u64,
    /// How long a notice is repeated.
    pub retry_for_ms: u64,
    /// Answers are counted over this time.
    pub window_ms: u64,
    /// As long as there are fewer, an endpoint is not judged.
    pub answers_min: usize,
    /// What counts as a slow answer.
    pub slow_ms: u64,
    /// More slow ones than this, and new notices are delayed.
    pub slow_percent: usize,
    /// What counts as a very slow answer.
    pub drop_ms: u64,
    /// More very slow ones than this, and new notices are dropped.
    pub drop_percent: usize,
    /// How long notices are delayed, and how long they are dropped.
    pub penalty_ms: u64,
}

impl Default for EndpointRules {
    fn default() -> Self {
        Self {
            validation_timeout_ms: 10_000,
            first_timeout_ms: 3_000,
            retry_timeout_ms: 10_000,
            retry_for_ms: 4 * 60 * 60 * 1_000,
            window_ms: 10 * 60 * 1_000,
            answers_min: 100,
            slow_ms: 3_000,
            slow_percent: 10,
            drop_ms: 10_000,
            drop_percent: 15,
            penalty_ms: 10 * 60 * 1_000,
        }
    }
}

/// What an endpoint has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndpointState {
    Good,
    /// New notices wait.
    Slow,
    /// New notices are lost.
    Dropping,
}

/// The answers of the last minutes.
#[derive(Default)]
pub(crate) struct Endpoints(HashMap<String, Endpoint>);

#[derive(Default)]
struct Endpoint {
    answers: VecDeque<(DateTime<Utc>, Duration)>,
    slow_until: Option<DateTime<Utc>>,
    dropping_until: Option<DateTime<Utc>>,
}

impl Endpoints {
    /// Notes how long an answer took, a missing one as long as it was waited for.
    pub(crate) fn note(&mut self, address: &str, now: DateTime<Utc>, took: Duration, rules: &EndpointRules) {
        let endpoint = self.0.entry(host_of(address)).or_default();
        let window = milliseconds(rules.window_ms);
        while endpoint.answers.front().is_some_and(|(at, _)| now - *at >= window) {
            endpoint.answers.pop_front();
        }
        endpoint.answers.push_back((now, took));
        let count = endpoint.answers.len();
        if count < rules.answers_min {
            return;
        }
        let exceeds = |limit_ms: u64, percent: usize| {
            let limit = Duration::from_millis(limit_ms);
            endpoint.answers.iter().filter(|(_, took)| *took >= limit).count() * 100 > percent * count
        };
        let until = now + milliseconds(rules.penalty_ms);
        let (is_slow, is_dropping) =
            (exceeds(rules.slow_ms, rules.slow_percent), exceeds(rules.drop_ms, rules.drop_percent));
        if is_slow {
            endpoint.slow_until = Some(until);
        }
        if is_dropping {
            endpoint.dropping_until = Some(until);
        }
    }

    pub(crate) fn state_of(&self, address: &str, now: DateTime<Utc>) -> EndpointState {
        let Some(endpoint) = self.0.get(&host_of(address)) else { return EndpointState::Good };
        if endpoint.dropping_until.is_some_and(|until| now < until) {
            EndpointState::Dropping
        } else if endpoint.slow_until.is_some_and(|until| now < until) {
            EndpointState::Slow
        } else {
            EndpointState::Good
        }
    }
}

fn host_of(address: &str) -> String {
    let url = Url::parse(address).ok();
    let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
    format!("{host}:{}", url.as_ref().and_then(Url::port_or_known_default).unwrap_or_default())
}

fn milliseconds(count: u64) -> TimeDelta {
    TimeDelta::milliseconds(i64::try_from(count).unwrap_or(i64::MAX / 1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: &str = "https://hooks.example.com/notices?of=1";

    fn after(answers_s: &[u64]) -> EndpointState {
        let rules = EndpointRules { answers_min: 10, ..EndpointRules::default() };
        let now: DateTime<Utc> = "2026-11-30T10:00:00Z".parse().unwrap();
        let mut endpoints = Endpoints::default();
        for took in answers_s {
            endpoints.note(ADDRESS, now, Duration::from_secs(*took), &rules);
        }
        let elsewhere = "https://hooks.example.com/other";
        assert_eq!(endpoints.state_of(elsewhere, now + TimeDelta::minutes(11)), EndpointState::Good);
        endpoints.state_of(elsewhere, now)
    }

    #[test]
    fn one_slow_answer_in_ten_is_still_good() {
        assert_eq!(after(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 4]), EndpointState::Good);
        assert_eq!(after(&[4, 4, 4]), EndpointState::Good);
    }

    #[test]
    fn more_of_them_delay_notices_and_very_slow_ones_lose_them() {
        assert_eq!(after(&[0, 0, 0, 0, 0, 0, 0, 0, 4, 4]), EndpointState::Slow);
        assert_eq!(after(&[0, 0, 0, 0, 0, 0, 0, 0, 11, 11]), EndpointState::Dropping);
    }
}
