//! Starting, stopping and starting again.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use evercal_domain::{Clock as _, SystemClock};
use evercal_http::Method;
use evercal_tests::eventually;
use serde_json::{Value, json};

use crate::installation::{self, Installation, is_alive};

const USER: &str = "robin.hale@example.com";

/// Inserts an event with the demo user's own token, as an official client does.
fn new_event(title: &str) -> Value {
    json!({
        "summary": title,
        "start": {"dateTime": "2031-03-08T10:00:00Z"},
        "end": {"dateTime": "2031-03-08T11:00:00Z"},
    })
}

async fn titles(dev: &Installation, calendar: &str) -> Vec<String> {
    let window = "from=2031-03-08T00:00:00Z&to=2031-03-09T00:00:00Z";
    let read = dev.api(Method::GET, &format!("/v1/calendars/{calendar}/events?{window}"), None).await.unwrap();
    let items = read["items"].as_array().unwrap().iter();
    items.map(|item| item["title"].as_str().unwrap_or_default().to_owned()).collect()
}

async fn calendar_id(dev: &Installation) -> String {
    let calendars = dev.api(Method::GET, "/v1/calendars", None).await.unwrap();
    let own = calendars["items"].as_array().unwrap().iter().find(|calendar| calendar["title"] == USER).unwrap();
    own["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_dev_kept_is_there_again_after_a_stop_and_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Installation::start(folder.path(), "{}");
    let google = &dev.ready["google"];
    assert_eq!(dev.ready["ready"], true);
    for field in ["api", "api_key", "temporal", "temporal_ui", "simulator"] {
        assert!(dev.ready[field].is_string(), "{field} in {}", dev.ready);
    }
    assert!(google["base_url"].as_str().unwrap().ends_with("/calendar/v3/"), "{google}");
    assert!(google["user"] == USER && google["access_token"].is_string(), "{google}");
    assert_eq!(google["calendars"].as_array().unwrap().len(), 2);

    let calendar = calendar_id(&dev).await;
    insert(&dev, "seen before the stop").await;
    shows(&dev, &calendar, &["seen before the stop"]).await;
    let channels = dev.live_channels(USER).await.unwrap();
    assert_eq!(channels.len(), 1);

    let (before, pids) = (dev.ready.clone(), dev.all_pids());
    assert!(pids.len() >= 5, "Temporal, UI, simulator, worker, gateway: {pids:?}");
    assert!(dev.stop().success());
    assert!(!pids.iter().any(|pid| is_alive(*pid)), "stopped in order, it leaves no process");
    assert!(!folder.path().join("dev.json").exists(), "no file names a dev that is not there");

    let dev = Installation::start(folder.path(), "{}");
    for field in ["api", "api_key", "simulator"] {
        assert_eq!(dev.ready[field], before[field], "{field} stays");
    }
    assert_eq!(calendar_id(&dev).await, calendar);
    insert(&dev, "seen before the kill").await;
    shows(&dev, &calendar, &["seen before the stop", "seen before the kill"]).await;
    let pids = dev.all_pids();
    dev.kill();
    eventually("killed, it leaves no process", || async {
        let alive: Vec<u32> = pids.iter().copied().filter(|pid| is_alive(*pid)).collect();
        if alive.is_empty() { Ok(()) } else { Err(alive) }
    })
    .await;

    let dev = Installation::start(folder.path(), "{}");
    assert_eq!(calendar_id(&dev).await, calendar);
    assert_eq!(dev.live_channels(USER).await.unwrap(), channels, "the same channel, and no second one");
    insert(&dev, "seen after both").await;
    shows(&dev, &calendar, &["seen before the stop", "seen before the kill", "seen after both"]).await;
}

async fn insert(dev: &Installation, title: &str) {
    let path = format!("calendars/{}/events", USER.replace('@', "%40"));
    dev.control(Method::POST, &path, Some(new_event(title))).await.unwrap();
}

/// Nobody asks for a sync: the notice alone brings it.
async fn shows(dev: &Installation, calendar: &str, wanted: &[&str]) {
    eventually("the events show", || async {
        let mut seen = titles(dev, calendar).await;
        let mut wanted = wanted.to_vec();
        seen.sort();
        wanted.sort_unstable();
        if seen == wanted { Ok(()) } else { Err(seen) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_dev_on_the_same_folder_is_refused_and_a_fresh_one_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Installation::start(folder.path(), "{}");
    let second = installation::command(folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success() && said.contains("already") && said.contains("--data-dir"), "{said}");
    assert!(second.stdout.is_empty());

    let calendar = calendar_id(&dev).await;
    let first = dev.ready.clone();
    dev.stop();
    let mut command = installation::command(folder.path());
    command.arg("--fresh");
    let dev = Installation::start_command(command, "{}");
    assert_ne!(dev.ready["api_key"], first["api_key"]);
    assert_ne!(calendar_id(&dev).await, calendar);
}

/// What a `dev` that cannot start says.
fn complaint(mut command: Command) -> String {
    let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_cannot_run_is_named_with_the_end_of_its_log_and_soon() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = installation::command(folder.path());
    command.env("SYNC_CONCURRENT_JOBS", "0");
    let begun = Instant::now();
    let said = complaint(command);
    assert!(said.contains("worker ended by itself") && said.contains("SYNC_CONCURRENT_JOBS"), "{said}");
    assert!(begun.elapsed() < Duration::from_secs(60), "before its timeout: {:?}", begun.elapsed());
    let log = std::fs::read_to_string(folder.path().join("logs/dev.log")).unwrap();
    assert!(log.contains("ended; restarting") && log.contains("\"worker\""), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_whose_key_was_revoked_says_so_each_time_and_gets_no_second_tenant() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Installation::start(folder.path(), "{}");
    let store = installation::store(folder.path()).await;
    let tenant = store.tenants().await.unwrap().remove(0).id;
    let key = store.api_keys(tenant).await.unwrap().remove(0).id;
    store.revoke_api_key(key, SystemClock.now()).await.unwrap();
    assert!(dev.stop().success());
    for _start in 0..2 {
        let said = complaint(installation::command(folder.path()));
        assert!(said.contains("was revoked") && said.contains("--fresh"), "{said}");
        assert_eq!(store.tenants().await.unwrap().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_settings_of_a_deployment_in_the_environment_do_not_change_dev() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = installation::command(folder.path());
    let deployment = [
        ("EVERCAL_BUILD_ID", "never-promoted"),
        ("EVERCAL_GOOGLE_AUTH_URL", "http://127.0.0.1:1/"),
        ("EVERCAL_CONFIG_FILE", "not-there.toml"),
        ("TEMPORAL_PROFILE", "production"),
        ("TEMPORAL_API_KEY", "of another Temporal"),
    ];
    command.envs(deployment);
    assert!(Installation::start_command(command, "{}").stop().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut command = installation::evercal();
    command.args(["dev", "--json", "--port", &port.to_string(), "--data-dir"]).arg(folder.path());
    let said = complaint(command);
    assert!(said.contains(&port.to_string()) && said.contains("--port"), "{said}");
}
