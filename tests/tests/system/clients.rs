//! The API's description is good for machines: it is valid, and clients that generators make of it compile and read a running
//! evercal.

use std::path::{Path, PathBuf};

use evercal_domain::CalendarId;
use evercal_tests::{AnyProvider, World};
use tokio::process::Command;

const HOW_TO_INSTALL: &str = "is not set: `cargo verify` sets it, and installs what it names";
const WINDOW_DAYS: i64 = 14;

/// What each client has to say of the demo world: how many calendars there are, and the titles of the next two weeks.
#[derive(Debug, PartialEq, Eq)]
struct Printed {
    calendars: usize,
    titles: Vec<String>,
}

fn folder_of(variable: &str) -> PathBuf {
    PathBuf::from(std::env::var_os(variable).unwrap_or_else(|| panic!("{variable} {HOW_TO_INSTALL}")))
}

fn sources(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(name)
}

fn python(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(folder_of("EVERCAL_PYTHON"));
    command.current_dir(folder).args(arguments);
    command
}

/// One of the pinned programs of `clients/package.json`.
fn node_program(folder: &Path, name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(folder_of("EVERCAL_NODE_MODULES").join(".bin").join(name));
    command
        .current_dir(folder)
        .args(arguments)
        .env("REDOCLY_TELEMETRY", "off")
        .env("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true");
    command
}

/// Runs a program to its end and answers what it printed.
async fn run(mut command: Command) -> String {
    let output = command.kill_on_drop(true).output().await.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{printed}\n{errors}");
    printed
}

/// A running evercal with its calendars, and its description in a file of the folder.
async fn served(folder: &Path) -> (World, CalendarId) {
    let world = World::start::<AnyProvider>().await;
    let (_, calendar) = world.connect_and_mirror().await;
    let served = format!("{}openapi.json", world.public_url());
    let fetch = "import sys, urllib.request; urllib.request.urlretrieve(sys.argv[1], 'openapi.json')";
    run(python(folder, &["-c", fetch, &served])).await;
    (world, calendar)
}

/// What the API itself says, for comparison.
async fn expected(world: &World, calendar: CalendarId, from: &str, to: &str) -> Printed {
    let get = async |path: String| world.api(evercal_http::Method::GET, &path, None).await.unwrap();
    let calendars = get("/v1/calendars".to_owned()).await["items"].as_array().unwrap().len();
    let events = get(format!("/v1/calendars/{calendar}/events?from={from}&to={to}&limit=500")).await;
    let title = |item: &serde_json::Value| item["title"].as_str().unwrap().to_owned();
    let titles = events["items"].as_array().unwrap().iter().map(title).collect();
    Printed { calendars, titles }
}

fn parsed(printed: &str) -> Printed {
    let printed: serde_json::Value = serde_json::from_str(printed).unwrap_or_else(|error| panic!("{error}: {printed}"));
    let titles = printed["titles"].as_array().unwrap().iter().map(|title| title.as_str().unwrap().to_owned()).collect();
    Printed { calendars: usize::try_from(printed["calendars"].as_u64().unwrap()).unwrap(), titles }
}

fn window() -> (String, String) {
    use evercal_domain::Clock as _;
    let day = evercal_domain::SystemClock.now().date_naive();
    let midnight = |date: chrono::NaiveDate| format!("{date}T00:00:00Z");
    (midnight(day), midnight(day + chrono::Duration::days(WINDOW_DAYS)))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_is_valid_and_the_linter_finds_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    std::fs::copy(committed, folder.path().join("openapi.json")).unwrap();
    std::fs::copy(sources("redocly.yaml"), folder.path().join("redocly.yaml")).unwrap();
    run(python(folder.path(), &["-m", "openapi_spec_validator", "openapi.json"])).await;
    run(node_program(folder.path(), "redocly", &["lint", "openapi.json", "--max-problems", "1000"])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generated_python_client_lists_calendars_and_events() {
    let folder = tempfile::tempdir().unwrap();
    let (world, calendar) = served(folder.path()).await;
    let config = sources("openapi-python-client.yaml");
    let generate = ["-m", "openapi_python_client", "generate", "--path", "openapi.json", "--meta", "none"];
    let options = ["--config", config.to_str().unwrap(), "--output-path", "evercal_client", "--fail-on-warning"];
    run(python(folder.path(), &[&generate[..], &options].concat())).await;
    run(python(folder.path(), &["-m", "compileall", "-q", "evercal_client"])).await;
    let (from, to) = window();
    let mut client = python(folder.path(), &[sources("client.py").to_str().unwrap()]);
    client.env("PYTHONPATH", python_path(folder.path())).env("EVERCAL_API", world.public_url());
    client.env("EVERCAL_API_KEY", world.api_key.expose());
    client.args([&calendar.to_string(), &from, &to]);
    assert_eq!(parsed(&run(client).await), expected(&world, calendar, &from, &to).await);
    world.end().await;
}

/// The generated client, before whatever the caller's Python finds already.
fn python_path(folder: &Path) -> std::ffi::OsString {
    let others = std::env::var_os("PYTHONPATH").unwrap_or_default();
    let paths = std::iter::once(folder.to_owned()).chain(std::env::split_paths(&others));
    std::env::join_paths(paths).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generated_typescript_client_lists_calendars_and_events() {
    let folder = tempfile::tempdir().unwrap();
    let (world, calendar) = served(folder.path()).await;
    run(node_program(folder.path(), "openapi-typescript", &["openapi.json", "--output", "evercal.ts"])).await;
    for file in ["client.ts", "tsconfig.json"] {
        std::fs::copy(sources(file), folder.path().join(file)).unwrap();
    }
    std::fs::write(folder.path().join("package.json"), "{\"type\": \"module\"}\n").unwrap();
    std::os::unix::fs::symlink(folder_of("EVERCAL_NODE_MODULES"), folder.path().join("node_modules")).unwrap();
    run(node_program(folder.path(), "tsc", &["--project", "."])).await;
    let (from, to) = window();
    let mut client = Command::new("node");
    client.current_dir(folder.path()).env("EVERCAL_API", world.public_url());
    client.env("EVERCAL_API_KEY", world.api_key.expose());
    client.args(["client.js", &calendar.to_string(), &from, &to]);
    assert_eq!(parsed(&run(client).await), expected(&world, calendar, &from, &to).await);
    world.end().await;
}
