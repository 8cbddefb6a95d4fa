//! One real Temporal server for all tests of a process, a namespace for each test.

use std::ffi::OsString;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, anyhow};
use evercal_devserver::{RateLimits, TemporalOptions, TemporalServer, cache_dir};
use evercal_workflow_client::search_attributes;
use temporalio_client::{Client, ClientOptions, Connection, ConnectionOptions};
use tokio::sync::oneshot;
use url::Url;

/// The shared server. It lives on a thread of its own: each test has its own runtime, which takes what was started on it down
/// when the test ends.
static SERVER: Mutex<Option<SharedServer>> = Mutex::new(None);
static NAMESPACES: AtomicU32 = AtomicU32::new(0);

/// A server on its thread; it stops when this is dropped.
struct SharedServer {
    address: Result<String, String>,
    _stop: oneshot::Sender<()>,
}

/// A namespace of the shared server.
pub struct TestTemporal {
    /// `host:port`.
    pub address: String,
    /// Its name.
    pub namespace: String,
    /// A client of it.
    pub client: Client,
}

impl TestTemporal {
    /// Starts the shared server if it is not running, and makes a new namespace in it.
    pub async fn start() -> anyhow::Result<Self> {
        let address = tokio::task::spawn_blocking(|| {
            let mut server = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
            server.get_or_insert_with(start_shared_server).address.clone()
        });
        let address = address.await?.map_err(|error| anyhow!("starting Temporal for the tests: {error}"))?;
        let namespace = format!("test-{}", NAMESPACES.fetch_add(1, Ordering::Relaxed));
        let folder = tempfile::tempdir()?;
        let mut options = options(folder.path())?;
        options.running_server = Some(evercal_devserver::connection_options(&address)?);
        options.namespace.clone_from(&namespace);
        // In a box of its own: the futures of whole worlds stand on this one.
        Box::pin(TemporalServer::start(options)).await?;
        let client = connect(&address, &namespace, "test").await?;
        Ok(Self { address, namespace, client })
    }
}

/// Ends the shared server; the next one that is asked for is a new one, which carries nothing of what was before.
pub fn end_shared_server() {
    drop(SERVER.lock().unwrap_or_else(PoisonError::into_inner).take());
}

/// A client with an identity.
pub async fn connect(address: &str, namespace: &str, identity: &str) -> anyhow::Result<Client> {
    let (connection, client) = connection_options(address, namespace, identity)?;
    Client::new(Connection::connect(connection).await?, client).map_err(|error| anyhow!("making a client: {error}"))
}

/// The options that a process would read from its environment.
pub fn connection_options(
    address: &str,
    namespace: &str,
    identity: &str,
) -> anyhow::Result<(ConnectionOptions, ClientOptions)> {
    let url: Url = format!("http://{address}").parse()?;
    let connection = ConnectionOptions::new(url).identity(identity.to_owned()).build();
    Ok((connection, ClientOptions::new(namespace.to_owned()).build()))
}

/// Starts the shared server on a thread of its own; the server's lifeline ends with the process.
fn start_shared_server() -> SharedServer {
    let (started, address) = std::sync::mpsc::channel();
    let (stop, stopped) = oneshot::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime for the shared server");
        runtime.block_on(async {
            let server = shared_server().await;
            let address = server.as_ref().map(|(server, _)| server.address().to_owned());
            started.send(address.map_err(|error| format!("{error:#}"))).expect("the first test waits");
            // A sender that is gone means the same.
            drop(stopped.await);
            if let Ok((server, _folder)) = server {
                server.stop().await;
            }
        });
    });
    SharedServer { address: address.recv().map_err(|error| error.to_string()).flatten(), _stop: stop }
}

async fn shared_server() -> anyhow::Result<(TemporalServer, tempfile::TempDir)> {
    crate::logs::keep();
    let folder = tempfile::tempdir()?;
    let mut options = options(folder.path())?;
    options.time_skipping = true;
    options.with_ui = false;
    options.rate_limits =
        Some(RateLimits { namespace_requests_per_s: 100_000, history_persistence_calls_per_s: 100_000 });
    let server = TemporalServer::start(options).await.context("starting Temporal for the tests")?;
    Ok((server, folder))
}

/// The options of a server in `folder`, with the binaries of the user's cache.
pub fn options(folder: &std::path::Path) -> anyhow::Result<TemporalOptions> {
    let variable = |name: &str| std::env::var_os(name);
    let cache = cache_dir(variable("XDG_CACHE_HOME").as_deref(), variable("HOME").as_deref());
    let cache = cache.context("neither XDG_CACHE_HOME nor HOME names a folder for the built Temporal server")?;
    let path: OsString = variable("PATH").unwrap_or_default();
    let mut options = TemporalOptions::new(folder, cache, path);
    options.search_attributes = search_attributes();
    Ok(options)
}
