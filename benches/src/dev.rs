//! How long `evercal dev` takes until it is ready.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, ensure};

use crate::effort::Effort;
use crate::installation;
use crate::progress::say;
use crate::report::{Bar, Row, median};

/// From the start of the process to its line.
pub fn rows(effort: &Effort) -> anyhow::Result<Vec<Row>> {
    let program = installation::program()?;
    let (mut fresh, mut again) = (vec![], vec![]);
    for run in 1..=effort.heavy_runs {
        say(format!("evercal dev: run {run} of {}", effort.heavy_runs));
        let folder = tempfile::tempdir()?;
        let data = folder.path().join("data");
        fresh.push(ready_s(&program, &data)?);
        again.push(ready_s(&program, &data)?);
    }
    Ok(vec![
        Row::alone("`evercal dev` until ready, new folder", "s", median(&fresh)).bar(Bar::AtMost(8.0)),
        Row::alone("`evercal dev` until ready, same folder again", "s", median(&again)).bar(Bar::AtMost(8.0)),
    ])
}

fn ready_s(program: &Path, folder: &Path) -> anyhow::Result<f64> {
    // Only read when something is wrong.
    let said = folder.with_extension("stderr");
    let begun = Instant::now();
    let mut process = Command::new(program)
        .args(["dev", "--json", "--data-dir"])
        .arg(folder)
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(&said)?)
        .spawn()
        .with_context(|| format!("starting {}: `cargo bench-all` builds it", program.display()))?;
    let mut line = String::new();
    BufReader::new(process.stdout.take().context("its stdout")?).read_line(&mut line)?;
    let taken = begun.elapsed();
    let said = std::fs::read_to_string(&said).unwrap_or_default();
    ensure!(line.contains("\"ready\":true"), "dev did not get ready: {line}{said}");
    let stopped = Command::new("kill").args(["-TERM", &process.id().to_string()]).status()?;
    ensure!(stopped.success(), "dev could not be stopped");
    process.wait()?;
    Ok(taken.as_secs_f64())
}
