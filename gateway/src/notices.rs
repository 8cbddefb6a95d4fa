//! Notices on their way to the workflows: those for one calendar that come together travel in one signal.
//!
//! `Ok` means that Temporal has the signal which contains the notice (or that no workflow has to be signalled). Not for
//! verifying notices (`routes/webhooks.rs`).

use std::sync::Arc;

use async_trait::async_trait;
use evercal_domain::CalendarId;
use evercal_process::{Tasks, counted};
use evercal_storage::cause_of;
use evercal_workflows::contract::{ChannelHint, Lifecycle, Notify};

use crate::delivery::{Delivered, Delivery};
use crate::group_commit::{GroupCommit, GroupLimits, Work};
use crate::refusals::{InFlightNotice, NoticeSubject, Refusals, UnprovenRequest};

/// The notice could not be delivered; its sender should try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotDelivered;

pub(crate) struct Notices {
    group: GroupCommit<NoticeWork>,
    delivery: Arc<Delivery>,
    refusals: Arc<Refusals>,
}

impl Notices {
    /// Delivers through `delivery`, remembering in `refusals` what could not be delivered.
    pub(crate) fn new(delivery: Arc<Delivery>, refusals: Arc<Refusals>, limits: GroupLimits, tasks: Tasks) -> Self {
        let work = NoticeWork { delivery: Arc::clone(&delivery), refusals: Arc::clone(&refusals) };
        Self { group: GroupCommit::new(work, limits, tasks), delivery, refusals }
    }

    /// Takes a notice. Once called, the notice goes its way even if the caller stops waiting.
    pub(crate) async fn take(&self, calendar: CalendarId, notify: Notify) -> Result<Delivered, NotDelivered> {
        let Ok(answer) = self.group.join(calendar, notify) else {
            self.refusals.add(calendar);
            return Err(NotDelivered);
        };
        answer.await.unwrap_or(Err(NotDelivered))
    }

    /// Tells a subscription what its provider says of a channel. It is told at once and by itself: it is rare, and what it leads
    /// to may not wait. Nothing is told any more when the caller stops waiting.
    pub(crate) async fn tell_lifecycle(
        &self,
        calendar: CalendarId,
        lifecycle: &Lifecycle,
    ) -> Result<Delivered, NotDelivered> {
        self.delivery.deliver_lifecycle(calendar, lifecycle).await.map_err(|error| {
            let (cause, event) = (cause_of(&error), lifecycle.event);
            counted!(warn, "a notice about a channel could not be delivered", calendar_id = %calendar, ?event, %error, cause);
            NotDelivered
        })
    }

    /// A request that may bring notices, and has proven nothing yet.
    pub(crate) fn unproven(&self) -> UnprovenRequest {
        self.refusals.unproven()
    }

    /// A proven notice that is not taken yet.
    pub(crate) fn in_flight(&self, about: impl Into<NoticeSubject>) -> InFlightNotice {
        self.refusals.in_flight(about)
    }

    /// Delivers what is left and ends.
    pub(crate) async fn drain(&self) {
        self.group.drain().await;
    }
}

struct NoticeWork {
    delivery: Arc<Delivery>,
    refusals: Arc<Refusals>,
}

#[async_trait]
impl Work for NoticeWork {
    type Item = Notify;
    type Outcome = Result<Delivered, NotDelivered>;

    fn merge(into: &mut Notify, next: Notify) {
        merge(into, next);
    }

    async fn perform(&self, calendar: CalendarId, notify: Notify) -> Result<Delivered, NotDelivered> {
        // Noted here and not where the answer is given: the sender may have stopped waiting long ago.
        let in_flight = self.refusals.in_flight(calendar);
        match self.delivery.deliver(calendar, &notify).await {
            Ok(delivered) => {
                in_flight.delivered();
                Ok(delivered)
            }
            Err(error) => {
                let cause = cause_of(&error);
                counted!(warn, "notices could not be delivered", calendar_id = %calendar, notices = notify.notices, %error, cause);
                Err(NotDelivered)
            }
        }
    }
}

/// Makes one of two for the same calendar.
pub(crate) fn merge(into: &mut Notify, next: Notify) {
    // One that says nothing of it is as urgent as its reason.
    let urgency = into.urgency().min(next.urgency());
    into.priority = into.priority.or(next.priority).map(|_| urgency);
    into.notices = into.notices.saturating_add(next.notices);
    into.received_at = into.received_at.into_iter().chain(next.received_at).min();
    for hint in next.channels {
        add_hint(&mut into.channels, hint);
    }
}

fn add_hint(channels: &mut Vec<ChannelHint>, hint: ChannelHint) {
    // Two that a provider made under one id of ours are two channels.
    let is_same = |known: &&mut ChannelHint| {
        let are_named_alike =
            known.remote_id.is_none() || hint.remote_id.is_none() || known.remote_id == hint.remote_id;
        known.channel_id == hint.channel_id && are_named_alike
    };
    match channels.iter_mut().find(is_same) {
        Some(known) => {
            known.announces_change |= hint.announces_change;
            known.remote_id = known.remote_id.take().or(hint.remote_id);
        }
        None => channels.push(hint),
    }
}

#[cfg(test)]
mod tests;
