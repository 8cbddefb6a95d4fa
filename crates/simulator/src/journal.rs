//! The append-only file that lets the simulator survive `kill -9`: one JSON line for each changed entity, the
//! last line for a key wins. A line reaches the operating system before the HTTP answer goes out; it is not
//! forced to disk, so a power cut may lose the newest changes. Not a database: everything is read at start.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

const FILE_NAME: &str = "simulator.jsonl";
const LOCK_NAME: &str = "simulator.lock";

/// Why a journal could not be opened or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file system refused.
    #[error("simulator journal: {0}")]
    Io(#[from] io::Error),
    /// Another simulator uses the same data folder.
    #[error("simulator journal: another simulator already uses this data folder")]
    InUse,
    /// A line in the middle of the file cannot be read; a torn last line is not an error.
    #[error("simulator journal: line {line} cannot be read: {reason}")]
    Corrupt {
        /// The line, counted from 1.
        line: usize,
        /// What the JSON parser said.
        reason: String,
    },
    /// The simulator has ended.
    #[error("simulator journal: it is closed")]
    Closed,
    /// A value could not be turned into JSON.
    #[error("simulator journal: {0}")]
    Encode(#[from] serde_json::Error),
}

#[derive(Serialize)]
struct LineOut<'a, T> {
    k: &'a str,
    v: Option<&'a T>,
}

#[derive(Deserialize)]
struct LineIn {
    k: String,
    v: Value,
}

/// Collects the changes of one operation and appends them together. Without a file it forgets them.
pub(crate) struct Journal {
    file: Option<File>,
    /// Held as long as the simulator lives, so that two of them never share a folder.
    lock: Option<File>,
    pending: Vec<u8>,
    failure: Option<JournalError>,
    closed: bool,
}

impl Journal {
    /// A journal that keeps nothing.
    pub(crate) fn in_memory() -> Self {
        Self { file: None, lock: None, pending: Vec::new(), failure: None, closed: false }
    }

    /// Opens or creates the journal of a folder, compacts it, and gives the newest value of each key.
    pub(crate) fn open(folder: &Path) -> Result<(Self, BTreeMap<String, Value>), JournalError> {
        std::fs::create_dir_all(folder)?;
        let lock = File::create(folder.join(LOCK_NAME))?;
        lock.try_lock().map_err(|error| match error {
            std::fs::TryLockError::WouldBlock => JournalError::InUse,
            std::fs::TryLockError::Error(error) => JournalError::Io(error),
        })?;
        let path = folder.join(FILE_NAME);
        let entries = read_entries(&path)?;
        write_compacted(&path, &entries)?;
        let file = OpenOptions::new().append(true).open(&path)?;
        let journal = Self { file: Some(file), lock: Some(lock), pending: Vec::new(), failure: None, closed: false };
        Ok((journal, entries))
    }

    /// Notes the new value of a key; it is written by the next [`Self::commit`].
    pub(crate) fn put<T: Serialize>(&mut self, key: &str, value: &T) {
        self.note(&LineOut { k: key, v: Some(value) });
    }

    /// Notes that a key is gone.
    pub(crate) fn remove(&mut self, key: &str) {
        self.note(&LineOut::<()> { k: key, v: None });
    }

    fn note<T: Serialize>(&mut self, line: &LineOut<'_, T>) {
        if self.closed {
            self.failure = Some(JournalError::Closed);
        } else if self.file.is_some() {
            match serde_json::to_writer(&mut self.pending, line) {
                Ok(()) => self.pending.push(b'\n'),
                Err(error) => self.failure = Some(error.into()),
            }
        }
    }

    /// Frees the folder for another simulator; later changes fail.
    pub(crate) fn close(&mut self) {
        self.file = None;
        self.lock = None;
        self.closed = true;
    }

    /// Hands everything noted since the last commit to the operating system.
    pub(crate) fn commit(&mut self) -> Result<(), JournalError> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        if let Some(file) = &mut self.file
            && !self.pending.is_empty()
        {
            file.write_all(&self.pending)?;
            self.pending.clear();
        }
        Ok(())
    }
}

fn read_entries(path: &Path) -> Result<BTreeMap<String, Value>, JournalError> {
    let mut entries = BTreeMap::new();
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(entries),
        Err(error) => return Err(error.into()),
    };
    let mut unreadable: Option<(usize, String)> = None;
    for (index, line) in BufReader::new(file).split(b'\n').enumerate() {
        let line = line?;
        if let Some((line, reason)) = unreadable {
            return Err(JournalError::Corrupt { line, reason });
        }
        match serde_json::from_slice::<LineIn>(&line) {
            Ok(LineIn { k, v: Value::Null }) => {
                entries.remove(&k);
            }
            Ok(LineIn { k, v }) => {
                entries.insert(k, v);
            }
            // Tolerated only when nothing follows: then the process was killed while it wrote this line.
            Err(error) => unreadable = Some((index + 1, error.to_string())),
        }
    }
    Ok(entries)
}

fn write_compacted(path: &Path, entries: &BTreeMap<String, Value>) -> Result<(), JournalError> {
    let fresh = path.with_extension("jsonl.new");
    let mut writer = BufWriter::new(File::create(&fresh)?);
    for (k, v) in entries {
        serde_json::to_writer(&mut writer, &LineOut { k, v: Some(v) })?;
        writer.write_all(b"\n")?;
    }
    writer.into_inner().map_err(io::IntoInnerError::into_error)?;
    std::fs::rename(&fresh, path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_last_value_of_a_key_wins_and_removed_keys_are_gone() {
        let folder = tempfile::tempdir().unwrap();
        {
            let (mut journal, entries) = Journal::open(folder.path()).unwrap();
            assert!(entries.is_empty());
            journal.put("a", &1);
            journal.put("b", &1);
            journal.put("a", &2);
            journal.remove("b");
            journal.commit().unwrap();
        }
        let (_journal, entries) = Journal::open(folder.path()).unwrap();
        assert_eq!(entries, BTreeMap::from([("a".to_owned(), json!(2))]));
    }

    #[test]
    fn a_torn_last_line_is_ignored_and_a_torn_line_in_the_middle_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        std::fs::write(&path, "{\"k\":\"a\",\"v\":1}\n{\"k\":\"b\",\"v").unwrap();
        assert_eq!(read_entries(&path).unwrap().len(), 1);
        std::fs::write(&path, "{\"k\":\"a\",\"v\n{\"k\":\"b\",\"v\":1}\n").unwrap();
        assert!(matches!(read_entries(&path), Err(JournalError::Corrupt { line: 1, .. })));
    }

    #[test]
    fn two_simulators_cannot_share_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let _first = Journal::open(folder.path()).unwrap();
        assert!(matches!(Journal::open(folder.path()), Err(JournalError::InUse)));
    }
}
