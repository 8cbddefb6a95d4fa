//! What a probe has seen of a store, and what follows from it. Not for: looking (`probe.rs`).

use std::time::Duration;

use chrono::{DateTime, Utc};
use evercal_domain::InstallationId;
use tokio::time::Instant;

use super::ProbePace;
use crate::condition::{StoreCondition, StoreTrouble, TroubleKind};

/// What the looks saw last, each of its own kind.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub reading: Look,
    /// A read under way does not come in time.
    pub late: Option<Finding>,
    pub writing: Look,
    pub belonging: Belonging,
    pub pages: Option<Finding>,
    pub healing: Option<Finding>,
    pub age: Option<Finding>,
    pub commits: Commits,
    /// When the store was written last as this process found it.
    pub first_written_at: Option<DateTime<Utc>>,
    /// The latest time at which it was written that was ever read of it.
    pub written_at: Option<DateTime<Utc>>,
}

/// How a look ended.
#[derive(Debug, Default)]
pub(super) enum Look {
    /// It has not ended yet.
    #[default]
    Pending,
    Fine,
    Found(Finding),
}

/// A trouble that a look found.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    pub kind: TroubleKind,
    pub since: DateTime<Utc>,
    pub noticed_at: Instant,
    pub cause: String,
    /// The database said no, to us: it will not say yes a moment later by itself.
    pub is_refusal: bool,
}

/// Whether the store is the installation's.
#[derive(Debug, Default)]
pub(super) enum Belonging {
    /// Nobody could say yet.
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

impl Seen {
    /// What follows from all of it: the gravest trouble, or none.
    pub fn condition(&self, pace: &ProbePace) -> StoreCondition {
        let foreign = match &self.belonging {
            Belonging::Foreign(found) => Some(found),
            Belonging::Unverified | Belonging::Ours(_) => None,
        };
        let looks = [self.reading.found(), self.writing.found()];
        let others = [&self.pages, &self.healing, &self.age, &self.late].map(Option::as_ref);
        let found = looks.into_iter().chain(others).chain([foreign]).flatten();
        if let Some(gravest) = found.min_by_key(|found| found.kind) {
            return StoreCondition::Unwell(StoreTrouble {
                kind: gravest.kind,
                since: gravest.since,
                cause: gravest.cause.clone(),
                lasts: gravest.lasts(pace),
            });
        }
        match (&self.reading, &self.writing, &self.belonging) {
            (Look::Pending, _, _) | (_, Look::Pending, _) => StoreCondition::Unknown,
            (_, _, Belonging::Ours(_)) => StoreCondition::Well,
            (_, _, Belonging::Unverified | Belonging::Foreign(_)) => StoreCondition::Unverified,
        }
    }
}

impl Belonging {
    /// What answers again after a trouble may be another database.
    pub fn is_doubted_after(&mut self, found: Option<&Finding>) {
        if found.is_some() && matches!(self, Self::Ours(_)) {
            *self = Self::Unverified;
        }
    }
}

impl Look {
    fn found(&self) -> Option<&Finding> {
        match self {
            Self::Found(found) => Some(found),
            Self::Pending | Self::Fine => None,
        }
    }

    /// Whether each look has found something for so long.
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
                self.is_refusal || self.noticed_at.elapsed() >= pace.lasts_after
            }
            TroubleKind::Lost
            | TroubleKind::DoesNotHeal
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
