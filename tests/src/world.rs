//! A world of its own for each test: namespace, store, simulated provider, gateway and worker, in this process. Gateway and
//! worker run as their processes do, by their own settings; put in is only what is no setting.

use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use evercal_domain::account::Secret;
use evercal_domain::channel_token::ChannelClaim;
use evercal_domain::tenant::{ApiKey, Tenant};
use evercal_domain::{AccountId, Calendar, CalendarId, CalendarState, Clock as _, SystemClock, TenantId, random};
use evercal_gateway::GatewayConfig;
use evercal_http::{Body, HttpClient, HttpRequest, HttpResponse, HttpSettings, Method, Transport as _};
use evercal_payload_codec::SealingCodec;
use evercal_settings::{Lookup, TemporalTarget};
use evercal_simulator::{FaultAction, FaultRule, NewCalendar, NewUser};
use evercal_storage::{DatabaseUrl, Store};
use evercal_worker::WorkerConfig;
use evercal_workflows::SubscriptionWorkflow;
use evercal_workflows::contract::SubscriptionStatus;
use prost::Message as _;
use serde_json::{Value, json};
use temporalio_client::{Client, Connection, WorkflowFetchHistoryOptions, WorkflowHandle, WorkflowQueryOptions};
use temporalio_common::UntypedWorkflow;
use temporalio_common::protos::temporal::api::history::v1::History;
use url::Url;

use crate::providers::{ChangeNotice, ProviderCall, ProviderControl, ProviderUnderTest};
use crate::role::Role;
use crate::settings::{Settings, WorldOptions};
use crate::simulated_time::{AttemptClock, SendsTime};
use crate::temporal::{TestTemporal, connection_options};
use crate::wait::eventually;

/// The provider's user.
pub const USER: &str = "ada@example.com";

/// Everything that a test needs.
pub struct World {
    /// Temporal.
    pub temporal: TestTemporal,
    /// The store.
    pub store: Arc<dyn Store>,
    /// The provider.
    pub provider: Box<dyn ProviderUnderTest>,
    /// The tenant whose key the API calls carry.
    pub tenant_id: TenantId,
    /// Its key.
    pub api_key: Secret,
    /// What gateway and worker share.
    pub settings: Settings,
    /// What a calendar's state is when it is healthy.
    healthy: CalendarState,
    http: HttpClient,
    gateway: Option<Role>,
    workers: Vec<Role>,
    folder: tempfile::TempDir,
}

impl World {
    /// A world with the default options.
    pub async fn start<P: ProviderUnderTest>() -> Self {
        Self::with::<P>(WorldOptions::default()).await
    }

    /// A world with a user, a calendar with events, a gateway and a worker; nothing connected yet.
    pub async fn with<P: ProviderUnderTest>(options: WorldOptions) -> Self {
        Self::try_with::<P>(options).await.expect("the world starts")
    }

    async fn try_with<P: ProviderUnderTest>(options: WorldOptions) -> anyhow::Result<Self> {
        let temporal = TestTemporal::start().await?;
        let folder = tempfile::tempdir()?;
        let provider = Box::new(P::start().await?);
        let user = NewUser { email: USER.to_owned(), name: "Ada".to_owned(), time_zone: "Europe/Berlin".to_owned() };
        provider.control().create_user(&user)?;
        let events = options.events;
        let settings = Settings::new(options, folder.path())?;
        let store = evercal_storage::open(&settings.store_at(&settings.database)?).await?;
        let (tenant_id, api_key) = new_tenant(&*store, "Test").await?;
        let mut world = Self {
            temporal,
            store,
            provider,
            tenant_id,
            api_key,
            settings,
            healthy: if P::nature().has_push() { CalendarState::Live } else { CalendarState::PollOnly },
            http: HttpClient::new(&HttpSettings::default())?,
            gateway: None,
            workers: Vec::new(),
            folder,
        };
        world.change_events(USER, events).await;
        world.start_gateway().await?;
        world.start_worker()?;
        Ok(world)
    }

    /// What can be done to the provider.
    pub fn control(&self) -> &dyn ProviderControl {
        self.provider.control()
    }

    /// The token that a channel of ours has.
    pub fn channel_token(&self, claim: ChannelClaim) -> String {
        self.settings.channel_keys().of(self.provider.profile().provider).sign(claim)
    }

    /// What the provider calls a call that it has.
    pub fn method(&self, call: ProviderCall) -> &'static str {
        self.provider.method(call).expect("the provider has such a call")
    }

    /// The next call of this kind goes wrong.
    pub fn once(&self, call: ProviderCall, action: FaultAction) -> FaultRule {
        FaultRule::once(self.method(call), action)
    }

    /// Each call of this kind goes wrong.
    pub fn always(&self, call: ProviderCall, action: FaultAction) -> FaultRule {
        FaultRule::always(self.method(call), action)
    }

    /// Inserts, changes and deletes events at the provider.
    pub async fn change_events(&self, calendar: &str, count: u32) {
        if count > 0 {
            let bulk = serde_json::from_value(json!({"calendar": calendar, "count": count, "seed": u64::from(count)}));
            self.control().make_changes(&bulk.expect("a bulk change")).await.expect("changes at the provider");
        }
    }

    /// A further calendar of the user.
    pub fn new_calendar(&self, title: &str) -> String {
        let calendar = NewCalendar {
            owner: USER.to_owned(),
            summary: title.to_owned(),
            time_zone: "America/New_York".to_owned(),
            id: None,
            watchable: true,
        };
        self.control().create_calendar(&calendar).expect("a calendar at the provider")
    }

    /// Connects the user's account through the real OAuth path.
    pub async fn connect(&self) -> AccountId {
        self.try_connect(json!({"label": "Ada", "login_hint": USER})).await.expect("the account connects")
    }

    /// Walks through the consent as a browser would, and answers the account's id.
    pub async fn try_connect(&self, start: Value) -> anyhow::Result<AccountId> {
        let (account, callback) = self.consent(start).await?;
        self.come_back(callback).await?;
        Ok(account)
    }

    /// Consents, and answers the account's id and where the provider sends the browser back to.
    pub async fn consent(&self, start: Value) -> anyhow::Result<(AccountId, Url)> {
        let path = format!("/v1/oauth/{}/start", self.provider.profile().provider);
        let started = self.api(Method::POST, &path, Some(start)).await?;
        let consent: Url = started["authorization_url"].as_str().context("no consent page")?.parse()?;
        let redirect = self.http.send(HttpRequest::get("consent", consent)).await?;
        let callback = redirect.header("location").context("the consent page sent nobody back")?.parse()?;
        Ok((started["account_id"].as_str().context("no account")?.parse()?, callback))
    }

    /// Brings a consent back to the gateway, and answers the page.
    pub async fn page_of(&self, callback: Url) -> anyhow::Result<HttpResponse> {
        Ok(self.http.send(HttpRequest::get("callback", callback)).await?)
    }

    /// The same, reloaded until it shows how the consent came out: it waits five seconds for that, and this machine may be
    /// slower.
    pub async fn last_page_of(&self, callback: Url) -> HttpResponse {
        eventually("the page shows how the consent came out", || async {
            let page = self.page_of(callback.clone()).await.map_err(|error| error.to_string())?;
            if page.status == 202 { Err("not yet".to_owned()) } else { Ok(page) }
        })
        .await
    }

    /// Brings a consent back to the gateway.
    pub async fn come_back(&self, callback: Url) -> anyhow::Result<()> {
        let answer = self.page_of(callback).await?;
        if !answer.is_success() {
            bail!("callback: HTTP {} {}", answer.status, String::from_utf8_lossy(&answer.body));
        }
        Ok(())
    }

    /// Connects, and waits until the user's calendar is mirrored and watched.
    pub async fn connect_and_mirror(&self) -> (AccountId, CalendarId) {
        let account = self.connect().await;
        let calendar = self.calendar_of(USER).await;
        self.wait_until_mirrored(calendar.id).await;
        (account, calendar.id)
    }

    /// The mirrored calendar with this id at the provider, as soon as it exists.
    pub async fn calendar_of(&self, provider_id: &str) -> Calendar {
        let provider_id = self.provider.calendar_named(provider_id);
        eventually("the calendar is found", || async {
            let page = evercal_storage::PageRequest { after: None, limit: 500 };
            let calendars = self.store.calendars_of_tenant(self.tenant_id, &page).await.expect("calendars").items;
            let ids: Vec<String> = calendars.iter().map(|calendar| calendar.id.to_string()).collect();
            calendars
                .into_iter()
                .find(|calendar| calendar.remote.provider_id.as_str() == provider_id.as_str())
                .ok_or(ids)
        })
        .await
    }

    /// Waits until a calendar is healthy, its mirror equals the provider, and nothing is running.
    pub async fn wait_until_mirrored(&self, calendar: CalendarId) {
        eventually("the calendar is healthy", || async {
            let row = self.store.calendar(calendar).await.expect("the store answers").expect("a row");
            let done = row.confirmed_at.is_some() && row.state == self.healthy;
            if done { Ok(()) } else { Err(format!("{:?} {:?}", row.state, row.confirmed_at)) }
        })
        .await;
        crate::mirror::equals_provider(self, calendar).await;
    }

    /// The handle of a calendar's subscription, whatever run it is in.
    pub fn subscription(&self, calendar: CalendarId) -> WorkflowHandle<Client, SubscriptionWorkflow> {
        self.temporal.client.get_workflow_handle(evercal_workflows::names::subscription_id(calendar))
    }

    /// What a calendar's subscription says of itself.
    pub async fn status(&self, calendar: CalendarId) -> SubscriptionStatus {
        let subscription = self.subscription(calendar);
        let query = subscription.query(SubscriptionWorkflow::status, (), WorkflowQueryOptions::default());
        query.await.expect("the subscription answers")
    }

    /// A workflow's whole history as the server keeps it, in its wire form.
    pub async fn history(&self, workflow_id: &str) -> Vec<u8> {
        let handle = self.temporal.client.get_workflow_handle::<UntypedWorkflow>(workflow_id.to_owned());
        let history = handle.fetch_history(WorkflowFetchHistoryOptions::default());
        let events = history.into_events().await.expect("the history");
        History { events }.encode_to_vec()
    }

    /// What the store's files hold at this moment, the write-ahead log included.
    pub fn database_files(&self) -> Vec<Vec<u8>> {
        let entries = std::fs::read_dir(self.folder.path()).expect("the world's folder");
        let paths = entries.map(|entry| entry.expect("an entry of the world's folder").path());
        paths.filter(|path| path.is_file()).map(|path| std::fs::read(path).expect("a file of the store")).collect()
    }

    /// An API call that has to succeed; the answer's JSON.
    pub async fn api(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        let response = self.call(method, path, body, Some(&self.api_key)).await?;
        if !response.is_success() {
            bail!("{path}: HTTP {} {}", response.status, String::from_utf8_lossy(&response.body));
        }
        if response.body.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_slice(&response.body)?) }
    }

    /// An API call with any key, whatever the answer.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        key: Option<&Secret>,
    ) -> anyhow::Result<HttpResponse> {
        let url: Url = format!("http://{}{path}", self.settings.gateway_address).parse()?;
        let body = body.map_or(Body::Empty, Body::Json);
        let request = HttpRequest { method, body, bearer: key.cloned(), ..HttpRequest::get("api", url) };
        Ok(self.http.send(request).await?)
    }

    /// A notice as the provider would send it.
    pub fn notice_request(&self, notice: &ChangeNotice) -> anyhow::Result<HttpRequest> {
        Ok(self.provider.notice(&self.public_url().parse()?, notice))
    }

    /// Brings a notice to the gateway.
    pub async fn notice(&self, notice: &ChangeNotice) -> anyhow::Result<HttpResponse> {
        self.send(self.notice_request(notice)?).await
    }

    /// Brings a notice to the gateway, which takes it.
    pub async fn notice_is_taken(&self, notice: &ChangeNotice) {
        let answer = self.notice(notice).await.expect("an answer");
        assert!(answer.is_success(), "HTTP {}", answer.status);
    }

    /// Any request.
    pub async fn send(&self, request: HttpRequest) -> anyhow::Result<HttpResponse> {
        Ok(self.http.send(request).await?)
    }

    /// Starts a gateway (again), and waits until it answers.
    pub async fn start_gateway(&mut self) -> anyhow::Result<()> {
        let values = self.settings.values(&*self.provider, &self.settings.database)?;
        let find = |name: &str| values.get(name).cloned();
        let lookup = Lookup::new(&find);
        let config = GatewayConfig::from_lookup(&lookup)?;
        let store = evercal_settings::store::settings(&lookup)?;
        let target = self.target("gateway")?;
        let gateway = Role::start(async move |stopped| evercal_gateway::serve(config, &store, target, stopped).await);
        // What needs no store, and is answered by nobody before it was opened.
        let described: Url = format!("{}openapi.json", self.public_url()).parse()?;
        eventually("the gateway serves", || async {
            assert!(!gateway.has_ended(), "the gateway has ended by itself");
            match self.http.send(HttpRequest::get("description", described.clone())).await {
                Ok(answer) if answer.is_success() => Ok(()),
                Ok(answer) => Err(answer.status.to_string()),
                Err(error) => Err(error.to_string()),
            }
        })
        .await;
        self.gateway = Some(gateway);
        Ok(())
    }

    /// Whether a gateway runs.
    pub fn has_gateway(&self) -> bool {
        self.gateway.is_some()
    }

    /// Stops the gateway.
    pub async fn stop_gateway(&mut self) {
        if let Some(gateway) = self.gateway.take() {
            gateway.stop().await.expect("the gateway ends in order");
        }
    }

    /// Starts a worker, again or beside those that run.
    pub fn start_worker(&mut self) -> anyhow::Result<()> {
        self.start_worker_as("worker", &self.settings.database.clone())
    }

    /// Starts one under another name in Temporal, with a store of its own.
    pub fn start_worker_as(&mut self, identity: &str, database: &str) -> anyhow::Result<()> {
        let mut values = self.settings.values(&*self.provider, database)?;
        if !self.settings.provider_is_on {
            self.provider.settings().iter().for_each(|(name, _)| drop(values.remove(*name)));
        }
        let find = |name: &str| values.get(name).cloned();
        let mut config = WorkerConfig::from_lookup(&Lookup::new(&find))?;
        config.http = self.settings.http.clone();
        let mut parts = evercal_worker::Parts::of(&config)?;
        if self.settings.simulated_time {
            let sign_in = ProviderCall::ALL.into_iter().filter(|call| call.is_sign_in());
            let sign_in = sign_in.filter_map(|call| self.provider.method(call)).collect();
            parts = evercal_worker::Parts {
                clock: Arc::new(AttemptClock),
                transport: Arc::new(SendsTime { http: HttpClient::new(&config.http)?, in_real_time: sign_in }),
            };
        }
        let target = self.target(identity)?;
        self.workers
            .push(Role::start(async move |stopped| evercal_worker::serve(&config, &parts, target, stopped).await));
        Ok(())
    }

    /// Stops the worker that was started first, in order.
    pub async fn stop_worker(&mut self) -> anyhow::Result<()> {
        if self.workers.is_empty() {
            return Ok(());
        }
        self.workers.remove(0).stop().await
    }

    /// Reads another database from now on, and lets go of the one before, whose address it answers. Nothing may run.
    pub async fn move_store(&mut self, to: &str) -> anyhow::Result<DatabaseUrl> {
        let from = std::mem::replace(&mut self.settings.database, to.to_owned());
        self.store = evercal_storage::open(&self.settings.store_at(to)?).await?;
        Ok(from.parse()?)
    }

    /// Begins anew with gateway, worker and this test's own client, all with this codec.
    pub async fn seal_payloads(&mut self, codec: SealingCodec) -> anyhow::Result<()> {
        self.stop_gateway().await;
        self.stop_worker().await?;
        self.settings.payload_codec = Some(codec);
        let target = self.target("test")?;
        let connection = Connection::connect(target.connection).await?;
        self.temporal.client =
            Client::new(connection, target.client).map_err(|error| anyhow!("making a client: {error}"))?;
        self.start_gateway().await?;
        self.start_worker()
    }

    /// The way to Temporal, as a process would read it from its environment.
    fn target(&self, identity: &str) -> anyhow::Result<TemporalTarget> {
        let (connection, mut client) = connection_options(&self.temporal.address, &self.temporal.namespace, identity)?;
        if let Some(codec) = &self.settings.payload_codec {
            client.data_converter = codec.clone().into_converter();
        }
        Ok(TemporalTarget { connection, client })
    }

    /// Takes everything down; what still runs in Temporal is left to its namespace.
    pub async fn end(mut self) {
        self.stop_gateway().await;
        while !self.workers.is_empty() {
            self.stop_worker().await.expect("the worker ends in order");
        }
        self.provider.stop().await;
    }

    /// Where the gateway is, with a slash at the end.
    pub fn public_url(&self) -> String {
        format!("http://{}/", self.settings.gateway_address)
    }
}

/// A tenant and a key of it.
pub async fn new_tenant(store: &dyn Store, name: &str) -> anyhow::Result<(TenantId, Secret)> {
    let now = SystemClock.now();
    let tenant = Tenant::new(name, now);
    store.insert_tenant(&tenant).await?;
    let secret = Secret::new(format!("evk_{}", random::token()?));
    store.insert_api_key(&ApiKey::new(tenant.id, name, secret.expose(), now)).await?;
    Ok((tenant.id, secret))
}
