//! What the gateway has to know to run, and how it is read from named values. Only binaries know where the
//! values come from.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use axum::http::HeaderValue;
use evercal_domain::{ByProvider, Provider, SyncStrategy};
use evercal_providers::{Front, registry};
pub use evercal_settings::{ConfigError, Lookup, TrustedProxies};
use evercal_settings::{gateway, timing};
use evercal_storage::ProbePace;
use evercal_workflows::Timing;
use rustix::process::{Resource, getrlimit};
use url::Url;

use crate::catch_up::CatchUpPace;

/// Where providers send browsers back to; registered at each with its name in the place of `{provider}`.
pub(crate) const OAUTH_CALLBACK: &str = "/v1/oauth/{provider}/callback";

/// The configuration of a gateway.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// Where it listens; port 0 takes a free one.
    pub address: SocketAddr,
    /// Where browsers and providers reach it (`WEBHOOK_BASE_URL`).
    pub public_url: Url,
    /// The providers that the installation is set up for. The gateway only sends browsers to their consent pages and verifies
    /// notices: what an OAuth client's secret is for is the worker's work.
    pub fronts: BTreeMap<Provider, Front>,
    /// The durations that new accounts go by.
    pub timings: ByProvider<Timing>,
    /// How changes are found for new accounts (`SYNC_STRATEGY_…`).
    pub strategies: ByProvider<SyncStrategy>,
    /// How often it is checked whether all accounts and subscriptions have their workflow.
    pub fleet_interval: Duration,
    /// Temporal's namespace, for links into its UI: the one that the way to Temporal leads to.
    pub temporal_namespace: String,
    /// The bounds that keep it answering.
    pub limits: GatewayLimits,
    /// Origins whose pages may call the API; none by default.
    pub cors_origins: Vec<HeaderValue>,
    /// The proxies in front of it (`EVERCAL_TRUSTED_PROXIES`); none by default.
    pub trusted_proxies: TrustedProxies,
    /// The pace of heartbeat and catch-up.
    pub catch_up: CatchUpPace,
    /// How often the store is probed.
    pub probe: ProbePace,
}

/// The bounds that keep one gateway answering. The defaults suit a small machine.
#[derive(Debug, Clone, Copy)]
pub struct GatewayLimits {
    /// Open connections; more wait in the system's queue.
    pub connections_max: usize,
    /// Those of one peer, unless it is a trusted proxy; three quarters of all without it.
    pub connections_per_peer_max: Option<NonZeroUsize>,
    /// How long a connection may take to send a request's head, and so how long an idle one is kept: longer than the 60 s
    /// after which load balancers close theirs.
    pub header_read_timeout: Duration,
    /// The same for a connection on which nothing was asked yet.
    pub first_request_timeout: Duration,
    /// How long the other side may take nothing of an answer that is there.
    pub write_timeout: Duration,
    /// How long it may take to take all of an answer.
    pub answer_timeout: Duration,
    /// Memory of all large answers that are being made or taken.
    pub answer_bytes_max: usize,
    /// A request's head, in bytes.
    pub header_bytes_max: usize,
    /// Notices being served at a time: fewer than connections, so that one too many is refused at once.
    pub notices_max: usize,
    /// Memory of the bodies that are being read of requests which have proven nothing yet: more are refused at once.
    pub unproven_body_bytes_max: usize,
    /// The least time between the first two signals to one subscription while notices keep coming; then it grows.
    pub notice_spacing: Duration,
    /// The most that it grows to: well within what providers wait for an answer.
    pub notice_spacing_max: Duration,
    /// Calendars with notices on their way.
    pub notice_calendars_max: usize,
    /// Notices that wait for one signal.
    pub notice_waiters_max: usize,
    /// Other requests being served at a time.
    pub requests_max: usize,
    /// How long another request may take.
    pub request_timeout: Duration,
    /// How long somebody waits for a sync they asked for.
    pub sync_timeout: Duration,
    /// How long a browser that comes back from the consent page waits for the redemption, to show how it went.
    pub consent_timeout: Duration,
    /// How long somebody waits for an account's list of calendars to be read, which they asked for.
    pub refresh_timeout: Duration,
    /// Syncs that one tenant waits for at a time; further ones go on without anybody waiting.
    pub syncs_per_tenant_max: usize,
    /// How long open requests may take after the gateway was asked to stop.
    pub drain_timeout: Duration,
    /// A background task that shows no sign of life for longer hangs, and the gateway is not ready.
    pub task_silence_max: Duration,
}

impl Default for GatewayLimits {
    fn default() -> Self {
        Self {
            connections_max: 12_288,
            connections_per_peer_max: None,
            header_read_timeout: Duration::from_secs(75),
            first_request_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(15),
            answer_timeout: Duration::from_secs(60),
            answer_bytes_max: 96 * 1024 * 1024,
            header_bytes_max: 8 * 1024,
            notices_max: 8_192,
            // Sixteen bodies of 4 MiB, of which no provider's are larger, fit into a small machine beside the answers. Of usual
            // ones there may be thousands.
            unproven_body_bytes_max: 64 * 1024 * 1024,
            notice_spacing: Duration::from_millis(500),
            notice_spacing_max: Duration::from_secs(1),
            notice_calendars_max: 4_096,
            notice_waiters_max: 2_048,
            requests_max: 256,
            request_timeout: Duration::from_secs(10),
            consent_timeout: Duration::from_secs(5),
            refresh_timeout: Duration::from_secs(30),
            sync_timeout: Duration::from_secs(30),
            syncs_per_tenant_max: 32,
            drain_timeout: Duration::from_secs(10),
            // All that one of them waits for has a limit of its own, and those together are shorter.
            task_silence_max: Duration::from_secs(60),
        }
    }
}

/// Descriptors for everything but connections to us: the store, Temporal, files.
const DESCRIPTORS_KEPT: usize = 256;

impl GatewayLimits {
    /// These bounds for a process that may have so many descriptors open: a connection that cannot be accepted would
    /// also leave none for the store and Temporal.
    pub(crate) fn within(self, descriptors_max: usize) -> Self {
        let connections_max = self.connections_max.min(descriptors_max.saturating_sub(DESCRIPTORS_KEPT).max(1));
        let notices_max = self.notices_max.min(connections_max - connections_max / 4);
        Self { connections_max, notices_max, ..self }
    }

    /// Connections of one peer.
    pub(crate) fn per_peer_max(&self) -> usize {
        let without = (self.connections_max - self.connections_max / 4).max(1);
        self.connections_per_peer_max.map_or(without, NonZeroUsize::get)
    }
}

/// How many descriptors this process may have open; none if there is no limit.
pub(crate) fn descriptors_max() -> Option<usize> {
    getrlimit(Resource::Nofile).current.and_then(|descriptors_max| usize::try_from(descriptors_max).ok())
}

impl GatewayConfig {
    /// Reads the configuration; errors name the variable, what is wrong and an example.
    pub fn from_lookup(lookup: &Lookup<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            address: gateway::HTTP_ADDRESS.read(lookup)?,
            public_url: gateway::PUBLIC_URL.read(lookup)?,
            fronts: registry::fronts(lookup)?,
            timings: timing::by_provider(lookup)?,
            strategies: registry::strategies(lookup)?,
            fleet_interval: timing::fleet_interval(lookup)?,
            // Read with the way to Temporal, whose profile may say it.
            temporal_namespace: "default".to_owned(),
            limits: GatewayLimits {
                connections_per_peer_max: gateway::CONNECTIONS_PER_PEER.read(lookup)?,
                ..GatewayLimits::default()
            },
            cors_origins: gateway::CORS_ORIGINS.read(lookup)?,
            trusted_proxies: gateway::TRUSTED_PROXIES.read(lookup)?,
            catch_up: CatchUpPace::default(),
            probe: ProbePace::default(),
        })
    }
}

#[cfg(test)]
mod tests;
