//! Looks regularly how a store is, and keeps its file up to date.
//!
//! It takes the ways that everybody takes, the same pools and a transaction, since a connection that is no good any more
//! shows there only.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use evercal_domain::{Clock, InstallationId};
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;

use super::{InstallationOwner, StoreCondition, StoreTrouble, StoreWatch, TroubleKind};
use crate::error::{StoreError, StoreErrorKind};
use crate::repository::Upkeep;

/// How long a read may take to count as an answer. Callers of the API wait no longer than twice that.
const READ_PATIENCE: Duration = Duration::from_secs(1);
/// How long a write may take. It stands in the queue of all others.
const WRITE_PATIENCE: Duration = Duration::from_secs(10);
/// How long Temporal may take to say whose its workflows are.
const OWNER_PATIENCE: Duration = Duration::from_secs(5);

/// A store that was written last so long before the newest sync of its workflows has been brought back from a backup:
/// while syncs run, somebody writes every few seconds.
const OLDER_BY: chrono::Duration = chrono::Duration::minutes(2);
/// How long it is shown that a store is older than it was: all calendars have been read again by then.
const OLDER_SHOWN: Duration = Duration::from_secs(10 * 60);

/// How often a probe looks, and how long it is patient.
#[derive(Debug, Clone, Copy)]
pub struct ProbePace {
    /// Between two reads.
    pub read: Duration,
    /// Between two writes.
    pub write: Duration,
    /// Between two copies of the log into the file.
    pub checkpoint: Duration,
    /// Between two looks for damaged pages.
    pub pages: Duration,
    /// A store that cannot be read or written for so long is to be acted on.
    pub lasts_after: Duration,
    /// A store that others can use for so long, and this process cannot, will not come back by itself.
    pub heals_within: Duration,
}

impl Default for ProbePace {
    fn default() -> Self {
        Self {
            read: Duration::from_millis(500),
            write: Duration::from_secs(2),
            checkpoint: Duration::from_secs(60),
            pages: Duration::from_secs(10 * 60),
            lasts_after: Duration::from_secs(10),
            heals_within: Duration::from_secs(30),
        }
    }
}

/// Looks regularly how a store is.
pub struct StoreProbe {
    store: Arc<dyn Upkeep>,
    owner: Arc<dyn InstallationOwner>,
    clock: Arc<dyn Clock>,
    pace: ProbePace,
    seen: Mutex<Seen>,
    tell: watch::Sender<StoreCondition>,
    times_unfit: Arc<AtomicU64>,
}

/// What the looks saw last, each of its own kind.
#[derive(Debug, Default)]
struct Seen {
    reading: Look,
    writing: Look,
    belonging: Belonging,
    pages: Option<Finding>,
    healing: Option<Finding>,
    age: Option<Finding>,
    /// When the store was written last as this process found it.
    first_written_at: Option<DateTime<Utc>>,
    /// When this process wrote last.
    written_at: Option<DateTime<Utc>>,
}

/// How a look ended.
#[derive(Debug, Default)]
enum Look {
    /// It has not ended yet.
    #[default]
    Pending,
    Fine,
    Found(Finding),
}

/// A trouble that a look found.
#[derive(Debug, Clone)]
struct Finding {
    kind: TroubleKind,
    since: DateTime<Utc>,
    noticed_at: Instant,
    cause: String,
    /// The database said no, to us: it will not say yes a moment later by itself.
    is_refusal: bool,
}

/// Whether the store is the installation's.
#[derive(Debug, Default)]
enum Belonging {
    /// Nobody could say yet.
    #[default]
    Unverified,
    Ours(InstallationId),
    Foreign(Finding),
}

impl StoreProbe {
    /// A probe of a store, and what tells others what it sees while it runs.
    pub fn new(
        store: Arc<dyn Upkeep>,
        owner: Arc<dyn InstallationOwner>,
        clock: Arc<dyn Clock>,
        pace: ProbePace,
    ) -> (Self, StoreWatch) {
        let (tell, told) = watch::channel(StoreCondition::Unknown);
        let times_unfit = Arc::<AtomicU64>::default();
        let watch = StoreWatch { told, times_unfit: Arc::clone(&times_unfit) };
        (Self { store, owner, clock, pace, seen: Mutex::default(), tell, times_unfit }, watch)
    }

    /// Looks until it is told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let looks = async { tokio::join!(self.read(), self.write(), self.check_pages(), self.checkpoint()) };
        // Cut off at any point; nothing is remembered.
        let _cut_off = stop.run_until_cancelled(looks).await;
    }

    async fn read(&self) {
        let mut interval = interval(self.pace.read);
        loop {
            interval.tick().await;
            let noticed_at = Instant::now();
            let read = within(READ_PATIENCE, self.store.try_reading()).await;
            let found = read.err().map(|error| self.found(&error, TroubleKind::CannotRead, noticed_at));
            self.note(|seen| {
                seen.belonging.is_doubted_after(found.as_ref());
                seen.reading.is_followed_by(found);
            });
        }
    }

    async fn write(&self) {
        let mut interval = interval(self.pace.write);
        loop {
            interval.tick().await;
            let noticed_at = Instant::now();
            // Before it is written again.
            let written_at = within(READ_PATIENCE, self.store.last_written_at()).await;
            let written = within(WRITE_PATIENCE, self.store.try_writing(self.clock.now())).await;
            let found = written.as_ref().err().map(|error| self.found(error, TroubleKind::CannotWrite, noticed_at));
            self.note(|seen| {
                seen.belonging.is_doubted_after(found.as_ref());
                seen.writing.is_followed_by(found);
            });
            match written {
                Ok(id) => {
                    self.look_whose_it_is(id).await;
                    match written_at {
                        Ok(Some(written_at)) => self.look_how_old_it_is(written_at).await,
                        // A new one, from now on as old as this.
                        Ok(None) => self.note(|seen| seen.written_at = Some(self.clock.now())),
                        // Seen by the other looks.
                        Err(_) => {}
                    }
                }
                Err(_) => self.look_whether_it_heals().await,
            }
        }
    }

    async fn look_whose_it_is(&self, id: InstallationId) {
        let is_known = self.with_seen(|seen| matches!(seen.belonging, Belonging::Ours(ours) if ours == id));
        if !is_known {
            match timeout(OWNER_PATIENCE, self.owner.owner(id)).await {
                Ok(Ok(owner)) if owner == id => self.note(|seen| seen.belonging = Belonging::Ours(id)),
                Ok(Ok(owner)) => {
                    let cause = format!(
                        "the workflows in Temporal belong to the database of {owner}, and this is the one of {id}"
                    );
                    let found = self.finding(TroubleKind::WrongInstallation, cause, Instant::now());
                    self.note(|seen| {
                        let before = match &seen.belonging {
                            Belonging::Foreign(before) => Some(before.clone()),
                            Belonging::Unverified | Belonging::Ours(_) => None,
                        };
                        seen.belonging = Belonging::Foreign(found.after(before));
                    });
                }
                Ok(Err(reason)) => tracing::warn!(reason, "whose database this is cannot be asked yet"),
                Err(_) => tracing::warn!("whose database this is cannot be asked yet: Temporal takes too long"),
            }
        }
        self.note(|seen| seen.healing = None);
    }

    /// A store goes back in time when somebody puts a backup in its place: seen against what it said before, or, by a
    /// process that has just started, against what the workflows have done.
    async fn look_how_old_it_is(&self, written_at: DateTime<Utc>) {
        let (is_ours, before, first) = self.with_seen(|seen| {
            (matches!(seen.belonging, Belonging::Ours(_)), seen.written_at, seen.first_written_at.unwrap_or(written_at))
        });
        // Before this process wrote itself; asked once, as soon as it can be.
        self.note(|seen| seen.first_written_at = Some(first));
        if !is_ours {
            return;
        }
        let cause = match before {
            Some(before) if written_at + OLDER_BY < before => {
                Some(format!("it was written last at {}, and has been at {}", shown(written_at), shown(before)))
            }
            Some(_) => None,
            None => match timeout(OWNER_PATIENCE, self.owner.synced_after(first + OLDER_BY)).await {
                Ok(Ok(0)) => None,
                Ok(Ok(calendars)) => Some(format!(
                    "it was written last at {}, and {calendars} calendars have synced since",
                    shown(first)
                )),
                // Asked again with the next look.
                Ok(Err(_)) | Err(_) => return,
            },
        };
        let now = self.clock.now();
        let found = cause.map(|cause| self.finding(TroubleKind::Older, cause, Instant::now()));
        self.note(|seen| {
            seen.written_at = Some(now);
            seen.age = found.or(seen.age.take().filter(|found| found.noticed_at.elapsed() < OLDER_SHOWN));
        });
    }

    /// What another connection can do, and the pools cannot for so long, is not the database's trouble.
    async fn look_whether_it_heals(&self) {
        let lasts_long = self.with_seen(|seen| {
            let trouble = seen.writing.found().into_iter().chain(seen.reading.found());
            trouble.map(|found| found.noticed_at.elapsed()).max().is_some_and(|age| age >= self.pace.heals_within)
        });
        if lasts_long && within(WRITE_PATIENCE, self.store.try_afresh(self.clock.now())).await.is_ok() {
            let cause = "a new connection can do what those of this process cannot".to_owned();
            let found = self.finding(TroubleKind::DoesNotHeal, cause, Instant::now());
            self.note(|seen| seen.healing = Some(found));
        }
    }

    async fn check_pages(&self) {
        let mut interval = interval(self.pace.pages);
        loop {
            interval.tick().await;
            match self.store.check_pages().await {
                Ok(()) => self.note(|seen| seen.pages = None),
                Err(error) if error.kind == StoreErrorKind::Corrupt => {
                    let found = self.found(&error, TroubleKind::Damaged, Instant::now());
                    self.note(|seen| seen.pages = Some(found.after(seen.pages.take())));
                }
                // That it cannot be asked is seen by the other looks.
                Err(error) => tracing::debug!(%error, "damaged pages could not be looked for"),
            }
        }
    }

    async fn checkpoint(&self) {
        let mut interval = interval(self.pace.checkpoint);
        loop {
            interval.tick().await;
            if let Err(error) = self.store.checkpoint().await {
                tracing::warn!(%error, cause = error.cause(), "the log could not be brought into the database file");
            }
        }
    }

    fn found(&self, error: &StoreError, otherwise: TroubleKind, noticed_at: Instant) -> Finding {
        let kind = match error.kind {
            StoreErrorKind::Lost => TroubleKind::Lost,
            StoreErrorKind::Schema => TroubleKind::WrongSchema,
            _ => otherwise,
        };
        let is_refusal = error.kind == StoreErrorKind::Refused;
        Finding { is_refusal, ..self.finding(kind, cause(error), noticed_at) }
    }

    fn finding(&self, kind: TroubleKind, cause: String, noticed_at: Instant) -> Finding {
        Finding { kind, since: self.clock.now(), noticed_at, cause, is_refusal: false }
    }

    fn with_seen<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Keeps what a look saw, and tells what follows from all of them.
    fn note(&self, change: impl FnOnce(&mut Seen)) {
        let condition = {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            change(&mut seen);
            seen.condition(&self.pace)
        };
        self.tell.send_if_modified(|told| {
            if *told == condition {
                return false;
            }
            log_change(told, &condition);
            if condition.is_unfit() && !told.is_unfit() {
                self.times_unfit.fetch_add(1, Ordering::SeqCst);
            }
            *told = condition;
            true
        });
    }
}

impl Belonging {
    /// What answers again after a trouble may be another database.
    fn is_doubted_after(&mut self, found: Option<&Finding>) {
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

    fn is_followed_by(&mut self, found: Option<Finding>) {
        *self = match (found, std::mem::take(self)) {
            (None, _) => Self::Fine,
            (Some(found), Self::Found(before)) => Self::Found(found.after(Some(before))),
            (Some(found), Self::Pending | Self::Fine) => Self::Found(found),
        };
    }
}

impl Finding {
    /// The same trouble as before goes on; its cause may have become another.
    fn after(self, before: Option<Self>) -> Self {
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
        }
    }
}

impl Seen {
    fn condition(&self, pace: &ProbePace) -> StoreCondition {
        let foreign = match &self.belonging {
            Belonging::Foreign(found) => Some(found),
            Belonging::Unverified | Belonging::Ours(_) => None,
        };
        let looks = [self.reading.found(), self.writing.found()];
        let found =
            looks.into_iter().chain([foreign, self.pages.as_ref(), self.healing.as_ref(), self.age.as_ref()]).flatten();
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

fn shown(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// What is behind an error, for people.
fn cause(error: &StoreError) -> String {
    match error.cause() {
        Some(cause) => cause,
        None => error.to_string().trim_start_matches("store: ").to_owned(),
    }
}

fn log_change(before: &StoreCondition, now: &StoreCondition) {
    match (before.trouble(), now.trouble()) {
        (_, Some(trouble)) => {
            let (kind, sentence) = (trouble.kind.as_str(), now.sentence().unwrap_or_default());
            if trouble.lasts {
                tracing::error!(kind, "{sentence}");
            } else {
                tracing::warn!(kind, "{sentence}");
            }
        }
        (Some(trouble), None) => tracing::info!(kind = trouble.kind.as_str(), "the store is well again"),
        (None, None) => {}
    }
}

async fn within<T>(patience: Duration, look: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let answer = timeout(patience, look).await;
    answer.unwrap_or_else(|_| {
        let problem = format!("it gives no answer within {} s", patience.as_secs());
        Err(StoreError::new(StoreErrorKind::Unavailable, problem))
    })
}

/// Ticks that are missed are not made up for.
fn interval(period: Duration) -> Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

#[cfg(test)]
mod tests;
