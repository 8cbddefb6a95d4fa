//! Runs a Temporal server until Ctrl-C and prints, as one line of JSON, what it started.
//! Arguments: data folder, cache folder, value of PATH.

#![expect(clippy::print_stdout, reason = "tests read what it prints")]

use std::env;
use std::error::Error;

use evercal_devserver::{TemporalOptions, TemporalServer};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Before anything is printed: whoever reads that may interrupt at once.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut args = env::args_os().skip(1);
    let mut next = || args.next().ok_or("expected: data folder, cache folder, PATH");
    let server = TemporalServer::start(TemporalOptions::new(next()?, next()?, next()?)).await?;
    let (address, ui_url) = (server.address(), server.ui_url());
    let (server_pid, ui_pid) = (server.server_pid(), server.ui_pid());
    println!(
        "{}",
        serde_json::json!({ "address": address, "ui_url": ui_url, "server_pid": server_pid, "ui_pid": ui_pid })
    );
    interrupt.recv().await;
    server.stop().await;
    Ok(())
}
