//! The gateway as a process, attacked: what it holds and writes while somebody misbehaves. Temporal is away.

// `cfg(test)` tells the lints that helpers are tests too.
#[cfg(test)]
mod attacks;
#[cfg(test)]
mod support;
