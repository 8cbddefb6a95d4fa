//! Words for people on stderr.

use std::fmt::Display;
use std::io::Write as _;

/// Writes a line to stderr. `eprintln!` panics where nothing can be written any more: into a pipe that was closed, or on a
/// full disk.
pub fn say(line: impl Display) {
    let _not_written = writeln!(std::io::stderr(), "{line}");
}
