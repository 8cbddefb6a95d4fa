//! `docker-compose.yml` without a Docker engine: it follows the specification's schema, and what it gives to gateway and
//! worker is what they ask for. The same topology runs as processes in `starter/tests/dev/operations.rs`.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::stub::evercal;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docker-compose.yml");
const EXAMPLE_ENV: &str = include_str!("../../../deploy/compose/example.env");
const DOCKERFILE: &str = include_str!("../../../Dockerfile");
/// What to do when there is no Python with the packages.
const HOW_TO_INSTALL: &str =
    "EVERCAL_PYTHON is not set: `cargo verify --install` makes a Python with what this test needs";

fn python(arguments: &[&str]) -> String {
    let python = std::env::var_os("EVERCAL_PYTHON").expect(HOW_TO_INSTALL);
    let output = Command::new(python).args(arguments).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{printed}\n{}", String::from_utf8_lossy(&output.stderr));
    printed
}

fn compose() -> Value {
    let script = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))";
    serde_json::from_str(&python(&["-c", script, FILE])).unwrap()
}

/// A value of the file as Compose would put it together from `.env`.
fn filled(text: &str) -> String {
    let values = [
        ("POSTGRES_PASSWORD", "secret"),
        ("EVERCAL_MASTER_KEY", "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        ("EVERCAL_PAYLOAD_KEY", "p1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        ("GOOGLE_WEBHOOK_TOKEN", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"),
        ("GOOGLE_CLIENT_ID", "1234.apps.googleusercontent.com"),
        ("GOOGLE_CLIENT_SECRET", "secret"),
        ("WEBHOOK_BASE_URL", "https://calendar.example.com"),
    ];
    values
        .iter()
        .fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${{{name}:?set it in .env}}"), value))
}

#[test]
fn it_follows_the_schema_of_the_compose_specification() {
    python(&["-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", FILE]);
}

#[tokio::test]
async fn gateways_and_workers_get_all_that_they_ask_for() {
    let compose = compose();
    for (service, role) in [
        ("gateway-1", "gateway"),
        ("gateway-2", "gateway"),
        ("worker-1", "worker"),
        ("worker-2", "worker"),
        ("codec", "codec"),
    ] {
        let service = &compose["services"][service];
        assert_eq!(service["command"][0], role);
        let environment: Vec<(String, String)> = service["environment"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.clone(), filled(value.as_str().unwrap())))
            .collect();
        let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert!(environment.iter().all(|(_, value)| !value.contains("${")), "{environment:?}");
        let config = evercal(&["config", "--role", role], &environment, Path::new("/")).await;
        assert_eq!(config.code, Some(0), "{config:?}");
        for needed in ["migrate", "prepare-temporal"].into_iter().filter(|_| role != "codec") {
            assert_eq!(service["depends_on"][needed]["condition"], "service_completed_successfully");
        }
    }
}

#[test]
fn nothing_secret_is_in_it_and_the_example_names_all_that_has_to_be_filled_in() {
    let text = std::fs::read_to_string(FILE).unwrap();
    let mut asked = 0;
    for name in text.split("${").skip(1).map(|rest| rest.split(':').next().unwrap()) {
        asked += 1;
        assert!(EXAMPLE_ENV.contains(&format!("\n{name}=\n")), "the example has no empty {name}");
    }
    assert!(asked >= 6, "{asked}");
}

#[test]
fn the_image_runs_as_nobody_in_particular_and_has_no_compiler() {
    let stages: Vec<&str> = DOCKERFILE.split("\nFROM ").collect();
    let last = stages.last().unwrap();
    assert!(stages.len() == 3 && last.starts_with("debian:") && last.contains("\nUSER 10001:10001\n"), "{last}");
    let toolchain = include_str!("../../../rust-toolchain.toml");
    let version = DOCKERFILE.split("rust:").nth(1).unwrap().split('-').next().unwrap();
    assert!(toolchain.contains(&format!("\"{version}")), "the image is built by {version}: {toolchain}");
}
