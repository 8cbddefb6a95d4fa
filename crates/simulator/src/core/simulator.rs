//! Starting and stopping: inside a test, or as a process.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use evercal_process::TaskFailure;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::core::control::Control;
use crate::core::journal::{Journal, JournalError};
use crate::core::net::{ConnectionHandle, ResettableListener};
use crate::core::options::SimulatorOptions;
use crate::core::visitors;
use crate::core::world::{Shared, World};
use crate::google::delivery::{self, CONCURRENT_DELIVERIES_MAX};
use crate::google::demo;

/// How long open connections may take to end after shutdown was asked for.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);

/// Why a simulator did not start or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    /// The address could not be listened on, or the server failed.
    #[error("simulator: cannot listen on {address}: {source}")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The journal could not be opened or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The journal holds something that this version cannot read.
    #[error("simulator: the journal's entry {key} cannot be read: {reason}")]
    State {
        /// The entry's key.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The client that sends notices could not be made.
    #[error("simulator: cannot make the webhook client: {0}")]
    WebhookClient(reqwest::Error),
    /// A background task failed.
    #[error("simulator: {0}")]
    Task(#[from] TaskFailure),
    /// The demo tenant is not legal; a mistake in the seed.
    #[error("simulator: cannot create the demo tenant: {0}")]
    Demo(String),
}

impl SimulatorError {
    pub(crate) fn unknown_key(key: &str) -> Self {
        Self::State { key: key.to_owned(), reason: "unknown kind of entry".to_owned() }
    }
}

/// A running simulator. Dropping it ends it without waiting.
pub struct Simulator {
    shared: Arc<Shared>,
    address: SocketAddr,
    server: JoinHandle<std::io::Result<()>>,
    delivery: JoinHandle<()>,
}

impl Simulator {
    /// Reads the journal, listens, and delivers pending notices.
    pub async fn start(options: SimulatorOptions) -> Result<Self, SimulatorError> {
        let listen_error = |source| SimulatorError::Listen { address: options.listen, source };
        let listener = TcpListener::bind(options.listen).await.map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        let root_url = format!("http://{address}/");
        let (journal, entries) = match &options.data_dir {
            None => (Journal::in_memory(), std::collections::BTreeMap::new()),
            Some(folder) => Journal::open(folder)?,
        };
        let world = World::restore(journal, entries, &options, &root_url)?;
        let webhook_client = webhook_client(&options)?;
        let demo = options.demo.clone();
        let shared = Arc::new(Shared::new(world, options, root_url, webhook_client, CONCURRENT_DELIVERIES_MAX));
        if let Some(demo) = demo {
            shared.with_world(|world| demo::create(world, &demo))?.map_err(|error| {
                let body = error.into_response().body;
                SimulatorError::Demo(String::from_utf8_lossy(&body).into_owned())
            })?;
        }
        let app = app(Arc::clone(&shared)).into_make_service_with_connect_info::<ConnectionHandle>();
        let stop = shared.shutdown.clone();
        let server = shared.tasks.spawn("server", async move {
            axum::serve(ResettableListener(listener), app).with_graceful_shutdown(stop.cancelled_owned()).await
        });
        let delivery = shared.tasks.spawn("delivery", delivery::run(Arc::clone(&shared)));
        Ok(Self { shared, address, server, delivery })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://host:port/`: OAuth is at `o/oauth2/v2/auth`, `token` and `revoke`, the control API at `control/`.
    pub fn root_url(&self) -> &str {
        &self.shared.root_url
    }

    /// `http://host:port/calendar/v3/`: what an official client takes as its endpoint.
    pub fn base_url(&self) -> String {
        format!("{}calendar/v3/", self.shared.root_url)
    }

    /// The control API without HTTP.
    pub fn control(&self) -> Control {
        Control::new(Arc::clone(&self.shared))
    }

    /// Completes when one of its tasks has failed: then the process has to end.
    pub async fn failed(&self) -> TaskFailure {
        self.shared.tasks.failed().await
    }

    /// Ends it: no new requests, no new notices; what is not delivered stays in the journal.
    pub async fn shutdown(mut self) {
        self.shared.shutdown.cancel();
        if tokio::time::timeout(SHUTDOWN_GRACE, &mut self.server).await.is_err() {
            self.server.abort();
        }
        self.delivery.abort();
        self.shared.with_world_unpromised(|world| world.journal.close());
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.shared.shutdown.cancel();
    }
}

/// Runs a simulator as a process until `shutdown` resolves. `ready` is called once it listens.
pub async fn run(
    options: SimulatorOptions,
    ready: impl FnOnce(&Simulator),
    shutdown: impl Future<Output = ()>,
) -> Result<(), SimulatorError> {
    let simulator = Simulator::start(options).await?;
    tracing::info!(base_url = %simulator.base_url(), "the simulator listens");
    ready(&simulator);
    let failure = tokio::select! {
        () = shutdown => None,
        failure = simulator.failed() => Some(failure),
    };
    simulator.shutdown().await;
    failure.map_or(Ok(()), |failure| Err(failure.into()))
}

fn app(shared: Arc<Shared>) -> Router {
    Router::new()
        .merge(crate::google::http::routes())
        .merge(crate::core::control::routes::routes())
        .fallback(unknown_path)
        .layer(from_fn(visitors::local_programs_alone))
        .with_state(shared)
}

async fn unknown_path() -> Response {
    let body = json!({"error": "the simulator has nothing at this path"});
    (StatusCode::NOT_FOUND, axum::Json(body)).into_response()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the simulator plays the provider: its notices must not go through evercal's own guarded client"
)]
fn webhook_client(options: &SimulatorOptions) -> Result<reqwest::Client, SimulatorError> {
    // An error means that a provider is installed already, which is as good.
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder()
        .timeout(options.delivery.timeout)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .map_err(SimulatorError::WebhookClient)
}
