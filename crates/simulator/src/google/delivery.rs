//! Sending notices to channel addresses, with the documented headers and the documented rule for repetitions
//! (source: Google's push guide). At least once: a notice that was on its way when the simulator was killed is sent again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::channels::ChannelRecord;
use crate::core::options::DeliveryOptions;
use crate::core::world::{Shared, World};

/// Notices that may wait for one channel. Further ones are not queued: the waiting ones, sent after the change
/// was made, say the same.
pub const MAX_PENDING_PER_CHANNEL: usize = 1_000;
/// Notices whose history is kept; the oldest finished ones are forgotten beyond it.
pub const MAX_DELIVERIES_KEPT: usize = 100_000;
/// Notices that are on their way at the same time.
pub(crate) const CONCURRENT_DELIVERIES_MAX: usize = 128;
const SUCCESS: [u16; 5] = [200, 201, 202, 204, 102];
const RETRIED: [u16; 4] = [500, 502, 503, 504];
const USER_AGENT: &str = "APIs-Google; (+https://developers.google.com/webmasters/APIs-Google.html)";

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
    /// Every attempt was answered with 500, 502, 503 or 504.
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
    /// `X-Goog-Message-Number`.
    pub message_number: u64,
    /// `X-Goog-Resource-State`: `sync` or `exists`.
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

/// A notice to be queued.
pub(crate) struct NewNotice {
    pub(crate) channel: u64,
    pub(crate) state: &'static str,
    pub(crate) now: DateTime<Utc>,
    /// Told when the first attempt has ended.
    pub(crate) first_attempt: Option<oneshot::Sender<()>>,
}

/// All notices.
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

    fn insert(&mut self, record: DeliveryRecord) {
        if let Some(at) = record.next_attempt_at {
            self.due.insert((at.timestamp_millis(), record.number));
            *self.pending.entry(record.channel_number).or_default() += 1;
        }
        self.records.insert(record.number, record);
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

    fn waiting_for(&self, channel: u64) -> usize {
        self.pending.get(&channel).copied().unwrap_or_default()
    }

    fn no_longer_pending(&mut self, channel: u64) {
        if let Some(count) = self.pending.get_mut(&channel) {
            *count = count.saturating_sub(1);
        }
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
}

/// What the delivery task does next.
enum Next {
    Send(Envelope),
    WaitFor(Duration),
    WaitForWork,
}

/// A notice ready to be sent.
struct Envelope {
    number: u64,
    address: String,
    headers: HeaderMap,
}

/// Sends notices as they fall due, until shutdown.
pub(crate) async fn run(shared: Arc<Shared>) {
    loop {
        let slots = Arc::clone(&shared.delivery_slots);
        let slot = tokio::select! {
            slot = slots.acquire_owned() => slot,
            () = shared.shutdown.cancelled() => return,
        };
        let Ok(slot) = slot else { return };
        let pause = match shared.with_world_unpromised(World::next_delivery) {
            Next::Send(envelope) => {
                let sending = Arc::clone(&shared);
                // What becomes of it, the notice's own record says.
                drop(shared.tasks.spawn("delivery of a notice", async move {
                    send(&sending, envelope).await;
                    drop(slot);
                }));
                continue;
            }
            Next::WaitFor(pause) => Some(pause),
            Next::WaitForWork => None,
        };
        drop(slot);
        tokio::select! {
            () = shared.delivery_wake.notified() => {}
            () = shared.shutdown.cancelled() => return,
            () = sleep_if(pause), if pause.is_some() => {}
        }
    }
}

async fn sleep_if(pause: Option<Duration>) {
    if let Some(pause) = pause {
        tokio::time::sleep(pause).await;
    }
}

async fn send(shared: &Shared, envelope: Envelope) {
    let request = shared.webhook_client.post(&envelope.address).headers(envelope.headers).send();
    let outcome = tokio::select! {
        outcome = request => outcome,
        // The notice stays pending in the journal and is sent again after a restart.
        () = shared.shutdown.cancelled() => return,
    };
    let outcome = outcome.map(|response| response.status().as_u16()).map_err(|error| error.without_url().to_string());
    let options = shared.options.delivery.clone();
    let finished = shared.with_world_unpromised(|world| world.finish_attempt(envelope.number, outcome, &options));
    if let Some(first_attempt) = finished {
        let _given_up = first_attempt.send(());
    }
}

impl World {
    /// Queues a notice, with whatever the notice plan does to it.
    pub(crate) fn queue_notice(&mut self, notice: NewNotice) {
        let Some(channel) = self.google.channels.get(notice.channel) else {
            return;
        };
        let mut channel = channel.clone();
        let fate = self.notices.decide();
        if *self.notices.plan() != crate::core::notices::NoticePlan::default() {
            self.save_notices();
        }
        channel.last_message_number += 1;
        if notice.state != "sync" {
            channel.last_message_number += fate.numbers_skipped;
        }
        let real_now = self.clock.real_now();
        let mut first_attempt = notice.first_attempt.filter(|_| fate.delay_ms == 0);
        for _ in 0..fate.copies {
            let status = if fate.dropped {
                DeliveryStatus::Lost
            } else if self.google.deliveries.waiting_for(channel.number) >= MAX_PENDING_PER_CHANNEL {
                DeliveryStatus::NotQueued
            } else {
                DeliveryStatus::Pending
            };
            let delay = TimeDelta::milliseconds(i64::try_from(fate.delay_ms).unwrap_or(i64::MAX));
            self.google.deliveries.last_number += 1;
            let record = DeliveryRecord {
                number: self.google.deliveries.last_number,
                channel_number: channel.number,
                message_number: channel.last_message_number,
                state: notice.state.to_owned(),
                created_at: notice.now,
                status,
                attempts: Vec::new(),
                next_attempt_at: (status == DeliveryStatus::Pending).then(|| real_now + delay),
            };
            if let Some(sender) = first_attempt.take().filter(|_| status == DeliveryStatus::Pending) {
                self.google.deliveries.first_attempts.insert(record.number, sender);
            }
            self.save_delivery(record);
        }
        self.notices_queued = true;
        self.save_channel(channel);
    }

    fn save_delivery(&mut self, record: DeliveryRecord) {
        self.journal.put(&format!("delivery/{}", record.number), &record);
        self.google.deliveries.insert(record);
        if let Some(forgotten) = self.google.deliveries.trim() {
            self.journal.remove(&format!("delivery/{forgotten}"));
        }
    }

    fn next_delivery(&mut self) -> Next {
        let now = self.clock.real_now().timestamp_millis();
        let deliveries = &mut self.google.deliveries;
        while let Some(&(at, number)) = deliveries.due.first() {
            if at > now {
                return Next::WaitFor(Duration::from_millis((at - now).unsigned_abs()));
            }
            deliveries.due.pop_first();
            let channel = deliveries
                .records
                .get(&number)
                .and_then(|record| Some((record, self.google.channels.get(record.channel_number)?)));
            if let Some((record, channel)) = channel {
                return Next::Send(Envelope {
                    number,
                    address: channel.address.clone(),
                    headers: headers(channel, record),
                });
            }
        }
        Next::WaitForWork
    }

    /// Notes how an attempt ended; gives back who waits for the end of the first one.
    fn finish_attempt(
        &mut self,
        number: u64,
        outcome: Result<u16, String>,
        options: &DeliveryOptions,
    ) -> Option<oneshot::Sender<()>> {
        let at = self.clock.real_now();
        let deliveries = &mut self.google.deliveries;
        let mut record = deliveries.records.get(&number)?.clone();
        deliveries.no_longer_pending(record.channel_number);
        let status = outcome.as_ref().ok().copied();
        record.attempts.push(Attempt { at, status, error: outcome.err() });
        record.next_attempt_at = None;
        let attempts = u32::try_from(record.attempts.len()).unwrap_or(u32::MAX);
        record.status = match status {
            Some(status) if SUCCESS.contains(&status) => DeliveryStatus::Delivered,
            Some(status) if RETRIED.contains(&status) && attempts < options.attempts_max => {
                let doubled = 2_u32.saturating_pow(attempts.saturating_sub(1));
                let pause = options.retry_base_delay.saturating_mul(doubled);
                record.next_attempt_at = TimeDelta::from_std(pause).ok().map(|pause| at + pause);
                DeliveryStatus::Pending
            }
            Some(status) if RETRIED.contains(&status) => DeliveryStatus::Exhausted,
            _ => DeliveryStatus::Refused,
        };
        self.notices_queued |= record.status == DeliveryStatus::Pending;
        let waiting = deliveries.first_attempts.remove(&number);
        self.save_delivery(record);
        waiting
    }
}

fn headers(channel: &ChannelRecord, record: &DeliveryRecord) -> HeaderMap {
    let expires_at = channel.expires_at.format("%a, %d %b %Y %H:%M:%S GMT");
    let values = [
        ("x-goog-channel-id", Some(channel.id.clone())),
        ("x-goog-message-number", Some(record.message_number.to_string())),
        ("x-goog-resource-id", Some(channel.resource_id.clone())),
        ("x-goog-resource-state", Some(record.state.clone())),
        ("x-goog-resource-uri", Some(channel.resource_uri.clone())),
        ("x-goog-channel-expiration", Some(expires_at.to_string())),
        ("x-goog-channel-token", channel.token.clone()),
    ];
    let mut headers = HeaderMap::new();
    headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    for (name, value) in values {
        // A token with characters that no header can carry is left out, as an unset one.
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    headers
}
