//! Microsoft's own clients work against the simulator unchanged but for their endpoint and whom they trust.

use tokio::process::Command;

use super::receiver::Receiver;
use super::*;

const PYTHON_SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/official_graph_client.py");
const NODE_SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/node/official_graph_client.mjs");

/// What to do when the clients are not there.
const HOW_TO_INSTALL: &str =
    "EVERCAL_PYTHON or EVERCAL_NODE_MODULES is not set: `cargo verify` brings Microsoft's clients";

async fn succeeds(command: &mut Command) {
    let output = command.kill_on_drop(true).output().await.unwrap();
    let (printed, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "the script failed\n{printed}\n{errors}");
    assert!(printed.ends_with("all checks passed\n"), "{printed}");
}

async fn with_tls() -> Mailbox {
    let listen_tls = Some("127.0.0.1:0".parse().unwrap());
    Mailbox::start_with(SimulatorOptions { listen_tls, ..SimulatorOptions::default() }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_python_client_works_unchanged() {
    let python = std::env::var_os("EVERCAL_PYTHON").expect(HOW_TO_INSTALL);
    let (mailbox, receiver) = (with_tls().await, Receiver::start().await);
    let mut command = Command::new(python);
    command.arg(PYTHON_SCRIPT).arg(mailbox.simulator.tls_base_url().unwrap());
    command.arg(mailbox.simulator.tls_ca_path().unwrap()).args([&mailbox.token, &receiver.address]);
    succeeds(&mut command).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_node_client_works_unchanged() {
    let modules = std::env::var_os("EVERCAL_NODE_MODULES").expect(HOW_TO_INSTALL);
    let (mailbox, receiver) = (with_tls().await, Receiver::start().await);
    let mut command = Command::new("node");
    command.arg(NODE_SCRIPT).arg(mailbox.simulator.tls_base_url().unwrap());
    command.args([&mailbox.token, &receiver.address]).arg(modules);
    command.env("NODE_EXTRA_CA_CERTS", mailbox.simulator.tls_ca_path().unwrap());
    succeeds(&mut command).await;
}
