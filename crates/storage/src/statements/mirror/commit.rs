//! Carrying out the plan of a page: its rows, its cursor, its occurrences and its changes in one transaction.

use async_trait::async_trait;
use evercal_domain::{CalendarId, RemoteItem};
use evercal_mirror::{Ends, Named, Snapshot};

use super::events::{self, WrittenRow};
use super::inserts::Inserts;
use super::position::Claim;
use super::{Backend, Engine, feed, occurrences, position, quarantine, revisions, snapshot, sync_runs, worklist};
use crate::columns::{micros, to_json};
use crate::entities::mirror::commit::{Expanded, MirrorPages, PageCommit, PageCommitted};
use crate::entities::mirror::position::SyncPosition;
use crate::entities::mirror::sync_runs::SyncRun;
use crate::error::StoreError;
use crate::touched::Touched;

#[async_trait]
impl MirrorPages for Backend {
    async fn commit_page(&self, page: &PageCommit<'_>) -> Result<PageCommitted, StoreError> {
        let plan = page.plan;
        let rows: Vec<WrittenRow<'_>> = plan.upserts.iter().map(WrittenRow::of).collect::<Result<_, _>>()?;
        let cursor = to_json(page.cursor, "calendars.sync_cursor")?;
        let calendar = page.calendar_id.to_string();

        let changes = i64::try_from(plan.changes.len()).unwrap_or(i64::MAX);
        let claim = Claim {
            expected_revision: page.expected_revision,
            cursor: Some(&cursor),
            zone_data: page.zone_data,
            changes,
            event_count_delta: plan.event_count_delta,
            finish: page.finish.as_ref(),
        };

        let mut transaction = self.begin().await?;
        let claimed = position::claim_revision(&mut transaction, &calendar, &claim).await?;
        let mut touched = Touched::default();
        events::delete(&mut transaction, &calendar, &plan.deletes, &mut touched).await?;
        events::renew_generation(&mut transaction, &calendar, &plan.kept, page.generation).await?;
        if page.has_worklist {
            worklist::take_off(&mut transaction, &calendar, &plan.answered).await?;
        }
        worklist::add(&mut transaction, &calendar, &plan.named).await?;
        quarantine::add(&mut transaction, &calendar, page, &plan.quarantine).await?;
        quarantine::release(&mut transaction, &calendar, &plan.released).await?;
        if plan.sweeps_quarantine {
            quarantine::sweep(&mut transaction, &calendar, page.generation).await?;
        }
        let owners = plan.occurrences.iter().map(|of_owner| &of_owner.owner);
        occurrences::delete(&mut transaction, &calendar, owners, &mut touched).await?;

        touched.note_rows(&plan.visible, &plan.occurrences, &page.window);
        let mut inserts = Inserts::into_tables_of(&mut transaction);
        events::upsert(&mut inserts, &calendar, page.generation, &rows).await?;
        occurrences::insert(&mut inserts, &calendar, &plan.occurrences, &mut touched).await?;
        let spans = touched.into_spans();
        let has_many = revisions::note(&mut inserts, &calendar, claimed.last_shown, &spans).await?;
        feed::append(&mut inserts, &calendar, claimed.last_sequence, &plan.changes, micros(page.at)).await?;
        if let Some(run) = page.finish.as_ref().and_then(|finish| finish.run.as_ref()) {
            sync_runs::add(&mut inserts, &SyncRun { changes: run.changes + changes, ..run.clone() }).await?;
        }
        inserts.send().await?;
        if has_many {
            revisions::drop_old(&mut transaction, &calendar).await?;
        }
        self.commit(transaction, "commit a page").await?;
        Ok(PageCommitted { revision: claimed.revision, changes })
    }

    async fn replace_occurrences(
        &self,
        calendar: CalendarId,
        expected_revision: i64,
        expanded: &Expanded<'_>,
    ) -> Result<i64, StoreError> {
        let id = calendar.to_string();
        let claim = Claim {
            expected_revision,
            cursor: None,
            zone_data: expanded.zone_data,
            changes: 0,
            event_count_delta: 0,
            finish: None,
        };
        let mut transaction = self.begin().await?;
        let claimed = position::claim_revision(&mut transaction, &id, &claim).await?;
        let mut touched = Touched::default();
        let owners = expanded.occurrences.iter().map(|of_owner| &of_owner.owner);
        occurrences::delete(&mut transaction, &id, owners, &mut touched).await?;
        let mut inserts = Inserts::into_tables_of(&mut transaction);
        occurrences::insert(&mut inserts, &id, expanded.occurrences, &mut touched).await?;
        let has_many = revisions::note(&mut inserts, &id, claimed.last_shown, &touched.into_spans()).await?;
        inserts.send().await?;
        if has_many {
            revisions::drop_old(&mut transaction, &id).await?;
        }
        position::set_window(&mut transaction, &id, expanded.window, expanded.zone_data).await?;
        self.commit(transaction, "replace occurrences").await?;
        Ok(claimed.revision)
    }

    async fn worklist(&self, calendar: CalendarId, limit: u32) -> Result<Vec<Named>, StoreError> {
        worklist::read(self, calendar, limit).await
    }

    async fn snapshot(
        &self,
        calendar: CalendarId,
        position: &SyncPosition,
        items: &[RemoteItem],
        ends: Ends,
    ) -> Result<Snapshot, StoreError> {
        snapshot::read(self, calendar, position, items, ends).await
    }
}
