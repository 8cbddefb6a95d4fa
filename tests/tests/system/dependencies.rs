//! What we build on: each dependency is used where it is named, and under a licence that asks nothing of our users.

use std::collections::BTreeSet;
use std::path::Path;

use cargo_metadata::{Dependency, DependencyKind, Metadata, MetadataCommand, Package};

/// Named for their features, because the SDK's macros use them, or with another name of their library, by the package that
/// names them.
const NAMED_OTHERWISE: [(&str, &str); 4] = [
    ("evercal-activities", "futures"),
    ("evercal-settings", "fastrand"),
    ("evercal-simulator", "tz-rs"),
    ("evercal-workflows", "temporalio-protos"),
];

/// Licences that allow everything but taking the names of the authors away.
const ALLOWED: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];
/// Permissive too, and read one by one: their licence stands in a file, or has no name in the list above.
const CHECKED_BY_HAND: [(&str, &str); 1] = [
    // Brought along by the Temporal SDK; its files may be used unchanged by anybody (README).
    ("option-ext", "MPL-2.0"),
];

pub(crate) fn metadata() -> Metadata {
    // Other systems' packages need not be at hand.
    let ours = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let options = ["--offline", "--filter-platform", &ours].map(str::to_owned);
    MetadataCommand::new().other_options(options).exec().expect("cargo metadata answers")
}

/// All source text below a folder.
fn text_below(folder: &Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            text_below(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// All source text of a package.
pub(crate) fn sources(package: &Package) -> String {
    let root = package.manifest_path.parent().unwrap();
    let mut text = String::new();
    for folder in ["src", "tests", "benches"] {
        text_below(root.join(folder).as_std_path(), &mut text);
    }
    text
}

fn is_used(package: &Package, dependency: &Dependency) -> bool {
    let folders: &[&str] =
        if dependency.kind == DependencyKind::Normal { &["src"] } else { &["src", "tests", "benches"] };
    let root = package.manifest_path.parent().unwrap();
    let mut text = String::new();
    for folder in folders {
        text_below(root.join(folder).as_std_path(), &mut text);
    }
    let name = dependency.rename.as_ref().unwrap_or(&dependency.name).replace('-', "_");
    // A path, or an attribute macro that is named alone.
    [format!("{name}::"), format!("use {name} "), format!("use {name};"), format!("extern crate {name}")]
        .iter()
        .any(|use_of_it| text.contains(use_of_it.as_str()))
}

#[test]
fn each_dependency_is_used_by_the_package_that_names_it() {
    let metadata = metadata();
    let mut unused = BTreeSet::new();
    for package in metadata.workspace_packages() {
        let named = package.dependencies.iter().filter(|dependency| dependency.kind != DependencyKind::Build);
        for dependency in named.filter(|dependency| !is_used(package, dependency)) {
            unused.insert((package.name.to_string(), dependency.name.clone()));
        }
    }
    let expected = NAMED_OTHERWISE.map(|(package, dependency)| (package.to_owned(), dependency.to_owned()));
    assert_eq!(unused, BTreeSet::from(expected));
}

/// Whether one of the choices asks for allowed licences alone (SPDX, with the older `/` for `OR`).
fn is_allowed(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ").replace(" WITH LLVM-exception", "");
    expression.split(" AND ").all(|part| {
        let choices = part.trim_matches(['(', ')', ' ']);
        choices.split(" OR ").any(|licence| ALLOWED.contains(&licence.trim_matches(['(', ')', ' '])))
    })
}

/// Whether the text that comes with a package which names no licence is MIT's.
fn is_under_mit(package: &Package) -> bool {
    const GRANT: &str = "Permission is hereby granted, free of charge, to any person obtaining a copy";
    let file = package.license_file.as_ref().map(|file| package.manifest_path.parent().unwrap().join(file));
    let text = file.and_then(|file| std::fs::read_to_string(file).ok()).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ").contains(GRANT)
}

#[test]
fn each_dependency_has_a_licence_that_asks_nothing_of_our_users() {
    let metadata = metadata();
    let mut others = BTreeSet::new();
    for package in metadata.packages.iter().filter(|package| package.source.is_some()) {
        match &package.license {
            Some(licence) if is_allowed(licence) => {}
            Some(licence) => drop(others.insert((package.name.to_string(), licence.clone()))),
            None if is_under_mit(package) => {}
            None => drop(others.insert((package.name.to_string(), format!("{:?}", package.license_file)))),
        }
    }
    let expected = CHECKED_BY_HAND.map(|(package, licence)| (package.to_owned(), licence.to_owned()));
    assert_eq!(others, BTreeSet::from(expected));
}

#[test]
fn a_licence_is_allowed_where_one_of_its_choices_is() {
    for allowed in ["MIT OR GPL-3.0", "Apache-2.0/MIT", "(MIT OR Apache-2.0) AND Unicode-3.0", "MIT AND BSD-3-Clause"] {
        assert!(is_allowed(allowed), "{allowed}");
    }
    for refused in ["GPL-3.0-only", "MIT AND MPL-2.0", "LGPL-2.1 OR MPL-2.0", ""] {
        assert!(!is_allowed(refused), "{refused}");
    }
}

/// Where cargo keeps what the registry's index says of the packages that it has read.
fn index_caches() -> Vec<std::path::PathBuf> {
    let home =
        std::env::var_os("CARGO_HOME").map(Into::into).or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let folder: std::path::PathBuf = home.expect("a home of cargo").join("registry/index");
    let registries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    registries.map(|registry| registry.path().join(".cache")).collect()
}

/// The file of a package below an index (<https://doc.rust-lang.org/cargo/reference/registry-index.html#index-files>).
fn index_file(cache: &Path, name: &str) -> std::path::PathBuf {
    let name = name.to_lowercase();
    match name.len() {
        1 | 2 => cache.join(name.len().to_string()).join(name),
        3 => cache.join("3").join(&name[..1]).join(name),
        _ => cache.join(&name[..2]).join(&name[2..4]).join(name),
    }
}

/// What the index says of each version: of a withdrawn one (for a security hole, mostly) that it is yanked.
fn withdrawn_by_version(file: &[u8]) -> Vec<(String, bool)> {
    let entries = file.split(|byte| *byte == 0).filter(|entry| entry.starts_with(b"{"));
    let entries = entries.filter_map(|entry| serde_json::from_slice::<serde_json::Value>(entry).ok());
    entries.filter_map(|entry| Some((entry["vers"].as_str()?.to_owned(), entry["yanked"].as_bool()?))).collect()
}

#[test]
fn no_version_that_its_authors_have_withdrawn_is_built_on() {
    let caches = index_caches();
    let (mut checked, mut withdrawn) = (0, Vec::new());
    for package in metadata().packages.iter().filter(|package| package.source.is_some()) {
        let file = caches.iter().find_map(|cache| std::fs::read(index_file(cache, &package.name)).ok());
        let versions = file.map(|file| withdrawn_by_version(&file)).unwrap_or_default();
        let ours = package.version.to_string();
        if let Some((_, is_withdrawn)) = versions.iter().find(|(version, _)| *version == ours) {
            checked += 1;
            if *is_withdrawn {
                withdrawn.push(format!("{} {ours}", package.name));
            }
        }
    }
    assert_eq!(withdrawn, Vec::<String>::new(), "use others, or say here why not");
    assert!(checked > 300, "only {checked} packages are in cargo's index: nothing was checked");
}

#[test]
fn a_withdrawn_version_is_known_by_the_index() {
    let file = b"\x03\x02\0\0\0etag: x\0\x001.0.0\0{\"vers\":\"1.0.0\",\"yanked\":true}\x001.0.1\0{\"vers\":\"1.0.1\",\"yanked\":false}\0";
    assert_eq!(withdrawn_by_version(file), [("1.0.0".to_owned(), true), ("1.0.1".to_owned(), false)]);
}
