//! An operator changes a setting: the worker is started anew with it, and the account looks at its list of calendars, which
//! brings it to the subscriptions. In life that look is daily.

use evercal_domain::AccountId;
use evercal_workflows::{AccountWorkflow, names};
use temporalio_client::WorkflowSignalOptions;
use temporalio_common::data_converters::RawValue;

use crate::settings::Settings;
use crate::world::World;

/// Changes what workers go by, and has an account hear of it.
pub async fn reconfigure(world: &mut World, account: AccountId, change: impl FnOnce(&mut Settings)) {
    change(&mut world.settings);
    world.stop_worker().await.expect("the worker ends in order");
    world.start_worker().expect("a worker with the new settings");
    discover(world, account).await;
}

/// Has an account look at its list of calendars.
pub async fn discover(world: &World, account: AccountId) {
    let workflow = world.temporal.client.get_workflow_handle::<AccountWorkflow>(names::account_id(account));
    let told = workflow.signal(AccountWorkflow::discover, RawValue::empty(), WorkflowSignalOptions::default()).await;
    told.expect("the account hears of it");
}
