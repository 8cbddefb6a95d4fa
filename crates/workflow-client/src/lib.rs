//! Whoever talks to the workflows does it by this crate: gateways, workers, the commands of operators, and the development
//! server that prepares a namespace.
//!
//! [`Workflows`] is what can be called, [`TemporalWorkflows`] calls it over Temporal. [`AccountWorkflows`] adds what an
//! account's workflow that is missing means. [`Namespace`] is Temporal's namespace: whose database its workflows belong to, and
//! what has to be registered in it.
//!
//! Not for serving task queues (`worker`), and not for what any signal leads to (`workflows`).

mod accounts;
mod help;
mod installation;
mod missing;
mod namespace;
mod registration;
mod temporal;
mod workflows;

pub use accounts::{AccountDefaults, AccountWorkflows, CallError, SignalOutcome, awaited_signal};
pub use evercal_workflows::names::{IndexedKind, search_attributes};
pub use help::temporal_help;
pub use namespace::Namespace;
pub use registration::{DEFAULT_RETENTION, RegistrationError};
pub use temporal::{CALL_TIMEOUT, TemporalWorkflows};
pub use workflows::{AccountSignal, RunningPage, StartOutcome, WorkflowError, Workflows};
