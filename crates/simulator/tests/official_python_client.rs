//! Google's own Python client works against the simulator unchanged but for its endpoint, and every answer has the
//! shape of the discovery document that the client ships.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use chrono::NaiveDate;
use evercal_simulator::{DemoTenant, Simulator, SimulatorOptions, TokenRequest};
use tokio::net::TcpListener;
use tokio::process::Command;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/official_client.py");

/// What to do when there is no Python with the client.
const HOW_TO_INSTALL: &str =
    "EVERCAL_PYTHON is not set: `cargo verify` makes a Python with the official client and runs this test";

#[tokio::test(flavor = "multi_thread")]
async fn the_official_python_client_works_unchanged_but_for_its_endpoint() {
    let python = std::env::var_os("EVERCAL_PYTHON").expect(HOW_TO_INSTALL);
    let anchor = NaiveDate::from_ymd_opt(2026, 11, 23).unwrap();
    let options = SimulatorOptions { demo: Some(DemoTenant { seed: 1, anchor }), ..SimulatorOptions::default() };
    let simulator = Simulator::start(options).await.unwrap();
    let request = TokenRequest { user: DemoTenant::USER.to_owned(), client_id: None, scopes: Vec::new() };
    let tokens = simulator.control().issue_tokens(&request).unwrap();

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let webhook = format!("http://{}/hook", listener.local_addr().unwrap());
    let receiver = Router::new().route("/hook", post(|| async { StatusCode::OK }));
    let receiver = tokio::spawn(async move { axum::serve(listener, receiver).await });

    let output = Command::new(python)
        .arg(SCRIPT)
        .args([simulator.root_url(), &webhook, &tokens.access_token, DemoTenant::USER])
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    receiver.abort();
    let printed = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the script failed\n{printed}\n{errors}");
    assert!(printed.ends_with("all checks passed\n"), "{printed}");
}
