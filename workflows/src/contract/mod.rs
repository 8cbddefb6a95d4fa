//! What crosses the wire: the payloads of workflows, signals, updates, queries and activities. Activities are declared here and
//! implemented in `activities/`; the compiler checks that both sides agree. Activities return facts; workflows decide.
//!
//! Rules: one struct in, one struct out; an instant is a [`evercal_domain::UnixMs`]; no titles, addresses, tokens or event
//! bodies. While builds of two versions work on the same workflows, unknown fields are ignored, and enums that an activity or
//! an update answers have an arm for what only a newer version knows (`#[serde(other)]`). Not for names
//! (`names`).

mod accounts;
mod channels;
mod definitions;
mod failures;
mod records;
mod signals;
mod sync;
mod workflows;

pub use accounts::*;
pub use channels::*;
pub use definitions::*;
pub use failures::*;
pub use records::*;
pub use signals::*;
pub use sync::*;
pub use workflows::*;

use serde::Serialize;
use serde::de::DeserializeOwned;
use temporalio_common::data_converters::{PayloadConverter, RawValue};

/// Packs a signal's payload for who sends it by its name. Handlers take it raw, since a payload that does not decode would
/// stall the workflow for ever.
pub fn pack<T: Serialize + 'static>(payload: &T) -> RawValue {
    RawValue::from_value(payload, &PayloadConverter::serde_json())
}

/// Unpacks a signal's payload; what cannot be read (or was not sent at all) reads as the default, so that a signal sent
/// by hand from the UI without input still does its work.
pub fn unpack<T: DeserializeOwned + Default>(raw: &RawValue) -> T {
    raw.payloads.first().and_then(|payload| serde_json::from_slice(&payload.data).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use evercal_domain::SyncStrategy;

    use super::*;

    #[test]
    fn a_packed_signal_unpacks() {
        let notify = Notify { notices: 3, ..Notify::default() };
        assert_eq!(unpack::<Notify>(&pack(&notify)), notify);
    }

    #[test]
    fn a_signal_without_a_readable_payload_reads_as_the_default() {
        assert_eq!(unpack::<Notify>(&RawValue::new(vec![])), Notify::default());
        assert_eq!(unpack::<Notify>(&RawValue::empty()), Notify::default());
        assert_eq!(unpack::<Notify>(&pack(&"nonsense".to_owned())), Notify::default());
    }

    #[test]
    fn a_strategy_that_is_not_known_yet_takes_nothing_else_of_the_signal_away() {
        let newer = serde_json::json!({"grant": "dead", "strategy": "invented_later"});
        let change: AccountChanged = unpack(&pack(&newer));
        assert_eq!((change.grant, change.strategy), (Some(Grant::Dead), Some(SyncStrategy::Webhook)));
    }

    #[test]
    fn fields_from_a_newer_version_are_ignored() {
        let newer = serde_json::json!({"notices": 2, "invented_later": {"x": 1}});
        assert_eq!(unpack::<Notify>(&pack(&newer)).notices, 2);
    }
}
