//! What is special about Microsoft: many items in one notice, series whose occurrences it makes, and what a change costs in
//! requests.

use std::sync::Arc;

use anyhow::{Context, ensure};
use chrono::{Days, NaiveDate};
use evercal_domain::{Calendar, CalendarId, Clock as _, SystemClock};
use evercal_http::{Body, HttpRequest};
use evercal_tests::Graph;
use evercal_workflows::names;
use serde_json::{Map, Value, json};

use crate::bare::{Yardstick, idle};
use crate::effort::Effort;
use crate::installation::{Engine, Installation, TIMEOUT};
use crate::latency::{LIGHT_LOAD_PAUSE, notice_to_stored_ms};
use crate::load;
use crate::progress::{reach, say};
use crate::report::{Bar, Row, median, percentile};

const USER: &str = "ada@example.com";
/// Series, each with so many occurrences, all inside of the window.
const SERIES: u32 = 100;
const OCCURRENCES: u32 = 100;
const CALENDARS: u32 = 5;
/// Items of a request, of all calendars in turn.
const ITEMS: usize = 100;
const IN_FLIGHT: usize = 20;
/// Requests of one run.
const REQUESTS: usize = 400;

/// All rows.
pub async fn rows(engine: Engine, effort: &Effort) -> anyhow::Result<Vec<Row>> {
    let mut rows = vec![full_read_row(engine, effort).await?];
    let installation = Installation::with::<Graph>(engine).await?;
    let ids = installation.new_user(USER, CALENDARS)?;
    let series = insert_series(&installation, &ids[0], 1)?.remove(0);
    let account = installation.connect(USER).await?;
    let calendars = installation.wait_until_mirrored(account, &ids).await?;
    let mut yardstick = Yardstick::start(1).await?;
    rows.push(latency_row(&installation, &calendars[1], &mut yardstick, effort).await?);
    yardstick.stop_worker().await?;
    rows.extend(request_rows(&installation, &calendars[0], &series).await?);
    rows.push(items_row(&installation, &calendars, effort).await?);
    installation.end().await;
    Ok(rows)
}

/// The graph's own control.
fn control(installation: &Installation) -> &evercal_simulator::microsoft::Control {
    Graph::of(installation.own_provider()).own_control()
}

/// Daily series from tomorrow on; answers their ids.
fn insert_series(installation: &Installation, calendar: &str, count: u32) -> anyhow::Result<Vec<String>> {
    let first: NaiveDate = SystemClock.now().date_naive() + Days::new(1);
    let mut ids = Vec::new();
    for number in 0..count {
        let point = |clock: &str| json!({"dateTime": format!("{first}T{clock}"), "timeZone": "UTC"});
        let event = json!({
            "subject": format!("Series {number}"), "start": point("09:00:00"), "end": point("09:30:00"),
            "recurrence": {
                "pattern": {"type": "daily", "interval": 1},
                "range": {"type": "numbered", "startDate": first.to_string(), "numberOfOccurrences": OCCURRENCES},
            },
        });
        let event: Map<String, Value> = serde_json::from_value(event)?;
        let made = control(installation).insert_event(calendar, event)?;
        ids.push(made["id"].as_str().context("an event without an id")?.to_owned());
    }
    Ok(ids)
}

/// The first read of many occurrences, of which pages have nothing but their times.
async fn full_read_row(engine: Engine, effort: &Effort) -> anyhow::Result<Row> {
    let mut seconds = Vec::new();
    for run in 1..=effort.heavy_runs {
        say(format!("{}: full read of {SERIES} series: run {run} of {}", engine.name(), effort.heavy_runs));
        let installation = Installation::with::<Graph>(engine).await?;
        let ids = installation.new_user(USER, 1)?;
        insert_series(&installation, &ids[0], SERIES)?;
        let account = installation.connect(USER).await?;
        let calendars = installation.wait_until_mirrored(account, &ids).await?;
        let read = installation.first_read(calendars[0].id).await?;
        let rows = i64::from(SERIES);
        ensure!(read.changes >= rows, "{} changes for {rows} series: {read:?}", read.changes);
        let taken_ms = (read.finished_at - read.started_at).num_milliseconds();
        seconds.push(f64::from(i32::try_from(taken_ms)?) / 1_000.0);
        installation.end().await;
    }
    let occurrences = SERIES * OCCURRENCES;
    let name = format!("Microsoft: full read of {occurrences} occurrences in {SERIES} series");
    Ok(Row::alone(&name, "s", median(&seconds)).bar(Bar::AtMost(3.0)))
}

/// From the notice's arrival to the commit, beside a bare signal's way to its activity.
async fn latency_row(
    installation: &Installation,
    calendar: &Calendar,
    yardstick: &mut Yardstick,
    effort: &Effort,
) -> anyhow::Result<Row> {
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for run in 1..=effort.runs {
        say(format!("Microsoft: notice → stored: run {run} of {}", effort.runs));
        let (mut of_run, mut bare_of_run) = (Vec::new(), Vec::new());
        for _ in 0..effort.latency_samples {
            bare_of_run.push(yardstick.signal_to_activity().await?.as_secs_f64() * 1_000.0);
            of_run.push(notice_to_stored_ms(installation, calendar).await?);
            tokio::time::sleep(LIGHT_LOAD_PAUSE).await;
        }
        ours.push(percentile(&of_run, 50));
        bare.push(percentile(&bare_of_run, 50));
    }
    let name = "Microsoft: notice → stored at light load, p50";
    Ok(Row::compared(name, "ms", median(&ours), median(&bare)).bar(Bar::RatioAtMost(1.6)))
}

/// Requests to the provider so far.
fn requests(installation: &Installation) -> anyhow::Result<u64> {
    let counts = installation.provider().calls()?.counts;
    Ok(counts.iter().filter(|(method, _)| method.starts_with("graph.")).map(|(_, count)| count).sum())
}

/// What a sync costs in requests where nothing has changed, and where one series has.
async fn request_rows(installation: &Installation, calendar: &Calendar, series: &str) -> anyhow::Result<Vec<Row>> {
    say("Microsoft: requests of a sync");
    let of_sync = async |change: Option<i64>| -> anyhow::Result<f64> {
        idle(&installation.temporal, std::iter::once(names::subscription_id(calendar.id))).await?;
        let last_sync = async || -> anyhow::Result<_> {
            let row = installation.store.calendar(calendar.id).await?.context("a calendar")?;
            Ok(row.last_sync.context("it was read before")?.finished_at)
        };
        let (before, counted) = (last_sync().await?, requests(installation)?);
        match change {
            Some(minutes) => {
                let id = calendar.remote.provider_id.as_str();
                control(installation).reschedule_series(id, series, minutes)?;
            }
            None => installation.sync(calendar.id).await?,
        }
        reach("the sync has ended", 1, TIMEOUT, async || Ok(usize::from(last_sync().await? != before))).await?;
        idle(&installation.temporal, std::iter::once(names::subscription_id(calendar.id))).await?;
        Ok(f64::from(u32::try_from(requests(installation)? - counted)?))
    };
    let nothing = of_sync(None).await?;
    let one_series = of_sync(Some(60)).await?;
    Ok(vec![
        Row::alone("Microsoft: requests of a sync in which nothing has changed", "", nothing)
            .bar(Bar::CountAtMost(1.0)),
        Row::alone("Microsoft: requests of a sync in which one series has changed", "", one_series)
            .bar(Bar::CountAtMost(3.0)),
    ])
}

/// Many items of several calendars in each request, many requests at a time.
async fn items_row(installation: &Installation, calendars: &[Calendar], effort: &Effort) -> anyhow::Result<Row> {
    let ids: Vec<CalendarId> = calendars.iter().map(|calendar| calendar.id).collect();
    let request = request_of_many(installation, &ids).await?;
    let mut p99 = Vec::new();
    for run in 1..=effort.runs {
        say(format!("Microsoft: {ITEMS} items in each notice: run {run} of {}", effort.runs));
        let request = Arc::clone(&request);
        let answered =
            load::send(installation.gateway, REQUESTS, IN_FLIGHT, move |_number| Arc::clone(&request)).await?;
        ensure!(answered.refused == 0, "{} notices were refused", answered.refused);
        p99.push(percentile(&answered.answers_ms, 99));
    }
    let name = format!(
        "Microsoft: notices of {ITEMS} items of {CALENDARS} calendars, {IN_FLIGHT} in flight, until one is answered, p99"
    );
    Ok(Row::alone(&name, "ms", median(&p99)).bar(Bar::AtMost(400.0)))
}

/// One request with items of all these calendars in turn, in bytes.
async fn request_of_many(installation: &Installation, calendars: &[CalendarId]) -> anyhow::Result<Arc<[u8]>> {
    let mut items = Vec::new();
    let mut path = String::new();
    for calendar in calendars {
        let HttpRequest { url, body, .. } = installation.notice_request(*calendar).await?;
        let Body::Json(body) = body else { anyhow::bail!("a notice without a body") };
        path = url.path().to_owned();
        items.push(body["value"][0].clone());
    }
    let items: Vec<&Value> = items.iter().cycle().take(ITEMS).collect();
    let body = json!({ "value": items }).to_string();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        installation.gateway,
        body.len()
    );
    Ok((head + &body).into_bytes().into())
}
