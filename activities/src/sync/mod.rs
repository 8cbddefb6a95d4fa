//! `sync_calendar`: reads a calendar in slices, page by page. A page, its cursor and its changes are one transaction, so a
//! killed attempt goes on at its page and a zombie finds another revision and stops.

#![expect(missing_docs, reason = "the SDK's macros generate constants without documentation")]

mod cursor;
mod limits;
mod roll;
mod slice;

use std::sync::Arc;

use evercal_workflows::contract::{self, SyncInput, SyncOutcome};
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

use crate::attempt;
use crate::deps::Deps;

pub use roll::expand_again;

/// Implements [`contract::SyncActivities`].
pub struct SyncActivities {
    /// What it works with.
    pub deps: Arc<Deps>,
}

#[activities]
impl SyncActivities {
    /// Reads what changed (or everything), for at most one slice's time.
    #[activity(definition = contract::SyncCalendar)]
    pub async fn sync_calendar(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: SyncInput,
    ) -> Result<SyncOutcome, ActivityError> {
        attempt::run(&ctx, slice::run(&self.deps, &ctx, &input)).await
    }
}
