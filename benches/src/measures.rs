//! What is measured of evercal.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use evercal_domain::{CalendarId, SyncReason};
use evercal_simulator::{BulkChanges, NewUser};
use evercal_tests::{USER, World, eventually, mirror};
use serde_json::json;

use crate::bare::Yardstick;

/// The pause between two notices at light load: longer than the gateway's spacing of signals.
const LIGHT_LOAD_PAUSE: Duration = Duration::from_millis(700);

/// One run of notices one at a time, each beside a bare signal: the milliseconds of both.
pub async fn latencies(world: &World, yardstick: &mut Yardstick, samples: u32) -> anyhow::Result<(Vec<f64>, Vec<f64>)> {
    let calendar = world.calendar_of(USER).await.id;
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..samples {
        bare.push(yardstick.signal_to_activity().await?.as_secs_f64() * 1_000.0);
        ours.push(notice_to_stored_ms(world, calendar).await?);
        tokio::time::sleep(LIGHT_LOAD_PAUSE).await;
    }
    Ok((ours, bare))
}

/// From the notice's arrival at the gateway to the commit of what it announced, as the product itself records it.
async fn notice_to_stored_ms(world: &World, calendar: CalendarId) -> anyhow::Result<f64> {
    let before = world.store.calendar(calendar).await?.context("a calendar")?.last_sync;
    world.change_events(USER, 1).await;
    let sync = eventually("the change is stored", || async {
        let row = world.store.calendar(calendar).await.expect("the store answers").expect("a calendar");
        match row.last_sync {
            Some(sync) if before.as_ref().is_none_or(|before| before.finished_at != sync.finished_at) => Ok(sync),
            other => Err(other),
        }
    })
    .await;
    let ms = sync.notice_to_stored_ms.context("the sync answered a notice")?;
    Ok(f64::from(i32::try_from(ms)?))
}

/// Seconds of the first read of a calendar with so many events, and the resident memory of this process in MiB after it.
/// Gateway, worker and simulator are in this process.
pub async fn full_sync_s(world: &World, number: u32, events: u32) -> anyhow::Result<(f64, f64)> {
    let email = format!("user{number}@example.com");
    let user = NewUser { email: email.clone(), name: "User".to_owned(), time_zone: "UTC".to_owned() };
    world.control().create_user(&user)?;
    let bulk = json!({"calendar": email, "count": events, "seed": number, "kinds": ["insert"], "notices": "none"});
    let bulk: BulkChanges = serde_json::from_value(bulk)?;
    world.control().make_changes(&bulk).await?;
    world.try_connect(json!({"label": "User", "login_hint": email})).await?;
    let calendar = world.calendar_of(&email).await.id;
    let run = eventually("the calendar is read", || async {
        let runs = world.store.sync_runs(calendar, 10).await.expect("the sync log");
        runs.into_iter().find(|run| run.reason == SyncReason::Connect).ok_or("no run yet")
    })
    .await;
    mirror::equals_provider(world, calendar).await;
    ensure!(run.changes >= i64::from(events), "{} changes for {events} events: {run:?}", run.changes);
    let ms = (run.finished_at - run.started_at).num_milliseconds();
    Ok((f64::from(i32::try_from(ms)?) / 1_000.0, resident_mib()?))
}

/// Resident memory of this process (proc(5), `VmRSS`).
fn resident_mib() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: u32 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(f64::from(kib) / 1_024.0)
}

/// Seconds from the start of `evercal dev` to its line, in a new folder and then in the same one again.
pub fn dev_ready_s(program: &Path) -> anyhow::Result<(f64, f64)> {
    let folder = tempfile::tempdir()?;
    Ok((one_dev_s(program, folder.path())?, one_dev_s(program, folder.path())?))
}

fn one_dev_s(program: &Path, folder: &Path) -> anyhow::Result<f64> {
    let begun = Instant::now();
    let mut process = Command::new(program)
        .args(["dev", "--json", "--data-dir"])
        .arg(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("starting {}: `cargo bench-all` builds it", program.display()))?;
    let mut line = String::new();
    BufReader::new(process.stdout.take().context("its stdout")?).read_line(&mut line)?;
    let taken = begun.elapsed();
    ensure!(line.contains("\"ready\":true"), "dev did not get ready: {line}");
    let stopped = Command::new("kill").args(["-TERM", &process.id().to_string()]).status()?;
    ensure!(stopped.success(), "dev could not be stopped");
    process.wait()?;
    Ok(taken.as_secs_f64())
}
