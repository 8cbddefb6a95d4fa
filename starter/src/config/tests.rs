use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use evercal_codec::CodecConfig;
use evercal_gateway::GatewayConfig;
use evercal_providers::Registration;
use evercal_settings::codec::PAYLOAD_KEY;
use evercal_settings::store;
use evercal_worker::WorkerConfig;

use super::*;

/// A provider that can be on.
fn registration() -> &'static Registration {
    PROVIDERS.first().unwrap()
}

/// Settings with which both parts start, with a provider that is on.
fn complete() -> BTreeMap<&'static str, String> {
    let own = registration().settings.iter().map(|setting| setting.about());
    let own = own
        .filter(|about| !matches!(about.kind, Kind::Address | Kind::SecretAddress))
        .map(|about| (about.name, "marker-value"));
    let of_all = [
        ("DATABASE_URL", "sqlite:///data/evercal.db"),
        ("EVERCAL_MASTER_KEY", "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        ("EVERCAL_CHANNEL_KEYS", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"),
        ("EVERCAL_PAYLOAD_KEY", "p1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        ("WEBHOOK_BASE_URL", "https://calendar.example.com"),
    ];
    of_all.into_iter().chain(own).map(|(name, value)| (name, value.to_owned())).collect()
}

fn report(values: &BTreeMap<&'static str, String>) -> BTreeMap<&'static str, Item> {
    let find = |name: &str| values.get(name).cloned();
    let lookup = Lookup::new(&find);
    all().map(|setting| (setting.about().name, read(setting, &lookup, &|_| Some(Source::Environment)))).collect()
}

fn shown(values: &BTreeMap<&'static str, String>) -> String {
    let settings: Vec<Item> = report(values).into_values().collect();
    for_people(Screen::detect(&|_| None), &settings)
}

#[test]
fn the_list_is_what_gateway_and_worker_ask_for() {
    let values = complete();
    let asked = RefCell::new(BTreeSet::new());
    let find = |name: &str| {
        asked.borrow_mut().insert(name.to_owned());
        values.get(name).cloned()
    };
    let lookup = Lookup::new(&find);
    let listed = |role: Role| -> BTreeSet<String> {
        // Read by the SDK, and by the log.
        let is_elsewhere = |name: &str| name.starts_with("TEMPORAL_") || name == "RUST_LOG";
        let of_role = all().map(Described::about).filter(|about| about.read_by.contains(&role));
        of_role.map(|about| about.name).filter(|name| !is_elsewhere(name)).map(str::to_owned).collect()
    };
    // Where the store is, the gateway reads beside its configuration.
    store::settings(&lookup).unwrap();
    PAYLOAD_KEY.read(&lookup).unwrap();
    ZONE_DATA_FOLDER.read(&lookup).unwrap();
    GatewayConfig::from_lookup(&lookup).unwrap();
    assert_eq!(*asked.borrow(), listed(Role::Gateway));
    asked.borrow_mut().clear();
    PAYLOAD_KEY.read(&lookup).unwrap();
    ZONE_DATA_FOLDER.read(&lookup).unwrap();
    WorkerConfig::from_lookup(&lookup).unwrap();
    assert_eq!(*asked.borrow(), listed(Role::Worker));
    asked.borrow_mut().clear();
    CodecConfig::from_lookup(&lookup).unwrap();
    assert_eq!(*asked.borrow(), listed(Role::Codec));
}

#[test]
fn a_complete_configuration_has_no_problem_and_shows_where_each_value_comes_from() {
    let mut values = complete();
    values.insert("EVERCAL_TIMING", r#"{"renew_lead_s":7200,"polling_interval_s":60}"#.to_owned());
    values.insert("POLLING_INTERVAL_MS", "30000".to_owned());
    let report = report(&values);
    let of = |name: &str| (report[name].value.clone().unwrap(), report[name].source.clone());
    assert_eq!(of("RENEW_LEAD"), ("7200".to_owned(), "EVERCAL_TIMING".to_owned()));
    assert_eq!(of("POLLING_INTERVAL_MS"), ("30000".to_owned(), "environment".to_owned()));
    assert_eq!(of("RECONCILE_INTERVAL"), ("21600".to_owned(), "default".to_owned()));
    assert_eq!(of("EVERCAL_HTTP_ADDRESS"), ("127.0.0.1:8080".to_owned(), "default".to_owned()));
    let problems: Vec<_> = report.values().filter(|setting| setting.problem.is_some()).collect();
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn the_strategy_of_a_provider_is_shown_with_its_source_and_refused_by_name() {
    let (mut values, strategy) = (complete(), registration().strategy.about.name);
    let of = |values: &BTreeMap<&'static str, String>| report(values)[strategy].clone();
    assert_eq!((of(&values).value.as_deref(), of(&values).source.as_str()), (Some("webhook"), "default"));
    values.insert(strategy, "hybrid".to_owned());
    let hybrid = of(&values);
    assert_eq!((hybrid.value.as_deref(), hybrid.source.as_str()), (Some("hybrid"), "environment"));
    assert_eq!(hybrid.problem, None);
    values.insert(strategy, "push".to_owned());
    assert_eq!(of(&values).problem.as_deref(), Some("it is none of webhook, polling, hybrid"));
}

#[test]
fn a_provider_is_on_by_its_own_setting() {
    let (mut values, turned_on_by) = (complete(), registration().turned_on_by.about().name);
    let shown = |values: &BTreeMap<&'static str, String>| {
        let find = |name: &str| values.get(name).cloned();
        Provider::all(&Lookup::new(&find)).iter().map(Provider::for_people).collect::<String>()
    };
    let name = registration().profile.provider;
    assert!(shown(&values).contains(&format!("{name}: on, by {turned_on_by}")), "{}", shown(&values));
    values.remove(turned_on_by);
    assert!(shown(&values).contains(&format!("{name}: off, by {turned_on_by}")), "{}", shown(&values));
}

#[test]
fn what_config_calls_a_problem_is_what_a_part_does_not_start_with() {
    let wrong = [
        (registration().strategy.about.name, "push"),
        ("SYNC_CONCURRENT_JOBS", "0"),
        ("SYNC_TIMEOUT_MS", "0"),
        ("SYNC_MAX_RETRIES", "-1"),
        ("POLLING_INTERVAL_MS", "0"),
        ("RECONCILE_INTERVAL", "0"),
        ("EVERCAL_TIMING", r#"{"polling_interval_s":0}"#),
    ];
    for (variable, value) in wrong {
        let mut values = complete();
        values.insert(variable, value.to_owned());
        assert!(report(&values)[variable].problem.is_some(), "{variable}={value}");
        let find = |name: &str| values.get(name).cloned();
        let error = WorkerConfig::from_lookup(&Lookup::new(&find)).err().unwrap();
        assert_eq!(error.variable, variable);
    }
}

#[test]
fn everything_that_is_wrong_is_said_at_once_with_an_example() {
    let (mut values, turned_on_by) = (complete(), registration().turned_on_by.about().name);
    values.remove(turned_on_by);
    values.insert("EVERCAL_MASTER_KEY", "marker".to_owned());
    values.insert("SYNC_TIMEOUT_MS", "soon".to_owned());
    values.insert("DATABASE_URL", "mysql://db/evercal".to_owned());
    let text = shown(&values);
    let not_set = format!("{turned_on_by}: is not set");
    for expected in ["DATABASE_URL: ", &not_set, "EVERCAL_MASTER_KEY: ", "SYNC_TIMEOUT_MS: ", "for example: "] {
        assert!(text.contains(expected), "{expected} is not in:\n{text}");
    }
    assert!(!text.contains("marker"), "{text}");
}

#[test]
fn no_secret_and_no_password_is_shown() {
    let mut values = complete();
    values.insert("DATABASE_URL", "postgres://ada:marker@db/evercal".to_owned());
    let addresses = registration().settings.iter().map(|setting| setting.about());
    let addresses =
        addresses.filter(|about| matches!(about.kind, Kind::Address | Kind::SecretAddress)).map(|about| about.name);
    values.extend(addresses.map(|name| (name, "ada:marker@nowhere".to_owned())));
    // What may be shown of a provider's is none.
    values.insert(registration().turned_on_by.about().name, "client".to_owned());
    let text = shown(&values) + &serde_json::to_string(&report(&values)).unwrap();
    assert!(!text.contains("marker"), "{text}");
    assert!(text.contains("set, not shown"));
}

#[test]
fn a_secret_in_a_file_names_the_variable_of_the_file() {
    let complete = complete();
    let secrets = all().map(Described::about).filter(|about| about.is_secret());
    for name in secrets.map(|about| about.name) {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut values = complete.clone();
        std::fs::write(file.path(), values.remove(name).unwrap()).unwrap();
        let by_file = format!("{name}_FILE");
        let by_file: &'static str = by_file.leak();
        values.insert(by_file, file.path().display().to_string());
        let secret = &report(&values)[name];
        assert_eq!(secret.source, by_file);
        assert_eq!((secret.value.as_deref(), &secret.problem), (Some("set, not shown"), &None));
    }
}

#[test]
fn what_the_temporal_sdk_would_pass_over_in_silence_is_a_problem() {
    let mut values = complete();
    let wrong = [
        ("TEMPORAL_TLS", "yes", "neither true nor false"),
        ("TEMPORAL_TLS_DISABLE_HOST_VERIFICATION", "true", "certificates are always verified"),
        ("TEMPORAL_CONFIG_FILE", "/nowhere/temporal.toml", "does not exist"),
    ];
    values.extend(wrong.map(|(name, value, _)| (name, value.to_owned())));
    values.insert("TEMPORAL_API_KEY", "marker".to_owned());
    let report = report(&values);
    for (name, _, problem) in wrong {
        let said = report[name].problem.clone().unwrap_or_default();
        assert!(said.contains(problem), "{name}: {said}");
    }
    assert_eq!(report["TEMPORAL_API_KEY"].value.as_deref(), Some("set, not shown"));
}
