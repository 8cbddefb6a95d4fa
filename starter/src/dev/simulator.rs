//! `evercal simulator`: the simulated providers, which `evercal dev` runs as a process of its own. Each has its own ports, its own
//! folder and its own control API.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use clap::Args;
use evercal_domain::{Clock as _, SystemClock};
use evercal_process::stop_signal;
use evercal_simulator::{DemoTenant, Running, SIMULATED, Simulated, SimulatorOptions};

/// What a person may say to it.
#[derive(Args)]
pub struct Options {
    /// Where they keep their state; without it nothing is kept
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// The first provider's port; 0 takes a free one, which the log names
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The port of a provider by its name, repeatable; without it a free one, which the log names
    #[arg(long, value_name = "PROVIDER=PORT", value_parser = port_of)]
    port_of: Vec<(String, u16)>,
    /// The port at which a provider speaks TLS, repeatable; without it a free one where a client of it needs TLS
    #[arg(long, value_name = "PROVIDER=PORT", value_parser = port_of)]
    tls_port_of: Vec<(String, u16)>,
    /// Make the demo user with two calendars; the same events for the same seed
    #[arg(long)]
    seed: Option<u64>,
}

/// Reads a provider's name, an equals sign and a port.
fn port_of(text: &str) -> Result<(String, u16), String> {
    let names = || SIMULATED.iter().map(|one| one.provider).collect::<Vec<_>>().join(", ");
    let (name, port) = text.split_once('=').ok_or("a provider's name, an equals sign and a port")?;
    if !SIMULATED.iter().any(|one| one.provider == name) {
        return Err(format!("there is no `{name}`; there are {}", names()));
    }
    Ok((name.to_owned(), port.parse().map_err(|_| format!("`{port}` is no port"))?))
}

/// Runs the simulators until SIGINT or SIGTERM.
pub(super) async fn run(options: Options) -> anyhow::Result<()> {
    let today = DateTime::<Utc>::date_naive(&SystemClock.now());
    let address = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let (ports, tls_ports): (BTreeMap<_, _>, BTreeMap<_, _>) =
        (options.port_of.into_iter().collect(), options.tls_port_of.into_iter().collect());
    let mut first = Some(options.port);
    let of = |simulated: &&'static Simulated| {
        let provider = simulated.provider;
        let of_first = first.take();
        let settings = SimulatorOptions {
            listen: address(ports.get(provider).copied().or(of_first).unwrap_or(0)),
            listen_tls: simulated.wants_tls.then(|| address(tls_ports.get(provider).copied().unwrap_or(0))),
            data_dir: options.data_dir.as_ref().map(|folder| folder.join(provider)),
            demo: options.seed.map(|seed| DemoTenant { seed, anchor: today }),
            ..SimulatorOptions::default()
        };
        (*simulated, settings)
    };
    let all = SIMULATED.iter().map(of).collect();
    let announce = |running: &[Box<dyn Running>]| {
        for simulator in running {
            tracing::info!(provider = simulator.provider(), url = simulator.root_url(), "ready");
        }
    };
    let stop = stop_signal()?;
    evercal_simulator::run(all, announce, stop).await.context("running the simulators")
}
