//! What the control API says of subscriptions.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::World;
use super::subscription_record::SubscriptionRecord;
use super::subscriptions::collection_of;
use crate::core::channels::ChannelReport;

/// The parts of evercal's tokens, the last but one of which is the channel.
const TOKEN_PARTS_MIN: usize = 6;

/// What is Microsoft's alone in a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionReport {
    /// Its id.
    pub id: String,
    /// What it is about, as the client wrote it.
    pub resource: String,
    /// Of which kinds of changes it tells.
    pub change_type: String,
    /// Where is told what happens to itself.
    pub lifecycle_address: Option<String>,
    /// The client preferred immutable ids when it made it.
    pub immutable_ids: bool,
    /// It was renewed in both ways at once, and says nothing any more.
    pub is_corrupted: bool,
    /// When it was renewed with another expiry.
    pub renewed_at: Option<DateTime<Utc>>,
    /// When it was authorized anew without.
    pub reauthorized_at: Option<DateTime<Utc>>,
}

/// All subscriptions, in the order of creation.
pub(crate) fn own(world: &World) -> Vec<SubscriptionReport> {
    let of = |record: &SubscriptionRecord| SubscriptionReport {
        id: record.id.clone(),
        resource: record.resource.clone(),
        change_type: record.change_types.written(),
        lifecycle_address: record.lifecycle_address.clone(),
        immutable_ids: record.immutable_ids,
        is_corrupted: record.is_corrupted,
        renewed_at: record.renewed_at,
        reauthorized_at: record.reauthorized_at,
    };
    world.provider.subscriptions.all().map(of).collect()
}

/// Every subscription with its notices, in the order of creation.
pub(crate) fn report(world: &World) -> Vec<ChannelReport> {
    let mut deliveries = world.deliveries.by_channel();
    let of = |record: &SubscriptionRecord| {
        let email = world.provider.users.get(&record.user).map(|user| user.email.clone()).unwrap_or_default();
        let collection = collection_of(world, &record.user, &record.watched);
        let live = record.is_live_at(world.clock.peek(&collection.key()));
        ChannelReport {
            id: record.client_state.as_deref().and_then(channel_of).unwrap_or_else(|| record.id.clone()),
            collection,
            remote_id: record.id.clone(),
            user: email,
            client: record.client.clone(),
            address: record.address.clone(),
            token: record.client_state.clone(),
            created_at: record.created_at,
            expires_at: record.expires_at,
            stopped_at: record.stopped_at,
            live,
            deliveries: deliveries.remove(&record.number).unwrap_or_default(),
        }
    };
    world.provider.subscriptions.all().map(of).collect()
}

/// The channel that a state of evercal's own form names: Graph takes no id of the client's, so it is nowhere else.
fn channel_of(state: &str) -> Option<String> {
    let parts: Vec<&str> = state.split('.').collect();
    if parts.len() < TOKEN_PARTS_MIN || parts.first() != Some(&"v1") {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(parts.iter().rev().nth(1)?).ok()?;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    (bytes.len() == 16).then(|| format!("chn_{digits}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_read_from_a_state_of_evercals_form_alone() {
        let bytes = URL_SAFE_NO_PAD.encode([0x01; 16]);
        let state = format!("v1.abcdef.l.{bytes}.{bytes}.signature");
        assert_eq!(channel_of(&state), Some(format!("chn_{}", "01".repeat(16))));
        assert_eq!(channel_of("channel-1.secret"), None);
        assert_eq!(channel_of("v1.a.b.c.d.e"), None);
    }
}
