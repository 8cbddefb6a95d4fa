//! What the checks of the heartbeat found: of Temporal, the store, the workers and the providers. The rest of the gateway reads
//! it here, without asking any of them itself.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use evercal_storage::cause_of;

use crate::providers::ProvidersHealth;
use crate::workers::WorkersHealth;

/// Checks in a row without an answer after which Temporal or the store is away: a single slow answer does not count.
const AWAY_AFTER: u32 = 2;

/// The last snapshot.
#[derive(Debug, Default)]
pub(crate) struct LatestHealth(Mutex<Option<HealthSnapshot>>);

#[derive(Debug, Clone, Default)]
pub(crate) struct HealthSnapshot {
    pub at: DateTime<Utc>,
    /// Whether Temporal answers.
    pub temporal: bool,
    /// Since when Temporal does not answer.
    pub temporal_away_since: Option<DateTime<Utc>>,
    /// Whether the store answers.
    pub store: bool,
    /// Since when the store does not answer.
    pub store_away_since: Option<DateTime<Utc>>,
    pub workers: WorkersHealth,
    pub providers: ProvidersHealth,
    /// Whether the backlog is not empty.
    pub catching_up: bool,
    /// When the backlog was last empty.
    pub healthy_at: Option<DateTime<Utc>>,
}

impl LatestHealth {
    /// The last snapshot, unless it is older than that: then it means nothing any more.
    pub(crate) fn snapshot(&self, now: DateTime<Utc>, age_max: Duration) -> Option<HealthSnapshot> {
        let snapshot = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        snapshot.filter(|snapshot| (now - snapshot.at).to_std().unwrap_or_default() <= age_max)
    }

    pub(super) fn set(&self, snapshot: HealthSnapshot) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(snapshot);
    }
}

/// Temporal or the store, as the last checks found it.
#[derive(Debug, Default)]
pub(super) struct ComponentHealth {
    /// Whether it answers; it still does until it is away.
    pub answers: bool,
    failures_in_a_row: u32,
    pub away_since: Option<DateTime<Utc>>,
}

impl ComponentHealth {
    /// Takes the outcome of a check at `now`.
    pub(super) fn update<T, E: std::error::Error>(&mut self, name: &str, check: &Result<T, E>, now: DateTime<Utc>) {
        match check {
            Ok(_) => *self = Self { answers: true, failures_in_a_row: 0, away_since: None },
            Err(error) => {
                tracing::warn!(part = name, %error, cause = cause_of(error), "a part that is needed does not answer");
                self.away_since.get_or_insert(now);
                self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
                self.answers &= !self.is_away();
            }
        }
    }

    /// Whether it answered the last check.
    pub(super) fn is_healthy(&self) -> bool {
        self.failures_in_a_row == 0
    }

    pub(super) fn is_away(&self) -> bool {
        self.failures_in_a_row >= AWAY_AFTER
    }
}
