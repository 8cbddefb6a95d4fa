//! What the image is built of.

use std::process::Command;

/// What only `evercal dev` and tests need.
const LEFT_OUT: [&str; 2] = ["evercal-devserver", "evercal-simulator"];

/// The packages that `evercal` is built of, with or without the feature `dev`.
fn packages(features: &[&str]) -> Vec<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let tree = ["tree", "--offline", "--package", "evercal-starter", "--edges", "normal", "--prefix", "none"];
    let mut command = Command::new(cargo);
    command.args(tree).args(features);
    // Under it, the features of other packages count too, and the image is built without it.
    command.env_remove("CARGO_RESOLVER_FEATURE_UNIFICATION");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn the_image_is_built_of_nothing_that_only_dev_and_tests_need() {
    let image = packages(&["--no-default-features"]);
    assert!(image.iter().any(|package| package == "evercal-gateway"), "does the test check anything? {image:?}");
    let whole = packages(&[]);
    for package in LEFT_OUT.map(str::to_owned) {
        assert!(!image.contains(&package) && whole.contains(&package), "{package}");
    }
}
