//! When a process is asked to end.

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

/// Listens from now on for SIGINT (Ctrl-C) and SIGTERM; the answer completes with the first of them.
pub fn stop_signal() -> anyhow::Result<impl Future<Output = ()> + Send> {
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
