use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// When a round began and what it was asked.
type Rounds = Vec<(Instant, Vec<u32>)>;

/// Remembers each round.
#[derive(Clone, Default)]
struct Recorder {
    rounds: Arc<Mutex<Rounds>>,
    duration: Duration,
    panics: Arc<AtomicU32>,
}

#[async_trait]
impl Work for Recorder {
    type Item = Vec<u32>;
    type Outcome = Vec<u32>;

    fn merge(into: &mut Vec<u32>, next: Vec<u32>) {
        into.extend(next);
    }

    async fn perform(&self, _: CalendarId, item: Vec<u32>) -> Vec<u32> {
        self.rounds.lock().unwrap().push((Instant::now(), item.clone()));
        tokio::time::sleep(self.duration).await;
        assert!(self.panics.fetch_sub(1, Ordering::SeqCst) != 1, "as the test asked");
        item
    }
}

const SPACING: Duration = Duration::from_millis(500);
const SPACING_MAX: Duration = Duration::from_millis(1_500);
const LIMITS: GroupLimits =
    GroupLimits { spacing: SPACING, spacing_max: SPACING_MAX, calendars_max: 2, waiters_max: 2_000 };

fn recorder(duration: Duration) -> (Recorder, GroupCommit<Recorder>) {
    let recorder = Recorder { duration, panics: Arc::new(AtomicU32::new(u32::MAX)), ..Recorder::default() };
    (recorder.clone(), GroupCommit::new(recorder, LIMITS, Tasks::new()))
}

fn rounds(recorder: &Recorder) -> Rounds {
    recorder.rounds.lock().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn the_first_caller_of_an_idle_calendar_is_served_at_once() {
    let (_, group) = recorder(Duration::ZERO);
    let began = Instant::now();
    group.join(CalendarId::generate(), vec![1]).unwrap().await.unwrap();
    assert!(began.elapsed() < Duration::from_millis(2), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_a_thousand_callers_costs_two_rounds() {
    let (recorder, group) = recorder(Duration::from_millis(5));
    let calendar = CalendarId::generate();
    let mut answers = vec![group.join(calendar, vec![0]).unwrap()];
    tokio::task::yield_now().await;
    answers.extend((1..1_000).map(|number| group.join(calendar, vec![number]).unwrap()));
    for (number, answer) in (0..).zip(answers) {
        assert!(answer.await.unwrap().contains(&number), "caller {number} was answered by a round without it");
    }
    let rounds = rounds(&recorder);
    assert_eq!(rounds.len(), 2);
    assert_eq!(rounds[1].0 - rounds[0].0, SPACING);
}

#[tokio::test(start_paused = true)]
async fn while_callers_keep_coming_rounds_keep_their_distance_and_nobody_is_left_out() {
    let (recorder, group) = recorder(Duration::from_millis(30));
    let calendar = CalendarId::generate();
    let mut answers = Vec::new();
    for number in 0..200 {
        answers.push(group.join(calendar, vec![number]).unwrap());
        tokio::time::sleep(Duration::from_millis(u64::from(number * 7 % 40))).await;
    }
    for (number, answer) in (0..).zip(answers) {
        assert!(answer.await.unwrap().contains(&number));
    }
    let rounds = rounds(&recorder);
    let gaps: Vec<Duration> = rounds.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    assert_eq!(gaps[..3], [SPACING, SPACING * 2, SPACING_MAX], "the distance grows up to its bound");
    assert!(gaps[3..].iter().all(|gap| *gap == SPACING_MAX), "{gaps:?}");
    assert_eq!(rounds.iter().map(|(_, items)| items.len()).sum::<usize>(), 200, "each caller is in one round");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_loses_nothing() {
    let (recorder, group) = recorder(Duration::from_millis(5));
    let calendar = CalendarId::generate();
    drop(group.join(calendar, vec![1]).unwrap());
    drop(group.join(calendar, vec![2]).unwrap());
    group.drain().await;
    let done: Vec<u32> = rounds(&recorder).into_iter().flat_map(|(_, items)| items).collect();
    assert_eq!(done, [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn an_idle_calendar_takes_no_place() {
    let (_, group) = recorder(Duration::ZERO);
    for _ in 0..10 {
        group.join(CalendarId::generate(), vec![1]).unwrap().await.unwrap();
        tokio::time::sleep(SPACING * 2).await;
    }
    assert_eq!(group.shared.rounds().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn after_a_rest_the_distance_is_the_first_again() {
    let (recorder, group) = recorder(Duration::ZERO);
    let calendar = CalendarId::generate();
    for _ in 0..2 {
        let mut answers = Vec::new();
        for number in 0..20 {
            answers.push(group.join(calendar, vec![number]).unwrap());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        futures::future::join_all(answers).await;
        tokio::time::sleep(SPACING_MAX * 2).await;
    }
    let rounds = rounds(&recorder);
    let second = rounds.windows(2).position(|pair| pair[1].0 - pair[0].0 > SPACING_MAX).unwrap() + 1;
    assert_eq!(rounds[second + 1].0 - rounds[second].0, SPACING, "{rounds:?}");
}

#[tokio::test(start_paused = true)]
async fn beyond_its_bounds_it_takes_nothing_on() {
    let (_, group) = recorder(Duration::from_secs(1));
    let calendar = CalendarId::generate();
    let waiting: Vec<_> = (0..2_000).map(|number| group.join(calendar, vec![number]).unwrap()).collect();
    assert_eq!(group.join(calendar, vec![0]).unwrap_err(), Busy);
    let other = group.join(CalendarId::generate(), vec![1]);
    assert!(other.is_ok(), "one busy calendar does not keep others out");
    assert_eq!(group.join(CalendarId::generate(), vec![1]).unwrap_err(), Busy, "a third calendar is one too many");
    drop(waiting);
}

#[tokio::test(start_paused = true)]
async fn after_a_panic_the_calendar_is_served_again() {
    let (recorder, group) = recorder(Duration::ZERO);
    let calendar = CalendarId::generate();
    recorder.panics.store(1, Ordering::SeqCst);
    assert!(group.join(calendar, vec![1]).unwrap().await.is_err());
    tokio::time::sleep(SPACING).await;
    recorder.panics.store(u32::MAX, Ordering::SeqCst);
    assert_eq!(group.join(calendar, vec![2]).unwrap().await.unwrap(), [2]);
}

#[tokio::test(start_paused = true)]
async fn draining_does_not_wait_for_the_spacing() {
    let (recorder, group) = recorder(Duration::ZERO);
    let calendar = CalendarId::generate();
    let first = group.join(calendar, vec![1]).unwrap();
    tokio::task::yield_now().await;
    let second = group.join(calendar, vec![2]).unwrap();
    let began = Instant::now();
    group.drain().await;
    assert!(began.elapsed() < SPACING);
    assert_eq!((first.await.unwrap(), second.await.unwrap()), (vec![1], vec![2]));
    assert_eq!(rounds(&recorder).len(), 2);
}
