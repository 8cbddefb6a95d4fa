//! The supervisor with small shell programs as children.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use evercal_devserver::supervise::{ChildSpec, ChildStatus, SuperviseError, Supervisor, wait_for_predecessor};
use tempfile::TempDir;

use crate::support::{send_signal, wait_for, wait_until_gone};

/// Runs until a signal; `wait`, unlike `sleep` itself, lets the shell run its traps at once.
const WAIT: &str = "sleep 1000 & wait";

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A child that runs a shell script in this folder.
    fn child(&self, name: &str, script: &str) -> ChildSpec {
        let mut spec = ChildSpec::new(name, "/bin/sh", self.path(&format!("{name}.log")));
        spec.args = vec!["-c".into(), script.into()];
        spec.env = vec![("FOLDER".into(), self.0.path().into())];
        spec
    }
}

async fn at_once() -> bool {
    true
}

fn contains(path: &Path, text: &str) -> Result<(), String> {
    let content = fs::read_to_string(path).map_err(|error| error.to_string())?;
    if content.contains(text) { Ok(()) } else { Err(content) }
}

#[tokio::test]
async fn a_killed_child_is_started_again_as_another_process() {
    let folder = Folder::new();
    let mut supervisor = Supervisor::new();
    let log = folder.path("child.log");
    let spec = folder.child("child", &format!("echo hello; {WAIT}"));
    let first = supervisor.start(spec, || async { contains(&log, "hello\n").is_ok() }).await.unwrap();
    send_signal("KILL", first);
    let second = wait_for("another process", async || match supervisor.pid("child") {
        Some(pid) if pid != first => Ok(pid),
        other => Err(format!("{other:?}")),
    })
    .await;
    wait_for("both greetings", async || contains(&log, "hello\nhello\n")).await;
    supervisor.stop().await;
    wait_until_gone(second).await;
}

#[tokio::test]
async fn a_child_that_ends_before_it_is_ready_is_an_error_with_its_last_words() {
    let folder = Folder::new();
    fs::write(folder.path("child.log"), "words of an earlier run\n").unwrap();
    let spec = folder.child("child", "echo no such thing >&2; exit 3");
    let error = Supervisor::new().start(spec, async || false).await.unwrap_err();
    let SuperviseError::EndedEarly { status, log_tail, .. } = error else { panic!("{error}") };
    assert_eq!((status.code(), log_tail.as_str()), (Some(3), "no such thing"));
}

#[tokio::test]
async fn a_child_that_ends_again_and_again_is_failing_with_its_last_words_and_a_quiet_one_is_not() {
    let folder = Folder::new();
    let mut supervisor = Supervisor::new();
    supervisor.start(folder.child("quiet", WAIT), at_once).await.unwrap();
    // Ready in its first run, and broken from then on.
    let ready = folder.path("ready");
    let script = format!("if [ -e $FOLDER/ready ]; then echo no such thing; exit 3; fi; : >$FOLDER/ready; {WAIT}");
    let pid = supervisor.start(folder.child("broken", &script), || async { ready.exists() }).await.unwrap();
    assert_eq!(supervisor.failing(), []);
    send_signal("KILL", pid);
    let failing = wait_for("the third end", async || match supervisor.failing() {
        failing if failing.iter().any(|child| child.times >= 3) => Ok(failing),
        failing => Err(format!("{failing:?}")),
    })
    .await;
    let [broken] = failing.as_slice() else { panic!("{failing:?}") };
    assert_eq!((broken.name.as_str(), broken.log_tail.as_str()), ("broken", "no such thing"));
    assert!(broken.to_string().contains("times in a row (exit status: 3)"), "{broken}");
    supervisor.stop().await;
}

#[tokio::test]
async fn a_child_that_never_becomes_ready_is_killed() {
    let folder = Folder::new();
    let mut spec = folder.child("child", &format!("echo $$ >$FOLDER/pid; {WAIT}"));
    spec.ready_timeout = Duration::from_millis(300);
    let error = Supervisor::new().start(spec, async || false).await.unwrap_err();
    assert!(matches!(error, SuperviseError::NotReady { .. }), "{error}");
    wait_until_gone(fs::read_to_string(folder.path("pid")).unwrap().trim().parse().unwrap()).await;
}

#[tokio::test]
async fn children_are_asked_to_end_the_last_started_first() {
    let folder = Folder::new();
    let mut supervisor = Supervisor::new();
    for name in ["one", "two", "three"] {
        let script = format!("trap 'echo {name} >>$FOLDER/order; exit' TERM; : >$FOLDER/{name}; {WAIT}");
        let trapped = folder.path(name);
        supervisor.start(folder.child(name, &script), || async { trapped.exists() }).await.unwrap();
    }
    supervisor.stop().await;
    assert_eq!(fs::read_to_string(folder.path("order")).unwrap(), "three\ntwo\none\n");
}

#[tokio::test]
async fn a_child_that_ignores_the_request_is_killed_after_its_time() {
    let folder = Folder::new();
    let mut spec = folder.child("child", &format!("trap '' TERM; : >$FOLDER/trapped; {WAIT}"));
    spec.stop_timeout = Duration::from_millis(300);
    let trapped = folder.path("trapped");
    let mut supervisor = Supervisor::new();
    let pid = supervisor.start(spec, || async { trapped.exists() }).await.unwrap();
    let status = supervisor.status("child").unwrap();
    supervisor.stop().await;
    assert_eq!(*status.borrow(), ChildStatus::Stopped);
    wait_until_gone(pid).await;
}

#[tokio::test]
async fn dropping_the_supervisor_kills_the_child_and_its_descendants() {
    let folder = Folder::new();
    let script = "sleep 1000 & echo $! >$FOLDER/pid; wait";
    let mut supervisor = Supervisor::new();
    let child = supervisor.start(folder.child("child", script), at_once).await.unwrap();
    let descendant = wait_for("the descendant", async || {
        let content = fs::read_to_string(folder.path("pid")).map_err(|error| error.to_string())?;
        content.trim().parse::<u32>().map_err(|error| format!("{content:?}: {error}"))
    })
    .await;
    assert_ne!(child, descendant);
    drop(supervisor);
    wait_until_gone(child).await;
    wait_until_gone(descendant).await;
}

#[tokio::test]
async fn a_log_is_free_again_once_its_child_is_gone() {
    let folder = Folder::new();
    let log = folder.path("child.log");
    let mut supervisor = Supervisor::new();
    let pid = supervisor.start(folder.child("child", WAIT), at_once).await.unwrap();
    let waiting = tokio::spawn(async move { wait_for_predecessor("child", &log).await });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    supervisor.stop().await;
    waiting.await.unwrap().unwrap();
    wait_until_gone(pid).await;
}
