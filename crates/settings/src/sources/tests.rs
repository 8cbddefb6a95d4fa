use std::fmt::Write as _;

use super::*;

/// An environment with one value of each kind.
fn environment(name: &str) -> Option<String> {
    let value = match name {
        "SYNC_TIMEOUT_MS" => "2",
        "SYNC_MAX_RETRIES" => " ",
        "EVERCAL_CHANNEL_KEYS_FILE" => "/run/secrets/channels",
        _ => return None,
    };
    Some(value.to_owned())
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

fn sources(text: &str, settings: &[&str]) -> Result<Sources, ConfigError> {
    let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
    Sources::with_command_line(environment, Some(file(text).path().to_owned()), &settings)
}

fn error(text: &str) -> String {
    sources(text, &[]).err().unwrap().to_string()
}

#[test]
fn the_command_line_goes_over_the_environment_and_that_over_the_file() {
    let all = "SYNC_TIMEOUT_MS = 1\nSYNC_CONCURRENT_JOBS = 1\nRENEW_LEAD = 1";
    let sources = sources(all, &["SYNC_TIMEOUT_MS=3", "RENEW_LEAD=3"]).unwrap();
    let of = |name: &str| (sources.find(name).unwrap(), sources.source(name).unwrap());
    assert_eq!(of("SYNC_TIMEOUT_MS"), ("3".to_owned(), Source::CommandLine));
    assert_eq!(of("RENEW_LEAD"), ("3".to_owned(), Source::CommandLine));
    assert_eq!(of("SYNC_CONCURRENT_JOBS"), ("1".to_owned(), Source::File));
    let without = self::sources(all, &[]).unwrap();
    assert_eq!(without.find("SYNC_TIMEOUT_MS").as_deref(), Some("2"));
    assert_eq!(without.source("SYNC_TIMEOUT_MS"), Some(Source::Environment));
    assert_eq!((without.find("EVERCAL_TIMING"), without.source("EVERCAL_TIMING")), (None, None));
}

#[test]
fn an_empty_value_leaves_the_word_to_the_next_source() {
    let sources = sources("SYNC_MAX_RETRIES = 4", &["SYNC_MAX_RETRIES="]).unwrap();
    assert_eq!(sources.find("SYNC_MAX_RETRIES").as_deref(), Some("4"));
}

#[test]
fn a_secret_that_one_source_names_by_its_file_goes_over_the_secret_of_the_next() {
    let sources = sources("EVERCAL_CHANNEL_KEYS = 'old'\nEVERCAL_MASTER_KEY_FILE = '/run/secrets/key'", &[]).unwrap();
    assert_eq!(sources.find("EVERCAL_CHANNEL_KEYS"), None);
    assert_eq!(sources.find("EVERCAL_CHANNEL_KEYS_FILE").as_deref(), Some("/run/secrets/channels"));
    assert_eq!(sources.find("EVERCAL_MASTER_KEY_FILE").as_deref(), Some("/run/secrets/key"));
}

#[test]
fn each_kind_of_value_is_read_as_its_variable_would_have_it() {
    let sources = sources(
        "EVERCAL_KEEP_RAW = true\n\
         EVERCAL_CORS_ORIGINS = ['https://a.example.com', 'https://b.example.com']\n\
         [EVERCAL_TIMING]\nladder_s = [1, 2, 3]\n",
        &[],
    )
    .unwrap();
    let of = |name: &str| sources.find(name).unwrap();
    assert_eq!(of("EVERCAL_KEEP_RAW"), "true");
    assert_eq!(of("EVERCAL_CORS_ORIGINS"), "https://a.example.com,https://b.example.com");
    assert_eq!(of("EVERCAL_TIMING"), r#"{"ladder_s":[1,2,3]}"#);
}

#[test]
fn what_is_wrong_with_a_file_is_named_without_showing_a_value() {
    let wrong = [
        ("SYNC_TIMEOUT = 'marker'", "there is no setting `SYNC_TIMEOUT`"),
        ("EVERCAL_CONFIG_FILE = 'marker'", "there is no setting `EVERCAL_CONFIG_FILE`"),
        ("WEBHOOK_BASE_URL_FILE = 'marker'", "there is no setting `WEBHOOK_BASE_URL_FILE`"),
        ("TEMPORAL_API_KEY = 'marker'", "read by Temporal's SDK"),
        ("RENEW_LEAD = 1\nEVERCAL_MASTER_KEY = marker", "line 2: "),
        ("RENEW_LEAD = 1.5", "RENEW_LEAD is neither text, whole number, switch, list nor table"),
        ("RENEW_LEAD = 1\nRENEW_LEAD = 2", "line 2: "),
    ];
    for (text, problem) in wrong {
        let said = error(text);
        assert!(said.contains(problem) && said.starts_with("--config: ") && !said.contains("marker"), "{text}: {said}");
    }
    let several = error("SYNC_TIMEOUT = 1\nRENEWLEAD = 1\nRENEW_LEAD = 1.5");
    for name in ["SYNC_TIMEOUT`", "RENEWLEAD`", "RENEW_LEAD is neither"] {
        assert!(several.contains(name), "all at once: {several}");
    }
}

#[test]
fn a_file_that_is_missing_or_too_big_is_an_error() {
    let missing = Sources::with_command_line(environment, Some("/nowhere/evercal.toml".into()), &[]).err().unwrap();
    assert!(missing.to_string().contains("/nowhere/evercal.toml: cannot be read"), "{missing}");
    let mut big = String::new();
    while big.len() as u64 <= FILE_BYTES_MAX {
        writeln!(big, "# {}", "x".repeat(1_000)).unwrap();
    }
    assert!(error(&big).contains("more than 1 MiB"));
}

#[test]
fn the_environment_names_the_file_where_the_command_line_does_not() {
    fn missing(name: &str) -> Option<String> {
        (name == CONFIG_FILE).then(|| "/nowhere/of-environment.toml".to_owned())
    }
    let said = Sources::new(missing).err().unwrap().to_string();
    assert!(said.starts_with("EVERCAL_CONFIG_FILE: /nowhere/of-environment.toml: "), "{said}");
    let of_command_line = file("RENEW_LEAD = 5");
    let sources = Sources::with_command_line(missing, Some(of_command_line.path().to_owned()), &[]).unwrap();
    assert_eq!((sources.find("RENEW_LEAD").as_deref(), sources.path()), (Some("5"), Some(of_command_line.path())));
}

#[test]
fn a_setting_on_the_command_line_has_a_known_name_and_is_no_secret() {
    let wrong = [
        ("RENEW_LEAD", "no `=`"),
        ("RENEWLEAD=1", "there is no setting `RENEWLEAD`"),
        ("postgres://ada:marker@db/evercal?sslmode=require", "not the name of a setting"),
        ("TEMPORAL_ADDRESS=marker", "read by Temporal's SDK"),
        ("EVERCAL_MASTER_KEY=marker", "use the environment, the file, or EVERCAL_MASTER_KEY_FILE"),
    ];
    for (setting, problem) in wrong {
        let said = sources("", &[setting]).err().unwrap().to_string();
        assert!(said.starts_with("--set: ") && said.contains(problem) && !said.contains("marker"), "{setting}: {said}");
    }
}
