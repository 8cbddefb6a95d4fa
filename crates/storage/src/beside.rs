//! A file beside a database, for lines that cannot be written into it because it is not there. It has few: whoever opens the
//! database next takes them over.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::error::{StoreError, StoreErrorKind};

/// The largest file; more of the same outage would say nothing new.
const BYTES_MAX: u64 = 64 * 1024;

/// Adds a line, unless the file is full.
pub fn append(path: &Path, line: &str) -> Result<(), StoreError> {
    let add = || {
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        if file.metadata()?.len() < BYTES_MAX {
            // In one call, so that lines of two processes do not mix.
            file.write_all(format!("{line}\n").as_bytes())?;
        }
        Ok(())
    };
    add().map_err(failed("write beside the database"))
}

/// The lines; none where there is no file.
pub fn lines(path: &Path) -> Result<Vec<String>, StoreError> {
    let read = || {
        let mut text = Vec::new();
        match fs::File::open(path) {
            Ok(file) => file.take(2 * BYTES_MAX).read_to_end(&mut text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        Ok(String::from_utf8_lossy(&text).lines().map(str::to_owned).collect())
    };
    read().map_err(failed("read beside the database"))
}

/// Deletes the file where there is one.
pub fn delete(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("delete beside the database")(error)),
        _ => Ok(()),
    }
}

fn failed(what: &'static str) -> impl Fn(io::Error) -> StoreError {
    move |error| StoreError::caused_by(StoreErrorKind::Unavailable, what, error)
}
