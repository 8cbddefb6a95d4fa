//! Fetching what pages only named, and what was not listed and has to be confirmed: chunk by chunk, each of them committed, so
//! that a killed attempt goes on at its chunk.

use std::collections::BTreeSet;

use evercal_domain::{ProviderError, ProviderErrorKind, ProviderEventId, RemoteItem};
use evercal_mirror::{Named, answered_ids};
use evercal_providers::{EventsPage, Fetched, Next, RemoteCalendarRef, TokenError};
use evercal_recurrence::Window;
use evercal_storage::{Cursor, SyncPosition};
use temporalio_sdk::activities::ActivityError;

use super::Slice;
use crate::failure::from_store;

impl Slice<'_> {
    /// The next chunk of what is to be fetched, as a page: the last one ends the pass.
    pub(super) async fn fetch(
        &mut self,
        position: &SyncPosition,
    ) -> Result<Result<EventsPage, TokenError>, ActivityError> {
        let Cursor::Fetching { reached, .. } = &position.cursor else { return Ok(self.call(position).await) };
        let fetch_max = self.connection.profile.defaults.fetch_max.max(1);
        let named =
            self.deps.store.worklist(self.calendar.id, fetch_max.saturating_add(1)).await.map_err(from_store)?;
        let is_last = named.len() <= usize::try_from(fetch_max).unwrap_or(usize::MAX);
        let next = if is_last { Next::Done(reached.at.clone()) } else { Next::More(reached.at.clone()) };
        let ids: Vec<ProviderEventId> =
            named.into_iter().map(|Named { provider_id, .. }| provider_id).take(fetch_max as usize).collect();
        if ids.is_empty() {
            return Ok(Ok(EventsPage { items: Vec::new(), next, access_role: None }));
        }
        let (provider, remote) = (&self.connection.calendars, RemoteCalendarRef::from(&self.calendar.remote));
        let window = self.window_asked_for(position).unwrap_or_else(|| Window::around(self.now));
        let (ids, window) = (&ids, &window);
        let call = |context| async move {
            let fetched = provider.fetch_events(&context, remote, ids, window).await?;
            if fetched.left.is_none() {
                each_is_answered(ids, &fetched.items)?;
            }
            Ok(fetched)
        };
        let fetched = self.connection.call(self.calendar.account_id, Some(self.calendar.id), call).await;
        Ok(fetched.map(|Fetched { items, left }| {
            // What was answered is committed; then this attempt fails with why the rest was not.
            let next = if left.is_some() { Next::More(reached.at.clone()) } else { next };
            self.left = left;
            EventsPage { items, next, access_role: None }
        }))
    }
}

/// What an answer leaves out would stay on the list, and be asked for without end.
fn each_is_answered(ids: &[ProviderEventId], items: &[RemoteItem]) -> Result<(), ProviderError> {
    let answered: BTreeSet<&ProviderEventId> = answered_ids(items);
    if ids.iter().all(|id| answered.contains(id)) {
        return Ok(());
    }
    Err(ProviderError::without_answer(ProviderErrorKind::TemporaryFailure, "fetch events"))
}

#[cfg(test)]
mod tests {
    use evercal_domain::{EventTime, SeriesPosition};

    use super::*;

    #[test]
    fn an_answer_that_leaves_something_out_is_no_answer() {
        let ids = ["a", "b"].map(ProviderEventId::new);
        let deleted = |id: &str| RemoteItem::Deleted { provider_id: ProviderEventId::new(id) };
        let whole = RemoteItem::Whole { owner: ProviderEventId::new("b"), version: None, raw: None, parts: vec![] };
        assert!(each_is_answered(&ids, &[deleted("a"), whole]).is_ok());
        let named = RemoteItem::Named { provider_id: ProviderEventId::new("b"), version: None };
        let start = EventTime::Date { date: chrono::NaiveDate::MIN };
        let part_of_b = SeriesPosition { master_id: ProviderEventId::new("b"), original_start: start };
        let part_of_b = RemoteItem::CancelledOccurrence { provider_id: ProviderEventId::new("c"), position: part_of_b };
        for other in [deleted("c"), named, part_of_b] {
            let error = each_is_answered(&ids, &[deleted("a"), other]).unwrap_err();
            assert_eq!(error.kind, ProviderErrorKind::TemporaryFailure);
        }
    }
}
