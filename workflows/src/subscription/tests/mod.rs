//! Tests of a subscription as a whole, and what all its tests build their states with.

pub(super) mod builders;
mod invariants;
