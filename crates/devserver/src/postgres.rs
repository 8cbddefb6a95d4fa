//! A PostgreSQL server on loopback as a child process, from the system's packages: for tests, benchmarks and trying.
//!
//! Its data live in a folder of its own, and by default it does not wait for the disk, so a power cut may damage them. Not
//! for anybody's calendars: there an operator runs PostgreSQL.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

use crate::error::DevserverError;
use crate::ports;
use crate::supervise::{ChildSpec, Supervisor};

/// Where Debian's packages put the programs, one folder for each version.
const DEBIAN_FOLDER: &str = "/usr/lib/postgresql";
/// The superuser of the cluster.
const USER: &str = "postgres";
/// The system's users that may run it when we are root, which PostgreSQL refuses to be: the one of its package, and one that
/// is everywhere.
const SYSTEM_USERS: [&str; 2] = ["postgres", "nobody"];
const CHILD: &str = "postgres";

/// How to run the server. Make one by [`PostgresOptions::new`] and change the fields.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// The folder of the cluster; made when it is not there. Each folder above it has to be open to everybody when we are
    /// root.
    pub data_dir: PathBuf,
    /// The password of the superuser; only used when the cluster is new.
    pub password: String,
    /// Whether a commit waits for the disk. Without, it is safe from the kill of any process, not from a power cut.
    pub durable: bool,
    /// Connections at a time.
    pub connections_max: u16,
}

impl PostgresOptions {
    /// A server that does not wait for the disk, for 200 connections.
    pub fn new(data_dir: impl Into<PathBuf>, password: impl Into<String>) -> Self {
        Self { data_dir: data_dir.into(), password: password.into(), durable: false, connections_max: 200 }
    }
}

/// One server for as long as this process lives, for all its tests; its folder goes with the next one that starts. It lives
/// on a thread of its own: each test has its own runtime, which takes what was started on it down when the test ends.
pub fn shared() -> Result<&'static PostgresServer, String> {
    static SERVER: OnceLock<Result<PostgresServer, String>> = OnceLock::new();
    SERVER
        .get_or_init(|| {
            let (started, server) = mpsc::channel();
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
                let runtime = match runtime {
                    Ok(runtime) => runtime,
                    Err(error) => return drop(started.send(Err(error.to_string()))),
                };
                runtime.block_on(async {
                    // A receiver that is gone means that the process ends.
                    drop(started.send(start_shared().await.map_err(|error| error.to_string())));
                    std::future::pending::<()>().await;
                });
            });
            server.recv().map_err(|error| error.to_string())?
        })
        .as_ref()
        .map_err(Clone::clone)
}

async fn start_shared() -> Result<PostgresServer, DevserverError> {
    let parent = std::env::temp_dir();
    remove_abandoned(&parent);
    let folder = parent.join(format!("{SHARED_FOLDERS}{}", std::process::id()));
    fs::create_dir(&folder).map_err(DevserverError::io("create", &folder))?;
    PostgresServer::start(PostgresOptions::new(&folder, "test")).await
}

/// Folders of shared servers, with the process id of their owner behind it.
const SHARED_FOLDERS: &str = "evercal-postgres-";

/// Removes the folders of processes that are gone. What cannot be removed is somebody else's, and stays.
fn remove_abandoned(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().filter_map(Result::ok) {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(SHARED_FOLDERS)?.parse::<u32>().ok());
        if owner.is_some_and(|owner| !Path::new(&format!("/proc/{owner}")).exists()) {
            drop(fs::remove_dir_all(entry.path()));
        }
    }
}

/// A running server; dropping it kills it.
#[derive(Debug)]
pub struct PostgresServer {
    supervisor: Supervisor,
    programs: Programs,
    port: u16,
    password: String,
}

impl PostgresServer {
    /// Returns when the server answers.
    pub async fn start(options: PostgresOptions) -> Result<Self, DevserverError> {
        let programs = Programs::find()?;
        let cluster = options.data_dir.join("cluster");
        if !cluster.join("PG_VERSION").exists() {
            programs.make_cluster(&cluster, &options)?;
        }
        let port = ports::free_port(&options.data_dir);
        let port = port.ok_or_else(|| DevserverError::PortsInUse("any port from 17000 to 32000".to_owned()))?;
        let settings = [
            format!("port={port}"),
            "listen_addresses=127.0.0.1".to_owned(),
            "unix_socket_directories=".to_owned(),
            format!("max_connections={}", options.connections_max),
            format!("fsync={0}", on_or_off(options.durable)),
            format!("full_page_writes={0}", on_or_off(options.durable)),
        ];
        let mut arguments: Vec<OsString> = vec!["-D".into(), cluster.into()];
        arguments.extend(settings.into_iter().flat_map(|setting| ["-c".into(), setting.into()]));
        let (program, arguments) = programs.as_user("postgres", arguments);
        let mut child = ChildSpec::new(CHILD, program, options.data_dir.join("postgres.log"));
        child.args = arguments;
        // It waits for its clients to leave when it is asked to end, which those of a test do not always do.
        child.stop_timeout = Duration::from_secs(2);
        let mut supervisor = Supervisor::new();
        let server = Self { supervisor: Supervisor::new(), programs, port, password: options.password };
        supervisor.start(child, || async { server.answers() }).await?;
        Ok(Self { supervisor, ..server })
    }

    /// Where it listens: `127.0.0.1:<port>`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The superuser's name.
    pub fn user(&self) -> &'static str {
        USER
    }

    /// The superuser's password.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The URL of a database of the server.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}:{}@127.0.0.1:{}/{database}", self.password, self.port)
    }

    /// Makes an empty database. Blocks for some ten milliseconds.
    pub fn create_database(&self, name: &str) -> Result<(), DevserverError> {
        // The template that nobody can have put anything into.
        let arguments = ["--template=template0", "--encoding=UTF8", name];
        run("createdb", self.client("createdb").args(arguments)).map(drop)
    }

    /// Runs SQL, and answers what `psql` prints: one line per row, columns separated by `|`.
    pub fn query(&self, database: &str, sql: &str) -> Result<String, DevserverError> {
        let arguments = ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"];
        run("psql", self.client("psql").args(arguments).args(["--dbname", database, "--command", sql]))
    }

    /// The process id of the server while it runs; another one after each restart.
    pub fn pid(&self) -> Option<u32> {
        self.supervisor.pid(CHILD)
    }

    /// Stops the server.
    pub async fn stop(self) {
        self.supervisor.stop().await;
    }

    fn answers(&self) -> bool {
        let mut probe = self.client("pg_isready");
        probe.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    }

    fn client(&self, program: &'static str) -> Command {
        let mut command = Command::new(self.programs.folder.join(program));
        command.env("PGHOST", "127.0.0.1").env("PGPORT", self.port.to_string()).env("PGUSER", USER);
        command.env("PGPASSWORD", &self.password).env("PGDATABASE", "postgres");
        command
    }
}

/// The programs of one version of PostgreSQL.
#[derive(Debug)]
struct Programs {
    folder: PathBuf,
    /// We are root and have to become somebody else: the ids of that user and of its group.
    become_user: Option<(String, String)>,
}

impl Programs {
    fn find() -> Result<Self, DevserverError> {
        let folder = newest_in(Path::new(DEBIAN_FOLDER)).or_else(on_path).ok_or(DevserverError::PostgresMissing)?;
        let become_user = if id(&["-u"]).as_deref() == Some("0") { Some(system_user()?) } else { None };
        Ok(Self { folder, become_user })
    }

    /// A program and its arguments, through `setpriv` when we are root.
    fn as_user<I: Into<OsString>>(
        &self,
        program: &str,
        arguments: impl IntoIterator<Item = I>,
    ) -> (PathBuf, Vec<OsString>) {
        let program = self.folder.join(program);
        let arguments = arguments.into_iter().map(Into::into);
        let Some((user, group)) = &self.become_user else { return (program, arguments.collect()) };
        let become_user = ["--reuid", user, "--regid", group, "--clear-groups", "--"].map(Into::into);
        let all = become_user.into_iter().chain([program.into_os_string()]).chain(arguments);
        // Found by its path, since children are started by theirs.
        (PathBuf::from("/usr/bin/setpriv"), all.collect())
    }

    fn make_cluster(&self, cluster: &Path, options: &PostgresOptions) -> Result<(), DevserverError> {
        let folder = &options.data_dir;
        fs::create_dir_all(folder).map_err(DevserverError::io("create", folder))?;
        let password_file = folder.join("password");
        fs::write(&password_file, &options.password).map_err(DevserverError::io("write", &password_file))?;
        if let Some((user, _)) = &self.become_user {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
                .map_err(DevserverError::io("open to everybody", folder))?;
            run("chown", Command::new("chown").arg("-R").arg(user).arg(folder))?;
        }
        let arguments: [&OsStr; 10] = [
            "--pgdata".as_ref(),
            cluster.as_ref(),
            "--username".as_ref(),
            USER.as_ref(),
            "--auth=scram-sha-256".as_ref(),
            "--pwfile".as_ref(),
            password_file.as_ref(),
            "--encoding=UTF8".as_ref(),
            // Not the caller's, which need not be there: over ssh it is that of another machine.
            "--locale=C".as_ref(),
            "--no-sync".as_ref(),
        ];
        let (program, arguments) = self.as_user("initdb", arguments);
        run("initdb", Command::new(program).args(arguments))?;
        fs::remove_file(&password_file).map_err(DevserverError::io("remove", &password_file))
    }
}

/// The programs of the newest version that has a server.
fn newest_in(debian_folder: &Path) -> Option<PathBuf> {
    let versions = fs::read_dir(debian_folder).ok()?.filter_map(Result::ok);
    let numbers = versions.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let programs = |number: u32| debian_folder.join(number.to_string()).join("bin");
    // A newer version may have come with its client alone.
    numbers.filter(|number| programs(*number).join("initdb").exists()).max().map(programs)
}

fn id(arguments: &[&str]) -> Option<String> {
    let output = Command::new("id").args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn system_user() -> Result<(String, String), DevserverError> {
    let found = SYSTEM_USERS.into_iter().find_map(|name| Some((id(&["-u", name])?, id(&["-g", name])?)));
    found.ok_or_else(|| DevserverError::PostgresProgram {
        program: "id",
        output: format!("there is no user {}", SYSTEM_USERS.join(" or ")),
    })
}

fn on_path() -> Option<PathBuf> {
    let asked = Command::new("pg_config").arg("--bindir").output().ok()?;
    let folder = PathBuf::from(String::from_utf8(asked.stdout).ok()?.trim());
    folder.join("initdb").exists().then_some(folder)
}

fn on_or_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

fn run(program: &'static str, command: &mut Command) -> Result<String, DevserverError> {
    let output = command.stdin(Stdio::null()).output().map_err(DevserverError::io("run", program))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned());
    }
    let output = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
    Err(DevserverError::PostgresProgram { program, output })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_with_a_server_is_taken_and_one_with_its_client_alone_is_not() {
        let folder = tempfile::tempdir().unwrap();
        for (version, program) in [("9", "initdb"), ("15", "initdb"), ("18", "psql")] {
            let bin = folder.path().join(version).join("bin");
            fs::create_dir_all(&bin).unwrap();
            fs::write(bin.join(program), "").unwrap();
        }
        assert_eq!(newest_in(folder.path()), Some(folder.path().join("15").join("bin")));
    }
}
