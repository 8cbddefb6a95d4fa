//! One slice of a sync: pages until all is read or the time is up.

mod commit;
mod fetch;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use evercal_domain::profile::Occurrences;
use evercal_domain::{Calendar, Priority, ProviderError, ProviderErrorKind, UnixMs};
use evercal_providers::{EventsPage, RemoteCalendarRef, TokenError};
use evercal_recurrence::Window;
use evercal_storage::{Cursor, StoreError, SyncPosition, SyncRun, SyncRunOutcome};
use evercal_workflows::contract::{SyncCounts, SyncInput, SyncOutcome};
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use tokio::time::Instant;

use super::{cursor, limits, roll};
use crate::attempt;
use crate::deps::{Connection, Deps};
use crate::failure::{Repeat, SUPERSEDED, endless_list, from_provider, from_store, from_token, superseded};
use crate::refusal::{self, Refused};

/// A pass that loses its token again and again in one slice is the provider's trouble, not ours to spin on.
const FRESH_STARTS_MAX: u32 = 2;
/// How long reading everything again for a later window is left to a sync that nobody waits for.
const REBASE_PUT_OFF_MAX: TimeDelta = TimeDelta::days(2);
/// Commits that another attempt beat to it, before this one gives up.
const LOST_COMMITS_MAX: u32 = 3;

/// Reads until done, until time is up, or until the provider says something that the workflow has to know.
pub(super) async fn run(deps: &Deps, ctx: &ActivityContext, input: &SyncInput) -> Result<SyncOutcome, ActivityError> {
    let Some(start) = deps.store.sync_start(input.calendar_id).await.map_err(from_store)? else {
        tracing::warn!(calendar_id = %input.calendar_id, "the store has no row of a calendar that is to be read");
        return Ok(SyncOutcome::NoRow);
    };
    let now = attempt::started_at(ctx);
    let mut counts = input.so_far;
    counts.started_at.get_or_insert(now.into());
    let connection = deps.connection(start.provider)?;
    let begun = Instant::now();
    let mut slice = Slice {
        deps,
        connection,
        ctx,
        input,
        calendar: start.calendar,
        now,
        begun,
        counts,
        owns_pass: false,
        fresh_starts: 0,
        page_events_max: connection.profile.defaults.page_events_max,
        lost_commits: 0,
        left: None,
        ended_at: None,
    };
    let outcome = slice.read(start.position).await;
    if let Err(error) = &outcome
        && slice.record_failure(error).await.is_err()
    {
        // What the provider said, and how long it wants us to wait, counts more than the log of it.
        tracing::warn!(calendar_id = %slice.calendar.id, "a failed sync is not in the sync log");
    }
    outcome
}

struct Slice<'a> {
    deps: &'a Deps,
    connection: &'a Connection,
    ctx: &'a ActivityContext,
    input: &'a SyncInput,
    calendar: Calendar,
    /// When this attempt started, by the workflow's time.
    now: DateTime<Utc>,
    begun: Instant,
    counts: SyncCounts,
    /// Whether the full pass under way is this attempt's: then a lost commit means that a newer attempt took it over.
    owns_pass: bool,
    fresh_starts: u32,
    /// How many events a pass that begins now asks for in each page.
    page_events_max: u32,
    lost_commits: u32,
    /// Why some of the last chunk could not be fetched.
    left: Option<ProviderError>,
    /// When the sync ended, where its line of the log was written with its last page.
    ended_at: Option<DateTime<Utc>>,
}

impl Slice<'_> {
    async fn read(&mut self, start: SyncPosition) -> Result<SyncOutcome, ActivityError> {
        let mut start = Some(start);
        loop {
            let mut position = match start.take() {
                Some(start) => start,
                None => self.position().await?,
            };
            if !self.owns_pass {
                let owned = match position.cursor {
                    Cursor::Start => self.begin_full_pass(&position).await?,
                    Cursor::Full { .. } => self.take_over_pass(&position).await?,
                    Cursor::Ready { .. } if self.is_to_be_rebased(&position) => {
                        if self.begin_full_pass(&position).await?.is_some() {
                            // It is an import again, behind whatever others wait for.
                            return Ok(SyncOutcome::More { counts: self.counts, priority: Some(Priority::Low) });
                        }
                        continue;
                    }
                    Cursor::Changes { .. } | Cursor::Fetching { .. } | Cursor::Ready { .. } => Some(position),
                };
                match owned {
                    Some(owned) => position = owned,
                    None => continue,
                }
            }
            let read = match position.cursor {
                Cursor::Fetching { .. } => self.fetch(&position).await?,
                _ => self.call(&position).await,
            };
            let page = match read {
                Ok(page) => page,
                Err(error) => match self.after_error(&position, &error).await? {
                    Some(outcome) => return Ok(outcome),
                    None => continue,
                },
            };
            if self.sees_otherwise(&page).await? {
                continue;
            }
            let items = i64::try_from(page.items.len()).unwrap_or(i64::MAX);
            let began_at = self.pass_began_at(&position.cursor);
            let left = self.left.take();
            let Some(committed) = self.commit(&position, page).await? else { continue };
            self.counts.pages += 1;
            self.counts.changes += committed.page.changes;
            self.counts.items = self.counts.items.saturating_add(items);
            self.counts.empty_pages = if items == 0 { self.counts.empty_pages + 1 } else { 0 };
            if let Some(error) = left {
                return Err(self.failed(&error));
            }
            if committed.ends_pass {
                return self.finish().await;
            }
            if let Some(limit) = limits::reached(&self.counts, self.wall_clock() - began_at) {
                // Going on where it is would end here again.
                self.begin_full_pass(&self.position().await?).await?;
                return Err(endless_list(limit));
            }
            if self.begun.elapsed() >= Duration::from_millis(self.input.slice_ms) {
                return Ok(SyncOutcome::More { counts: self.counts, priority: None });
            }
        }
    }

    /// Whether the account sees more or less of the calendar than was known. Then what is mirrored was read with other eyes:
    /// from now on nothing is served that must not be, and everything is read again.
    async fn sees_otherwise(&mut self, page: &EventsPage) -> Result<bool, ActivityError> {
        let known = self.calendar.remote.access_role;
        let Some(role) = page.access_role.filter(|role| role.view() != known.view()) else { return Ok(false) };
        if self.fresh_starts >= FRESH_STARTS_MAX {
            return Ok(false);
        }
        self.fresh_starts += 1;
        tracing::info!(calendar_id = %self.calendar.id, role = role.as_str(), "the access role changed: full pass");
        self.deps.store.set_access_role(self.calendar.id, role).await.map_err(from_store)?;
        self.calendar.remote.access_role = role;
        self.owns_pass = false;
        Ok(true)
    }

    async fn position(&self) -> Result<SyncPosition, ActivityError> {
        self.deps.store.sync_position(self.calendar.id).await.map_err(from_store)
    }

    /// `None` when another attempt was faster; then the position is read again.
    async fn begin_full_pass(&mut self, position: &SyncPosition) -> Result<Option<SyncPosition>, ActivityError> {
        let begun = self.deps.store.begin_full_pass(self.calendar.id, position.revision, self.page_events_max).await;
        let owned = self.owned(begun)?;
        // It may be due because the calendar is another one now: in another zone, or seen with other eyes.
        self.calendar = self.deps.calendar(self.calendar.id).await.map_err(from_store)?;
        Ok(owned)
    }

    /// Goes on with a pass that an attempt before began, and shuts that one out: it may still be alive, and two would
    /// read every page twice. `None` when yet another was faster.
    async fn take_over_pass(&mut self, position: &SyncPosition) -> Result<Option<SyncPosition>, ActivityError> {
        let taken = self.deps.store.take_over_pass(self.calendar.id, position.revision).await;
        self.owned(taken)
    }

    fn owned(&mut self, result: Result<SyncPosition, StoreError>) -> Result<Option<SyncPosition>, ActivityError> {
        self.owns_pass = false;
        let owned = self.unless_beaten(result)?;
        self.owns_pass = owned.is_some();
        Ok(owned)
    }

    async fn call(&self, position: &SyncPosition) -> Result<EventsPage, TokenError> {
        let (provider, remote) = (&self.connection.calendars, RemoteCalendarRef::from(&self.calendar.remote));
        let at = cursor::position(&position.cursor, self.window_asked_for(position));
        let size = self.page_events_max_of(&position.cursor);
        let call = |context| async move { provider.read_events(&context, remote, at, size).await };
        self.connection.call(self.calendar.account_id, Some(self.calendar.id), call).await
    }

    /// What a failed call leads to: an outcome for the workflow, another round (`None`), or a failed attempt.
    async fn after_error(
        &mut self,
        position: &SyncPosition,
        error: &TokenError,
    ) -> Result<Option<SyncOutcome>, ActivityError> {
        if let TokenError::NotConnected = error {
            return Ok(Some(SyncOutcome::NeedsReauth { why: None }));
        }
        if let TokenError::Provider(error @ ProviderError { kind, .. }) = error {
            match kind {
                // The position is lost, not the grant: all is read again, and deletes are found by the sweep.
                ProviderErrorKind::PositionLost if self.fresh_starts < FRESH_STARTS_MAX => {
                    self.fresh_starts += 1;
                    tracing::info!(calendar_id = %self.calendar.id, "the provider does not go on where the calendar stands: full pass");
                    self.begin_full_pass(position).await?;
                    return Ok(None);
                }
                // The pages of a pass have one size, so smaller ones need another pass.
                ProviderErrorKind::PageTooLarge => {
                    let page_events_max = self.page_events_max_of(&position.cursor);
                    let page_events_min = self.connection.profile.defaults.page_events_min;
                    if page_events_max > page_events_min {
                        self.page_events_max = (page_events_max / 2).max(page_events_min);
                        tracing::info!(calendar_id = %self.calendar.id, page_events_max, "a page was too large: full pass");
                        self.begin_full_pass(position).await?;
                        return Ok(None);
                    }
                }
                ProviderErrorKind::GrantRevoked => {
                    return Ok(Some(SyncOutcome::NeedsReauth { why: error.advice.map(str::to_owned) }));
                }
                ProviderErrorKind::NotFound | ProviderErrorKind::Forbidden => {
                    return match refusal::judge(self.deps, self.ctx, &self.calendar, error.clone()).await? {
                        Refused::ThisCalendar(ProviderError { kind, reason, advice, .. }) => {
                            let advice = advice.map(str::to_owned);
                            Ok(Some(SyncOutcome::Refused { error: kind, reason, advice }))
                        }
                        Refused::More(error) => Err(self.failed(&error)),
                    };
                }
                _ => {}
            }
            return Err(self.failed(error));
        }
        Err(from_token(self.ctx, error, Repeat::ByWorkflow))
    }

    /// A failed attempt. The workflow waits, and goes on with what is read already.
    fn failed(&self, error: &ProviderError) -> ActivityError {
        from_provider(self.ctx, error, Repeat::ByWorkflow, Some(self.counts))
    }

    async fn finish(&mut self) -> Result<SyncOutcome, ActivityError> {
        let finished_at = if let Some(ended_at) = self.ended_at {
            ended_at
        } else {
            if self.rules_make_occurrences() {
                roll::roll_window(self.deps, &self.calendar, &Window::around(self.now)).await?;
            }
            let run = self.run_of(self.wall_clock(), SyncRunOutcome::Done, self.full_pass_detail());
            self.deps.store.record_sync_run(&run).await.map_err(from_store)?;
            run.finished_at
        };
        Ok(SyncOutcome::Done { counts: self.counts, finished_at: finished_at.into() })
    }

    fn full_pass_detail(&self) -> Option<String> {
        (self.fresh_starts > 0).then(|| {
            "the provider had lost our place, or the access role had changed: everything was read again".to_owned()
        })
    }

    async fn record_failure(&self, error: &ActivityError) -> Result<(), ActivityError> {
        let ActivityError::Application(failure) = error else { return Ok(()) };
        if failure.type_name() == Some(SUPERSEDED) {
            // Nothing failed: the attempt that took over writes how the sync went.
            return Ok(());
        }
        let detail = failure.type_name().map(str::to_owned);
        let run = self.run_of(self.wall_clock(), SyncRunOutcome::Failed, detail);
        self.deps.store.record_sync_run(&run).await.map_err(from_store)
    }

    /// The line of the sync log.
    fn run_of(&self, finished_at: DateTime<Utc>, outcome: SyncRunOutcome, detail: Option<String>) -> SyncRun {
        SyncRun {
            dedup_key: format!("{}/{}", attempt::dedup_key(self.ctx), self.ctx.info().attempt),
            calendar_id: self.calendar.id,
            reason: self.input.reason,
            started_at: self.started_at(),
            finished_at,
            outcome,
            pages: self.counts.pages,
            changes: self.counts.changes,
            detail,
        }
    }

    /// Turns a conflict into another round: this attempt may be the zombie, or the one that replaced it.
    fn unless_beaten<T>(&mut self, result: Result<T, StoreError>) -> Result<Option<T>, ActivityError> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_conflict() && self.owns_pass => Err(superseded()),
            Err(error) if error.is_conflict() && self.lost_commits < LOST_COMMITS_MAX => {
                self.lost_commits += 1;
                Ok(None)
            }
            Err(error) => Err(from_store(error)),
        }
    }

    /// When the pass asked for its first page: only what was there by then is sure to be in the mirror at its end, however
    /// long it takes and whoever ends it.
    fn pass_began_at(&self, cursor: &Cursor) -> DateTime<Utc> {
        cursor::began_at(cursor).unwrap_or(self.now)
    }

    /// How many events each page of the pass has at most.
    fn page_events_max_of(&self, cursor: &Cursor) -> u32 {
        cursor::page_events_max(cursor, self.page_events_max)
    }

    /// When the sync began that this slice is a part of.
    fn started_at(&self) -> DateTime<Utc> {
        self.counts.started_at.map_or(self.now, UnixMs::to_datetime)
    }

    fn rules_make_occurrences(&self) -> bool {
        self.connection.profile.occurrences == Occurrences::ByRules
    }

    /// The time for which a provider is asked that makes occurrences; none where rules make them.
    fn window_asked_for(&self, position: &SyncPosition) -> Option<Window> {
        if self.rules_make_occurrences() {
            return None;
        }
        let of_last_pass = position.window_end.map(Window::ending).filter(|_| !cursor::is_full(&position.cursor));
        let window = of_last_pass.unwrap_or_else(|| Window::around(self.pass_began_at(&position.cursor)));
        Some(window.asked())
    }

    /// Whether everything is to be read again because the window of the position is too far behind. Nobody waits for it, so that a
    /// sync has it for which nobody waits either; any other one only where there was none for so long.
    fn is_to_be_rebased(&self, position: &SyncPosition) -> bool {
        let id = self.calendar.id.to_string();
        let is_due_at = |now| roll::is_too_far_behind(position.window_end, &id, now);
        let is_nobodys_hurry = self.input.reason.priority() >= Priority::Medium;
        !self.rules_make_occurrences()
            && is_due_at(if is_nobodys_hurry { self.now } else { self.now - REBASE_PUT_OFF_MAX })
    }

    fn wall_clock(&self) -> DateTime<Utc> {
        self.deps.clock.now()
    }
}
