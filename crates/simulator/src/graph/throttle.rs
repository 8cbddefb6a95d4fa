//! Exchange's limits for one application and mailbox: requests at a time, and requests in ten minutes. Not journaled.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use super::errors::ApiError;
use super::quirks::Quirks;

const CONCURRENCY_MAX: u32 = 4;
const REQUESTS_MAX: u32 = 10_000;
const WINDOW: TimeDelta = TimeDelta::minutes(10);

/// The requests of each application and mailbox.
#[derive(Clone, Default)]
pub(crate) struct Throttle(Arc<Mutex<HashMap<String, Mailbox>>>);

#[derive(Default)]
struct Mailbox {
    in_flight: u32,
    recent: VecDeque<DateTime<Utc>>,
}

/// A request that counts as long as this lives.
pub(crate) struct Admission {
    throttle: Throttle,
    mailbox: String,
}

impl Throttle {
    /// Counts a request, or refuses it.
    pub(crate) fn admit(&self, mailbox: &str, quirks: &Quirks, now: DateTime<Utc>) -> Result<Admission, ApiError> {
        let limit = |asked: u32, documented: u32| if asked == 0 { documented } else { asked };
        let mut mailboxes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = mailboxes.entry(mailbox.to_owned()).or_default();
        if counted.in_flight >= limit(quirks.concurrency_max, CONCURRENCY_MAX) {
            return Err(ApiError::mailbox_concurrency());
        }
        while counted.recent.front().is_some_and(|at| now - *at >= WINDOW) {
            counted.recent.pop_front();
        }
        let recent = u32::try_from(counted.recent.len()).unwrap_or(u32::MAX);
        if recent >= limit(quirks.requests_per_ten_minutes, REQUESTS_MAX) {
            return Err(ApiError::application_throttled(429));
        }
        counted.recent.push_back(now);
        counted.in_flight += 1;
        Ok(Admission { throttle: self.clone(), mailbox: mailbox.to_owned() })
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut mailboxes = self.throttle.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counted) = mailboxes.get_mut(&self.mailbox) {
            counted.in_flight = counted.in_flight.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_request_at_a_time_is_refused_and_other_mailboxes_do_not_mind() {
        let throttle = Throttle::default();
        let now: DateTime<Utc> = "2026-11-30T10:00:00Z".parse().unwrap();
        let admit = |mailbox: &str| throttle.admit(mailbox, &Quirks::default(), now);
        let mut held: Vec<Admission> = (0..4).map(|_| admit("app/ada").ok().unwrap()).collect();
        assert_eq!(admit("app/ada").err().unwrap().status, 429);
        assert!(admit("app/ben").is_ok());
        held.pop();
        assert!(admit("app/ada").is_ok());
    }

    #[test]
    fn there_are_only_so_many_requests_in_ten_minutes() {
        let throttle = Throttle::default();
        let quirks = Quirks { requests_per_ten_minutes: 2, ..Quirks::default() };
        let now: DateTime<Utc> = "2026-11-30T10:00:00Z".parse().unwrap();
        let refused = |after| throttle.admit("app/ada", &quirks, now + TimeDelta::minutes(after)).is_err();
        assert_eq!([refused(0), refused(1), refused(2), refused(10)], [false, false, true, false]);
    }
}
