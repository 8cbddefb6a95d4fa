//! Notices: what each says, and how they are queued. Sending them is in [`super::delivery`].

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::World;
use super::endpoints::EndpointState;
use super::subscription_record::SubscriptionRecord;
use super::times::plain_timestamp;
use crate::core::deliveries::{DeliveryRecord, DeliveryStatus};
use crate::core::faults::Dice;

/// What a notice says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum NoticeContent {
    /// Something that is watched changed.
    Change { change_type: String, resource: String, data_type: String, etag: String, id: String },
    /// Something is with the subscription itself.
    Lifecycle { event: String },
}

impl NoticeContent {
    /// What the register says of it.
    fn state(&self) -> String {
        match self {
            Self::Change { change_type, .. } => change_type.clone(),
            Self::Lifecycle { event } => format!("lifecycle:{event}"),
        }
    }

    /// The content of the n-th copy: what was created is said to be updated afterwards.
    fn copy(&self, position: u64, subscription: &SubscriptionRecord) -> Self {
        let mut copy = self.clone();
        if let Self::Change { change_type, .. } = &mut copy
            && position > 0
            && change_type == "created"
            && subscription.change_types.has("updated")
        {
            "updated".clone_into(change_type);
        }
        copy
    }

    /// Where it goes; nowhere where the client has said no address for it.
    pub(crate) fn address_of<'a>(&self, subscription: &'a SubscriptionRecord) -> Option<&'a str> {
        match self {
            Self::Change { .. } => Some(&subscription.address),
            Self::Lifecycle { .. } => subscription.lifecycle_address.as_deref(),
        }
    }

    /// One item of the `value` of a notice.
    pub(crate) fn item(&self, subscription: &SubscriptionRecord, tenant: &str, notice_id: &str) -> Value {
        let expires_at = plain_timestamp(subscription.expires_at);
        match self {
            Self::Change { change_type, resource, data_type, etag, id } => json!({
                "id": notice_id,
                "subscriptionId": subscription.id,
                "subscriptionExpirationDateTime": expires_at,
                "clientState": subscription.client_state,
                "changeType": change_type,
                "resource": resource,
                "tenantId": tenant,
                "resourceData": {
                    "@odata.type": data_type,
                    "@odata.id": resource,
                    "@odata.etag": etag,
                    "id": id,
                },
            }),
            Self::Lifecycle { event } => json!({
                "id": notice_id,
                "lifecycleEvent": event,
                "subscriptionId": subscription.id,
                "subscriptionExpirationDateTime": expires_at,
                "clientState": subscription.client_state,
                "resource": subscription.resource,
                "organizationId": tenant,
                "tenantId": tenant,
            }),
        }
    }
}

/// A notice to be queued.
pub(crate) struct NewNotice {
    /// The subscription's number.
    pub(crate) subscription: u64,
    pub(crate) content: NoticeContent,
    pub(crate) now: DateTime<Utc>,
}

impl World {
    /// Queues a notice, with whatever the notice plan, the quirks and the state of the endpoint do to it.
    pub(crate) fn queue_notice(&mut self, notice: &NewNotice) {
        let Some(subscription) = self.provider.subscriptions.get(notice.subscription) else { return };
        let mut subscription = subscription.clone();
        let Some(address) = notice.content.address_of(&subscription).map(str::to_owned) else { return };
        let fate = self.fate_of_notice();
        subscription.last_message_number += 1 + fate.numbers_skipped;
        let real_now = self.clock.real_now();
        let endpoint = self.provider.endpoints.state_of(&address, real_now);
        let mut delay_ms = fate.delay_ms.saturating_add(self.provider.quirks.notice_delay_ms);
        if endpoint == EndpointState::Slow {
            delay_ms = delay_ms.saturating_add(self.provider.endpoint_rules.penalty_ms);
        }
        let is_dropped = fate.dropped || endpoint == EndpointState::Dropping;
        let copies = u64::from(fate.copies) * self.duplicates(subscription.number, subscription.last_message_number);
        for position in 0..copies {
            let status = if is_dropped {
                DeliveryStatus::Lost
            } else if self.deliveries.has_room_for(subscription.number) {
                DeliveryStatus::Pending
            } else {
                DeliveryStatus::NotQueued
            };
            let delay = TimeDelta::milliseconds(i64::try_from(delay_ms).unwrap_or(i64::MAX / 1_000));
            let content = notice.content.copy(position, &subscription);
            let record = DeliveryRecord {
                number: self.deliveries.next_number(),
                channel_number: subscription.number,
                message_number: subscription.last_message_number,
                state: content.state(),
                created_at: notice.now,
                status,
                attempts: Vec::new(),
                next_attempt_at: (status == DeliveryStatus::Pending).then(|| real_now + delay),
            };
            if status == DeliveryStatus::Pending {
                self.journal.put(&notice_key(record.number), &content);
                self.provider.notices.insert(record.number, content);
            }
            self.save_delivery(record);
        }
        self.notices_queued = true;
        self.save_subscription(subscription);
    }

    /// How often one change is told.
    fn duplicates(&self, subscription: u64, message: u64) -> u64 {
        let max = u64::from(self.provider.quirks.notice_duplicates_max);
        if max < 2 {
            return 1;
        }
        1 + Dice::new(self.seed() ^ subscription, "duplicate notices", message).below(max, 0)
    }

    /// The content of a notice is not needed any more.
    pub(crate) fn forget_notice(&mut self, number: u64) {
        self.provider.notices.remove(&number);
        self.journal.remove(&notice_key(number));
    }
}

pub(crate) fn notice_key(number: u64) -> String {
    format!("microsoft/notice/{number}")
}
