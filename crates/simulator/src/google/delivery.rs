//! Sending notices to channel addresses, with the documented headers and the documented rule for repetitions
//! (source: Google's push guide). At least once: a notice that was on its way when the simulator was killed is sent again.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use chrono::TimeDelta;
use tokio::sync::{Semaphore, oneshot};

use super::channels::{ChannelRecord, NewNotice};
use super::{Shared, World};
use crate::core::deliveries::{Attempt, DeliveryRecord, DeliveryStatus, NextDue};
use crate::core::options::DeliveryOptions;

/// Notices that are on their way at the same time.
const CONCURRENT_DELIVERIES_MAX: usize = 128;
const SUCCESS: [u16; 5] = [200, 201, 202, 204, 102];
const RETRIED: [u16; 4] = [500, 502, 503, 504];
const USER_AGENT: &str = "APIs-Google; (+https://developers.google.com/webmasters/APIs-Google.html)";

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
    let slots = Arc::new(Semaphore::new(CONCURRENT_DELIVERIES_MAX));
    loop {
        let slots = Arc::clone(&slots);
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
        let Some(channel) = self.provider.channels.get(notice.channel) else {
            return;
        };
        let mut channel = channel.clone();
        let fate = self.fate_of_notice();
        channel.last_message_number += 1;
        if notice.state != "sync" {
            channel.last_message_number += fate.numbers_skipped;
        }
        let real_now = self.clock.real_now();
        let mut first_attempt = notice.first_attempt.filter(|_| fate.delay_ms == 0);
        for _ in 0..fate.copies {
            let status = if fate.dropped {
                DeliveryStatus::Lost
            } else if !self.deliveries.has_room_for(channel.number) {
                DeliveryStatus::NotQueued
            } else {
                DeliveryStatus::Pending
            };
            let delay = TimeDelta::milliseconds(i64::try_from(fate.delay_ms).unwrap_or(i64::MAX));
            let record = DeliveryRecord {
                number: self.deliveries.next_number(),
                channel_number: channel.number,
                message_number: channel.last_message_number,
                state: notice.state.to_owned(),
                created_at: notice.now,
                status,
                attempts: Vec::new(),
                next_attempt_at: (status == DeliveryStatus::Pending).then(|| real_now + delay),
            };
            if let Some(sender) = first_attempt.take().filter(|_| status == DeliveryStatus::Pending) {
                self.deliveries.report_first_attempt(record.number, sender);
            }
            self.save_delivery(record);
        }
        self.notices_queued = true;
        self.save_channel(channel);
    }

    fn next_delivery(&mut self) -> Next {
        let now = self.clock.real_now();
        loop {
            let number = match self.deliveries.next_due(now) {
                NextDue::Now { number } => number,
                NextDue::After(pause) => return Next::WaitFor(pause),
                NextDue::Never => return Next::WaitForWork,
            };
            let record = self.deliveries.get(number);
            let channel = record.and_then(|record| self.provider.channels.get(record.channel_number));
            if let (Some(record), Some(channel)) = (record, channel) {
                let (address, headers) = (channel.address.clone(), headers(channel, record));
                return Next::Send(Envelope { number, address, headers });
            }
        }
    }

    /// Notes how an attempt ended; gives back who waits for the end of the first one.
    fn finish_attempt(
        &mut self,
        number: u64,
        outcome: Result<u16, String>,
        options: &DeliveryOptions,
    ) -> Option<oneshot::Sender<()>> {
        let at = self.clock.real_now();
        let mut record = self.deliveries.get(number)?.clone();
        let waiting = self.deliveries.attempt_ended(&record);
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
