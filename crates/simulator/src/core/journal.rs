//! The append-only file that lets the simulator survive `kill -9`: one JSON line for each changed entity, the
//! last line for a key wins. A line reaches the operating system before the HTTP answer goes out; it is not
//! forced to disk, so a power cut may lose the newest changes. What a full disk refused is kept and written with the next
//! commit, and a line that was written in part is cut off. Not a database: everything is read at start.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
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
    /// A line in the middle of the file cannot be read; a torn last line is cut off.
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
    file: Option<Appended>,
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
        evercal_process::make_private(folder)?;
        let lock = private().write(true).create(true).truncate(false).open(folder.join(LOCK_NAME))?;
        lock.try_lock().map_err(|error| match error {
            std::fs::TryLockError::WouldBlock => JournalError::InUse,
            std::fs::TryLockError::Error(error) => JournalError::Io(error),
        })?;
        let path = folder.join(FILE_NAME);
        let (entries, readable_bytes) = read_entries(&path)?;
        let fresh = path.with_extension("jsonl.new");
        if let Err(error) = write_compacted(&path, &fresh, &entries) {
            // A full disk has room for what is there: it goes on with that.
            tracing::warn!(%error, "the journal stays as long as it is");
            drop(std::fs::remove_file(&fresh));
            if path.exists() {
                File::options().write(true).open(&path)?.set_len(readable_bytes)?;
                evercal_process::make_private(&path)?;
            }
        }
        let file = Appended::open(&path)?;
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

    /// Hands everything noted since the last commit that did so to the operating system.
    pub(crate) fn commit(&mut self) -> Result<(), JournalError> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        if let Some(file) = &mut self.file
            && !self.pending.is_empty()
        {
            file.append(&self.pending)?;
            self.pending.clear();
        }
        Ok(())
    }
}

/// A file that only grows by whole pieces.
struct Appended {
    file: File,
    /// Up to here it is whole.
    length: u64,
    /// There is more, of a piece that did not fit.
    is_torn: bool,
}

impl Appended {
    fn open(path: &Path) -> io::Result<Self> {
        let file = private().append(true).create(true).open(path)?;
        let length = file.metadata()?.len();
        Ok(Self { file, length, is_torn: false })
    }

    fn append(&mut self, piece: &[u8]) -> io::Result<()> {
        if self.is_torn {
            self.file.set_len(self.length)?;
            self.is_torn = false;
        }
        if let Err(error) = self.file.write_all(piece) {
            // Now, so that a kill leaves no torn line; where that fails, before the next piece.
            self.is_torn = self.file.set_len(self.length).is_err();
            return Err(error);
        }
        self.length = self.length.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        Ok(())
    }
}

/// The journal holds other people's events as long as they are made up; it is nobody else's to read all the same.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// The newest value of each key, and up to which byte the file can be read: a line without its end is one that a kill or a
/// full disk tore, and nobody was answered that it is there.
fn read_entries(path: &Path) -> Result<(BTreeMap<String, Value>, u64), JournalError> {
    let (mut entries, mut readable_bytes) = (BTreeMap::new(), 0);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((entries, readable_bytes)),
        Err(error) => return Err(error.into()),
    };
    let (mut reader, mut text) = (BufReader::new(file), Vec::new());
    for line in 1.. {
        text.clear();
        let bytes = reader.read_until(b'\n', &mut text)?;
        if text.pop() != Some(b'\n') {
            break;
        }
        match serde_json::from_slice::<LineIn>(&text) {
            Ok(LineIn { k, v: Value::Null }) => drop(entries.remove(&k)),
            Ok(LineIn { k, v }) => drop(entries.insert(k, v)),
            Err(error) => return Err(JournalError::Corrupt { line, reason: error.to_string() }),
        }
        readable_bytes += u64::try_from(bytes).unwrap_or(u64::MAX);
    }
    Ok((entries, readable_bytes))
}

fn write_compacted(path: &Path, fresh: &Path, entries: &BTreeMap<String, Value>) -> Result<(), JournalError> {
    let mut writer = BufWriter::new(private().write(true).create(true).truncate(true).open(fresh)?);
    for (k, v) in entries {
        serde_json::to_writer(&mut writer, &LineOut { k, v: Some(v) })?;
        writer.write_all(b"\n")?;
    }
    writer.into_inner().map_err(io::IntoInnerError::into_error)?;
    std::fs::rename(fresh, path)?;
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
    fn a_torn_last_line_is_cut_off_and_a_torn_line_in_the_middle_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        let whole = "{\"k\":\"a\",\"v\":1}\n";
        for torn in ["{\"k\":\"b\",\"v", "{\"k\":\"b\",\"v\":1}"] {
            std::fs::write(&path, format!("{whole}{torn}")).unwrap();
            assert_eq!(read_entries(&path).unwrap(), (BTreeMap::from([("a".to_owned(), json!(1))]), 16));
        }
        std::fs::write(&path, "{\"k\":\"a\",\"v\n{\"k\":\"b\",\"v\":1}\n").unwrap();
        assert!(matches!(read_entries(&path), Err(JournalError::Corrupt { line: 1, .. })));
    }

    #[test]
    fn only_the_owner_may_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("simulator");
        let (mut journal, _) = Journal::open(&data).unwrap();
        journal.put("a", &1);
        journal.commit().unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&data), 0o700);
        for file in [FILE_NAME, LOCK_NAME] {
            assert_eq!(mode(&data.join(file)), 0o600, "{file}");
        }
    }

    #[test]
    fn two_simulators_cannot_share_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let _first = Journal::open(folder.path()).unwrap();
        assert!(matches!(Journal::open(folder.path()), Err(JournalError::InUse)));
    }
}
