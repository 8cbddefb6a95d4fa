//! The image's `evercal` is built without the feature `dev`, and has nothing that plays Google. `cargo verify` runs this in
//! such a build too.

use std::fs;

/// Two routes of the simulator's control API, and the header that sets its clock.
const TEXTS_OF_THE_SIMULATOR: [&str; 3] =
    ["/control/calendars/{calendar}/watchable", "/control/access-tokens", "x-evercal-simulated-now"];
/// A route of the gateway, which is in every build.
const ROUTE_OF_THE_GATEWAY: &str = "/v1/calendars/{id}/status";
const DOCKERFILE: &str = include_str!("../../../Dockerfile");

#[test]
fn the_image_is_built_without_the_default_features() {
    assert!(DOCKERFILE.contains("--package evercal-starter --no-default-features"), "{DOCKERFILE}");
}

#[test]
fn the_simulator_is_only_in_a_build_with_the_feature_dev() {
    let program = fs::read(env!("CARGO_BIN_EXE_evercal")).unwrap();
    let program = String::from_utf8_lossy(&program);
    assert!(program.contains(ROUTE_OF_THE_GATEWAY), "does the test check anything?");
    for text in TEXTS_OF_THE_SIMULATOR {
        assert_eq!(program.contains(text), cfg!(feature = "dev"), "{text}");
    }
}

#[cfg(not(feature = "dev"))]
#[tokio::test]
async fn the_commands_that_are_missing_say_where_there_is_an_evercal_that_has_them() {
    use std::path::Path;

    use crate::stub::evercal;

    for command in ["dev", "simulator"] {
        let all_options: [&[&str]; 4] = [&[], &["--help"], &["--data-dir", "somewhere", "--json"], &["--nonsense"]];
        for options in all_options {
            let arguments = [&[command][..], options].concat();
            let run = evercal(&arguments, &[], Path::new("/")).await;
            assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{arguments:?}: {run:?}");
            let missing = format!("this evercal was built without `evercal {command}`");
            let way_out = format!("`cargo run --release -- {command}`");
            assert!(run.stderr.contains(&missing) && run.stderr.contains(&way_out), "{}", run.stderr);
        }
    }
    let help = evercal(&["--help"], &[], Path::new("/")).await.text();
    let is_listed = |command: &str| help.lines().any(|line| line.trim_start().starts_with(&format!("{command} ")));
    assert!(is_listed("gateway") && !is_listed("dev") && !is_listed("simulator"), "{help}");
    // Who has no evercal to ask is not sent to a command that is not there.
    let lost = evercal(&["calendars"], &[], Path::new("/")).await;
    assert!(lost.stderr.contains("set EVERCAL_API") && !lost.stderr.contains("start `evercal dev`"), "{}", lost.stderr);
}
