//! `evercal simulator`: the simulated provider, which `evercal dev` runs as a process of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::Context;
use chrono::{DateTime, Utc};
use clap::Args;
use evercal_domain::{Clock as _, SystemClock};
use evercal_process::stop_signal;
use evercal_simulator::{DemoTenant, Simulator, SimulatorOptions};

/// What a person may say to it.
#[derive(Args)]
pub struct Options {
    /// Where it keeps its state; without it nothing is kept
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// Its port; 0 takes a free one, which the log names
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Make the demo user with two calendars; the same events for the same seed
    #[arg(long)]
    seed: Option<u64>,
}

/// Runs the simulator until SIGINT or SIGTERM.
pub(super) async fn run(options: Options) -> anyhow::Result<()> {
    let today = DateTime::<Utc>::date_naive(&SystemClock.now());
    let options = SimulatorOptions {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, options.port)),
        data_dir: options.data_dir,
        demo: options.seed.map(|seed| DemoTenant { seed, anchor: today }),
        ..SimulatorOptions::default()
    };
    let stop = stop_signal()?;
    let announce = |simulator: &Simulator| tracing::info!(url = simulator.root_url(), "ready");
    evercal_simulator::run(options, announce, stop).await.context("running the simulator")
}
