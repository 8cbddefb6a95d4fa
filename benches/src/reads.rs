//! Reads of a month: how many a second a gateway answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use chrono::{SecondsFormat, TimeDelta};
use evercal_domain::{Clock as _, SystemClock};

use crate::effort::Effort;
use crate::fixture::Fixture;
use crate::load;
use crate::progress::say;
use crate::report::{Row, median};

const IN_FLIGHT: usize = 32;
/// Requests between two looks at the time.
const AT_ONCE: usize = 500;

/// The busy calendar's events of 31 days, in one page.
pub async fn rows(fixture: &Fixture, effort: &Effort) -> anyhow::Result<Vec<Row>> {
    let from = SystemClock.now();
    let to = from + TimeDelta::days(31);
    let [from, to] = [from, to].map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true));
    let installation = &fixture.installation;
    let calendar = fixture.busy_calendar()?.id;
    let path = format!("/v1/calendars/{calendar}/events?from={from}&to={to}&limit=500");
    let body = installation.api(&path).await?;
    let events = body["items"].as_array().context("no items")?.len();
    ensure!(events > 50 && body["next_cursor"].is_null(), "{events} events are no month of a busy calendar");
    let key = installation.api_key.expose();
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {key}\r\n\r\n", installation.gateway);
    let request: Arc<[u8]> = request.into_bytes().into();
    let mut rates = Vec::new();
    for run in 1..=effort.runs {
        say(format!("reads of a month ({events} events): run {run} of {}", effort.runs));
        let (begun, mut total, mut taken) = (Instant::now(), 0, Duration::ZERO);
        while begun.elapsed() < effort.reads {
            let request = Arc::clone(&request);
            let answered = load::send(installation.gateway, AT_ONCE, IN_FLIGHT, move |_| Arc::clone(&request)).await?;
            ensure!(answered.refused == 0, "{} reads were refused", answered.refused);
            total += AT_ONCE;
            taken += answered.taken;
        }
        rates.push(load::per_second(total, taken));
    }
    Ok(vec![Row::alone("reads of a month of a busy calendar, 32 in flight", "/s", median(&rates))])
}
