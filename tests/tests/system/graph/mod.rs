//! Microsoft Graph: all behaviours, and what is about its own wire.

mod rules;
mod series;
mod subscriptions;
mod tokens;

use evercal_simulator::microsoft::Control;
use evercal_tests::{Graph, World};

crate::behaviours::behaviours!(evercal_tests::Graph);

/// The provider's control, with what only Microsoft has.
fn control(world: &World) -> &Control {
    Graph::of(&*world.provider).own_control()
}
