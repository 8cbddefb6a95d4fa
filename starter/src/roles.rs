//! The roles that `evercal dev` runs as processes of their own, as far as they need more than their crate's `run`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::Context;
use chrono::{DateTime, Utc};
use evercal_domain::{Clock as _, SystemClock};
use evercal_process::stop_signal;
use evercal_simulator::{DemoTenant, SimulatorOptions};

/// What the simulator is started with.
pub struct SimulatorArguments {
    /// Where it keeps its state; nothing is kept without it.
    pub data_dir: Option<PathBuf>,
    /// Where it listens on loopback.
    pub port: u16,
    /// Makes the demo tenant, the same for the same seed.
    pub seed: Option<u64>,
}

/// Runs the simulator until SIGINT or SIGTERM.
pub async fn simulator(arguments: SimulatorArguments) -> anyhow::Result<()> {
    let today = DateTime::<Utc>::date_naive(&SystemClock.now());
    let options = SimulatorOptions {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port)),
        data_dir: arguments.data_dir,
        demo: arguments.seed.map(|seed| DemoTenant { seed, anchor: today }),
        ..SimulatorOptions::default()
    };
    let stop = stop_signal()?;
    let announce = |simulator: &evercal_simulator::Simulator| tracing::info!(url = simulator.root_url(), "ready");
    evercal_simulator::run(options, announce, stop).await.context("running the simulator")
}
