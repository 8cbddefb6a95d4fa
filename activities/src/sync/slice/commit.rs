//! Committing a page: what it does to the mirror, where the pass stands after it, and what its last page says of the sync.

use evercal_domain::calendar::LastSync;
use evercal_domain::profile::Absence;
use evercal_domain::{Event, Part, RemoteItem, SyncReason, UnixMs, zones};
use evercal_mirror::{Ends, Expansion, Plan};
use evercal_providers::{EventsPage, Next};
use evercal_recurrence::Window;
use evercal_storage::{Cursor, PageCommit, PageCommitted, PassFinish, SyncPosition, SyncRun, SyncRunOutcome};
use temporalio_sdk::activities::ActivityError;

use super::super::{cursor, roll};
use super::Slice;
use crate::failure::from_store;

/// A change older than this at the beginning of a reconcile should have been announced.
const ANNOUNCEMENT_GRACE: chrono::Duration = chrono::Duration::minutes(2);

/// A page that was committed.
pub(super) struct Committed {
    /// What the store did.
    pub(super) page: PageCommitted,
    /// Whether the pass is over with it.
    pub(super) ends_pass: bool,
}

/// How far the pass is with a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// More pages come, or more chunks.
    GoesOn,
    /// All pages are read, and something that they named is still to be fetched.
    Listed,
    /// Nothing more is to be read, unless the page shows that something has to be confirmed.
    Over,
}

impl Reading {
    fn of(position: &SyncPosition, page: &EventsPage) -> Self {
        let is_fetching = matches!(position.cursor, Cursor::Fetching { .. });
        let may_name = |item: &RemoteItem| matches!(item, RemoteItem::Named { .. } | RemoteItem::Missing { .. });
        let names = page.items.iter().any(may_name);
        match page.next {
            Next::More(_) => Self::GoesOn,
            Next::Done(_) if !is_fetching && (names || position.has_worklist) => Self::Listed,
            Next::Done(_) => Self::Over,
        }
    }

    /// What the plan is to know of the end.
    fn ends(self, is_full: bool, is_fetching: bool, absence: Absence) -> Ends {
        match (self, is_full, absence) {
            (Self::GoesOn, _, _) => Ends::No,
            // What was not listed was asked for before the chunks: with them nothing more is missing.
            (_, true, Absence::HasToBeConfirmed) if !is_fetching => Ends::Listing,
            (Self::Listed, _, _) => Ends::No,
            (Self::Over, true, Absence::MeansDeleted) => Ends::FullPass,
            (Self::Over, false, _) | (Self::Over, true, Absence::ProvesNothing | Absence::HasToBeConfirmed) => {
                Ends::Pass
            }
        }
    }
}

impl Slice<'_> {
    /// Commits a page. `None` when another attempt was faster; then the position is read again.
    pub(super) async fn commit(
        &mut self,
        position: &SyncPosition,
        page: EventsPage,
    ) -> Result<Option<Committed>, ActivityError> {
        let began_at = self.pass_began_at(&position.cursor);
        let full = cursor::is_full(&position.cursor);
        let reading = Reading::of(position, &page);
        // A pass that began yesterday keeps yesterday's window, so that all of its pages agree; the roll follows. Until then
        // readers go by the window of before, so that occurrences are made for both.
        let asked_for = self.window_asked_for(position);
        let window = asked_for.unwrap_or_else(|| Window::around(began_at));
        let both = position.window_end.map(Window::ending).map_or(window, |stored| stored.joined(&window));
        let zone_data = zones::version();
        self.count_unannounced(full, &page.items);
        let is_fetching = matches!(position.cursor, Cursor::Fetching { .. });
        let ends = reading.ends(full, is_fetching, self.connection.profile.absence);
        let expansion = match asked_for {
            Some(window) => Expansion::FromProvider { window },
            None => Expansion::ByRules { zone: roll::calendar_zone(&self.calendar), window: both },
        };
        let plan = self.plan(position, self.kept(page.items), ends, expansion).await?;
        // What is to be confirmed is known only now.
        let is_last = reading == Reading::Over && plan.named.is_empty();
        let page_events_max = self.page_events_max_of(&position.cursor);
        let cursor = match page.next {
            Next::Done(at) if !is_last => cursor::fetching(&position.cursor, at, page_events_max, began_at),
            Next::More(_) if is_fetching => position.cursor.clone(),
            next => cursor::next(&position.cursor, next, page_events_max, began_at),
        };
        let finished_at = self.wall_clock();
        let finish = is_last.then(|| {
            // Without a full pass no more is expanded than before. Where a provider was asked for more, that is a reserve.
            let window_end = if full { Some(Window::around(began_at).end) } else { position.window_end };
            let pages = self.counts.pages + 1;
            // Nearly always nothing is left to do after this page: then the log is part of its transaction.
            let after = SyncPosition { window_end, ..position.clone() };
            let has_to_roll = self.rules_make_occurrences() && roll::is_due(&after, &Window::around(self.now));
            let run = (!has_to_roll)
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
            // While pages are read nothing comes off the list: what a page has of a series that an earlier one named is not all of it.
            has_worklist: position.has_worklist && is_fetching,
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
        Ok(committed.map(|page| Committed { page, ends_pass: is_last }))
    }

    /// The items without the provider's own text, where that is not kept.
    fn kept(&self, mut items: Vec<RemoteItem>) -> Vec<RemoteItem> {
        if !self.deps.keep_raw {
            for item in &mut items {
                match item {
                    RemoteItem::Event(remote) => remote.raw = None,
                    RemoteItem::Whole { raw, .. } => *raw = None,
                    _ => {}
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
        expansion: Expansion,
    ) -> Result<Plan, ActivityError> {
        let snapshot = self.deps.store.snapshot(self.calendar.id, position, &items, ends).await.map_err(from_store)?;
        // Expanding takes milliseconds for most pages and much more for a few: off the threads that serve the network.
        let planned = tokio::task::spawn_blocking(move || evercal_mirror::plan(items, ends, &snapshot, &expansion));
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
        let is_late = |event: &Event| event.updated_at.is_some_and(|updated_at| updated_at < announced_by);
        let late = |item: &&RemoteItem| match item {
            RemoteItem::Event(remote) => is_late(&remote.event),
            // One change of a series, whatever of it has changed.
            RemoteItem::Whole { owner, parts, .. } => parts
                .iter()
                .any(|part| matches!(part, Part::Event(event) if event.provider_id == *owner && is_late(event))),
            _ => false,
        };
        self.counts.unannounced += i64::try_from(items.iter().filter(late).count()).unwrap_or(i64::MAX);
    }

    fn notice_to_stored_ms(&self) -> Option<i64> {
        self.input.notice_at.map(|received_at| UnixMs::from(self.wall_clock()).since_ms(received_at).max(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_ends_when_all_is_listed_and_fetched_and_what_is_missing_is_confirmed() {
        use Absence::{HasToBeConfirmed, MeansDeleted, ProvesNothing};
        use Reading::{GoesOn, Listed, Over};
        for (reading, is_full, is_fetching, absence, ends) in [
            (GoesOn, true, false, MeansDeleted, Ends::No),
            (Over, true, false, MeansDeleted, Ends::FullPass),
            (Over, false, false, MeansDeleted, Ends::Pass),
            (Over, true, false, ProvesNothing, Ends::Pass),
            // What pages named is fetched first.
            (Listed, true, false, MeansDeleted, Ends::No),
            (GoesOn, true, true, MeansDeleted, Ends::No),
            (Over, true, true, MeansDeleted, Ends::FullPass),
            // What no page had is asked for with it, once.
            (Over, true, false, HasToBeConfirmed, Ends::Listing),
            (Listed, true, false, HasToBeConfirmed, Ends::Listing),
            (Over, true, true, HasToBeConfirmed, Ends::Pass),
            (Listed, false, false, HasToBeConfirmed, Ends::No),
            (Over, false, true, HasToBeConfirmed, Ends::Pass),
        ] {
            let said = format!("{reading:?}, full {is_full}, fetching {is_fetching}, {absence:?}");
            assert_eq!(reading.ends(is_full, is_fetching, absence), ends, "{said}");
        }
    }
}
