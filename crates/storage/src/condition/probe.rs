//! Checks a store regularly, and keeps its file up to date.
//!
//! The checks go through the pools and transactions that all callers use, since only there a broken connection shows. What
//! follows from their results is decided in `probe/checks.rs`.

mod checks;

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use evercal_domain::{Clock, InstallationId};
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;

use self::checks::{Belonging, CheckResults, Finding};
use super::{CLOCKS_APART_MAX, InstallationOwner, StoreCondition, StoreWatch, TroubleKind};
use crate::entities::upkeep::Upkeep;
use crate::error::{StoreError, StoreErrorKind};

/// A read that takes longer is slow. Callers of the API wait no longer than twice that.
const READ_TIMEOUT: Duration = Duration::from_secs(1);
/// A read that takes longer has failed. A single slow one occurs on a busy machine and is worth only a warning: an outage would
/// take the gateway away from its load balancer. Locked tables, or a server that is gone, are still noticed within seconds.
const READ_DEADLINE: Duration = Duration::from_secs(2);
/// A write that takes longer has failed. It waits in the queue of all others.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// A read over the connections of this process has as much time as one over a new connection, with which it is compared.
const RECONNECT_TIMEOUT: Duration = WRITE_TIMEOUT;
/// How long Temporal may take to answer to which installation its workflows belong.
const OWNER_TIMEOUT: Duration = Duration::from_secs(5);

/// A store that was written last so long before the newest sync of its workflows has been brought back from a backup:
/// while syncs run, somebody writes every few seconds.
const OLDER_BY: chrono::Duration = chrono::Duration::minutes(2);
/// How long a store is reported as older than it was: all calendars have been read again by then.
const OLDER_SHOWN: Duration = Duration::from_secs(10 * 60);

/// How often a probe checks, and after which time a failure counts.
#[derive(Debug, Clone, Copy)]
pub struct ProbePace {
    /// Between two reads.
    pub read: Duration,
    /// Between two writes.
    pub write: Duration,
    /// Between two copies of the log into the file.
    pub checkpoint: Duration,
    /// Between two checks for damaged pages.
    pub pages: Duration,
    /// A store that cannot be read or written for so long is unfit.
    pub lasts_after: Duration,
    /// Where only a new connection can use the store for so long, those of this process do not recover by themselves.
    pub reconnects_within: Duration,
}

impl Default for ProbePace {
    fn default() -> Self {
        Self {
            read: Duration::from_millis(500),
            write: Duration::from_secs(2),
            checkpoint: Duration::from_secs(60),
            pages: Duration::from_secs(10 * 60),
            lasts_after: Duration::from_secs(10),
            reconnects_within: Duration::from_secs(30),
        }
    }
}

/// Checks a store regularly.
pub struct StoreProbe {
    store: Arc<dyn Upkeep>,
    owner: Arc<dyn InstallationOwner>,
    clock: Arc<dyn Clock>,
    pace: ProbePace,
    results: Mutex<CheckResults>,
    condition: watch::Sender<StoreCondition>,
    times_unfit: Arc<AtomicU64>,
}

impl StoreProbe {
    /// A probe of a store, and the watch that reports what the probe finds while it runs.
    pub fn new(
        store: Arc<dyn Upkeep>,
        owner: Arc<dyn InstallationOwner>,
        clock: Arc<dyn Clock>,
        pace: ProbePace,
    ) -> (Self, StoreWatch) {
        let (sender, receiver) = watch::channel(StoreCondition::Unknown);
        let times_unfit = Arc::<AtomicU64>::default();
        let watch = StoreWatch { condition: receiver, times_unfit: Arc::clone(&times_unfit) };
        (Self { store, owner, clock, pace, results: Mutex::default(), condition: sender, times_unfit }, watch)
    }

    /// Checks until it is cancelled.
    pub async fn run(self, stop: CancellationToken) {
        let checks = async { tokio::join!(self.read(), self.write(), self.check_pages(), self.checkpoint()) };
        // Nothing is kept from one run to another, so that it may be cancelled at any point.
        let _cancelled = stop.run_until_cancelled(checks).await;
    }

    async fn read(&self) {
        let mut interval = interval(self.pace.read);
        loop {
            interval.tick().await;
            let noticed_at = Instant::now();
            let mut reading = pin!(self.store.try_reading());
            let read = if let Ok(read) = timeout(READ_TIMEOUT, &mut reading).await {
                read
            } else {
                let late = self.finding(TroubleKind::Slow, no_answer_within(READ_TIMEOUT), noticed_at);
                self.note(|results| results.late = Some(late));
                // The same read goes on: another one would stand at the end of the queue.
                let read = timeout(READ_DEADLINE.saturating_sub(READ_TIMEOUT), reading).await;
                read.unwrap_or_else(|_| Err(silent_for(READ_DEADLINE)))
            };
            let found = read.err().map(|error| self.found(&error, TroubleKind::CannotRead, noticed_at));
            self.note(|results| {
                results.late = None;
                results.belonging.is_doubted_after(found.as_ref());
                results.reading.is_followed_by(found);
            });
        }
    }

    async fn write(&self) {
        let mut interval = interval(self.pace.write);
        loop {
            interval.tick().await;
            let noticed_at = Instant::now();
            // Before it is written again.
            let written_before = within(READ_TIMEOUT, self.store.last_written_at()).await;
            let at = self.clock.now();
            let written = within(WRITE_TIMEOUT, self.store.try_writing(at)).await;
            let found = written.as_ref().err().map(|error| self.found(error, TroubleKind::CannotWrite, noticed_at));
            let commits = self.store.commits();
            self.note(|results| {
                results.belonging.is_doubted_after(found.as_ref());
                results.writing.is_followed_by(found);
                results.commits.are_now(commits);
            });
            if let Ok(id) = written {
                self.check_owner(id).await;
                match written_before {
                    Ok(Some(written_at)) => self.check_age(written_at).await,
                    // A new one, from now on as old as this.
                    Ok(None) => self.note(|results| results.written_at = Some(at)),
                    // The other checks report it.
                    Err(_) => {}
                }
            }
            self.check_reconnection().await;
        }
    }

    async fn check_owner(&self, id: InstallationId) {
        let is_known = self.with_results(|results| matches!(results.belonging, Belonging::Ours(ours) if ours == id));
        if !is_known {
            match timeout(OWNER_TIMEOUT, self.owner.owner(id)).await {
                Ok(Ok(owner)) if owner == id => self.note(|results| results.belonging = Belonging::Ours(id)),
                Ok(Ok(owner)) => {
                    let cause = format!(
                        "the workflows in Temporal belong to the database of {owner}, and this is the one of {id}"
                    );
                    let found = self.finding(TroubleKind::WrongInstallation, cause, Instant::now());
                    self.note(|results| {
                        let before = match &results.belonging {
                            Belonging::Foreign(before) => Some(before.clone()),
                            Belonging::Unverified | Belonging::Ours(_) => None,
                        };
                        results.belonging = Belonging::Foreign(found.after(before));
                    });
                }
                Ok(Err(reason)) => tracing::warn!(reason, "whose database this is cannot be asked yet"),
                Err(_) => tracing::warn!("whose database this is cannot be asked yet: Temporal takes too long"),
            }
        }
    }

    /// A store goes back in time when somebody puts a backup in its place: compared with what the store said before, or, in a
    /// process that has just started, with what the workflows have done.
    async fn check_age(&self, written_at: DateTime<Utc>) {
        let (is_ours, before, first) = self.with_results(|results| {
            (
                matches!(results.belonging, Belonging::Ours(_)),
                results.written_at,
                results.first_written_at.unwrap_or(written_at),
            )
        });
        // Before this process wrote itself; asked once, as soon as it can be.
        self.note(|results| results.first_written_at = Some(first));
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
            None => match timeout(OWNER_TIMEOUT, self.owner.synced_after(first + OLDER_BY)).await {
                Ok(Ok(0)) => None,
                Ok(Ok(calendars)) => Some(format!(
                    "it was written last at {}, and {calendars} calendars have synced since",
                    shown(first)
                )),
                // The next check asks again.
                Ok(Err(_)) | Err(_) => return,
            },
        };
        let found = cause.map(|cause| self.finding(TroubleKind::Older, cause, Instant::now()));
        self.note(|results| {
            // What was read is compared with what was read: clocks of processes may be minutes apart. From its return on it
            // is as old as it is now.
            let comparable = before.filter(|before| found.is_none() && !is_ahead(*before));
            let newest = comparable.unwrap_or(written_at).max(written_at);
            results.written_at = Some(newest);
            results.age = found.or(results.age.take().filter(|found| found.noticed_at.elapsed() < OLDER_SHOWN));
        });
    }

    /// What another connection can do, and the pools cannot for so long, is not the database's trouble. Nor is it the pools'
    /// while they are just slow: then others of this process commit, and a read that is given as much time as the new
    /// connection has comes back.
    async fn check_reconnection(&self) {
        let time = self.pace.reconnects_within;
        let (reading, writing) = self.with_results(|results| {
            (results.reading.is_found_for(time), results.writing.is_found_for(time) && results.commits.rest_for(time))
        });
        let is_stuck = writing || (reading && within(RECONNECT_TIMEOUT, self.store.try_reading()).await.is_err());
        let can_reconnect = !is_stuck || within(WRITE_TIMEOUT, self.store.try_afresh(self.clock.now())).await.is_err();
        let found = (!can_reconnect).then(|| {
            let cause = "a new connection can do what those of this process cannot".to_owned();
            self.finding(TroubleKind::CannotReconnect, cause, Instant::now())
        });
        self.note(|results| results.connections = found.map(|found| found.after(results.connections.take())));
    }

    async fn check_pages(&self) {
        let mut interval = interval(self.pace.pages);
        loop {
            interval.tick().await;
            match self.store.check_pages().await {
                Ok(()) => self.note(|results| results.pages = None),
                Err(error) if error.kind == StoreErrorKind::Corrupt => {
                    let found = self.found(&error, TroubleKind::Damaged, Instant::now());
                    self.note(|results| results.pages = Some(found.after(results.pages.take())));
                }
                // The other checks report a store that cannot be asked.
                Err(error) => tracing::debug!(%error, "the pages could not be checked for damage"),
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
        let is_access_denied = error.kind == StoreErrorKind::AccessDenied;
        Finding { is_access_denied, ..self.finding(kind, cause(error), noticed_at) }
    }

    fn finding(&self, kind: TroubleKind, cause: String, noticed_at: Instant) -> Finding {
        Finding { kind, since: self.clock.now(), noticed_at, cause, is_access_denied: false }
    }

    fn with_results<T>(&self, read: impl FnOnce(&CheckResults) -> T) -> T {
        read(&self.results.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Keeps the result of a check, and reports what follows from the results of all.
    fn note(&self, change: impl FnOnce(&mut CheckResults)) {
        let condition = {
            let mut results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
            change(&mut results);
            results.condition(&self.pace)
        };
        self.condition.send_if_modified(|reported| {
            if *reported == condition {
                return false;
            }
            log_change(reported, &condition);
            if condition.is_unfit() && !reported.is_unfit() {
                self.times_unfit.fetch_add(1, Ordering::SeqCst);
            }
            *reported = condition;
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
        (Some(trouble), None) => tracing::info!(kind = trouble.kind.as_str(), "the store is healthy again"),
        (None, None) => {}
    }
}

async fn within<T>(limit: Duration, check: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    timeout(limit, check).await.unwrap_or_else(|_| Err(silent_for(limit)))
}

fn silent_for(limit: Duration) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, no_answer_within(limit))
}

fn no_answer_within(limit: Duration) -> String {
    format!("it gives no answer within {} s", limit.as_secs())
}

/// Ticks that are missed are not made up for.
fn interval(period: Duration) -> Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

#[cfg(test)]
mod tests;
