//! Handlers and the contract name the same things: the SDK binds them by name alone.

use temporalio_common::{SignalDefinition, UpdateDefinition, WorkflowDefinition};

use crate::contract::{self, Begins, NoState};
use crate::subscription::SubscriptionState;
use crate::{AccountWorkflow, PollingWorkflow, SubscriptionWorkflow};

fn workflow(code: impl WorkflowDefinition, declared: impl WorkflowDefinition) {
    assert_eq!(code.name(), declared.name());
}

fn signal(handler: impl SignalDefinition, declared: impl SignalDefinition) {
    assert_eq!(handler.name(), declared.name());
}

fn update(handler: impl UpdateDefinition, declared: impl UpdateDefinition) {
    assert_eq!(handler.name(), declared.name());
}

#[test]
fn each_workflow_has_the_name_by_which_others_start_it() {
    workflow(SubscriptionWorkflow::run, contract::SubscriptionDefinition);
    workflow(AccountWorkflow::run, contract::AccountDefinition);
    workflow(PollingWorkflow::run, contract::PollingDefinition);
}

#[test]
fn each_signal_and_update_of_the_contract_has_its_handler() {
    signal(SubscriptionWorkflow::notify, contract::NotifySignal);
    signal(SubscriptionWorkflow::account_changed, contract::AccountChangedSignal);
    signal(SubscriptionWorkflow::retry_now, contract::RetryNowSignal);
    signal(SubscriptionWorkflow::close, contract::CloseSignal);
    signal(PollingWorkflow::stop, contract::StopSignal);
    signal(PollingWorkflow::interval, contract::IntervalSignal);
    signal(AccountWorkflow::authorized, contract::AuthorizedSignal);
    signal(AccountWorkflow::grant_lost, contract::GrantLostSignal);
    signal(AccountWorkflow::subscription_missing, contract::SubscriptionMissingSignal);
    signal(AccountWorkflow::subscription_closed, contract::SubscriptionClosedSignal);
    signal(AccountWorkflow::list_changed, contract::ListChangedSignal);
    signal(AccountWorkflow::discover, contract::DiscoverSignal);
    signal(AccountWorkflow::disconnect, contract::DisconnectSignal);
    update(SubscriptionWorkflow::sync_now, contract::SyncNowUpdate);
    update(SubscriptionWorkflow::pause, contract::PauseUpdate);
    update(SubscriptionWorkflow::resume, contract::ResumeUpdate);
}

#[test]
fn a_workflow_reads_what_others_start_it_with() {
    let begins = |begins: Begins<NoState>| {
        let json = serde_json::to_string(&begins).unwrap();
        serde_json::from_str::<Begins<SubscriptionState>>(&json).unwrap()
    };
    assert_eq!(begins(Begins::First), Begins::First);
    let reason = || "not listed any more".to_owned();
    assert_eq!(begins(Begins::Closing { reason: reason() }), Begins::Closing { reason: reason() });
}
