//! Figures to a table, and the table into `docs/benchmarks.md`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, bail};

const BEGIN: &str = "<!-- begin: written by cargo bench-all -->";
const END: &str = "<!-- end -->";

/// What a figure has to keep.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bar {
    /// Nothing was promised.
    None,
    /// The figure itself.
    AtMost(f64),
    /// The same.
    AtLeast(f64),
    /// At least so many times the yardstick.
    RatioAtLeast(f64),
    /// At most so many times the yardstick.
    RatioAtMost(f64),
    /// A count, which no machine excuses: missing it fails the command.
    CountAtMost(f64),
}

/// A line of the table.
#[derive(Debug, Clone)]
pub struct Row {
    name: String,
    /// Where evercal kept its mirror.
    pub store: &'static str,
    unit: &'static str,
    ours: f64,
    bare: Option<f64>,
    bar: Bar,
}

impl Row {
    /// A figure beside the yardstick's.
    pub fn compared(name: &str, unit: &'static str, ours: f64, bare: f64) -> Self {
        Self { bare: Some(bare), ..Self::alone(name, unit, ours) }
    }

    /// A figure that there is nothing to put beside.
    pub fn alone(name: &str, unit: &'static str, ours: f64) -> Self {
        Self { name: name.to_owned(), store: "SQLite", unit, ours, bare: None, bar: Bar::None }
    }

    /// With a bar.
    pub fn bar(self, bar: Bar) -> Self {
        Self { bar, ..self }
    }

    /// The figure of one store beside that of another one, which is its yardstick.
    pub fn beside(rows: &[Self], name: &str, store: &'static str, other: &str) -> Option<Self> {
        let of = |store: &str| rows.iter().find(|row| row.name == name && row.store == store);
        let (row, yardstick) = (of(store)?, of(other)?);
        let name = format!("{name}, beside {other}");
        Some(Self { store, ..Self::compared(&name, row.unit, row.ours, yardstick.ours) })
    }

    fn ratio(&self) -> Option<f64> {
        self.bare.map(|bare| self.ours / bare)
    }

    fn is_missed(&self) -> bool {
        // A ratio that cannot be computed keeps no promise.
        let ratio = self.ratio().unwrap_or(f64::NAN);
        let kept = match self.bar {
            Bar::None => true,
            Bar::AtMost(most) | Bar::CountAtMost(most) => self.ours <= most,
            Bar::AtLeast(least) => self.ours >= least,
            Bar::RatioAtLeast(least) => ratio >= least,
            Bar::RatioAtMost(most) => ratio <= most,
        };
        !kept
    }

    fn shown_bar(&self) -> String {
        let bar = match self.bar {
            Bar::None => return String::new(),
            Bar::AtMost(most) => format!("at most {most} {}", self.unit),
            Bar::CountAtMost(most) => format!("at most {most}"),
            Bar::AtLeast(least) => format!("at least {least} {}", self.unit),
            Bar::RatioAtLeast(least) => format!("at least {least} ×"),
            Bar::RatioAtMost(most) => format!("at most {most} ×"),
        };
        if self.is_missed() { format!("**missed**: {bar}") } else { bar }
    }

    fn shown(&self, figure: f64) -> String {
        match self.unit {
            "" => format!("{figure:.1}").trim_end_matches(".0").to_owned(),
            "/s" => format!("{figure:.0} /s"),
            "MB" => format!("{figure:.0} MB"),
            unit => format!("{figure:.1} {unit}"),
        }
    }
}

/// The counts among the rows that miss their bar.
pub fn missed_counts(rows: &[Row]) -> Vec<String> {
    let missed = rows.iter().filter(|row| matches!(row.bar, Bar::CountAtMost(_)) && row.is_missed());
    missed.map(|row| format!("{} ({}): {}, {}", row.name, row.store, row.shown(row.ours), row.shown_bar())).collect()
}

/// The middle one; of an even number the upper of the two.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// The value below which so many percent lie (nearest rank).
pub fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * percent).div_ceil(100).clamp(1, sorted.len());
    sorted[rank - 1]
}

/// The rows as a Markdown table; those of the same measurement on two stores stand together.
pub fn table(rows: &[Row]) -> String {
    let place = |row: &Row| rows.iter().position(|first| first.name == row.name);
    let mut sorted: Vec<&Row> = rows.iter().collect();
    sorted.sort_by_key(|row| place(row));
    let head =
        ["| what | store | evercal | yardstick | ratio | bar |".to_owned(), "|---|---|---|---|---|---|".to_owned()];
    let lines = sorted.into_iter().map(|row| {
        let or_none = |figure: Option<String>| figure.unwrap_or_else(|| "–".to_owned());
        let bare = or_none(row.bare.map(|bare| row.shown(bare)));
        let ratio = or_none(row.ratio().map(|ratio| format!("{ratio:.2} ×")));
        format!("| {} | {} | {} | {bare} | {ratio} | {} |", row.name, row.store, row.shown(row.ours), row.shown_bar())
    });
    head.into_iter().chain(lines).map(|line| line + "\n").collect()
}

/// Puts the table between the markers, with machine, date and commit.
pub fn write(table: &str, quick: bool) -> anyhow::Result<()> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/benchmarks.md");
    let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let new = put_into(&text, &format!("{}\n\n{table}", about(quick)?));
    let new = new.with_context(|| format!("{} has lost its markers", path.display()))?;
    std::fs::write(&path, new).with_context(|| format!("writing {}", path.display()))
}

/// The document with something else between its markers.
fn put_into(text: &str, between: &str) -> anyhow::Result<String> {
    let (Some(begin), Some(end)) = (text.find(BEGIN), text.find(END)) else { bail!("no `{BEGIN}` or no `{END}`") };
    Ok(format!("{}{BEGIN}\n{between}{}", &text[..begin], &text[end..]))
}

/// Machine, date, commit and command.
fn about(quick: bool) -> anyhow::Result<String> {
    let command = if quick { "cargo bench-all --quick" } else { "cargo bench-all" };
    let cores = std::thread::available_parallelism()?;
    let commit = said_by(Command::new("git").args(["rev-parse", "--short", "HEAD"]))?;
    let is_changed = !said_by(Command::new("git").args(["status", "--porcelain", "--untracked-files=no"]))?.is_empty();
    let changed = if is_changed { " with changes" } else { "" };
    let today = said_by(Command::new("date").args(["-u", "+%Y-%m-%d"]))?;
    let memory = memory_gib().map_or_else(String::new, |gib| format!(", {gib:.0} GiB"));
    Ok(format!("{today}; {}, {cores} cores{memory}; commit {commit}{changed}; `{command}`.", processor()))
}

/// The processor's own name (proc(5), `/proc/cpuinfo`).
fn processor() -> String {
    let about = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = about.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(": "));
    name.map_or_else(|| "unknown processor".to_owned(), |(_, name)| name.to_owned())
}

/// The machine's memory (proc(5), `/proc/meminfo`).
fn memory_gib() -> Option<f64> {
    let about = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = about.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u32 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(f64::from(kib) / 1_024.0 / 1_024.0)
}

fn said_by(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests;
