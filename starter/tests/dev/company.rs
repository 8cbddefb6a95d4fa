//! `evercal dev` on a Temporal server that somebody else runs, and that others use too.

use std::path::Path;
use std::process::{Command, Stdio};

use evercal_devserver::{TemporalOptions, TemporalServer};

use crate::installation::{self, Installation};

async fn shared_temporal(folder: &Path) -> TemporalServer {
    let options = TemporalOptions { with_ui: false, ..evercal_tests::temporal::options(folder).unwrap() };
    TemporalServer::start(options).await.unwrap()
}

/// `dev` in a folder, with the variables that lead to this server.
fn on(temporal: &TemporalServer, namespace: &str, folder: &Path) -> Command {
    let mut command = installation::command(folder);
    command.env("TEMPORAL_ADDRESS", temporal.address()).env("TEMPORAL_NAMESPACE", namespace);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn dev_does_not_join_the_workers_of_another_evercal_and_goes_on_after_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let temporal = shared_temporal(&folder.path().join("temporal")).await;
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    let dev = Installation::start_command(on(&temporal, "shared", &first), "{}");

    let refused = on(&temporal, "shared", &second).stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success(), "{said}");
    assert!(said.contains("another evercal") && said.contains("set another TEMPORAL_NAMESPACE"), "{said}");
    let elsewhere = Installation::start_command(on(&temporal, "of-the-second", &second), "{}");
    assert!(elsewhere.stop().success());

    // Temporal shows a killed worker for some minutes.
    dev.kill();
    let dev = Installation::start_command(on(&temporal, "shared", &first), "{}");
    dev.kill();
    let mut fresh = on(&temporal, "shared", &first);
    fresh.arg("--fresh");
    let dev = Installation::start_command(fresh, "{}");
    assert!(dev.stop().success());
    temporal.stop().await;
}
