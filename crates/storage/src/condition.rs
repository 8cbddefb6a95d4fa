//! The health of a store, as one process sees it: whether it can be read and written, whether its tables are ours, and
//! whether it is the installation's database. [`StoreProbe`] checks it regularly, [`StoreWatch`] reports it to the process.
//!
//! Not for what follows from it: gateway and worker decide what they do with an unhealthy store.

mod journal;
mod probe;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercal_domain::{InstallationId, names};
use tokio::sync::watch;

use crate::error::StoreErrorKind;
use crate::{Store, StoreSettings, cause_of};

pub use journal::StoreJournal;
pub use probe::{ProbePace, StoreProbe};

/// Clocks that are further apart than this are not both right; one that shows local time for UTC is still nearer. A time that is
/// further ahead than this was written by a wrong clock, and is ignored.
pub(crate) const CLOCKS_APART_MAX: chrono::TimeDelta = chrono::TimeDelta::days(1);

/// The health of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreCondition {
    /// It has not been checked yet.
    Unknown,
    /// It can be read and written; whether it is the installation's is not known yet.
    Unverified,
    /// Nothing is wrong.
    Healthy,
    /// Something is wrong.
    Unhealthy(StoreTrouble),
}

/// What is wrong with a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreTrouble {
    /// What is wrong.
    pub kind: TroubleKind,
    /// When this process noticed it.
    pub since: DateTime<Utc>,
    /// What the database reports, for operators. It has no values.
    pub cause: String,
    /// Whether the process acts on it: a trouble that may pass by itself gets a little time first.
    pub lasts: bool,
}

/// Kinds of trouble, the gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TroubleKind {
    /// The database is not there any more, or was replaced by another one.
    Lost,
    /// A new connection to the database works, and those of this process do not.
    CannotReconnect,
    /// It is the database of another installation, or an empty one.
    WrongInstallation,
    /// Its tables are not those of this version.
    WrongSchema,
    /// It cannot be read.
    CannotRead,
    /// It can be read, and not written.
    CannotWrite,
    /// Some of its pages are damaged; what is on the others is right.
    Damaged,
    /// It has forgotten what was in it once: it was brought back from a backup. All calendars are read again.
    Older,
    /// A read does not come in time. Either it comes late, or it becomes [`Self::CannotRead`] a moment later.
    Slow,
}

impl StoreCondition {
    /// Whether nothing is wrong.
    pub fn is_healthy(&self) -> bool {
        matches!(self, Self::Healthy)
    }

    /// Whether what is read from it is ours and comes in time.
    pub fn can_read(&self) -> bool {
        match self {
            Self::Unknown => false,
            Self::Unverified | Self::Healthy => true,
            Self::Unhealthy(trouble) => trouble.kind >= TroubleKind::CannotWrite,
        }
    }

    /// Whether readers wait for it longer than they should.
    pub fn keeps_readers_waiting(&self) -> bool {
        self.trouble().is_some_and(|trouble| trouble.kind == TroubleKind::Slow || !self.can_read())
    }

    /// Whether nobody should work with it: the trouble lasts and concerns all calendars.
    pub fn is_unfit(&self) -> bool {
        self.trouble().is_some_and(|trouble| trouble.lasts && trouble.kind < TroubleKind::Damaged)
    }

    /// Whether it holds what does not belong to the workflows, so that its answers are wrong.
    pub fn is_foreign(&self) -> bool {
        self.trouble().is_some_and(|trouble| trouble.kind <= TroubleKind::WrongSchema)
    }

    /// Whether only a process that opens it anew can work with it.
    pub fn needs_restart(&self) -> bool {
        self.trouble().is_some_and(|trouble| matches!(trouble.kind, TroubleKind::Lost | TroubleKind::CannotReconnect))
    }

    /// Whether it is the installation's and can be read and written, whatever else there is to say of it.
    pub fn is_usable(&self) -> bool {
        self.is_healthy() || self.trouble().is_some_and(|trouble| trouble.kind >= TroubleKind::Damaged)
    }

    /// What is wrong; `None` while nothing is, or nothing is known.
    pub fn trouble(&self) -> Option<&StoreTrouble> {
        match self {
            Self::Unhealthy(trouble) => Some(trouble),
            Self::Unknown | Self::Unverified | Self::Healthy => None,
        }
    }

    /// One sentence for people, while something is wrong.
    pub fn sentence(&self) -> Option<String> {
        let StoreTrouble { kind, since, cause, .. } = self.trouble()?;
        Some(format!("{} since {}: {cause}.", kind.sentence(), since.format("%Y-%m-%d %H:%M:%S UTC")))
    }
}

// As logs and journals have them.
names! {
    TroubleKind {
        Lost = "store_lost",
        CannotReconnect = "store_does_not_heal",
        WrongInstallation = "store_of_another_installation",
        WrongSchema = "store_with_other_tables",
        CannotRead = "store_cannot_be_read",
        CannotWrite = "store_cannot_be_written",
        Damaged = "store_damaged",
        Older = "store_older",
        Slow = "store_slow",
    }
}

impl TroubleKind {
    fn sentence(self) -> &'static str {
        match self {
            Self::Lost => "The store has been lost",
            Self::CannotReconnect => "This process cannot get back to the store",
            Self::WrongInstallation => "The store is not the one of this installation",
            Self::WrongSchema => "The store has other tables than this version needs",
            Self::CannotRead => "The store cannot be read",
            Self::CannotWrite => "The store cannot be written",
            Self::Damaged => "The store is damaged",
            Self::Older => "The store is older than its workflows",
            Self::Slow => "The store is slow",
        }
    }
}

/// Knows whose database belongs to the workflows: Temporal's namespace.
#[async_trait]
pub trait InstallationOwner: Send + Sync {
    /// The installation that the workflows belong to. Where there is none yet, it is `ours` from now on.
    async fn owner(&self, ours: InstallationId) -> Result<InstallationId, String>;
    /// How many calendars' workflows have synced after that moment.
    async fn synced_after(&self, at: DateTime<Utc>) -> Result<i64, String>;
}

/// The condition that a probe found last.
#[derive(Debug, Clone)]
pub struct StoreWatch {
    condition: watch::Receiver<StoreCondition>,
    times_unfit: Arc<AtomicU64>,
}

impl StoreWatch {
    /// The condition now.
    pub fn condition(&self) -> StoreCondition {
        self.condition.borrow().clone()
    }

    /// How often the store has become unfit so far: a caller that compares two answers sees an outage that came and went between.
    pub fn times_unfit(&self) -> u64 {
        self.times_unfit.load(Ordering::SeqCst)
    }

    /// Waits until the condition is so; for ever once the probe has stopped.
    pub fn until<F>(&self, is_so: F) -> impl Future<Output = StoreCondition> + Send + use<F>
    where
        F: Fn(&StoreCondition) -> bool + Send + Sync,
    {
        let mut receiver = self.condition.clone();
        async move {
            let reached = receiver.wait_for(|condition| is_so(condition)).await.map(|condition| condition.clone());
            match reached {
                Ok(condition) => condition,
                Err(_probe_stopped) => std::future::pending().await,
            }
        }
    }

    /// Waits until the condition is another one than `known`.
    pub async fn until_other_than(&self, known: &StoreCondition) -> StoreCondition {
        let known = known.clone();
        self.until(move |condition| *condition != known).await
    }
}

/// Between two attempts to open a store.
const OPENING_PAUSE: Duration = Duration::from_secs(2);
/// A cause that stays the same is logged again after so many attempts.
const LOGGED_AGAIN_AFTER: u32 = 30;

/// Opens a store as soon as that is possible, and logs why it is not: a process may start before its database, or while an
/// operator repairs it.
pub async fn open_when_possible(settings: &StoreSettings) -> Arc<dyn Store> {
    let mut logged: Option<(StoreErrorKind, u32)> = None;
    loop {
        let error = match crate::open(settings).await {
            Ok(store) => return store,
            Err(error) => error,
        };
        let times = logged.filter(|(kind, _)| *kind == error.kind).map_or(0, |(_, times)| times);
        if times.is_multiple_of(LOGGED_AGAIN_AFTER) {
            let (url, cause) = (&settings.url, cause_of(&error));
            tracing::error!(store = %url, %error, cause, "the store cannot be opened; nothing is done until it can");
        }
        logged = Some((error.kind, times + 1));
        tokio::time::sleep(OPENING_PAUSE).await;
    }
}
