//! Runs the workspace's test programs, two at a time: the long ones wait for servers most of the time, and Cargo itself runs
//! one after the other.
//!
//! Not a test framework: what a program prints and whether it failed is its own affair.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::Deserialize;

/// Programs at a time.
const LANES: usize = 2;
/// Tests at a time in one program. More than there are cores in all: system tests wait for servers most of the time.
const TEST_THREADS: &str = "4";
/// How long the servers that a program started may hold its output after its end: they end by themselves.
const LAST_WORDS: Duration = Duration::from_secs(30);
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

/// Runs one test by itself and shows all that it says.
pub fn run_alone(programs: &[TestProgram], test: &str, prepare: &impl Fn(&mut Command)) -> anyhow::Result<()> {
    let (name, test) = test.split_once("::").context("a test has the name of its program in front")?;
    let program = programs.iter().find(|program| program.name == name);
    let mut command = command(program.with_context(|| format!("there is no test program `{name}`"))?, prepare);
    let output = command.args(["--exact", test, "--nocapture"]).stdout(Stdio::piped()).spawn()?.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() || !said.contains("test result: ok. 1 passed") {
        bail!("{name}::{test}: {}\n{said}", output.status);
    }
    Ok(())
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
    let mut child = command(test, prepare).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let said = Arc::new(Mutex::new(Vec::new()));
    let (ended, all_ended) = mpsc::channel();
    listen(child.stdout.take(), Arc::clone(&said), ended.clone());
    listen(child.stderr.take(), Arc::clone(&said), ended);
    let status = child.wait()?;
    let is_complete = (0..2).all(|_| all_ended.recv_timeout(LAST_WORDS).is_ok());
    let said = std::mem::take(&mut *said.lock().unwrap_or_else(PoisonError::into_inner));
    println!("\n{}: {} s\n{}", test.name, begun.elapsed().as_secs(), said.join("\n"));
    if !status.success() {
        bail!("failed ({status})");
    }
    if !is_complete {
        bail!("a process that it started goes on after its end");
    }
    Ok(())
}

fn command(test: &TestProgram, prepare: &impl Fn(&mut Command)) -> Command {
    let mut command = Command::new(&test.program);
    prepare(&mut command);
    command.current_dir(&test.folder).env("CARGO_MANIFEST_DIR", &test.folder).env("RUST_TEST_THREADS", TEST_THREADS);
    command.stdin(Stdio::null());
    command
}

/// Shows how each test went as soon as it is known, and keeps the rest together until the program has ended: two of them
/// speak at once.
fn listen(stream: Option<impl Read + Send + 'static>, said: Arc<Mutex<Vec<String>>>, ended: mpsc::Sender<()>) {
    std::thread::spawn(move || {
        let lines = stream.into_iter().flat_map(|stream| BufReader::new(stream).split(b'\n')).map_while(Result::ok);
        for line in lines {
            let line = String::from_utf8_lossy(&line);
            if line.starts_with("test ") && !line.starts_with("test result:") {
                println!("{line}");
            } else if !line.is_empty() {
                said.lock().unwrap_or_else(PoisonError::into_inner).push(line.into_owned());
            }
        }
        // Nobody listens any more where a process held the stream for too long.
        let _nobody_waits = ended.send(());
    });
}
