//! A machine that gets newer time zone data while everything runs: hours, status and health follow, without a restart.

use std::path::Path;

use evercal_domain::CalendarState;
use evercal_http::Method;
use evercal_tests::eventually;
use serde_json::{Value, json};

use crate::installation::{self, Installation};

const USER: &str = "robin.hale@example.com";
/// Newer than any real version.
const VERSION: &str = "2999a";
const DAYS: &str = "from=2026-12-07T00:00:00Z&to=2026-12-08T00:00:00Z&limit=500";

/// A zone without summer time, nine hours ahead of UTC, as RFC 9636 writes it: the same block in both widths, which differ in
/// transitions alone, and a rule for ever.
fn nine_hours_ahead() -> Vec<u8> {
    let mut block = b"TZif2".to_vec();
    block.extend([0; 15]);
    for count in [0_u32, 0, 0, 0, 1, 4] {
        block.extend(count.to_be_bytes());
    }
    block.extend((9 * 3_600_i32).to_be_bytes());
    block.extend([0, 0]);
    block.extend(b"JST\0");
    [block.as_slice(), block.as_slice(), b"\nJST-9\n"].concat()
}

/// As a package manager brings them: the zones, and then which version they are.
fn install(folder: &Path) {
    std::fs::create_dir_all(folder.join("Europe")).unwrap();
    std::fs::write(folder.join("Europe/Berlin"), nine_hours_ahead()).unwrap();
    std::fs::write(folder.join("tzdata.zi"), format!("# version {VERSION}\n")).unwrap();
}

/// What callers see of a calendar: the start of the one event, its version of the data and the gateway's.
async fn seen(dev: &Installation, calendar: &str) -> anyhow::Result<(Value, Value, Value)> {
    let events = dev.api(Method::GET, &format!("/v1/calendars/{calendar}/events?{DAYS}"), None).await?;
    let of_title = events["items"].as_array().into_iter().flatten().find(|item| item["title"] == "Nine in Berlin");
    let start = of_title.map_or(Value::Null, |item| item["start"]["date_time"].clone());
    let status = dev.api(Method::GET, &format!("/v1/calendars/{calendar}/status"), None).await?;
    let health = dev.api(Method::GET, "/api/health/sync", None).await?;
    Ok((start, status["zone_data"].clone(), health["zone_data"]["version"].clone()))
}

#[tokio::test(flavor = "multi_thread")]
async fn newer_data_of_the_machine_change_the_hours_that_are_shown_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let zones = folder.path().join("zoneinfo");
    std::fs::create_dir_all(&zones).unwrap();
    let data = folder.path().join("data");
    let mut command = installation::command(&data);
    command.env("EVERCAL_ZONEINFO", &zones);
    let dev = Installation::start_command(command, "{}");
    let at = |hour: u32| json!({"dateTime": format!("2026-09-07T{hour:02}:00:00"), "timeZone": "Europe/Berlin"});
    let series =
        json!({"summary": "Nine in Berlin", "start": at(9), "end": at(10), "recurrence": ["RRULE:FREQ=DAILY"]});
    dev.control(Method::POST, &format!("calendars/{USER}/events"), Some(series)).await.unwrap();
    let store = installation::store(&data).await;
    let calendar = eventually("the calendar is live", || async {
        let row = installation::calendar(&*store, USER).await.ok_or("no calendar")?;
        if row.state == CalendarState::Live { Ok(row.id.to_string()) } else { Err("not live") }
    })
    .await;
    let is_seen = async |what: &str, hour: &str, is_version: &dyn Fn(&Value) -> bool| {
        eventually(what, || async {
            let seen = seen(&dev, &calendar).await.map_err(|error| error.to_string())?;
            let (start, of_calendar, of_gateway) = &seen;
            let is_hour = start.as_str().is_some_and(|start| start.starts_with(hour));
            if is_hour && of_calendar == of_gateway && is_version(of_gateway) {
                Ok(())
            } else {
                Err(format!("{seen:?}"))
            }
        })
        .await;
    };
    is_seen("the hour of the compiled-in data", "2026-12-07T09:00:00+01:00", &|version| version != VERSION).await;
    let worker = dev.pid("worker");

    install(&zones);
    // It began at seven o'clock UTC, which is what that clock shows as four o'clock in the afternoon, in winter too.
    is_seen("the hour of the newer data", "2026-12-07T16:00:00+09:00", &|version| version == VERSION).await;
    assert_eq!(dev.pid("worker"), worker, "nothing was started again");
    assert!(dev.stop().success());
}
