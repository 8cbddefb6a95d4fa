//! Tells workflows what a proven request brought. Each is told whatever becomes of the others, and what could not be told is
//! caught up with.

use std::net::IpAddr;

use evercal_domain::AccountId;
use evercal_domain::journal::SecurityKind;
use evercal_process::counted;
use evercal_workflow_client::{AccountSignal, SignalOutcome};
use evercal_workflows::contract::ChannelHint;
use futures::StreamExt as _;

use crate::delivery::Delivered;
use crate::notices::NotDelivered;
use crate::problem::{Problem, ProblemKind};
use crate::proven::Owed;
use crate::state::AppState;
use crate::tellings::Telling;

/// So many of one request are told at a time: about as many as the largest request has, since one whose calendar was just told
/// something waits its time, and the others must not wait behind it.
const TOLD_AT_A_TIME: usize = 1_024;

/// Tells all of it; an error where one could not be told, whose sender should send it again.
pub(super) async fn tell(state: &AppState, source: IpAddr, owed: Vec<Owed>) -> Result<(), Problem> {
    let telling: Vec<_> = owed.into_iter().map(|owed| tell_one(state, source, owed)).collect();
    let told: Vec<_> = futures::stream::iter(telling).buffer_unordered(TOLD_AT_A_TIME).collect().await;
    told.into_iter().collect()
}

async fn tell_one(state: &AppState, source: IpAddr, owed: Owed) -> Result<(), Problem> {
    let Owed { telling, in_flight } = owed;
    match telling {
        Telling::Changed { calendar_id, account_id, notify } => {
            let hints = notify.channels.clone();
            // Those that share its signal answer for it now, also when nobody waits here any more.
            in_flight.delivered();
            let told = state.notices.take(calendar_id, notify).await;
            settle(state, source, account_id, hints, told).await
        }
        Telling::Lifecycle { calendar_id, account_id, lifecycle } => {
            let told = state.notices.tell_lifecycle(calendar_id, &lifecycle).await;
            settle(state, source, account_id, lifecycle.channel, told).await?;
            in_flight.delivered();
            Ok(())
        }
        Telling::List { account_id, signal } => {
            list_changed(state, source, account_id, signal).await?;
            in_flight.delivered();
            Ok(())
        }
    }
}

/// What it means for the sender how a calendar was told.
async fn settle(
    state: &AppState,
    source: IpAddr,
    account: AccountId,
    hints: impl IntoIterator<Item = ChannelHint>,
    told: Result<Delivered, NotDelivered>,
) -> Result<(), Problem> {
    match told {
        // In another's store there are none of our calendars.
        Ok(Delivered::Unknown) if state.store_watch.condition().is_foreign() => {
            Err(not_stored(ProblemKind::StoreUnavailable))
        }
        Ok(Delivered::Unknown) => {
            let message = "a notice with a valid token for a calendar that does not exist";
            state.security.note(SecurityKind::NoticeForUnknownChannel, source, message);
            for hint in hints {
                stop_through_account(state, account, hint).await?;
            }
            Ok(())
        }
        Ok(Delivered::ToSubscription | Delivered::ToAccount | Delivered::Closed) => Ok(()),
        Err(NotDelivered) => Err(not_stored(ProblemKind::TemporalUnavailable)),
    }
}

fn not_stored(kind: ProblemKind) -> Problem {
    Problem::new(kind, "The notice could not be stored; send it again.")
}

/// A channel whose calendar nobody knows, such as after an older database was brought back: its account can stop it, as any
/// channel that it does not know, and reads its list of calendars, in which the calendar may be.
async fn stop_through_account(state: &AppState, account: AccountId, hint: ChannelHint) -> Result<(), Problem> {
    match state.accounts.signal(account, AccountSignal::ListChanged(hint)).await {
        // Without the account there are no tokens with which anybody could stop it: it runs out.
        Ok(_outcome) => Ok(()),
        Err(error) => {
            tracing::warn!(account_id = %account, %error, "the account of a channel without a calendar could not be signalled");
            Err(not_stored(ProblemKind::TemporalUnavailable))
        }
    }
}

/// A notice about an account's list of calendars.
async fn list_changed(
    state: &AppState,
    source: IpAddr,
    account: AccountId,
    signal: AccountSignal,
) -> Result<(), Problem> {
    match state.accounts.signal(account, signal).await {
        Ok(SignalOutcome::Delivered) => Ok(()),
        // In another's store there are none of our accounts.
        Ok(SignalOutcome::NoAccount) if state.store_watch.condition().is_foreign() => {
            Err(not_stored(ProblemKind::StoreUnavailable))
        }
        Ok(SignalOutcome::NoAccount) => {
            if state.store.account(account).await?.is_none() {
                let message = "a notice with a valid token for an account that does not exist";
                state.security.note(SecurityKind::NoticeForUnknownChannel, source, message);
            }
            Ok(())
        }
        Err(error) => {
            counted!(warn, "a notice about a list of calendars could not be delivered", account_id = %account, %error);
            Err(not_stored(ProblemKind::TemporalUnavailable))
        }
    }
}
