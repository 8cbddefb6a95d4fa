//! The gateway as a process: what it holds and writes while somebody misbehaves, that it goes on while its log cannot be
//! written, and how it ends without its store. Temporal is away.

// `cfg(test)` tells the lints that helpers are tests too.
#[cfg(test)]
mod attacks;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod log;
#[cfg(test)]
mod support;
