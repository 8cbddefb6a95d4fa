//! The running gateway: binds, serves connections within bounds, and drains when it is asked to stop.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, Request};
use evercal_domain::random::{self, RandomnessUnavailable};
use evercal_domain::{Clock, zones};
use evercal_process::{Pulse, TaskFailure, Tasks, counted};
use evercal_storage::{Store, StoreJournal, StoreProbe, StoreWatch};
use evercal_workflow_client::{AccountDefaults, AccountWorkflows, Workflows};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt;

use crate::answers::Answers;
use crate::catch_up::{CatchUp, LatestHealth};
use crate::config::{GatewayConfig, GatewayLimits, TrustedProxies};
use crate::connections::{Connection, Connections, Slot};
use crate::consent_backlog::ConsentBacklog;
use crate::consents::Consents;
use crate::delivery::Delivery;
use crate::event_pages::EventPages;
use crate::extract::Peer;
use crate::fleet::Fleet;
use crate::group_commit::GroupLimits;
use crate::middleware::RequestIds;
use crate::notice_bodies::UnprovenBodies;
use crate::notices::Notices;
use crate::outgoing::outgoing;
use crate::reads::Reads;
use crate::refusals::Refusals;
use crate::routes;
use crate::security_log::SecurityLog;
use crate::state::{AppState, Shared};
use crate::sync_now::SyncNow;
use crate::tenant_rates::TenantRates;

/// Pause after the system refused a connection (too many open files), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections that the system keeps until they are accepted; it has a limit of its own (`net.core.somaxconn`). Each further
/// one is tried again by its sender after a second or longer.
const BACKLOG: u32 = 4_096;

/// The header in which proxies name the address of their client.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The gateway could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// Which address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// No secrets can be made.
    #[error(transparent)]
    Randomness(#[from] RandomnessUnavailable),
}

/// A running gateway.
pub struct Gateway {
    address: SocketAddr,
    state: AppState,
    drain_timeout: Duration,
    serving: Tasks,
    background: Tasks,
}

impl Gateway {
    /// Binds and serves. Temporal may still be down: then notices are refused until it answers.
    pub async fn start(
        config: GatewayConfig,
        store: Arc<dyn Store>,
        workflows: Arc<dyn Workflows>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        let listener = Self::bind(config.address).await?;
        Self::serve(listener, config, store, workflows, clock)
    }

    /// Listens on an address; errors where it is taken or not ours.
    pub async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
        listen(address).map_err(|source| StartError::Bind { address, source })
    }

    /// Serves the connections of a listener.
    pub(crate) fn serve(
        listener: TcpListener,
        config: GatewayConfig,
        store: Arc<dyn Store>,
        workflows: Arc<dyn Workflows>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        let bound = |source| StartError::Bind { address: config.address, source };
        let address = listener.local_addr().map_err(bound)?;
        let ids = Arc::new(RequestIds::new()?);
        let (limits, pace, proxies) = (config.limits, config.catch_up, config.trusted_proxies.clone());

        let background = Tasks::new();
        // Names this process among the gateways on one store.
        let process = random::token()?;
        let refusals = Arc::new(Refusals::default());
        let health = Arc::new(LatestHealth::default());
        let defaults = AccountDefaults {
            timings: config.timings.clone(),
            strategies: config.strategies.clone(),
            fleet_interval: config.fleet_interval,
        };
        let accounts =
            Arc::new(AccountWorkflows::new(Arc::clone(&store), Arc::clone(&workflows), Arc::clone(&clock), defaults));
        let consent_backlog = Arc::new(ConsentBacklog::new(Arc::clone(&store), Arc::clone(&accounts)));
        let delivery = Arc::new(Delivery::new(Arc::clone(&store), Arc::clone(&workflows), Arc::clone(&accounts)));
        let security = Arc::new(SecurityLog::new(Arc::clone(&store), Arc::clone(&clock)));
        let (probe, store_watch) =
            StoreProbe::new(Arc::clone(&store) as _, Arc::clone(&workflows) as _, Arc::clone(&clock), config.probe);
        let store_journal = StoreJournal::new(Arc::clone(&store), Arc::clone(&clock), store_watch.clone());
        let catch_up = Arc::new(CatchUp {
            store: Arc::clone(&store),
            workflows: Arc::clone(&workflows),
            delivery: Arc::clone(&delivery),
            accounts: Arc::clone(&accounts),
            consent_backlog: Arc::clone(&consent_backlog),
            refusals: Arc::clone(&refusals),
            clock: Arc::clone(&clock),
            pace,
            health: Arc::clone(&health),
            store_watch: store_watch.clone(),
            providers_on: config.fronts.keys().copied().collect(),
            process: process.clone(),
        });
        let fleet = Fleet {
            store: Arc::clone(&store),
            workflows: Arc::clone(&workflows),
            accounts: Arc::clone(&accounts),
            clock: Arc::clone(&clock),
            interval: config.fleet_interval,
            process,
        };
        let reads = Reads::new(Arc::clone(&store));
        let state = AppState::new(Shared {
            notices: Notices::new(
                Arc::clone(&delivery),
                Arc::clone(&refusals),
                notice_group(&limits),
                background.group(),
            ),
            sync_now: SyncNow::new(
                Arc::clone(&workflows),
                delivery,
                limits.sync_timeout,
                limits.syncs_per_tenant_max,
                sync_group(&limits),
                background.group(),
            ),
            config,
            workflows,
            store,
            clock,
            accounts,
            consent_backlog,
            tenant_rates: TenantRates::default(),
            security: Arc::clone(&security),
            health,
            unproven_bodies: UnprovenBodies::new(limits.unproven_body_bytes_max),
            consents: Consents::new(limits.requests_max, background.group()),
            reads,
            event_pages: EventPages::new(),
            answers: Answers::new(limits.answer_bytes_max, limits.requests_max),
            tasks: background.group(),
            store_watch,
        });

        background.spawn_loop("security log", limits.task_silence_max, |pulse| security.run(pulse));
        catch_up.run(&background, limits.task_silence_max);
        background.spawn_loop("time zone data", limits.task_silence_max, watch_zone_data);
        let stopping = background.stopping();
        background.spawn_loop("store probe", limits.task_silence_max, |pulse| async move {
            pulse.wait(probe.run(stopping)).await;
        });
        let stopping = background.stopping();
        background.spawn_loop("store journal", limits.task_silence_max, |pulse| async move {
            pulse.wait(store_journal.run(stopping)).await;
        });
        background.spawn_loop("fleet check", limits.task_silence_max, |pulse| fleet.run(pulse));
        let serving = background.group();
        let router = routes::router(state.clone(), ids);
        Acceptor { listener, router, limits, proxies, refusals }.open(&serving);
        tracing::info!(%address, "the gateway listens");
        Ok(Self { address, state, drain_timeout: limits.drain_timeout, serving, background })
    }

    /// Answers with this router until the tasks are stopped: before there is a gateway, and within the same bounds.
    pub(crate) fn serve_while_starting(listener: TcpListener, router: Router, config: &GatewayConfig) -> Tasks {
        let serving = Tasks::new();
        // The gateway that comes catches up after its start anyway.
        let (limits, proxies, refusals) = (config.limits, config.trusted_proxies.clone(), Arc::default());
        Acceptor { listener, router, limits, proxies, refusals }.open(&serving);
        serving
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Completes when a background task has failed: then the process has to end.
    pub async fn failed(&self) -> TaskFailure {
        self.background.failed().await
    }

    /// How the store is.
    pub fn store_watch(&self) -> StoreWatch {
        self.state.store_watch.clone()
    }

    /// Takes no new connections, lets open requests end within the drain time, and ends.
    pub async fn stop(self) {
        self.serving.stop();
        let served = async {
            tokio::join!(self.serving.drain(), self.state.notices.drain(), self.state.sync_now.drain());
        };
        self.within_drain_time("requests", served).await;
        // Last, since open requests may bring more of them; and with a time of their own, since a slow request must not
        // cost somebody's consent.
        self.within_drain_time("consents", self.state.consents.drain()).await;
        self.background.stop();
        self.within_drain_time("background tasks", self.background.drain()).await;
    }

    async fn within_drain_time(&self, what: &str, drained: impl Future<Output = ()>) {
        if tokio::time::timeout(self.drain_timeout, drained).await.is_err() {
            tracing::warn!(what, "not all ended within the drain time; the others were cut off");
        }
    }
}

/// Between two checks of the machine's time zone data, one small file.
const ZONE_DATA_EVERY: Duration = Duration::from_secs(10);

/// Takes newer time zone data of the machine into use while the gateway runs.
async fn watch_zone_data(pulse: Pulse) {
    while pulse.wait(tokio::time::sleep(ZONE_DATA_EVERY)).await.is_some() {
        if let Some(version) = zones::refresh() {
            tracing::info!(%version, source = %zones::source(), "other time zone data are used now");
        }
    }
}

fn notice_group(limits: &GatewayLimits) -> GroupLimits {
    GroupLimits {
        spacing: limits.notice_spacing,
        spacing_max: limits.notice_spacing_max,
        calendars_max: limits.notice_calendars_max,
        waiters_max: limits.notice_waiters_max,
    }
}

fn sync_group(limits: &GatewayLimits) -> GroupLimits {
    // One update after the other is spacing enough.
    let spacing = Duration::ZERO;
    GroupLimits { spacing, spacing_max: spacing, calendars_max: limits.requests_max, waiters_max: limits.requests_max }
}

/// Listens, with room for a provider's burst of connections.
fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Connections that the process before has left behind do not keep the next one from the address.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Accepts connections and serves them.
struct Acceptor {
    listener: TcpListener,
    router: Router,
    limits: GatewayLimits,
    proxies: TrustedProxies,
    refusals: Arc<Refusals>,
}

impl Acceptor {
    /// Begins to take connections, until these tasks are stopped.
    fn open(self, serving: &Tasks) {
        let tasks = serving.group();
        serving.spawn_loop("accepting connections", self.limits.task_silence_max, |pulse| self.serve(tasks, pulse));
    }

    async fn serve(self, tasks: Tasks, pulse: Pulse) {
        let GatewayLimits { answer_timeout, first_request_timeout, write_timeout, .. } = self.limits;
        let connections =
            Arc::new(Connections::new(self.limits.connections_max, self.limits.per_peer_max(), self.proxies.clone()));
        let open = GracefulShutdown::new();
        let mut server = auto::Builder::new(TokioExecutor::new()).http1_only();
        server
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header_read_timeout)
            .max_buf_size(self.limits.header_bytes_max);
        while let Some((stream, peer, slot)) = pulse.wait(self.next(&connections)).await {
            let connection = Arc::clone(slot.connection());
            let origin = with_origin(peer, self.proxies.clone(), Arc::clone(&connection));
            let service = self.router.clone().map_request(origin);
            let service = service.map_response(move |answer| outgoing(answer, &connection, answer_timeout));
            let mut stream = TimeoutStream::new(stream);
            stream.set_write_timeout(Some(write_timeout));
            let stream = TokioIo::new(Box::pin(stream));
            let served = open.watch(server.serve_connection(stream, TowerToHyperService::new(service)).into_owned());
            drop(tasks.spawn("connection", async move {
                tokio::select! {
                    // What has come is read before it is decided whose connection is closed.
                    biased;
                    // How a connection ends is the peer's affair; what was asked on it has been logged.
                    _ended = served => {}
                    () = slot.closing(first_request_timeout) => {}
                }
            }));
        }
        drop(self.listener);
        // Until `Gateway::stop` times out.
        open.shutdown().await;
    }

    /// The next connection that has a slot.
    async fn next(&self, connections: &Arc<Connections>) -> (TcpStream, IpAddr, Slot) {
        loop {
            let (stream, peer) = self.accept().await;
            if let Ok(slot) = connections.slot(peer).await {
                return (stream, peer, slot);
            }
            counted!(warn, "an address has its share of the connections; is it a proxy (EVERCAL_TRUSTED_PROXIES)?");
            self.refusals.add_unproven();
        }
    }

    async fn accept(&self) -> (TcpStream, IpAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "a connection stays without TCP_NODELAY");
                    }
                    return (stream, peer.ip());
                }
                Err(error) => {
                    counted!(warn, "a connection could not be accepted", %error);
                    self.refusals.add_unproven();
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// Gives requests their source address and their connection.
fn with_origin<B>(
    peer: IpAddr,
    proxies: TrustedProxies,
    connection: Arc<Connection>,
) -> impl Fn(Request<B>) -> Request<B> + Clone {
    move |mut request| {
        connection.request_began();
        let origin = proxies.origin(peer, forwarded_for(request.headers()));
        request.extensions_mut().insert(Peer(origin));
        request.extensions_mut().insert(Arc::clone(&connection));
        request
    }
}

fn forwarded_for(headers: &HeaderMap) -> impl DoubleEndedIterator<Item = &str> {
    headers.get_all(FORWARDED_FOR).iter().filter_map(|header| header.to_str().ok())
}
