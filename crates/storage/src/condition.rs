//! How a store is, as one process sees it: whether it can be read and written, whether its tables are ours, and whether it
//! is the installation's database. [`StoreProbe`] looks regularly, [`StoreWatch`] tells everybody.
//!
//! Not for what follows from it: gateway and worker decide what they do with a store that is not well.

mod journal;
mod probe;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercal_domain::InstallationId;
use tokio::sync::watch;

use crate::error::StoreErrorKind;
use crate::{Store, StoreSettings, cause_of};

pub use journal::StoreJournal;
pub use probe::{ProbePace, StoreProbe};

/// A clock that is further from another one is wrong: one that shows local time for UTC is not. What such a clock has written
/// is not believed; what the clocks of two processes write that both live is.
pub(crate) const CLOCKS_APART_MAX: chrono::TimeDelta = chrono::TimeDelta::days(1);

/// How a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreCondition {
    /// Nobody has looked yet.
    Unknown,
    /// It can be read and written, and nobody could say yet whether it is the installation's.
    Unverified,
    /// All is well.
    Well,
    /// Something is wrong.
    Unwell(StoreTrouble),
}

/// What is wrong with a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreTrouble {
    /// What kind of trouble it is.
    pub kind: TroubleKind,
    /// Since when.
    pub since: DateTime<Utc>,
    /// What the database says, for operators. It has no values.
    pub cause: String,
    /// Whether it is to be acted on: what may pass by itself gets a little time first.
    pub lasts: bool,
}

/// Kinds of trouble, the gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TroubleKind {
    /// The database is not there any more, or another one is in its place.
    Lost,
    /// The database is well, and this process's connections to it are not.
    DoesNotHeal,
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
    /// Whether all is well.
    pub fn is_well(&self) -> bool {
        matches!(self, Self::Well)
    }

    /// Whether what is read from it is ours and comes in time.
    pub fn can_read(&self) -> bool {
        match self {
            Self::Unknown => false,
            Self::Unverified | Self::Well => true,
            Self::Unwell(trouble) => trouble.kind >= TroubleKind::CannotWrite,
        }
    }

    /// Whether readers wait for it longer than they should.
    pub fn keeps_readers_waiting(&self) -> bool {
        self.trouble().is_some_and(|trouble| trouble.kind == TroubleKind::Slow || !self.can_read())
    }

    /// Whether nobody should work with it: a trouble that lasts, and that concerns all calendars.
    pub fn is_unfit(&self) -> bool {
        self.trouble().is_some_and(|trouble| trouble.lasts && trouble.kind < TroubleKind::Damaged)
    }

    /// Whether it holds what does not belong to the workflows, so that its answers are wrong.
    pub fn is_foreign(&self) -> bool {
        self.trouble().is_some_and(|trouble| trouble.kind <= TroubleKind::WrongSchema)
    }

    /// Whether only a process that opens it anew can work with it.
    pub fn is_beyond_healing(&self) -> bool {
        self.trouble().is_some_and(|trouble| matches!(trouble.kind, TroubleKind::Lost | TroubleKind::DoesNotHeal))
    }

    /// Whether it is the installation's and can be read and written, whatever else there is to say of it.
    pub fn is_usable(&self) -> bool {
        self.is_well() || self.trouble().is_some_and(|trouble| trouble.kind >= TroubleKind::Damaged)
    }

    /// What is wrong.
    pub fn trouble(&self) -> Option<&StoreTrouble> {
        match self {
            Self::Unwell(trouble) => Some(trouble),
            Self::Unknown | Self::Unverified | Self::Well => None,
        }
    }

    /// One sentence for people, while something is wrong.
    pub fn sentence(&self) -> Option<String> {
        let StoreTrouble { kind, since, cause, .. } = self.trouble()?;
        Some(format!("{} since {}: {cause}.", kind.sentence(), since.format("%Y-%m-%d %H:%M:%S UTC")))
    }
}

impl TroubleKind {
    fn sentence(self) -> &'static str {
        match self {
            Self::Lost => "The store has been lost",
            Self::DoesNotHeal => "This process cannot get back to the store",
            Self::WrongInstallation => "The store is not the one of this installation",
            Self::WrongSchema => "The store has other tables than this version needs",
            Self::CannotRead => "The store cannot be read",
            Self::CannotWrite => "The store cannot be written",
            Self::Damaged => "The store is damaged",
            Self::Older => "The store is older than its workflows",
            Self::Slow => "The store is slow",
        }
    }

    /// The name in logs and journals.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lost => "store_lost",
            Self::DoesNotHeal => "store_does_not_heal",
            Self::WrongInstallation => "store_of_another_installation",
            Self::WrongSchema => "store_with_other_tables",
            Self::CannotRead => "store_cannot_be_read",
            Self::CannotWrite => "store_cannot_be_written",
            Self::Damaged => "store_damaged",
            Self::Older => "store_older",
            Self::Slow => "store_slow",
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

/// What a probe saw last, for everybody.
#[derive(Debug, Clone)]
pub struct StoreWatch {
    told: watch::Receiver<StoreCondition>,
    times_unfit: Arc<AtomicU64>,
}

impl StoreWatch {
    /// How the store is.
    pub fn condition(&self) -> StoreCondition {
        self.told.borrow().clone()
    }

    /// How often it has become unfit so far: what looks now and then sees by it what it missed.
    pub fn times_unfit(&self) -> u64 {
        self.times_unfit.load(Ordering::SeqCst)
    }

    /// Waits until it is so; for ever once nobody looks any more.
    pub fn until<F>(&self, is_so: F) -> impl Future<Output = StoreCondition> + Send + use<F>
    where
        F: Fn(&StoreCondition) -> bool + Send + Sync,
    {
        let mut receiver = self.told.clone();
        async move {
            let seen = receiver.wait_for(|condition| is_so(condition)).await.map(|condition| condition.clone());
            match seen {
                Ok(condition) => condition,
                Err(_nobody_looks) => std::future::pending().await,
            }
        }
    }

    /// Waits until it is another one than `known`.
    pub async fn until_other_than(&self, known: &StoreCondition) -> StoreCondition {
        let known = known.clone();
        self.until(move |condition| *condition != known).await
    }
}

/// Between two attempts at opening a store.
const OPENING_PAUSE: Duration = Duration::from_secs(2);
/// A cause that stays the same is told again after so many attempts.
const TOLD_AGAIN_AFTER: u32 = 30;

/// Opens a store as soon as that is possible, and says in the log why it is not: a process that comes up before its
/// database, or whose database an operator has to see to, is there when it is right again. Only a URL that names no
/// database is an error at once.
pub async fn open_when_possible(settings: &StoreSettings) -> Arc<dyn Store> {
    let mut told: Option<(StoreErrorKind, u32)> = None;
    loop {
        let error = match crate::open(settings).await {
            Ok(store) => return store,
            Err(error) => error,
        };
        let times = told.filter(|(kind, _)| *kind == error.kind).map_or(0, |(_, times)| times);
        if times.is_multiple_of(TOLD_AGAIN_AFTER) {
            let (url, cause) = (&settings.url, cause_of(&error));
            tracing::error!(store = %url, %error, cause, "the store cannot be opened; nothing is done until it can");
        }
        told = Some((error.kind, times + 1));
        tokio::time::sleep(OPENING_PAUSE).await;
    }
}
