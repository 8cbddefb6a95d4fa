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
/// Permissive too, and looked at one by one: what stands in their file, or has no name in the list above.
const LOOKED_AT: [(&str, &str); 2] = [
    // Brought along by the Temporal SDK; its files may be used unchanged by anybody (README).
    ("option-ext", "MPL-2.0"),
    // Close to Zlib's.
    ("libbz2-rs-sys", "bzip2-1.0.6"),
];

fn metadata() -> Metadata {
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
    let expected = LOOKED_AT.map(|(package, licence)| (package.to_owned(), licence.to_owned()));
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
