//! Microsoft's own client beside a running `dev`: what it does there shows in the API, without anybody asking for a sync.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use chrono::{Days, NaiveDate};
use evercal_domain::{Clock as _, SystemClock};
use evercal_http::Method;
use evercal_storage::{PageRequest, Store};
use evercal_tests::eventually;
use serde_json::{Value, json};

use crate::installation::{self, Installation};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/microsoft_client.py");
const HOW_TO_INSTALL: &str = "EVERCAL_PYTHON is not set: `cargo verify` makes a Python with Microsoft's client";

/// Microsoft's client, which does what it is told.
struct Client {
    process: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Client {
    fn start(microsoft: &Value) -> Self {
        let python = std::env::var_os("EVERCAL_PYTHON").expect(HOW_TO_INSTALL);
        let text = |name: &str| microsoft[name].as_str().unwrap_or_else(|| panic!("{name} in {microsoft}"));
        let mut command = Command::new(python);
        command.arg(SCRIPT).args([text("tls_base_url"), text("ca_file"), text("access_token")]);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (commands, answers) = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()));
        Self { process, commands, answers }
    }

    fn does(&mut self, command: &Value) -> Value {
        writeln!(self.commands, "{command}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{command}: it said {answer:?}"))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ended_already = self.process.kill();
        let _status = self.process.wait();
    }
}

/// Our id of a calendar.
async fn id_of(store: &dyn Store, provider_id: &str) -> String {
    let tenant = store.tenants().await.unwrap().remove(0).id;
    let calendars = store.calendars_of_tenant(tenant, &PageRequest::first(100)).await.unwrap().items;
    let found = calendars.iter().find(|calendar| calendar.remote.provider_id.as_str() == provider_id);
    found.unwrap_or_else(|| panic!("{provider_id} in {calendars:#?}")).id.to_string()
}

/// Waits until the API answers exactly these titles of a stretch of days, each with its status.
async fn shows(dev: &Installation, calendar: &str, from: NaiveDate, wanted: &[(&str, &str)]) {
    let to = from + Days::new(7);
    let path = format!("/v1/calendars/{calendar}/events?from={from}T00:00:00Z&to={to}T00:00:00Z");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let wanted: Vec<(String, String)> =
        wanted.iter().map(|(title, day)| ((*title).to_owned(), (*day).to_owned())).collect();
    eventually("what the client did shows", || async {
        let answer = dev.api(Method::GET, &path, None).await.unwrap();
        let items = answer["items"].as_array().unwrap().iter();
        let seen: Vec<_> =
            items.map(|item| (text(&item["title"]), text(&item["start"]["date_time"])[..10].to_owned())).collect();
        if seen == wanted { Ok(()) } else { Err(seen) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_microsofts_own_client_does_shows_in_the_api_without_a_call_to_sync() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Installation::start(folder.path(), "{}");
    let microsoft = &dev.ready["microsoft"];
    assert!(microsoft["base_url"].as_str().unwrap().ends_with("/v1.0/"), "{microsoft}");
    let calendars: Vec<String> =
        microsoft["calendars"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect();
    assert_eq!(calendars.len(), 2, "the default one and another one");
    let mut client = Client::start(microsoft);
    let store = installation::store(folder.path()).await;
    // Beyond what the demo events reach, and inside of the window.
    let first = SystemClock.now().date_naive() + Days::new(200);
    for (number, calendar) in (0..).zip(&calendars) {
        let from = first + Days::new(30 * number);
        let day = |days: u64| (from + Days::new(days)).to_string();
        let id = id_of(&*store, calendar).await;
        shows(&dev, &id, from, &[]).await;

        let lunch = client.does(&json!({"do": "create", "calendar": calendar, "title": "Lunch", "day": day(0)}));
        shows(&dev, &id, from, &[("Lunch", &day(0))]).await;
        client.does(&json!({"do": "rename", "event": lunch, "title": "Dinner"}));
        shows(&dev, &id, from, &[("Dinner", &day(0))]).await;
        client.does(&json!({"do": "delete", "event": lunch}));
        shows(&dev, &id, from, &[]).await;

        let series =
            client.does(&json!({"do": "create", "calendar": calendar, "title": "Swim", "day": day(1), "count": 3}));
        shows(&dev, &id, from, &[("Swim", &day(1)), ("Swim", &day(2)), ("Swim", &day(3))]).await;
        let instances = client.does(&json!({"do": "instances", "event": series, "start": day(0), "end": day(7)}));
        client.does(&json!({"do": "rename", "event": instances[1], "title": "Race"}));
        shows(&dev, &id, from, &[("Swim", &day(1)), ("Race", &day(2)), ("Swim", &day(3))]).await;
        client.does(&json!({"do": "delete", "event": instances[0]}));
        shows(&dev, &id, from, &[("Race", &day(2)), ("Swim", &day(3))]).await;
        client.does(&json!({"do": "delete", "event": series}));
        shows(&dev, &id, from, &[]).await;
    }
    assert!(dev.stop().success());
}
