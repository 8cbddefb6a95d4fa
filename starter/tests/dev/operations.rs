//! `docs/operations.md`, command by command as it is written: PostgreSQL, Temporal on PostgreSQL, two gateways, two workers.
//! Afterwards each of them is killed, and those that can be are stopped too, while the calendar changes.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use evercal_devserver::postgres::{self, PostgresServer};
use evercal_devserver::{PostgresDatabases, TemporalServer};
use evercal_domain::{AccountState, Calendar, CalendarState, Clock as _, SystemClock};
use evercal_http::{HttpClient, HttpRequest, HttpSettings, Transport as _};
use evercal_simulator::{
    BulkChanges, CallRecord, FaultAction, FaultPlan, FaultRule, NewCalendar, NewUser, OauthClient, Simulator,
    SimulatorOptions,
};
use evercal_storage::{Keyring, PageRequest, Store, StoreSettings};
use evercal_tests::{eventually, mirror};
use evercal_workflows::names;
use serde_json::json;
use temporalio_client::WorkflowFetchHistoryOptions;
use temporalio_common::UntypedWorkflow;
use temporalio_common::protos::temporal::api::history::v1::HistoryEvent;
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::installation;

const DOCUMENT: &str = include_str!("../../../docs/operations.md");
const USER: &str = "ada@example.com";
/// In how many rounds both workers are to meet.
const REFRESH_ROUNDS_MAX: u32 = 30;
/// Beside the user's main one.
const FURTHER_CALENDARS: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_follows_the_operations_guide_and_kills_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = postgres::shared().unwrap();
    let temporal = temporal_on_postgres(folder.path(), server).await;
    let simulator = Simulator::start(SimulatorOptions::default()).await.unwrap();
    let control = simulator.control();
    new_user(&control);
    server.create_database("operations").unwrap();
    let gateways = [free_address(), free_address()];
    let balancer = balance(gateways).await;
    let client = OauthClient::default();
    let examples = [
        ("postgres://evercal:secret@db.example.com:5432/evercal", server.url("operations")),
        ("1234.apps.googleusercontent.com", client.id),
        ("the secret of your OAuth client", client.secret),
        ("\"https://calendar.example.com\"", format!("http://{balancer}")),
        ("temporal.example.com:7233", temporal.address().to_owned()),
        ("TEMPORAL_NAMESPACE=\"evercal\"", "TEMPORAL_NAMESPACE=\"operations\"".to_owned()),
        ("127.0.0.1:8080", gateways[0].to_string()),
        ("127.0.0.1:8081", gateways[1].to_string()),
    ];
    for (example, _) in &examples {
        assert!(DOCUMENT.contains(example), "the guide has no {example} any more");
    }

    let mut shell = Shell::start(simulator.root_url()).await;
    let mut answers = Vec::new();
    let blocks: Vec<&str> = DOCUMENT.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() >= 7, "{blocks:?}");
    for block in blocks {
        let commands = examples.iter().fold(block.to_owned(), |text, (example, own)| text.replace(example, own));
        let answer = shell.run(&commands).await;
        if let Some(consent) = answer.lines().find(|line| line.contains("/o/oauth2/")) {
            consents(consent).await;
            connected(&mut shell).await;
        }
        answers.push(answer);
    }
    let shown = answers.last().unwrap();
    assert_eq!(shown.matches(USER).count(), 2, "both gateways show the calendar, and the account its label: {shown}");

    // The store as the processes see it.
    let url = server.url("operations").parse().unwrap();
    let key = shell.run("echo \"$EVERCAL_MASTER_KEY\"").await;
    let keyring = Keyring::parse(key.trim()).unwrap();
    let store = evercal_storage::open(&StoreSettings::new(url, keyring)).await.unwrap();
    let tenant = store.tenants().await.unwrap().remove(0).id;
    let calendars = eventually("the calendars are live", || async {
        let rows = store.calendars_of_tenant(tenant, &PageRequest::first(10)).await.unwrap().items;
        let states: Vec<_> = rows.iter().map(|row| row.state).collect();
        if states == [CalendarState::Live; FURTHER_CALENDARS + 1] { Ok(rows) } else { Err(states) }
    })
    .await;
    let calendar = calendars.iter().find(|row| row.remote.provider_id.as_str() == USER).unwrap().id;
    equals(&store, &control, calendar).await;

    let restart = [
        "evercal worker 2>>worker1.log &".to_owned(),
        "evercal worker 2>>worker2.log &".to_owned(),
        format!("EVERCAL_HTTP_ADDRESS={} evercal gateway 2>>gateway1.log &", gateways[0]),
        format!("EVERCAL_HTTP_ADDRESS={} evercal gateway 2>>gateway2.log &", gateways[1]),
    ];
    let mut jobs: VecDeque<String> = shell.run("jobs -p").await.lines().map(str::to_owned).collect();
    assert_eq!(jobs.len(), restart.len(), "two workers and two gateways run: {jobs:?}");
    for (round, (signal, begin)) in
        ["KILL", "TERM"].iter().flat_map(|s| restart.iter().map(move |r| (s, r))).enumerate()
    {
        // Each is taken away while changes come in, and started again as a supervisor would.
        let changes = changes(40, round, 10);
        // So that both workers refresh the token in the middle of it.
        control.expire_access_tokens(Some(USER)).unwrap();
        let burst = control.make_changes(&changes);
        let restarted = async {
            let pid = jobs.pop_front().unwrap();
            shell.run(&format!("kill -{signal} {pid}; wait {pid} 2>/dev/null || true")).await;
            shell.run(&format!("{begin}\necho $!")).await.trim().to_owned()
        };
        let (burst, pid) = tokio::join!(burst, restarted);
        burst.unwrap();
        jobs.push_back(pid);
        equals(&store, &control, calendar).await;
    }
    nothing_is_done_twice(&temporal, &control, &store, calendar).await;
    both_workers_refresh_the_token_at_once(&control, &store, &calendars).await;
    // What they stand on dies as well; both are started again by whoever supervises them.
    for (seed, victim) in [(100, temporal.server_pid()), (101, server.pid())] {
        let changes = changes(60, seed, 20);
        let kill = format!("sleep 0.3; kill -KILL {}", victim.unwrap());
        let (burst, _) = tokio::join!(control.make_changes(&changes), shell.run(&kill));
        burst.unwrap();
        eventually("the store answers", || async { store.tenants().await.map_err(|error| error.to_string()) }).await;
        equals(&store, &control, calendar).await;
    }
    a_new_build_takes_over(&mut shell, jobs).await;
    control.make_changes(&changes(40, 200, 10)).await.unwrap();
    equals(&store, &control, calendar).await;
    mirror::follows_from_its_changes(&*store, calendar).await;
    let account = store.calendar(calendar).await.unwrap().unwrap().account_id;
    assert_eq!(store.account(account).await.unwrap().unwrap().state, AccountState::Connected, "no refresh was lost");
    shell.run("kill $(jobs -p); wait").await;
    simulator.shutdown().await;
    temporal.stop().await;
}

/// With two workers and nobody killed, the provider is asked once for each attempt at a sync that Temporal gave out.
async fn nothing_is_done_twice(
    temporal: &TemporalServer,
    control: &evercal_simulator::Control,
    store: &Arc<dyn Store>,
    calendar: evercal_domain::CalendarId,
) {
    let client = evercal_tests::temporal::connect(temporal.address(), "operations", "test").await.unwrap();
    let subscription = names::subscription_id(calendar);
    let counted = || async {
        eventually("no sync is under way", || async {
            let workflow = client.get_workflow_handle::<UntypedWorkflow>(subscription.clone());
            let history = workflow.fetch_history(WorkflowFetchHistoryOptions::default());
            let (given_out, open) = attempts_at_syncs(&history.into_events().await.unwrap());
            // A call with an access token that the other worker's refresh has replaced is refused, and reads nothing.
            let is_read = |call: &&CallRecord| {
                let is_this_calendar = call.calendar.as_deref() == Some(USER);
                call.method == "calendar.events.list" && is_this_calendar && call.status == Some(200)
            };
            let asked = u64::try_from(control.calls().unwrap().calls.iter().filter(is_read).count()).unwrap();
            if open.is_empty() { Ok((given_out, asked)) } else { Err(open) }
        })
        .await
    };
    let before = counted().await;
    control.make_changes(&changes(80, 99, 30)).await.unwrap();
    equals(store, control, calendar).await;
    let after = counted().await;
    let (given_out, asked) = (after.0 - before.0, after.1 - before.1);
    assert!(asked >= 2 && asked <= given_out, "{asked} reads at the provider for {given_out} attempts at syncs");
}

/// Each worker refreshes once for itself, the slower one finds the other's token, and nobody is asked to consent again.
async fn both_workers_refresh_the_token_at_once(
    control: &evercal_simulator::Control,
    store: &Arc<dyn Store>,
    calendars: &[Calendar],
) {
    let slow = FaultRule { times: None, ..FaultRule::once("oauth.token", FaultAction::Delay { delay_ms: 500 }) };
    control.set_faults(FaultPlan { rules: vec![slow], ..FaultPlan::default() }).unwrap();
    let refreshes_since = |begun: DateTime<Utc>| {
        let calls = control.calls().unwrap().calls.into_iter();
        calls.filter(|call| call.method == "oauth.token" && call.at >= begun).collect::<Vec<CallRecord>>()
    };
    let mut seed = 1_000;
    // By chance one worker may get all the syncs of a round.
    for _ in 0..REFRESH_ROUNDS_MAX {
        let begun = SystemClock.now();
        control.expire_access_tokens(Some(USER)).unwrap();
        let bursts = calendars.iter().map(|calendar| {
            seed += 1;
            let changes = json!({"calendar": calendar.remote.provider_id.as_str(), "count": 3, "seed": seed});
            let changes: BulkChanges = serde_json::from_value(changes).unwrap();
            async move { control.make_changes(&changes).await }
        });
        futures::future::try_join_all(bursts).await.unwrap();
        for calendar in calendars {
            let provider_id = calendar.remote.provider_id.as_str();
            eventually("the mirrors equal the provider", || async {
                mirror::compare(&**store, calendar.id, &control.truth(provider_id).unwrap()).await
            })
            .await;
        }
        let refreshes = refreshes_since(begun);
        if refreshes.windows(2).any(|pair| pair[1].at < pair[0].ended_at) {
            control.set_faults(FaultPlan::default()).unwrap();
            return;
        }
    }
    panic!("the two workers never refreshed at the same time");
}

/// How many attempts at syncs were given out (a slow one is made again: at least once is what is promised), and which syncs
/// have not ended.
fn attempts_at_syncs(events: &[HistoryEvent]) -> (u64, BTreeSet<i64>) {
    let (mut given_out, mut open) = (0, BTreeSet::new());
    for event in events {
        let ended = match event.attributes.as_ref().unwrap() {
            Attributes::ActivityTaskScheduledEventAttributes(scheduled) => {
                if scheduled.activity_type.as_ref().unwrap().name == names::SYNC_CALENDAR {
                    open.insert(event.event_id);
                }
                continue;
            }
            // It has the number of the last attempt.
            Attributes::ActivityTaskStartedEventAttributes(started) => {
                if open.contains(&started.scheduled_event_id) {
                    given_out += u64::try_from(started.attempt).unwrap();
                }
                continue;
            }
            Attributes::ActivityTaskCompletedEventAttributes(ended) => ended.scheduled_event_id,
            Attributes::ActivityTaskFailedEventAttributes(ended) => ended.scheduled_event_id,
            Attributes::ActivityTaskTimedOutEventAttributes(ended) => ended.scheduled_event_id,
            Attributes::ActivityTaskCanceledEventAttributes(ended) => ended.scheduled_event_id,
            _ => continue,
        };
        open.remove(&ended);
    }
    (given_out, open)
}

/// A user with several calendars, so that two workers have something to do at once.
fn new_user(control: &evercal_simulator::Control) {
    let user = NewUser { email: USER.into(), name: "Ada".into(), time_zone: "Europe/Berlin".into() };
    control.create_user(&user).unwrap();
    for number in 1..=FURTHER_CALENDARS {
        let calendar = NewCalendar {
            owner: USER.into(),
            summary: format!("Calendar {number}"),
            time_zone: "Europe/Berlin".into(),
            id: None,
            watchable: true,
        };
        control.create_calendar(&calendar).unwrap();
    }
}

/// As "A new version" of the guide has it.
async fn a_new_build_takes_over(shell: &mut Shell, old: VecDeque<String>) {
    shell.run("EVERCAL_BUILD_ID=next evercal worker 2>>worker3.log &").await;
    let mut answer = String::new();
    for _ in 0..600 {
        answer = shell.run("evercal builds promote next 2>&1 || true").await;
        if answer.contains("get all work") {
            break;
        }
        shell.run("sleep 0.1").await;
    }
    let list = shell.run("evercal builds list --json").await;
    assert!(list.contains("\"build_id\": \"next\"") && list.contains("\"status\": \"current\""), "{answer}\n{list}");
    for worker in old.iter().take(2) {
        shell.run(&format!("kill -TERM {worker}; wait {worker} 2>/dev/null || true")).await;
    }
}

fn changes(count: u32, seed: usize, spacing_ms: u32) -> BulkChanges {
    let changes = json!({"calendar": USER, "count": count, "seed": seed, "spacing_ms": spacing_ms});
    serde_json::from_value(changes).unwrap()
}

/// As a cluster has it: histories and lists in PostgreSQL, 16 shards.
async fn temporal_on_postgres(folder: &Path, server: &PostgresServer) -> TemporalServer {
    for name in ["temporal", "temporal_visibility"] {
        server.create_database(name).unwrap();
    }
    let mut options = evercal_tests::temporal::options(folder).unwrap();
    options.with_ui = false;
    options.history_shards = 16;
    options.postgres = Some(PostgresDatabases {
        address: server.address(),
        user: server.user().to_owned(),
        password: server.password().to_owned(),
        store: "temporal".to_owned(),
        visibility: "temporal_visibility".to_owned(),
    });
    // Another one than the guide's, which `evercal prepare-temporal` makes.
    options.namespace = "elsewhere".to_owned();
    TemporalServer::start(options).await.unwrap()
}

async fn equals(store: &Arc<dyn Store>, control: &evercal_simulator::Control, calendar: evercal_domain::CalendarId) {
    eventually("the mirror equals the provider", || async {
        mirror::compare(&**store, calendar, &control.truth(USER).unwrap()).await
    })
    .await;
}

/// Does what a browser does with the consent page.
async fn consents(address: &str) {
    let http = HttpClient::new(&HttpSettings::default()).unwrap();
    let page = http.send(HttpRequest::get("consent", address.trim().parse().unwrap())).await.unwrap();
    let callback = page.header("location").expect("the consent page sends the browser back").parse().unwrap();
    let answer = http.send(HttpRequest::get("callback", callback)).await.unwrap();
    assert!(answer.is_success(), "{} {}", answer.status, String::from_utf8_lossy(&answer.body));
}

/// Waits until the calendar is there: the guide's next commands show it.
async fn connected(shell: &mut Shell) {
    for _ in 0..600 {
        if shell.run("evercal calendars").await.contains(USER) {
            return;
        }
        shell.run("sleep 0.1").await;
    }
    panic!("no calendar was found");
}

/// One bash for all commands, as a person has it. When the test fails it shows how the processes' logs end.
struct Shell {
    bash: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    commands: u32,
    folder: tempfile::TempDir,
}

impl Shell {
    async fn start(google: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let programs = Path::new(env!("CARGO_BIN_EXE_evercal")).parent().unwrap();
        let path = format!("{}:{}", programs.display(), std::env::var_os("PATH").unwrap().display());
        let mut bash = Command::new("bash")
            .current_dir(folder.path())
            .env_clear()
            .envs(installation::surroundings())
            // Not in the guide: a Google of our own, and quick tries.
            .env("EVERCAL_GOOGLE_BASE_URL", google)
            .env("EVERCAL_TIMING", r#"{"sync_backoff_initial_ms":200,"heartbeat_timeout_s":3,"failed_sync_pause_s":1}"#)
            .env("PATH", path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut input = bash.stdin.take().unwrap();
        // All that it starts ends with the test program, also when that is killed. No job of the shell: those are counted.
        let watch = "((while kill -0 $PPID; do sleep 1; done; kill -KILL 0) >/dev/null 2>&1 &)\n";
        input.write_all(watch.as_bytes()).await.unwrap();
        let output = BufReader::new(bash.stdout.take().unwrap()).lines();
        Self { bash, input, output, commands: 0, folder }
    }

    /// Runs commands; answers what they print. A command that fails ends the test.
    async fn run(&mut self, commands: &str) -> String {
        self.commands += 1;
        let end = format!("__end_of_{}__", self.commands);
        // Not in a subshell: variables and jobs stay.
        let script = format!("set -e\n{commands}\nset +e\necho\necho {end}\n");
        self.input.write_all(script.as_bytes()).await.unwrap();
        let mut printed = String::new();
        let read = async {
            while let Some(line) = self.output.next_line().await.unwrap() {
                if line == end {
                    return;
                }
                printed.push_str(&line);
                printed.push('\n');
            }
            panic!("a command failed, so that the shell ended");
        };
        let timely = tokio::time::timeout(Duration::from_secs(120), read).await;
        assert!(timely.is_ok(), "no end of: {commands}");
        let printed = printed.trim_end().to_owned();
        println!("$ {}\n{printed}\n", commands.trim_end());
        printed
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        const LINES: usize = 30;
        // With all that it started, also where the test failed.
        if let Some(group) = self.bash.id() {
            let kill = ["-KILL", "--", &format!("-{group}")];
            drop(std::process::Command::new("kill").args(kill).stderr(Stdio::null()).status());
        }
        if !std::thread::panicking() {
            return;
        }
        for log in ["worker1.log", "worker2.log", "worker3.log", "gateway1.log", "gateway2.log"] {
            let text = std::fs::read_to_string(self.folder.path().join(log)).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let end = lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default();
            println!("== the end of {log}\n{}", end.join("\n"));
        }
    }
}

/// A load balancer: connections go to the gateways in turn, and to the other one where one takes none.
async fn balance(gateways: [SocketAddr; 2]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut turn = gateways;
        while let Ok((mut browser, _)) = listener.accept().await {
            turn.reverse();
            tokio::spawn(async move {
                for gateway in turn {
                    if let Ok(mut gateway) = TcpStream::connect(gateway).await {
                        // Either side may end at any time; that is what is tested.
                        drop(tokio::io::copy_bidirectional(&mut browser, &mut gateway).await);
                        return;
                    }
                }
            });
        }
    });
    address
}

fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
