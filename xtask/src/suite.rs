//! Runs the workspace's test programs, two at a time: the long ones wait for servers most of the time, and Cargo itself runs
//! one after the other.
//!
//! Not a test framework: what a program prints and whether it failed is its own affair.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, bail};
use serde::Deserialize;

/// Programs at a time.
const LANES: usize = 2;
/// Tests at a time in one program. More than there are cores in all: system tests wait for servers most of the time.
const TEST_THREADS: &str = "4";
/// The programs that take longest, the longest first, so that none of them is left for the end.
const LONG: [&str; 2] = ["system", "dev"];

/// A program with tests, and the folder of its package: tests read files relative to it.
#[derive(Debug)]
pub struct TestProgram {
    name: String,
    program: PathBuf,
    folder: PathBuf,
}

/// Compiles all tests (and the programs that they start) and answers what is to be run.
pub fn build(cargo: &mut Command) -> anyhow::Result<Vec<TestProgram>> {
    let mut child = cargo.stdout(Stdio::piped()).spawn().context("starting Cargo")?;
    let output = child.stdout.take().context("Cargo has no output")?;
    let mut programs = Vec::new();
    for line in BufReader::new(output).lines() {
        programs.extend(test_program(&line?)?);
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("the tests do not compile ({status})");
    }
    if programs.is_empty() {
        bail!("Cargo named no test program");
    }
    programs.sort_by_key(|test| LONG.iter().position(|name| *name == test.name).unwrap_or(LONG.len()));
    Ok(programs)
}

/// One of Cargo's messages: <https://doc.rust-lang.org/cargo/reference/external-tools.html#artifact-messages>
#[derive(Deserialize)]
struct Message {
    reason: String,
    manifest_path: Option<PathBuf>,
    target: Option<Target>,
    profile: Option<Profile>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

fn test_program(line: &str) -> anyhow::Result<Option<TestProgram>> {
    let message: Message = serde_json::from_str(line).with_context(|| format!("Cargo said: {line}"))?;
    if message.reason != "compiler-artifact" || !message.profile.is_some_and(|profile| profile.test) {
        return Ok(None);
    }
    let (Some(program), Some(target), Some(manifest)) = (message.executable, message.target, message.manifest_path)
    else {
        return Ok(None);
    };
    let folder = manifest.parent().context("a manifest without a folder")?.to_owned();
    Ok(Some(TestProgram { name: target.name, program, folder }))
}

/// Runs all of them to their end, whatever fails; then it is an error that names those that did.
pub fn run(programs: Vec<TestProgram>, prepare: &(impl Fn(&mut Command) + Sync)) -> anyhow::Result<()> {
    let waiting = Mutex::new(VecDeque::from(programs));
    let failed = Mutex::new(Vec::new());
    let lane = || {
        loop {
            let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(test) = next else { return };
            if let Err(error) = run_one(&test, prepare) {
                println!("{}: {error:#}", test.name);
                failed.lock().unwrap_or_else(PoisonError::into_inner).push(test.name);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(lane);
        }
    });
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    if !failed.is_empty() {
        bail!("tests failed in: {}", failed.join(", "));
    }
    Ok(())
}

fn run_one(test: &TestProgram, prepare: &impl Fn(&mut Command)) -> anyhow::Result<()> {
    let begun = Instant::now();
    println!("{}: begins", test.name);
    let mut command = Command::new(&test.program);
    prepare(&mut command);
    command.current_dir(&test.folder).env("CARGO_MANIFEST_DIR", &test.folder).env("RUST_TEST_THREADS", TEST_THREADS);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (output, errors) = (child.stdout.take(), child.stderr.take());
    let said = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        scope.spawn(|| listen(errors, &said));
        listen(output, &said);
    });
    let status = child.wait()?;
    let said = said.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("\n{}: {} s\n{}", test.name, begun.elapsed().as_secs(), said.join("\n"));
    if !status.success() {
        bail!("failed ({status})");
    }
    Ok(())
}

/// Shows how each test went as soon as it is known, and keeps the rest together until the program has ended: two of them
/// speak at once.
fn listen(stream: Option<impl Read>, said: &Mutex<Vec<String>>) {
    let Some(stream) = stream else { return };
    for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        if line.starts_with("test ") && !line.starts_with("test result:") {
            println!("{line}");
        } else if !line.is_empty() {
            said.lock().unwrap_or_else(PoisonError::into_inner).push(line.into_owned());
        }
    }
}
