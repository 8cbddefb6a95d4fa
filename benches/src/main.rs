//! `cargo bench-all`: measures evercal beside bare Temporal, and writes `docs/benchmarks.md`.
//!
//! Each figure is the median of several runs. Machines differ and are noisy: what may be compared is the ratio to the
//! yardstick of the same run. So a bar on a time or a rate that is missed is only shown; one on a count fails the command.

mod bare;
mod dev;
mod effort;
mod fixture;
mod full_sync;
mod installation;
mod latency;
mod load;
mod memory;
mod notices;
mod past;
mod progress;
mod reads;
mod report;
mod rounds;
mod start;
mod work;

use std::process::ExitCode;

use anyhow::ensure;
use clap::Parser;

use crate::effort::Effort;
use crate::fixture::Fixture;
use crate::installation::Engine;
use crate::report::Row;

#[derive(Parser)]
#[command(name = "cargo bench-all", about = "Measures evercal beside bare Temporal")]
struct Arguments {
    /// Fewer and lighter runs: at most three minutes in all
    #[arg(long)]
    quick: bool,
    /// Print the table and leave docs/benchmarks.md alone
    #[arg(long)]
    dry_run: bool,
    /// Only some groups of rows, printed and not written
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Group>,
    /// Only one store, printed and not written
    #[arg(long, value_enum)]
    store: Option<Engine>,
}

/// Rows that are measured together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Group {
    Reads,
    History,
    Latency,
    FanOut,
    Storm,
    Unique,
    Past,
    FullSync,
    Memory,
    Start,
    Dev,
}

impl Group {
    /// Those that share one installation, in the order in which one does not disturb the next.
    const ON_FIXTURE: [Self; 7] =
        [Self::Reads, Self::History, Self::Latency, Self::FanOut, Self::Storm, Self::Unique, Self::Past];
    /// Those that make what they need.
    const ALONE: [Self; 3] = [Self::FullSync, Self::Start, Self::Memory];
}

impl Arguments {
    fn wants(&self, group: Group) -> bool {
        self.only.is_empty() || self.only.contains(&group)
    }

    /// Whether all is measured, and so worth being kept.
    fn is_whole(&self) -> bool {
        self.only.is_empty() && self.store.is_none()
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let effort = if arguments.quick { Effort::quick() } else { Effort::full() };
    // Logs go nowhere: what the tests keep of them would be measured too.
    tracing_subscriber::fmt().with_env_filter("off").init();
    let mut rows = Vec::new();
    let measured = measure(&arguments, &effort, &mut rows).await;
    let table = report::table(&rows);
    // Also when something failed: what was measured before took its time.
    println!("\n{table}");
    measured?;
    if arguments.is_whole() && !arguments.dry_run {
        report::write(&table, arguments.quick)?;
    }
    let missed = report::missed_counts(&rows);
    for line in &missed {
        eprintln!("missed: {line}");
    }
    Ok(if missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn measure(arguments: &Arguments, effort: &Effort, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let mut failed = Vec::new();
    for engine in [Engine::Sqlite, Engine::Postgres] {
        if arguments.store.is_none_or(|only| only == engine) {
            let first = rows.len();
            // What one engine leaves behind in Temporal is not to weigh on the other.
            evercal_tests::temporal::end_shared_server();
            let measured = measure_on(engine, arguments, effort, rows).await;
            for row in &mut rows[first..] {
                row.store = engine.name();
            }
            failed.extend(measured.err());
        }
    }
    rows.extend(full_sync::beside_each_other(rows, effort));
    if arguments.wants(Group::Dev) && arguments.store != Some(Engine::Postgres) {
        match dev::rows(effort) {
            Ok(measured) => rows.extend(measured),
            Err(error) => failed.push(error),
        }
    }
    let failed: Vec<String> = failed.iter().map(|error| format!("{error:#}")).collect();
    ensure!(failed.is_empty(), "not measured: {}", failed.join("; "));
    Ok(())
}

async fn measure_on(engine: Engine, arguments: &Arguments, effort: &Effort, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let mut failed = Vec::new();
    let groups: Vec<Group> = Group::ON_FIXTURE.into_iter().filter(|group| arguments.wants(*group)).collect();
    if !groups.is_empty() {
        let mut fixture = Fixture::start(engine, effort).await?;
        for group in groups {
            let measured = match group {
                Group::Reads => reads::rows(&fixture, effort).await,
                Group::History => latency::history_rows(&mut fixture, effort).await,
                Group::Latency => latency::rows(&mut fixture, effort).await,
                Group::FanOut => notices::fan_out_rows(&mut fixture, effort).await,
                Group::Storm => notices::storm_rows(&mut fixture, effort).await,
                Group::Unique => notices::unique_rows(&mut fixture, effort).await,
                Group::Past => past::rows(&fixture, effort).await,
                Group::FullSync | Group::Memory | Group::Start | Group::Dev => Ok(Vec::new()),
            };
            match measured {
                Ok(measured) => rows.extend(measured),
                // The others have taken, or will take, their time: one that fails is not to cost them.
                Err(error) => {
                    eprint!("{}", fixture.installation.last_warnings());
                    failed.push(failure(group, engine, &error));
                    // Nor is what it left behind to weigh on the next one.
                    fixture.end().await?;
                    fixture = Fixture::start(engine, effort).await?;
                }
            }
        }
        fixture.end().await?;
    }
    for group in Group::ALONE.into_iter().filter(|group| arguments.wants(*group)) {
        let measured = match group {
            Group::FullSync => full_sync::rows(engine, effort).await,
            Group::Start => start::rows(engine, effort).await,
            _ => rounds::rows(engine, effort).await,
        };
        match measured {
            Ok(measured) => rows.extend(measured),
            Err(error) => failed.push(failure(group, engine, &error)),
        }
    }
    ensure!(failed.is_empty(), "{}", failed.join("; "));
    Ok(())
}

/// Says at once what was not measured, and once more at the end.
fn failure(group: Group, engine: Engine, error: &anyhow::Error) -> String {
    let failure = format!("{group:?} on {}: {error:#}", engine.name());
    eprintln!("failed: {failure}");
    failure
}
