//! Exit codes, and errors that say what to do next.

use std::path::Path;

use serde_json::{Value, json};

use crate::stub::{ACCOUNT, FAMILY, KEY, Stub, WORK, WORKOUTS, evercal};

const GONE: &str = "cal_0191c1f00000700080000000000000ff";

#[tokio::test]
async fn each_failure_has_its_exit_code_and_says_what_to_do_next() {
    let stub = Stub::start().await;
    // Arguments, exit code, and a part of the message and the advice.
    let table: [(&[&str], i32, &str, &str); 9] = [
        (&["events", FAMILY], 1, "not JSON", "check EVERCAL_API"),
        (&["events", WORKOUTS], 1, "does not go on", "check EVERCAL_API"),
        (&["sync", FAMILY], 1, "The sync failed (forbidden)", "`evercal status "),
        (&["events", WORK, "--from", "2026-11-23", "--to", "2026-11-23"], 2, "is empty", "--to after --from"),
        (&["status", "wor"], 2, "fits 2 calendars", "give more of the name, or the id"),
        (&["disconnect", ACCOUNT], 2, "no terminal", "--yes"),
        (&["status", GONE], 3, "There is no such calendar.", "`evercal calendars`"),
        (&["sync", "holidays"], 3, "no calendar has an id or a name with `holidays`", "`evercal calendars`"),
        (&["status", WORKOUTS], 5, "Temporal does not answer.", "try again in"),
    ];
    for (arguments, code, message, advice) in table {
        let run = stub.run(arguments).await;
        assert_eq!(run.code, Some(code), "{arguments:?}: {run:?}");
        assert!(run.stderr.contains(message) && run.stderr.contains(advice), "{arguments:?}: {}", run.stderr);
        assert!(run.stderr.contains("next: ") && run.stdout.is_empty(), "{arguments:?}: {run:?}");
    }
}

#[tokio::test]
async fn without_the_name_of_a_known_provider_the_error_lists_them() {
    let stub = Stub::start().await;
    let unknown = stub.run(&["connect", "nowhere"]).await;
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    assert!(unknown.stderr.contains("possible values: google"), "{unknown:?}");
    assert_eq!(stub.run(&["connect"]).await.code, Some(2));
    let help = stub.run(&["connect", "--help"]).await;
    assert!(help.stdout.contains("google: Google") || help.stdout.contains("[possible values: google]"), "{help:?}");
    assert_eq!(stub.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn arguments_that_cannot_be_meant_are_refused_before_anything_is_asked() {
    let stub = Stub::start().await;
    let table: [&[&str]; 7] = [
        &["dev", "--port", "0"],
        &["calendar"],
        &["events"],
        &["events", ""],
        &["events", WORK, "--from", "yesterday"],
        &["events", WORK, "--limit", "0"],
        &["calendars", "--limit", "many"],
    ];
    for arguments in table {
        let run = stub.run(arguments).await;
        assert_eq!(run.code, Some(2), "{arguments:?}: {run:?}");
    }
    assert_eq!(stub.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn a_wrong_key_is_not_authorised_and_never_shown() {
    let stub = Stub::start().await;
    let run = stub.run_with_key("evk_marker", &["calendars"]).await;
    assert_eq!(run.code, Some(4), "{run:?}");
    assert!(run.stderr.contains("check EVERCAL_API_KEY") && !run.stderr.contains("marker"), "{}", run.stderr);
}

#[tokio::test]
async fn an_evercal_that_does_not_answer_is_unreachable() {
    // Bound and dropped: nobody listens there.
    let address = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let environment = [("EVERCAL_API", &*format!("http://{address}")), ("EVERCAL_API_KEY", KEY)];
    let run = evercal(&["calendars"], &environment, Path::new("/")).await;
    assert_eq!(run.code, Some(5), "{run:?}");
    assert!(run.stderr.contains(&address.to_string()) && run.stderr.contains("check EVERCAL_API"), "{}", run.stderr);
}

#[tokio::test]
async fn without_any_evercal_the_error_says_how_to_get_one() {
    let folder = tempfile::tempdir().unwrap();
    let run = evercal(&["calendars"], &[], folder.path()).await;
    assert_eq!(run.code, Some(5), "{run:?}");
    assert!(run.stderr.contains("start `evercal dev`"), "{}", run.stderr);
}

#[tokio::test]
async fn with_json_an_error_is_one_line_of_json() {
    let stub = Stub::start().await;
    let run = stub.run(&["status", GONE, "--json"]).await;
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    let error: Value = serde_json::from_str(&run.stderr).unwrap();
    assert_eq!((run.code, &error["error"]["exit_code"]), (Some(3), &json!(3)));
    assert_eq!(error["error"]["kind"], json!("not_found"));
}

#[tokio::test]
async fn nothing_is_disconnected_where_nobody_could_be_asked() {
    let stub = Stub::start().await;
    stub.run(&["disconnect", ACCOUNT]).await;
    assert_eq!(stub.requests(), Vec::<String>::new());
}
