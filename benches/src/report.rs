//! Figures to a table, and the table into `docs/benchmarks.md`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, bail};

const BEGIN: &str = "<!-- begin: written by cargo bench-all -->";
const END: &str = "<!-- end -->";

/// A line of the table.
pub struct Row {
    name: String,
    unit: &'static str,
    ours: f64,
    bare: Option<f64>,
    bar: String,
}

impl Row {
    /// A figure beside the yardstick's.
    pub fn compared(name: &str, unit: &'static str, ours: f64, bare: f64, bar: &str) -> Self {
        Self { name: name.to_owned(), unit, ours, bare: Some(bare), bar: bar.to_owned() }
    }

    /// A figure that bare Temporal has nothing to put beside.
    pub fn alone(name: &str, unit: &'static str, ours: f64, bar: &str) -> Self {
        Self { name: name.to_owned(), unit, ours, bare: None, bar: bar.to_owned() }
    }
}

/// The middle one; of an even number the upper of the two.
pub fn median(values: &[f64]) -> f64 {
    percentile(values, 50)
}

/// The value below which so many percent lie (nearest rank).
pub fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * percent).div_ceil(100).clamp(1, sorted.len());
    sorted[rank - 1]
}

/// The rows as a Markdown table.
pub fn table(rows: &[Row]) -> String {
    let head = ["| what | evercal | bare Temporal | ratio | bar |".to_owned(), "|---|---|---|---|---|".to_owned()];
    let lines = rows.iter().map(|row| {
        let ours = format!("{:.1} {}", row.ours, row.unit);
        let (bare, ratio) = row.bare.map_or_else(
            || ("–".to_owned(), "–".to_owned()),
            |bare| (format!("{bare:.1} {}", row.unit), format!("{:.2} ×", row.ours / bare)),
        );
        format!("| {} | {ours} | {bare} | {ratio} | {} |", row.name, row.bar)
    });
    head.into_iter().chain(lines).map(|line| line + "\n").collect()
}

/// Puts the table between the markers, with machine, date and commit.
pub fn write(table: &str, quick: bool) -> anyhow::Result<()> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/benchmarks.md");
    let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let (Some(begin), Some(end)) = (text.find(BEGIN), text.find(END)) else {
        bail!("{} has lost its markers", path.display());
    };
    let command = if quick { "cargo bench-all --quick" } else { "cargo bench-all" };
    let cores = std::thread::available_parallelism()?;
    let about = format!(
        "{}, {cores} cores, {}; commit {}; `{command}`; SQLite.",
        chrono_today()?,
        processor(),
        said_by(Command::new("git").args(["rev-parse", "--short", "HEAD"]))?
    );
    let new = format!("{}{BEGIN}\n{about}\n\n{table}{}", &text[..begin], &text[end..]);
    std::fs::write(&path, new).with_context(|| format!("writing {}", path.display()))
}

fn chrono_today() -> anyhow::Result<String> {
    said_by(Command::new("date").args(["-u", "+%Y-%m-%d"]))
}

/// The processor's own name (proc(5), `/proc/cpuinfo`).
fn processor() -> String {
    let about = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = about.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(": "));
    name.map_or_else(|| "unknown processor".to_owned(), |(_, name)| name.to_owned())
}

fn said_by(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
