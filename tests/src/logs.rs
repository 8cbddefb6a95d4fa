//! What gateway and workers of all tests of this process say, kept so that a test can search it for what must not be there.
//!
//! `RUST_LOG` decides what a person sees; the kept copy has what the roles log when nobody says how much, from whatever
//! crate, and everything that our own crates say, down to `trace`. Not for asserting on log lines: logs are for people.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tracing_subscriber::filter::{EnvFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

/// What our crates are called in targets.
const OUR_TARGETS: &str = "evercal";

static KEPT: OnceLock<Kept> = OnceLock::new();

/// A file without a name: it is gone with the process.
#[derive(Clone)]
struct Kept(Arc<Mutex<File>>);

/// Starts to keep logs. Only the first call of a process does anything.
pub fn keep() {
    KEPT.get_or_init(|| {
        let kept = Kept(Arc::new(Mutex::new(tempfile::tempfile().expect("a file for the logs"))));
        // JSON, as the roles log it: fields and spans are in it.
        let copy = tracing_subscriber::fmt::layer().json().with_writer(kept.clone());
        // The simulator plays the provider: it may say what it likes.
        let wanted = Targets::new()
            .with_default(tracing::Level::INFO)
            .with_target(OUR_TARGETS, tracing::Level::TRACE)
            .with_target("evercal_simulator", tracing::level_filters::LevelFilter::OFF);
        let shown = tracing_subscriber::fmt::layer().with_test_writer();
        let subscriber = tracing_subscriber::registry()
            .with(copy.with_filter(wanted))
            .with(shown.with_filter(EnvFilter::from_default_env()));
        // A program that logs in its own way, such as a benchmark, keeps nothing.
        let _its_own_way = subscriber.try_init();
        kept
    });
}

/// Everything that was said so far.
pub fn kept() -> Vec<u8> {
    let Kept(file) = KEPT.get().expect("logs are kept since the first world");
    let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
    let mut text = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut text)).expect("the kept logs");
    text
}

impl Write for Kept {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(io::SeekFrom::End(0))?;
        file.write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Kept {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
