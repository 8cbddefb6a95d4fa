//! `evercal dev` as its users have it: processes, a data folder, and kills at any moment.

// The `cfg` is always true here; it shows clippy that helper functions are test code too.
#[cfg(test)]
mod certificates;
#[cfg(test)]
mod company;
#[cfg(test)]
mod full_disk;
#[cfg(test)]
mod installation;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod life;
#[cfg(test)]
mod lost_store;
#[cfg(test)]
mod lost_worker;
#[cfg(test)]
mod missing_workers;
#[cfg(test)]
mod operations;
#[cfg(test)]
mod private;
#[cfg(test)]
mod temporal_tls;
#[cfg(test)]
mod tenants;
#[cfg(test)]
mod zone_data;
