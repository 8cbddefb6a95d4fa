//! Words for people on stderr.

use std::fmt::Display;
use std::io::Write as _;

/// Writes a line to stderr. `eprintln!` would end whoever says something when nobody can hear it any more: a pipe that was
/// closed, or a full disk.
pub fn say(line: impl Display) {
    let _nobody_hears = writeln!(std::io::stderr(), "{line}");
}
