//! A gateway as a process of its own, with a store that the test has filled.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use evercal_domain::account::Secret;
use evercal_domain::calendar::LastSync;
use evercal_domain::tenant::{ApiKey, Tenant};
use evercal_domain::{
    AccessRole, Account, AccountId, CalendarId, Clock as _, Event, EventTime, PendingConsent, PendingGrant,
    ProviderCalendarId, ProviderEventId, RemoteCalendar, RemoteItem, SystemClock, Via,
};
use evercal_mirror::{Ends, Expansion, Window};
use evercal_storage::{
    AccountAdmission, Cursor, DatabaseUrl, Keyring, OccurrenceRange, PageCommit, PassFinish, SeriesRows, Store,
    StoreSettings,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long a test waits for a condition.
const DEADLINE: Duration = Duration::from_secs(60);
const MASTER_KEY: &str = "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
/// The files that a process may open where nobody changed that.
const OPEN_FILES: &str = "1024";

/// A gateway that runs.
pub struct GatewayProcess {
    child: Running,
    pub address: SocketAddr,
    log: PathBuf,
}

impl GatewayProcess {
    /// Starts one over this store, with these settings besides.
    pub async fn start(filled: &Filled, settings: &[(&str, &str)]) -> Self {
        let log = filled.folder.path().join("gateway.log");
        let url = filled.url.to_string();
        let child = command(&url, OPEN_FILES, settings).stderr(std::fs::File::create(&log).unwrap()).spawn().unwrap();
        let mut gateway = Self { child: Running(child), address: ([127, 0, 0, 1], 0).into(), log };
        eventually("the gateway listens", async || {
            gateway.address = gateway.lines().iter().find_map(listens_at)?;
            Some(())
        })
        .await;
        gateway
    }

    /// Starts one whose database is not there, and which may open so many files.
    pub fn without_store(folder: &Path, open_files: &str) -> Self {
        let address = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
        let log = folder.join("gateway.log");
        // Nobody listens there.
        let url = "postgres://evercal@127.0.0.1:1/evercal";
        let mut command = command(url, open_files, &[("EVERCAL_HTTP_ADDRESS", &address.to_string())]);
        let child = command.stderr(std::fs::File::create(&log).unwrap()).spawn().unwrap();
        Self { child: Running(child), address, log }
    }

    /// Starts one whose log goes there, where it may be lost: it listens at a port that was free a moment ago.
    pub fn logging_to(filled: &Filled, stderr: impl Into<Stdio>) -> Self {
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command =
            command(&filled.url.to_string(), OPEN_FILES, &[("EVERCAL_HTTP_ADDRESS", &address.to_string())]);
        Self { child: Running(command.stderr(stderr).spawn().unwrap()), address, log: PathBuf::new() }
    }

    /// Nobody reads what it logs any more.
    pub fn close_stderr(&mut self) {
        drop(self.child.0.stderr.take().unwrap());
    }

    /// Asks it to end; its exit code.
    pub fn stop(mut self) -> Option<i32> {
        self.signal("-TERM");
        self.child.0.wait().unwrap().code()
    }

    /// Sends it a signal, as `kill` names it.
    pub fn signal(&self, signal: &str) {
        let id = self.child.0.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// From now on it can write no further than so many bytes into any file; without a limit, as far as it likes.
    pub fn limit_files(&self, bytes_max: Option<u64>) {
        let limit = bytes_max.map_or_else(|| "unlimited".to_owned(), |bytes| bytes.to_string());
        let arguments = ["--pid".to_owned(), self.child.0.id().to_string(), format!("--fsize={limit}:unlimited")];
        assert!(Command::new("prlimit").args(arguments).status().unwrap().success());
    }

    /// Its exit code, once it has ended by itself.
    pub async fn ended(&mut self) -> Option<i32> {
        eventually("the end of the process", async || self.child.0.try_wait().unwrap()).await.code()
    }

    /// What it has logged.
    pub fn lines(&self) -> Vec<Value> {
        self.log().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The same as text, with what it said before it ended.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// The most memory that it ever had, in MiB.
    pub fn memory_peak_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.0.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1_024
    }

    /// A connection on which this was sent.
    pub async fn sent(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // One that is turned away may be closed already.
        let _closed = stream.write_all(text.as_bytes()).await;
        stream
    }

    /// The whole answer to a `GET`: its head, and its body.
    pub async fn get(&self, key: &str, path: &str) -> (String, String) {
        let asked = request(key, path, "connection: close\r\n");
        let answer = eventually("an answer", async || {
            let mut stream = TcpStream::connect(self.address).await.ok()?;
            stream.write_all(asked.as_bytes()).await.ok()?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.ok()?;
            String::from_utf8(answer).ok().filter(|answer| !answer.is_empty())
        })
        .await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }
}

/// A process that ends with its owner.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _killed = self.0.kill();
        let _waited = self.0.wait();
    }
}

fn command(url: &str, open_files: &str, settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new("sh");
    command
        // A write beyond the limit on the size of files is an error then, and not the end.
        .args([
            "-c",
            &format!("trap '' XFSZ && ulimit -n {open_files} && exec \"$0\""),
            env!("CARGO_BIN_EXE_evercal-gateway"),
        ])
        .env_clear()
        .env("DATABASE_URL", url)
        .env("EVERCAL_MASTER_KEY", MASTER_KEY)
        .env("EVERCAL_HTTP_ADDRESS", "127.0.0.1:0")
        .env("WEBHOOK_BASE_URL", "https://calendar.example.com")
        .env("EVERCAL_CHANNEL_KEYS", "a-key-of-sixteen-chars")
        .env("GOOGLE_CLIENT_ID", "client")
        // Nobody listens there.
        .env("TEMPORAL_ADDRESS", "127.0.0.1:1")
        .envs(settings.iter().copied())
        .stdout(Stdio::null());
    command
}

fn listens_at(line: &Value) -> Option<SocketAddr> {
    let fields = &line["fields"];
    (fields["message"] == "the gateway listens").then(|| fields["address"].as_str()?.parse().ok())?
}

/// A `GET` with this key.
pub fn request(key: &str, path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: evercal\r\nauthorization: Bearer {key}\r\n{headers}\r\n")
}

/// A store with one tenant, who has one calendar.
pub struct Filled {
    pub store: Arc<dyn Store>,
    pub url: DatabaseUrl,
    pub key: String,
    pub calendar: CalendarId,
    pub folder: TempDir,
}

impl Filled {
    /// With so many events on the next days, each with a description of so many bytes.
    pub async fn new(events: usize, description_bytes: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = DatabaseUrl::file(folder.path().join("evercal.db"));
        let keyring = Keyring::parse(MASTER_KEY).unwrap();
        let store = evercal_storage::open(&StoreSettings::new(url.clone(), keyring)).await.unwrap();
        let now = SystemClock.now();
        let tenant = Tenant::new("Demo", now);
        store.insert_tenant(&tenant).await.unwrap();
        let key = format!("evk_{}", tenant.id);
        store.insert_api_key(&ApiKey::new(tenant.id, "test", &key, now)).await.unwrap();
        let provider = evercal_domain::Provider::new("google");
        let account = Account::connecting(AccountId::generate(), tenant.id, provider, "Ada".into(), now);
        let grant = PendingGrant::Code {
            code: Secret::new("code"),
            code_verifier: Secret::new("verifier"),
            redirect_uri: String::new(),
        };
        let consent = PendingConsent { state_hash: [0; 32], allow_duplicate: false, came_at: now, grant };
        assert_eq!(store.insert_account(&account, &consent).await.unwrap(), AccountAdmission::Inserted);
        let remote = RemoteCalendar {
            provider_id: ProviderCalendarId::new("c@example.com"),
            title: "Work".into(),
            time_zone: Some("Europe/Berlin".into()),
            access_role: AccessRole::Owner,
            primary: true,
            id_follows_address: true,
        };
        let calendar = store.reconcile_calendars(account.id, &[remote], now).await.unwrap().listed[0];
        let filled = Self { store, url, key, calendar, folder };
        filled.fill(events, description_bytes).await;
        filled
    }

    async fn fill(&self, events: usize, description_bytes: usize) {
        let position = self.store.sync_position(self.calendar).await.unwrap();
        let position = self.store.begin_full_pass(self.calendar, position.revision, 2_500).await.unwrap();
        let now = SystemClock.now();
        let made: Vec<Event> = (0..events).map(|number| event(number, description_bytes)).collect();
        let items: Vec<_> = made.into_iter().map(RemoteItem::from).collect();
        let snapshot = self.store.snapshot(self.calendar, &position, &items, Ends::FullPass).await.unwrap();
        let plan = evercal_mirror::plan(
            items,
            Ends::FullPass,
            &snapshot,
            &Expansion::ByRules { zone: None, window: Window::around(now) },
        );
        let finish = PassFinish {
            confirmed_at: now,
            via: Via::Push,
            window_end: Some(now),
            last_sync: LastSync { finished_at: now, changes: 0, notice_to_stored_ms: None },
            run: None,
        };
        let page = PageCommit {
            calendar_id: self.calendar,
            expected_revision: position.revision,
            generation: position.generation,
            has_worklist: false,
            plan: &plan,
            window: OccurrenceRange {
                from: now,
                to: now,
                from_date: now.date_naive(),
                to_date: now.date_naive(),
                zone: evercal_domain::Zone::UTC,
                series: SeriesRows::All,
            },
            zone_data: &evercal_domain::zones::version(),
            cursor: &Cursor::ready("token"),
            finish: Some(finish),
            at: now,
        };
        self.store.commit_page(&page).await.unwrap();
    }

    /// The path of a page of all of them.
    pub fn events_path(&self) -> String {
        format!("/v1/calendars/{}/events?from=2026-06-01T00:00:00Z&to=2027-06-01T00:00:00Z&limit=500", self.calendar)
    }
}

fn event(number: usize, description_bytes: usize) -> Event {
    let at = |minutes: usize| EventTime::Instant {
        at: "2026-06-01T08:00:00Z".parse::<chrono::DateTime<chrono::Utc>>().unwrap()
            + chrono::Duration::minutes(i64::try_from(minutes).unwrap()),
        zone: None,
    };
    let id = ProviderEventId::new(format!("event{number:06}"));
    Event {
        ical_uid: Some(format!("event{number:06}@example.com")),
        title: Some(format!("Event {number}")),
        description: Some("ä".repeat(description_bytes / 2)),
        ..Event::minimal(id, at(number * 60), at(number * 60 + 30))
    }
}

/// Waits until `check` has something.
pub async fn eventually<T>(what: &str, mut check: impl AsyncFnMut() -> Option<T>) -> T {
    let found = tokio::time::timeout(DEADLINE, async {
        loop {
            if let Some(found) = check().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    found.await.unwrap_or_else(|_| panic!("{what}: not within {DEADLINE:?}"))
}
