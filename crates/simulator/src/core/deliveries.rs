//! The register of notices: which wait, which are on their way, and what became of them. How a notice looks and which
//! answers let it be repeated, the provider says.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

/// Notices that may wait for one channel. Further ones are not queued: the waiting ones, sent after the change
/// was made, say the same.
pub const MAX_PENDING_PER_CHANNEL: usize = 1_000;
/// Notices whose history is kept; the oldest finished ones are forgotten beyond it.
pub const MAX_DELIVERIES_KEPT: usize = 100_000;

/// What became of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// It waits for its first or next attempt.
    Pending,
    /// The receiver accepted it.
    Delivered,
    /// The receiver could not be reached or answered with a code that is not repeated.
    Refused,
    /// Every attempt was answered with a code that is repeated.
    Exhausted,
    /// The notice plan dropped it.
    Lost,
    /// Too many notices of the channel were waiting already.
    NotQueued,
}

/// One attempt to deliver a notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Real time at which the attempt ended.
    pub at: DateTime<Utc>,
    /// The HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// What went wrong, if there was none.
    pub error: Option<String>,
}

/// One notice and its history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryRecord {
    /// Order of creation among all notices.
    pub number: u64,
    /// The channel's number in the register.
    pub channel_number: u64,
    /// The notice's number in its channel, as the receiver gets it.
    pub message_number: u64,
    /// What the notice announces, in the provider's word: `sync`, `exists`.
    pub state: String,
    /// Virtual time of the change.
    pub created_at: DateTime<Utc>,
    /// What became of it.
    pub status: DeliveryStatus,
    /// All attempts so far.
    pub attempts: Vec<Attempt>,
    /// Real time of the next attempt, while pending.
    pub next_attempt_at: Option<DateTime<Utc>>,
}

/// How many notices there are of each status.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliverySummary {
    /// The counts.
    pub counts: BTreeMap<DeliveryStatus, u64>,
}

impl DeliverySummary {
    /// The number of notices with this status.
    pub fn count(&self, status: DeliveryStatus) -> u64 {
        self.counts.get(&status).copied().unwrap_or_default()
    }
}

/// The notice that falls due next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NextDue {
    /// This one, now; it is not due any more.
    Now {
        number: u64,
    },
    After(Duration),
    /// None waits.
    Never,
}

#[derive(Default)]
pub(crate) struct Deliveries {
    records: BTreeMap<u64, DeliveryRecord>,
    /// Real milliseconds and number of each notice that waits.
    due: BTreeSet<(i64, u64)>,
    pending: HashMap<u64, usize>,
    first_attempts: HashMap<u64, oneshot::Sender<()>>,
    last_number: u64,
}

impl Deliveries {
    pub(crate) fn restore(&mut self, record: DeliveryRecord) {
        self.last_number = self.last_number.max(record.number);
        self.insert(record);
    }

    /// Adds or replaces a notice; answers with the number of the one that is forgotten for it, if any.
    pub(crate) fn keep(&mut self, record: DeliveryRecord) -> Option<u64> {
        self.insert(record);
        self.trim()
    }

    fn insert(&mut self, record: DeliveryRecord) {
        if let Some(at) = record.next_attempt_at {
            self.due.insert((at.timestamp_millis(), record.number));
            *self.pending.entry(record.channel_number).or_default() += 1;
        }
        self.records.insert(record.number, record);
    }

    /// Forgets the oldest finished notice when there are too many.
    fn trim(&mut self) -> Option<u64> {
        if self.records.len() <= MAX_DELIVERIES_KEPT {
            return None;
        }
        let oldest = self.records.values().find(|record| record.status != DeliveryStatus::Pending)?.number;
        self.records.remove(&oldest);
        Some(oldest)
    }

    pub(crate) fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    pub(crate) fn get(&self, number: u64) -> Option<&DeliveryRecord> {
        self.records.get(&number)
    }

    pub(crate) fn by_channel(&self) -> HashMap<u64, Vec<DeliveryRecord>> {
        let mut grouped: HashMap<u64, Vec<DeliveryRecord>> = HashMap::new();
        for record in self.records.values() {
            grouped.entry(record.channel_number).or_default().push(record.clone());
        }
        grouped
    }

    pub(crate) fn summary(&self) -> DeliverySummary {
        let mut summary = DeliverySummary::default();
        for record in self.records.values() {
            *summary.counts.entry(record.status).or_default() += 1;
        }
        summary
    }

    /// Whether one more notice may wait for a channel.
    pub(crate) fn has_room_for(&self, channel: u64) -> bool {
        self.pending.get(&channel).copied().unwrap_or_default() < MAX_PENDING_PER_CHANNEL
    }

    /// Signals `sender` when the first attempt of a notice has ended.
    pub(crate) fn report_first_attempt(&mut self, number: u64, sender: oneshot::Sender<()>) {
        self.first_attempts.insert(number, sender);
    }

    /// The notice that falls due next, in real time.
    pub(crate) fn next_due(&mut self, now: DateTime<Utc>) -> NextDue {
        let now = now.timestamp_millis();
        match self.due.first().copied() {
            None => NextDue::Never,
            Some((at, _)) if at > now => NextDue::After(Duration::from_millis((at - now).unsigned_abs())),
            Some((_, number)) => {
                self.due.pop_first();
                NextDue::Now { number }
            }
        }
    }

    /// The notices that are due by now, the oldest first; they stay due.
    pub(crate) fn due_by(&self, now: DateTime<Utc>) -> impl Iterator<Item = u64> {
        let now = now.timestamp_millis();
        self.due.iter().take_while(move |(at, _)| *at <= now).map(|(_, number)| *number)
    }

    /// A notice is on its way with another one: it is not due any more.
    pub(crate) fn take(&mut self, number: u64) {
        if let Some(at) = self.records.get(&number).and_then(|record| record.next_attempt_at) {
            self.due.remove(&(at.timestamp_millis(), number));
        }
    }

    /// An attempt of a notice has ended: the notice is not waited for any more, until it is kept as pending again. Answers
    /// with who waits for the first attempt.
    pub(crate) fn attempt_ended(&mut self, record: &DeliveryRecord) -> Option<oneshot::Sender<()>> {
        if let Some(count) = self.pending.get_mut(&record.channel_number) {
            *count = count.saturating_sub(1);
        }
        self.first_attempts.remove(&record.number)
    }
}
