//! Committing a page: its rows, its cursor, its occurrences and its changes in one transaction.

use std::collections::{HashMap, HashSet};

use evercal_domain::ProviderEventId;
use evercal_domain::event::Fingerprint;
use sqlx::{QueryBuilder, Transaction};

use super::mirror::IDS_PER_STATEMENT;
use super::{Backend, Connection, Engine, by_keys, calendars, conflict, failed, not_found, reading, revisions};
use crate::error::StoreError;
use crate::page::{Differences, NewChange, NewRow, PageContent, RowState, Unreadable};
use crate::sql::lookup::Lookup;
use crate::sql::mirror::{self as sql, StateRow};
use crate::sql::{micros, storable, to_json};
use crate::touched::Touched;
use crate::types::{PageCommit, PageCommitted, PassFinish, SyncRun};

/// Rows in one `INSERT`. Large enough that the cost per statement vanishes, far below the parameters that an engine takes (SQLite 32,766).
const ROWS_PER_STATEMENT: usize = 200;

type States = HashMap<ProviderEventId, RowState>;

pub(super) async fn commit_page(store: &Backend, page: &PageCommit<'_>) -> Result<PageCommitted, StoreError> {
    let content = PageContent::of(page.items)?;
    let cursor = to_json(page.cursor, "calendars.sync_cursor")?;
    let calendar = page.calendar_id.to_string();

    let mut transaction = store.begin().await?;
    let zone_data = page.zone_data.as_str();
    let claimed = claim_revision(&mut transaction, &calendar, page.expected_revision, Some(&cursor), zone_data).await?;
    let mut touched = Touched::default();
    let mut differences = write_content(&mut transaction, &calendar, page, &content, &claimed, &mut touched).await?;
    if let Some(finish) = &page.finish {
        let stale = if finish.sweep {
            sweep(&mut transaction, &calendar, page.generation, &mut touched).await?
        } else {
            vec![]
        };
        let may_have_orphans = claimed.has_cancelled || content.has_cancelled();
        let orphans =
            if may_have_orphans { remove_orphans(&mut transaction, &calendar, &mut touched).await? } else { vec![] };
        for (id, before) in stale.into_iter().chain(orphans) {
            differences.note(&id, Some(before), None);
        }
    }
    touched.note_rows(differences.visible(), page.occurrences, &page.window);
    reading::replace(&mut transaction, &calendar, page.occurrences, &mut touched).await?;
    let spans = touched.into_spans();
    revisions::note(&mut transaction, &calendar, claimed.last_shown, &spans).await?;

    let event_count_delta = differences.event_count_delta();
    let changes = differences.into_changes();
    let last_sequence =
        append_changes(&mut transaction, &calendar, claimed.last_sequence, &changes, micros(page.at)).await?;
    let changes = i64::try_from(changes.len()).unwrap_or(i64::MAX);
    let counted = Counted { last_sequence, event_count_delta, changes };
    match &page.finish {
        Some(finish) => finish_pass(&mut transaction, &calendar, finish, &counted).await?,
        None => count_changes(&mut transaction, &calendar, &counted).await?,
    }
    store.commit(transaction, "commit a page").await?;
    Ok(PageCommitted { revision: claimed.revision, changes })
}

/// What a commit finds when it begins.
#[derive(sqlx::FromRow)]
pub(super) struct Claimed {
    pub(super) revision: i64,
    /// The last number that was given in the feed.
    last_sequence: i64,
    has_quarantine: bool,
    has_cancelled: bool,
    /// The last number of what readers see.
    pub(super) last_shown: i64,
}

/// What a page did to the calendar's numbers.
struct Counted {
    last_sequence: i64,
    event_count_delta: i64,
    changes: i64,
}

/// Moves the revision on, or says that another attempt did.
pub(super) async fn claim_revision(
    connection: &mut Connection,
    calendar: &str,
    expected: i64,
    cursor: Option<&str>,
    zone_data: &str,
) -> Result<Claimed, StoreError> {
    let claimed: Option<Claimed> = sqlx::query_as(sql::CLAIM_REVISION)
        .bind(calendar)
        .bind(expected)
        .bind(cursor)
        .bind(zone_data)
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed("claim a revision"))?;
    if let Some(claimed) = claimed {
        return Ok(claimed);
    }
    let exists = calendars::exists(connection, calendar, "claim a revision").await?;
    Err(if exists { conflict("claim a revision") } else { not_found("claim a revision") })
}

/// Writes what the page says, and notes what that changes.
async fn write_content(
    transaction: &mut Transaction<'static, Engine>,
    calendar: &str,
    page: &PageCommit<'_>,
    content: &PageContent,
    claimed: &Claimed,
    touched: &mut Touched,
) -> Result<Differences, StoreError> {
    let mut known = states(transaction, calendar, Lookup::EventsById, content.ids()).await?;
    // The provider tells the deletion of a series by its master alone, so the rows of the series go
    // with it, each told in the feed; those that the page itself says exist, stay.
    let named: HashSet<&ProviderEventId> = content.ids().collect();
    let mut series = states(transaction, calendar, Lookup::EventsBySeries, content.gone.iter()).await?;
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

    upsert_rows(transaction, calendar, page.generation, &content.rows).await?;
    delete_rows(transaction, calendar, &deleted, touched).await?;
    quarantine(transaction, calendar, page, &content.unreadable).await?;
    if claimed.has_quarantine {
        release(transaction, calendar, content).await?;
    }
    Ok(differences)
}

/// The rows with these ids, their own or their series'.
async fn states(
    connection: &mut Connection,
    calendar: &str,
    lookup: Lookup,
    ids: impl Iterator<Item = &ProviderEventId>,
) -> Result<States, StoreError> {
    const COLUMNS: &str = "provider_event_id, kind, series_master_id, fingerprint, updated_at";
    let ids: Vec<&str> = ids.map(ProviderEventId::as_str).collect();
    let mut states = States::with_capacity(ids.len());
    for ids in ids.chunks(IDS_PER_STATEMENT) {
        let mut query = by_keys::select(COLUMNS, lookup, calendar, ids);
        let rows: Vec<StateRow> =
            query.build_query_as().fetch_all(&mut *connection).await.map_err(failed("read known events"))?;
        states.extend(rows.into_iter().map(StateRow::read));
    }
    Ok(states)
}

async fn upsert_rows(
    connection: &mut Connection,
    calendar: &str,
    generation: i64,
    rows: &[NewRow],
) -> Result<(), StoreError> {
    for rows in rows.chunks(ROWS_PER_STATEMENT) {
        let mut query = QueryBuilder::<Engine>::new(
            "INSERT INTO events (calendar_id, provider_event_id, generation, kind, series_master_id, fingerprint, \
             updated_at, body, warned) ",
        );
        query.push_values(rows, |mut values, row| {
            values
                .push_bind(calendar)
                .push_bind(row.provider_id.as_str())
                .push_bind(generation)
                .push_bind(row.state.kind.as_str())
                .push_bind(row.state.series_master_id.as_ref().map(ProviderEventId::as_str))
                .push_bind(row.state.fingerprint.as_str())
                .push_bind(row.state.updated_us)
                .push_bind(row.body.as_str())
                .push_bind(row.warned);
        });
        query.push(
            " ON CONFLICT (calendar_id, provider_event_id) DO UPDATE SET generation = excluded.generation, \
             kind = excluded.kind, series_master_id = excluded.series_master_id, \
             fingerprint = excluded.fingerprint, updated_at = excluded.updated_at, body = excluded.body, \
             warned = excluded.warned",
        );
        query.build().execute(&mut *connection).await.map_err(failed("write events"))?;
    }
    Ok(())
}

/// Deletes rows and the occurrences that they own; those of an exception belong to its series, which the page replaces.
async fn delete_rows(
    connection: &mut Connection,
    calendar: &str,
    ids: &[&ProviderEventId],
    touched: &mut Touched,
) -> Result<(), StoreError> {
    let keys: Vec<&str> = ids.iter().map(|id| id.as_str()).collect();
    for keys in keys.chunks(IDS_PER_STATEMENT) {
        let mut query = by_keys::delete(Lookup::EventsById, calendar, keys);
        query.build().execute(&mut *connection).await.map_err(failed("delete events"))?;
    }
    reading::delete(connection, calendar, ids, touched).await
}

/// Sets unreadable items aside. A row that is already mirrored stays as it was, and the sweep is told that it was seen.
async fn quarantine(
    connection: &mut Connection,
    calendar: &str,
    page: &PageCommit<'_>,
    items: &[Unreadable],
) -> Result<(), StoreError> {
    for item in items {
        let id = item.provider_id.as_ref().map(ProviderEventId::as_str);
        sqlx::query(sql::QUARANTINE)
            .bind(calendar)
            .bind(storable(&item.item_key))
            .bind(id)
            .bind(page.generation)
            .bind(storable(&item.reason))
            .bind(storable(&item.raw))
            .bind(micros(page.at))
            .execute(&mut *connection)
            .await
            .map_err(failed("quarantine an event"))?;
        if let Some(id) = id {
            sqlx::query(sql::RENEW_GENERATION)
                .bind(calendar)
                .bind(id)
                .bind(page.generation)
                .execute(&mut *connection)
                .await
                .map_err(failed("quarantine an event"))?;
        }
    }
    Ok(())
}

/// Takes out of quarantine what the page has made readable or deleted. Quarantine is nearly always empty, so it is read
/// once instead of asked for each id.
async fn release(connection: &mut Connection, calendar: &str, content: &PageContent) -> Result<(), StoreError> {
    let held: HashSet<String> = sqlx::query_scalar(sql::QUARANTINED_KEYS)
        .bind(calendar)
        .fetch_all(&mut *connection)
        .await
        .map_err(failed("read the quarantine"))?
        .into_iter()
        .collect();
    if held.is_empty() {
        return Ok(());
    }
    for key in content.understood().filter(|key| held.contains(key)) {
        sqlx::query(sql::RELEASE)
            .bind(calendar)
            .bind(key)
            .execute(&mut *connection)
            .await
            .map_err(failed("release an event"))?;
    }
    Ok(())
}

/// Deletes what the full pass that ends did not see.
async fn sweep(
    connection: &mut Connection,
    calendar: &str,
    generation: i64,
    touched: &mut Touched,
) -> Result<Vec<(ProviderEventId, RowState)>, StoreError> {
    sqlx::query(sql::SWEEP_QUARANTINE)
        .bind(calendar)
        .bind(generation)
        .execute(&mut *connection)
        .await
        .map_err(failed("sweep the quarantine"))?;
    let rows: Vec<StateRow> = sqlx::query_as(sql::STALE_STATES)
        .bind(calendar)
        .bind(generation)
        .fetch_all(&mut *connection)
        .await
        .map_err(failed("read stale events"))?;
    delete_states(connection, calendar, rows, touched).await
}

/// Deletes cancelled occurrences without a series. They come when a page after the one that deleted the master still
/// tells its cancelled occurrences; only at the end of a pass is it known that no later page brings the master.
async fn remove_orphans(
    connection: &mut Connection,
    calendar: &str,
    touched: &mut Touched,
) -> Result<Vec<(ProviderEventId, RowState)>, StoreError> {
    let rows: Vec<StateRow> = sqlx::query_as(sql::ORPHAN_STATES)
        .bind(calendar)
        .fetch_all(&mut *connection)
        .await
        .map_err(failed("read orphaned cancellations"))?;
    delete_states(connection, calendar, rows, touched).await
}

async fn delete_states(
    connection: &mut Connection,
    calendar: &str,
    rows: Vec<StateRow>,
    touched: &mut Touched,
) -> Result<Vec<(ProviderEventId, RowState)>, StoreError> {
    let states: Vec<_> = rows.into_iter().map(StateRow::read).collect();
    let ids: Vec<&ProviderEventId> = states.iter().map(|(id, _)| id).collect();
    delete_rows(connection, calendar, &ids, touched).await?;
    Ok(states)
}

/// Appends to the feed; answers the last number given.
async fn append_changes(
    connection: &mut Connection,
    calendar: &str,
    last_sequence: i64,
    changes: &[NewChange],
    committed_at: i64,
) -> Result<i64, StoreError> {
    let mut sequence = last_sequence;
    for changes in changes.chunks(ROWS_PER_STATEMENT) {
        let mut query = QueryBuilder::<Engine>::new(
            "INSERT INTO changes (calendar_id, sequence, kind, provider_event_id, before_fingerprint, \
             after_fingerprint, committed_at) ",
        );
        query.push_values(changes, |mut values, change| {
            sequence += 1;
            values
                .push_bind(calendar)
                .push_bind(sequence)
                .push_bind(change.kind.as_str())
                .push_bind(change.id.as_str())
                .push_bind(change.before.as_ref().map(Fingerprint::as_str))
                .push_bind(change.after.as_ref().map(Fingerprint::as_str))
                .push_bind(committed_at);
        });
        query.build().execute(&mut *connection).await.map_err(failed("append to the change feed"))?;
    }
    Ok(sequence)
}

async fn count_changes(connection: &mut Connection, calendar: &str, counted: &Counted) -> Result<(), StoreError> {
    sqlx::query(sql::COUNT_CHANGES)
        .bind(calendar)
        .bind(counted.last_sequence)
        .bind(counted.event_count_delta)
        .execute(connection)
        .await
        .map(drop)
        .map_err(failed("count changes"))
}

async fn finish_pass(
    connection: &mut Connection,
    calendar: &str,
    finish: &PassFinish,
    counted: &Counted,
) -> Result<(), StoreError> {
    sqlx::query(sql::FINISH_PASS)
        .bind(calendar)
        .bind(micros(finish.confirmed_at))
        .bind(finish.via.as_str())
        .bind(finish.window_end.map(micros))
        .bind(micros(finish.last_sync.finished_at))
        .bind(finish.last_sync.changes + counted.changes)
        .bind(finish.last_sync.notice_to_stored_ms)
        .bind(counted.last_sequence)
        .bind(counted.event_count_delta)
        .execute(&mut *connection)
        .await
        .map_err(failed("finish a pass"))?;
    match &finish.run {
        Some(run) => record_run(connection, &SyncRun { changes: run.changes + counted.changes, ..run.clone() }).await,
        None => Ok(()),
    }
}

/// Writes a line of the sync log, alone or with the page that ends the sync.
pub(super) async fn record_run<'e>(
    executor: impl sqlx::Executor<'e, Database = Engine>,
    run: &SyncRun,
) -> Result<(), StoreError> {
    sqlx::query(sql::RECORD_RUN)
        .bind(&run.dedup_key)
        .bind(run.calendar_id.to_string())
        .bind(run.reason.as_str())
        .bind(micros(run.started_at))
        .bind(micros(run.finished_at))
        .bind(run.outcome.as_str())
        .bind(run.pages)
        .bind(run.changes)
        .bind(run.detail.as_deref().map(storable))
        .execute(executor)
        .await
        .map(drop)
        .map_err(failed("record a sync run"))
}
