//! The built `evercal` against a small API with known answers, and what its processes say before they serve anybody.

// The `cfg` is always true here; it shows clippy that helper functions are test code too.
#[cfg(test)]
mod admin;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod compose;
#[cfg(test)]
mod config;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod image;
#[cfg(test)]
mod log;
#[cfg(test)]
mod ports;
#[cfg(test)]
mod server;
#[cfg(test)]
mod stub;
#[cfg(test)]
mod unfit_store;
