//! Settings by a TOML file and by options, as `evercal config` shows them and as the parts take them.

use std::path::Path;

use serde_json::Value;

use crate::stub::{Stub, evercal};

const FILE: &str = r#"
# Lists and tables stand for what a variable says with commas and JSON.
WEBHOOK_BASE_URL = "https://calendar.example.com"
GOOGLE_CLIENT_ID = "1234.apps.googleusercontent.com"
GOOGLE_CLIENT_SECRET = "marker-secret"
EVERCAL_CHANNEL_KEYS = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
EVERCAL_MASTER_KEY_FILE = "master-key"
DATABASE_URL = "sqlite:evercal.db"
SYNC_CONCURRENT_JOBS = 5
SYNC_MAX_RETRIES = 5
RENEW_LEAD = 7200

[EVERCAL_TIMING]
ladder_s = [60, 120, 240]
"#;

fn folder(file: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("evercal.toml"), file).unwrap();
    std::fs::write(folder.path().join("master-key"), "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap();
    folder
}

#[tokio::test]
async fn settings_come_from_options_environment_and_file_in_this_order_and_config_says_from_where() {
    let folder = folder(FILE);
    let arguments =
        ["--config", "evercal.toml", "--set", "SYNC_MAX_RETRIES=9", "--set", "EVERCAL_BUILD_ID=b2", "config", "--json"];
    let environment = [("SYNC_MAX_RETRIES", "7"), ("SYNC_CONCURRENT_JOBS", "7")];
    let shown = evercal(&arguments, &environment, folder.path()).await.json();
    assert_eq!(shown["file"], "evercal.toml");
    let of = |name: &str| {
        let item = shown["items"].as_array().unwrap().iter().find(|item| item["variable"] == name).unwrap();
        (item["value"].clone(), item["source"].clone())
    };
    let expected = |value: &str, source: &str| (Value::from(value), Value::from(source));
    assert_eq!(of("SYNC_MAX_RETRIES"), expected("9", "command line"));
    assert_eq!(of("EVERCAL_BUILD_ID"), expected("b2", "command line"));
    assert_eq!(of("SYNC_CONCURRENT_JOBS"), expected("7", "environment"));
    assert_eq!(of("RENEW_LEAD"), expected("7200", "file"));
    assert_eq!(of("GOOGLE_CLIENT_SECRET"), expected("set, not shown", "file"));
    assert_eq!(of("EVERCAL_MASTER_KEY"), expected("set, not shown", "EVERCAL_MASTER_KEY_FILE"));
    assert_eq!(of("EVERCAL_HTTP_ADDRESS"), expected("127.0.0.1:8080", "default"));
    let text = evercal(&arguments[..arguments.len() - 1], &environment, folder.path()).await.text();
    let zone_data =
        format!("Time zone data: {} ({}).", evercal_domain::zones::version(), evercal_domain::zones::source());
    assert!(text.contains(&zone_data), "{text}");
    assert_eq!(shown["zone_data"]["version"], evercal_domain::zones::version().as_str());
    assert!(text.contains("The file is evercal.toml.") && !text.contains("marker"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
}

#[tokio::test]
async fn administering_commands_take_the_database_of_the_file_that_the_environment_names() {
    let folder = folder(FILE);
    let environment = [("EVERCAL_CONFIG_FILE", "evercal.toml")];
    evercal(&["migrate"], &environment, folder.path()).await.text();
    assert!(folder.path().join("evercal.db").exists());
    let tenants = evercal(&["tenants", "list", "--json"], &environment, folder.path()).await.json();
    assert_eq!(tenants["items"], Value::Array(Vec::new()));
}

#[tokio::test]
async fn no_part_starts_with_a_setting_that_nobody_reads() {
    let folder = folder(&format!("SYNC_TIMEOUT = 'marker'\n{FILE}"));
    for (part, code) in [("worker", 1), ("gateway", 1), ("codec", 1), ("config", 1), ("migrate", 2)] {
        let run = evercal(&["--config", "evercal.toml", part], &[], folder.path()).await;
        assert_eq!(run.code, Some(code), "{part}: {run:?}");
        assert!(run.stderr.contains("evercal.toml: there is no setting `SYNC_TIMEOUT`"), "{part}: {run:?}");
        assert!(!(run.stderr + &run.stdout).contains("marker"), "{part}");
    }
}

#[tokio::test]
async fn a_damaged_file_is_reported_in_json_where_that_was_asked_for() {
    let folder = folder("WEBHOOK_BASE_URL = ");
    for (part, code) in [("config", 1), ("migrate", 2)] {
        let run = evercal(&["--config", "evercal.toml", part, "--json"], &[], folder.path()).await;
        let error: Value = serde_json::from_str(&run.stderr).unwrap_or_else(|_| panic!("{part}: {run:?}"));
        assert_eq!((run.code, error["error"]["exit_code"].as_i64()), (Some(code), Some(i64::from(code))), "{part}");
        assert!(error["error"]["message"].as_str().unwrap().contains("evercal.toml"), "{part}: {error}");
    }
}

#[tokio::test]
async fn settings_that_would_do_nothing_are_a_usage_error() {
    for command in [&["dev"][..], &["simulator"], &["calendars"], &["builds", "list"]] {
        let arguments = [&["--set", "SYNC_CONCURRENT_JOBS=1"][..], command].concat();
        let run = evercal(&arguments, &[], Path::new("/")).await;
        assert_eq!(run.code, Some(2), "{command:?}: {run:?}");
        assert!(run.stderr.contains("--config and --set are for worker, gateway"), "{command:?}: {run:?}");
    }
    let run = evercal(&["--set", "EVERCAL_MASTER_KEY=marker", "config"], &[], Path::new("/")).await;
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stderr.contains("EVERCAL_MASTER_KEY_FILE") && !run.stderr.contains("marker"), "{run:?}");
}

#[tokio::test]
async fn whoever_asks_the_api_needs_no_right_to_read_the_file() {
    let stub = Stub::start().await;
    let environment = [
        ("EVERCAL_API", &*stub.address),
        ("EVERCAL_API_KEY", crate::stub::KEY),
        ("EVERCAL_CONFIG_FILE", "/nowhere/evercal.toml"),
    ];
    evercal(&["calendars"], &environment, Path::new("/")).await.text();
}
