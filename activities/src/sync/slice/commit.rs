//! Committing a page: what it does to the mirror, where the pass stands after it, and what its last page says of the sync.

use evercal_domain::calendar::LastSync;
use evercal_domain::profile::Absence;
use evercal_domain::{RemoteItem, SyncReason, UnixMs, zones};
use evercal_mirror::{Ends, Plan};
use evercal_providers::{EventsPage, Next};
use evercal_recurrence::Window;
use evercal_storage::{PageCommit, PageCommitted, PassFinish, SyncPosition, SyncRun, SyncRunOutcome};
use temporalio_sdk::activities::ActivityError;

use super::super::{cursor, roll};
use super::Slice;
use crate::failure::from_store;

/// A change older than this at the beginning of a reconcile should have been announced.
const ANNOUNCEMENT_GRACE: chrono::Duration = chrono::Duration::minutes(2);

impl Slice<'_> {
    /// Commits a page. `None` when another attempt was faster; then the position is read again.
    pub(super) async fn commit(
        &mut self,
        position: &SyncPosition,
        page: EventsPage,
    ) -> Result<Option<PageCommitted>, ActivityError> {
        let began_at = self.pass_began_at(&position.cursor);
        let full = cursor::is_full(&position.cursor);
        let is_last = matches!(page.next, Next::Done(_));
        let cursor = cursor::next(&position.cursor, page.next, self.page_events_max_of(&position.cursor), began_at);
        // A pass that began yesterday keeps yesterday's window, so that all of its pages agree; the roll follows. Until then
        // readers go by the window of before, so that occurrences are made for both.
        let window = Window::around(began_at);
        let both = position.window_end.map(Window::ending).map_or(window, |stored| stored.joined(&window));
        let zone_data = zones::version();
        self.count_unannounced(full, &page.items);
        let ends = match (is_last, full, self.connection.profile.absence) {
            (false, _, _) => Ends::No,
            (true, true, Absence::MeansDeleted) => Ends::FullPass,
            (true, false, _) | (true, true, Absence::ProvesNothing) => Ends::Pass,
        };
        let plan = self.plan(position, self.kept(page.items), ends, both).await?;
        let finished_at = self.wall_clock();
        let finish = is_last.then(|| {
            // Without a full pass no more is expanded than before.
            let window_end = if full { Some(window.end) } else { position.window_end };
            let pages = self.counts.pages + 1;
            // Nearly always nothing is left to do after this page: then the log is part of its transaction.
            let after = SyncPosition { window_end, ..position.clone() };
            let run = (!roll::is_due(&after, &Window::around(self.now)))
                .then(|| SyncRun { pages, ..self.run_of(finished_at, SyncRunOutcome::Done, self.full_pass_detail()) });
            let last_sync =
                LastSync { finished_at, changes: self.counts.changes, notice_to_stored_ms: self.notice_to_stored_ms() };
            PassFinish { confirmed_at: began_at, via: self.input.reason.via(), window_end, last_sync, run }
        });
        let ended_at = finish.as_ref().and_then(|finish| finish.run.as_ref()).map(|run| run.finished_at);
        let commit = PageCommit {
            calendar_id: self.calendar.id,
            expected_revision: position.revision,
            generation: position.generation,
            plan: &plan,
            window: roll::kept_range(&both),
            zone_data: &zone_data,
            cursor: &cursor,
            finish,
            at: self.wall_clock(),
        };
        let committed = self.deps.store.commit_page(&commit).await;
        let committed = self.unless_beaten(committed)?;
        if committed.is_some() {
            self.ended_at = ended_at;
        }
        Ok(committed)
    }

    /// The items without the provider's own text, where that is not kept.
    fn kept(&self, mut items: Vec<RemoteItem>) -> Vec<RemoteItem> {
        if !self.deps.keep_raw {
            for item in &mut items {
                if let RemoteItem::Event(remote) = item {
                    remote.raw = None;
                }
            }
        }
        items
    }

    /// What a page does to the mirror as it stands at this position.
    async fn plan(
        &self,
        position: &SyncPosition,
        items: Vec<RemoteItem>,
        ends: Ends,
        window: Window,
    ) -> Result<Plan, ActivityError> {
        let snapshot = self.deps.store.snapshot(self.calendar.id, position, &items, ends).await.map_err(from_store)?;
        let zone = roll::calendar_zone(&self.calendar);
        // Expanding takes milliseconds for most pages and much more for a few: off the threads that serve the network.
        let planned = tokio::task::spawn_blocking(move || evercal_mirror::plan(items, ends, &snapshot, zone, &window));
        let mut plan = planned.await.map_err(|panic| ActivityError::from(anyhow::Error::new(panic)))?;
        if !self.deps.keep_raw {
            // The reason says what was wrong; the key of an item without an id was made of its text before.
            for unreadable in &mut plan.quarantine {
                unreadable.raw.clear();
            }
        }
        Ok(plan)
    }

    fn count_unannounced(&mut self, full: bool, items: &[RemoteItem]) {
        if full || !matches!(self.input.reason, SyncReason::Reconcile | SyncReason::Poll) {
            return;
        }
        let announced_by = self.started_at() - ANNOUNCEMENT_GRACE;
        let late = |item: &&RemoteItem| match item {
            RemoteItem::Event(remote) => remote.event.updated_at.is_some_and(|updated_at| updated_at < announced_by),
            _ => false,
        };
        self.counts.unannounced += i64::try_from(items.iter().filter(late).count()).unwrap_or(i64::MAX);
    }

    fn notice_to_stored_ms(&self) -> Option<i64> {
        self.input.notice_at.map(|received_at| UnixMs::from(self.wall_clock()).since_ms(received_at).max(0))
    }
}
