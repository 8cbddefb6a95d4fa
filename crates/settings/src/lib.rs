//! How named values (environment variables, in the end) become the settings that several processes share: store, keys,
//! OAuth client, durations, the way to Temporal.
//!
//! Libraries never read the environment: a binary makes [`Sources`] of it, and hands a [`Lookup`] in. Settings of one
//! process alone are read beside that process. An error names the variable, what is wrong with its value, and an example;
//! never the value itself.

mod lookup;
pub mod names;
mod shared;
mod sources;
mod strategies;
mod temporal;

pub use lookup::{ConfigError, Lookup};
pub use shared::{
    TimingDocument, channel_token_keys, database_connections, database_url, google, google_auth_url, google_base_url,
    google_client_id, google_client_secret, keyring, keyring_if_set, log_filter, public_url, store, timing,
    timing_document, use_zone_data, webhook_address, zone_data_folder,
};
pub use sources::{CONFIG_FILE, Environment, Source, Sources};
pub use strategies::{strategy_variable, sync_strategies, sync_strategy};
pub use temporal::{TemporalTarget, payload_codec, temporal_target};
