//! An operator changes a setting: the worker is started anew with it, and the account reads its list of calendars, which
//! brings the new value to the subscriptions. In production the list is read daily.

use evercal_domain::AccountId;
use evercal_workflows::{AccountWorkflow, names};
use temporalio_client::WorkflowSignalOptions;
use temporalio_common::data_converters::RawValue;

use crate::settings::Settings;
use crate::world::World;

/// Changes the settings of workers, and has an account apply them.
pub async fn reconfigure(world: &mut World, account: AccountId, change: impl FnOnce(&mut Settings)) {
    change(&mut world.settings);
    world.stop_worker().await.expect("the worker ends in order");
    world.start_worker().expect("a worker with the new settings");
    discover(world, account).await;
}

/// Has an account read its list of calendars.
pub async fn discover(world: &World, account: AccountId) {
    let workflow = world.temporal.client.get_workflow_handle::<AccountWorkflow>(names::account_id(account));
    let signalled =
        workflow.signal(AccountWorkflow::discover, RawValue::empty(), WorkflowSignalOptions::default()).await;
    signalled.expect("the account gets the signal");
}
