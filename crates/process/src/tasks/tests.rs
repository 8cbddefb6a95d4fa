use super::*;

const SILENCE_MAX: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_panic_in_a_task_is_a_failure_of_the_process_and_reported_to_whoever_waits() {
    let tasks = Tasks::new();
    let other_group = tasks.group();
    let waited_for = tasks.spawn("example", async { panic!("on purpose") });
    assert!(waited_for.await.unwrap_err().is_panic());
    assert_eq!(other_group.failed().await, TaskFailure::Panicked("example"));
}

#[tokio::test]
async fn a_panic_in_a_loop_is_a_failure_of_the_process() {
    let tasks = Tasks::new();
    tasks.spawn_loop("example", SILENCE_MAX, |_| async { panic!("on purpose") });
    assert_eq!(tasks.failed().await, TaskFailure::Panicked("example"));
}

#[tokio::test]
async fn a_loop_that_ends_unasked_is_a_failure_and_one_that_was_stopped_is_none() {
    let tasks = Tasks::new();
    let stopped = tasks.group();
    stopped.spawn_loop("stopped", SILENCE_MAX, |pulse| async move {
        while pulse.wait(std::future::pending::<()>()).await.is_some() {}
    });
    stopped.stop();
    stopped.drain().await;
    tasks.spawn_loop("ended", SILENCE_MAX, |_| async {});
    assert_eq!(tasks.failed().await, TaskFailure::Ended("ended"));
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_is_stuck_is_named_and_one_that_waits_or_was_stopped_is_not() {
    let tasks = Tasks::new();
    let stopped = tasks.group();
    tasks.spawn_loop("stuck", SILENCE_MAX, |pulse| async move {
        pulse.work(std::future::pending::<()>()).await;
    });
    tasks.spawn_loop("waits", SILENCE_MAX, |pulse| async move {
        pulse.wait(std::future::pending::<()>()).await;
    });
    stopped.spawn_loop("stopped", SILENCE_MAX, |pulse| async move {
        pulse.work(std::future::pending::<()>()).await;
    });
    stopped.stop();
    stopped.drain().await;
    tokio::time::sleep(SILENCE_MAX).await;
    assert_eq!(tasks.silent(), []);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let silent: Vec<&str> = tasks.silent().iter().map(|task| task.name).collect();
    assert_eq!(silent, ["stuck"]);
}
