//! The file that takes what a child writes. Its lock says whether an earlier child is still alive.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long the child of a killed predecessor may take to go.
const PREDECESSOR_GRACE: Duration = Duration::from_secs(10);
/// Time between two checks whether it has gone.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// Bytes at the end of a log that are searched for the tail; stack traces of the server are long.
const TAIL_BYTES: u64 = 64 * 1024;
const TAIL_LINES: usize = 10;
/// Characters of each of them.
const TAIL_LINE_CHARS: usize = 600;

/// Opens a log to append to it and locks it. The lock goes to the child with the file and ends when we and
/// the child have closed it. `None`: an earlier child still held it after ten seconds.
pub(crate) async fn open(path: &Path) -> io::Result<Option<File>> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    let give_up_at = Instant::now() + PREDECESSOR_GRACE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if Instant::now() < give_up_at => sleep(POLL_INTERVAL).await,
            Err(TryLockError::WouldBlock) => return Ok(None),
        }
    }
}

/// The last lines after byte `start`, shortened; a problem in reading becomes the text.
pub(crate) fn tail(path: &Path, start: u64) -> String {
    let read = || -> io::Result<String> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(start.max(length.saturating_sub(TAIL_BYTES))))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(last_lines(&String::from_utf8_lossy(&bytes)))
    };
    read().unwrap_or_else(|error| format!("(cannot read {}: {error})", path.display()))
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let shown = lines.iter().skip(lines.len().saturating_sub(TAIL_LINES));
    shown.map(|line| line.chars().take(TAIL_LINE_CHARS).collect::<String>()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_has_the_last_lines_each_cut_to_a_readable_length() {
        let long = "x".repeat(TAIL_LINE_CHARS * 2);
        let lines: Vec<String> = (0..TAIL_LINES * 2).map(|number| format!("{number} {long}")).collect();
        let tail = last_lines(&lines.join("\n"));
        assert_eq!(tail.lines().count(), TAIL_LINES);
        assert!(tail.starts_with(&format!("{TAIL_LINES} x")));
        assert!(tail.lines().all(|line| line.chars().count() == TAIL_LINE_CHARS));
    }
}
