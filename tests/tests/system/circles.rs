//! No circles of imports among modules that stand beside each other: whoever reads one need not have read the other first.
//! A child that names its parent is Rust's idiom, and not checked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The product's crates, and the simulator.
const CRATES: [&str; 20] = [
    "activities",
    "codec",
    "crates/config",
    "crates/domain",
    "crates/http",
    "crates/mirror",
    "crates/payload-codec",
    "crates/process",
    "crates/providers",
    "crates/recurrence",
    "crates/sealing",
    "crates/settings",
    "crates/simulator",
    "crates/storage",
    "crates/workflow-client",
    "crates/zones",
    "gateway",
    "starter",
    "worker",
    "workflows",
];

/// Circles that are there. This list only gets shorter; one that stays gets its reason.
const KNOWN: [(&str, &[&str]); 0] = [];

/// The absolute path of a module in its crate.
type Module = Vec<String>;

/// The modules of a crate with their text, without comments, strings and tests.
fn modules(folder: &Path, path: &Module, found: &mut BTreeMap<Module, String>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let file = entry.path();
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let below = || path.iter().cloned().chain([name.clone()]).collect::<Module>();
        if file.is_dir() {
            modules(&file, &below(), found);
        } else if file.extension().is_some_and(|extension| extension == "rs") && name != "tests" {
            let module = if ["lib", "main", "mod"].contains(&name.as_str()) { path.clone() } else { below() };
            let text = std::fs::read_to_string(&file).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            found.entry(module).or_default().push_str(&without_comments(code));
        }
    }
}

fn without_comments(code: &str) -> String {
    let lines = code.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

/// The paths that begin at `begin` (`crate::` or `super::`) in a text, each of a group of imports for itself.
fn paths(text: &str, begin: &str) -> Vec<Module> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(begin) {
        let is_whole = !text[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == ':');
        if is_whole {
            let mut rest = &text[at + begin.len()..];
            expand(&mut rest, &mut Vec::new(), &mut found);
        }
    }
    found
}

/// Reads one path, or a group in braces, behind those parts that are known already.
fn expand(rest: &mut &str, parts: &mut Module, found: &mut Vec<Module>) {
    let known = parts.len();
    loop {
        *rest = rest.trim_start();
        if let Some(group) = rest.strip_prefix('{') {
            *rest = group;
            while !rest.is_empty() {
                expand(rest, parts, found);
                *rest = rest.trim_start();
                let is_over = rest.starts_with('}');
                *rest = rest.get(1..).unwrap_or_default();
                if is_over {
                    break;
                }
            }
            parts.truncate(known);
            return;
        }
        let end = rest.find(|next: char| !next.is_alphanumeric() && next != '_').unwrap_or(rest.len());
        let (name, behind) = rest.split_at(end);
        parts.push(name.to_owned());
        *rest = behind;
        let Some(next) = rest.strip_prefix("::") else { break };
        *rest = next;
    }
    found.push(parts.clone());
    parts.truncate(known);
    // A name that it is given here.
    let named = rest.trim_start();
    if let Some(alias) = named.strip_prefix("as ") {
        let end = alias.find([',', '}', ';']).unwrap_or(alias.len());
        *rest = &alias[end..];
    }
}

/// The children that a module shows the names of as its own.
fn shown(modules: &BTreeMap<Module, String>) -> BTreeMap<(Module, String), String> {
    let mut shown = BTreeMap::new();
    for (module, text) in modules {
        for begin in ["pub use ", "pub(crate) use "] {
            for (at, _) in text.match_indices(begin) {
                let (mut rest, mut found) = (&text[at + begin.len()..], Vec::new());
                expand(&mut rest, &mut Vec::new(), &mut found);
                for path in found {
                    let mut parts = path.iter().skip_while(|part| *part == "self");
                    if let (Some(child), Some(name)) = (parts.next(), path.last()) {
                        shown.insert((module.clone(), name.clone()), child.clone());
                    }
                }
            }
        }
    }
    shown
}

/// Which sibling each module names, by their parent.
fn edges(modules: &BTreeMap<Module, String>) -> BTreeMap<Module, BTreeSet<(String, String)>> {
    let mut edges: BTreeMap<Module, BTreeSet<(String, String)>> = BTreeMap::new();
    let shown = shown(modules);
    for (module, text) in modules {
        let absolute = paths(text, "crate::").into_iter();
        let relative = paths(text, "super::").into_iter().filter_map(|mut path| {
            let mut parent = module.clone();
            parent.pop()?;
            while path.first().is_some_and(|part| part == "super") {
                path.remove(0);
                parent.pop()?;
            }
            Some(parent.into_iter().chain(path).collect::<Module>())
        });
        for target in absolute.chain(relative) {
            let shared = module.iter().zip(&target).take_while(|(ours, theirs)| ours == theirs).count();
            let (Some(from), Some(to)) = (module.get(shared), target.get(shared)) else { continue };
            let parent: Module = module[..shared].to_vec();
            let to = shown.get(&(parent.clone(), to.clone())).unwrap_or(to);
            let sibling: Module = parent.iter().cloned().chain([to.clone()]).collect();
            if from != to && modules.keys().any(|known| known.starts_with(&sibling)) {
                edges.entry(parent).or_default().insert((from.clone(), to.clone()));
            }
        }
    }
    edges
}

/// Those that reach themselves.
fn in_circles(edges: &BTreeSet<(String, String)>) -> BTreeSet<String> {
    let reached_from = |start: &String| {
        let (mut reached, mut open) = (BTreeSet::new(), vec![start]);
        while let Some(from) = open.pop() {
            for (_, to) in edges.iter().filter(|(known, _)| known == from) {
                if reached.insert(to) {
                    open.push(to);
                }
            }
        }
        reached
    };
    edges.iter().map(|(from, _)| from).filter(|from| reached_from(from).contains(from)).cloned().collect()
}

#[test]
fn modules_that_stand_beside_each_other_import_in_one_direction() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let (mut circles, mut checked) = (BTreeMap::new(), 0);
    for package in CRATES {
        let mut found = BTreeMap::new();
        modules(&root.join(package).join("src"), &Module::new(), &mut found);
        for (parent, edges) in edges(&found) {
            checked += edges.len();
            let names: Vec<String> = in_circles(&edges).into_iter().collect();
            if !names.is_empty() {
                circles.insert([vec![package.to_owned()], parent].concat().join("::"), names);
            }
        }
    }
    let known =
        KNOWN.iter().map(|(place, names)| ((*place).to_owned(), names.iter().map(ToString::to_string).collect()));
    assert_eq!(circles, known.collect::<BTreeMap<String, Vec<String>>>());
    assert!(checked > 300, "only {checked} imports were found: does the test check anything?");
}

#[test]
fn a_group_of_imports_is_each_of_its_paths() {
    let text = "use crate::{a, b::{C, d::E as F}};\nlet x = crate::g::h(1); my_crate::no(); use super::super::up;";
    let joined = |begin| paths(text, begin).into_iter().map(|path| path.join("::")).collect::<Vec<_>>();
    assert_eq!(joined("crate::"), ["a", "b::C", "b::d::E", "g::h"]);
    assert_eq!(joined("super::"), ["super::up"]);
}
