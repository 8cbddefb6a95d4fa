//! Finding and building the programs, with small scripts in the place of Go.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use evercal_devserver::{DevserverError, PostgresDatabases, TemporalOptions, TemporalServer, ensure_binaries};
use evercal_workflow_client::IndexedKind;

use crate::support::options;

/// Options with empty data and cache folders and a `PATH` that holds only the script `go`, if any.
fn options_with_go(folder: &Path, go: Option<&str>) -> TemporalOptions {
    let bin = folder.join("bin");
    fs::create_dir_all(&bin).unwrap();
    if let Some(script) = go {
        let path = bin.join("go");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut options = options(&folder.join("data"));
    options.cache_dir = folder.join("cache");
    options.search_path = bin.into();
    options
}

fn assert_names_the_ways_out(error: &DevserverError) {
    let text = error.to_string();
    for way in
        ["TEMPORAL_ADDRESS=127.0.0.1:7233", "install the `temporal` command line", "install Go 1.", "copy the folder"]
    {
        assert!(text.contains(way), "{way} is missing in: {text}");
    }
}

/// The real ones, by the real Go, into the user's cache: the first run takes minutes. `cargo verify` runs it before all others.
#[tokio::test]
async fn the_pinned_programs_are_built_once_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    options.postgres = Some(PostgresDatabases {
        address: "127.0.0.1:5432".to_owned(),
        user: "nobody".to_owned(),
        password: String::new(),
        store: "temporal".to_owned(),
        visibility: "temporal_visibility".to_owned(),
    });
    let built = ensure_binaries(&options).await.unwrap_or_else(|error| panic!("{error}"));
    options.search_path = folder.path().into();
    let found = ensure_binaries(&options).await.unwrap();
    for (built, found) in [(built.server, found.server), (built.ui, found.ui), (built.schema_tool, found.schema_tool)] {
        assert!(built == found && built.is_file(), "{}", built.display());
    }
}

#[tokio::test]
async fn without_go_the_error_names_the_ways_out() {
    let folder = tempfile::tempdir().unwrap();
    let error = TemporalServer::start(options_with_go(folder.path(), None)).await.unwrap_err();
    assert_names_the_ways_out(&error);
    assert!(error.to_string().contains("Go is not on PATH"), "{error}");
}

#[tokio::test]
async fn when_go_fails_the_error_shows_what_it_said_and_names_the_ways_out() {
    let folder = tempfile::tempdir().unwrap();
    let too_old = "echo 'go: go.mod requires go >= 1.26.8 (running go 1.25.0; GOTOOLCHAIN=local)' >&2; exit 1";
    let error = TemporalServer::start(options_with_go(folder.path(), Some(too_old))).await.unwrap_err();
    assert_names_the_ways_out(&error);
    assert!(error.to_string().contains("running go 1.25.0"), "{error}");
}

/// The built programs only complain, so both starts fail; what counts is who built.
#[tokio::test]
async fn two_builders_at_once_build_each_program_once() {
    let folder = tempfile::tempdir().unwrap();
    let go =
        r#"echo "$5" >>"$(dirname "$0")/../builds"; printf '#!/bin/sh\necho built; exit 1\n' >"$4"; chmod +x "$4""#;
    let path = std::env::var_os("PATH").unwrap();
    let start = |data_dir: &str| {
        let mut options = options_with_go(folder.path(), Some(go));
        options.data_dir = folder.path().join(data_dir);
        let search_path = std::env::split_paths(&options.search_path).chain(std::env::split_paths(&path));
        options.search_path = std::env::join_paths(search_path).unwrap();
        TemporalServer::start(options)
    };
    let (first, second) = tokio::join!(start("first"), start("second"));
    for error in [first.unwrap_err(), second.unwrap_err()] {
        assert!(error.to_string().contains("built"), "{error}");
    }
    let builds = fs::read_to_string(folder.path().join("builds")).unwrap();
    assert_eq!(builds, "go.temporal.io/server/cmd/server\ngithub.com/temporalio/ui-server/v2/cmd/server\n");
}

/// A `temporal` on the `PATH` of these options that writes its arguments down, one a line, and ends.
fn with_command_line(options: &TemporalOptions, folder: &Path) {
    let path = folder.join("bin").join("temporal");
    let script = format!(
        "#!/bin/sh\nprintf '%s\\n' \"$@\" >'{0}/arguments'\ntouch '{1}/temporal/cli.db'\necho stand-in; exit 1\n",
        folder.display(),
        options.data_dir.display()
    );
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Options with empty data and cache folders and only the stand-in on `PATH`.
fn options_with_command_line(folder: &Path) -> TemporalOptions {
    let mut options = options_with_go(folder, None);
    with_command_line(&options, folder);
    options.may_use_cli = true;
    options.search_attributes = vec![("EvercalState".to_owned(), IndexedKind::Keyword)];
    options
}

#[tokio::test]
async fn where_nothing_is_built_the_command_line_serves_with_ports_database_and_search_attributes() {
    let folder = tempfile::tempdir().unwrap();
    let options = options_with_command_line(folder.path());
    let error = TemporalServer::start(options.clone()).await.unwrap_err();
    assert!(error.to_string().contains("stand-in"), "{error}");
    let arguments = fs::read_to_string(folder.path().join("arguments")).unwrap();
    let database = options.data_dir.canonicalize().unwrap().join("temporal/cli.db");
    assert!(arguments.starts_with("server\nstart-dev\n--ip\n127.0.0.1\n"), "{arguments}");
    for expected in [
        &format!("--db-filename\n{}\n", database.display()),
        "--namespace\ndefault\n",
        "--search-attribute\nEvercalState=Keyword\n",
        "--dynamic-config-value\nmatching.enableFairness=true\n",
        "--dynamic-config-value\nsystem.namespaceCacheRefreshInterval=\"500ms\"\n",
        "\n--port\n",
        "\n--http-port\n",
        "\n--ui-port\n",
    ] {
        assert!(arguments.contains(expected), "{expected} is not in: {arguments}");
    }
}

#[tokio::test]
async fn a_folder_goes_on_with_the_server_that_it_was_begun_with() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options_with_command_line(folder.path());
    let error = TemporalServer::start(options.clone()).await.unwrap_err();
    assert!(error.to_string().contains("stand-in"), "{error}");
    fs::remove_file(folder.path().join("bin/temporal")).unwrap();
    let error = TemporalServer::start(options.clone()).await.unwrap_err();
    assert!(matches!(error, DevserverError::CliMissing(_)), "{error}");

    // And one of our own build never goes to the command line.
    options.data_dir = folder.path().join("own");
    fs::create_dir_all(options.data_dir.join("temporal")).unwrap();
    fs::write(options.data_dir.join("temporal/temporal.db"), "").unwrap();
    with_command_line(&options, folder.path());
    let error = TemporalServer::start(options).await.unwrap_err();
    assert_names_the_ways_out(&error);
}
