//! `evercal config`: what a gateway and a worker would read here, where each value comes from, and all that is wrong with
//! it at once. Reads only; shows no secret.

mod temporal;
mod variables;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum as _};
use comfy_table::{Cell, Color};
use evercal_domain::zones;
use evercal_settings::names::is_secret;
use evercal_settings::{Lookup, Source, Sources};
use evercal_workflows::Timing;
use serde::Serialize;
use url::Url;

use crate::cli::print;
use crate::cli::table::{self, Column, Screen};
use variables::{Otherwise, Role, Shown, VARIABLES, Variable};

/// What the command takes.
#[derive(Args)]
pub struct ConfigOptions {
    /// Only what this part reads
    #[arg(long)]
    role: Option<Role>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// A variable as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Setting {
    variable: &'static str,
    read_by: Vec<&'static str>,
    /// Absent where nothing is given and nothing is assumed.
    value: Option<String>,
    source: String,
    problem: Option<String>,
    /// A value that would do, where there is a problem.
    example: Option<&'static str>,
}

#[derive(Serialize)]
struct Report {
    /// The file that was read.
    file: Option<PathBuf>,
    items: Vec<Setting>,
    zone_data: ZoneData,
}

/// The time zone data by which gateway and worker would go here.
#[derive(Serialize)]
struct ZoneData {
    version: String,
    source: String,
}

impl ZoneData {
    fn here(lookup: &Lookup<'_>) -> Self {
        // A folder that cannot be used is a problem of its own line.
        if let Ok(Some(folder)) = evercal_settings::zone_data_folder(lookup) {
            zones::use_folder(&folder);
        }
        Self { version: zones::version().to_string(), source: zones::source().to_string() }
    }
}

/// Prints the settings; exit code 1 when a part could not start with them.
pub fn run(options: &ConfigOptions, sources: &Sources) -> anyhow::Result<ExitCode> {
    let find = |name: &str| sources.find(name);
    let (lookup, source) = (Lookup::new(&find), |name: &str| sources.source(name));
    let wanted = |variable: &&Variable| options.role.is_none_or(|role| variable.read_by.contains(&role));
    let read = |variable| read(variable, &lookup, &source);
    let items: Vec<Setting> = VARIABLES.iter().filter(wanted).map(read).collect();
    let zone_data = ZoneData::here(&lookup);
    let is_well = items.iter().all(|setting| setting.problem.is_none());
    if options.json {
        let file = sources.path().map(Path::to_owned);
        print(&format!("{}\n", serde_json::to_string_pretty(&Report { file, items, zone_data })?))?;
    } else {
        let zone_data = format!("\nTime zone data: {} ({}).\n", zone_data.version, zone_data.source);
        let file = sources.path().map(|path| format!("\nThe file is {}.\n", path.display())).unwrap_or_default();
        print(&(for_people(Screen::detect(&find), &items) + &zone_data + &file))?;
    }
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(variable: &Variable, lookup: &Lookup<'_>, source: &dyn Fn(&str) -> Option<Source>) -> Setting {
    let (value, source) = match given(variable, lookup, source) {
        Some(given) => given,
        None => assumed(variable, lookup),
    };
    let (problem, example) = match (variable.check)(lookup) {
        Err(error) => (Some(error.problem), Some(error.example)),
        Ok(()) => (None, None),
    };
    let read_by = variable.read_by.iter().map(|role| role.as_str()).collect();
    Setting { variable: variable.name, read_by, value, source, problem, example }
}

/// What somebody said, as far as it may be shown, and where.
fn given(
    variable: &Variable,
    lookup: &Lookup<'_>,
    source: &dyn Fn(&str) -> Option<Source>,
) -> Option<(Option<String>, String)> {
    let hidden = || Some("set, not shown".to_owned());
    if let Some(text) = lookup.text(variable.name) {
        let value = match variable.shown {
            Shown::Whole => Some(text),
            Shown::Address => Some(without_password(&text)),
            Shown::Secret => hidden(),
        };
        return Some((value, source(variable.name)?.as_str().to_owned()));
    }
    let by_file = format!("{}_FILE", variable.name);
    (is_secret(variable.name) && lookup.text(&by_file).is_some()).then(|| (hidden(), by_file))
}

fn assumed(variable: &Variable, lookup: &Lookup<'_>) -> (Option<String>, String) {
    let default = "default".to_owned();
    match &variable.otherwise {
        Otherwise::Required => (None, "not set".to_owned()),
        Otherwise::Value(value) | Otherwise::Nothing(value) => (Some((*value).to_owned()), default),
        Otherwise::Timing { field, read } => {
            // A document that cannot be read is a problem of its own line.
            let document = evercal_settings::timing_document(lookup).ok().flatten();
            let names_it = document.as_ref().is_some_and(|document| document.names.iter().any(|name| name == field));
            let timing = document.map_or_else(Timing::default, |document| document.timing);
            (Some(read(&timing)), if names_it { "EVERCAL_TIMING".to_owned() } else { default })
        }
        Otherwise::TemporalSdk { read, nothing } => {
            // A way that cannot be read is a problem of the address's line.
            let value = temporal::target().ok().map(|target| read(&target).unwrap_or_else(|| (*nothing).to_owned()));
            (value.map(|value| without_password(&value)), "profile or default".to_owned())
        }
    }
}

/// An address without its password; one that hides a password in another form is not shown at all.
fn without_password(text: &str) -> String {
    match Url::parse(text) {
        Ok(mut url) if url.password().is_some() => {
            // An address with a password has a host, so that this cannot fail.
            let _hidden = url.set_password(Some("not-shown"));
            url.into()
        }
        _ if text.contains('@') => "set, not shown".to_owned(),
        _ => text.to_owned(),
    }
}

fn for_people(screen: Screen, settings: &[Setting]) -> String {
    let columns =
        [Column::Whole("VARIABLE"), Column::Whole("READ BY"), Column::Elastic("VALUE"), Column::Whole("SOURCE")];
    let rows = settings.iter().map(|setting| {
        let source = match &setting.problem {
            Some(_) => Cell::new(&setting.source).fg(Color::Red),
            None => Cell::new(&setting.source),
        };
        let value = table::text(setting.value.as_deref().unwrap_or_default());
        [Cell::new(setting.variable), Cell::new(read_by_for_people(setting)), value, source]
    });
    let mut shown = table::list(screen, columns, rows);
    let problems: Vec<String> = settings.iter().filter_map(problem_for_people).collect();
    if !problems.is_empty() {
        shown += &format!("\nWith this, not every part can start:\n{}", problems.concat());
    }
    shown
}

fn read_by_for_people(setting: &Setting) -> String {
    let is_all = Role::value_variants().iter().all(|role| setting.read_by.contains(&role.as_str()));
    if is_all { "all".to_owned() } else { setting.read_by.join(", ") }
}

fn problem_for_people(setting: &Setting) -> Option<String> {
    let problem = format!("  {}: {}\n", setting.variable, setting.problem.as_deref()?);
    let example = setting.example.map(|example| format!("    for example: {example}\n")).unwrap_or_default();
    Some(problem + &example)
}

#[cfg(test)]
mod tests;
