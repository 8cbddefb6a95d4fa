//! An account's calendars: finding them, starting their subscriptions, signalling what concerns them.

use evercal_domain::{CalendarId, SyncStrategy};
use temporalio_workflow::{SignalWorkflowOptions, WorkflowCancellationToken, workflows};

use super::decide::{BATCH_MAX, settings_changed};
use super::subscriptions::{Started, close_subscription, start_subscription};
use super::trouble::after_failure;
use super::{Context, unless_disconnected};
use crate::contract::{AccountActivities, AccountChanged, AccountChangedSignal, AccountRef, Begins, CalendarsListed};
use crate::due::Due;
use crate::names;
use crate::retry::{self, Timing};
use crate::shared::failure::FailedCall;
use crate::shared::jitter;
use crate::shared::time::{now, sleep_unless};

/// A subscription ends an instant after its last signal; so often its successor is started until it has.
const START_AFTER_END_ATTEMPTS: u32 = 10;
/// The pause before each of these attempts, in milliseconds.
const START_AFTER_END_PAUSE_MS: i64 = 1_000;

/// Reads the list of calendars and does what follows from it.
pub(super) async fn discover(ctx: &Context, detached: &WorkflowCancellationToken) {
    let (account_id, provider, timing) = ctx.state(|s| (s.input.account_id, s.input.provider, s.input.timing.clone()));
    let id = account_id.to_string();
    let (round, grant) = ctx.state(|s| (s.progress.discoveries, s.progress.grant.number));
    let pause_s = jitter::around(timing.discovery_interval_s, 10, &id, round);
    let next_due = || Due::At(now(ctx).plus_s(pause_s));
    // Set before the call: whoever asks for a discovery during this one gets another.
    let planned = next_due();
    ctx.state_mut(|s| s.progress.discovery_due = planned);
    let options = retry::account_call(provider, &timing, detached, "find the calendars");
    let input = AccountRef { account_id };
    let Some(result) = unless_disconnected(ctx, detached, AccountActivities::list_calendars, input, options).await
    else {
        return;
    };
    let was_asked_meanwhile = ctx.state(|s| s.progress.discovery_due != planned);
    let at = now(ctx);
    match result {
        Ok(CalendarsListed::Listed { listed, vanished, action_required, timing, strategy, incomplete }) => {
            let due = next_due();
            ctx.state_mut(|s| {
                s.progress.discoveries += 1;
                s.progress.listed_at = Some(at);
                s.progress.trouble = None;
                s.progress.incomplete = incomplete;
                s.progress.grant_works();
                if !was_asked_meanwhile {
                    s.progress.discovery_due = due;
                }
                s.progress.list_is_read(listed, &vanished);
            });
            for batch in vanished.chunks(BATCH_MAX) {
                let why = "the provider does not list this calendar any more";
                let closed = batch.iter().map(|id| close_subscription(ctx, *id, why));
                let _asked = workflows::join_all(closed).await;
            }
            apply_settings(ctx, *timing, strategy).await;
            // A subscription that waits for a person cannot see that somebody acted: these try again.
            signal_all(ctx, &action_required, &AccountChanged { listed: true, ..AccountChanged::default() }).await;
        }
        Ok(CalendarsListed::NeedsReauth { why }) => {
            ctx.state_mut(|s| s.progress.grant_refused(grant, why));
        }
        Err(error) => {
            let failed = FailedCall::from_error(&error);
            ctx.state_mut(|s| {
                let trouble = after_failure(s.progress.trouble.as_ref(), &failed, &timing, &id, at);
                if !was_asked_meanwhile {
                    s.progress.discovery_due = Due::At(trouble.until);
                }
                s.progress.trouble = Some(trouble);
            });
        }
    }
}

/// New durations and another strategy reach subscriptions that run for years this way.
async fn apply_settings(ctx: &Context, timing: Timing, strategy: SyncStrategy) {
    let Some(change) = ctx.state(|s| settings_changed(&s.input, timing, strategy)) else { return };
    ctx.state_mut(|s| {
        s.input.timing = change.timing.clone().unwrap_or_else(|| s.input.timing.clone());
        s.input.strategy = change.strategy.unwrap_or(s.input.strategy);
        if !s.input.strategy.watches() {
            s.progress.list_channel.set_aside();
        }
    });
    let calendars: Vec<CalendarId> = ctx.state(|s| s.progress.calendars.iter().copied().collect());
    signal_all(ctx, &calendars, &change).await;
}

async fn signal_all(ctx: &Context, calendars: &[CalendarId], change: &AccountChanged) {
    for batch in calendars.chunks(BATCH_MAX) {
        let _told = workflows::join_all(batch.iter().map(|id| signal_change(ctx, *id, change.clone()))).await;
    }
}

/// Signals a subscription what changed about its account.
pub(super) async fn signal_change(ctx: &Context, calendar_id: CalendarId, change: AccountChanged) {
    // One that is gone needs no signal; the daily discovery finds what is missing.
    let _gone_is_fine = ctx
        .external_workflow(names::subscription_id(calendar_id), None)
        .signal(AccountChangedSignal, change, SignalWorkflowOptions::default())
        .await;
}

/// Makes sure that subscriptions run, and that one which an earlier workflow of this account started, whose signals it may have
/// missed, gets the current settings.
pub(super) async fn ensure(ctx: &Context, detached: &WorkflowCancellationToken, calendars: Vec<CalendarId>) {
    let _ensured = workflows::join_all(calendars.into_iter().map(|id| ensure_one(ctx, detached, id))).await;
}

async fn ensure_one(ctx: &Context, detached: &WorkflowCancellationToken, calendar_id: CalendarId) {
    let is_known = ctx.state(|s| s.progress.calendars.contains(&calendar_id));
    let comes_back = ctx.state_mut(|s| s.progress.relisted.remove(&calendar_id));
    // Already running is what we want; after any other refusal, the gateway's fleet check finds that it is missing.
    let mut started = start_subscription(ctx, calendar_id, Begins::First).await;
    let mut left = if comes_back { START_AFTER_END_ATTEMPTS } else { 0 };
    while started == Started::RanAlready && left > 0 {
        left -= 1;
        // The one before has signalled its end, which is the last thing that it does.
        let at = now(ctx).plus_ms(START_AFTER_END_PAUSE_MS);
        sleep_unless(ctx, detached, at, "the subscription before has yet to end", |_| false).await;
        started = start_subscription(ctx, calendar_id, Begins::First).await;
    }
    ctx.state_mut(|s| s.progress.calendars.insert(calendar_id));
    if started == Started::RanAlready && !is_known {
        let change = ctx.state(|s| AccountChanged {
            grant: Some(s.progress.grant_is()),
            timing: Some(s.input.timing.clone()),
            strategy: Some(s.input.strategy),
            ..AccountChanged::default()
        });
        signal_change(ctx, calendar_id, change).await;
    }
}
