//! `docs/configuration.md` has the settings that are read.

use std::path::Path;

use evercal_settings::{ALL, About, Otherwise};
use evercal_workflows::Timing;

/// What stands around the table. Everything else in the document is written by hand.
const BEGIN: &str = "<!-- The settings, from `crates/settings/src/`: begin -->\n";
const END: &str = "<!-- The settings: end -->\n";

/// The table of all settings.
fn table() -> String {
    let mut table = "\n| setting | read by | without it | meaning | for example |\n|---|---|---|---|---|\n".to_owned();
    for about in ALL.iter().map(|setting| setting.about()) {
        let mark = if about.is_secret() { " ¹" } else { "" };
        let read_by = about.read_by.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", ");
        let (name, without, meaning, example) = (about.name, without(about), about.meaning, about.example);
        table += &format!("| `{name}`{mark} | {read_by} | {without} | {meaning} | {example} |\n");
    }
    table + "\n"
}

fn without(about: &About) -> String {
    match about.otherwise {
        Otherwise::Required => "required".to_owned(),
        Otherwise::Value(value) => format!("`{value}`"),
        Otherwise::Nothing(meaning) => meaning.to_owned(),
        Otherwise::Timing { read, .. } => read(&Timing::default()),
        Otherwise::TemporalSdk { nothing, .. } => format!("the profile's, else {nothing}"),
    }
}

#[test]
fn the_document_has_the_settings_that_are_read() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the table has a beginning");
    let (committed, after) = rest.split_once(END).expect("the table has an end");
    let table = table();
    if std::env::var_os("EVERCAL_WRITE_CONFIGURATION").is_some() {
        std::fs::write(&path, [before, BEGIN, &table, END, after].concat()).unwrap();
        return;
    }
    assert!(committed == table, "docs/configuration.md is old: run this test with EVERCAL_WRITE_CONFIGURATION=1");
}

#[test]
fn a_cell_of_the_table_is_one_cell() {
    for about in ALL.iter().map(|setting| setting.about()) {
        let cells = [about.meaning.to_owned(), about.example.to_owned(), without(about)];
        assert!(cells.iter().all(|cell| !cell.contains(['|', '\n'])), "{}", about.name);
    }
}
