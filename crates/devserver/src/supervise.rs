//! Keeps child processes running: start and wait until ready, log to a file, restart with backoff, stop in
//! order. No child outlives the [`Supervisor`], even when its process is killed with SIGKILL.
//!
//! Not for choosing what to run or for reading the children's output: they log to files, and a caller asks
//! them over their own interfaces.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use evercal_process::{TaskFailure, Tasks};
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use crate::lifeline::{self, Lifeline};
use crate::log_file;

/// First pause before a restart; it doubles up to [`RESTART_DELAY_MAX`].
const RESTART_DELAY_MIN: Duration = Duration::from_millis(100);
/// Longest pause before a restart.
const RESTART_DELAY_MAX: Duration = Duration::from_secs(10);
/// After this time alive a child counts as healthy, and the pause starts small again. What cannot run ends sooner.
const HEALTHY_AFTER: Duration = Duration::from_secs(5);
/// Time between two checks whether a child is ready.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// A program to keep running.
#[derive(Debug, Clone)]
pub struct ChildSpec {
    /// Name in logs and errors; unique within a [`Supervisor`].
    pub name: String,
    /// The program, as an absolute path.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Variables on top of the environment of this process.
    pub env: Vec<(OsString, OsString)>,
    /// Variables of this process that the child does not get.
    pub env_remove: Vec<OsString>,
    /// Takes stdout and stderr, appended. Locked while the child lives: no two children share one.
    pub log_file: PathBuf,
    /// How long the first start may take to become ready.
    pub ready_timeout: Duration,
    /// How long the child may take to end after SIGTERM; then it is killed.
    pub stop_timeout: Duration,
}

impl ChildSpec {
    /// A child without arguments, with 30 s to start and 10 s to stop.
    pub fn new(name: impl Into<String>, program: impl Into<PathBuf>, log_file: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            env_remove: Vec::new(),
            log_file: log_file.into(),
            ready_timeout: Duration::from_secs(30),
            stop_timeout: Duration::from_secs(10),
        }
    }
}

/// What a child is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChildStatus {
    /// Alive under this process id.
    Running {
        /// The process id of the program itself.
        pid: u32,
    },
    /// It died and is started again after a pause.
    Restarting,
    /// Stopped on request.
    Stopped,
}

/// A child that ended by itself and has not run long enough since then to count as healthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailingChild {
    /// The child.
    pub name: String,
    /// How often it ended so, without being healthy in between.
    pub times: u32,
    /// How it ended the last time.
    pub ended: String,
    /// The last lines that it wrote then.
    pub log_tail: String,
}

impl fmt::Display for FailingChild {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, times, ended, log_tail } = self;
        let times = if *times == 1 { String::new() } else { format!(" {times} times in a row") };
        write!(
            formatter,
            "{name} ended by itself{times} ({ended}) and is started again; the end of its log:\n{log_tail}"
        )
    }
}

/// Why a child does not run.
#[derive(Debug, thiserror::Error)]
pub enum SuperviseError {
    /// The log file or the program cannot be used.
    #[error("cannot start {name}: {}", path.display())]
    Start {
        /// The child.
        name: String,
        /// The file in question.
        path: PathBuf,
        /// The answer of the operating system.
        source: io::Error,
    },
    /// An earlier child still holds the log file.
    #[error("cannot start {name}: an earlier one still runs and writes {}", log_file.display())]
    StillRunning {
        /// The child.
        name: String,
        /// The file that it holds.
        log_file: PathBuf,
    },
    /// It ended before it was ready.
    #[error("{name} ended while starting ({status}); the end of its log:\n{log_tail}")]
    EndedEarly {
        /// The child.
        name: String,
        /// How it ended.
        status: ExitStatus,
        /// The last lines that it wrote in this run.
        log_tail: String,
    },
    /// It runs but did not become ready in time; it has been killed.
    #[error("{name} was not ready after {} s; the end of its log:\n{log_tail}", waited.as_secs())]
    NotReady {
        /// The child.
        name: String,
        /// How long it had.
        waited: Duration,
        /// The last lines that it wrote in this run.
        log_tail: String,
    },
}

/// Owns children. [`Supervisor::stop`] ends them in reverse order of their start; dropping kills them.
#[derive(Debug, Default)]
pub struct Supervisor {
    children: Vec<Child>,
    tasks: Tasks,
}

#[derive(Debug)]
struct Child {
    name: String,
    status: watch::Receiver<ChildStatus>,
    ailment: watch::Receiver<Option<Ailment>>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// What is known of a child that ended by itself.
#[derive(Debug)]
struct Ailment {
    last_end: FailingChild,
    /// Since when it runs again, if it does.
    restarted_at: Option<Instant>,
}

impl Ailment {
    fn is_over(&self) -> bool {
        self.restarted_at.is_some_and(|restarted_at| restarted_at.elapsed() >= HEALTHY_AFTER)
    }
}

impl Supervisor {
    /// No children yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a child and waits until `ready` answers true. From then on it is restarted whenever it ends;
    /// a child that ends or hangs before is an error and is not restarted.
    pub async fn start<Ready, Answer>(&mut self, spec: ChildSpec, ready: Ready) -> Result<u32, SuperviseError>
    where
        Ready: Fn() -> Answer,
        Answer: Future<Output = bool>,
    {
        let mut process = Process::spawn(&spec).await?;
        let until_ready = async {
            while !ready().await {
                sleep(POLL_INTERVAL).await;
            }
        };
        let name = spec.name.clone();
        tokio::select! {
            ended = process.lifeline.child.wait() => {
                let status = ended.map_err(start_error(&spec, &spec.program))?;
                return Err(SuperviseError::EndedEarly { name, status, log_tail: process.log_tail() });
            }
            ready = timeout(spec.ready_timeout, until_ready) => if ready.is_err() {
                let log_tail = process.log_tail();
                return Err(SuperviseError::NotReady { name, waited: spec.ready_timeout, log_tail });
            }
        }
        let pid = process.pid;
        info!(child = name, pid, "started");
        let (status_sender, status) = watch::channel(ChildStatus::Running { pid });
        let (ailment_sender, ailment) = watch::channel(None);
        let (stop, stop_requested) = oneshot::channel();
        let task =
            self.tasks.spawn("supervision", keep_running(spec, process, status_sender, ailment_sender, stop_requested));
        self.children.push(Child { name, status, ailment, stop, task });
        Ok(pid)
    }

    /// The status of a child, to read or to wait for changes; `None` for an unknown name.
    pub fn status(&self, name: &str) -> Option<watch::Receiver<ChildStatus>> {
        self.children.iter().find(|child| child.name == name).map(|child| child.status.clone())
    }

    /// The process id of a child that is running now.
    pub fn pid(&self, name: &str) -> Option<u32> {
        match *self.status(name)?.borrow() {
            ChildStatus::Running { pid } => Some(pid),
            ChildStatus::Restarting | ChildStatus::Stopped => None,
        }
    }

    /// The children that do not run, or run again after an end too short ago to be sure of them.
    pub fn failing(&self) -> Vec<FailingChild> {
        let last_end = |child: &Child| {
            let ailment = child.ailment.borrow();
            ailment.as_ref().filter(|ailment| !ailment.is_over()).map(|ailment| ailment.last_end.clone())
        };
        self.children.iter().filter_map(last_end).collect()
    }

    /// Completes when a child is not supervised any more: then the process has to end, and its children with it.
    pub async fn failed(&self) -> TaskFailure {
        self.tasks.failed().await
    }

    /// Stops all children, the last started first: SIGTERM, then SIGKILL after the child's `stop_timeout`.
    pub async fn stop(mut self) {
        while let Some(child) = self.children.pop() {
            // The task ends by itself only after a stop, so a receiver that is gone means a panic in it.
            if child.stop.send(()).is_err() || child.task.await.is_err() {
                warn!(child = child.name, "its supervision had failed; it was killed");
            }
        }
    }
}

/// A probe for [`Supervisor::start`]: does anything accept connections there?
pub async fn accepts_connections(address: SocketAddr) -> bool {
    TcpStream::connect(address).await.is_ok()
}

/// Waits until no child of an earlier process writes this log any more: the lock that a child holds on it
/// ends with the child. Error: it is still held after ten seconds.
pub async fn wait_for_predecessor(name: &str, log_file: &Path) -> Result<(), SuperviseError> {
    open_log(name, log_file).await.map(drop)
}

async fn keep_running(
    spec: ChildSpec,
    first: Process,
    status: watch::Sender<ChildStatus>,
    ailment: watch::Sender<Option<Ailment>>,
    mut stop_requested: oneshot::Receiver<()>,
) {
    let mut process = first;
    let mut delay = RESTART_DELAY_MIN;
    let mut ends_in_a_row = 0;
    loop {
        let started_at = Instant::now();
        let ended = tokio::select! {
            requested = &mut stop_requested => {
                // An error means that the supervisor was dropped: the caller wants no farewell.
                process.stop(&spec, requested.is_ok()).await;
                status.send_replace(ChildStatus::Stopped);
                return;
            }
            ended = process.lifeline.child.wait() => ended,
        };
        if started_at.elapsed() >= HEALTHY_AFTER {
            delay = RESTART_DELAY_MIN;
            ends_in_a_row = 0;
        }
        ends_in_a_row += 1;
        warn!(child = spec.name, pid = process.pid, ended = ?ended, delay_ms = delay.as_millis(), "ended; restarting");
        let ended = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
        let last_end =
            FailingChild { name: spec.name.clone(), times: ends_in_a_row, ended, log_tail: process.log_tail() };
        ailment.send_replace(Some(Ailment { last_end, restarted_at: None }));
        status.send_replace(ChildStatus::Restarting);
        drop(process);
        process = loop {
            tokio::select! {
                _ = &mut stop_requested => {
                    status.send_replace(ChildStatus::Stopped);
                    return;
                }
                () = sleep(delay) => {}
            }
            delay = (delay * 2).min(RESTART_DELAY_MAX);
            match Process::spawn(&spec).await {
                Ok(process) => break process,
                Err(error) => warn!(child = spec.name, %error, "cannot restart yet"),
            }
        };
        info!(child = spec.name, pid = process.pid, "restarted");
        ailment.send_modify(|ailment| {
            if let Some(ailment) = ailment {
                ailment.restarted_at = Some(Instant::now());
            }
        });
        status.send_replace(ChildStatus::Running { pid: process.pid });
    }
}

/// One run of a child.
struct Process {
    lifeline: Lifeline,
    pid: u32,
    log_file: PathBuf,
    log_start: u64,
}

impl Process {
    async fn spawn(spec: &ChildSpec) -> Result<Self, SuperviseError> {
        let log = open_log(&spec.name, &spec.log_file).await?;
        let failed = || start_error(spec, &spec.log_file);
        let log_start = log.metadata().map_err(failed())?.len();
        let stderr = log.try_clone().map_err(failed())?;
        let mut command = lifeline::command(&spec.program, &spec.args);
        for variable in &spec.env_remove {
            command.env_remove(variable);
        }
        command.envs(spec.env.iter().map(|(key, value)| (key, value))).stdout(log).stderr(stderr);
        let lifeline = Lifeline::spawn(command).map_err(start_error(spec, &spec.program))?;
        let pid = lifeline.child.id().ok_or_else(|| io::Error::other("it has no process id"));
        let pid = pid.map_err(start_error(spec, &spec.program))?;
        Ok(Self { lifeline, pid, log_file: spec.log_file.clone(), log_start })
    }

    async fn stop(mut self, spec: &ChildSpec, gently: bool) {
        if gently {
            let ended = match self.lifeline.terminate().await {
                Ok(()) => timeout(spec.stop_timeout, self.lifeline.child.wait()).await.is_ok(),
                Err(error) => {
                    warn!(child = spec.name, %error, "cannot ask it to end");
                    false
                }
            };
            if !ended {
                warn!(child = spec.name, pid = self.pid, "does not end by itself; killing it");
            }
        }
        if let Err(error) = self.lifeline.kill().await {
            warn!(child = spec.name, %error, "cannot wait for its end");
        }
        info!(child = spec.name, pid = self.pid, "stopped");
    }

    fn log_tail(&self) -> String {
        log_file::tail(&self.log_file, self.log_start)
    }
}

async fn open_log(name: &str, path: &Path) -> Result<File, SuperviseError> {
    match log_file::open(path).await {
        Ok(Some(file)) => Ok(file),
        Ok(None) => Err(SuperviseError::StillRunning { name: name.to_owned(), log_file: path.to_owned() }),
        Err(source) => Err(SuperviseError::Start { name: name.to_owned(), path: path.to_owned(), source }),
    }
}

fn start_error(spec: &ChildSpec, path: &Path) -> impl FnOnce(io::Error) -> SuperviseError {
    let (name, path) = (spec.name.clone(), path.to_owned());
    move |source| SuperviseError::Start { name, path, source }
}
