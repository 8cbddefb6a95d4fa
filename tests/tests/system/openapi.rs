//! The running API is what its description says: Schemathesis makes requests of it, valid and invalid ones, and follows
//! ids from one answer into the next request.

use std::path::PathBuf;

use evercal_tests::{AnyProvider, World};
use tokio::process::Command;

/// What to do when there is no Python with Schemathesis.
const HOW_TO_INSTALL: &str = "EVERCAL_PYTHON is not set: `cargo verify` makes a Python with Schemathesis";

#[tokio::test(flavor = "multi_thread")]
async fn no_request_breaks_the_api_or_gets_an_answer_that_is_not_declared() {
    let python = PathBuf::from(std::env::var_os("EVERCAL_PYTHON").expect(HOW_TO_INSTALL));
    let world = World::start::<AnyProvider>().await;
    world.connect_and_mirror().await;
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(python)
        .current_dir(folder.path())
        .args(["-m", "schemathesis.cli", "run", &format!("{}openapi.json", world.public_url())])
        .args(["--header", &format!("Authorization: Bearer {}", world.api_key.expose())])
        // A description cannot say which cursors there are, or that `from` is before `to`; and an account that is disconnected
        // stays to be seen.
        .args(["--checks", "all", "--exclude-checks", "positive_data_acceptance,use_after_free"])
        .args(["--max-examples", "15", "--seed", "1", "--continue-on-failure", "--no-color"])
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}\n{errors}");
    assert!(printed.contains("Tested: 20"), "every operation was tried\n{printed}");
    world.end().await;
}
