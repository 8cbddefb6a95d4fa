//! What every process of evercal needs to stay alive and to be seen to be: background tasks that are watched, a log that
//! harms nobody when it cannot be written, and files that only their owner reads.
//!
//! Not for settings or for how a process ends (`crates/settings`), and not for what any task does.

mod log_writer;
mod privacy;
mod say;
mod tasks;

pub use log_writer::{LogFlush, LogWriter, log_lines_lost};
pub use privacy::{keep_files_private, make_private};
pub use say::say;
pub use tasks::{Pulse, SilentTask, TaskFailure, Tasks};
