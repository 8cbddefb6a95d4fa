//! Catch-up after an outage. Providers do not repeat every notice that was refused, so that after every time in which some may
//! have been refused, each open calendar is signalled to sync.
//!
//! Such a time ends with a start (the process before may have refused notices while it stopped), with the return of Temporal or
//! the store (load balancers send nothing here meanwhile, so that no refusal is counted), and with the end of a standstill of
//! the process. A single notice that this process refused enqueues its own calendar alone. A connection that was closed before
//! it proved anything may have brought a notice too; since anybody can cause that, such connections enqueue all calendars once
//! in many hours. The heartbeat row moves only while the backlog is empty, so that its time is the beginning of the backlog. Not
//! for: what a notice is (`notices.rs`), who is in the backlog (`catch_up/backlog.rs`), draining it (`catch_up/drain.rs`).

mod backlog;
mod drain;
mod health;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use evercal_domain::heartbeat::WORKERS;
use evercal_domain::{AccountId, CalendarId, Clock, Provider};
use evercal_process::{Pulse, Tasks};
use evercal_storage::{Store, StoreError, StoreErrorKind, StoreWatch, cause_of};
use evercal_workflow_client::{AccountWorkflows, Workflows};
use tokio::time::{Instant, Interval, MissedTickBehavior};

use crate::consent_backlog::ConsentBacklog;
use crate::delivery::Delivery;
use crate::providers::Providers;
use crate::refusals::Refusals;
use crate::workers::{Workers, WorkersHealth};
use backlog::Backlog;
use health::ComponentHealth;
pub(crate) use health::{HealthSnapshot, LatestHealth};

/// The name of the heartbeat row.
pub const HEARTBEAT: &str = "gateway";
/// The claim of the gateway that drains the backlog of all calendars.
const CLAIM: &str = "catch_up";
/// How long the store may take to show that it answers.
const STORE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a round may take beyond its time for draining: a connection that died silently must not end the checks.
const ROUND_SLACK: Duration = Duration::from_secs(15);

/// How often and how fast.
#[derive(Debug, Clone, Copy)]
pub struct CatchUpPace {
    /// The time between two heartbeats.
    pub heartbeat: Duration,
    /// A longer time between two checks means that the process stood still; what was found before it counts no more.
    pub standstill: Duration,
    /// Calendars signalled per second.
    pub calendars_per_second: u32,
    /// The least time between two catch-ups of all because of refused notices, and between two attempts to signal one
    /// calendar.
    pub pause: Duration,
    /// The least time between two catch-ups of all because of somebody who had proven nothing.
    pub unproven_pause: Duration,
}

impl Default for CatchUpPace {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(2),
            standstill: Duration::from_secs(30),
            calendars_per_second: 100,
            pause: Duration::from_secs(30),
            unproven_pause: Duration::from_hours(6),
        }
    }
}

/// Keeps the heartbeat and catches up.
pub(crate) struct CatchUp {
    pub store: Arc<dyn Store>,
    pub workflows: Arc<dyn Workflows>,
    pub delivery: Arc<Delivery>,
    pub accounts: Arc<AccountWorkflows>,
    pub consent_backlog: Arc<ConsentBacklog>,
    pub refusals: Arc<Refusals>,
    pub clock: Arc<dyn Clock>,
    pub pace: CatchUpPace,
    pub health: Arc<LatestHealth>,
    pub store_watch: StoreWatch,
    /// The providers that are on.
    pub providers_on: BTreeSet<Provider>,
    /// Names this process: of several gateways with the same backlog, one drains it.
    pub process: String,
}

#[derive(Debug, Default)]
struct Memory {
    /// Those to be synced.
    calendars: Backlog<CalendarId>,
    /// Those whose list of calendars has to be read.
    accounts: Backlog<AccountId>,
    temporal: ComponentHealth,
    store: ComponentHealth,
    workers: Workers,
    providers: Providers,
    /// Whether it is known if a gateway ran here before.
    knows_the_past: bool,
    /// When the backlog was last empty.
    healthy_at: Option<DateTime<Utc>>,
    /// When the last round ended.
    checked_at: Option<DateTime<Utc>>,
    /// Notices were refused for more calendars than are known one by one.
    more_refused: bool,
    /// Somebody was turned away before they could prove anything.
    unproven_refused: bool,
    /// When all were last put into the backlog because of that.
    unproven_enqueued_at: Option<Instant>,
    /// How often the store had been unfit at the last check.
    times_unfit: u64,
    /// When all had last been signalled.
    caught_up_at: Option<Instant>,
    /// Which turn to signal all calendars is this process's.
    turn: Turn,
}

/// Where this gateway stands among those whose backlog has all calendars. Turns are counted in the store, since clocks differ:
/// one that begins after the backlog arose drains it, whichever gateway takes it.
#[derive(Debug, Default)]
struct Turn {
    /// Turns begun when the backlog arose; `None` where the store has not been asked yet.
    after: Option<i64>,
    /// When that was.
    since: Option<Instant>,
    /// The turn that this gateway has.
    mine: Option<i64>,
}

impl Memory {
    fn has_backlog(&self) -> bool {
        !self.calendars.is_empty() || !self.accounts.is_empty()
    }

    /// Enqueues everybody, for a turn that begins after now.
    fn enqueue_all(&mut self) {
        self.calendars.enqueue_all();
        self.turn = Turn::default();
    }
}

impl CatchUp {
    /// Runs until the tasks are stopped. Accounts that wait do not delay the heartbeat.
    pub(crate) fn run(self: Arc<Self>, tasks: &Tasks, silence_max: Duration) {
        let heartbeat = Arc::clone(&self);
        tasks.spawn_loop("catch-up", silence_max, |pulse| heartbeat.keep_heartbeat(pulse));
        tasks.spawn_loop("waiting accounts", silence_max, |pulse| self.drain_consents(pulse));
    }

    async fn keep_heartbeat(self: Arc<Self>, pulse: Pulse) {
        let mut interval = interval(self.pace.heartbeat);
        let mut memory = Memory::default();
        while pulse.wait(interval.tick()).await.is_some() {
            // Cut off by the stop only, after which nothing is remembered.
            let _cut_off = pulse.work(self.round(&mut memory)).await;
            memory.checked_at = Some(self.clock.now());
        }
    }

    async fn drain_consents(self: Arc<Self>, pulse: Pulse) {
        let mut interval = interval(self.pace.heartbeat);
        while pulse.wait(interval.tick()).await.is_some() {
            if let Some(Err(error)) = pulse.work(self.consent_backlog.drain(&pulse)).await {
                tracing::warn!(%error, cause = cause_of(&error), "accounts still wait for their workflow");
            }
        }
    }

    async fn round(&self, memory: &mut Memory) {
        let now = self.clock.now();
        let healthy_at = self.check(memory, now).await;
        self.fill_backlog(memory, now);
        self.note_turn(memory).await;
        let workers = self.check_workers(memory, now).await;
        let providers = if memory.store.is_healthy() {
            memory.providers.update(&*self.store, &self.providers_on, now).await
        } else {
            memory.providers.known()
        };
        self.health.set(HealthSnapshot {
            at: now,
            temporal: memory.temporal.answers,
            temporal_away_since: memory.temporal.away_since,
            store: memory.store.answers,
            store_away_since: memory.store.away_since,
            workers,
            providers,
            catching_up: memory.has_backlog(),
            healthy_at,
        });
        // A store that may be another installation's may have no calendars, and all of them would count as signalled.
        if memory.temporal.is_healthy() && memory.store.is_healthy() && self.store_watch.condition().is_usable() {
            match tokio::time::timeout(self.pace.heartbeat + ROUND_SLACK, self.drain(memory, now)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::error!(%error, cause = error.cause(), "calendars could not be signalled to catch up");
                }
                // Who was signalled meanwhile is remembered; at most one is signalled twice.
                Err(_) => tracing::error!("signalling calendars to catch up takes too long; the next round goes on"),
            }
        }
    }

    /// Notes how many turns were begun when the backlog arose. During an outage it is noted again and again: what is refused
    /// until its end belongs to the backlog too.
    async fn note_turn(&self, memory: &mut Memory) {
        if !memory.calendars.has_all() || memory.turn.after.is_some() || !memory.store.is_healthy() {
            return;
        }
        match in_time(self.store.claim_rounds(CLAIM)).await {
            Ok(rounds) => {
                memory.turn = Turn { after: Some(rounds.begun), since: Some(Instant::now()), mine: None };
            }
            Err(error) => tracing::warn!(%error, cause = error.cause(), "whose turn it is cannot be read"),
        }
    }

    /// Asks Temporal and the store whether they answer, and moves the heartbeat row, which it answers.
    async fn check(&self, memory: &mut Memory, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let (temporal, mut store) = tokio::join!(self.workflows.ping(), in_time(self.store.last_beat(HEARTBEAT)));
        // Another installation's store knows neither our past nor our calendars.
        let condition = self.store_watch.condition();
        if condition.is_foreign() {
            let sentence = condition.sentence().unwrap_or_default();
            store = Err(StoreError::new(StoreErrorKind::Unavailable, sentence));
        }
        if let Ok(healthy_at) = &store
            && !std::mem::replace(&mut memory.knows_the_past, true)
            && healthy_at.is_some()
        {
            // A gateway ran here before, and may have refused notices at its end.
            memory.healthy_at = *healthy_at;
            memory.enqueue_all();
        }
        // A store that only reads is not there. While there is a backlog the row is written as it was, so that the store is
        // checked for writing in the same way.
        let is_healthy = !memory.has_backlog() && temporal.is_ok();
        let beat_at = if is_healthy { Some(now) } else { memory.healthy_at };
        if store.is_ok()
            && let Some(at) = beat_at
        {
            store = in_time(self.store.beat(HEARTBEAT, at)).await.map(|()| Some(at));
            if store.is_ok() {
                memory.healthy_at = Some(at);
            }
        }
        memory.temporal.update("temporal", &temporal, now);
        memory.store.update("store", &store, now);
        store.unwrap_or(memory.healthy_at)
    }

    async fn check_workers(&self, memory: &mut Memory, now: DateTime<Utc>) -> WorkersHealth {
        // Not asked of a store that has just shown that it does not answer.
        let beats = if memory.store.is_healthy() { in_time(self.store.beats_of(WORKERS)).await.ok() } else { None };
        let were_missing = memory.workers.are_missing();
        let workers = memory.workers.update(beats, now);
        if workers.missing_since.is_some() != were_missing {
            tracing::warn!(alive = workers.alive, "workers went missing, or are back");
        }
        workers
    }

    fn fill_backlog(&self, memory: &mut Memory, now: DateTime<Utc>) {
        let refused = self.refusals.take();
        refused.calendars.into_iter().for_each(|calendar| memory.calendars.enqueue(calendar));
        refused.accounts.into_iter().for_each(|account| memory.accounts.enqueue(account));
        memory.more_refused |= refused.more;
        memory.unproven_refused |= refused.unproven;
        let rested = memory.caught_up_at.is_none_or(|at| at.elapsed() >= self.pace.pause);
        if memory.more_refused && rested && !memory.calendars.has_all() {
            memory.more_refused = false;
            memory.enqueue_all();
        }
        // After the last of these connections: a sync before would miss what is refused later.
        let is_over = memory.unproven_refused && !refused.unproven;
        let rested = memory.unproven_enqueued_at.is_none_or(|at| at.elapsed() >= self.pace.unproven_pause);
        if is_over && rested {
            memory.unproven_refused = false;
            memory.unproven_enqueued_at = Some(Instant::now());
            memory.enqueue_all();
        }
        let silence = memory.checked_at.and_then(|checked_at| (now - checked_at).to_std().ok());
        let stood_still = silence.is_some_and(|silence| silence > self.pace.standstill);
        // While Temporal or the store is away, load balancers send notices nowhere, so that none of the lost ones is counted.
        // Reads and writes of a store that was unfit may have failed for good.
        let times_unfit = self.store_watch.times_unfit();
        let was_unfit = std::mem::replace(&mut memory.times_unfit, times_unfit) != times_unfit;
        if stood_still || was_unfit || memory.temporal.is_away() || memory.store.is_away() {
            memory.enqueue_all();
        }
        if memory.temporal.is_away() {
            self.consent_backlog.fill();
        }
    }
}

/// A call that shows whether the store answers.
async fn in_time<T>(call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let answer = tokio::time::timeout(STORE_TIMEOUT, call).await;
    answer.unwrap_or_else(|_| Err(StoreError::new(StoreErrorKind::Unavailable, "it takes too long")))
}

/// Ticks that are missed are not made up for: after a slow call the next one is no quicker.
fn interval(period: Duration) -> Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
