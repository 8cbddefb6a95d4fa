//! Every name that Temporal stores: types, signals, updates, queries, activities, queues, ids, search attributes.
//!
//! Renaming a constant breaks running workflows; a test pins the whole list. Not for payloads (`contract`).

use evercal_domain::{AccountId, CalendarId, Provider};
use temporalio_common::search_attributes::{SearchAttributeKey, Timestamp};

/// Workflow type of a calendar's subscription.
pub const SUBSCRIPTION: &str = "subscription";
/// Workflow type of a poller.
pub const POLLING: &str = "polling";
/// Workflow type of an account.
pub const ACCOUNT: &str = "account";

/// Signal to a subscription: something may have changed.
pub const SIGNAL_NOTIFY: &str = "notify";
/// Signal to a subscription: the provider says something of the channel itself.
pub const SIGNAL_LIFECYCLE: &str = "lifecycle";
/// Signal to a subscription: its account changed (grant lost, grant restored, new timing, new strategy).
pub const SIGNAL_ACCOUNT_CHANGED: &str = "account_changed";
/// Signal to a subscription: what failed works again, retry now.
pub const SIGNAL_RETRY_NOW: &str = "retry_now";
/// Signal to a subscription: end, and stop your channels.
pub const SIGNAL_CLOSE: &str = "close";
/// Signal to a poller: end.
pub const SIGNAL_STOP: &str = "stop";
/// Signal to a poller: ask for a sync this often from now on.
pub const SIGNAL_INTERVAL: &str = "interval";
/// Signal to an account: somebody consented (again).
pub const SIGNAL_AUTHORIZED: &str = "authorized";
/// Signal to an account: a subscription found the grant dead.
pub const SIGNAL_GRANT_LOST: &str = "grant_lost";
/// Signal to an account: a notice came for a calendar whose subscription was not found.
pub const SIGNAL_SUBSCRIPTION_MISSING: &str = "subscription_missing";
/// Signal to an account: a subscription has ended.
pub const SIGNAL_SUBSCRIPTION_CLOSED: &str = "subscription_closed";
/// Signal to an account: the provider announced a change of its list of calendars.
pub const SIGNAL_LIST_CHANGED: &str = "list_changed";
/// Signal to an account: list the calendars now.
pub const SIGNAL_DISCOVER: &str = "discover";
/// Signal to an account: take everything down.
pub const SIGNAL_DISCONNECT: &str = "disconnect";

/// Update of a subscription: sync now and return how it went.
pub const UPDATE_SYNC_NOW: &str = "sync_now";
/// Update of a subscription: keep the channel, skip syncs.
pub const UPDATE_PAUSE: &str = "pause";
/// Update of a subscription: sync again.
pub const UPDATE_RESUME: &str = "resume";
/// Query of a subscription or an account.
pub const QUERY_STATUS: &str = "status";

/// Activity: open a calendar's first channel.
pub const CREATE_CHANNEL: &str = "create_channel";
/// Activity: open the successor of a channel.
pub const RENEW_CHANNEL: &str = "renew_channel";
/// Activity: stop a channel.
pub const STOP_CHANNEL: &str = "stop_channel";
/// Activity: stop all channels of a calendar, lost ones included.
pub const CLOSE_CHANNELS: &str = "close_channels";
/// Activity: read what changed, one slice.
pub const SYNC_CALENDAR: &str = "sync_calendar";
/// Activity: write a subscription's state down for readers.
pub const RECORD_STATE: &str = "record_state";
/// Activity: raise or clear an alert.
pub const SEND_ALERT: &str = "send_alert";
/// Activity: settle a consent: redeem its code, and find out whose tokens it brought.
pub const SETTLE_CONSENT: &str = "settle_consent";
/// Activity: find an account's calendars.
pub const LIST_CALENDARS: &str = "list_calendars";
/// Activity: write an account's state down for readers.
pub const RECORD_ACCOUNT_STATE: &str = "record_account_state";
/// Activity: revoke the grant and erase the tokens.
pub const REVOKE_ACCOUNT: &str = "revoke_account";
/// Activity: find an account's calendars in the register.
pub const LIST_OPEN_CALENDARS: &str = "list_open_calendars";

/// Type of a failure: the provider's list does not end, or is larger than one list may be.
pub const FAILURE_ENDLESS_LIST: &str = "endless_list";
/// Type of a failure: no worker may call the account's provider, since the installation is not set up for it.
pub const FAILURE_PROVIDER_OFF: &str = "provider_off";
/// What the types of all failures of the store begin with.
pub const FAILURE_STORE_PREFIX: &str = "store_";

/// Task queue of all workflows.
pub const QUEUE_WORKFLOWS: &str = "evercal";
/// Task queue of activities that only touch the store.
pub const QUEUE_STORE: &str = "evercal-store";

/// Id and type of the run that says whose database a namespace's workflows belong to. It has no code and no history to
/// replay, so that it is not in [`ALL`].
pub const INSTALLATION: &str = "installation";
/// Memo of that run: the installation's id.
pub const MEMO_INSTALLATION: &str = "installation_id";
/// Task queue of that run. No worker serves it, on purpose: so the run stands still for ever.
pub const QUEUE_INSTALLATION: &str = "evercal-installation";

/// Search attribute: the provider's name.
pub const ATTRIBUTE_PROVIDER: SearchAttributeKey<String> = SearchAttributeKey::keyword("EvercalProvider");
/// Search attribute: the account's id.
pub const ATTRIBUTE_ACCOUNT: SearchAttributeKey<String> = SearchAttributeKey::keyword("EvercalAccount");
/// Search attribute: the subscription's state.
pub const ATTRIBUTE_STATE: SearchAttributeKey<String> = SearchAttributeKey::keyword("EvercalState");
/// Search attribute: when the live channel ends.
pub const ATTRIBUTE_EXPIRES_AT: SearchAttributeKey<Timestamp> = SearchAttributeKey::datetime("EvercalExpiresAt");
/// Search attribute: when the last sync ended, up to ten minutes ago.
pub const ATTRIBUTE_LAST_SYNC_AT: SearchAttributeKey<Timestamp> = SearchAttributeKey::datetime("EvercalLastSyncAt");

/// The type of a search attribute, as the server indexes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexedKind {
    /// One exact string.
    Keyword,
    /// An instant.
    Datetime,
}

// As Temporal's command line names them.
evercal_domain::names! { IndexedKind { Keyword = "Keyword", Datetime = "Datetime" } }

/// The search attributes that a namespace needs, by name.
pub fn search_attributes() -> Vec<(String, IndexedKind)> {
    let keyword = |key: SearchAttributeKey<String>| (key.name().to_owned(), IndexedKind::Keyword);
    let datetime = |key: SearchAttributeKey<Timestamp>| (key.name().to_owned(), IndexedKind::Datetime);
    vec![
        keyword(ATTRIBUTE_PROVIDER),
        keyword(ATTRIBUTE_ACCOUNT),
        keyword(ATTRIBUTE_STATE),
        datetime(ATTRIBUTE_EXPIRES_AT),
        datetime(ATTRIBUTE_LAST_SYNC_AT),
    ]
}

/// All names, in the order above: what a test pins, and what saved histories have to cover.
pub const ALL: [&str; 35] = [
    SUBSCRIPTION,
    POLLING,
    ACCOUNT,
    SIGNAL_NOTIFY,
    SIGNAL_LIFECYCLE,
    SIGNAL_ACCOUNT_CHANGED,
    SIGNAL_RETRY_NOW,
    SIGNAL_CLOSE,
    SIGNAL_STOP,
    SIGNAL_INTERVAL,
    SIGNAL_AUTHORIZED,
    SIGNAL_GRANT_LOST,
    SIGNAL_SUBSCRIPTION_MISSING,
    SIGNAL_SUBSCRIPTION_CLOSED,
    SIGNAL_LIST_CHANGED,
    SIGNAL_DISCOVER,
    SIGNAL_DISCONNECT,
    UPDATE_SYNC_NOW,
    UPDATE_PAUSE,
    UPDATE_RESUME,
    QUERY_STATUS,
    CREATE_CHANNEL,
    RENEW_CHANNEL,
    STOP_CHANNEL,
    CLOSE_CHANNELS,
    SYNC_CALENDAR,
    RECORD_STATE,
    SEND_ALERT,
    SETTLE_CONSENT,
    LIST_CALENDARS,
    RECORD_ACCOUNT_STATE,
    REVOKE_ACCOUNT,
    LIST_OPEN_CALENDARS,
    QUEUE_WORKFLOWS,
    QUEUE_STORE,
];

/// Task queue of a provider's calls that read events and calendars.
pub fn provider_queue(provider: Provider) -> String {
    format!("{QUEUE_WORKFLOWS}-{provider}")
}

/// Task queue of a provider's calls about channels, so that a renewal never waits behind imports.
pub fn channel_queue(provider: Provider) -> String {
    format!("{QUEUE_WORKFLOWS}-{provider}-channels")
}

/// The id of a calendar's subscription.
pub fn subscription_id(calendar: CalendarId) -> String {
    format!("{SUBSCRIPTION}/{calendar}")
}

/// The id of the poller of a calendar.
pub fn polling_id(calendar: CalendarId) -> String {
    format!("{POLLING}/{calendar}")
}

/// The id of an account's workflow.
pub fn account_id(account: AccountId) -> String {
    format!("{ACCOUNT}/{account}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_names_never_change() {
        assert_eq!(
            ALL.join(" "),
            "subscription polling account notify lifecycle account_changed retry_now close stop interval authorized grant_lost \
             subscription_missing subscription_closed list_changed discover disconnect sync_now pause resume status \
             create_channel renew_channel stop_channel close_channels sync_calendar record_state send_alert settle_consent \
             list_calendars record_account_state revoke_account list_open_calendars evercal evercal-store"
        );
    }

    #[test]
    fn each_provider_has_queues_of_its_own() {
        let provider = Provider::new("somewhere");
        assert_eq!(provider_queue(provider), "evercal-somewhere");
        assert_eq!(channel_queue(provider), "evercal-somewhere-channels");
    }
}
