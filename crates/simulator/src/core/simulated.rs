//! A simulated provider as a process runs it, whichever it is.

use std::path::{Path, PathBuf};

use evercal_process::TaskFailure;
use futures::future::{BoxFuture, join_all, select_all};

use super::SimulatedProvider;
use super::error::SimulatorError;
use super::options::SimulatorOptions;
use super::simulator::Simulator;
use super::tls::CA_FILE;

/// A provider that can be simulated, for whoever runs it and does not ask which it is.
pub struct Simulated {
    /// Its name.
    pub provider: &'static str,
    /// Where its API is below the simulator's root, with a slash at the end.
    pub api_path: &'static str,
    /// Where the API lists a user's calendars, each with its `id`; below [`Self::api_path`].
    pub calendars_path: &'static str,
    /// The field of that list in which they are.
    pub calendars_field: &'static str,
    /// Whether one of its official clients sends no token without TLS.
    pub wants_tls: bool,
    /// The settings by which gateways and workers find it at a root.
    pub settings: fn(&str) -> Vec<(&'static str, String)>,
    pub(crate) start: Start,
}

/// Starts a simulator.
pub(crate) type Start = fn(SimulatorOptions) -> BoxFuture<'static, Result<Box<dyn Running>, SimulatorError>>;

impl Simulated {
    /// Reads the journal, listens, and delivers pending notices.
    pub async fn start(&self, options: SimulatorOptions) -> Result<Box<dyn Running>, SimulatorError> {
        (self.start)(options).await
    }

    /// The file of the authority that clients have to trust for TLS, in PEM, of a simulator with this data folder.
    pub fn tls_ca_path(&self, data_dir: &Path) -> PathBuf {
        data_dir.join(CA_FILE)
    }
}

/// Runs simulators until `shutdown` resolves, or until one of them fails. `ready` is called once all of them listen.
pub async fn run(
    options: Vec<(&Simulated, SimulatorOptions)>,
    ready: impl FnOnce(&[Box<dyn Running>]),
    shutdown: impl Future<Output = ()>,
) -> Result<(), SimulatorError> {
    let mut running = Vec::new();
    for (simulated, options) in options {
        running.push(simulated.start(options).await?);
    }
    ready(&running);
    let failure = tokio::select! {
        () = shutdown => None,
        (failure, ..) = select_all(running.iter().map(|simulator| simulator.failed())) => Some(failure),
    };
    join_all(running.into_iter().map(Running::shutdown)).await;
    failure.map_or(Ok(()), |failure| Err(failure.into()))
}

/// A running simulator, whichever provider it plays.
pub trait Running: Send + Sync {
    /// The provider's name.
    fn provider(&self) -> &'static str;

    /// `http://host:port/`.
    fn root_url(&self) -> &str;

    /// Completes when one of its tasks has failed: then the process has to end.
    fn failed(&self) -> BoxFuture<'_, TaskFailure>;

    /// Ends it: no new requests, no new notices; what is not delivered stays in the journal.
    fn shutdown(self: Box<Self>) -> BoxFuture<'static, ()>;
}

impl<P: SimulatedProvider> Running for Simulator<P> {
    fn provider(&self) -> &'static str {
        P::NAME
    }

    fn root_url(&self) -> &str {
        Self::root_url(self)
    }

    fn failed(&self) -> BoxFuture<'_, TaskFailure> {
        Box::pin(Self::failed(self))
    }

    fn shutdown(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(Self::shutdown(*self))
    }
}

/// Starts the simulator of a provider.
pub(crate) fn start<P: SimulatedProvider>(
    options: SimulatorOptions,
) -> BoxFuture<'static, Result<Box<dyn Running>, SimulatorError>> {
    Box::pin(async {
        let running: Box<dyn Running> = Box::new(Simulator::<P>::start(options).await?);
        Ok(running)
    })
}
