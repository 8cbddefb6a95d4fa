//! `evercal config`: what a gateway and a worker would read here, where each value comes from, and all that is wrong with
//! it at once. Reads only; shows no secret.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use comfy_table::{Cell, Color};
use evercal_domain::zones;
use evercal_providers::registry::PROVIDERS;
use evercal_settings::process::ZONE_DATA_FOLDER;
use evercal_settings::{About, DefaultValue, Described, Kind, Lookup, Role, Source, Sources, all};
use serde::Serialize;
use url::Url;

use crate::cli::print;
use crate::cli::table::{self, Column, Screen};

/// What the command takes.
#[derive(Args)]
pub struct ConfigOptions {
    /// Only what this part reads
    #[arg(long, value_parser = PossibleValuesParser::new(Role::ALL.map(Role::as_str)).try_map(|name| Role::from_name(&name).ok_or("there is no such role")))]
    role: Option<Role>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// A setting, its value here, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Item {
    variable: &'static str,
    read_by: Vec<&'static str>,
    /// Absent where it is not set and has no default.
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
    providers: Vec<Provider>,
    items: Vec<Item>,
    zone_data: ZoneData,
}

/// A provider that this build knows.
#[derive(Serialize)]
struct Provider {
    name: &'static str,
    is_on: bool,
    /// The setting that turns it on.
    turned_on_by: &'static str,
}

impl Provider {
    fn all(lookup: &Lookup<'_>) -> Vec<Self> {
        let here = PROVIDERS.iter().map(|registration| {
            let turned_on_by = registration.turned_on_by.about().name;
            let is_on = lookup.text(turned_on_by).is_some();
            Self { name: registration.profile.provider.as_str(), is_on, turned_on_by }
        });
        here.collect()
    }

    fn for_people(&self) -> String {
        let Self { name, is_on, turned_on_by } = self;
        format!("  {name}: {}, by {turned_on_by}\n", if *is_on { "on" } else { "off" })
    }
}

/// The time zone data that gateway and worker would use here.
#[derive(Serialize)]
struct ZoneData {
    version: String,
    source: String,
}

impl ZoneData {
    fn here(lookup: &Lookup<'_>) -> Self {
        // Where the folder cannot be used, its setting has the problem.
        if let Ok(Some(folder)) = ZONE_DATA_FOLDER.read(lookup) {
            zones::use_folder(&folder);
        }
        Self { version: zones::version().to_string(), source: zones::source().to_string() }
    }
}

/// Prints the settings; exit code 1 when a part could not start with them.
pub fn run(options: &ConfigOptions, sources: &Sources) -> anyhow::Result<ExitCode> {
    let find = |name: &str| sources.find(name);
    let (lookup, source) = (Lookup::new(&find), |name: &str| sources.source(name));
    let wanted = |setting: &&dyn Described| options.role.is_none_or(|role| setting.about().read_by.contains(&role));
    let items: Vec<Item> = all().filter(wanted).map(|setting| read(setting, &lookup, &source)).collect();
    let (providers, zone_data) = (Provider::all(&lookup), ZoneData::here(&lookup));
    let is_usable = items.iter().all(|item| item.problem.is_none());
    if options.json {
        let file = sources.path().map(Path::to_owned);
        print(&format!("{}\n", serde_json::to_string_pretty(&Report { file, providers, items, zone_data })?))?;
    } else {
        let zone_data = format!("\nTime zone data: {} ({}).\n", zone_data.version, zone_data.source);
        let file = sources.path().map(|path| format!("\nThe file is {}.\n", path.display())).unwrap_or_default();
        let providers: String = providers.iter().map(Provider::for_people).collect();
        let providers = format!("\nProviders:\n{providers}");
        print(&(for_people(Screen::detect(&find), &items) + &providers + &zone_data + &file))?;
    }
    Ok(if is_usable { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(setting: &dyn Described, lookup: &Lookup<'_>, source: &dyn Fn(&str) -> Option<Source>) -> Item {
    let about = setting.about();
    let ShownValue { value, source } = set_value(about, lookup, source).unwrap_or_else(|| default_value(about, lookup));
    let (problem, example) = match setting.check(lookup) {
        Err(error) => (Some(error.problem), Some(error.example)),
        Ok(()) => (None, None),
    };
    let read_by = about.read_by.iter().map(|role| role.as_str()).collect();
    Item { variable: about.name, read_by, value, source, problem, example }
}

/// The value of a setting as far as it may be shown, and where it comes from.
struct ShownValue {
    value: Option<String>,
    source: String,
}

/// The value that was set, as far as it may be shown, and where it was set.
fn set_value(about: &About, lookup: &Lookup<'_>, source: &dyn Fn(&str) -> Option<Source>) -> Option<ShownValue> {
    let hidden = || Some("set, not shown".to_owned());
    if let Some(text) = lookup.text(about.name) {
        let value = match about.kind {
            Kind::Plain => Some(text),
            Kind::Address | Kind::SecretAddress => Some(without_password(&text)),
            Kind::Secret | Kind::SdkSecret => hidden(),
        };
        return Some(ShownValue { value, source: source(about.name)?.to_string() });
    }
    let by_file = format!("{}_FILE", about.name);
    (about.is_secret() && lookup.text(&by_file).is_some()).then(|| ShownValue { value: hidden(), source: by_file })
}

fn default_value(about: &About, lookup: &Lookup<'_>) -> ShownValue {
    let (value, source) = match about.default {
        DefaultValue::Required => (None, "not set"),
        DefaultValue::Value(value) | DefaultValue::Nothing(value) => (Some(value.to_owned()), "default"),
        DefaultValue::Derived(derive) => {
            let derived = derive(lookup);
            (Some(derived.value), derived.set_by.unwrap_or("default"))
        }
        DefaultValue::TemporalSdk { find, nothing } => {
            // Where the SDK's configuration cannot be read, the setting of the address has the problem.
            let found = find().ok().map(|found| found.unwrap_or_else(|| nothing.to_owned()));
            (found.map(|value| without_password(&value)), "profile or default")
        }
    };
    ShownValue { value, source: source.to_owned() }
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

fn for_people(screen: Screen, items: &[Item]) -> String {
    let columns =
        [Column::Whole("VARIABLE"), Column::Whole("READ BY"), Column::Elastic("VALUE"), Column::Whole("SOURCE")];
    let rows = items.iter().map(|item| {
        let source = match &item.problem {
            Some(_) => Cell::new(&item.source).fg(Color::Red),
            None => Cell::new(&item.source),
        };
        let value = table::text(item.value.as_deref().unwrap_or_default());
        [Cell::new(item.variable), Cell::new(read_by_for_people(item)), value, source]
    });
    let mut shown = table::list(screen, columns, rows);
    let problems: Vec<String> = items.iter().filter_map(problem_for_people).collect();
    if !problems.is_empty() {
        shown += &format!("\nWith this, not every part can start:\n{}", problems.concat());
    }
    shown
}

fn read_by_for_people(item: &Item) -> String {
    let is_all = item.read_by.len() == Role::ALL.len();
    if is_all { "all".to_owned() } else { item.read_by.join(", ") }
}

fn problem_for_people(item: &Item) -> Option<String> {
    let problem = format!("  {}: {}\n", item.variable, item.problem.as_deref()?);
    let example = item.example.map(|example| format!("    for example: {example}\n")).unwrap_or_default();
    Some(problem + &example)
}

#[cfg(test)]
mod tests;
