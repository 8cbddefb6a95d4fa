//! Forgets what was mirrored of calendars that the provider refuses or does not list any more, a day after that. A loop of its
//! own: large mirrors take minutes, and nobody who waits for a provider may wait for them.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use evercal_activities::Deps;
use evercal_domain::Clock;
use evercal_process::Pulse;
use evercal_storage::StoreError;
use tokio::time::{Instant, MissedTickBehavior};

/// How long a round may take: many mirrors, all of them large.
pub(crate) const SILENCE_MAX: Duration = Duration::from_hours(1);
/// Between two queries for mirrors to erase.
const INTERVAL: Duration = Duration::from_mins(10);
/// A calendar that comes back within this time finds its mirror; nobody could read it meanwhile.
const KEPT_AFTER_WITHDRAWAL: chrono::Duration = chrono::Duration::days(1);

/// Runs for as long as the worker does.
pub(crate) async fn run(pulse: Pulse, deps: Arc<Deps>) {
    keep_erasing(pulse, &*deps.clock, |gone_since_before| deps.store.erase_withdrawn(gone_since_before)).await;
}

/// `erase` is given the moment before which a calendar has to be gone.
async fn keep_erasing<F>(pulse: Pulse, clock: &dyn Clock, erase: impl Fn(DateTime<Utc>) -> F)
where
    F: Future<Output = Result<u64, StoreError>>,
{
    let mut rounds = tokio::time::interval_at(Instant::now() + INTERVAL, INTERVAL);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while pulse.wait(rounds.tick()).await.is_some() {
        match pulse.work(erase(clock.now() - KEPT_AFTER_WITHDRAWAL)).await {
            None => return,
            Some(Ok(0)) => {}
            Some(Ok(count)) => tracing::info!(count, "the mirrors of calendars that are gone for a day are erased"),
            Some(Err(error)) => tracing::warn!(%error, "mirrors of calendars that are gone could not be erased"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use chrono::TimeDelta;
    use evercal_domain::SystemClock;
    use evercal_process::Tasks;
    use evercal_storage::StoreErrorKind;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_erased_again_and_again_also_after_a_round_that_failed() {
        let (tasks, rounds) = (Tasks::new(), Arc::new(AtomicU32::new(0)));
        let counted = Arc::clone(&rounds);
        tasks.spawn_loop("erasure", SILENCE_MAX, |pulse| {
            keep_erasing(pulse, &SystemClock, move |gone_since_before| {
                let kept_for = SystemClock.now() - gone_since_before;
                assert!(kept_for >= TimeDelta::hours(24) && kept_for < TimeDelta::hours(25), "{kept_for}");
                let is_first = counted.fetch_add(1, Ordering::SeqCst) == 0;
                let failed = is_first.then(|| StoreError::new(StoreErrorKind::Unavailable, "on purpose"));
                std::future::ready(failed.map_or(Ok(1), Err))
            })
        });
        tokio::time::sleep(INTERVAL * 3 + Duration::from_secs(1)).await;
        assert_eq!(rounds.load(Ordering::SeqCst), 3);
        tasks.stop();
        tasks.drain().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_round_that_takes_long_is_no_silence_and_is_left_for_a_stop() {
        let tasks = Tasks::new();
        tasks.spawn_loop("erasure", SILENCE_MAX, |pulse| keep_erasing(pulse, &SystemClock, |_| std::future::pending()));
        tokio::time::sleep(INTERVAL + SILENCE_MAX / 2).await;
        assert_eq!(tasks.silent(), []);
        tasks.stop();
        tasks.drain().await;
    }
}
