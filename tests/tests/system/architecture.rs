//! The rules of ARCHITECTURE.md that can be read off the manifests and the tree.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

fn metadata() -> Metadata {
    MetadataCommand::new().no_deps().exec().expect("cargo metadata answers")
}

/// The direct, normal dependencies of each of our packages.
fn direct_dependencies(metadata: &Metadata) -> BTreeMap<String, BTreeSet<String>> {
    let ours = metadata.workspace_packages();
    ours.iter()
        .map(|package| {
            let normal = package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal);
            (package.name.to_string(), normal.map(|dependency| dependency.name.clone()).collect())
        })
        .collect()
}

fn ours(dependencies: &BTreeSet<String>) -> BTreeSet<&str> {
    dependencies.iter().filter_map(|name| name.strip_prefix("evercal-")).collect()
}

#[test]
fn crates_depend_only_in_the_direction_of_the_architecture() {
    let allowed: [(&str, &[&str]); 24] = [
        ("zones", &[]),
        ("domain", &["zones"]),
        ("config", &["domain"]),
        ("http", &["domain"]),
        ("recurrence", &["domain"]),
        ("mirror", &["domain", "recurrence"]),
        ("process", &[]),
        ("sealing", &["domain"]),
        ("payload-codec", &["sealing"]),
        ("storage", &["domain", "mirror", "sealing"]),
        ("simulator", &["domain", "process"]),
        ("devserver", &["process", "workflow-client"]),
        ("workflows", &["domain"]),
        ("workflow-client", &["domain", "process", "storage", "workflows"]),
        ("providers", &["config", "domain", "http"]),
        ("settings", &["config", "domain", "payload-codec", "providers", "sealing", "storage", "workflows"]),
        ("activities", &["domain", "mirror", "providers", "recurrence", "storage", "workflows"]),
        ("codec", &["payload-codec", "process", "settings"]),
        (
            "gateway",
            &[
                "domain",
                "mirror",
                "process",
                "providers",
                "recurrence",
                "settings",
                "storage",
                "workflow-client",
                "workflows",
            ],
        ),
        (
            "worker",
            &[
                "activities",
                "domain",
                "http",
                "process",
                "providers",
                "settings",
                "storage",
                "workflow-client",
                "workflows",
            ],
        ),
        (
            "starter",
            &[
                "codec",
                "devserver",
                "domain",
                "gateway",
                "http",
                "process",
                "providers",
                "settings",
                "simulator",
                "storage",
                "worker",
                "workflow-client",
                "workflows",
            ],
        ),
        (
            "tests",
            &[
                "activities",
                "devserver",
                "domain",
                "gateway",
                "http",
                "mirror",
                "payload-codec",
                "providers",
                "settings",
                "simulator",
                "storage",
                "worker",
                "workflow-client",
                "workflows",
            ],
        ),
        (
            "benches",
            &["devserver", "domain", "http", "mirror", "providers", "simulator", "storage", "tests", "workflows"],
        ),
        ("xtask", &[]),
    ];
    for (package, dependencies) in direct_dependencies(&metadata()) {
        let name = package.strip_prefix("evercal-").unwrap_or(&package);
        let (_, allowed) = allowed
            .iter()
            .find(|(known, _)| *known == name)
            .unwrap_or_else(|| panic!("{name} has no row: give it one"));
        let allowed: BTreeSet<&str> = allowed.iter().copied().collect();
        let extra: Vec<_> = ours(&dependencies).difference(&allowed).copied().collect();
        assert!(extra.is_empty(), "{name} may not depend on {extra:?}");
    }
}

#[test]
fn only_one_crate_knows_each_edge_of_the_system() {
    let owners = [
        // The least work that a notice can cost, beside which it is measured, is two rows of its own.
        ("sqlx", &["evercal-storage", "evercal-benches"][..]),
        // The simulator plays the provider and sends its notices by itself.
        ("reqwest", &["evercal-http", "evercal-simulator"][..]),
        // The simulator expands series as the provider would, on its own.
        ("calcard", &["evercal-recurrence", "evercal-simulator"][..]),
        ("chacha20poly1305", &["evercal-sealing"][..]),
        ("jiff", &["evercal-zones"][..]),
    ];
    for (package, dependencies) in direct_dependencies(&metadata()) {
        for (edge, owners) in owners {
            assert!(
                !dependencies.contains(edge) || owners.contains(&package.as_str()),
                "{package} must not know {edge}"
            );
        }
    }
}

#[test]
fn workflow_code_depends_on_nothing_that_does_something() {
    let all = direct_dependencies(&metadata());
    let allowed = [
        "evercal-domain",
        "futures",
        "serde",
        "serde_json",
        "temporalio-common-wasm",
        "temporalio-macros",
        "temporalio-protos",
        "temporalio-workflow",
    ];
    let found: Vec<&str> = all["evercal-workflows"].iter().map(String::as_str).collect();
    assert_eq!(found, allowed);
}

#[test]
fn documents_name_only_paths_that_exist() {
    let root = metadata().workspace_root;
    let documents = [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "docs/operations.md",
        "docs/configuration.md",
        "docs/events.md",
        "docs/logging.md",
        "docs/benchmarks.md",
    ];
    let mut named = 0;
    for document in documents {
        let text = std::fs::read_to_string(root.join(document)).unwrap();
        // What stands in backticks, has a slash inside and no spaces, and begins with one of our folders.
        for word in text.split('`').skip(1).step_by(2).filter(|word| !word.contains(char::is_whitespace)) {
            let Some((first, _)) = word.split_once('/') else { continue };
            if first.is_empty() || !root.join(first).is_dir() || word.contains('<') {
                continue;
            }
            named += 1;
            assert!(root.join(word).exists(), "{document} names {word}");
        }
    }
    assert!(named > 50, "only {named} paths were found: is the test looking at all?");
}

/// Those that processes are made of.
const PACKAGES_THAT_RUN: [&str; 14] = [
    "gateway",
    "worker",
    "activities",
    "codec",
    "starter",
    "crates/config",
    "crates/devserver",
    "crates/http",
    "crates/process",
    "crates/providers",
    "crates/settings",
    "crates/simulator",
    "crates/storage",
    "crates/workflow-client",
];

/// Each source file below a folder, without the tests at its end.
fn sources(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            found.push((path, code.to_owned()));
        }
    }
}

#[test]
fn whatever_runs_in_the_background_is_started_so_that_its_panic_is_seen() {
    // The first is the place where that is made sure. The others start what ends at once: one is waited for, one logs.
    let may = ["process/src/tasks.rs", "storage/src/postgres/mod.rs", "process/src/counted.rs"];
    let root = metadata().workspace_root;
    let mut found = Vec::new();
    for package in PACKAGES_THAT_RUN {
        sources(root.join(package).join("src").as_std_path(), &mut found);
    }
    let starts = ["tokio::spawn(", "task::spawn(", "runtime.spawn(", "tracker.spawn(", "JoinSet::new("];
    let mut exceptions = BTreeSet::new();
    for (path, code) in &found {
        if let Some(start) = starts.iter().find(|start| code.contains(**start)) {
            let exception = may.iter().find(|exception| path.ends_with(exception));
            let exception = exception.unwrap_or_else(|| panic!("{} has {start}: use Tasks", path.display()));
            exceptions.insert(*exception);
        }
    }
    assert_eq!(exceptions, BTreeSet::from(may), "is the test looking at all?");
}

#[test]
fn only_a_providers_own_folder_and_the_registries_lines_name_it() {
    let root = metadata().workspace_root.into_std_path_buf();
    let mut files = Vec::new();
    for package in ["activities", "codec", "gateway", "starter", "worker", "workflows"] {
        sources(&root.join(package).join("src"), &mut files);
    }
    for package in std::fs::read_dir(root.join("crates")).unwrap().map(|package| package.unwrap().path()) {
        sources(&package.join("src"), &mut files);
    }
    let names_it = |line: &&str| ["google", "x-goog", "hangout"].iter().any(|name| line.to_lowercase().contains(name));
    let own = ["crates/providers/src/google", "crates/simulator/src/google"].map(|folder| root.join(folder));
    let elsewhere = files.iter().filter(|(path, _)| !own.iter().any(|own| path.starts_with(own)));
    let counted = elsewhere.map(|(path, code)| (path.as_path(), code.lines().filter(names_it).count()));
    let naming: BTreeMap<PathBuf, usize> = counted
        .filter(|(_, lines)| *lines > 0)
        .map(|(path, lines)| (path.strip_prefix(&root).unwrap().to_owned(), lines))
        .collect();
    let registries =
        ["providers/src/lib.rs", "providers/src/registry.rs", "simulator/src/lib.rs", "simulator/src/registry.rs"];
    assert_eq!(naming, registries.map(|file| (Path::new("crates").join(file), 1)).into());
    assert!(files.len() > 300, "only {} files were found: is the test looking at all?", files.len());
}
