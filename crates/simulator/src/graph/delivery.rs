//! Sending notices, several items in one request where they go to the same address, and repeating what was not accepted. At
//! least once: a notice that was on its way when the simulator was killed is sent again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::header;
use chrono::TimeDelta;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::ids::guid;
use super::{Shared, World};
use crate::core::deliveries::{Attempt, DeliveryStatus, NextDue};

/// Requests that are on their way at the same time.
const CONCURRENT_DELIVERIES_MAX: usize = 128;
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(30 * 60);

/// What the delivery task does next.
enum Next {
    Send(Envelope),
    WaitFor(Duration),
    WaitForWork,
}

/// Notices ready to be sent.
struct Envelope {
    numbers: Vec<u64>,
    address: String,
    body: Value,
    timeout: Duration,
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
                // What becomes of it, the notices' own records say.
                drop(shared.tasks.spawn("delivery of notices", async move {
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
    let request = shared
        .webhook_client
        .post(&envelope.address)
        .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
        .timeout(envelope.timeout)
        .json(&envelope.body)
        .send();
    let begun = Instant::now();
    let outcome = tokio::select! {
        outcome = request => outcome,
        // The notices stay pending in the journal and are sent again after a restart.
        () = shared.shutdown.cancelled() => return,
    };
    let took = begun.elapsed();
    let outcome = outcome.map(|response| response.status().as_u16()).map_err(|error| error.without_url().to_string());
    let base = shared.options.delivery.retry_base_delay;
    shared.with_world_unpromised(|world| {
        let now = world.clock.real_now();
        let rules = world.provider.endpoint_rules.clone();
        world.provider.endpoints.note(&envelope.address, now, took, &rules);
        for number in &envelope.numbers {
            world.finish_attempt(*number, outcome.clone(), base);
        }
    });
}

impl World {
    fn next_delivery(&mut self) -> Next {
        let now = self.clock.real_now();
        loop {
            let number = match self.deliveries.next_due(now) {
                NextDue::Now { number } => number,
                NextDue::After(pause) => return Next::WaitFor(pause),
                NextDue::Never => return Next::WaitForWork,
            };
            let Some(address) = self.address_of(number) else { continue };
            let mut numbers = vec![number];
            let room = usize::try_from(self.provider.quirks.notice_batch_max).unwrap_or(1).saturating_sub(1);
            if room > 0 {
                // What is repeated goes alone, and with the time of a repetition.
                let is_first =
                    |number: u64| self.deliveries.get(number).is_some_and(|record| record.attempts.is_empty());
                let others = self.deliveries.due_by(now).filter(|other| {
                    is_first(number) && is_first(*other) && self.address_of(*other).as_ref() == Some(&address)
                });
                numbers.extend(others.take(room).collect::<Vec<u64>>());
            }
            for other in numbers.iter().skip(1) {
                self.deliveries.take(*other);
            }
            let items: Vec<Value> = numbers.iter().filter_map(|number| self.item_of(*number)).collect();
            let is_first = self.deliveries.get(number).is_some_and(|record| record.attempts.is_empty());
            let rules = &self.provider.endpoint_rules;
            let timeout_ms = if is_first { rules.first_timeout_ms } else { rules.retry_timeout_ms };
            let timeout = Duration::from_millis(timeout_ms);
            return Next::Send(Envelope { numbers, address, body: json!({"value": items}), timeout });
        }
    }

    fn address_of(&self, number: u64) -> Option<String> {
        let record = self.deliveries.get(number)?;
        let subscription = self.provider.subscriptions.get(record.channel_number)?;
        self.provider.notices.get(&number)?.address_of(subscription).map(str::to_owned)
    }

    fn item_of(&self, number: u64) -> Option<Value> {
        let record = self.deliveries.get(number)?;
        let subscription = self.provider.subscriptions.get(record.channel_number)?;
        let id = guid(self.seed(), "notice", &number.to_string());
        let tenant = self.tenant_of(&subscription.user);
        Some(self.provider.notices.get(&number)?.item(subscription, &tenant, &id))
    }

    /// Notes how an attempt ended.
    fn finish_attempt(&mut self, number: u64, outcome: Result<u16, String>, base: Duration) {
        let Some(mut record) = self.deliveries.get(number).cloned() else { return };
        let at = self.clock.real_now();
        drop(self.deliveries.attempt_ended(&record));
        let status = outcome.as_ref().ok().copied();
        record.attempts.push(Attempt { at, status, error: outcome.err() });
        record.next_attempt_at = None;
        let is_accepted = status.is_some_and(|status| (200..300).contains(&status));
        let repetitions = u32::try_from(record.attempts.len()).unwrap_or(u32::MAX).saturating_sub(1);
        let pause = base.saturating_mul(2_u32.saturating_pow(repetitions.min(16))).min(RETRY_PAUSE_MAX);
        let next = TimeDelta::from_std(pause).map_or(at, |pause| at + pause);
        let first = record.attempts.first().map_or(at, |attempt| attempt.at);
        let limit = i64::try_from(self.provider.endpoint_rules.retry_for_ms).unwrap_or(i64::MAX);
        record.status = if is_accepted {
            DeliveryStatus::Delivered
        } else if (next - first).num_milliseconds() <= limit {
            record.next_attempt_at = Some(next);
            DeliveryStatus::Pending
        } else {
            DeliveryStatus::Exhausted
        };
        if record.status == DeliveryStatus::Pending {
            self.notices_queued = true;
        } else {
            self.forget_notice(number);
        }
        self.save_delivery(record);
    }
}
