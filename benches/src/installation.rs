//! An evercal as it is run: gateway and worker as processes of their own, with the product's own settings, on a fresh store.
//! The simulated provider is inside this process, where benchmarks control it. Not for measuring.

use std::collections::HashMap;
use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use evercal_devserver::postgres;
use evercal_devserver::supervise::{ChildSpec, Supervisor, accepts_connections};
use evercal_domain::account::Secret;
use evercal_domain::channel_token::{ChannelClaim, ChannelTokenKeys};
use evercal_domain::tenant::{ApiKey, Tenant};
use evercal_domain::{
    AccountId, Calendar, CalendarId, CalendarState, ChannelState, Clock as _, SyncReason, SystemClock, random,
};
use evercal_http::{Body, HttpClient, HttpRequest, HttpResponse, HttpSettings, Method, Transport as _};
use evercal_simulator::{Control, NewCalendar, NewUser};
use evercal_storage::{DatabaseUrl, Keyring, Store, StoreSettings};
use evercal_tests::temporal::TestTemporal;
use evercal_tests::{ChangeNotice, Google, ProviderUnderTest as _, mirror};
use serde_json::{Value, json};
use url::Url;

use crate::load;
use crate::progress::reach;

/// Warnings of each process that are shown after a failure.
const WARNINGS_TOLD_MAX: usize = 20;
/// How long anything may take on a busy machine before we call it broken.
pub const TIMEOUT: Duration = Duration::from_mins(10);
/// What our tenant may ask of the API in a minute: more than the machine can answer, since the limit is not what is measured.
const REQUESTS_PER_MINUTE: u32 = 60_000_000;

/// Databases made so far in the PostgreSQL server of this process.
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// Where evercal keeps its mirror.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Engine {
    Sqlite,
    #[value(name = "postgresql")]
    Postgres,
}

impl Engine {
    /// As people write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }

    /// The URL of a new, empty database, which lives in `folder` or in the PostgreSQL server of this process.
    async fn new_database(self, folder: &Path) -> anyhow::Result<String> {
        if self == Self::Sqlite {
            return Ok(DatabaseUrl::file(folder.join("evercal.db")).to_string());
        }
        let url = tokio::task::spawn_blocking(|| {
            let server = postgres::shared().map_err(|error| anyhow::anyhow!("{error}"))?;
            let name = format!("bench{}", DATABASES.fetch_add(1, Ordering::Relaxed));
            server.create_database(&name)?;
            anyhow::Ok(server.url(&name))
        })
        .await??;
        evercal_storage::migrate(&url.parse()?).await?;
        Ok(url)
    }
}

/// A running evercal, and what it stands on. Dropping it kills the processes.
pub struct Installation {
    pub temporal: TestTemporal,
    pub store: Arc<dyn Store>,
    pub gateway: SocketAddr,
    pub api_key: Secret,
    database: String,
    provider: Google,
    channel_token_keys: ChannelTokenKeys,
    http: HttpClient,
    environment: Vec<(OsString, OsString)>,
    gateway_process: Supervisor,
    worker_process: Option<Supervisor>,
    folder: tempfile::TempDir,
}

impl Installation {
    /// Starts all parts, with nobody connected.
    pub async fn start(engine: Engine) -> anyhow::Result<Self> {
        let temporal = TestTemporal::start().await?;
        let folder = tempfile::tempdir()?;
        let provider = Google::start().await?;
        let database = engine.new_database(folder.path()).await?;
        let (master_key, channel_keys) = (Keyring::generate("bench")?, random::token()?);
        let store = StoreSettings::new(database.parse()?, Keyring::parse(master_key.expose())?);
        let store = evercal_storage::open(&store).await?;
        let gateway = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let mut environment = vec![
            ("DATABASE_URL", database.clone()),
            ("EVERCAL_HTTP_ADDRESS", gateway.to_string()),
            ("WEBHOOK_BASE_URL", format!("http://{gateway}/")),
            ("EVERCAL_MASTER_KEY", master_key.expose().to_owned()),
            ("EVERCAL_CHANNEL_KEYS", channel_keys.clone()),
            ("TEMPORAL_ADDRESS", temporal.address.clone()),
            ("TEMPORAL_NAMESPACE", temporal.namespace.clone()),
            // The product's own default, whatever our caller has set.
            ("RUST_LOG", "info".to_owned()),
        ];
        environment.extend(provider.settings());
        let environment: Vec<(OsString, OsString)> =
            environment.into_iter().map(|(name, value)| (name.into(), value.into())).collect();

        let mut tenant = Tenant::new("Bench", SystemClock.now());
        tenant.limits.requests_per_minute = REQUESTS_PER_MINUTE;
        store.insert_tenant(&tenant).await?;
        let api_key = Secret::new(format!("evk_{}", random::token()?));
        store.insert_api_key(&ApiKey::new(tenant.id, "Bench", api_key.expose(), tenant.created_at)).await?;

        let ready = || accepts_connections(gateway);
        let gateway_process = start_role("gateway", folder.path(), &environment, ready).await?;
        let mut installation = Self {
            temporal,
            store,
            gateway,
            api_key,
            database,
            channel_token_keys: ChannelTokenKeys::parse(&channel_keys)?.of(provider.profile().provider),
            provider,
            http: HttpClient::new(&HttpSettings::default())?,
            environment,
            gateway_process,
            worker_process: None,
            folder,
        };
        installation.start_worker().await?;
        Ok(installation)
    }

    async fn start_worker(&mut self) -> anyhow::Result<()> {
        // It answers nobody: it shows by what it does.
        let ready = || async { true };
        self.worker_process = Some(start_role("worker", self.folder.path(), &self.environment, ready).await?);
        Ok(())
    }

    /// Stops the worker in order.
    pub async fn stop_worker(&mut self) {
        if let Some(worker) = self.worker_process.take() {
            worker.stop().await;
        }
    }

    /// The worker's process id.
    pub fn worker_pid(&self) -> anyhow::Result<u32> {
        self.worker_process.as_ref().and_then(|worker| worker.pid("worker")).context("no worker runs")
    }

    /// Takes everything down; what still runs in Temporal is left to its namespace.
    pub async fn end(mut self) {
        self.stop_worker().await;
        self.gateway_process.stop().await;
        Box::new(self.provider).stop().await;
    }

    /// The last warnings of gateway and worker: without them nobody knows why something failed.
    pub fn last_warnings(&self) -> String {
        let mut ends = Vec::new();
        for role in ["gateway", "worker"] {
            let log = std::fs::read_to_string(self.folder.path().join(format!("{role}.log"))).unwrap_or_default();
            let is_warning = |line: &&str| line.contains("\"WARN\"") || line.contains("\"ERROR\"");
            let mut last: Vec<&str> = log.lines().rev().filter(is_warning).take(WARNINGS_TOLD_MAX).collect();
            last.reverse();
            ends.extend(last.into_iter().map(|line| format!("{role}: {line}\n")));
        }
        ends.concat()
    }

    /// The URL of the database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Where the provider is.
    pub fn provider_url(&self) -> &str {
        self.provider.root_url()
    }

    /// Stops the gateway and starts it again: how long the new process took until it said that it is ready.
    pub async fn restart_gateway(&mut self) -> anyhow::Result<Duration> {
        let stopped = std::mem::replace(&mut self.gateway_process, Supervisor::new());
        stopped.stop().await;
        let address = self.gateway;
        let ready_at = Arc::new(OnceLock::new());
        let ready = || {
            let ready_at = Arc::clone(&ready_at);
            async move {
                let is_ready = load::status(address, "/health/ready").await.is_ok_and(|status| status == 200);
                // Of the first time: whoever waits polls again now and then.
                is_ready && *ready_at.get_or_init(Instant::now) <= Instant::now()
            }
        };
        let begun = Instant::now();
        self.gateway_process = start_role("gateway", self.folder.path(), &self.environment, ready).await?;
        Ok(*ready_at.get().context("the gateway did not say that it is ready")? - begun)
    }

    /// The provider's control API.
    pub fn provider(&self) -> &Control {
        self.provider.own_control()
    }

    /// A user at the provider with so many calendars: the ids of the main one, which is the address, and of the others.
    pub fn new_user(&self, email: &str, calendars: u32) -> anyhow::Result<Vec<String>> {
        let control = self.provider();
        let user = NewUser { email: email.to_owned(), name: "User".to_owned(), time_zone: "Europe/Berlin".to_owned() };
        control.create_user(&user)?;
        let mut ids = vec![email.to_owned()];
        for number in 1..calendars {
            let calendar = NewCalendar {
                owner: email.to_owned(),
                summary: format!("Calendar {number}"),
                time_zone: "Europe/Berlin".to_owned(),
                id: None,
                watchable: true,
            };
            ids.push(control.create_calendar(&calendar)?);
        }
        Ok(ids)
    }

    /// Inserts events at the provider, without a notice.
    pub async fn insert_silently(&self, calendar: &str, count: u32, seed: u32) -> anyhow::Result<()> {
        let bulk = json!({"calendar": calendar, "count": count, "seed": seed, "kinds": ["insert"], "notices": "none"});
        self.provider().make_changes(&serde_json::from_value(bulk)?).await?;
        Ok(())
    }

    /// Connects a user through the real OAuth path, as a browser would.
    pub async fn connect(&self, email: &str) -> anyhow::Result<AccountId> {
        let url: Url =
            format!("http://{}/v1/oauth/{}/start", self.gateway, self.provider.profile().provider).parse()?;
        let body = Body::Json(json!({"label": "User", "login_hint": email}));
        let start = HttpRequest { bearer: Some(self.api_key.clone()), ..HttpRequest::post("start", url, body) };
        let started: Value = serde_json::from_slice(&self.http.send(start).await?.body)?;
        let consent = started["authorization_url"].as_str().context("no consent page")?.parse()?;
        let redirect = self.http.send(HttpRequest::get("consent", consent)).await?;
        let callback = redirect.header("location").context("the consent page sent nobody back")?.parse()?;
        let answer = self.http.send(HttpRequest::get("callback", callback)).await?;
        ensure!(answer.is_success(), "callback: HTTP {}", answer.status);
        Ok(started["account_id"].as_str().context("no account")?.parse()?)
    }

    /// Waits until these calendars of an account are mirrored and watched; they come in the order of `ids`.
    pub async fn wait_until_mirrored(&self, account: AccountId, ids: &[String]) -> anyhow::Result<Vec<Calendar>> {
        let is_live = |calendar: &Calendar| calendar.confirmed_at.is_some() && calendar.state == CalendarState::Live;
        let reached = reach("calendars connected", ids.len(), TIMEOUT, async || {
            Ok(self.store.calendars_of_account(account).await?.iter().filter(|calendar| is_live(calendar)).count())
        })
        .await?;
        ensure!(reached == ids.len(), "only {reached} of {} calendars are live", ids.len());
        let calendars = self.store.calendars_of_account(account).await?.into_iter();
        let mut by_id: HashMap<String, Calendar> =
            calendars.map(|calendar| (calendar.remote.provider_id.as_str().to_owned(), calendar)).collect();
        ids.iter().map(|id| by_id.remove(id).context("a calendar that was not asked for")).collect()
    }

    /// Waits until a calendar's first read is in the log: when it began and ended.
    pub async fn first_read(&self, calendar: CalendarId) -> anyhow::Result<evercal_storage::SyncRun> {
        let mut first = None;
        reach("first read", 1, TIMEOUT, async || {
            let runs = self.store.sync_runs(calendar, 10).await?;
            first = runs.into_iter().find(|run| run.reason == SyncReason::Connect);
            Ok(usize::from(first.is_some()))
        })
        .await?;
        first.context("the calendar was not read")
    }

    /// How many of these calendars hold exactly what the provider has.
    pub async fn equal_to_provider(&self, calendars: &[Calendar]) -> anyhow::Result<usize> {
        let mut equal = 0;
        for calendar in calendars {
            let truth = self.provider().truth(calendar.remote.provider_id.as_str())?;
            equal += usize::from(mirror::compare(&*self.store, calendar.id, &truth).await.is_ok());
        }
        Ok(equal)
    }

    /// A notice of a calendar's live channel as the provider would send it, in bytes.
    pub async fn notice(&self, calendar: CalendarId) -> anyhow::Result<Arc<[u8]>> {
        let channels = self.store.channels_of_calendar(calendar).await?;
        let channel = channels.into_iter().find(|channel| channel.state == ChannelState::Live);
        let channel = channel.context("no live channel")?;
        let claim = ChannelClaim { watched: channel.watched, channel_id: channel.id };
        let remote_id = channel.remote_id.context("a live channel has a name at the provider")?;
        let notice = ChangeNotice {
            channel_id: channel.id.to_string(),
            token: self.channel_token_keys.sign(claim),
            remote_id: remote_id.as_str().to_owned(),
        };
        let notice = self.provider.notice(&format!("http://{}/", self.gateway).parse()?, &notice);
        let (path, gateway) = (notice.url.path(), self.gateway);
        let mut request = format!("POST {path} HTTP/1.1\r\nhost: {gateway}\r\ncontent-length: 0\r\n");
        for (name, value) in &notice.headers {
            request.extend([*name, ": ", value, "\r\n"]);
        }
        request.push_str("\r\n");
        Ok(request.into_bytes().into())
    }

    /// A call of the API, and its answer.
    pub async fn answer(&self, path: &str) -> anyhow::Result<HttpResponse> {
        let url: Url = format!("http://{}{path}", self.gateway).parse()?;
        let request =
            HttpRequest { method: Method::GET, bearer: Some(self.api_key.clone()), ..HttpRequest::get("api", url) };
        let answer = self.http.send(request).await?;
        ensure!(answer.is_success(), "{path}: HTTP {}", answer.status);
        Ok(answer)
    }
}

/// The program `evercal`, which `cargo bench-all` builds beside this one.
pub fn program() -> anyhow::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name("evercal"))
}

async fn start_role<Answer: Future<Output = bool>>(
    role: &str,
    folder: &Path,
    environment: &[(OsString, OsString)],
    ready: impl Fn() -> Answer,
) -> anyhow::Result<Supervisor> {
    let mut spec = ChildSpec::new(role, program()?, folder.join(format!("{role}.log")));
    spec.args = vec![role.into()];
    spec.env = environment.to_vec();
    let mut supervisor = Supervisor::new();
    supervisor.start(spec, ready).await?;
    Ok(supervisor)
}
