use std::time::Duration;

use chrono::TimeDelta;

use super::*;

fn beats(name: &str, at: DateTime<Utc>) -> Vec<(String, DateTime<Utc>)> {
    vec![(name.to_owned(), at)]
}

#[tokio::test(start_paused = true)]
async fn a_worker_lives_as_long_as_its_sign_changes_whatever_its_clock_says() {
    let (mut workers, now) = (Workers::default(), DateTime::UNIX_EPOCH);
    let elsewhere = now - TimeDelta::hours(3);
    assert_eq!(workers.update(Some(beats("a", elsewhere)), now).alive, 0, "nobody knows how old that is");
    assert_eq!(workers.update(Some(beats("a", elsewhere + TimeDelta::seconds(5))), now).alive, 1);
    tokio::time::sleep(WORKER_SILENCE_MAX).await;
    assert_eq!(workers.update(Some(beats("a", elsewhere + TimeDelta::seconds(5))), now).alive, 1);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let missing = workers.update(Some(beats("a", elsewhere + TimeDelta::seconds(5))), now);
    assert_eq!((missing.alive, missing.missing_since), (0, Some(now)));
    let back = workers.update(Some(beats("a", elsewhere + TimeDelta::seconds(40))), now);
    assert_eq!((back.alive, back.missing_since), (1, None));
}

#[tokio::test(start_paused = true)]
async fn a_row_that_a_dead_worker_left_is_no_sign_of_life_and_that_of_a_new_one_is() {
    let (mut workers, now) = (Workers::default(), DateTime::UNIX_EPOCH);
    let left = now - TimeDelta::minutes(5);
    assert_eq!(workers.update(Some(beats("dead", left)), now).alive, 0);
    let both = vec![("dead".to_owned(), left), ("new".to_owned(), left)];
    assert_eq!(workers.update(Some(both), now).alive, 1);
    assert_eq!(Workers::default().update(Some(beats("alive", now)), now).alive, 1);
}

#[tokio::test(start_paused = true)]
async fn while_the_store_does_not_answer_workers_count_as_alive_for_as_long_as_a_silence_may_last() {
    let (mut workers, now) = (Workers::default(), DateTime::UNIX_EPOCH);
    assert_eq!(workers.update(Some(beats("a", now)), now).alive, 1);
    tokio::time::sleep(WORKER_SILENCE_MAX).await;
    assert_eq!(workers.update(None, now).alive, 1);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(workers.update(None, now).alive, 0);
}
