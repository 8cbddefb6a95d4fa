//! The programs: taken from the cache, else built by Go from the modules pinned in `deploy/temporal`.
//!
//! The key of a cache folder is made from the server's version, a digest of the pins and the platform, so
//! a changed pin builds anew and an old checkout still finds its own.

use std::collections::VecDeque;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::error::DevserverError;
use crate::lifeline::{self, Lifeline};
use crate::options::TemporalOptions;
use crate::progress::Progress;

const GO_MOD: &str = include_str!("../../../deploy/temporal/go.mod");
const GO_SUM: &str = include_str!("../../../deploy/temporal/go.sum");

const SERVER: Program = Program { file: "temporal-server", package: "go.temporal.io/server/cmd/server" };
const UI: Program = Program { file: "temporal-ui", package: "github.com/temporalio/ui-server/v2/cmd/server" };

/// Only needed where the server keeps its state in PostgreSQL.
const SCHEMA_TOOL: Program = Program { file: "temporal-sql-tool", package: "go.temporal.io/server/cmd/tools/sql" };

/// Lines of Go's output that an error shows.
const OUTPUT_TAIL_LINES: usize = 15;
/// Time between two checks of the lock of another builder, and at least between two signs of progress.
const TICK: Duration = Duration::from_millis(500);
/// Of the hash over the pinned versions, in the name of their folder.
const PINS_HEX_DIGITS: usize = 16;

struct Program {
    file: &'static str,
    package: &'static str,
}

/// Paths of programs that are there.
#[derive(Debug)]
pub struct Binaries {
    /// The server.
    pub server: PathBuf,
    /// Its UI.
    pub ui: PathBuf,
    /// What makes its tables; there only when they are to be in PostgreSQL.
    pub schema_tool: PathBuf,
}

impl Binaries {
    fn in_folder(folder: &Path) -> Self {
        Self { server: folder.join(SERVER.file), ui: folder.join(UI.file), schema_tool: folder.join(SCHEMA_TOOL.file) }
    }

    fn exist(&self, with_schema_tool: bool) -> bool {
        self.server.is_file() && self.ui.is_file() && (!with_schema_tool || self.schema_tool.is_file())
    }
}

/// Whether they have been built on this machine.
pub(crate) fn are_built(options: &TemporalOptions) -> bool {
    Binaries::in_folder(&options.cache_dir.join(cache_key())).exist(options.postgres.is_some())
}

/// Finds the programs or builds them. Several processes may call this at once: one builds, the others wait.
pub async fn ensure(options: &TemporalOptions) -> Result<Binaries, DevserverError> {
    let folder = options.cache_dir.join(cache_key());
    let binaries = Binaries::in_folder(&folder);
    let with_schema_tool = options.postgres.is_some();
    if binaries.exist(with_schema_tool) {
        return Ok(binaries);
    }
    let unavailable = |reason| DevserverError::Unavailable {
        reason,
        go_version: directive(GO_MOD, "go").to_owned(),
        build_dir: folder.clone(),
    };
    let Some(go) = find_program("go", &options.search_path) else {
        return Err(unavailable("it has not been built on this machine yet, and Go is not on PATH".to_owned()));
    };
    let module = folder.join("module");
    fs::create_dir_all(&module).map_err(DevserverError::io("create", &module))?;
    let _lock = lock_build(&folder.join("lock")).await?;
    for (name, content) in [("go.mod", GO_MOD), ("go.sum", GO_SUM)] {
        let path = module.join(name);
        fs::write(&path, content).map_err(DevserverError::io("write", &path))?;
    }
    let programs = [SERVER, UI].into_iter().chain(with_schema_tool.then_some(SCHEMA_TOOL));
    for program in programs {
        let target = folder.join(program.file);
        if !target.is_file() {
            build(&go, options, &module, &program, &target).await?.map_err(unavailable)?;
        }
    }
    Ok(binaries)
}

/// Builds one program; the inner error is Go's own explanation.
async fn build(
    go: &Path,
    options: &TemporalOptions,
    module: &Path,
    program: &Program,
    target: &Path,
) -> Result<Result<(), String>, DevserverError> {
    let unfinished = target.with_extension("unfinished");
    let mut progress = Progress::start(format!(
        "building {} {} (once, some minutes)",
        program.file,
        directive(GO_MOD, program.package)
    ));
    let args = ["build".as_ref(), "-v".as_ref(), "-o".as_ref(), unfinished.as_os_str(), program.package.as_ref()];
    let mut command = lifeline::command(go, args);
    // A workspace file above the cache folder must not change what is built.
    command.current_dir(module).env("PATH", &options.search_path).env("GOWORK", "off");
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let failed = || DevserverError::io("run", go);
    let mut process = Lifeline::spawn(command).map_err(failed())?;
    let mut tail = VecDeque::new();
    if let Some(stderr) = process.child.stderr.take() {
        let mut lines = BufReader::new(stderr).lines();
        let mut ticks = tokio::time::interval(TICK);
        let mut packages = 0_u32;
        loop {
            tokio::select! {
                line = lines.next_line() => match line.map_err(failed())? {
                    Some(line) => {
                        packages += 1;
                        if tail.len() == OUTPUT_TAIL_LINES {
                            tail.pop_front();
                        }
                        tail.push_back(line);
                    }
                    None => break,
                },
                _ = ticks.tick() => {
                    progress.show(&format!("{packages} steps, {}", tail.back().map_or("starting", String::as_str)));
                }
            }
        }
    }
    let status = process.child.wait().await.map_err(failed())?;
    if !status.success() {
        let output = tail.into_iter().collect::<Vec<_>>().join("\n  ");
        return Ok(Err(format!("`go build {}` failed ({status}):\n  {output}", program.package)));
    }
    fs::rename(&unfinished, target).map_err(DevserverError::io("rename", &unfinished))?;
    progress.finish();
    Ok(Ok(()))
}

/// Holds off other builders until the file is dropped.
async fn lock_build(path: &Path) -> Result<File, DevserverError> {
    let file = File::create(path).map_err(DevserverError::io("create", path))?;
    let mut waiting: Option<Progress> = None;
    loop {
        match file.try_lock() {
            Ok(()) => {
                if let Some(progress) = waiting {
                    progress.finish();
                }
                return Ok(file);
            }
            Err(TryLockError::WouldBlock) => {
                let title = "waiting for another process that builds Temporal";
                waiting.get_or_insert_with(|| Progress::start(title)).show("");
                tokio::time::sleep(TICK).await;
            }
            Err(TryLockError::Error(error)) => return Err(DevserverError::io("lock", path)(error)),
        }
    }
}

fn cache_key() -> String {
    let server = directive(GO_MOD, "go.temporal.io/server");
    let digest = hex::encode(Sha256::new().chain_update(GO_MOD).chain_update(GO_SUM).finalize());
    let pins: String = digest.chars().take(PINS_HEX_DIGITS).collect();
    format!("{server}-{pins}-{}-{}", std::env::consts::OS, std::env::consts::ARCH)
}

/// The word after `name` in go.mod: the version of the module that holds package `name`, or of Go itself.
fn directive<'a>(go_mod: &'a str, name: &str) -> &'a str {
    let modules = go_mod.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (module, version) = (words.next()?, words.next()?);
        let is_version = version.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit());
        let holds = name.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        (is_version && holds).then_some((module, version))
    });
    // The longest path wins: modules may nest.
    modules.max_by_key(|(module, _)| module.len()).map_or("(unknown version)", |(_, version)| version)
}

/// The first program of this name in the folders of a `PATH`.
pub(crate) fn find_program(name: &str, search_path: &std::ffi::OsStr) -> Option<PathBuf> {
    std::env::split_paths(search_path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_versions_are_read_from_the_pins() {
        let go_mod = "module m\ngo 1.2.3\ntool a.b/c/cmd\nrequire (\n\ta.b v0.1.0 // indirect\n\ta.b/c v2.0.0\n)\n";
        assert_eq!(directive(go_mod, "go"), "1.2.3");
        assert_eq!(directive(go_mod, "a.b/c/cmd"), "v2.0.0");
        for pinned in ["go", SERVER.package, UI.package] {
            assert!(directive(GO_MOD, pinned).contains('.'), "{pinned}");
        }
    }

    #[test]
    fn the_cache_folder_names_version_pins_and_platform() {
        let key = cache_key();
        assert!(key.starts_with(directive(GO_MOD, SERVER.package)), "{key}");
        assert!(key.ends_with(std::env::consts::ARCH), "{key}");
    }
}
