//! What holds between the two engines.

pub mod copy;
pub mod schema;
