//! Draining the catch-up backlog: each calendar gets a signal, from one gateway for all of them, and then each account, whose list
//! of calendars has to be read. Not for: who is in the backlog, and since when (`catch_up.rs`, `backlog.rs`).

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use evercal_domain::journal::{AuditEntry, AuditKind};
use evercal_domain::{AccountId, AccountState, CalendarId, SyncReason};
use evercal_process::counted;
use evercal_storage::{StoreError, cause_of};
use evercal_workflow_client::AccountSignal;
use evercal_workflows::contract::Notify;
use tokio::time::{Instant, Interval};

use super::backlog::Backlog;
use super::{CLAIM, CatchUp, CatchUpPace, Memory, interval};

/// How long a gateway has the claim without a sign of life: longer than a round may take.
const CLAIM_LASTS: TimeDelta = TimeDelta::seconds(30);
/// Heartbeats that a gateway waits before it begins, for others whose backlog is the same.
const GRACE_HEARTBEATS: u32 = 2;
/// Calendars, or accounts, read from the store at a time.
const ROWS_PER_PAGE: u32 = 200;
/// After so many failures in a row Temporal is asked whether it is there before anybody else is signalled.
const FAILURES_IN_A_ROW_MAX: u32 = 5;

impl CatchUp {
    /// Drains the backlog, for no longer than one heartbeat: then Temporal and the store are checked again, and the next round
    /// goes on.
    pub(super) async fn drain(&self, memory: &mut Memory, now: DateTime<Utc>) -> Result<(), StoreError> {
        let mut round = Round::new(&self.pace);
        // Just refused, so probably few, and sure to have missed something.
        for calendar in memory.calendars.untried() {
            self.signal_calendar(calendar, &mut round, &mut memory.calendars).await;
        }
        while self.has_turn(memory).await? && !round.is_over() {
            let calendars = self.store.open_calendar_ids(memory.calendars.reached(), ROWS_PER_PAGE).await?;
            if calendars.is_empty() {
                self.record(memory, now).await?;
                if let Some(turn) = memory.turn.mine.take() {
                    self.store.finish_claim(CLAIM, &self.process, turn, self.clock.now()).await?;
                }
                memory.calendars.finish_all();
                memory.accounts.restart();
                memory.caught_up_at = Some(Instant::now());
            }
            for calendar in calendars {
                if self.signal_calendar(calendar, &mut round, &mut memory.calendars).await {
                    memory.calendars.advance(calendar);
                }
            }
        }
        for calendar in memory.calendars.due(Instant::now()) {
            self.signal_calendar(calendar, &mut round, &mut memory.calendars).await;
        }
        self.drain_accounts(&mut memory.accounts, &mut round).await
    }

    /// Signals the accounts of the backlog, all of them by the gateway that has signalled all calendars.
    async fn drain_accounts(&self, backlog: &mut Backlog<AccountId>, round: &mut Round) -> Result<(), StoreError> {
        for account in backlog.untried().into_iter().chain(backlog.due(Instant::now())) {
            self.signal_account(account, round, backlog).await;
        }
        while backlog.has_all() && !round.is_over() {
            let accounts = self.store.open_accounts_after(backlog.reached(), ROWS_PER_PAGE).await?;
            if accounts.is_empty() {
                backlog.finish_all();
            }
            for account in accounts {
                // Whoever is connecting, or connects again, reads the list in any case.
                if account.state == AccountState::Connected && !self.signal_account(account.id, round, backlog).await {
                    break;
                }
                backlog.advance(account.id);
            }
        }
        Ok(())
    }

    /// Whether all are in the backlog and it is this gateway that drains it. Where another one did since the backlog arose, it
    /// is empty.
    async fn has_turn(&self, memory: &mut Memory) -> Result<bool, StoreError> {
        if !memory.calendars.has_all() {
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
            memory.calendars.finish_all();
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
        memory.calendars.restart();
        Ok(true)
    }

    /// Tries to signal one, unless the round's time is over; answers whether it was tried. One calendar that cannot be
    /// signalled does not keep the others waiting: it is deferred as a single one.
    async fn signal_calendar(
        &self,
        calendar: CalendarId,
        round: &mut Round,
        backlog: &mut Backlog<CalendarId>,
    ) -> bool {
        if !round.has_turn().await {
            return false;
        }
        let notify = Notify { reason: SyncReason::CatchUp, ..Notify::default() };
        let delivered = self.delivery.deliver(calendar, &notify).await;
        round.record(calendar, &delivered, backlog);
        if let Err(error) = delivered {
            let cause = cause_of(&error);
            counted!(warn, "a calendar could not be signalled to catch up", calendar_id = %calendar, %error, cause);
        }
        true
    }

    /// The same for an account, which reads its list of calendars then.
    async fn signal_account(&self, account: AccountId, round: &mut Round, backlog: &mut Backlog<AccountId>) -> bool {
        if !round.has_turn().await {
            return false;
        }
        let delivered = self.accounts.signal(account, AccountSignal::ListMayHaveChanged).await;
        round.record(account, &delivered, backlog);
        if let Err(error) = delivered {
            counted!(warn, "an account could not be signalled to read its list of calendars", account_id = %account, %error);
        }
        true
    }

    async fn record(&self, memory: &Memory, now: DateTime<Utc>) -> Result<(), StoreError> {
        let since =
            memory.healthy_at.map(|at| format!(" since {}", at.format("%Y-%m-%d %H:%M:%S UTC"))).unwrap_or_default();
        let but = match memory.calendars.singles() {
            0 => String::new(),
            left => format!(" but {left}, which are tried again"),
        };
        let message =
            format!("Notices may have been refused{since}; all open calendars were signalled to catch up{but}.");
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
struct Round {
    pace: Interval,
    lasts: Duration,
    /// How long one that could not be signalled is deferred.
    pause: Duration,
    /// Set by the first one, so that each round signals somebody, however long the store took to name them.
    ends_at: Option<Instant>,
    failures_in_a_row: u32,
}

impl Round {
    fn new(pace: &CatchUpPace) -> Self {
        Self {
            pace: interval(Duration::from_secs(1) / pace.calendars_per_second.max(1)),
            lasts: pace.heartbeat,
            pause: pace.pause,
            ends_at: None,
            failures_in_a_row: 0,
        }
    }

    /// Waits until the next one may be signalled; answers whether there is time left for it.
    async fn has_turn(&mut self) -> bool {
        if self.is_over() {
            return false;
        }
        self.ends_at.get_or_insert(Instant::now() + self.lasts);
        self.pace.tick().await;
        true
    }

    /// Takes the one that was signalled out of the backlog, or defers the one that could not be.
    fn record<Id: Copy + Ord, T, E>(&mut self, id: Id, delivered: &Result<T, E>, backlog: &mut Backlog<Id>) {
        if delivered.is_ok() {
            self.failures_in_a_row = 0;
            backlog.remove(id);
        } else {
            self.failures_in_a_row += 1;
            backlog.defer(id, Instant::now() + self.pause);
        }
    }

    fn is_over(&self) -> bool {
        let is_late = self.ends_at.is_some_and(|ends_at| Instant::now() >= ends_at);
        is_late || self.failures_in_a_row >= FAILURES_IN_A_ROW_MAX
    }
}
