//! The first read of a calendar: how long it takes, and how much memory of the worker.

use anyhow::ensure;

use crate::effort::Effort;
use crate::installation::{Engine, Installation, TIMEOUT};
use crate::memory::peak_resident_mib;
use crate::progress::{reach, say};
use crate::report::{Bar, Row, median};

/// Each run has a fresh installation, so that the store is empty and the worker's peak is this sync's.
pub async fn rows(engine: Engine, effort: &Effort) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for events in effort.full_sync_events {
        let (mut seconds, mut peaks) = (vec![], vec![]);
        for run in 1..=effort.heavy_runs {
            say(format!("{}: full sync of {events} events: run {run} of {}", engine.name(), effort.heavy_runs));
            let (taken_s, peak_mib) = first_read(engine, run, *events).await?;
            say(format!("  {taken_s:.1} s, {peak_mib:.0} MiB"));
            seconds.push(taken_s);
            peaks.push(peak_mib);
        }
        let bar = if *events == 10_000 { Bar::AtMost(3.0) } else { Bar::None };
        rows.push(Row::alone(&format!("full sync of {events} events"), "s", median(&seconds)).bar(bar));
        let name = format!("most resident memory of the worker's process in it, {events} events");
        rows.push(Row::alone(&name, "MiB", median(&peaks)));
    }
    Ok(rows)
}

/// What a first read of many events costs on PostgreSQL beside SQLite; nothing where one of them was not measured.
pub fn beside_each_other(rows: &[Row], effort: &Effort) -> Option<Row> {
    let events = effort.full_sync_events.last()?;
    let (postgres, sqlite) = (Engine::Postgres.name(), Engine::Sqlite.name());
    let row = Row::beside(rows, &format!("full sync of {events} events"), postgres, sqlite)?;
    Some(row.bar(Bar::RatioAtMost(1.5)))
}

/// Seconds of the first read, and the most memory that a fresh worker ever took, in MiB.
async fn first_read(engine: Engine, seed: u32, events: u32) -> anyhow::Result<(f64, f64)> {
    let installation = Installation::start(engine).await?;
    let email = "ada@example.com";
    let ids = installation.new_user(email, 1)?;
    say("  inserting the events at the provider");
    installation.insert_silently(email, events, seed).await?;
    say("  reading");
    let account = installation.connect(email).await?;
    let calendars = installation.wait_until_mirrored(account, &ids).await?;
    let run = installation.first_read(calendars[0].id).await?;
    let peak_mib = peak_resident_mib(installation.worker_pid()?)?;
    ensure!(run.changes >= i64::from(events), "{} changes for {events} events: {run:?}", run.changes);
    let equal =
        reach("the mirror equals the provider", 1, TIMEOUT, async || installation.equal_to_provider(&calendars).await)
            .await?;
    ensure!(equal == 1, "the mirror does not hold what the provider has");
    installation.end().await;
    let ms = (run.finished_at - run.started_at).num_milliseconds();
    Ok((f64::from(i32::try_from(ms)?) / 1_000.0, peak_mib))
}
