//! `cargo bench-all`: measures evercal beside bare Temporal, and writes `docs/benchmarks.md`.
//!
//! Each figure is the median of several runs. Machines differ and are noisy: what may be compared is the ratio to the
//! yardstick of the same run. Not a test: nothing here fails because something was slow.

mod bare;
mod measures;
mod report;

use std::path::PathBuf;

use clap::Parser;
use evercal_tests::{World, WorldOptions};
use evercal_workflows::Timing;

use crate::bare::Yardstick;
use crate::report::{Row, median, percentile};

#[derive(Parser)]
#[command(name = "cargo bench-all", about = "Measures evercal beside bare Temporal")]
struct Arguments {
    /// Fewer runs and samples: some minutes in all
    #[arg(long)]
    quick: bool,
    /// Print the table and leave docs/benchmarks.md alone
    #[arg(long)]
    dry_run: bool,
    /// Only one group of rows, printed and not written
    #[arg(long, value_enum)]
    only: Option<Group>,
}

/// Rows that are measured together.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Group {
    Latency,
    FullSync,
    Dev,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let (runs, samples) = if arguments.quick { (5, 12) } else { (5, 60) };
    // Logs go nowhere: what the tests keep of them would be measured too.
    tracing_subscriber::fmt().with_env_filter("off").init();
    let wanted = |group| arguments.only.is_none_or(|only| only == group);
    let mut rows = Vec::new();
    if wanted(Group::Latency) {
        rows.extend(latency_rows(runs, samples).await?);
    }
    if wanted(Group::FullSync) {
        rows.extend(full_sync_rows(runs, arguments.quick).await?);
    }
    if wanted(Group::Dev) {
        rows.extend(dev_rows(runs)?);
    }
    let table = report::table(&rows);
    println!("\n{table}");
    if arguments.dry_run || arguments.only.is_some() { Ok(()) } else { report::write(&table, arguments.quick) }
}

/// The product's own durations.
async fn world() -> World {
    World::with(WorldOptions { timing: Timing::default(), ..WorldOptions::default() }).await
}

async fn latency_rows(runs: u32, samples: u32) -> anyhow::Result<Vec<Row>> {
    let world = world().await;
    world.connect_and_settle().await;
    let mut yardstick = Yardstick::start().await?;
    let (mut p50, mut p99, mut bare_p50, mut bare_p99) = (vec![], vec![], vec![], vec![]);
    for run in 1..=runs {
        eprintln!("notice → stored: run {run} of {runs}");
        let (ours, bare) = measures::latencies(&world, &mut yardstick, samples).await?;
        p50.push(percentile(&ours, 50));
        p99.push(percentile(&ours, 99));
        bare_p50.push(percentile(&bare, 50));
        bare_p99.push(percentile(&bare, 99));
    }
    world.end().await;
    Ok(vec![
        Row::compared("notice → stored at light load, p50", "ms", median(&p50), median(&bare_p50), "at most 1.6 ×"),
        Row::compared("notice → stored at light load, p99", "ms", median(&p99), median(&bare_p99), ""),
    ])
}

async fn full_sync_rows(runs: u32, quick: bool) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    let sizes: &[u32] = if quick { &[10_000] } else { &[10_000, 50_000] };
    for events in sizes {
        let world = world().await;
        let (mut seconds, mut memory) = (vec![], vec![]);
        for run in 1..=runs {
            eprintln!("full sync of {events} events: run {run} of {runs}");
            let (taken_s, resident_mib) = measures::full_sync_s(&world, run, *events).await?;
            seconds.push(taken_s);
            memory.push(resident_mib);
        }
        world.end().await;
        let bar = if *events == 10_000 { "at most 3 s" } else { "" };
        rows.push(Row::alone(&format!("full sync of {events} events"), "s", median(&seconds), bar));
        let name = format!("resident memory after it, all parts and the simulator, {events} events");
        rows.push(Row::alone(&name, "MiB", median(&memory), ""));
    }
    Ok(rows)
}

fn dev_rows(runs: u32) -> anyhow::Result<Vec<Row>> {
    let program: PathBuf = std::env::current_exe()?.with_file_name("evercal");
    let (mut fresh, mut again) = (vec![], vec![]);
    for run in 1..=runs {
        eprintln!("evercal dev: run {run} of {runs}");
        let (first_s, second_s) = measures::dev_ready_s(&program)?;
        fresh.push(first_s);
        again.push(second_s);
    }
    Ok(vec![
        Row::alone("`evercal dev` until ready, new folder", "s", median(&fresh), "at most 8 s"),
        Row::alone("`evercal dev` until ready, same folder again", "s", median(&again), "at most 8 s"),
    ])
}
