//! The gateway over real HTTP and a real SQLite file; only Temporal is played by [`support::PlayedWorkflows`].

// `cfg(test)` tells the lints that helpers are tests too.
#[cfg(test)]
mod accounts;
#[cfg(test)]
mod api;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod catch_up;
#[cfg(test)]
mod description;
#[cfg(test)]
mod faulty_store;
#[cfg(test)]
mod fleet;
#[cfg(test)]
mod handshakes;
#[cfg(test)]
mod health;
#[cfg(test)]
mod in_bodies;
#[cfg(test)]
mod notices;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod played_notices;
#[cfg(test)]
mod ranges;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod shares;
#[cfg(test)]
mod store;
#[cfg(test)]
mod support;
#[cfg(test)]
mod taking;
#[cfg(test)]
mod tenants;
#[cfg(test)]
mod unproven;
