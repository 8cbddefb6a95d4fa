//! What every process of evercal needs, from its start to its end: background tasks that are watched, a log that harms
//! nobody when it cannot be written, files that only their owner reads, the signal to stop, and the exit code.
//!
//! Not for settings (`crates/settings`), and not for what any task does.

mod counted;
mod ending;
mod log_writer;
mod logging;
mod privacy;
mod say;
mod stopping;
mod tasks;

pub use counted::CountedLine;
pub use ending::end;
pub use log_writer::{LogFlush, LogWriter, log_lines_lost};
pub use logging::{log_as_json, log_as_json_into};
pub use privacy::{keep_files_private, make_private};
pub use say::say;
pub use stopping::stop_signal;
pub use tasks::{Pulse, SilentTask, TaskFailure, Tasks};
#[doc(hidden)]
pub use tracing;
