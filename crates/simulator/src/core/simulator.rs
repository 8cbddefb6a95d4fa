//! Starting and stopping: inside a test, or as a process.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
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

use super::SimulatedProvider;
use super::control::{self, Control};
use super::error::SimulatorError;
use super::journal::Journal;
use super::net::{ConnectionHandle, ResettableListener};
use super::options::SimulatorOptions;
use super::shared::Shared;
use super::tls::{self, TlsListener};
use super::visitors;
use super::world::World;

/// How long open connections may take to end after shutdown was asked for.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);

/// The listener that speaks TLS.
struct RunningTls {
    root_url: String,
    ca_path: PathBuf,
    server: JoinHandle<std::io::Result<()>>,
}

/// A running simulator. Dropping it ends it without waiting.
pub struct Simulator<P> {
    shared: Arc<Shared<P>>,
    address: SocketAddr,
    server: JoinHandle<std::io::Result<()>>,
    tls: Option<RunningTls>,
    delivery: JoinHandle<()>,
}

impl<P: SimulatedProvider> Simulator<P> {
    /// Reads the journal, listens, and delivers pending notices.
    pub async fn start(options: SimulatorOptions) -> Result<Self, SimulatorError> {
        let listen_error = |source| SimulatorError::Listen { address: options.listen, source };
        let listener = TcpListener::bind(options.listen).await.map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        let root_url = format!("http://{address}/");
        let (journal, entries) = match &options.data_dir {
            None => (Journal::in_memory(), BTreeMap::new()),
            Some(folder) => Journal::open(folder)?,
        };
        let world = World::<P>::restore(journal, entries, &options, &root_url)?;
        let webhook_client = webhook_client(&options)?;
        let demo = options.demo.clone();
        let shared = Arc::new(Shared::new(world, options, root_url, webhook_client));
        if let Some(demo) = demo {
            shared.with_world(|world| P::create_demo(world, &demo))?.map_err(SimulatorError::Demo)?;
        }
        let app = app(Arc::clone(&shared)).into_make_service_with_connect_info::<ConnectionHandle>();
        let stop = shared.shutdown.clone();
        let server = shared.tasks.spawn("server", async move {
            axum::serve(ResettableListener(listener), app).with_graceful_shutdown(stop.cancelled_owned()).await
        });
        let tls = match shared.options.listen_tls {
            None => None,
            Some(listen) => Some(serve_tls(&shared, listen).await?),
        };
        let delivery = shared.tasks.spawn("delivery", P::deliver(Arc::clone(&shared)));
        Ok(Self { shared, address, server, tls, delivery })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://host:port/`: below it are the provider's API and its OAuth server, and the control API at `control/`.
    pub fn root_url(&self) -> &str {
        &self.shared.root_url
    }

    /// The root of the provider's API: what an official client takes as its endpoint.
    pub fn base_url(&self) -> String {
        format!("{}{}", self.shared.root_url, P::API_PATH)
    }

    /// The same as [`Self::root_url`] with TLS, where it listens so.
    pub fn tls_root_url(&self) -> Option<&str> {
        self.tls.as_ref().map(|tls| tls.root_url.as_str())
    }

    /// The same as [`Self::base_url`] with TLS, where it listens so.
    pub fn tls_base_url(&self) -> Option<String> {
        self.tls_root_url().map(|root| format!("{root}{}", P::API_PATH))
    }

    /// The file of the authority that clients have to trust for TLS, in PEM.
    pub fn tls_ca_path(&self) -> Option<&Path> {
        self.tls.as_ref().map(|tls| tls.ca_path.as_path())
    }

    /// The control API without HTTP.
    pub fn control(&self) -> Control<P> {
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
        if let Some(tls) = self.tls.take() {
            tls.server.abort();
        }
        self.delivery.abort();
        self.shared.with_world_unpromised(|world| world.journal.close());
    }
}

impl<P> Drop for Simulator<P> {
    fn drop(&mut self) {
        self.shared.shutdown.cancel();
    }
}

async fn serve_tls<P: SimulatedProvider>(
    shared: &Arc<Shared<P>>,
    listen: SocketAddr,
) -> Result<RunningTls, SimulatorError> {
    let listen_error = |source| SimulatorError::Listen { address: listen, source };
    let listener = TcpListener::bind(listen).await.map_err(listen_error)?;
    let address = listener.local_addr().map_err(listen_error)?;
    let certified = tls::certify(address, shared.options.data_dir.as_deref())?;
    let listener = TlsListener::new(listener, address, certified.acceptor, Arc::clone(shared));
    let app = app(Arc::clone(shared)).into_make_service_with_connect_info::<ConnectionHandle>();
    let stop = shared.shutdown.clone();
    let server = shared.tasks.spawn("server with TLS", async move {
        axum::serve(listener, app).with_graceful_shutdown(stop.cancelled_owned()).await
    });
    // By name, since not every client takes an address for one.
    let root_url = format!("https://localhost:{}/", address.port());
    Ok(RunningTls { root_url, ca_path: certified.ca_path, server })
}

fn app<P: SimulatedProvider>(shared: Arc<Shared<P>>) -> Router {
    Router::new()
        .merge(P::routes())
        .merge(control::routes::routes())
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
