//! A gateway under test, the workflows that it talks to, and a small HTTP client.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use chrono::{DateTime, Utc};
use evercal_domain::account::{Credentials, OAuthTokens, Secret};
use evercal_domain::channel_token::{ChannelClaim, ChannelTokenKeys};
use evercal_domain::heartbeat::worker_service;
use evercal_domain::tenant::{ApiKey, Scopes, Tenant};
use evercal_domain::{
    AccessRole, Account, AccountId, AccountState, CalendarId, ChannelId, Clock, ConsentOutcome, InstallationId,
    PendingConsent, PendingGrant, Provider, ProviderCalendarId, RemoteCalendar, SyncStrategy, SystemClock, TenantId,
    Watched,
};
use evercal_gateway::{Gateway, GatewayConfig, Lookup};
use evercal_storage::{AccountAdmission, DatabaseUrl, InstallationOwner, Keyring, Settlement, Store, StoreSettings};
use evercal_workflow_client::{AccountSignal, RunningPage, StartOutcome, WorkflowError, Workflows};
use evercal_workflows::contract::{AccountInput, Lifecycle, Notify, SyncNowResult};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tempfile::TempDir;

use crate::faulty_store::{Faults, FaultyStore};

/// How long a test waits for a condition.
const DEADLINE: Duration = Duration::from_secs(60);
const TOKEN_KEY: &str = "a-key-of-sixteen-chars";

/// What a gateway asked of the workflows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    Notify(CalendarId, Notify),
    Lifecycle(CalendarId, Lifecycle),
    Start(AccountId),
    Signal(AccountId, AccountSignal),
    RetryNow(CalendarId),
    SyncNow(CalendarId),
}

/// Plays Temporal: remembers calls, and misbehaves as a test wants it.
#[derive(Default)]
pub struct PlayedWorkflows {
    calls: Mutex<Vec<Call>>,
    /// Temporal is away.
    pub down: AtomicBool,
    /// How often it was asked whether it is there: about once for each heartbeat.
    pub pings: AtomicUsize,
    /// So many of the next pings get no answer.
    pub pings_lost: AtomicUsize,
    /// These subscriptions do not run.
    pub missing: Mutex<HashSet<CalendarId>>,
    /// Signals to these fail.
    pub failing: Mutex<HashSet<CalendarId>>,
    /// A signal to a subscription, or the start of an account, has reached Temporal.
    pub reached: AtomicBool,
    /// So many signals to subscriptions have reached Temporal.
    pub reached_by: AtomicUsize,
    /// How long Temporal takes for those, and a subscription for a sync.
    pub delay: Mutex<Duration>,
    /// Signalling an account panics.
    pub panics: AtomicBool,
    /// Starting these fails.
    pub broken: Mutex<HashSet<AccountId>>,
    /// What accounts were started with.
    pub strategies: Mutex<Vec<SyncStrategy>>,
    /// Signalling these accounts fails.
    pub failing_accounts: Mutex<HashSet<AccountId>>,
    /// These accounts run.
    pub accounts: Mutex<HashSet<AccountId>>,
    /// Whose database the workflows belong to.
    pub installation: Mutex<Option<InstallationId>>,
    /// So many calendars have synced since the store was written last.
    pub synced_since: Mutex<i64>,
    /// What Temporal's index has of workflows that run, which may be old.
    pub index: Mutex<Vec<String>>,
    /// Pages of it that were read.
    pub index_pages: AtomicUsize,
    /// So many workflows are on each of them; with 0, two are, so that pages have to be followed.
    pub index_page_size: AtomicUsize,
    /// How often it was asked of a workflow by its name whether it runs.
    pub asked_by_name: AtomicUsize,
    /// What `sync_now` answers; without it, it hangs as it does without a worker.
    pub sync: Mutex<Option<Result<SyncNowResult, WorkflowError>>>,
}

impl PlayedWorkflows {
    fn call(&self, call: Call) -> Result<(), WorkflowError> {
        if self.down.load(Ordering::SeqCst) {
            return Err(WorkflowError::Unavailable("down".into()));
        }
        self.calls.lock().unwrap().push(call);
        Ok(())
    }

    /// A signal to a subscription.
    async fn signal(&self, calendar: CalendarId, signal: Call) -> Result<(), WorkflowError> {
        self.reached.store(true, Ordering::SeqCst);
        self.reached_by.fetch_add(1, Ordering::SeqCst);
        let delay = *self.delay.lock().unwrap();
        tokio::time::sleep(delay).await;
        if self.missing.lock().unwrap().contains(&calendar) {
            return Err(WorkflowError::NotFound);
        }
        if self.failing.lock().unwrap().contains(&calendar) {
            return Err(WorkflowError::Unavailable("as the test asked".into()));
        }
        self.call(signal)
    }

    fn is_running(&self, workflow_id: &str) -> bool {
        match workflow_id.split_once('/') {
            Some(("account", id)) => self.accounts.lock().unwrap().contains(&id.parse().unwrap()),
            Some(("subscription", id)) => !self.missing.lock().unwrap().contains(&id.parse().unwrap()),
            _ => false,
        }
    }

    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// The notifications that a calendar got.
    pub fn notifies(&self, calendar: CalendarId) -> Vec<Notify> {
        let of_calendar = |call| match call {
            Call::Notify(id, notify) if id == calendar => Some(notify),
            _ => None,
        };
        self.calls().into_iter().filter_map(of_calendar).collect()
    }
}

#[async_trait]
impl InstallationOwner for PlayedWorkflows {
    async fn owner(&self, ours: InstallationId) -> Result<InstallationId, String> {
        if self.down.load(Ordering::SeqCst) {
            return Err("down".into());
        }
        Ok(*self.installation.lock().unwrap().get_or_insert(ours))
    }

    async fn synced_after(&self, _at: DateTime<Utc>) -> Result<i64, String> {
        Ok(*self.synced_since.lock().unwrap())
    }
}

#[async_trait]
impl Workflows for PlayedWorkflows {
    async fn notify(&self, calendar: CalendarId, notify: &Notify) -> Result<(), WorkflowError> {
        self.signal(calendar, Call::Notify(calendar, notify.clone())).await
    }

    async fn tell_lifecycle(&self, calendar: CalendarId, lifecycle: &Lifecycle) -> Result<(), WorkflowError> {
        self.signal(calendar, Call::Lifecycle(calendar, lifecycle.clone())).await
    }

    async fn retry_now(&self, calendar: CalendarId) -> Result<(), WorkflowError> {
        self.call(Call::RetryNow(calendar))
    }

    async fn signal_account(&self, account: AccountId, signal: AccountSignal) -> Result<(), WorkflowError> {
        assert!(!self.panics.load(Ordering::SeqCst), "marker: as the test asked");
        if !self.down.load(Ordering::SeqCst) && !self.accounts.lock().unwrap().contains(&account) {
            return Err(WorkflowError::NotFound);
        }
        if self.failing_accounts.lock().unwrap().contains(&account) {
            return Err(WorkflowError::Unavailable("as the test asked".into()));
        }
        self.call(Call::Signal(account, signal))
    }

    async fn start_account(&self, input: &AccountInput) -> Result<StartOutcome, WorkflowError> {
        self.reached.store(true, Ordering::SeqCst);
        let delay = *self.delay.lock().unwrap();
        tokio::time::sleep(delay).await;
        if self.broken.lock().unwrap().contains(&input.account_id) {
            return Err(WorkflowError::Unavailable("as the test asked".into()));
        }
        self.call(Call::Start(input.account_id))?;
        self.strategies.lock().unwrap().push(input.strategy);
        let new = self.accounts.lock().unwrap().insert(input.account_id);
        Ok(if new { StartOutcome::Started } else { StartOutcome::AlreadyRunning })
    }

    async fn sync_now(&self, calendar: CalendarId) -> Result<SyncNowResult, WorkflowError> {
        self.call(Call::SyncNow(calendar))?;
        let (answer, delay) = (self.sync.lock().unwrap().clone(), *self.delay.lock().unwrap());
        tokio::time::sleep(delay).await;
        match answer {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }

    async fn is_running(&self, workflow_id: &str) -> Result<bool, WorkflowError> {
        self.asked_by_name.fetch_add(1, Ordering::SeqCst);
        if self.down.load(Ordering::SeqCst) {
            return Err(WorkflowError::Unavailable("down".into()));
        }
        Ok(self.is_running(workflow_id))
    }

    async fn list_running(&self, workflow_type: &str, page: Vec<u8>) -> Result<RunningPage, WorkflowError> {
        self.index_pages.fetch_add(1, Ordering::SeqCst);
        let all = self.index.lock().unwrap().clone();
        let all: Vec<String> = all.into_iter().filter(|id| id.starts_with(&format!("{workflow_type}/"))).collect();
        let size = match self.index_page_size.load(Ordering::SeqCst) {
            0 => 2,
            size => size,
        };
        let begin = if page.is_empty() { 0 } else { String::from_utf8(page).unwrap().parse().unwrap() };
        let end = all.len().min(begin + size);
        let next = if end < all.len() { end.to_string().into_bytes() } else { Vec::new() };
        Ok(RunningPage { workflow_ids: all[begin..end].to_vec(), next })
    }

    async fn ping(&self) -> Result<(), WorkflowError> {
        self.pings.fetch_add(1, Ordering::SeqCst);
        let one_less = |left: usize| left.checked_sub(1);
        if self.pings_lost.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok() {
            return Err(WorkflowError::Unavailable("as the test asked".into()));
        }
        if self.down.load(Ordering::SeqCst) { Err(WorkflowError::Unavailable("down".into())) } else { Ok(()) }
    }
}

/// A tenant with a key, an account and a calendar.
pub struct Customer {
    pub tenant: TenantId,
    pub key: String,
    pub account: AccountId,
    pub calendar: CalendarId,
}

/// A gateway and all that it needs.
pub struct World {
    pub gateway: Option<Gateway>,
    /// For the test itself.
    pub store: Arc<dyn Store>,
    /// What the gateway meets in the same store.
    pub faults: Arc<Faults>,
    pub workflows: Arc<PlayedWorkflows>,
    pub keys: ChannelTokenKeys,
    pub config: GatewayConfig,
    /// Whether a worker shows signs of life.
    pub has_worker: Arc<AtomicBool>,
    client: Client<HttpConnector, Body>,
    _folder: TempDir,
}

impl World {
    /// Everything, without a running gateway.
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = DatabaseUrl::file(folder.path().join("evercal.db"));
        let keyring = Keyring::parse("k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap();
        let store = evercal_storage::open(&StoreSettings::new(url, keyring)).await.unwrap();
        let find = |name: &str| {
            let value = match name {
                "EVERCAL_HTTP_ADDRESS" => "127.0.0.1:0",
                "WEBHOOK_BASE_URL" => "https://calendar.example.com",
                "EVERCAL_CHANNEL_KEYS" => TOKEN_KEY,
                "GOOGLE_CLIENT_ID" => "client",
                _ => return None,
            };
            Some(value.to_owned())
        };
        let mut config = GatewayConfig::from_lookup(&Lookup::new(&find)).unwrap();
        config.catch_up.heartbeat = Duration::from_millis(20);
        config.catch_up.calendars_per_second = 1_000;
        config.catch_up.pause = Duration::from_millis(50);
        config.probe.write = Duration::from_millis(100);
        config.probe.lasts_after = Duration::from_secs(1);
        config.limits.sync_timeout = Duration::from_secs(2);
        let has_worker = Arc::new(AtomicBool::new(true));
        tokio::spawn(show_life(Arc::clone(&store), Arc::clone(&has_worker)));
        // Nobody redeems anything here but the tests themselves.
        config.limits.consent_timeout = Duration::from_millis(50);
        config.limits.refresh_timeout = Duration::from_secs(2);
        Self {
            gateway: None,
            has_worker,
            store,
            faults: Arc::default(),
            workflows: Arc::default(),
            keys: ChannelTokenKeys::parse(TOKEN_KEY).unwrap().of(Provider::new("google")),
            config,
            client: Client::builder(TokioExecutor::new()).build_http(),
            _folder: folder,
        }
    }

    /// Everything, with a running gateway.
    pub async fn running() -> Self {
        let mut world = Self::new().await;
        world.start_quietly().await;
        world
    }

    /// Starts the gateway and waits until its checks at the start are done: accounts that a test makes from now on are nobody's
    /// but the test's.
    pub async fn start_quietly(&mut self) {
        self.start().await;
        eventually(&true, async || self.faults.called("pending_accounts")).await;
        self.heartbeats(2).await;
    }

    pub async fn start(&mut self) {
        let (faults, clock) = (Arc::clone(&self.faults), Arc::new(SystemClock));
        let store = Arc::new(FaultyStore { store: Arc::clone(&self.store), faults });
        let workflows: Arc<dyn Workflows> = Arc::clone(&self.workflows) as _;
        self.gateway = Some(Gateway::start(self.config.clone(), store, workflows, clock).await.unwrap());
    }

    pub async fn stop(&mut self) {
        self.gateway.take().unwrap().stop().await;
    }

    /// A further key of a tenant.
    pub async fn key(&self, tenant: TenantId, scopes: Scopes) -> String {
        let key = format!("evk_{tenant}_{scopes}");
        let row = ApiKey { scopes, ..ApiKey::new(tenant, "test", &key, SystemClock.now()) };
        self.store.insert_api_key(&row).await.unwrap();
        key
    }

    pub async fn customer(&self) -> Customer {
        let now = SystemClock.now();
        let made = Tenant::new("Demo", now);
        let tenant = made.id;
        self.store.insert_tenant(&made).await.unwrap();
        let key = self.key(tenant, Scopes::all()).await;
        let account = self.account(tenant, AccountState::Connected).await;
        let remote = RemoteCalendar {
            provider_id: ProviderCalendarId::new("c@example.com"),
            title: "Work".into(),
            time_zone: Some("Europe/Berlin".into()),
            access_role: AccessRole::Owner,
            primary: true,
            id_follows_address: true,
        };
        let calendars = self.store.reconcile_calendars(account, &[remote], now).await.unwrap();
        self.workflows.accounts.lock().unwrap().insert(account);
        Customer { tenant, key, account, calendar: calendars.listed[0] }
    }

    pub async fn account(&self, tenant: TenantId, state: AccountState) -> AccountId {
        let now = SystemClock.now();
        let account = Account {
            state,
            ..Account::connecting(AccountId::generate(), tenant, Provider::new("google"), "Ada".into(), now)
        };
        let grant = PendingGrant::Code {
            code: Secret::new("code"),
            code_verifier: Secret::new("verifier"),
            redirect_uri: String::new(),
        };
        let consent = PendingConsent { state_hash: [0; 32], allow_duplicate: false, came_at: now, grant };
        let admission = self.store.insert_account(&account, &consent).await.unwrap();
        assert_eq!(admission, AccountAdmission::Inserted);
        assert_eq!(self.redeem(account.id, &account.id.to_string()).await, ConsentOutcome::Granted);
        account.id
    }

    /// What a worker does with a consent that turns out to be this user's.
    pub async fn redeem(&self, account: AccountId, user: &str) -> ConsentOutcome {
        let credentials = Credentials::OAuth(OAuthTokens {
            access_token: Secret::new("access"),
            access_token_expires_at: SystemClock.now(),
            refresh_token: Secret::new("refresh"),
            scope: String::new(),
        });
        let redeemed = Settlement::Redeemed { credentials, subject_hash: user.to_owned() };
        self.settle(account, &redeemed).await
    }

    /// What a worker does with a consent.
    pub async fn settle(&self, account: AccountId, settlement: &Settlement) -> ConsentOutcome {
        let (_, version) = self.store.consent(account).await.unwrap().unwrap();
        self.store.settle_consent(account, version, settlement).await.unwrap()
    }

    /// The headers of a notice as Google sends it.
    pub fn notice(&self, calendar: CalendarId, state: &str) -> Vec<(&'static str, String)> {
        self.notice_about(Watched::Calendar { account_id: AccountId::generate(), calendar_id: calendar }, state)
    }

    /// The headers of a notice about what a channel watches.
    pub fn notice_about(&self, watched: Watched, state: &str) -> Vec<(&'static str, String)> {
        let claim = ChannelClaim { watched, channel_id: ChannelId::generate() };
        vec![
            ("x-goog-channel-id", claim.channel_id.to_string()),
            ("x-goog-channel-token", self.keys.sign(claim)),
            ("x-goog-resource-id", "resource".into()),
            ("x-goog-resource-state", state.into()),
            ("x-goog-message-number", "1".into()),
        ]
    }

    pub async fn send_notice(&self, headers: &[(&'static str, String)]) -> Answer {
        self.send(Method::POST, "/api/webhooks/google", headers, Body::empty()).await
    }

    pub async fn get(&self, key: &str, path: &str) -> Answer {
        self.send(Method::GET, path, &bearer(key), Body::empty()).await
    }

    pub async fn post(&self, key: &str, path: &str, body: &Value) -> Answer {
        let mut headers = bearer(key);
        headers.push(("content-type", "application/json".into()));
        self.send(Method::POST, path, &headers, Body::from(body.to_string())).await
    }

    pub async fn send(&self, method: Method, path: &str, headers: &[(&'static str, String)], body: Body) -> Answer {
        let mut request = Request::builder().method(method).uri(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        self.request(request.body(body).unwrap()).await
    }

    /// The headers and the bytes of an answer that need not be text.
    pub async fn send_for_bytes(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, String)],
    ) -> (HeaderMap, Vec<u8>) {
        let mut request = Request::builder().method(method).uri(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let (parts, body) = self.client.request(request.body(Body::empty()).unwrap()).await.unwrap().into_parts();
        (parts.headers, axum::body::to_bytes(Body::new(body), usize::MAX).await.unwrap().to_vec())
    }

    /// Posts with header values that need not be text.
    pub async fn send_bytes(&self, path: &str, headers: &[(&'static str, Vec<u8>)]) -> Answer {
        let mut request = Request::post(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, value.as_slice());
        }
        self.request(request.body(Body::empty()).unwrap()).await
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.gateway.as_ref().unwrap().address())
    }

    /// A notice for a gateway that the world does not hold any more.
    pub fn notice_request(gateway: SocketAddr, headers: &[(&'static str, String)]) -> Request<Body> {
        let mut request = Request::post(format!("http://{gateway}/api/webhooks/google"));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        request.body(Body::empty()).unwrap()
    }

    pub async fn request(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self.client.request(request).await.unwrap().into_parts();
        let body = axum::body::to_bytes(Body::new(body), usize::MAX).await.unwrap();
        Answer { status: parts.status, headers: parts.headers, body: String::from_utf8(body.to_vec()).unwrap() }
    }

    /// How often a kind of security event was noted.
    pub async fn security_events(&self, kind: &str) -> i64 {
        let events = self.store.security_events(100).await.unwrap();
        events.iter().filter(|event| event.kind.as_str() == kind).map(|event| event.count).sum()
    }
}

/// Plays a worker.
async fn show_life(store: Arc<dyn Store>, has_worker: Arc<AtomicBool>) {
    loop {
        if has_worker.load(Ordering::SeqCst) {
            // A test may have taken the store away.
            drop(store.beat(&worker_service("played"), SystemClock.now()).await);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

pub fn bearer(key: &str) -> Vec<(&'static str, String)> {
    vec![("authorization", format!("Bearer {key}"))]
}

/// What the gateway answered.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// What kind of problem it is.
    pub fn kind(&self) -> String {
        let body = self.json();
        let kind = body["type"].as_str().and_then(|urn| urn.strip_prefix("urn:evercal:problem:"));
        kind.unwrap_or_else(|| panic!("no type in {self:?}")).to_owned()
    }

    /// The parameters that are named as wrong, each with what is said of it.
    pub fn errors(&self) -> Vec<(String, String)> {
        let body = self.json();
        let text = |error: &Value, member: &str| error[member].as_str().unwrap().to_owned();
        body["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|error| (text(error, "parameter"), text(error, "detail")))
            .collect()
    }

    /// The status, after checking that an error has the form of RFC 9457 and carries the security headers.
    pub fn problem(&self) -> u16 {
        let status = self.status.as_u16();
        assert_eq!(self.headers["content-type"], "application/problem+json", "{self:?}");
        assert_eq!(self.headers["x-content-type-options"], "nosniff");
        let body = self.json();
        assert_eq!(body["status"], status);
        for member in ["type", "title", "detail"] {
            assert!(body[member].as_str().is_some_and(|text| !text.is_empty()), "{member} in {self:?}");
        }
        assert!(body["errors"].is_array(), "{self:?}");
        assert_eq!(body["request_id"], self.headers["x-request-id"].to_str().unwrap());
        assert_eq!(self.headers.contains_key("retry-after"), matches!(status, 429 | 503), "{self:?}");
        status
    }
}

impl World {
    /// Waits until the gateway has checked everything so many times more.
    pub async fn heartbeats(&self, count: usize) {
        let enough = self.workflows.pings.load(Ordering::SeqCst) + count;
        eventually(&true, async || self.workflows.pings.load(Ordering::SeqCst) >= enough).await;
    }
}

/// Waits until `check` sees `expected`.
pub async fn eventually<T, F>(expected: &T, mut check: impl FnMut() -> F)
where
    T: PartialEq + std::fmt::Debug,
    F: Future<Output = T>,
{
    let mut last = None;
    let reached = tokio::time::timeout(DEADLINE, async {
        loop {
            let seen = check().await;
            if seen == *expected {
                return;
            }
            last = Some(seen);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(reached.await.is_ok(), "expected {expected:?}, last seen {last:?}");
}
