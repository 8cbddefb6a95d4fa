//! Catch-up after an outage: providers do not repeat every notice that was refused, so that after every time in which
//! some may have been, each open calendar is asked for a sync.
//!
//! That is so after a start (whoever ran before may have refused some while going down), after Temporal or the store was
//! away (load balancers then send nothing here, and nobody counts it), and after the process stood still. A single notice
//! that this process refused is made good at its own calendar. Somebody who was turned away before they could prove
//! anything may have brought a notice too; since anybody can cause that, it is made good once in many hours. The heartbeat
//! row moves only while the backlog is empty, so that it says since when it is not. Not for: what a notice is
//! (`notices.rs`), who is in the backlog (`debt.rs`), draining it (`catch_up/telling.rs`).

mod lists;
mod telling;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use evercal_domain::heartbeat::WORKERS;
use evercal_domain::{Clock, Provider};
use evercal_process::{Pulse, Tasks};
use evercal_storage::{Store, StoreError, StoreErrorKind, StoreWatch, cause_of};
use evercal_workflow_client::{AccountWorkflows, Workflows};
use tokio::time::{Instant, Interval, MissedTickBehavior};

use crate::consent_backlog::ConsentBacklog;
use crate::debt::Debt;
use crate::delivery::Delivery;
use crate::providers::ProvidersSeen;
use crate::refusals::Refusals;
use crate::workers::{Workers, WorkersSeen};
use lists::Lists;

/// The name of the heartbeat row.
pub const HEARTBEAT: &str = "gateway";
/// The claim of the gateway that drains the backlog of all calendars.
const CLAIM: &str = "catch_up";
/// Checks in a row without an answer after which Temporal or the store is away: a single slow answer does not count.
const AWAY_AFTER: u32 = 2;
/// How long the store may take to show that it answers.
const STORE_PATIENCE: Duration = Duration::from_secs(2);
/// How long a round may take beyond its time for draining: a connection that died silently must not end the checks.
const ROUND_PATIENCE: Duration = Duration::from_secs(15);

/// How often and how fast.
#[derive(Debug, Clone, Copy)]
pub struct CatchUpPace {
    /// Between two heartbeats.
    pub heartbeat: Duration,
    /// A longer time between two checks means that the process stood still; what was seen before it counts no more.
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

/// What the rest of the gateway may ask about it, without asking Temporal or the store itself.
#[derive(Debug, Default)]
pub(crate) struct Watch(Mutex<Option<Seen>>);

#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    at: DateTime<Utc>,
    pub temporal: bool,
    /// Since when Temporal does not answer.
    pub temporal_away_since: Option<DateTime<Utc>>,
    pub store: bool,
    /// Since when the store does not answer.
    pub store_away_since: Option<DateTime<Utc>>,
    /// How it stands with the workers.
    pub workers: WorkersSeen,
    /// How it stands with the providers.
    pub providers: ProvidersSeen,
    /// Whether the backlog is not empty.
    pub catching_up: bool,
    /// When the backlog was last empty.
    pub well_at: Option<DateTime<Utc>>,
}

impl Watch {
    /// What was seen last. What is older than that means nothing any more.
    pub(crate) fn seen(&self, now: DateTime<Utc>, age_max: Duration) -> Option<Seen> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let age = |seen: &Seen| (now - seen.at).to_std().unwrap_or_default();
        seen.filter(|seen| age(seen) <= age_max)
    }

    fn set(&self, seen: Seen) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
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
    pub watch: Arc<Watch>,
    pub store_watch: StoreWatch,
    /// The providers that are on.
    pub providers_on: BTreeSet<Provider>,
    /// Names this process: of several gateways with the same backlog, one drains it.
    pub process: String,
}

#[derive(Debug, Default)]
struct Memory {
    debt: Debt,
    lists: Lists,
    temporal: Part,
    store: Part,
    workers: Workers,
    providers: ProvidersSeen,
    /// Whether it is known if a gateway ran here before.
    knows_the_past: bool,
    /// When the backlog was last empty.
    well_at: Option<DateTime<Utc>>,
    /// When the last round ended.
    looked_at: Option<DateTime<Utc>>,
    /// Notices were refused for more calendars than are known one by one.
    more_refused: bool,
    /// Somebody was turned away before they could prove anything.
    unproven_refused: bool,
    /// When all were last put into the backlog because of that.
    unproven_owed_at: Option<Instant>,
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
    fn owes_somebody(&self) -> bool {
        !self.debt.is_none() || !self.lists.is_none()
    }

    /// Enqueues everybody, for a turn that begins after now.
    fn owe_all(&mut self) {
        self.debt.owe_all();
        self.turn = Turn::default();
    }
}

/// Something that we need, as the last checks found it.
#[derive(Debug, Default)]
struct Part {
    answers: bool,
    failures_in_a_row: u32,
    away_since: Option<DateTime<Utc>>,
}

impl Part {
    fn saw<T, E: std::error::Error>(&mut self, name: &str, answer: &Result<T, E>, now: DateTime<Utc>) {
        match answer {
            Ok(_) => *self = Self { answers: true, failures_in_a_row: 0, away_since: None },
            Err(error) => {
                tracing::warn!(part = name, %error, cause = cause_of(error), "a part that is needed does not answer");
                self.away_since.get_or_insert(now);
                self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
                self.answers &= !self.is_away();
            }
        }
    }

    fn is_well(&self) -> bool {
        self.failures_in_a_row == 0
    }

    fn is_away(&self) -> bool {
        self.failures_in_a_row >= AWAY_AFTER
    }
}

impl CatchUp {
    /// Runs until the tasks are stopped. Accounts that wait do not delay the heartbeat.
    pub(crate) fn run(self: Arc<Self>, tasks: &Tasks, silence_max: Duration) {
        let looking = Arc::clone(&self);
        tasks.spawn_loop("catch-up", silence_max, |pulse| looking.keep_heartbeat(pulse));
        tasks.spawn_loop("waiting accounts", silence_max, |pulse| self.drain_consents(pulse));
    }

    async fn keep_heartbeat(self: Arc<Self>, pulse: Pulse) {
        let mut interval = interval(self.pace.heartbeat);
        let mut memory = Memory::default();
        while pulse.wait(interval.tick()).await.is_some() {
            // Cut off by the stop only, after which nothing is remembered.
            let _cut_off = pulse.work(self.round(&mut memory)).await;
            memory.looked_at = Some(self.clock.now());
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
        let well_at = self.look(memory, now).await;
        self.look_for_debt(memory, now);
        self.note_turn(memory).await;
        let workers = self.look_for_workers(memory, now).await;
        if memory.store.is_well() {
            memory.providers.look(&*self.store, &self.providers_on, now).await;
        }
        self.watch.set(Seen {
            at: now,
            temporal: memory.temporal.answers,
            temporal_away_since: memory.temporal.away_since,
            store: memory.store.answers,
            store_away_since: memory.store.away_since,
            workers,
            providers: memory.providers.clone(),
            catching_up: memory.owes_somebody(),
            well_at,
        });
        // One of which nobody knows yet whether it is ours may have no calendars, and everybody would seem signalled.
        if memory.temporal.is_well() && memory.store.is_well() && self.store_watch.condition().is_usable() {
            match tokio::time::timeout(self.pace.heartbeat + ROUND_PATIENCE, self.pay(memory, now)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::error!(%error, cause = error.cause(), "calendars could not be told to catch up");
                }
                // Who was signalled meanwhile is remembered; at most one is signalled twice.
                Err(_) => tracing::error!("telling calendars to catch up takes too long; the next round goes on"),
            }
        }
    }

    /// Notes how many turns were begun when the backlog arose. During an outage it is noted again and again: what is refused
    /// until its end belongs to the backlog too.
    async fn note_turn(&self, memory: &mut Memory) {
        if !memory.debt.owes_all() || memory.turn.after.is_some() || !memory.store.is_well() {
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
    async fn look(&self, memory: &mut Memory, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let (temporal, mut store) = tokio::join!(self.workflows.ping(), in_time(self.store.last_beat(HEARTBEAT)));
        // What is not ours knows neither the past nor the calendars.
        let condition = self.store_watch.condition();
        if condition.is_foreign() {
            let sentence = condition.sentence().unwrap_or_default();
            store = Err(StoreError::new(StoreErrorKind::Unavailable, sentence));
        }
        if let Ok(well_at) = &store
            && !std::mem::replace(&mut memory.knows_the_past, true)
            && well_at.is_some()
        {
            // A gateway ran here before, and nobody knows what it refused at its end.
            memory.well_at = *well_at;
            memory.owe_all();
        }
        // A store that only reads is not there. While there is a backlog the row is written as it was, so that the store is
        // checked for writing in the same way.
        let is_well = !memory.owes_somebody() && temporal.is_ok();
        let beat_at = if is_well { Some(now) } else { memory.well_at };
        if store.is_ok()
            && let Some(at) = beat_at
        {
            store = in_time(self.store.beat(HEARTBEAT, at)).await.map(|()| Some(at));
            if store.is_ok() {
                memory.well_at = Some(at);
            }
        }
        memory.temporal.saw("temporal", &temporal, now);
        memory.store.saw("store", &store, now);
        store.unwrap_or(memory.well_at)
    }

    async fn look_for_workers(&self, memory: &mut Memory, now: DateTime<Utc>) -> WorkersSeen {
        // Not asked of a store that has just shown that it does not answer.
        let beats = if memory.store.is_well() { in_time(self.store.beats_of(WORKERS)).await.ok() } else { None };
        let were_missing = memory.workers.are_missing();
        let workers = memory.workers.look(beats, now);
        if workers.missing_since.is_some() != were_missing {
            tracing::warn!(alive = workers.alive, "workers went missing, or are back");
        }
        workers
    }

    fn look_for_debt(&self, memory: &mut Memory, now: DateTime<Utc>) {
        let refused = self.refusals.take();
        refused.calendars.into_iter().for_each(|calendar| memory.debt.owe(calendar));
        refused.accounts.into_iter().for_each(|account| memory.lists.owe(account, Instant::now()));
        memory.more_refused |= refused.more;
        memory.unproven_refused |= refused.unproven;
        let rested = memory.caught_up_at.is_none_or(|at| at.elapsed() >= self.pace.pause);
        if memory.more_refused && rested && !memory.debt.owes_all() {
            memory.more_refused = false;
            memory.owe_all();
        }
        // Once the crowd is gone: a sync in the middle of it makes good nothing that is refused later.
        let is_over = memory.unproven_refused && !refused.unproven;
        let rested = memory.unproven_owed_at.is_none_or(|at| at.elapsed() >= self.pace.unproven_pause);
        if is_over && rested {
            memory.unproven_refused = false;
            memory.unproven_owed_at = Some(Instant::now());
            memory.owe_all();
        }
        let silence = memory.looked_at.and_then(|looked_at| (now - looked_at).to_std().ok());
        let stood_still = silence.is_some_and(|silence| silence > self.pace.standstill);
        // From here on load balancers send notices nowhere, so that nobody sees which are lost.
        // What was written down and read while the store was unfit may have failed for good.
        let times_unfit = self.store_watch.times_unfit();
        let was_unfit = std::mem::replace(&mut memory.times_unfit, times_unfit) != times_unfit;
        if stood_still || was_unfit || memory.temporal.is_away() || memory.store.is_away() {
            memory.owe_all();
        }
        if memory.temporal.is_away() {
            self.consent_backlog.fill();
        }
    }
}

/// A call that shows whether the store answers.
async fn in_time<T>(call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let answer = tokio::time::timeout(STORE_PATIENCE, call).await;
    answer.unwrap_or_else(|_| Err(StoreError::new(StoreErrorKind::Unavailable, "it takes too long")))
}

/// Ticks that are missed are not made up for: after a slow call the next one is no quicker.
fn interval(period: Duration) -> Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
