//! Draining the catch-up backlog: each calendar gets a signal, from one gateway for all of them. Not for: who is in the backlog,
//! and since when (`catch_up.rs`, `debt.rs`).

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use evercal_domain::journal::{AuditEntry, AuditKind};
use evercal_domain::{CalendarId, SyncReason};
use evercal_process::counted;
use evercal_storage::{StoreError, cause_of};
use evercal_workflows::contract::Notify;
use tokio::time::{Instant, Interval};

use super::{CLAIM, CatchUp, CatchUpPace, Memory, interval};
use crate::debt::Debt;

/// How long a gateway has the claim without a sign of life: longer than a round may take.
const CLAIM_LASTS: TimeDelta = TimeDelta::seconds(30);
/// Heartbeats that a gateway waits before it begins, for others whose backlog is the same.
const GRACE_HEARTBEATS: u32 = 2;
/// Calendars read from the store at a time.
const CALENDARS_PER_PAGE: u32 = 200;
/// After so many failures in a row Temporal is asked whether it is there before anybody else is signalled.
const FAILURES_IN_A_ROW_MAX: u32 = 5;

impl CatchUp {
    /// Drains the backlog, for no longer than one heartbeat: then Temporal and the store are checked again, and the next round
    /// goes on.
    pub(super) async fn pay(&self, memory: &mut Memory, now: DateTime<Utc>) -> Result<(), StoreError> {
        let mut telling = Telling::new(&self.pace);
        // Just refused, so probably few, and sure to have missed something.
        for calendar in memory.debt.untried() {
            self.tell(calendar, &mut telling, &mut memory.debt).await;
        }
        while self.has_turn(memory).await? && !telling.is_over() {
            let calendars = self.store.open_calendar_ids(memory.debt.had_turn_up_to(), CALENDARS_PER_PAGE).await?;
            if calendars.is_empty() {
                self.record(memory, now).await?;
                if let Some(turn) = memory.turn.mine.take() {
                    self.store.finish_claim(CLAIM, &self.process, turn, self.clock.now()).await?;
                }
                memory.debt.walked_to_the_end();
                memory.lists.owe_all();
                memory.caught_up_at = Some(Instant::now());
            }
            for calendar in calendars {
                if self.tell(calendar, &mut telling, &mut memory.debt).await {
                    memory.debt.walked(calendar);
                }
            }
        }
        for calendar in memory.debt.due(Instant::now()) {
            self.tell(calendar, &mut telling, &mut memory.debt).await;
        }
        self.tell_lists(&mut memory.lists, &mut telling).await
    }

    /// Whether all are in the backlog and it is this gateway that drains it. Where another one did since the backlog arose, it
    /// is empty.
    async fn has_turn(&self, memory: &mut Memory) -> Result<bool, StoreError> {
        if !memory.debt.owes_all() {
            return Ok(false);
        }
        let now = self.clock.now();
        let until = now + CLAIM_LASTS;
        if let Some(turn) = memory.turn.mine {
            if self.store.keep_claim(CLAIM, &self.process, turn, until).await? {
                return Ok(true);
            }
            // It took too long, and another one began anew.
            memory.turn.mine = None;
        }
        let (Some(after), Some(since)) = (memory.turn.after, memory.turn.since) else { return Ok(false) };
        if self.store.claim_rounds(CLAIM).await?.done > after {
            memory.debt.walked_to_the_end();
            memory.caught_up_at = Some(Instant::now());
            return Ok(false);
        }
        // The others see the end of an outage a little later: so long they have to note that their backlog has all too.
        if since.elapsed() < self.pace.heartbeat * GRACE_HEARTBEATS {
            return Ok(false);
        }
        let Some(turn) = self.store.take_claim(CLAIM, &self.process, now, until).await? else { return Ok(false) };
        memory.turn.mine = Some(turn);
        // Whoever had the claim before may not have signalled anybody.
        memory.debt.walk_anew();
        Ok(true)
    }

    /// Tries to signal one, unless the round's time is over; answers whether it was tried. One calendar that cannot be
    /// signalled does not keep the others waiting: it is deferred as a single one.
    async fn tell(&self, calendar: CalendarId, telling: &mut Telling, debt: &mut Debt) -> bool {
        if telling.is_over() {
            return false;
        }
        telling.wait_for_turn().await;
        let notify = Notify { reason: SyncReason::CatchUp, ..Notify::default() };
        match self.delivery.deliver(calendar, &notify).await {
            Ok(_) => {
                telling.failures_in_a_row = 0;
                debt.told(calendar);
            }
            Err(error) => {
                let cause = cause_of(&error);
                counted!(warn, "a calendar could not be told to catch up", calendar_id = %calendar, %error, cause);
                telling.failures_in_a_row += 1;
                debt.put_off(calendar, Instant::now() + self.pace.pause);
            }
        }
        true
    }

    async fn record(&self, memory: &Memory, now: DateTime<Utc>) -> Result<(), StoreError> {
        let since =
            memory.well_at.map(|at| format!(" since {}", at.format("%Y-%m-%d %H:%M:%S UTC"))).unwrap_or_default();
        let message = match memory.debt.singles() {
            0 => format!("Notices may have been refused{since}; all open calendars were told to catch up."),
            left => format!(
                "Notices may have been refused{since}; all open calendars were told to catch up but {left}, which are \
                 tried again."
            ),
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

/// The pace and the time of one round.
pub(super) struct Telling {
    pace: Interval,
    lasts: Duration,
    /// Set by the first one, so that each round signals somebody, however long the store took to name them.
    ends_at: Option<Instant>,
    pub(super) failures_in_a_row: u32,
}

impl Telling {
    fn new(pace: &CatchUpPace) -> Self {
        let calendars = interval(Duration::from_secs(1) / pace.calendars_per_second.max(1));
        Self { pace: calendars, lasts: pace.heartbeat, ends_at: None, failures_in_a_row: 0 }
    }

    pub(super) async fn wait_for_turn(&mut self) {
        self.ends_at.get_or_insert(Instant::now() + self.lasts);
        self.pace.tick().await;
    }

    pub(super) fn is_over(&self) -> bool {
        let late = self.ends_at.is_some_and(|ends_at| Instant::now() >= ends_at);
        late || self.failures_in_a_row >= FAILURES_IN_A_ROW_MAX
    }
}
