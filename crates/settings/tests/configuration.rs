//! `docs/configuration.md` has the providers that are compiled in, and the settings that are read; `README.md` has the
//! providers.

use std::path::Path;

use evercal_providers::registry::PROVIDERS;
use evercal_settings::{About, DefaultValue, Described, Lookup, all};

/// What stands around the table. Everything else in the document is written by hand.
const BEGIN: &str =
    "<!-- The providers and the settings, from `crates/providers/src/` and `crates/settings/src/`: begin -->\n";
const END: &str = "<!-- The providers and the settings: end -->\n";

/// The table of all providers.
fn table_of_providers() -> String {
    let mut table = "\n| provider | name | on with |\n|---|---|---|\n".to_owned();
    for registration in PROVIDERS {
        let (profile, turned_on_by) = (registration.profile, registration.turned_on_by.about());
        table += &format!("| {} | `{}` | `{}` |\n", profile.title, profile.provider, turned_on_by.name);
    }
    table + "\n"
}

/// The tables of all providers and of all settings.
fn tables() -> String {
    let mut table = table_of_providers();
    table += "| setting | read by | without it | meaning | for example |\n|---|---|---|---|---|\n";
    for about in all().map(Described::about) {
        let mark = if about.is_secret() { " ¹" } else { "" };
        let read_by = about.read_by.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", ");
        let (name, without, meaning, example) = (about.name, without(about), about.meaning, about.example);
        table += &format!("| `{name}`{mark} | {read_by} | {without} | {meaning} | {example} |\n");
    }
    table + "\n"
}

fn without(about: &About) -> String {
    match about.default {
        DefaultValue::Required => "required".to_owned(),
        DefaultValue::Value(value) => format!("`{value}`"),
        DefaultValue::Nothing(meaning) => meaning.to_owned(),
        DefaultValue::Derived(read) => read(&Lookup::new(&|_| None)).value,
        DefaultValue::TemporalSdk { nothing, .. } => format!("the profile's, else {nothing}"),
    }
}

#[test]
fn the_document_has_the_settings_that_are_read() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the tables have a beginning");
    let (committed, after) = rest.split_once(END).expect("the tables have an end");
    let tables = tables();
    if std::env::var_os("EVERCAL_WRITE_CONFIGURATION").is_some() {
        std::fs::write(&path, [before, BEGIN, &tables, END, after].concat()).unwrap();
        return;
    }
    assert!(committed == tables, "docs/configuration.md is old: run this test with EVERCAL_WRITE_CONFIGURATION=1");
}

#[test]
fn the_readme_has_the_providers_that_are_compiled_in() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md")).unwrap();
    let table = table_of_providers();
    assert!(readme.contains(&table), "README.md does not have this table:\n{table}");
}

#[test]
fn a_cell_of_the_table_is_one_cell() {
    for about in all().map(Described::about) {
        let cells = [about.meaning.to_owned(), about.example.to_owned(), without(about)];
        assert!(cells.iter().all(|cell| !cell.contains(['|', '\n'])), "{}", about.name);
    }
}
