//! Which workflows there are, and what can be sent to each, as definitions that name no workflow's code: so workflows start
//! and signal each other through the contract, and none imports another.
//!
//! The handlers are in the workflows (`#[signal(name = …)]`); a test holds their names to these.

use temporalio_common::{HasWorkflowDefinition, SignalDefinition, UpdateDefinition, WorkflowDefinition};

use super::{
    AccountChanged, AccountInput, Close, Ended, GrantLost, Lifecycle, ListChanged, Notify, PollingInput,
    PollingInterval, SubscriptionClosed, SubscriptionInput, SubscriptionMissing, SyncNowResult,
};
use crate::names;

/// Defines a workflow: its type's name, what it takes and how it ends.
macro_rules! workflow {
    ($(#[$doc:meta])* $marker:ident = $name:path, $input:ty => $output:ty) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $marker;

        impl WorkflowDefinition for $marker {
            type Input = $input;
            type Output = $output;

            fn name(&self) -> &str {
                $name
            }
        }

        impl HasWorkflowDefinition for $marker {
            type Run = Self;
        }
    };
}

/// Defines what can be sent to a workflow: the names and payloads of signals, and the answers of updates. A handler takes the
/// payload raw and unpacks it leniently.
macro_rules! messages {
    ($kind:ident, $workflow:ident: $($(#[$doc:meta])* $marker:ident = $name:path, $payload:ty $(=> $answer:ty)?;)+) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy)]
            pub struct $marker;

            impl $kind for $marker {
                type Workflow = $workflow;
                type Input = $payload;
                $(type Output = $answer;)?

                fn name(&self) -> &str {
                    $name
                }
            }
        )+
    };
}

workflow! {
    /// The subscription of a calendar.
    SubscriptionDefinition = names::SUBSCRIPTION, SubscriptionInput => Ended
}
workflow! {
    /// An account.
    AccountDefinition = names::ACCOUNT, AccountInput => Ended
}
workflow! {
    /// The poller of a calendar.
    PollingDefinition = names::POLLING, PollingInput => Ended
}

messages! { SignalDefinition, SubscriptionDefinition:
    /// Something may have changed.
    NotifySignal = names::SIGNAL_NOTIFY, Notify;
    /// The provider says something of the channel itself.
    LifecycleSignal = names::SIGNAL_LIFECYCLE, Lifecycle;
    /// Something about the account concerns its subscriptions.
    AccountChangedSignal = names::SIGNAL_ACCOUNT_CHANGED, AccountChanged;
    /// The provider was seen to answer again: what failed is retried now.
    RetryNowSignal = names::SIGNAL_RETRY_NOW, ();
    /// End, and stop your channels.
    CloseSignal = names::SIGNAL_CLOSE, Close;
}

messages! { SignalDefinition, PollingDefinition:
    /// End.
    StopSignal = names::SIGNAL_STOP, ();
    /// Ask for a sync this often from now on.
    IntervalSignal = names::SIGNAL_INTERVAL, PollingInterval;
}

messages! { SignalDefinition, AccountDefinition:
    /// Somebody consented (again); the code is in the store.
    AuthorizedSignal = names::SIGNAL_AUTHORIZED, ();
    /// A subscription found the grant dead.
    GrantLostSignal = names::SIGNAL_GRANT_LOST, GrantLost;
    /// A notice came for a calendar whose subscription was not found.
    SubscriptionMissingSignal = names::SIGNAL_SUBSCRIPTION_MISSING, SubscriptionMissing;
    /// A subscription has ended.
    SubscriptionClosedSignal = names::SIGNAL_SUBSCRIPTION_CLOSED, SubscriptionClosed;
    /// The provider announced a change of the list of calendars.
    ListChangedSignal = names::SIGNAL_LIST_CHANGED, ListChanged;
    /// Read the list of calendars now, whatever it waits for.
    DiscoverSignal = names::SIGNAL_DISCOVER, ();
    /// Take everything down.
    DisconnectSignal = names::SIGNAL_DISCONNECT, Close;
}

messages! { UpdateDefinition, SubscriptionDefinition:
    /// Sync now, and answer how it went.
    SyncNowUpdate = names::UPDATE_SYNC_NOW, () => SyncNowResult;
    /// Keep the channel, skip syncs.
    PauseUpdate = names::UPDATE_PAUSE, () => ();
    /// Sync again.
    ResumeUpdate = names::UPDATE_RESUME, () => ();
}
