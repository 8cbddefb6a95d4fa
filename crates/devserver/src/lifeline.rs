//! Starts programs that cannot outlive this process, whatever kills it.
//!
//! The child's end of a pipe is watched by a few lines of shell in the child's process group; the kernel
//! closes our end when we die, also by `kill -9`. Chosen over `PR_SET_PDEATHSIG`, which is Linux only, fires
//! when the spawning *thread* ends, and needs unsafe code. A process group of its own also keeps Ctrl-C in
//! the terminal from reaching the children before we can stop them in order.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin, Command};

const WATCHER: &str = include_str!("lifeline.sh");

/// A command for `program` on a lifeline. Its stdin is taken; set the rest, then [`Lifeline::spawn`].
pub(crate) fn command<I: AsRef<OsStr>>(program: &Path, args: impl IntoIterator<Item = I>) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", WATCHER, "lifeline"]).arg(program).args(args).stdin(Stdio::piped()).process_group(0);
    command
}

/// A running program. Dropping it kills the program and all its descendants that stayed in its group.
pub(crate) struct Lifeline {
    pub(crate) child: Child,
    pipe: ChildStdin,
}

impl Lifeline {
    /// Starts a command made by [`command`].
    pub(crate) fn spawn(mut command: Command) -> io::Result<Self> {
        let mut child = command.spawn()?;
        let pipe = child.stdin.take().ok_or_else(|| io::Error::other("the child has no stdin"))?;
        Ok(Self { child, pipe })
    }

    /// Asks the program to end (SIGTERM).
    pub(crate) async fn terminate(&mut self) -> io::Result<()> {
        self.pipe.write_all(b"TERM\n").await?;
        self.pipe.flush().await
    }

    /// Kills the program and its group, and waits for its end.
    pub(crate) async fn kill(self) -> io::Result<()> {
        let Self { mut child, pipe } = self;
        drop(pipe);
        child.wait().await.map(drop)
    }
}
