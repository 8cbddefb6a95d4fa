//! The log's way out of the process: a thread of its own writes the lines, so that a reader that does not read delays
//! nobody, and a pipe that was closed or a disk that is full costs lines and nothing else. Lines that were lost are counted,
//! and their number is written as soon as something can be written again.

use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait to be written.
const WAITING_LINES_MAX: usize = 10_000;
/// And their bytes in all.
const WAITING_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long the end of a process waits for its last lines to be written.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a line waits for a destination that does not block and is full.
const FULL_TIMEOUT: Duration = Duration::from_secs(1);
const FULL_RETRY_INTERVAL: Duration = Duration::from_millis(10);

/// Lines that this process could not write since it began.
static LOST_LINES: AtomicU64 = AtomicU64::new(0);

/// Lines of the log that this process could not write since it began.
pub fn log_lines_lost() -> u64 {
    LOST_LINES.load(Ordering::Relaxed)
}

enum Message {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

/// Takes the lines of the log.
#[derive(Clone)]
pub struct LogWriter {
    sender: SyncSender<Message>,
    waiting_bytes: Arc<AtomicUsize>,
}

/// Dropped at the end of a process, it waits a moment for the last lines.
#[must_use = "without it the last lines are lost"]
pub struct LogFlush(SyncSender<Message>);

impl LogWriter {
    /// Writes to `destination` from now on.
    pub fn new(destination: impl Write + Send + 'static) -> io::Result<(Self, LogFlush)> {
        let (sender, messages) = sync_channel(WAITING_LINES_MAX);
        let waiting_bytes = Arc::new(AtomicUsize::new(0));
        let writer = Self { sender: sender.clone(), waiting_bytes: Arc::clone(&waiting_bytes) };
        let write = move || write_all(destination, &messages, &waiting_bytes);
        std::thread::Builder::new().name("evercal-log".into()).spawn(write)?;
        Ok((writer, LogFlush(sender)))
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { writer: self, text: Vec::new() }
    }
}

/// One line, sent when it is complete.
pub struct Line<'a> {
    writer: &'a LogWriter,
    text: Vec<u8>,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        let line = std::mem::take(&mut self.text);
        let bytes = line.len();
        let LogWriter { sender, waiting_bytes } = self.writer;
        let waiting = waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        if waiting + bytes > WAITING_BYTES_MAX || sender.try_send(Message::Line(line)).is_err() {
            waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
            LOST_LINES.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for LogFlush {
    fn drop(&mut self) {
        let (done, is_done) = sync_channel(1);
        let deadline = Instant::now() + FLUSH_TIMEOUT;
        let mut flush = Message::Flush(done);
        // The thread that reads a full queue may be blocked for good.
        while let Err(std::sync::mpsc::TrySendError::Full(again)) = self.0.try_send(flush) {
            if Instant::now() >= deadline {
                return;
            }
            flush = again;
            std::thread::sleep(FULL_RETRY_INTERVAL);
        }
        let _given_up = is_done.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    }
}

fn write_all(destination: impl Write, messages: &Receiver<Message>, waiting_bytes: &AtomicUsize) {
    let mut out = Out { destination, is_torn: false, lost_reported: 0 };
    for message in messages {
        match message {
            Message::Line(line) => {
                out.report_lost();
                if !out.write(&line) {
                    LOST_LINES.fetch_add(1, Ordering::Relaxed);
                }
                waiting_bytes.fetch_sub(line.len(), Ordering::Relaxed);
            }
            Message::Flush(done) => {
                out.report_lost();
                let _nobody_waits_any_more = done.send(());
            }
        }
    }
}

struct Out<W> {
    destination: W,
    /// The last line is there in part.
    is_torn: bool,
    /// How many of the lost lines were reported.
    lost_reported: u64,
}

impl<W: Write> Out<W> {
    fn report_lost(&mut self) {
        let lost = log_lines_lost();
        if lost > self.lost_reported {
            let text = format!(
                "{{\"level\":\"WARN\",\"fields\":{{\"message\":\"lines of the log could not be written\",\"lines\":{}}},\
                 \"target\":\"evercal_process\"}}\n",
                lost - self.lost_reported
            );
            if self.write(text.as_bytes()) {
                self.lost_reported = lost;
            }
        }
    }

    /// Whether all of it is written.
    fn write(&mut self, line: &[u8]) -> bool {
        if self.is_torn {
            if self.write_part(b"\n") == 0 {
                return false;
            }
            self.is_torn = false;
        }
        let written = self.write_part(line);
        self.is_torn = written > 0 && written < line.len();
        written == line.len() && self.destination.flush().is_ok()
    }

    /// How many bytes could be written.
    fn write_part(&mut self, bytes: &[u8]) -> usize {
        let deadline = Instant::now() + FULL_TIMEOUT;
        let mut written = 0;
        while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
            match self.destination.write(rest) {
                Ok(count) if count > 0 => written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock && Instant::now() < deadline => {
                    std::thread::sleep(FULL_RETRY_INTERVAL);
                }
                Ok(_) | Err(_) => break,
            }
        }
        written
    }
}

#[cfg(test)]
mod tests;
