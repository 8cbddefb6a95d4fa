//! Data folders that were just made, are in use, or are somebody else's.

use super::*;

/// Opens, and lets go of folder and ports at once.
async fn opened(path: &Path, fresh: bool, port: Option<u16>) -> anyhow::Result<Kept> {
    Folder::open(path, fresh, port).await.map(|(folder, _ports)| folder.kept)
}

#[tokio::test]
async fn the_next_run_finds_the_same_keys_and_ports() {
    let folder = tempfile::tempdir().unwrap();
    let first = opened(folder.path(), false, None).await.unwrap();
    let second = opened(folder.path(), false, None).await.unwrap();
    assert_eq!(first.api_key, second.api_key);
    assert_eq!(first.gateway_port, second.gateway_port);
    assert_eq!(first.simulators, second.simulators);
}

#[tokio::test]
async fn a_fresh_start_makes_new_keys_and_leaves_nothing_of_the_old_run() {
    let folder = tempfile::tempdir().unwrap();
    let first = opened(folder.path(), false, None).await.unwrap();
    fs::create_dir(folder.path().join("simulator")).unwrap();
    fs::write(folder.path().join("evercal.db"), "old").unwrap();
    let second = opened(folder.path(), true, None).await.unwrap();
    assert_ne!(first.api_key, second.api_key);
    assert!(!folder.path().join("simulator").exists() && !folder.path().join("evercal.db").exists());
}

#[tokio::test]
async fn a_folder_of_somebody_else_is_refused_and_nothing_is_written_there() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.txt"), "years of work").unwrap();
    for fresh in [false, true] {
        let error = opened(folder.path(), fresh, None).await.err().unwrap().to_string();
        assert!(error.contains("thesis.txt") && error.contains("--data-dir"), "{error}");
    }
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["thesis.txt"]);
}

#[tokio::test]
async fn a_fresh_start_leaves_what_dev_did_not_make() {
    let folder = tempfile::tempdir().unwrap();
    let first = opened(folder.path(), false, None).await.unwrap();
    fs::create_dir(folder.path().join(".git")).unwrap();
    for name in [".git/HEAD", "thesis.txt", "evercal.db.backup"] {
        fs::write(folder.path().join(name), "years of work").unwrap();
    }
    let second = opened(folder.path(), true, None).await.unwrap();
    assert_ne!(first.api_key, second.api_key, "it began anew");
    for name in [".git/HEAD", "thesis.txt", "evercal.db.backup"] {
        assert!(folder.path().join(name).exists(), "{name}");
    }
}

#[tokio::test]
async fn a_fresh_start_that_finds_its_port_taken_has_deleted_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let first = opened(folder.path(), false, None).await.unwrap();
    fs::write(folder.path().join(DATABASE_FILE), "a mirror").unwrap();
    let taken = HeldPort::choose(None).unwrap();
    assert!(opened(folder.path(), true, Some(taken.number())).await.is_err());
    assert!(folder.path().join(DATABASE_FILE).exists());
    assert_eq!(opened(folder.path(), false, None).await.unwrap().api_key, first.api_key);
}

#[tokio::test]
async fn after_a_start_that_failed_early_the_folder_can_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let taken = HeldPort::choose(None).unwrap();
    assert!(opened(folder.path(), false, Some(taken.number())).await.is_err());
    assert!(folder.path().join(LOCK).exists() && !folder.path().join(KEPT).exists());
    opened(folder.path(), false, None).await.unwrap();
}

#[tokio::test]
async fn a_folder_in_use_is_not_opened_and_not_even_a_fresh_start_touches_it() {
    let folder = tempfile::tempdir().unwrap();
    let (_first, _ports) = Folder::open(folder.path(), false, None).await.unwrap();
    let keys = fs::read(folder.path().join(KEPT)).unwrap();
    for fresh in [false, true] {
        let error = opened(folder.path(), fresh, Some(1)).await.err().unwrap();
        assert!(error.to_string().contains("runs on"), "{error:#}");
        assert_eq!(fs::read(folder.path().join(KEPT)).unwrap(), keys);
    }
}

#[tokio::test]
async fn a_taken_port_is_an_error_that_names_the_port_and_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let taken = HeldPort::choose(None).unwrap();
    let error = opened(folder.path(), false, Some(taken.number())).await.err().unwrap().to_string();
    assert!(error.contains(&taken.number().to_string()) && error.contains("--port"), "{error}");
    drop(taken);
    let kept = opened(folder.path(), false, None).await.unwrap();
    let port = kept.simulators.values().next().unwrap().plain;
    let _taken = HeldPort::hold(port).unwrap();
    let error = opened(folder.path(), false, None).await.err().unwrap().to_string();
    assert!(error.contains(&port.to_string()) && error.contains("--fresh"), "{error}");
}

#[tokio::test]
async fn keys_are_readable_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    opened(folder.path(), false, None).await.unwrap();
    let mode = fs::metadata(folder.path().join(KEPT)).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0);
}
