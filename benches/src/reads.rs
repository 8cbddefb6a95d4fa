//! Reads of a month: how many a second a gateway answers, beside a server that does nothing but send the same bytes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::http::header;
use axum::routing::get;
use chrono::{SecondsFormat, TimeDelta};
use evercal_domain::{Clock as _, SystemClock};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::effort::Effort;
use crate::fixture::Fixture;
use crate::load::{self, Answered};
use crate::progress::say;
use crate::report::{Bar, Row, median};

const IN_FLIGHT: usize = 32;
/// Requests between two readings of the clock.
const AT_ONCE: usize = 500;
/// Unchanged reads that a gateway answers in a second at least.
const UNCHANGED_PER_SECOND_MIN: f64 = 5_000.0;

/// The busy calendar's events of 31 days, in one page: read, and asked whether they have changed.
pub async fn rows(fixture: &Fixture, effort: &Effort) -> anyhow::Result<Vec<Row>> {
    let now = SystemClock.now();
    let until = now + TimeDelta::days(31);
    let [from, to] = [now, until].map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true));
    let installation = &fixture.installation;
    let calendar = fixture.busy_calendar()?.id;
    let path = format!("/v1/calendars/{calendar}/events?from={from}&to={to}&limit=500");
    let answer = installation.answer(&path).await?;
    let body: serde_json::Value = serde_json::from_slice(&answer.body)?;
    let events = body["items"].as_array().context("no items")?.len();
    ensure!(events > 50 && body["next_cursor"].is_null(), "{events} events are no month of a busy calendar");
    let tag = answer.header("etag").context("a read without a tag")?;
    let key = installation.api_key.expose();
    let head = format!("HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {key}\r\n", installation.gateway);
    let same = |end: &str| {
        let request: Arc<[u8]> = format!("GET {path} {head}{end}\r\n").into_bytes().into();
        move |_| Arc::clone(&request)
    };
    let (plain, conditional) = (same(""), same(&format!("if-none-match: {tag}\r\n")));
    // The same events, in a range that nobody asked for before.
    let asked = Arc::new(AtomicI64::new(0));
    let of_another_range = move |_| {
        let to = until + TimeDelta::milliseconds(asked.fetch_add(1, Ordering::Relaxed));
        let to = to.to_rfc3339_opts(SecondsFormat::Millis, true);
        let path = format!("/v1/calendars/{calendar}/events?from={from}&to={to}&limit=500");
        format!("GET {path} {head}\r\n").into_bytes().into()
    };
    let yardstick = SameBytes::start(Bytes::from(answer.body.clone())).await?;

    let (mut ours, mut others, mut same_bytes, mut unchanged) = (vec![], vec![], vec![], vec![]);
    for run in 1..=effort.runs {
        say(format!("reads of a month ({events} events): run {run} of {}", effort.runs));
        let all_sent = |answered: &Answered| answered.not_modified == 0;
        same_bytes.push(rate(yardstick.address, &plain, effort.reads, all_sent).await?);
        ours.push(rate(installation.gateway, &plain, effort.reads, all_sent).await?);
        others.push(rate(installation.gateway, &of_another_range, effort.reads, all_sent).await?);
        let none_sent = |answered: &Answered| answered.not_modified == AT_ONCE;
        unchanged.push(rate(installation.gateway, &conditional, effort.reads, none_sent).await?);
    }
    yardstick.stop().await?;
    let name = format!(
        "reads of a month of a busy calendar ({events} events), 32 in flight; beside a server of the same bytes"
    );
    let unlike = "the same reads, each of a range of its own, so that no page is at hand";
    Ok(vec![
        Row::compared(&name, "/s", median(&ours), median(&same_bytes)),
        Row::compared(unlike, "/s", median(&others), median(&same_bytes)),
        Row::alone("the same reads where nothing has changed (304)", "/s", median(&unchanged))
            .bar(Bar::AtLeast(UNCHANGED_PER_SECOND_MIN)),
    ])
}

/// How often a second a request is answered as expected.
async fn rate(
    address: SocketAddr,
    request: &(impl Fn(usize) -> Arc<[u8]> + Clone + Send + Sync + 'static),
    time: Duration,
    as_expected: impl Fn(&Answered) -> bool,
) -> anyhow::Result<f64> {
    let (begun, mut total, mut taken) = (Instant::now(), 0, Duration::ZERO);
    while begun.elapsed() < time {
        let answered = load::send(address, AT_ONCE, IN_FLIGHT, request.clone()).await?;
        ensure!(answered.refused == 0, "{} reads were refused", answered.refused);
        ensure!(as_expected(&answered), "{} of {AT_ONCE} reads were answered with 304", answered.not_modified);
        total += AT_ONCE;
        taken += answered.taken;
    }
    Ok(load::per_second(total, taken))
}

/// A server on the same libraries as the gateway, with threads of its own, which answers everything with the same bytes.
struct SameBytes {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: std::thread::JoinHandle<std::io::Result<()>>,
}

impl SameBytes {
    async fn start(body: Bytes) -> anyhow::Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let answer = move || {
            let body = body.clone();
            async move { ([(header::CONTENT_TYPE, "application/json")], body) }
        };
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new()?;
            runtime.block_on(async move {
                let app = Router::new().fallback(get(answer));
                let served = axum::serve(TcpListener::from_std(listener)?, app);
                // A sender that is gone means the same.
                served.with_graceful_shutdown(async { drop(stopped.await) }).await
            })
        });
        let is_there = load::status(address, "/").await?;
        ensure!(is_there == 200, "the yardstick answers {is_there}");
        Ok(Self { address, stop, thread })
    }

    async fn stop(self) -> anyhow::Result<()> {
        drop(self.stop);
        let ended = tokio::task::spawn_blocking(move || self.thread.join()).await?;
        ended.map_err(|_| anyhow::anyhow!("the yardstick panicked"))??;
        Ok(())
    }
}
