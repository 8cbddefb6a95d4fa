//! The gateway: the HTTP server of evercal. It takes the providers' notices, lets users connect accounts and
//! answers readers from the mirror.
//!
//! Start at [`Gateway::start`] and `routes/mod.rs`. It keeps nothing of its own: what has to survive is in the store or in
//! Temporal before a request is answered. Not for calling providers (`activities`) or deciding when to sync (`workflows`).

mod answers;
mod bodies;
mod caller;
mod catch_up;
mod conditional;
pub mod config;
mod connections;
mod consent_backlog;
mod consents;
mod cursor;
mod delivery;
mod event_pages;
mod extract;
mod fleet;
mod group_commit;
mod middleware;
mod notice_bodies;
mod notices;
mod occurrences;
mod openapi;
mod outgoing;
mod parameters;
mod problem;
mod problem_kind;
mod proven;
mod providers;
mod reads;
mod refusals;
mod routes;
mod run;
mod security_log;
mod server;
mod shared_reads;
mod state;
mod sync_now;
mod tellings;
mod tenant_rates;
mod vocabulary;
mod workers;

pub use catch_up::{CatchUpPace, HEARTBEAT};
pub use config::{ConfigError, GatewayConfig, GatewayLimits, Lookup, TrustedProxies};
pub use run::{run, serve};
pub use server::{Gateway, StartError};
