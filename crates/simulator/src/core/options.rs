//! What a simulator is started with. Everything that may change while it runs is in [`super::control`] instead.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDate;
use evercal_domain::{Clock, SystemClock};
use serde::{Deserialize, Serialize};

/// How a simulator is started. [`Default`] suits tests: a free port on loopback, nothing on disk, no users.
#[derive(Clone)]
pub struct SimulatorOptions {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where it listens with TLS as well, for clients that send no token without; port 0 takes a free one. Its certificate is
    /// made at start.
    pub listen_tls: Option<SocketAddr>,
    /// Folder of the journal; without it everything is gone when the simulator ends.
    pub data_dir: Option<PathBuf>,
    /// Makes ids, tokens and every random choice. Always the same for one data folder, or its tokens are refused.
    pub seed: u64,
    /// The real clock. Virtual time comes from the control API and from request headers.
    pub clock: Arc<dyn Clock>,
    /// Creates the demo tenant, unless the journal already has it.
    pub demo: Option<DemoTenant>,
    /// The OAuth clients that exist.
    pub oauth_clients: Vec<OauthClient>,
    /// How long an access token lives, in real time.
    pub access_token_lifetime: Duration,
    /// Accepts webhook addresses without TLS. No provider does; false shows the refusal.
    pub allow_http_webhooks: bool,
    /// When the `sync` message of a new channel is sent, where the provider sends one.
    pub sync_message: SyncMessageTiming,
    /// How notices are delivered.
    pub delivery: DeliveryOptions,
}

impl Default for SimulatorOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            listen_tls: None,
            data_dir: None,
            seed: 1,
            clock: Arc::new(SystemClock),
            demo: None,
            oauth_clients: vec![OauthClient::default()],
            access_token_lifetime: Duration::from_hours(1),
            allow_http_webhooks: true,
            sync_message: SyncMessageTiming::Seeded,
            delivery: DeliveryOptions::default(),
        }
    }
}

/// An application that users can grant access to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OauthClient {
    /// `client_id`.
    pub id: String,
    /// `client_secret`; of no worth outside the simulator.
    pub secret: String,
    /// The provider project that the client belongs to: revoking one grant kills those of the whole project.
    pub project: String,
}

impl Default for OauthClient {
    fn default() -> Self {
        Self {
            id: "evercal-simulator-client".to_owned(),
            secret: "evercal-simulator-secret".to_owned(),
            project: "evercal-simulator".to_owned(),
        }
    }
}

/// The demo tenant: one user with two calendars full of realistic events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoTenant {
    /// The same seed and week give the same events.
    pub seed: u64,
    /// The events lie around the week of this day.
    pub anchor: NaiveDate,
}

impl DemoTenant {
    /// The e-mail address of the demo user; also the id of the primary calendar.
    pub const USER: &'static str = "robin.hale@example.com";
}

/// When the `sync` message of a new channel is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncMessageTiming {
    /// Its first attempt ends before the watch call is answered.
    BeforeAnswer,
    /// It is queued while the watch call is answered.
    AfterAnswer,
    /// One or the other, chosen by the seed for each channel.
    Seeded,
}

/// How notices are delivered. No provider publishes these numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryOptions {
    /// How long the receiver may take to answer.
    pub timeout: Duration,
    /// Pause before the first repetition; it doubles each time.
    pub retry_base_delay: Duration,
    /// Attempts for one notice, the first included.
    pub attempts_max: u32,
}

impl Default for DeliveryOptions {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(10), retry_base_delay: Duration::from_secs(1), attempts_max: 6 }
    }
}
