//! The results of a probe's checks, and the condition that follows from them. Not for: running the checks (`probe.rs`).

use std::time::Duration;

use chrono::{DateTime, Utc};
use evercal_domain::InstallationId;
use tokio::time::Instant;

use super::ProbePace;
use crate::condition::{StoreCondition, StoreTrouble, TroubleKind};

/// The last result of each check.
#[derive(Debug, Default)]
pub(super) struct CheckResults {
    pub reading: CheckState,
    /// A running read is slow.
    pub late: Option<Finding>,
    pub writing: CheckState,
    pub belonging: Belonging,
    pub pages: Option<Finding>,
    pub connections: Option<Finding>,
    pub age: Option<Finding>,
    pub commits: Commits,
    /// When the store was written last before this process wrote.
    pub first_written_at: Option<DateTime<Utc>>,
    /// The latest time of a write that was ever read from it.
    pub written_at: Option<DateTime<Utc>>,
}

/// How a check ended.
#[derive(Debug, Default)]
pub(super) enum CheckState {
    /// It has not ended yet.
    #[default]
    Pending,
    Fine,
    Found(Finding),
}

/// A trouble that a check found.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    pub kind: TroubleKind,
    pub since: DateTime<Utc>,
    pub noticed_at: Instant,
    pub cause: String,
    /// The database refuses our role: an operator has to act, so that waiting does not help.
    pub is_access_denied: bool,
}

/// Whether the store is the installation's.
#[derive(Debug, Default)]
pub(super) enum Belonging {
    /// Not known yet.
    #[default]
    Unverified,
    Ours(InstallationId),
    Foreign(Finding),
}

/// The transactions that others of this process have committed.
#[derive(Debug)]
pub(super) struct Commits {
    times: u64,
    last_seen_at: Instant,
}

impl CheckResults {
    /// The gravest trouble, or none.
    pub fn condition(&self, pace: &ProbePace) -> StoreCondition {
        let foreign = match &self.belonging {
            Belonging::Foreign(found) => Some(found),
            Belonging::Unverified | Belonging::Ours(_) => None,
        };
        let checks = [self.reading.found(), self.writing.found()];
        let others = [&self.pages, &self.connections, &self.age, &self.late].map(Option::as_ref);
        let found = checks.into_iter().chain(others).chain([foreign]).flatten();
        if let Some(gravest) = found.min_by_key(|found| found.kind) {
            return StoreCondition::Unhealthy(StoreTrouble {
                kind: gravest.kind,
                since: gravest.since,
                cause: gravest.cause.clone(),
                lasts: gravest.lasts(pace),
            });
        }
        match (&self.reading, &self.writing, &self.belonging) {
            (CheckState::Pending, _, _) | (_, CheckState::Pending, _) => StoreCondition::Unknown,
            (_, _, Belonging::Ours(_)) => StoreCondition::Healthy,
            (_, _, Belonging::Unverified | Belonging::Foreign(_)) => StoreCondition::Unverified,
        }
    }
}

impl Belonging {
    /// The database that answers again after a trouble may be another one.
    pub fn is_doubted_after(&mut self, found: Option<&Finding>) {
        if found.is_some() && matches!(self, Self::Ours(_)) {
            *self = Self::Unverified;
        }
    }
}

impl CheckState {
    fn found(&self) -> Option<&Finding> {
        match self {
            Self::Found(found) => Some(found),
            Self::Pending | Self::Fine => None,
        }
    }

    /// Whether each check has found something for so long.
    pub fn is_found_for(&self, time: Duration) -> bool {
        self.found().is_some_and(|found| found.noticed_at.elapsed() >= time)
    }

    pub fn is_followed_by(&mut self, found: Option<Finding>) {
        *self = match (found, std::mem::take(self)) {
            (None, _) => Self::Fine,
            (Some(found), Self::Found(before)) => Self::Found(found.after(Some(before))),
            (Some(found), Self::Pending | Self::Fine) => Self::Found(found),
        };
    }
}

impl Finding {
    /// The same trouble as before goes on; its cause may have become another.
    pub fn after(self, before: Option<Self>) -> Self {
        match before {
            Some(before) if before.kind == self.kind => {
                Self { since: before.since, noticed_at: before.noticed_at, ..self }
            }
            _ => self,
        }
    }

    fn lasts(&self, pace: &ProbePace) -> bool {
        match self.kind {
            TroubleKind::CannotRead | TroubleKind::CannotWrite => {
                self.is_access_denied || self.noticed_at.elapsed() >= pace.lasts_after
            }
            TroubleKind::Lost
            | TroubleKind::CannotReconnect
            | TroubleKind::WrongInstallation
            | TroubleKind::WrongSchema
            | TroubleKind::Damaged
            | TroubleKind::Older => true,
            TroubleKind::Slow => false,
        }
    }
}

impl Default for Commits {
    fn default() -> Self {
        Self { times: 0, last_seen_at: Instant::now() }
    }
}

impl Commits {
    pub fn are_now(&mut self, times: u64) {
        if times != self.times {
            *self = Self { times, last_seen_at: Instant::now() };
        }
    }

    /// Whether there was none for so long.
    pub fn rest_for(&self, time: Duration) -> bool {
        self.last_seen_at.elapsed() >= time
    }
}
