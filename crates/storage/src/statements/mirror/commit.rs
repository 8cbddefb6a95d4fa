//! Committing a page: its rows, its cursor, its occurrences and its changes in one transaction.

use std::collections::HashSet;

use evercal_domain::{CalendarId, ProviderEventId};
use sqlx::Transaction;

use super::position::{Claimed, Counted};
use super::{Backend, Database, Engine, events, feed, occurrences, position, quarantine, revisions, sync_runs};
use crate::columns::{micros, to_json};
use crate::entities::mirror::commit::{Expanded, PageCommit, PageCommitted};
use crate::entities::mirror::sync_runs::SyncRun;
use crate::error::StoreError;
use crate::lookup::Lookup;
use crate::page::{Differences, PageContent};
use crate::touched::Touched;

pub async fn commit_page(store: &Backend, page: &PageCommit<'_>) -> Result<PageCommitted, StoreError> {
    let content = PageContent::of(page.items)?;
    let cursor = to_json(page.cursor, "calendars.sync_cursor")?;
    let calendar = page.calendar_id.to_string();

    let mut transaction = store.begin().await?;
    let zone_data = page.zone_data.as_str();
    let claimed =
        position::claim_revision(&mut transaction, &calendar, page.expected_revision, Some(&cursor), zone_data).await?;
    let mut touched = Touched::default();
    let mut differences = write_content(&mut transaction, &calendar, page, &content, &claimed, &mut touched).await?;
    if let Some(finish) = &page.finish {
        let stale = if finish.sweep {
            quarantine::sweep(&mut transaction, &calendar, page.generation).await?;
            events::delete_stale(&mut transaction, &calendar, page.generation, &mut touched).await?
        } else {
            vec![]
        };
        let may_have_orphans = claimed.has_cancelled || content.has_cancelled();
        let orphans = if may_have_orphans {
            events::delete_orphans(&mut transaction, &calendar, &mut touched).await?
        } else {
            vec![]
        };
        for (id, before) in stale.into_iter().chain(orphans) {
            differences.note(&id, Some(before), None);
        }
    }
    touched.note_rows(differences.visible(), page.occurrences, &page.window);
    occurrences::replace(&mut transaction, &calendar, page.occurrences, &mut touched).await?;
    let spans = touched.into_spans();
    revisions::note(&mut transaction, &calendar, claimed.last_shown, &spans).await?;

    let event_count_delta = differences.event_count_delta();
    let changes = differences.into_changes();
    let last_sequence =
        feed::append(&mut transaction, &calendar, claimed.last_sequence, &changes, micros(page.at)).await?;
    let changes = i64::try_from(changes.len()).unwrap_or(i64::MAX);
    let counted = Counted { last_sequence, event_count_delta, changes };
    match &page.finish {
        Some(finish) => {
            position::finish_pass(&mut transaction, &calendar, finish, &counted).await?;
            if let Some(run) = &finish.run {
                let run = SyncRun { changes: run.changes + counted.changes, ..run.clone() };
                sync_runs::record(&mut *transaction, &run).await?;
            }
        }
        None => position::count_changes(&mut transaction, &calendar, &counted).await?,
    }
    store.commit(transaction, "commit a page").await?;
    Ok(PageCommitted { revision: claimed.revision, changes })
}

/// Writes what the page says, and notes what that changes.
async fn write_content(
    transaction: &mut Transaction<'static, Database>,
    calendar: &str,
    page: &PageCommit<'_>,
    content: &PageContent,
    claimed: &Claimed,
    touched: &mut Touched,
) -> Result<Differences, StoreError> {
    let mut known = events::states(transaction, calendar, Lookup::EventsById, content.ids()).await?;
    // The provider tells the deletion of a series by its master alone, so the rows of the series go
    // with it, each told in the feed; those that the page itself says exist, stay.
    let named: HashSet<&ProviderEventId> = content.ids().collect();
    let mut series = events::states(transaction, calendar, Lookup::EventsBySeries, content.gone.iter()).await?;
    series.retain(|id, _| !named.contains(id));
    let mut series: Vec<_> = series.into_iter().collect();
    series.sort_by(|(left, _), (right, _)| left.cmp(right));

    let mut differences = Differences::default();
    for row in &content.rows {
        differences.note(&row.provider_id, known.remove(&row.provider_id), Some(row.state.clone()));
    }
    let mut deleted = Vec::new();
    for id in &content.gone {
        if let Some(before) = known.remove(id) {
            differences.note(id, Some(before), None);
            deleted.push(id);
        }
    }
    for (id, before) in &series {
        differences.note(id, Some(before.clone()), None);
        deleted.push(id);
    }

    events::upsert(transaction, calendar, page.generation, &content.rows).await?;
    events::delete(transaction, calendar, &deleted, touched).await?;
    quarantine::add(transaction, calendar, page, &content.unreadable).await?;
    if claimed.has_quarantine {
        quarantine::release(transaction, calendar, content).await?;
    }
    Ok(differences)
}

/// Replaces occurrences outside of a pass; answers the new revision.
pub async fn replace_occurrences(
    store: &Backend,
    calendar: CalendarId,
    expected_revision: i64,
    expanded: &Expanded<'_>,
) -> Result<i64, StoreError> {
    let id = calendar.to_string();
    let zone_data = expanded.zone_data.as_str();
    let mut transaction = store.begin().await?;
    let claimed = position::claim_revision(&mut transaction, &id, expected_revision, None, zone_data).await?;
    let mut touched = Touched::default();
    occurrences::replace(&mut transaction, &id, expanded.occurrences, &mut touched).await?;
    let spans = touched.into_spans();
    revisions::note(&mut transaction, &id, claimed.last_shown, &spans).await?;
    position::set_window(&mut transaction, &id, expanded.window, expanded.zone_data).await?;
    store.commit(transaction, "replace occurrences").await?;
    Ok(claimed.revision)
}
