use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use evercal_domain::SystemClock;

use super::*;
use crate::condition::StoreTrouble;

/// A store that does as a test asks.
#[derive(Default)]
struct Played {
    id: Mutex<Option<InstallationId>>,
    reading: Mutex<Option<StoreErrorKind>>,
    writing: Mutex<Option<StoreErrorKind>>,
    afresh: Mutex<Option<StoreErrorKind>>,
    pages: Mutex<Option<StoreErrorKind>>,
    written_at: Mutex<Option<DateTime<Utc>>>,
    hangs: AtomicBool,
    /// How long each read takes.
    read_takes: Mutex<Duration>,
    /// The transactions of others.
    commits: AtomicU64,
    /// Somebody else writes their own time over each of ours.
    overwritten_with: Mutex<Option<DateTime<Utc>>>,
    checkpoints: std::sync::atomic::AtomicU32,
}

fn answer(as_asked: &Mutex<Option<StoreErrorKind>>) -> Result<(), StoreError> {
    as_asked.lock().unwrap().map_or(Ok(()), |kind| Err(StoreError::new(kind, "as the test asked")))
}

#[async_trait]
impl Upkeep for Played {
    async fn try_reading(&self) -> Result<(), StoreError> {
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let takes = *self.read_takes.lock().unwrap();
        tokio::time::sleep(takes).await;
        answer(&self.reading)
    }

    async fn try_writing(&self, at: DateTime<Utc>) -> Result<InstallationId, StoreError> {
        answer(&self.writing)?;
        let at = self.overwritten_with.lock().unwrap().unwrap_or(at);
        *self.written_at.lock().unwrap() = Some(at);
        Ok(*self.id.lock().unwrap().get_or_insert_with(InstallationId::generate))
    }

    async fn try_afresh(&self, _at: DateTime<Utc>) -> Result<(), StoreError> {
        answer(&self.afresh)
    }

    fn commits(&self) -> u64 {
        self.commits.load(Ordering::SeqCst)
    }

    async fn last_written_at(&self) -> Result<Option<DateTime<Utc>>, StoreError> {
        Ok(*self.written_at.lock().unwrap())
    }

    async fn checkpoint(&self) -> Result<(), StoreError> {
        self.checkpoints.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    async fn check_pages(&self) -> Result<(), StoreError> {
        answer(&self.pages)
    }

    async fn keep_beside(&self, _line: &str) -> Result<(), StoreError> {
        Ok(())
    }

    async fn kept_beside(&self) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }

    async fn delete_beside(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A namespace: whoever asks first owns it.
#[derive(Default)]
struct Namespace {
    owner: Mutex<Option<InstallationId>>,
    synced_at: Mutex<Option<DateTime<Utc>>>,
    away: AtomicBool,
}

#[async_trait]
impl InstallationOwner for Namespace {
    async fn owner(&self, ours: InstallationId) -> Result<InstallationId, String> {
        if self.away.load(Ordering::SeqCst) {
            return Err("down".into());
        }
        Ok(*self.owner.lock().unwrap().get_or_insert(ours))
    }

    async fn synced_after(&self, at: DateTime<Utc>) -> Result<i64, String> {
        Ok(self.synced_at.lock().unwrap().map_or(0, |synced_at| i64::from(synced_at > at)))
    }
}

struct Probed {
    store: Arc<Played>,
    namespace: Arc<Namespace>,
    watch: StoreWatch,
}

fn probed() -> Probed {
    probed_as(|_, _| {})
}

fn probed_as(begins: impl FnOnce(&Played, &Namespace)) -> Probed {
    probed_by(Arc::new(SystemClock), begins)
}

fn probed_by(clock: Arc<dyn Clock>, begins: impl FnOnce(&Played, &Namespace)) -> Probed {
    let (store, namespace) = (Arc::<Played>::default(), Arc::<Namespace>::default());
    begins(&store, &namespace);
    let (probe, watch) = StoreProbe::new(store.clone(), namespace.clone(), clock, ProbePace::default());
    tokio::spawn(probe.run(CancellationToken::new()));
    Probed { store, namespace, watch }
}

/// Time stands still but for what the probe waits for, so this takes none.
async fn becomes(watch: &StoreWatch, kind: TroubleKind) -> StoreTrouble {
    let reached = watch.until(|condition| condition.trouble().is_some_and(|trouble| trouble.kind == kind));
    let reached = timeout(Duration::from_secs(120), reached).await;
    reached.unwrap_or_else(|_| panic!("{kind:?} is not seen: {:?}", watch.condition())).trouble().unwrap().clone()
}

async fn is_healthy_again(watch: &StoreWatch) {
    let reached = timeout(Duration::from_secs(30), watch.until(StoreCondition::is_healthy)).await;
    reached.unwrap_or_else(|_| panic!("it is not healthy: {:?}", watch.condition()));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_be_written_is_unfit_after_ten_seconds_and_healthy_at_once_when_it_can() {
    let probed = probed();
    is_healthy_again(&probed.watch).await;
    *probed.store.writing.lock().unwrap() = Some(StoreErrorKind::Unavailable);
    *probed.store.afresh.lock().unwrap() = Some(StoreErrorKind::Unavailable);
    let began = Instant::now();
    let trouble = becomes(&probed.watch, TroubleKind::CannotWrite).await;
    assert!(!trouble.lasts && !probed.watch.condition().is_unfit(), "a moment is no reason to act");
    assert!(probed.watch.condition().can_read(), "what is there can be read");
    probed.watch.until(StoreCondition::is_unfit).await;
    let after = began.elapsed();
    assert!(after >= Duration::from_secs(10) && after < Duration::from_secs(15), "{after:?}");
    assert!(probed.watch.condition().sentence().unwrap().contains("cannot be written since"));
    assert!(!probed.watch.condition().needs_restart());
    tokio::time::sleep(Duration::from_secs(60)).await;
    let later = probed.watch.condition();
    assert_eq!(later.trouble().unwrap().since, trouble.since, "it is one trouble");
    assert!(!later.needs_restart(), "a new connection cannot write either");
    *probed.store.writing.lock().unwrap() = None;
    is_healthy_again(&probed.watch).await;
}

#[tokio::test(start_paused = true)]
async fn connections_that_cannot_do_what_a_new_one_can_need_a_restart() {
    let probed = probed();
    is_healthy_again(&probed.watch).await;
    *probed.store.writing.lock().unwrap() = Some(StoreErrorKind::Unavailable);
    let began = Instant::now();
    becomes(&probed.watch, TroubleKind::CannotReconnect).await;
    assert!(began.elapsed() >= Duration::from_secs(30), "a passing trouble is none: {:?}", began.elapsed());
    assert!(probed.watch.condition().needs_restart());
}

#[tokio::test(start_paused = true)]
async fn connections_that_cannot_read_what_a_new_one_can_need_a_restart_even_while_they_write() {
    let probed = probed();
    is_healthy_again(&probed.watch).await;
    probed.store.hangs.store(true, Ordering::SeqCst);
    let began = Instant::now();
    becomes(&probed.watch, TroubleKind::CannotReconnect).await;
    assert!(began.elapsed() >= Duration::from_secs(30), "a passing trouble is none: {:?}", began.elapsed());
    for _ in 0..60 {
        assert!(probed.watch.condition().needs_restart(), "a write that succeeds is no reason to think otherwise");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    probed.store.hangs.store(false, Ordering::SeqCst);
    is_healthy_again(&probed.watch).await;
}

#[tokio::test(start_paused = true)]
async fn connections_that_are_slow_need_no_restart() {
    let probed = probed();
    is_healthy_again(&probed.watch).await;
    *probed.store.read_takes.lock().unwrap() = Duration::from_secs(5);
    becomes(&probed.watch, TroubleKind::CannotRead).await;
    for _ in 0..120 {
        assert!(!probed.watch.condition().needs_restart(), "they read, if slowly");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    *probed.store.read_takes.lock().unwrap() = Duration::ZERO;
    *probed.store.writing.lock().unwrap() = Some(StoreErrorKind::Unavailable);
    becomes(&probed.watch, TroubleKind::CannotWrite).await;
    for _ in 0..120 {
        assert!(!probed.watch.condition().needs_restart(), "others of this process commit");
        probed.store.commits.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    // And now they do no more.
    becomes(&probed.watch, TroubleKind::CannotReconnect).await;
}

#[tokio::test(start_paused = true)]
async fn a_read_that_comes_late_once_is_a_warning_and_keeps_nobody_from_reading() {
    let probed = probed();
    is_healthy_again(&probed.watch).await;
    *probed.store.read_takes.lock().unwrap() = Duration::from_millis(1_500);
    assert!(!becomes(&probed.watch, TroubleKind::Slow).await.lasts);
    let condition = probed.watch.condition();
    assert!(condition.can_read() && condition.is_usable() && !condition.is_unfit(), "{condition:?}");
    assert!(condition.keeps_readers_waiting(), "whoever waits may be answered so");
    *probed.store.read_takes.lock().unwrap() = Duration::ZERO;
    let next = probed.watch.until_other_than(&condition).await;
    assert!(next.is_healthy(), "it came after all: {next:?}");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_gives_no_answer_cannot_be_read() {
    let probed = probed();
    is_healthy_again(&probed.watch).await;
    probed.store.hangs.store(true, Ordering::SeqCst);
    let began = Instant::now();
    becomes(&probed.watch, TroubleKind::CannotRead).await;
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert!(!probed.watch.condition().can_read());
    probed.store.hangs.store(false, Ordering::SeqCst);
    is_healthy_again(&probed.watch).await;
}

#[tokio::test(start_paused = true)]
async fn a_store_of_another_installation_is_unfit_until_it_is_ours_again() {
    let probed = probed();
    is_healthy_again(&probed.watch).await;
    let ours = *probed.store.id.lock().unwrap();
    *probed.store.id.lock().unwrap() = Some(InstallationId::generate());
    let trouble = becomes(&probed.watch, TroubleKind::WrongInstallation).await;
    assert!(trouble.lasts && probed.watch.condition().is_unfit() && probed.watch.condition().is_foreign());
    assert!(!probed.watch.condition().can_read(), "its answers would be somebody else's");
    *probed.store.id.lock().unwrap() = ours;
    is_healthy_again(&probed.watch).await;
    // Or because an operator said that it is the one from now on.
    *probed.store.id.lock().unwrap() = Some(InstallationId::generate());
    becomes(&probed.watch, TroubleKind::WrongInstallation).await;
    *probed.namespace.owner.lock().unwrap() = None;
    is_healthy_again(&probed.watch).await;
}

#[tokio::test(start_paused = true)]
async fn a_store_is_not_healthy_before_temporal_said_whose_it_is() {
    let probed = probed();
    probed.namespace.away.store(true, Ordering::SeqCst);
    probed.watch.until(|condition| *condition == StoreCondition::Unverified).await;
    assert!(probed.watch.condition().can_read(), "readers are answered while Temporal is away");
    assert!(!probed.watch.condition().is_unfit());
    probed.namespace.away.store(false, Ordering::SeqCst);
    is_healthy_again(&probed.watch).await;
}

#[tokio::test(start_paused = true)]
async fn tables_of_another_version_and_a_lost_database_are_acted_on_at_once() {
    for (kind, trouble, needs_restart) in
        [(StoreErrorKind::Schema, TroubleKind::WrongSchema, false), (StoreErrorKind::Lost, TroubleKind::Lost, true)]
    {
        let probed = probed();
        is_healthy_again(&probed.watch).await;
        *probed.store.reading.lock().unwrap() = Some(kind);
        assert!(becomes(&probed.watch, trouble).await.lasts);
        assert!(probed.watch.condition().is_unfit());
        assert_eq!(probed.watch.condition().needs_restart(), needs_restart, "{trouble:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn damaged_pages_are_reported_and_stop_nobody() {
    let probed = probed();
    is_healthy_again(&probed.watch).await;
    *probed.store.pages.lock().unwrap() = Some(StoreErrorKind::Corrupt);
    let damaged =
        |condition: &StoreCondition| condition.trouble().is_some_and(|trouble| trouble.kind == TroubleKind::Damaged);
    timeout(Duration::from_secs(11 * 60), probed.watch.until(damaged)).await.unwrap();
    let condition = probed.watch.condition();
    assert!(condition.can_read() && !condition.is_unfit());
    assert!(condition.sentence().unwrap().contains("damaged"));
}

#[tokio::test(start_paused = true)]
async fn the_log_is_brought_into_the_file_more_often_than_every_five_minutes() {
    let probed = probed();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let times = probed.store.checkpoints.load(Ordering::SeqCst);
    assert!(times >= 12, "{times} times in an hour");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_was_brought_back_from_a_backup_is_seen_by_who_starts_and_by_who_runs() {
    let yesterday = SystemClock.now() - chrono::Duration::days(1);
    let started = probed_as(|store, namespace| {
        *store.written_at.lock().unwrap() = Some(yesterday);
        *namespace.synced_at.lock().unwrap() = Some(SystemClock.now());
    });
    let running = probed();
    is_healthy_again(&running.watch).await;
    *running.store.written_at.lock().unwrap() = Some(yesterday);
    for watch in [&started.watch, &running.watch] {
        becomes(watch, TroubleKind::Older).await;
        let condition = watch.condition();
        assert!(condition.can_read() && !condition.is_unfit(), "it is read again, and nobody waits for it");
    }
    for watch in [&started.watch, &running.watch] {
        timeout(Duration::from_secs(15 * 60), watch.until(StoreCondition::is_healthy)).await.unwrap();
    }
}

/// A clock that somebody set wrongly.
struct Ahead;

impl Clock for Ahead {
    fn now(&self) -> DateTime<Utc> {
        SystemClock.now() + chrono::Duration::minutes(10)
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_is_not_older_because_clocks_are_apart() {
    let probed = probed_by(Arc::new(Ahead), |store, _| {
        *store.written_at.lock().unwrap() = Some(SystemClock.now());
        *store.overwritten_with.lock().unwrap() = Some(SystemClock.now());
    });
    is_healthy_again(&probed.watch).await;
    for _ in 0..60 {
        assert_eq!(probed.watch.condition(), StoreCondition::Healthy);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_is_not_older_because_a_wrong_clock_wrote_before() {
    let probed = probed_by(Arc::new(SystemClock), |store, _| {
        *store.written_at.lock().unwrap() = Some(SystemClock.now() + chrono::Duration::days(400));
        *store.overwritten_with.lock().unwrap() = Some(SystemClock.now());
    });
    is_healthy_again(&probed.watch).await;
    for _ in 0..60 {
        assert_eq!(probed.watch.condition(), StoreCondition::Healthy);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
