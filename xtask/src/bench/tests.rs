//! The benchmarks are built with what `cargo run --release` builds.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;

/// What a build compiles: each crate with its features, its profile and all of that of its dependencies. Cargo prints it
/// by an unstable feature of the toolchain, which is pinned.
fn compiled(build: &[&str]) -> BTreeSet<String> {
    let mut cargo = cargo(build);
    // Where people type it: in the folder of a package it would build that one.
    cargo.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    cargo.args(["--offline", "-Z", "unstable-options", "--unit-graph"]).env("RUSTC_BOOTSTRAP", "1");
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let graph: Value = serde_json::from_slice(&output.stdout).unwrap();
    let units = graph["units"].as_array().unwrap();
    let mut known = vec![None; units.len()];
    (0..units.len()).map(|index| identity(units, index, &mut known)).collect()
}

fn identity(units: &[Value], index: usize, known: &mut [Option<String>]) -> String {
    if let Some(identity) = &known[index] {
        return identity.clone();
    }
    let unit = &units[index];
    let dependencies = unit["dependencies"].as_array().unwrap().iter();
    let dependencies: BTreeSet<String> = dependencies
        .map(|dependency| {
            let index = usize::try_from(dependency["index"].as_u64().unwrap()).unwrap();
            hash(&identity(units, index, known))
        })
        .collect();
    let parts = ["pkg_id", "target", "profile", "platform", "mode", "features"].map(|part| unit[part].to_string());
    let identity = format!("{} {dependencies:?}", parts.join(" "));
    known[index] = Some(identity.clone());
    identity
}

fn hash(text: &str) -> String {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish().to_string()
}

#[test]
fn nothing_is_compiled_again_that_cargo_run_has_compiled() {
    let product = compiled(&["build", "--release"]);
    let benchmarks = compiled(&BUILD);
    let again: Vec<&str> = product.difference(&benchmarks).filter_map(|unit| unit.split(' ').next()).collect();
    assert!(product.len() > 100 && again.is_empty(), "with other features or dependencies: {again:?}");
}
