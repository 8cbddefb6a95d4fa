//! The crate against real processes: the real Temporal server and UI, and small shell programs.
//! The first run builds the server into the user's cache folder.

// The `cfg` is always true here; it shows clippy that helper functions are test code too.
#[cfg(test)]
mod build;
#[cfg(test)]
mod postgres;
#[cfg(test)]
mod server;
#[cfg(test)]
mod supervise;
#[cfg(test)]
mod support;
