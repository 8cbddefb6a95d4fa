//! What a subscription shows: search attributes and details in the Temporal UI, and the row that the API reads.

use evercal_domain::{CalendarState, SyncStrategy, UnixMs};
use serde::{Deserialize, Serialize};
use temporalio_common::search_attributes::Timestamp;
use temporalio_workflow::{WorkflowCancellationToken, WorkflowContext};

use super::{SubscriptionState, SubscriptionWorkflow};
use crate::contract::{Novelty, RecordActivities, StateFact, SyncEnd};
use crate::due::Due;
use crate::shared::time::now;
use crate::{names, retry};

/// What is written down for readers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The state.
    pub state: CalendarState,
    /// One sentence about it.
    pub detail: Option<String>,
    /// When the live channel ends.
    pub channel_expires_at: Option<UnixMs>,
}

impl Published {
    /// The state as readers get it.
    pub(crate) fn of(state: &SubscriptionState) -> Self {
        Self {
            state: state.state(),
            detail: state.detail(),
            channel_expires_at: state.channel.push.live().map(|live| live.expires_at),
        }
    }
}

/// Whether readers see another state than there is, such as after a pause, which no lane makes itself.
pub(super) fn is_due(workflow: &SubscriptionWorkflow) -> bool {
    !workflow.published_in_run || workflow.state.published.as_ref() != Some(&Published::of(&workflow.state))
}

/// Writes the state down where it changed. Syncs do not pass here: their numbers are committed with their pages.
pub(super) async fn publish(ctx: &WorkflowContext<SubscriptionWorkflow>, detached: &WorkflowCancellationToken) {
    if !ctx.state(is_due) {
        return;
    }
    let shown = ctx.state(|s| Published::of(&s.state));
    let is_known = ctx.state(|s| s.state.published.as_ref() == Some(&shown));
    ctx.state_mut(|s| {
        s.published_in_run = true;
        s.state.published = Some(shown.clone());
    });
    show(ctx);
    let provider = ctx.state(|s| s.input.provider.as_str().to_owned());
    let account = ctx.state(|s| s.input.account_id.to_string());
    let mut attributes = vec![
        names::ATTRIBUTE_PROVIDER.value_set(provider),
        names::ATTRIBUTE_ACCOUNT.value_set(account),
        names::ATTRIBUTE_STATE.value_set(shown.state.as_str().to_owned()),
    ];
    // Server 1.32 refuses to unset a date: without a channel the last one's expiry stays, which is in the past by then.
    if let Some(at) = shown.channel_expires_at {
        attributes.push(names::ATTRIBUTE_EXPIRES_AT.value_set(timestamp(at)));
    }
    ctx.upsert_search_attributes(attributes);
    let fact = StateFact {
        calendar_id: ctx.state(|s| s.input.calendar_id),
        state: shown.state,
        detail: shown.detail,
        channel_expires_at: shown.channel_expires_at,
        at: now(ctx),
        novelty: if is_known { Novelty::Repeated } else { Novelty::New },
    };
    let summary = format!("state: {}", shown.state.as_str().replace('_', " "));
    let options = ctx.state(|s| retry::record(&s.input.timing, detached, &summary));
    // It is tried without end, so only a defect fails it; the next change writes the whole state again.
    let _written = ctx.execute_activity(RecordActivities::record_state, fact, options).await;
}

/// How long the attribute of the last sync stands before another sync is shown by it. Each upsert is an event of the history
/// and a write to the store of visibility, which would cost a busy calendar as much as the sync's own tasks.
const LAST_SYNC_STANDS_MS: i64 = 10 * 60_000;

/// Shows the last sync: in the details always, by the attribute where what that says has stood for long.
pub(super) fn publish_last_sync(ctx: &WorkflowContext<SubscriptionWorkflow>, done_at: UnixMs) {
    if ctx.state(|s| attribute_is_old(s.state.sync.shown_done_at, done_at)) {
        ctx.state_mut(|s| s.state.sync.shown_done_at = Some(done_at));
        ctx.upsert_search_attributes([names::ATTRIBUTE_LAST_SYNC_AT.value_set(timestamp(done_at))]);
    }
    show(ctx);
}

/// Whether the attribute has to say another time than the one that it shows.
fn attribute_is_old(shown_at: Option<UnixMs>, done_at: UnixMs) -> bool {
    shown_at.is_none_or(|shown_at| done_at.since_ms(shown_at) >= LAST_SYNC_STANDS_MS)
}

fn show(ctx: &WorkflowContext<SubscriptionWorkflow>) {
    ctx.set_current_details(ctx.state(|s| sentence(&s.state)));
}

/// The state as readable Markdown for the UI.
pub(super) fn sentence(state: &SubscriptionState) -> String {
    let mut text = format!("**{}**", state.state().as_str().replace('_', " "));
    if let Some(detail) = state.detail() {
        text.push_str(": ");
        text.push_str(&detail);
    }
    if let Some(live) = state.channel.push.live() {
        text.push_str(&format!(". Channel until {}", live.expires_at));
    }
    if state.strategy == SyncStrategy::Hybrid {
        text.push_str(". Polled beside it");
    }
    match state.channel.push.repeated_at() {
        Some(Due::Now) => text.push_str(". Next attempt now"),
        Some(Due::At(at)) => text.push_str(&format!(". Next attempt at {at}")),
        None => {}
    }
    match (state.sync.last_done_at, &state.sync.last_end) {
        (Some(at), Some(SyncEnd::Done { changes })) => text.push_str(&format!(". Last sync {at}: {changes} changes")),
        (_, Some(SyncEnd::Failed(failure))) => text.push_str(&format!(". Last sync failed: {failure}")),
        _ => text.push_str(". Not synced yet"),
    }
    text.push('.');
    text
}

fn timestamp(at: UnixMs) -> Timestamp {
    let ms = at.get();
    Timestamp::new(ms.div_euclid(1_000), i32::try_from(ms.rem_euclid(1_000) * 1_000_000).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_often_syncs_end_the_attribute_of_the_last_one_is_never_much_older_and_rarely_written() {
        let begin = UnixMs::new(1_800_000_000_000);
        for seconds_between in [1, 30, 599, 601, 7_200] {
            let (mut shown_at, mut written) = (None, 0);
            for sync in 0..1_000 {
                let done_at = begin.plus_ms(sync * seconds_between * 1_000);
                if attribute_is_old(shown_at, done_at) {
                    shown_at = Some(done_at);
                    written += 1;
                }
                let shown_at = shown_at.unwrap();
                assert!(done_at.since_ms(shown_at) < LAST_SYNC_STANDS_MS, "every {seconds_between} s");
            }
            let minutes = 1_000 * seconds_between / 60;
            assert!(written <= minutes / 10 + 1, "{written} times in {minutes} minutes");
        }
    }
}
