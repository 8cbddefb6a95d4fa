//! Looks regularly how a store is, and keeps its file up to date.
//!
//! It takes the ways that everybody takes, the same pools and a transaction, since a connection that is no good any more
//! shows there only. What follows from what it saw is decided in `probe/seen.rs`.

mod seen;

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use evercal_domain::{Clock, InstallationId};
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;

use self::seen::{Belonging, Finding, Seen};
use super::{CLOCKS_APART_MAX, InstallationOwner, StoreCondition, StoreWatch, TroubleKind};
use crate::entities::upkeep::Upkeep;
use crate::error::{StoreError, StoreErrorKind};

/// How long a read may take to come in time. Callers of the API wait no longer than twice that.
const READ_PATIENCE: Duration = Duration::from_secs(1);
/// How long a read may take to count as an answer. A single late one is seen on a machine that is busy with other things, and
/// is worth a warning only: an outage would take the gateway away from its load balancer. Tables that are locked, or a server
/// that is gone, are still told within a few seconds.
const SILENCE_MAX: Duration = Duration::from_secs(2);
/// How long a write may take. It stands in the queue of all others.
const WRITE_PATIENCE: Duration = Duration::from_secs(10);
/// How long a read may take to show that the connections of this process are no worse than a new one, which has as long.
const HEALING_PATIENCE: Duration = WRITE_PATIENCE;
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
    /// A store that a new connection can use, and this process could not for so long, will not come back by itself.
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
            let mut reading = pin!(self.store.try_reading());
            let read = if let Ok(read) = timeout(READ_PATIENCE, &mut reading).await {
                read
            } else {
                let late = self.finding(TroubleKind::Slow, no_answer_within(READ_PATIENCE), noticed_at);
                self.note(|seen| seen.late = Some(late));
                // The same read goes on: another one would stand at the end of the queue.
                let read = timeout(SILENCE_MAX.saturating_sub(READ_PATIENCE), reading).await;
                read.unwrap_or_else(|_| Err(silent_for(SILENCE_MAX)))
            };
            let found = read.err().map(|error| self.found(&error, TroubleKind::CannotRead, noticed_at));
            self.note(|seen| {
                seen.late = None;
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
            let written_before = within(READ_PATIENCE, self.store.last_written_at()).await;
            let at = self.clock.now();
            let written = within(WRITE_PATIENCE, self.store.try_writing(at)).await;
            let found = written.as_ref().err().map(|error| self.found(error, TroubleKind::CannotWrite, noticed_at));
            let commits = self.store.commits();
            self.note(|seen| {
                seen.belonging.is_doubted_after(found.as_ref());
                seen.writing.is_followed_by(found);
                seen.commits.are_now(commits);
            });
            if let Ok(id) = written {
                self.look_whose_it_is(id).await;
                match written_before {
                    Ok(Some(written_at)) => self.look_how_old_it_is(written_at).await,
                    // A new one, from now on as old as this.
                    Ok(None) => self.note(|seen| seen.written_at = Some(at)),
                    // Seen by the other looks.
                    Err(_) => {}
                }
            }
            self.look_whether_it_heals().await;
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
        // What a wrong clock wrote says nothing of the store's age.
        let is_ahead = |at: DateTime<Utc>| at > self.clock.now() + CLOCKS_APART_MAX;
        let cause = match before {
            Some(before) if is_ahead(before) => None,
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
        let found = cause.map(|cause| self.finding(TroubleKind::Older, cause, Instant::now()));
        self.note(|seen| {
            // What was read is compared with what was read: clocks of processes may be minutes apart. From its return on it
            // is as old as it is now.
            let comparable = before.filter(|before| found.is_none() && !is_ahead(*before));
            let newest = comparable.unwrap_or(written_at).max(written_at);
            seen.written_at = Some(newest);
            seen.age = found.or(seen.age.take().filter(|found| found.noticed_at.elapsed() < OLDER_SHOWN));
        });
    }

    /// What another connection can do, and the pools cannot for so long, is not the database's trouble. Nor is it the pools'
    /// while they are just slow: then others of this process commit, and a read that is given as much time as the new
    /// connection has comes back.
    async fn look_whether_it_heals(&self) {
        let lasts = self.pace.heals_within;
        let (reading, writing) = self.with_seen(|seen| {
            (seen.reading.is_found_for(lasts), seen.writing.is_found_for(lasts) && seen.commits.rest_for(lasts))
        });
        let is_stuck = writing || (reading && within(HEALING_PATIENCE, self.store.try_reading()).await.is_err());
        let heals = !is_stuck || within(WRITE_PATIENCE, self.store.try_afresh(self.clock.now())).await.is_err();
        let found = (!heals).then(|| {
            let cause = "a new connection can do what those of this process cannot".to_owned();
            self.finding(TroubleKind::DoesNotHeal, cause, Instant::now())
        });
        self.note(|seen| seen.healing = found.map(|found| found.after(seen.healing.take())));
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
    timeout(patience, look).await.unwrap_or_else(|_| Err(silent_for(patience)))
}

fn silent_for(patience: Duration) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, no_answer_within(patience))
}

fn no_answer_within(patience: Duration) -> String {
    format!("it gives no answer within {} s", patience.as_secs())
}

/// Ticks that are missed are not made up for.
fn interval(period: Duration) -> Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

#[cfg(test)]
mod tests;
