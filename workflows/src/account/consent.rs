//! The lane of consents: a code is good for minutes, so that it waits for nothing else that the account does.

use temporalio_workflow::WorkflowCancellationToken;

use super::trouble::after_failed_settlement;
use super::{AccountWorkflow, Context, unless_disconnected};
use crate::contract::{AccountActivities, SettleConsentInput};
use crate::retry;
use crate::shared::failure::FailedCall;
use crate::shared::time::{condition, now, sleep_unless};

/// Runs until the account ends or continues as new. A consent that is waiting then is carried on.
pub(super) async fn run(ctx: Context, detached: WorkflowCancellationToken) {
    loop {
        let is_due = |s: &AccountWorkflow| s.lanes_return || (s.progress.consent.waits() && s.progress.life.is_open());
        condition(&ctx, is_due).await;
        if ctx.state(|s| s.lanes_return) {
            return;
        }
        if let Some(until) = ctx.state(|s| s.progress.consent.trouble().map(|trouble| trouble.until)) {
            // A new consent forgets what the one before it waits for.
            let woken = |s: &AccountWorkflow| {
                s.lanes_return || !s.progress.life.is_open() || s.progress.consent.trouble().is_none()
            };
            if !sleep_unless(&ctx, &detached, until, "try the consent again", woken).await {
                continue;
            }
        }
        settle(&ctx, &detached).await;
    }
}

async fn settle(ctx: &Context, detached: &WorkflowCancellationToken) {
    let at = now(ctx);
    let since = ctx.state_mut(|s| s.progress.consent.begin_attempt(at));
    let (account_id, provider, timing) = ctx.state(|s| (s.input.account_id, s.input.provider, s.input.timing.clone()));
    let input = SettleConsentInput { account_id, give_up: at >= since.plus_s(timing.code_lives_s) };
    let options = retry::consent_settlement(provider, &timing, detached, "settle the consent");
    let answer = unless_disconnected(ctx, detached, AccountActivities::settle_consent, input, options).await;
    let at = now(ctx);
    ctx.state_mut(|s| {
        let consent = &mut s.progress.consent;
        match answer {
            // Disconnected: nobody wants it any more.
            None => consent.settle(),
            Some(Err(error)) => {
                let (failed, id) = (FailedCall::from_error(&error), account_id.to_string());
                consent.fails(|before| after_failed_settlement(before, &failed, &timing, &id, at));
            }
            Some(Ok(settled)) => {
                consent.settle();
                s.progress.consent_ends(&settled, at);
            }
        }
    });
}
