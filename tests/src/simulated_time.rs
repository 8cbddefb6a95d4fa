//! Worlds whose time is skipped: activities take the time from the attempt that they run in, and the provider gets it with each
//! call that is made with a token. Tokens go by real time.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use evercal_activities::current_attempt;
use evercal_domain::{Clock, SystemClock};
use evercal_http::{HttpClient, HttpRequest, HttpResponse, Transport, TransportError};
use evercal_simulator::SIMULATED_NOW_HEADER;

/// The time of the attempt that asks; the machine's outside of attempts.
pub struct AttemptClock;

impl Clock for AttemptClock {
    fn now(&self) -> DateTime<Utc> {
        let attempt = current_attempt();
        attempt.map_or_else(
            || SystemClock.now(),
            |attempt| attempt.started_at + TimeDelta::from_std(attempt.begun.elapsed()).unwrap_or_default(),
        )
    }
}

/// HTTP whose calls carry the time at which their attempt started.
pub struct SendsTime {
    /// How calls are made.
    pub http: HttpClient,
    /// Calls that do not carry it.
    pub in_real_time: Vec<&'static str>,
}

#[async_trait]
impl Transport for SendsTime {
    async fn send(&self, mut request: HttpRequest) -> Result<HttpResponse, TransportError> {
        if let Some(attempt) = current_attempt()
            && !self.in_real_time.contains(&request.call)
        {
            request.headers.push((SIMULATED_NOW_HEADER, attempt.started_at.timestamp_millis().to_string()));
        }
        self.http.send(request).await
    }
}
