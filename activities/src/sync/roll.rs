//! Rolling the window forward: once a day each series is expanded anew, so that occurrences reach as far as promised.

use chrono::{DateTime, Utc};
use evercal_domain::{Calendar, ProviderEventId};
use evercal_recurrence::Window;
use temporalio_sdk::activities::ActivityError;

use super::merge::{calendar_zone, expand_stored};
use crate::deps::Deps;
use crate::failure::from_store;

/// Masters expanded per transaction.
const MASTERS_PER_BATCH: u32 = 200;

/// Whether series have to be expanded again: a pass that knows that they need not saves the look.
pub(super) fn is_due(window_end: Option<DateTime<Utc>>, window: &Window) -> bool {
    window_end.is_none_or(|end| end < window.end)
}

/// Expands all series again if the window has moved since they last were. Killed in the middle, it begins again.
pub(super) async fn roll_window(deps: &Deps, calendar: &Calendar, window: &Window) -> Result<(), ActivityError> {
    let store = &deps.store;
    let position = store.sync_position(calendar.id).await.map_err(from_store)?;
    if !is_due(position.window_end, window) {
        return Ok(());
    }
    let zone = calendar_zone(calendar);
    let mut revision = position.revision;
    let mut after: Option<ProviderEventId> = None;
    loop {
        let masters = store.master_ids(calendar.id, after.as_ref(), MASTERS_PER_BATCH).await.map_err(from_store)?;
        let is_last = masters.len() < usize::try_from(MASTERS_PER_BATCH).unwrap_or(usize::MAX);
        let stored = store.related_items(calendar.id, &masters).await.map_err(from_store)?;
        let window = *window;
        let occurrences = tokio::task::spawn_blocking(move || expand_stored(stored, zone, &window))
            .await
            .map_err(|panic| ActivityError::from(anyhow::Error::new(panic)))?;
        let window_end = is_last.then_some(window.end);
        let replaced = store.replace_occurrences(calendar.id, revision, &occurrences, window_end).await;
        revision = replaced.map_err(from_store)?;
        if is_last {
            return Ok(());
        }
        after = masters.last().cloned();
    }
}
