use evercal_domain::SyncStrategy;
use evercal_providers::Registration;
use evercal_providers::registry::PROVIDERS;

use super::*;

fn read(values: &[(&str, &str)]) -> Result<GatewayConfig, ConfigError> {
    let find = |name: &str| values.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    GatewayConfig::from_lookup(&Lookup::new(&find))
}

/// One that can be on.
fn registration() -> &'static Registration {
    PROVIDERS.first().unwrap()
}

fn enough() -> [(&'static str, &'static str); 3] {
    [
        ("WEBHOOK_BASE_URL", "https://calendar.example.com"),
        ("EVERCAL_CHANNEL_KEYS", "a-key-of-sixteen-chars,an-older-key-of-2025"),
        (registration().turned_on_by.about().name, "client"),
    ]
}

fn with(variable: &'static str, value: &'static str) -> Result<GatewayConfig, ConfigError> {
    let mut values: Vec<_> = enough().into_iter().filter(|(name, _)| *name != variable).collect();
    values.push((variable, value));
    read(&values)
}

#[test]
fn three_values_are_enough() {
    let config = read(&enough()).unwrap();
    assert_eq!(config.address.to_string(), "127.0.0.1:8080");
    let profile = registration().profile;
    assert_eq!(config.timings.of(profile.provider), Timing::of(&profile.defaults));
    assert_eq!(config.fronts.into_keys().collect::<Vec<_>>(), [profile.provider]);
}

#[test]
fn an_installation_without_providers_needs_none_of_their_settings() {
    assert!(read(&enough()[..1]).unwrap().fronts.is_empty());
}

#[test]
fn a_bad_value_is_an_error_that_names_variable_and_example_but_not_the_value() {
    for (variable, value) in [
        ("EVERCAL_HTTP_ADDRESS", "marker"),
        ("WEBHOOK_BASE_URL", "marker"),
        ("WEBHOOK_BASE_URL", "ftp://marker"),
        ("EVERCAL_CHANNEL_KEYS", "marker"),
        ("EVERCAL_TIMING", "marker"),
        ("SYNC_MAX_RETRIES", "marker"),
        (registration().strategy.about.name, "marker"),
        ("EVERCAL_TRUSTED_PROXIES", "marker"),
        ("EVERCAL_CONNECTIONS_PER_PEER", "0"),
    ] {
        let text = with(variable, value).unwrap_err().to_string();
        assert!(text.starts_with(variable) && text.contains("for example: "), "{text}");
        assert!(!text.contains("marker"), "{text}");
    }
}

#[test]
fn a_missing_value_is_named() {
    for &(missing, _) in &enough()[..2] {
        let error = with(missing, "").unwrap_err();
        assert_eq!(error.variable, missing);
    }
}

#[test]
fn a_secret_may_stand_in_a_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "a-key-of-sixteen-chars\n").unwrap();
    let path = file.path().to_str().unwrap();
    let [public_url, _, client] = enough();
    assert!(read(&[public_url, ("EVERCAL_CHANNEL_KEYS_FILE", path), client]).is_ok());
}

#[test]
fn the_strategy_of_new_accounts_is_their_providers() {
    let Registration { profile, strategy, .. } = registration();
    let strategy = |value| with(strategy.about.name, value).unwrap().strategies.of(profile.provider);
    assert_eq!(strategy(""), SyncStrategy::Webhook);
    assert_eq!(strategy("polling"), SyncStrategy::Polling);
}

#[test]
fn durations_come_from_their_own_names_over_the_json() {
    let provider = registration().profile.provider;
    let timing = with("EVERCAL_TIMING", r#"{"ladder_s":[1],"polling_interval_s":7}"#).unwrap().timings.of(provider);
    assert_eq!((timing.ladder_s, timing.polling_interval_s), (vec![1], 7));
    assert_eq!(with("POLLING_INTERVAL_MS", "60000").unwrap().timings.of(provider).polling_interval_s, 60);
}

#[test]
fn what_nobody_has_set_is_what_was_promised() {
    let config = read(&enough()).unwrap();
    let seconds = |duration: Duration| duration.as_secs();
    assert_eq!(seconds(config.limits.consent_timeout), 5, "somebody who waits for the page of their consent");
    assert_eq!(seconds(config.limits.answer_timeout), 60, "an answer has to be taken by then");
    assert_eq!(seconds(config.catch_up.unproven_pause), 6 * 3_600, "who has proven nothing causes no more than that");
    assert_eq!(seconds(config.fleet_interval), 600, "a workflow that is gone is missed by then");
}

#[test]
fn connections_leave_descriptors_for_the_store_and_temporal_and_room_to_refuse_notices() {
    let default = GatewayLimits::default();
    for (descriptors_max, expected) in [(1_024, 768), (100_000, default.connections_max), (10, 1)] {
        let limits = default.within(descriptors_max);
        assert_eq!(limits.connections_max, expected, "{descriptors_max}");
        assert!(limits.notices_max < limits.connections_max || expected == 1, "{limits:?}");
    }
    assert!(default.notices_max < default.connections_max);
}
