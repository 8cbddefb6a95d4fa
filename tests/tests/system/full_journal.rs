//! The simulated provider on a disk that is full for a while.

use std::path::Path;

use evercal_devserver::small_disk::SmallDisk;
use evercal_http::{Body, HttpClient, HttpRequest, HttpSettings, Transport as _};
use evercal_simulator::{Control, DeliveryStatus, NewUser, Simulator, SimulatorOptions, TokenRequest};
use evercal_tests::{USER, eventually};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

async fn simulator(folder: &Path) -> Simulator {
    let options = SimulatorOptions { data_dir: Some(folder.to_owned()), ..SimulatorOptions::default() };
    Simulator::start(options).await.unwrap()
}

fn event(title: &str) -> Map<String, Value> {
    let event = json!({"summary": title, "description": "x".repeat(2_000),
        "start": {"dateTime": "2031-03-04T10:00:00Z"}, "end": {"dateTime": "2031-03-04T11:00:00Z"}});
    event.as_object().unwrap().clone()
}

fn titles(control: &Control) -> Vec<String> {
    let events = control.truth(USER).unwrap().events;
    let mut titles: Vec<String> = events.into_iter().filter_map(|event| event.title).collect();
    titles.sort();
    titles
}

/// Takes every notice.
async fn receiver() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4_096];
            let _whatever_it_says = stream.read(&mut request).await;
            let answer = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
            let _gone_meanwhile = stream.write_all(answer).await;
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_an_outage_of_the_provider_that_is_over_by_itself_and_loses_nothing_that_was_answered() {
    let Some(disk) = SmallDisk::mount(2 * 1024 * 1024) else {
        println!("not tried: only root may mount a small disk");
        return;
    };
    let folder = disk.folder().join("simulator");
    let running = simulator(&folder).await;
    let control = running.control();
    let user = NewUser { email: USER.to_owned(), name: "Ada".to_owned(), time_zone: "UTC".to_owned() };
    control.create_user(&user).unwrap();
    let token = TokenRequest { user: USER.to_owned(), client_id: None, scopes: Vec::new() };
    let token = control.issue_tokens(&token).unwrap().access_token;
    let watch = json!({"id": "channel", "type": "web_hook", "address": receiver().await});
    let url = format!("{}calendars/primary/events/watch", running.base_url()).parse().unwrap();
    let request = HttpRequest::post("watch", url, Body::Json(watch));
    let bearer = Some(evercal_domain::account::Secret::new(token.clone()));
    let http = HttpClient::new(&HttpSettings::default()).unwrap();
    assert!(http.send(HttpRequest { bearer: bearer.clone(), ..request }).await.unwrap().is_success());

    // Until there is no room: the last one fits in part.
    let mut answered = Vec::new();
    for round in 0..3 {
        loop {
            let title = format!("round {round}, event {}", answered.len());
            match control.insert_event(USER, event(&title)) {
                Ok(_) => answered.push(title),
                Err(error) => {
                    assert!(error.to_string().contains("No space left"), "{error}");
                    break;
                }
            }
            if answered.len() % 50 == 1 {
                disk.fill().unwrap();
            }
        }
        // Over the provider's own API it is what an outage of the provider is.
        let url = format!("{}calendars/primary/events", running.base_url()).parse().unwrap();
        let list = HttpRequest { bearer: bearer.clone(), ..HttpRequest::get("list", url) };
        assert_eq!(http.send(list).await.unwrap().status, 500, "a backend error, which is tried again");
        // A killed one finds nothing that it cannot read.
        let copy = tempfile::tempdir().unwrap();
        std::fs::copy(folder.join("simulator.jsonl"), copy.path().join("simulator.jsonl")).unwrap();
        let after_a_kill = simulator(copy.path()).await;
        let kept = titles(&after_a_kill.control());
        assert!(answered.iter().all(|title| kept.contains(title)), "{answered:?} in {kept:?}");
        disk.free().unwrap();
        let title = format!("after round {round}");
        control.insert_event(USER, event(&title)).unwrap();
        answered.push(title);
    }
    eventually("all notices are delivered", || async {
        let left = control.deliveries().unwrap();
        let delivered = left.count(DeliveryStatus::Delivered);
        if left.count(DeliveryStatus::Pending) == 0 && delivered > 0 { Ok(()) } else { Err(left) }
    })
    .await;
    // It starts on a full disk too.
    disk.fill().unwrap();
    running.shutdown().await;
    let again = simulator(&folder).await;
    let kept = titles(&again.control());
    assert!(answered.iter().all(|title| kept.contains(title)), "{answered:?} in {kept:?}");
    disk.free().unwrap();
    again.control().insert_event(USER, event("at last")).unwrap();
}
