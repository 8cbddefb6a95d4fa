use evercal_settings::Lookup;

use super::*;

const MIB: u64 = 1024 * 1024;
const LIMIT: u64 = 200 * MIB;

#[test]
fn by_default_a_worker_stays_below_250_megabytes_whatever_it_does() {
    let unset = Lookup::new(&|_| None);
    let limit = evercal_settings::worker::MEMORY_MIB.read(&unset).unwrap().get() * MIB;
    assert!(limit / 100 * HARD_LIMIT_PERCENT <= 250_000_000);
}

#[tokio::test]
async fn a_process_knows_how_large_it_is() {
    let resident = resident_bytes().expect("Linux reports it");
    assert!((1_000_000..100_000_000_000).contains(&resident), "{resident} bytes");
}

#[test]
fn where_letting_go_helps_little_it_is_done_seldom_unless_much_came_since() {
    let after = |resident, rest, seconds| is_too_large(LIMIT, resident * MIB, rest * MIB, Duration::from_secs(seconds));
    assert!(!after(200, 100, 600), "not before the limit");
    assert!(after(201, 100, 5));
    assert!(!after(201, 190, 5), "it is nearly too large without a cache");
    assert!(after(201, 190, 300));
    assert!(after(231, 190, 5), "it does not grow without an end meanwhile");
    assert!(!after(260, 250, 5), "too large by itself: letting go would be all that it does");
    assert!(after(271, 250, 5));
}

/// When the cache is let go, where the process is as large as `size` says so long after it was let go before.
async fn let_go_after(size: impl Fn(Duration) -> u64) -> Duration {
    let since = Instant::now();
    grown_beyond(LIMIT, Some(since), || Some(size(since.elapsed()) * MIB)).await;
    since.elapsed()
}

#[tokio::test(start_paused = true)]
async fn what_is_left_is_measured_when_what_was_let_go_is_given_back() {
    let shrinks = |after: Duration| match after.as_secs() {
        0..5 => 400,
        5..20 => 100,
        _ => 201,
    };
    assert_eq!(let_go_after(shrinks).await.as_secs(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_has_just_started_is_as_large_as_it_is_without_a_cache() {
    let since = Instant::now();
    let grows = || Some((100 + 30 * since.elapsed().as_secs()) * MIB);
    grown_beyond(LIMIT, None, grows).await;
    assert_eq!(since.elapsed().as_secs(), 4, "not in vain, and at once");
}

#[tokio::test(start_paused = true)]
async fn a_cache_is_not_let_go_again_and_again() {
    assert_eq!(let_go_after(|_| 400).await, LET_GO_INTERVAL_IN_VAIN, "it is too large without a cache");
}
