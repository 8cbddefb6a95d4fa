//! Group commit: callers that want the same work for one calendar at the same time share one call.
//!
//! A task per calendar lives only while there is work. The first caller's work begins at once; a caller that comes while it
//! runs, or within the spacing after it began, joins the next round. While callers keep coming, the spacing grows. Every caller
//! is answered by a round that began after the caller came. The work belongs to the task: it goes on when a caller goes away.
//! Not for: what the work is (`notices.rs`, `sync_now.rs`).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use evercal_domain::CalendarId;
use evercal_process::Tasks;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Work that callers can share.
#[async_trait]
pub(crate) trait Work: Send + Sync + 'static {
    /// What a caller brings.
    type Item: Send + 'static;
    /// What each caller gets back.
    type Outcome: Clone + Send + 'static;

    /// Joins what two callers brought.
    fn merge(into: &mut Self::Item, next: Self::Item);
    /// Does it. Has to end by itself: the next round waits for it.
    async fn perform(&self, calendar: CalendarId, item: Self::Item) -> Self::Outcome;
}

/// The bounds of a group commit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GroupLimits {
    /// The least time between the beginnings of the first two rounds of one calendar; between the next two twice as much.
    pub spacing: Duration,
    /// Where the spacing stops growing: how long a caller waits at most for a round to begin.
    pub spacing_max: Duration,
    /// Calendars with work at the same time.
    pub calendars_max: usize,
    /// Callers that wait for one round of one calendar.
    pub waiters_max: usize,
}

/// A bound is reached: nothing was taken on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Busy;

/// Shares rounds of work among callers.
pub(crate) struct GroupCommit<W: Work> {
    shared: Arc<Shared<W>>,
}

struct Shared<W: Work> {
    work: W,
    limits: GroupLimits,
    /// The next round of each calendar that has a task.
    rounds: Mutex<HashMap<CalendarId, Round<W>>>,
    tasks: Tasks,
}

type Waiters<W> = Vec<oneshot::Sender<<W as Work>::Outcome>>;

struct Round<W: Work> {
    item: Option<W::Item>,
    waiters: Waiters<W>,
}

impl<W: Work> GroupCommit<W> {
    /// Shares `work` within these bounds, done by tasks of this group.
    pub(crate) fn new(work: W, limits: GroupLimits, tasks: Tasks) -> Self {
        Self { shared: Arc::new(Shared { work, limits, rounds: Mutex::default(), tasks }) }
    }

    /// Joins the calendar's next round. The answer comes when that round has ended; it does not come at all only if the
    /// work panicked.
    pub(crate) fn join(&self, calendar: CalendarId, item: W::Item) -> Result<oneshot::Receiver<W::Outcome>, Busy> {
        let (answer, answered) = oneshot::channel();
        let mut rounds = self.shared.rounds();
        let calendars = rounds.len();
        match rounds.entry(calendar) {
            Entry::Occupied(mut round) => round.get_mut().add(item, answer, self.shared.limits.waiters_max)?,
            Entry::Vacant(_) if calendars >= self.shared.limits.calendars_max => return Err(Busy),
            Entry::Vacant(free) => {
                free.insert(Round { item: Some(item), waiters: vec![answer] });
                // Its end is awaited by `drain`, its answers by the callers.
                drop(self.shared.tasks.spawn("group commit", Arc::clone(&self.shared).run(calendar)));
            }
        }
        Ok(answered)
    }

    /// Ends all rounds without any more spacing, and waits for them.
    pub(crate) async fn drain(&self) {
        self.shared.tasks.stop();
        self.shared.tasks.drain().await;
    }
}

impl<W: Work> Round<W> {
    fn add(&mut self, item: W::Item, answer: oneshot::Sender<W::Outcome>, waiters_max: usize) -> Result<(), Busy> {
        if self.waiters.len() >= waiters_max {
            return Err(Busy);
        }
        match &mut self.item {
            Some(waiting) => W::merge(waiting, item),
            None => self.item = Some(item),
        }
        self.waiters.push(answer);
        Ok(())
    }
}

impl<W: Work> Shared<W> {
    async fn run(self: Arc<Self>, calendar: CalendarId) {
        let mut presence = Presence { shared: &self, calendar, ended: false };
        let mut spacing = self.limits.spacing;
        let closing = self.tasks.stopping();
        while let Some((item, waiters)) = self.take(calendar) {
            let began = Instant::now();
            let outcome = self.work.perform(calendar, item).await;
            for waiter in waiters {
                // A caller that has gone away needs no answer.
                drop(waiter.send(outcome.clone()));
            }
            tokio::select! {
                () = tokio::time::sleep_until(began + spacing) => {}
                () = closing.cancelled() => {}
            }
            spacing = (spacing * 2).min(self.limits.spacing_max);
        }
        presence.ended = true;
    }

    /// The next round; when there is none, the calendar is idle and forgotten in the same breath.
    fn take(&self, calendar: CalendarId) -> Option<(W::Item, Waiters<W>)> {
        let mut rounds = self.rounds();
        let round = rounds.get_mut(&calendar)?;
        let Some(item) = round.item.take() else {
            rounds.remove(&calendar);
            return None;
        };
        Some((item, std::mem::take(&mut round.waiters)))
    }

    fn rounds(&self) -> MutexGuard<'_, HashMap<CalendarId, Round<W>>> {
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets the calendar when its task dies of a panic; otherwise callers would join a round that nobody runs.
struct Presence<'a, W: Work> {
    shared: &'a Shared<W>,
    calendar: CalendarId,
    ended: bool,
}

impl<W: Work> Drop for Presence<'_, W> {
    fn drop(&mut self) {
        if !self.ended {
            self.shared.rounds().remove(&self.calendar);
        }
    }
}

#[cfg(test)]
mod tests;
