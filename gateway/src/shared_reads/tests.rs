use std::sync::atomic::AtomicUsize;

use tokio::sync::Semaphore;

use super::*;

/// Reads that wait until they are let, and count themselves.
struct Reads {
    shared: SharedReads<u8, usize>,
    begun: Arc<AtomicUsize>,
    let_end: Arc<Semaphore>,
}

impl Reads {
    fn new() -> Arc<Self> {
        Arc::new(Self { shared: SharedReads::new(), begun: Arc::default(), let_end: Arc::new(Semaphore::new(0)) })
    }

    async fn read(self: Arc<Self>) -> usize {
        let (begun, let_end) = (Arc::clone(&self.begun), Arc::clone(&self.let_end));
        let read = || async move {
            let number = begun.fetch_add(1, Ordering::SeqCst) + 1;
            let_end.acquire().await.unwrap().forget();
            number
        };
        self.shared.read(1, read).await
    }
}

async fn let_tasks_run() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn who_comes_while_one_runs_shares_the_next_and_nobody_has_one_that_began_before_they_came() {
    let reads = Reads::new();
    let first = tokio::spawn(Arc::clone(&reads).read());
    let_tasks_run().await;
    let later: Vec<_> = (0..100).map(|_| tokio::spawn(Arc::clone(&reads).read())).collect();
    let_tasks_run().await;
    assert_eq!(reads.begun.load(Ordering::SeqCst), 1, "one at a time");
    reads.let_end.add_permits(2);
    assert_eq!(first.await.unwrap(), 1);
    for later in later {
        assert_eq!(later.await.unwrap(), 2);
    }
    assert!(rounds(&reads.shared.0).is_empty(), "nothing is left behind");
}

#[tokio::test]
async fn a_caller_that_goes_away_takes_nothing_with_it() {
    let reads = Reads::new();
    let first = tokio::spawn(Arc::clone(&reads).read());
    let_tasks_run().await;
    let second = tokio::spawn(Arc::clone(&reads).read());
    let_tasks_run().await;
    first.abort();
    let_tasks_run().await;
    reads.let_end.add_permits(2);
    assert_eq!(second.await.unwrap(), 2);
}
