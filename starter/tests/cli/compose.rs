//! `docker-compose.yml` without a Docker engine: it follows the specification's schema, what it gives to gateway and
//! worker is what they ask for, and Temporal comes up with its environment. The same topology runs as processes in
//! `starter/tests/dev/operations.rs`.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use evercal_devserver::{PostgresDatabases, ensure_binaries, postgres};
use evercal_tests::eventually;
use serde_json::Value;

use crate::stub::evercal;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docker-compose.yml");
const EXAMPLE_ENV: &str = include_str!("../../../deploy/compose/example.env");
const DOCKERFILE: &str = include_str!("../../../Dockerfile");
/// What to do when there is no Python with the packages.
const HOW_TO_INSTALL: &str = "EVERCAL_PYTHON is not set: `cargo verify` makes a Python with what this test needs";

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

/// A value of the file as Compose would put it together from `.env`, with a provider or without.
fn filled(text: &str, has_provider: bool) -> String {
    let needed = [
        ("POSTGRES_PASSWORD", "secret"),
        ("EVERCAL_MASTER_KEY", "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        ("EVERCAL_PAYLOAD_KEY", "p1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        ("EVERCAL_CHANNEL_KEYS", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"),
        ("WEBHOOK_BASE_URL", "https://calendar.example.com"),
    ];
    let text = needed
        .iter()
        .fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${{{name}:?set it in .env}}"), value));
    let of_provider = [("GOOGLE_CLIENT_ID", "1234.apps.googleusercontent.com"), ("GOOGLE_CLIENT_SECRET", "secret")];
    of_provider.iter().fold(text, |text, (name, value)| {
        text.replace(&format!("${{{name}:-}}"), if has_provider { value } else { "" })
    })
}

#[test]
fn it_follows_the_schema_of_the_compose_specification() {
    python(&["-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", FILE]);
}

#[tokio::test]
async fn gateways_and_workers_get_all_that_they_ask_for_with_a_provider_and_without() {
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
        for has_provider in [true, false] {
            let environment = environment(service, has_provider);
            let environment: Vec<_> = environment.iter().map(|(name, value)| (&**name, &**value)).collect();
            assert!(environment.iter().all(|(_, value)| !value.contains("${")), "{environment:?}");
            let config = evercal(&["config", "--role", role], &environment, Path::new("/")).await;
            assert_eq!(config.code, Some(0), "{config:?}");
        }
        for needed in ["migrate", "prepare-temporal"].into_iter().filter(|_| role != "codec") {
            assert_eq!(service["depends_on"][needed]["condition"], "service_completed_successfully");
        }
    }
}

/// The environment of a service as Compose would put it together.
fn environment(service: &Value, has_provider: bool) -> BTreeMap<String, String> {
    let variables = service["environment"].as_object().unwrap().iter();
    variables.map(|(name, value)| (name.clone(), filled(value.as_str().unwrap(), has_provider))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn temporal_makes_its_tables_and_starts_with_the_environment_of_the_file() {
    let compose = compose();
    let (schema, temporal) = (&compose["services"]["temporal-schema"], &compose["services"]["temporal"]);
    let root = Path::new(FILE).parent().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let server = postgres::shared().unwrap();
    let address = server.address();
    let (host, port) = address.rsplit_once(':').unwrap();
    let mut options = evercal_tests::temporal::options(folder.path()).unwrap();
    // Only so that the tool for the tables is built too: the rest is the file's.
    options.postgres = Some(PostgresDatabases {
        address: server.address(),
        user: server.user().to_owned(),
        password: server.password().to_owned(),
        store: "temporal".to_owned(),
        visibility: "temporal_visibility".to_owned(),
    });
    let programs = ensure_binaries(&options).await.unwrap();

    let mut of_schema = environment(schema, true);
    for (name, of_file, own) in [
        ("SQL_HOST", "postgres", host),
        ("SQL_PORT", "5432", port),
        ("SQL_USER", "evercal", server.user()),
        ("SQL_PASSWORD", "secret", server.password()),
    ] {
        assert_eq!(of_schema.insert(name.to_owned(), own.to_owned()).as_deref(), Some(of_file), "{name}");
    }
    let script = schema["volumes"][0].as_str().unwrap().strip_suffix(":/temporal-schema.sh:ro").unwrap();
    assert_eq!(schema["entrypoint"], serde_json::json!(["/bin/sh", "/temporal-schema.sh"]));
    let path = format!("{}:/usr/bin:/bin", programs.schema_tool.parent().unwrap().display());
    // Compose runs it at each start.
    for time in ["first", "second"] {
        let mut command = Command::new("/bin/sh");
        command.arg(root.join(script)).env_clear().envs(&of_schema).env("PATH", &path);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{time}: {}", String::from_utf8_lossy(&output.stderr));
    }

    let mut of_temporal = environment(temporal, true);
    let dynamic = temporal["volumes"][0].as_str().unwrap();
    let (dynamic, inside) = dynamic.strip_suffix(":ro").unwrap().split_once(':').unwrap();
    let dynamic = root.join(dynamic).display().to_string();
    for (name, of_file, own) in [
        ("POSTGRES_SEEDS", "postgres", host),
        ("DB_PORT", "5432", port),
        ("POSTGRES_USER", "evercal", server.user()),
        ("POSTGRES_PWD", "secret", server.password()),
        ("BIND_ON_IP", "0.0.0.0", "127.0.0.1"),
        ("DYNAMIC_CONFIG_FILE_PATH", inside, &*dynamic),
    ] {
        assert_eq!(of_temporal.insert(name.to_owned(), own.to_owned()).as_deref(), Some(of_file), "{name}");
    }
    // The image has a machine of its own; here all ports have to be free ones. The server keeps some of them in a column
    // that ends at 32,767, below which the system gives none away.
    let first = 20_000 + u16::try_from(std::process::id() % 1_000).unwrap() * 10;
    let free = (first..32_000).filter_map(|port| TcpListener::bind(("127.0.0.1", port)).ok());
    let held: Vec<TcpListener> = free.take(9).collect();
    let mut ports = held.iter().map(|listener| listener.local_addr().unwrap().port());
    let address = format!("127.0.0.1:{}", ports.next().unwrap());
    of_temporal.insert("FRONTEND_GRPC_PORT".to_owned(), address.split_once(':').unwrap().1.to_owned());
    for name in ["FRONTEND_HTTP", "FRONTEND_MEMBERSHIP", "HISTORY_GRPC", "HISTORY_MEMBERSHIP"].into_iter().chain([
        "MATCHING_GRPC",
        "MATCHING_MEMBERSHIP",
        "WORKER_GRPC",
        "WORKER_MEMBERSHIP",
    ]) {
        of_temporal.insert(format!("{name}_PORT"), ports.next().unwrap().to_string());
    }
    drop(held);
    let log = folder.path().join("temporal.log");
    // As the image's entry point does it.
    let mut command = tokio::process::Command::new(&programs.server);
    command.arg("start").env_clear().envs(&of_temporal).stdout(std::fs::File::create(&log).unwrap());
    let mut temporal = command.current_dir(folder.path()).kill_on_drop(true).spawn().unwrap();
    let reaches = [("TEMPORAL_ADDRESS", &*address), ("TEMPORAL_NAMESPACE", "evercal")];
    let prepared = evercal(&["prepare-temporal", "--wait", "120"], &reaches, Path::new("/")).await;
    let said = std::fs::read_to_string(&log).unwrap();
    let last_words = said.lines().rev().take(3).collect::<Vec<_>>();
    assert_eq!(prepared.code, Some(0), "{prepared:?}\n{:?}\n{last_words:#?}", temporal.try_wait());
    eventually("history has as many shards as the file says", || async {
        let shards = server.query("temporal", "select max(shard_id) from shards").unwrap();
        if shards.trim() == of_temporal["NUM_HISTORY_SHARDS"] { Ok(()) } else { Err(shards) }
    })
    .await;
    temporal.kill().await.unwrap();
}

#[test]
fn what_runs_once_waits_for_what_is_not_up_yet() {
    let compose = compose();
    for service in ["migrate", "prepare-temporal"] {
        let command = compose["services"][service]["command"].as_array().unwrap();
        assert!(command.iter().any(|argument| argument == "--wait"), "{service}: {command:?}");
    }
    // The server that the image starts for its first set-up listens on a socket alone.
    let healthy = compose["services"]["postgres"]["healthcheck"]["test"].as_array().unwrap();
    assert!(healthy.iter().any(|argument| argument == "127.0.0.1"), "{healthy:?}");
}

#[test]
fn temporal_is_of_the_versions_that_everything_was_tested_with() {
    let pins = include_str!("../../../deploy/temporal/go.mod");
    let compose = compose();
    for (service, image, module) in [
        ("temporal", "temporalio/server", "go.temporal.io/server"),
        ("temporal-schema", "temporalio/admin-tools", "go.temporal.io/server"),
        ("temporal-ui", "temporalio/ui", "github.com/temporalio/ui-server/v2"),
    ] {
        let version = pins.lines().find_map(|line| line.trim().strip_prefix(&format!("{module} v"))).unwrap();
        let version = version.split(' ').next().unwrap();
        assert_eq!(compose["services"][service]["image"], format!("{image}:{version}"));
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
