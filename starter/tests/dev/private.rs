//! What `dev` keeps from others: other users of the machine, its own parts, and pages that a browser shows.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use evercal_tests::TIMEOUT;

use crate::installation::{self, Installation};

/// A variable as users have them, for other programs.
const KEY_OF_SOMEBODY: (&str, &str) = ("AWS_SECRET_ACCESS_KEY", "marker-of-somebody");

/// All below a folder, with it.
fn all_below(path: &Path) -> Vec<PathBuf> {
    let mut all = vec![path.to_owned()];
    let mut next = 0;
    while let Some(known) = all.get(next).cloned() {
        all.extend(fs::read_dir(known).into_iter().flatten().map(|entry| entry.unwrap().path()));
        next += 1;
    }
    all
}

fn names_of_environment(pid: u32) -> (BTreeSet<String>, String) {
    let environment = String::from_utf8(fs::read(format!("/proc/{pid}/environ")).unwrap()).unwrap();
    let names =
        environment.split('\0').filter_map(|variable| variable.split_once('=')).map(|(name, _)| name.to_owned());
    (names.collect(), environment)
}

/// What a server answers first to a request that stands as it is; empty when it hangs up without a word.
fn answer(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = [0; 1_024];
    // A reset is as good as an end.
    let count = stream.read(&mut bytes).unwrap_or(0);
    String::from_utf8_lossy(&bytes[..count]).into_owned()
}

fn status(answer: &str) -> Option<u16> {
    answer.strip_prefix("HTTP/1.1 ")?.split_whitespace().next()?.parse().ok()
}

fn host_of(url: &str) -> &str {
    url.trim_start_matches("http://").trim_end_matches('/')
}

#[tokio::test(flavor = "multi_thread")]
async fn dev_keeps_its_files_its_keys_and_its_ports_to_itself() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = installation::command(&data);
    command.envs([KEY_OF_SOMEBODY]);
    let dev = Installation::start_command(command, "{}");
    files_are_the_owners_alone(&data);
    keys_are_where_they_are_needed(&dev);
    pages_of_a_browser_are_refused(&dev);
    let log = fs::read_to_string(data.join("logs/gateway.log")).unwrap();
    assert!(!log.is_empty());
    assert!(dev.stop().success());
    files_are_the_owners_alone(&data);
}

fn files_are_the_owners_alone(data: &Path) {
    let mut checked = BTreeSet::new();
    for path in all_below(data) {
        // A file may go meanwhile.
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        let mode = metadata.permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{mode:o} {}", path.display());
        checked.insert(path.file_name().unwrap().to_string_lossy().into_owned());
    }
    for name in
        ["evercal.db", "temporal.db", "simulator.jsonl", "worker.log", "dev.log", "temporal.log", "dev-keys.json"]
    {
        assert!(checked.contains(name), "{name} in {checked:?}");
    }
}

fn keys_are_where_they_are_needed(dev: &Installation) {
    let of = |part| names_of_environment(dev.pid(part));
    for part in ["simulator", "temporal-server", "temporal-ui"] {
        let (names, environment) = of(part);
        let known = ["PATH", "HOME", "XDG_CACHE_HOME", "TMPDIR", "RUST_LOG", "PWD", "OLDPWD", "SHLVL", "_"];
        let others: Vec<&String> = names.iter().filter(|name| !known.contains(&name.as_str())).collect();
        assert!(others.is_empty(), "{part} has {others:?}");
        assert!(!environment.contains("marker-of-somebody"));
    }
    let (gateway, _) = of("gateway");
    assert!(gateway.contains("EVERCAL_MASTER_KEY") && !gateway.contains("GOOGLE_CLIENT_SECRET"), "{gateway:?}");
    let (worker, _) = of("worker");
    assert!(worker.contains("EVERCAL_MASTER_KEY") && worker.contains("GOOGLE_CLIENT_SECRET"), "{worker:?}");
}

fn pages_of_a_browser_are_refused(dev: &Installation) {
    let simulator = host_of(dev.ready["simulator"].as_str().unwrap());
    let get = |path: &str, host: &str, more: &str| {
        answer(simulator, &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{more}Connection: close\r\n\r\n"))
    };
    assert_eq!(status(&get("/control/calls", simulator, "")), Some(200));
    for (host, more) in [
        (simulator, "Origin: https://evil.example\r\n"),
        (simulator, "Origin: null\r\n"),
        (simulator, "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n"),
        // A name that its owner lets point at loopback.
        ("evil.example", ""),
        ("evil.example:80", ""),
    ] {
        assert_eq!(status(&get("/control/calls", host, more)), Some(403), "{host} {more}");
    }
    let body = r#"{"rules":[],"random":null}"#;
    let length = body.len();
    let put = format!(
        "PUT /control/faults HTTP/1.1\r\nHost: {simulator}\r\nOrigin: http://localhost:3000\r\nContent-Type: \
         application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    assert_eq!(status(&answer(simulator, &put)), Some(403));

    // No port of Temporal's speaks the HTTP that pages speak, but for the UI's; that one asks for a token in a header, which
    // no page of another origin can send.
    let ui = host_of(dev.ready["temporal_ui"].as_str().unwrap()).to_owned();
    let mut spoke_http = Vec::new();
    for port in dev.listening_ports("temporal-server") {
        let request = format!(
            "GET /api/v1/namespaces HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: https://evil.example\r\nConnection: \
             close\r\n\r\n"
        );
        let said = answer(&format!("127.0.0.1:{port}"), &request);
        if status(&said).is_some() {
            spoke_http.push((port, said));
        }
    }
    assert!(spoke_http.is_empty(), "{spoke_http:?}");
    let body = r#"{"reason":"a page's"}"#;
    let length = body.len();
    let terminate = format!(
        "POST /api/v1/namespaces/default/workflows/any/terminate HTTP/1.1\r\nHost: {ui}\r\nOrigin: \
         https://evil.example\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    let said = answer(&ui, &terminate);
    assert!(
        matches!(status(&said), Some(400 | 403)) && !said.to_lowercase().contains("access-control-allow-origin"),
        "{said}"
    );
    let at_ui = |host: &str| {
        answer(&ui, &format!("GET /api/v1/namespaces HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
    };
    assert_eq!(status(&at_ui(&ui)), Some(200));
    let port = ui.rsplit(':').next().unwrap();
    for host in ["evil.example".to_owned(), format!("evil.example:{port}"), format!("localhost.evil.example:{port}")] {
        assert_eq!(status(&at_ui(&host)), Some(403), "{host}");
    }
    for address in dev.listening_addresses() {
        assert!(address.is_loopback(), "{address}");
    }
}
