//! The rules of ARCHITECTURE.md that can be read off the manifests and the tree.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
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

/// Which of our crates each of them may use.
const MAY_DEPEND_ON: [(&str, &[&str]); 24] = [
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
    ("providers", &["config", "domain", "http", "recurrence"]),
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
    ("benches", &["devserver", "domain", "http", "mirror", "providers", "simulator", "storage", "tests", "workflows"]),
    ("xtask", &[]),
];

#[test]
fn crates_depend_only_in_the_direction_of_the_architecture() {
    for (package, dependencies) in direct_dependencies(&metadata()) {
        let name = package.strip_prefix("evercal-").unwrap_or(&package);
        let (_, allowed) = MAY_DEPEND_ON
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
        "docs/adding-a-provider.md",
        "crates/simulator/README.md",
    ];
    let decisions = std::fs::read_dir(root.join("docs/decisions")).unwrap();
    let decisions = decisions.map(|entry| format!("docs/decisions/{}", entry.unwrap().file_name().to_string_lossy()));
    let mut named = 0;
    for document in documents.map(str::to_owned).into_iter().chain(decisions) {
        let text = std::fs::read_to_string(root.join(&document)).unwrap();
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
    assert!(named > 50, "only {named} paths were found: does the test check anything?");
    let contributing = std::fs::read_to_string(root.join("CONTRIBUTING.md")).unwrap();
    let example = contributing.split("A name is a statement: `").nth(1).and_then(|rest| rest.split('`').next());
    let example = example.expect("CONTRIBUTING.md has an example of a test's name");
    assert!(include_str!("architecture.rs").contains(&format!("fn {example}()")), "no test here is called {example}");
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

/// Each wanted file below a folder, without the tests at its end. Folders that are not wanted are not entered.
fn files_below(folder: &Path, is_wanted: fn(&Path) -> bool, found: &mut Vec<(PathBuf, String)>) {
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| is_wanted(path)) {
        if path.is_dir() {
            files_below(&path, is_wanted, found);
        } else {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            found.push((path, code.to_owned()));
        }
    }
}

/// Source text, but for files and folders of tests.
fn is_source(path: &Path) -> bool {
    if path.is_dir() {
        return !path.ends_with("tests");
    }
    path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs")
}

/// What evercal is built of, configured with and deployed by: no tests, no measurements, not `xtask`, nothing that was
/// built, and no prose.
fn is_the_products(path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    if path.is_dir() {
        return !name.starts_with('.') && !["benches", "target", "tests", "xtask"].contains(&name);
    }
    let kinds = ["env", "json", "rs", "sh", "sql", "toml", "yaml", "yml"];
    let is_of_a_kind = path.extension().and_then(OsStr::to_str).is_some_and(|extension| kinds.contains(&extension));
    (is_of_a_kind && name != "tests.rs") || ["Caddyfile", "Dockerfile"].contains(&name)
}

#[test]
fn whatever_runs_in_the_background_is_started_so_that_its_panic_is_seen() {
    // The first is the place where that is made sure. The others start what ends at once: one is waited for, one logs.
    let may = ["process/src/tasks.rs", "storage/src/postgres/mod.rs", "process/src/counted.rs"];
    let root = metadata().workspace_root;
    let mut found = Vec::new();
    for package in PACKAGES_THAT_RUN {
        files_below(root.join(package).join("src").as_std_path(), is_source, &mut found);
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
    assert_eq!(exceptions, BTreeSet::from(may), "does the test check anything?");
}

/// A provider, and where it is named outside of its own folders.
struct NamedProvider {
    /// What its folders are called.
    folder: &'static str,
    /// What it and what is its own is called by: in code, comments and headers, in lower case.
    names: &'static [&'static str],
    /// Lines of the product: the module and the line in the list.
    product: [(&'static str, usize); 4],
    /// Lines of the harness: the module, what it exports, its control, and that it stands for any.
    harness: &'static [(&'static str, usize)],
}

const PROVIDERS: [NamedProvider; 1] = [NamedProvider {
    folder: "google",
    names: &["google", "x-goog", "hangout"],
    product: [
        ("crates/providers/src/lib.rs", 1),
        ("crates/providers/src/registry.rs", 1),
        ("crates/simulator/src/lib.rs", 1),
        ("crates/simulator/src/registry.rs", 2),
    ],
    harness: &[("tests/src/lib.rs", 1), ("tests/src/providers/mod.rs", 3)],
}];

/// Files of the product that by their nature name each provider, and what makes them do so. Whoever adds a provider adds it
/// to each of them, as `docs/adding-a-provider.md` says.
const NAME_EACH_PROVIDER: [(&str, &str); 4] = [
    ("docker-compose.yml", "gives gateways and workers the settings of each provider"),
    ("deploy/compose/example.env", "has the settings of each provider, for people to fill in"),
    ("gateway/src/openapi/examples.json", "shows accounts and events as they are at providers"),
    ("docs/openapi.json", "is made of the code and of these examples"),
];

/// How many lines of each of these files name a provider, without what is its own.
fn lines_that_name(provider: &NamedProvider, files: &[(PathBuf, String)]) -> BTreeMap<PathBuf, usize> {
    let NamedProvider { folder: own_folder, names, .. } = provider;
    let root = metadata().workspace_root.into_std_path_buf();
    let own = ["crates/providers/src", "crates/simulator/src", "tests/src/providers"]
        .map(|folder| root.join(folder).join(own_folder));
    let is_own = |path: &Path| own.iter().any(|own| path.starts_with(own) || path == own.with_extension("rs"));
    let names_it = |line: &&str| names.iter().any(|name| line.to_lowercase().contains(name));
    let counted = files
        .iter()
        .filter(|(path, _)| !is_own(path))
        .map(|(path, code)| (path, code.lines().filter(names_it).count()));
    let naming = counted.filter(|(_, lines)| *lines > 0);
    naming.map(|(path, lines)| (path.strip_prefix(&root).unwrap().to_owned(), lines)).collect()
}

#[test]
fn of_the_product_only_a_providers_own_folders_and_the_registries_name_it() {
    let root = metadata().workspace_root;
    let mut files = Vec::new();
    files_below(root.as_std_path(), is_the_products, &mut files);
    assert!(files.len() >= 400, "only {} files were found: does the test check anything?", files.len());
    let guide = std::fs::read_to_string(root.join("docs/adding-a-provider.md")).unwrap();
    for provider in PROVIDERS {
        let folder = provider.folder;
        let mut found = lines_that_name(&provider, &files);
        for (file, reason) in NAME_EACH_PROVIDER {
            let lines = found.remove(Path::new(file));
            assert!(lines.is_some(), "{file} does not name {folder}, and is in the list since it {reason}");
            assert!(guide.contains(&format!("`{file}`")), "the guide does not name {file}, which {reason}");
        }
        let expected = provider.product.map(|(file, lines)| (PathBuf::from(file), lines));
        assert_eq!(found, BTreeMap::from(expected), "{folder}");
    }
}

#[test]
fn of_the_harness_only_a_providers_own_file_and_the_list_of_providers_name_it() {
    let mut files = Vec::new();
    files_below(metadata().workspace_root.join("tests/src").as_std_path(), is_source, &mut files);
    assert!(files.len() >= 15, "only {} files were found: does the test check anything?", files.len());
    for provider in PROVIDERS {
        let expected = provider.harness.iter().map(|(file, lines)| (PathBuf::from(file), *lines));
        assert_eq!(lines_that_name(&provider, &files), expected.collect(), "{}", provider.folder);
    }
}
