//! Which evercal is asked, by environment and data folder.

use super::*;

const KEY: &str = "evk_marker";

fn folder_with(content: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(READY_FILE), content).unwrap();
    folder
}

fn both(name: &str) -> Option<String> {
    match name {
        API => Some("https://evercal.example/base".to_owned()),
        API_KEY => Some(KEY.to_owned()),
        _ => None,
    }
}

#[test]
fn the_environment_names_the_api() {
    let target = Target::find(None, &both).unwrap();
    assert_eq!((target.api.as_str(), target.api_key.expose()), ("https://evercal.example/base", KEY));
    assert_eq!(target.source, Source::Environment);
}

#[test]
fn a_data_folder_that_was_asked_for_beats_the_environment() {
    let folder = folder_with(
        r#"{"ready":true,"api":"http://127.0.0.1:9","api_key":"evk_dev","temporal_ui":"http://127.0.0.1:10"}"#,
    );
    let target = Target::find(Some(folder.path()), &both).unwrap();
    assert_eq!((target.api.as_str(), target.api_key.expose()), ("http://127.0.0.1:9/", "evk_dev"));
    assert_eq!(target.temporal_ui.as_deref(), Some("http://127.0.0.1:10"));
}

#[test]
fn one_variable_alone_is_a_usage_error_that_names_the_other() {
    for (set, missing) in [(API, API_KEY), (API_KEY, API)] {
        let error = Target::find(None, &|name| (name == set).then(|| both(name)).flatten()).unwrap_err();
        assert_eq!(error.failure, Failure::Usage);
        assert!(error.advice.contains(&format!("set {missing} too")), "{}", error.advice);
    }
}

#[test]
fn without_a_running_dev_the_error_says_how_to_get_one() {
    let folder = tempfile::tempdir().unwrap();
    let error = Target::find(Some(folder.path()), &|_| None).unwrap_err();
    assert_eq!(error.failure, Failure::Unreachable);
    for way_out in ["`evercal dev`", "--data-dir", API, API_KEY] {
        assert!(error.advice.contains(way_out), "{}", error.advice);
    }
}

#[test]
fn a_damaged_or_huge_file_is_an_error_that_does_not_repeat_it() {
    for content in ["{\"api\": \"marker", &"x".repeat(READY_FILE_BYTES_MAX + 1)] {
        let folder = folder_with(content);
        let error = Target::find(Some(folder.path()), &|_| None).unwrap_err();
        assert_eq!(error.failure, Failure::Error);
        assert!(!error.message.contains("marker"), "{}", error.message);
    }
}

#[test]
fn an_address_must_be_http_and_hold_no_password() {
    for address in ["127.0.0.1:8080", "ftp://evercal.example", "nonsense", "http://ada:marker@evercal.example"] {
        let find = |name: &str| Some(if name == API { address.to_owned() } else { KEY.to_owned() });
        let error = Target::find(None, &find).unwrap_err();
        assert_eq!(error.failure, Failure::Usage, "{address}");
        assert!(!error.message.contains("marker"), "{}", error.message);
    }
}
