//! The one HTTP client of evercal, for every call that goes out: connect and total timeouts, a limit on the answer's
//! size, no redirects, no proxy from the environment, and errors that say what happened without saying where.
//!
//! A request and its answer are plain values, so that building the one and reading the other are pure functions that
//! tests check with literals. Not for: deciding what an answer means (`crates/providers`), retries (Temporal does
//! them), or serving HTTP (`gateway`).

mod client;
mod error;
mod request;
mod response;

pub use client::{HttpClient, HttpSettings, SetupError, Transport, install_crypto_provider};
pub use error::{TransportError, TransportErrorKind};
pub use request::{Body, HttpRequest};
pub use reqwest::Method;
pub use response::{HttpResponse, RETRY_AFTER_MAX};
