use std::sync::atomic::AtomicUsize;

use evercal_storage::{StoreTrouble, TroubleKind};
use tracing::span;

use super::*;

/// Counts the lines of a log.
#[derive(Default)]
struct Lines(Arc<AtomicUsize>);

impl tracing::Subscriber for Lines {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, _: &tracing::Event<'_>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[tokio::test(start_paused = true)]
async fn a_crowd_before_a_store_that_is_away_is_a_line_a_second() {
    let lines = Lines::default();
    let count = Arc::clone(&lines.0);
    let _heard = tracing::subscriber::set_default(lines);
    let condition = StoreCondition::Unhealthy(StoreTrouble {
        kind: TroubleKind::CannotRead,
        since: chrono::DateTime::UNIX_EPOCH,
        cause: "it is gone".to_owned(),
        lasts: true,
    });
    for _ in 0..1_000 {
        assert_eq!(store_away(&condition).status(), StatusCode::SERVICE_UNAVAILABLE);
        tokio::time::advance(Duration::from_millis(2)).await;
    }
    let lines = count.load(Ordering::SeqCst);
    assert!((1..=4).contains(&lines), "{lines} lines in two seconds");
}
