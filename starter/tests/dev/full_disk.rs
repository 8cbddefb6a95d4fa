//! A disk that is full for a while: everything is there again by itself, and nothing that was answered is lost.

use std::time::Duration;

use evercal_devserver::small_disk::SmallDisk;
use evercal_domain::CalendarState;
use evercal_http::Method;
use evercal_tests::{eventually, mirror};
use serde_json::json;
use tokio::time::Instant;

use crate::installation::{Installation, QUICK_TIMING, calendar, store};

const USER: &str = "robin.hale@example.com";
/// Room for a fresh `dev` and some more.
const DISK_BYTES: u64 = 96 * 1024 * 1024;
/// Within so long everything is as it should be once there is room again.
const BACK_WITHIN: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn after_a_full_disk_dev_goes_on_by_itself_and_has_lost_nothing() {
    let Some(disk) = SmallDisk::mount(DISK_BYTES) else {
        println!("not tried: only root may mount a small disk");
        return;
    };
    let folder = disk.folder().join("data");
    let dev = Installation::start(&folder, QUICK_TIMING);
    let mut answered = Vec::new();
    for (round, seconds) in [3, 60].into_iter().enumerate() {
        disk.fill().unwrap();
        // How long it is full is what is tried here; changes come in all the time.
        let full_until = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < full_until {
            let title = format!("round {round}, {} s left", (full_until - Instant::now()).as_secs());
            answered.extend(inserted(&dev, &title).await);
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        disk.free().unwrap();
        let free_since = Instant::now();
        let title = format!("after round {round}");
        let back = async {
            let taken = eventually("the provider takes changes again", || async {
                inserted(&dev, &title).await.ok_or("the simulator refuses")
            });
            answered.push(taken.await);
            let store = store(&folder).await;
            eventually("the mirror equals the provider", || async {
                let error = |error: anyhow::Error| vec![error.to_string()];
                let row = calendar(&*store, USER).await.ok_or_else(|| vec!["no calendar".to_owned()])?;
                let truth = dev.truth(USER).await.map_err(error)?;
                mirror::compare(&*store, row.id, &truth).await?;
                if row.state == CalendarState::Live { Ok(()) } else { Err(vec![format!("{:?}", row.state)]) }
            })
            .await;
        };
        tokio::time::timeout(BACK_WITHIN, back).await.expect("everything is back in time");
        println!("full for {seconds} s: everything was back after {:?}", free_since.elapsed());
        eventually("health is ok", || async {
            let health = dev.api(Method::GET, "/api/health/sync", None).await.map_err(|error| error.to_string())?;
            if health["status"] == "ok" { Ok(()) } else { Err(health.to_string()) }
        })
        .await;
    }
    // What was answered is in the journal.
    assert!(dev.stop().success());
    let dev = Installation::start(&folder, QUICK_TIMING);
    let truth = serde_json::to_string(&dev.truth(USER).await.unwrap()).unwrap();
    for title in &answered {
        assert!(truth.contains(title.as_str()), "{title} of {answered:?}");
    }
}

/// The title, if the provider has taken the event.
async fn inserted(dev: &Installation, title: &str) -> Option<String> {
    let event = json!({
        "summary": title,
        "start": {"dateTime": "2031-03-04T10:00:00Z"},
        "end": {"dateTime": "2031-03-04T11:00:00Z"},
    });
    let path = format!("calendars/{}/events", USER.replace('@', "%40"));
    let answer = dev.control(Method::POST, &path, Some(event)).await;
    answer.is_ok().then(|| title.to_owned())
}
