//! What every simulated provider has: the state with its journal, time, the log of calls, faults and notices that go wrong,
//! seeded calendars, and the control API.

pub(crate) mod calls;
pub(crate) mod clock;
pub(crate) mod control;
pub(crate) mod faults;
pub(crate) mod journal;
pub(crate) mod net;
pub(crate) mod notices;
pub(crate) mod options;
pub(crate) mod seed;
pub(crate) mod simulator;
pub(crate) mod visitors;
pub(crate) mod world;
pub(crate) mod zones;
