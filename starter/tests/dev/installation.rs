//! A whole `evercal dev` as a process, and what a test may do to it: read its store and its provider, kill its processes.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use evercal_domain::account::Secret;
use evercal_domain::{AccountId, Calendar, TenantId, random};
use evercal_http::{Body, HttpClient, HttpRequest, HttpSettings, Method, Transport as _};
use evercal_simulator::{ChannelReport, Collection, TrueEvent, Truth};
use evercal_storage::{DatabaseUrl, Keyring, PageRequest, Store, StoreSettings};
use evercal_tests::shown::Days;
use evercal_tests::{TIMEOUT, eventually};
use serde_json::{Value, json};
use url::Url;

/// How long a start may take on a busy machine.
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// Durations for tests that kill: what waits for a dead worker waits short.
pub const QUICK_TIMING: &str = r#"{"heartbeat_timeout_s": 3, "sync_backoff_initial_ms": 200, "ladder_s": [1, 1, 1],
    "regain_interval_s": 2, "failed_sync_pause_s": 2}"#;

/// A running `evercal dev`.
pub struct Installation {
    process: Child,
    /// Its one line.
    pub ready: Value,
    http: HttpClient,
}

impl Installation {
    /// Starts in `folder`, and waits for the line.
    pub fn start(folder: &Path, timing: &str) -> Self {
        Self::start_command(command(folder), timing)
    }

    /// Starts with these arguments, and waits for the line.
    pub fn start_command(mut command: Command, timing: &str) -> Self {
        let process = command.env("EVERCAL_TIMING", timing).stdout(Stdio::piped()).spawn().unwrap();
        // A burst of changes is answered when all are made.
        let http_settings = HttpSettings { total_timeout: TIMEOUT, ..HttpSettings::default() };
        let http = HttpClient::new(&http_settings).unwrap();
        // From here on it ends with the test, also when it does not start.
        let mut installation = Self { process, ready: Value::Null, http };
        let stdout = installation.process.stdout.take().unwrap();
        let (sender, line) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            BufReader::new(stdout).read_line(&mut line).unwrap();
            sender.send(line)
        });
        let line = line.recv_timeout(START_TIMEOUT).expect("dev says that it is ready");
        let ready = serde_json::from_str(&line);
        installation.ready = ready.unwrap_or_else(|_| panic!("dev did not start; it said {line:?}"));
        installation
    }

    /// Kills `dev` itself, as the kernel would.
    pub fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Asks it to end, as Ctrl-C does, and waits.
    pub fn stop(mut self) -> std::process::ExitStatus {
        let status = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status().unwrap();
        assert!(status.success());
        self.process.wait().unwrap()
    }

    /// Kills one part as soon as it runs; answers how many processes died of it. None where it was just ending by itself.
    pub async fn kill_part(&self, part: &str) -> usize {
        let running = eventually(part, || async {
            let pids = pids(self.process.id(), part);
            if pids.is_empty() { Err("it is being restarted") } else { Ok(pids) }
        });
        let mut killed = 0;
        for pid in running.await {
            let kill = Command::new("kill").args(["-KILL", &pid.to_string()]).stderr(Stdio::null()).status();
            killed += usize::from(kill.unwrap().success());
        }
        killed
    }

    /// The process id of a part that runs.
    pub fn pid(&self, part: &str) -> u32 {
        *pids(self.process.id(), part).first().unwrap_or_else(|| panic!("{part} does not run"))
    }

    /// Where a part listens.
    pub fn listening_ports(&self, part: &str) -> BTreeSet<u16> {
        listening(&pids(self.process.id(), part)).into_iter().map(|address| address.port()).collect()
    }

    /// The addresses at which it and its parts listen.
    pub fn listening_addresses(&self) -> BTreeSet<IpAddr> {
        let mut pids = self.all_pids();
        pids.push(self.process.id());
        listening(&pids).into_iter().map(|address| address.ip()).collect()
    }

    /// The process ids of all that it started.
    pub fn all_pids(&self) -> Vec<u32> {
        descendants(self.process.id())
    }

    /// An API call with the key of the demo tenant.
    pub async fn api(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        let key = Secret::new(self.ready["api_key"].as_str().unwrap());
        self.call("api", method, path, body, Some(key)).await
    }

    /// A call of the simulator's control API.
    pub async fn control(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        self.call("simulator", method, &format!("/control/{path}"), body, None).await
    }

    async fn call(
        &self,
        server: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
        bearer: Option<Secret>,
    ) -> anyhow::Result<Value> {
        let url: Url = format!("{}{path}", self.ready[server].as_str().unwrap()).parse()?;
        let body = body.map_or(Body::Empty, Body::Json);
        let answer = self.http.send(HttpRequest { method, body, bearer, ..HttpRequest::get("test", url) }).await?;
        anyhow::ensure!(answer.is_success(), "{path}: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
        Ok(if answer.body.is_empty() { Value::Null } else { serde_json::from_slice(&answer.body)? })
    }

    /// Connects a user through the consent page, as a browser would; an account that lost its grant, again.
    pub async fn connect(&self, user: &str, account: Option<AccountId>) -> anyhow::Result<()> {
        let mut start = json!({"label": user, "login_hint": user});
        if let Some(account) = account {
            start["account_id"] = json!(account.to_string());
        }
        let started = self.api(Method::POST, "/v1/oauth/google/start", Some(start)).await?;
        let consent: Url = started["authorization_url"].as_str().unwrap().parse()?;
        let redirect = self.http.send(HttpRequest::get("consent", consent)).await?;
        let callback: Url = redirect.header("location").unwrap().parse()?;
        let answer = self.http.send(HttpRequest::get("callback", callback)).await?;
        anyhow::ensure!(answer.is_success(), "callback: {}", answer.status);
        Ok(())
    }

    /// What the provider has.
    pub async fn truth(&self, calendar: &str) -> anyhow::Result<Truth> {
        let state = self.control(Method::GET, &format!("state/{}", calendar.replace('@', "%40")), None).await?;
        Ok(serde_json::from_value(state)?)
    }

    /// All channels that there ever were at the provider for a calendar.
    pub async fn channels(&self, calendar: &str) -> anyhow::Result<Vec<ChannelReport>> {
        let channels = self.control(Method::GET, "channels", None).await?["channels"].take();
        let mut channels: Vec<ChannelReport> = serde_json::from_value(channels)?;
        channels.retain(|channel| channel.collection == Collection::Events { calendar: calendar.to_owned() });
        Ok(channels)
    }

    /// The occurrences that the simulated provider shows its owner.
    pub async fn occurrences(&self, calendar: &str, days: &Days) -> anyhow::Result<Vec<TrueEvent>> {
        let calendar = calendar.replace('@', "%40");
        let path = format!("state/{calendar}/occurrences?from={}&to={}", days.from, days.to);
        Ok(serde_json::from_value(self.control(Method::GET, &path, None).await?)?)
    }

    /// The ids of the channels that live at the provider for a calendar, in order.
    pub async fn live_channels(&self, calendar: &str) -> anyhow::Result<Vec<String>> {
        let live = self.channels(calendar).await?.into_iter().filter(|channel| channel.live);
        let mut ids: Vec<String> = live.map(|channel| channel.id).collect();
        ids.sort();
        Ok(ids)
    }

    /// How often a method was called so far.
    pub async fn calls(&self, method: &str) -> u64 {
        let calls = self.control(Method::GET, "calls", None).await.unwrap();
        calls["counts"][method].as_u64().unwrap_or(0)
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        // Also after a failed assertion; the children end with it.
        let _ended_already = self.process.kill();
        let _status = self.process.wait();
    }
}

/// `evercal dev --json` in a folder.
pub fn command(folder: &Path) -> Command {
    let mut command = evercal();
    command.args(["dev", "--json", "--data-dir"]).arg(folder).stdin(Stdio::null());
    if !folder.join("dev-keys.json").exists() {
        command.args(["--port", &free_port().to_string()]);
    }
    command
}

/// Not 8080, which another test would take between a stop and the next start.
fn free_port() -> u16 {
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let ports = std::iter::repeat_with(|| 10_000 + u16::from_be_bytes(random::bytes().unwrap()) % 7_000);
    ports.take(100).find(is_free).expect("a free port")
}

/// Sends a signal to a process that runs: `-STOP` freezes it, `-CONT` lets it go on, `-KILL` ends it.
pub fn signal(pid: u32, signal: &str) {
    assert!(Command::new("kill").args([signal, &pid.to_string()]).status().unwrap().success());
}

/// The program, without the settings that whoever runs the tests may have: theirs are of another evercal.
pub fn evercal() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_evercal"));
    command.env_clear().envs(surroundings());
    command
}

/// What a program needs of its surroundings.
pub fn surroundings() -> impl Iterator<Item = (&'static str, OsString)> {
    let names = ["PATH", "HOME", "XDG_CACHE_HOME", "TMPDIR", "RUST_LOG"];
    names.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)))
}

/// The store of an installation, opened beside it.
pub async fn store(folder: &Path) -> Arc<dyn Store> {
    let keys: Value = serde_json::from_slice(&std::fs::read(folder.join("dev-keys.json")).unwrap()).unwrap();
    let keyring = Keyring::parse(keys["master_key"].as_str().unwrap()).unwrap();
    let path: PathBuf = folder.join("evercal.db");
    evercal_storage::open(&StoreSettings::new(DatabaseUrl::file(path), keyring)).await.unwrap()
}

/// The calendars that the mirror has.
pub async fn calendars(store: &dyn Store) -> Vec<Calendar> {
    let tenant: TenantId = store.tenants().await.unwrap().first().unwrap().id;
    store.calendars_of_tenant(tenant, &PageRequest::first(500)).await.unwrap().items
}

/// The calendar with this id at the provider, if the mirror has it.
pub async fn calendar(store: &dyn Store, provider_id: &str) -> Option<Calendar> {
    let mut calendars = calendars(store).await.into_iter();
    calendars.find(|calendar| calendar.remote.provider_id.as_str() == provider_id)
}

/// The processes below `root` that are this part.
fn pids(root: u32, part: &str) -> Vec<u32> {
    let is_part = |pid: &u32| {
        let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut arguments = arguments.split(|byte| *byte == 0).map(String::from_utf8_lossy);
        let (program, first) = (arguments.next().unwrap_or_default(), arguments.next().unwrap_or_default());
        (program.ends_with("/evercal") && first == part) || program.ends_with(&format!("/{part}"))
    };
    descendants(root).into_iter().filter(is_part).collect()
}

/// Where these processes listen for TCP: the sockets that they hold (proc(5)), among those that listen.
fn listening(pids: &[u32]) -> Vec<SocketAddr> {
    let mut held = BTreeSet::new();
    for pid in pids {
        let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().filter_map(Result::ok);
        let links = descriptors.filter_map(|descriptor| std::fs::read_link(descriptor.path()).ok());
        held.extend(links.map(|link| link.to_string_lossy().into_owned()));
    }
    let mut found = Vec::new();
    for table in ["tcp", "tcp6"] {
        let sockets = std::fs::read_to_string(format!("/proc/net/{table}")).unwrap_or_default();
        for socket in sockets.lines().skip(1) {
            let fields: Vec<&str> = socket.split_whitespace().collect();
            // The local address, the state (0A: it listens) and the inode.
            let (Some(local), Some(&"0A"), Some(inode)) = (fields.get(1), fields.get(3), fields.get(9)) else {
                continue;
            };
            if held.contains(&format!("socket:[{inode}]")) {
                found.push(address(local));
            }
        }
    }
    found
}

/// `0100007F:1F90`: each four bytes of the address as a number of this machine, the port as people write it.
fn address(local: &str) -> SocketAddr {
    let (address, port) = local.split_once(':').unwrap();
    let words = address
        .as_bytes()
        .chunks(8)
        .map(|word| u32::from_str_radix(std::str::from_utf8(word).unwrap(), 16).unwrap().to_ne_bytes());
    let bytes: Vec<u8> = words.flatten().collect();
    let address: IpAddr = match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(bytes) => bytes.into(),
        Err(_) => IpAddr::from(<[u8; 16]>::try_from(bytes.as_slice()).unwrap()).to_canonical(),
    };
    SocketAddr::new(address, u16::from_str_radix(port, 16).unwrap())
}

/// All processes that `root` started, directly or not.
fn descendants(root: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let processes = entries.filter_map(|entry| entry.file_name().to_string_lossy().parse::<u32>().ok());
    let parents: Vec<(u32, u32)> = processes.filter_map(|pid| Some((pid, parent(pid)?))).collect();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(known) = found.get(next).copied() {
        found.extend(parents.iter().filter(|(_, parent)| *parent == known).map(|(pid, _)| *pid));
        next += 1;
    }
    found.split_off(1)
}

/// The parent of a process (proc(5): the second field after the name in brackets).
fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Whether a process with this id exists and has not ended.
pub fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}
