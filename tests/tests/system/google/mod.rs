//! Google: all behaviours, and what is about its own wire, events in its form included.

mod answers;
mod event_fields;
mod limits;
mod reconnect;
mod undocumented;
mod unkind;
mod window;
mod zones;

use evercal_simulator::Control;
use evercal_tests::{Google, World};

crate::behaviours::behaviours!(evercal_tests::Google);

/// The provider's control, with what only Google has.
fn control(world: &World) -> &Control {
    Google::of(&*world.provider).own_control()
}
