//! Catch-up after an outage: providers do not repeat every notice that was refused, so that after every time in which
//! some may have been, each open calendar is told to look.
//!
//! That is so after a start (whoever ran before may have refused some while going down), after Temporal was away, after
//! this process refused one, and after it stood still. The heartbeat row moves only while nothing is owed, so that it
//! says since when something is; a process that is killed while catching up leaves it where it was, and the next one
//! begins again. Not for: what a notice is (`notices.rs`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use evercal_domain::journal::{AuditEntry, AuditKind};
use evercal_domain::{CalendarId, Clock, SyncReason};
use evercal_storage::{Store, StoreError};
use evercal_workflows::contract::Notify;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::accounts::AccountWorkflows;
use crate::delivery::Delivery;
use crate::refusals::Refusals;
use crate::signals::Signals;

/// The name of the heartbeat row.
pub const HEARTBEAT: &str = "gateway";
/// Calendars read from the store at a time.
const CALENDARS_PER_PAGE: u32 = 200;
/// After so many failures in a row Temporal is taken to be away again.
const FAILURES_IN_A_ROW_MAX: usize = 5;

/// How often and how fast.
#[derive(Debug, Clone, Copy)]
pub struct CatchUpPace {
    /// Between two heartbeats.
    pub heartbeat: Duration,
    /// A longer time between two looks means that the process stood still.
    pub standstill: Duration,
    /// Calendars told per second.
    pub calendars_per_second: u32,
    /// The least time between two catch-ups because of single refused notices.
    pub refusal_pause: Duration,
}

impl Default for CatchUpPace {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(2),
            standstill: Duration::from_secs(30),
            calendars_per_second: 100,
            refusal_pause: Duration::from_secs(30),
        }
    }
}

/// What the rest of the gateway may ask about it.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    temporal_answers: AtomicBool,
    catching_up: AtomicBool,
}

impl Watch {
    /// Whether Temporal answered when last asked.
    pub(crate) fn temporal_answers(&self) -> bool {
        self.temporal_answers.load(Ordering::Relaxed)
    }

    /// Whether calendars are still to be told.
    pub(crate) fn catching_up(&self) -> bool {
        self.catching_up.load(Ordering::Relaxed)
    }
}

/// Keeps the heartbeat and catches up.
pub(crate) struct CatchUp {
    pub store: Arc<dyn Store>,
    pub signals: Arc<dyn Signals>,
    pub delivery: Arc<Delivery>,
    pub accounts: Arc<AccountWorkflows>,
    pub refusals: Arc<Refusals>,
    pub clock: Arc<dyn Clock>,
    pub pace: CatchUpPace,
    pub watch: Arc<Watch>,
}

/// What is owed to the calendars.
#[derive(Debug)]
enum Debt {
    /// Nothing.
    None,
    /// All have to be told.
    All,
    /// These are left: telling them failed.
    Some(Vec<CalendarId>),
}

/// What the loop remembers.
struct Memory {
    /// When nothing was owed last.
    well_at: Option<DateTime<Utc>>,
    /// When the last round ended.
    looked_at: Option<DateTime<Utc>>,
    debt: Debt,
    /// The refusals that the last catch-up covered, and when it ended.
    covered: u64,
    caught_up_at: Option<Instant>,
}

impl CatchUp {
    /// Runs until stopped.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut interval = tokio::time::interval(self.pace.heartbeat);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut memory: Option<Memory> = None;
        while stop.run_until_cancelled(interval.tick()).await.is_some() {
            if let Some(Err(error)) = stop.run_until_cancelled(self.round(&mut memory)).await {
                tracing::error!(%error, "the gateway's heartbeat cannot be kept");
            }
            if let Some(memory) = &mut memory {
                memory.looked_at = Some(self.clock.now());
            }
        }
    }

    async fn round(&self, memory: &mut Option<Memory>) -> Result<(), StoreError> {
        let memory = match memory {
            Some(memory) => memory,
            None => memory.insert(self.remember().await?),
        };
        let now = self.clock.now();
        self.look_for_debt(memory, now);
        if let Err(error) = self.signals.ping().await {
            tracing::warn!(%error, "Temporal does not answer");
            self.watch.temporal_answers.store(false, Ordering::Relaxed);
            self.watch.catching_up.store(true, Ordering::Relaxed);
            memory.debt = Debt::All;
            self.accounts.unsettle();
            return Ok(());
        }
        self.watch.temporal_answers.store(true, Ordering::Relaxed);
        if let Err(error) = self.accounts.settle().await {
            tracing::warn!(%error, "accounts still wait for their workflow");
        }
        self.pay(memory, now).await?;
        self.watch.catching_up.store(!matches!(memory.debt, Debt::None), Ordering::Relaxed);
        if matches!(memory.debt, Debt::None) {
            self.store.beat(HEARTBEAT, now).await?;
            memory.well_at = Some(now);
        }
        Ok(())
    }

    /// A gateway ran here before, and nobody knows what it refused at its end.
    async fn remember(&self) -> Result<Memory, StoreError> {
        let well_at = self.store.last_beat(HEARTBEAT).await?;
        let debt = if well_at.is_some() { Debt::All } else { Debt::None };
        Ok(Memory { well_at, looked_at: None, debt, covered: 0, caught_up_at: None })
    }

    fn look_for_debt(&self, memory: &mut Memory, now: DateTime<Utc>) {
        let silence = memory.looked_at.and_then(|looked_at| (now - looked_at).to_std().ok());
        let stood_still = silence.is_some_and(|silence| silence > self.pace.standstill);
        let rested = memory.caught_up_at.is_none_or(|at| at.elapsed() >= self.pace.refusal_pause);
        let refused = self.refusals.total() > memory.covered;
        if matches!(memory.debt, Debt::None) && (stood_still || (refused && rested)) {
            memory.debt = Debt::All;
        }
    }

    async fn pay(&self, memory: &mut Memory, now: DateTime<Utc>) -> Result<(), StoreError> {
        let refused = self.refusals.total();
        let left = match std::mem::replace(&mut memory.debt, Debt::All) {
            Debt::None => {
                memory.debt = Debt::None;
                return Ok(());
            }
            Debt::All => {
                self.watch.catching_up.store(true, Ordering::Relaxed);
                let left = self.tell_all().await?;
                memory.covered = refused;
                left
            }
            Debt::Some(calendars) => self.tell(calendars).await,
        };
        match left {
            Told::All => {
                self.record(memory.well_at, now).await?;
                memory.debt = Debt::None;
                memory.caught_up_at = Some(Instant::now());
            }
            Told::AllBut(calendars) => memory.debt = Debt::Some(calendars),
            Told::GaveUp => {}
        }
        Ok(())
    }

    async fn tell_all(&self) -> Result<Told, StoreError> {
        let mut failed = Vec::new();
        let mut after = None;
        loop {
            let calendars = self.store.open_calendar_ids(after, CALENDARS_PER_PAGE).await?;
            let Some(last) = calendars.last().copied() else { break };
            match self.tell(calendars).await {
                Told::All => {}
                Told::AllBut(some) => failed.extend(some),
                Told::GaveUp => return Ok(Told::GaveUp),
            }
            after = Some(last);
        }
        Ok(if failed.is_empty() { Told::All } else { Told::AllBut(failed) })
    }

    /// One calendar that cannot be told does not keep the others from it.
    async fn tell(&self, calendars: Vec<CalendarId>) -> Told {
        let notify = Notify { reason: SyncReason::CatchUp, ..Notify::default() };
        let mut pace = tokio::time::interval(Duration::from_secs(1) / self.pace.calendars_per_second.max(1));
        let mut failed = Vec::new();
        let mut in_a_row = 0;
        for calendar in calendars {
            pace.tick().await;
            match self.delivery.deliver(calendar, &notify).await {
                Ok(_) => in_a_row = 0,
                Err(error) => {
                    tracing::warn!(%calendar, %error, "a calendar could not be told to catch up");
                    failed.push(calendar);
                    in_a_row += 1;
                }
            }
            if in_a_row >= FAILURES_IN_A_ROW_MAX {
                return Told::GaveUp;
            }
        }
        if failed.is_empty() { Told::All } else { Told::AllBut(failed) }
    }

    async fn record(&self, well_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Result<(), StoreError> {
        let message = match well_at {
            Some(well_at) => format!(
                "Notices may have been refused since {}; all open calendars were told to catch up.",
                well_at.format("%Y-%m-%d %H:%M:%S UTC")
            ),
            None => "Notices may have been refused; all open calendars were told to catch up.".to_owned(),
        };
        tracing::info!("{message}");
        let entry = AuditEntry {
            dedup_key: format!("catch_up/{}", now.timestamp_millis()),
            at: now,
            kind: AuditKind::CatchUp,
            tenant_id: None,
            account_id: None,
            calendar_id: None,
            message,
        };
        self.store.append_audit(&entry).await
    }
}

/// How telling went.
enum Told {
    All,
    AllBut(Vec<CalendarId>),
    GaveUp,
}
