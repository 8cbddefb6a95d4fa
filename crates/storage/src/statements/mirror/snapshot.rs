//! What a page is planned beside.

use std::collections::BTreeSet;

use evercal_domain::{CalendarId, ProviderEventId, RemoteItem};
use evercal_mirror::{Ends, RowState, Snapshot, touched_ids};

use super::{Backend, Engine, events, failed, quarantine};
use crate::entities::mirror::events::{StaleRow, StateRow};
use crate::entities::mirror::position::SyncPosition;
use crate::error::StoreError;

/// Reads all that the page touches. Nothing here decides anything: the plan does.
pub async fn read(
    store: &Backend,
    calendar: CalendarId,
    position: &SyncPosition,
    items: &[RemoteItem],
    ends: Ends,
) -> Result<Snapshot, StoreError> {
    let stale = match ends {
        Ends::FullPass | Ends::Listing => stale(store, calendar, position.generation).await?,
        Ends::No | Ends::Pass => Vec::new(),
    };
    let named = touched_ids(items).into_iter().map(ProviderEventId::as_str);
    let named: BTreeSet<&str> = named.chain(stale.iter().map(StaleRow::owner)).collect();
    let rows = events::related(store, calendar, &named).await?;
    let brings_cancelled = items.iter().any(|item| matches!(item, RemoteItem::CancelledOccurrence { .. }));
    let orphans = match ends {
        Ends::Pass | Ends::FullPass if position.has_cancelled || brings_cancelled => orphans(store, calendar).await?,
        _ => Vec::new(),
    };
    let held = if position.has_quarantine { quarantine::keys(store, calendar).await? } else { Vec::new() };
    let is_stale = |(_, generation): &&(String, i64)| *generation < position.generation;
    Ok(Snapshot {
        rows,
        stale: stale.into_iter().map(|row| ProviderEventId::new(row.provider_event_id)).collect(),
        orphans,
        stale_quarantined: held.iter().filter(is_stale).map(|(key, _)| key.clone()).collect(),
        quarantined: held.into_iter().map(|(key, _)| key).collect(),
    })
}

pub const STALE: &str = "SELECT provider_event_id, series_master_id FROM events \
     WHERE calendar_id = $1 AND generation < $2 ORDER BY provider_event_id";

/// The rows that no page of the full pass had so far.
async fn stale(store: &Backend, calendar: CalendarId, generation: i64) -> Result<Vec<StaleRow>, StoreError> {
    sqlx::query_as(STALE)
        .bind(calendar.to_string())
        .bind(generation)
        .fetch_all(store.read_pool())
        .await
        .map_err(failed("read stale events"))
}

/// Cancelled occurrences whose series is not mirrored. All of them have a master; saying so leads SQLite to the index of
/// cancelled rows instead of through all events.
pub const ORPHANS: &str = "SELECT c.provider_event_id, c.kind, c.series_master_id, c.fingerprint FROM events c \
     WHERE c.calendar_id = $1 AND c.kind = 'cancelled' AND c.series_master_id > '' \
     AND NOT EXISTS (SELECT 1 FROM events m WHERE m.calendar_id = c.calendar_id \
     AND m.provider_event_id = c.series_master_id)";

/// In the order of their ids. The statement leaves that to us: an engine without statistics takes the index that has this
/// order already, and reads the whole calendar by it.
async fn orphans(store: &Backend, calendar: CalendarId) -> Result<Vec<(ProviderEventId, RowState)>, StoreError> {
    let rows: Vec<StateRow> = sqlx::query_as(ORPHANS)
        .bind(calendar.to_string())
        .fetch_all(store.read_pool())
        .await
        .map_err(failed("read cancelled occurrences without a series"))?;
    let mut orphans: Vec<_> = rows.into_iter().map(StateRow::read).collect();
    orphans.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    Ok(orphans)
}
