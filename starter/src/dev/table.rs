//! The live table of `evercal dev`.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, Utc};
use comfy_table::{Table, presets};
use evercal_domain::account::Secret;
use evercal_domain::{Clock as _, SystemClock};
use evercal_http::{HttpClient, HttpRequest, HttpSettings, Transport as _};
use serde::Deserialize;

use super::ready::Ready;

/// How often it is drawn.
const PERIOD: Duration = Duration::from_secs(1);
/// Columns of the widest row.
const WIDTH: u16 = 100;

#[derive(Deserialize)]
struct Calendars {
    items: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    id: String,
    title: String,
    state: String,
    channel_expires_at: Option<DateTime<Utc>>,
    last_sync: Option<LastSync>,
    event_count: i64,
}

#[derive(Deserialize)]
struct LastSync {
    finished_at: DateTime<Utc>,
    notice_to_stored_ms: Option<i64>,
}

/// Draws the table until the process is stopped; without a terminal once, and again for each change.
pub(super) async fn show(ready: &Ready, on_terminal: bool) -> anyhow::Result<()> {
    let http = HttpClient::new(&HttpSettings::default()).context("making the HTTP client")?;
    // Only a sync that a notice started has the figure; it stays until the next such sync.
    let mut latencies: BTreeMap<String, i64> = BTreeMap::new();
    let mut drawn = String::new();
    let mut ticks = tokio::time::interval(PERIOD);
    loop {
        ticks.tick().await;
        let text = match fetch(&http, ready).await {
            Ok(calendars) => {
                for row in &calendars.items {
                    if let Some(latency_ms) = row.last_sync.as_ref().and_then(|sync| sync.notice_to_stored_ms) {
                        latencies.insert(row.id.clone(), latency_ms);
                    }
                }
                let now = on_terminal.then(|| SystemClock.now());
                render(&calendars.items, &latencies, now)
            }
            Err(error) => format!("the API does not answer ({error:#}); it is being restarted\n"),
        };
        if text == drawn {
            continue;
        }
        let mut out = std::io::stdout().lock();
        if on_terminal && !drawn.is_empty() {
            // Back to the first line of the last drawing, and clear from there (ECMA-48 CPL and ED).
            write!(out, "\x1b[{}F\x1b[J", drawn.lines().count())?;
        }
        write!(out, "{text}")?;
        out.flush()?;
        drawn = text;
    }
}

async fn fetch(http: &HttpClient, ready: &Ready) -> anyhow::Result<Calendars> {
    let url = format!("{}/v1/calendars", ready.api).parse()?;
    let request = HttpRequest { bearer: Some(Secret::new(ready.api_key.clone())), ..HttpRequest::get("api", url) };
    let response = http.send(request).await?;
    Ok(serde_json::from_slice(&response.body)?)
}

/// `now` gives ages; without it (no terminal) times, which do not change by themselves.
fn render(rows: &[Row], latencies: &BTreeMap<String, i64>, now: Option<DateTime<Utc>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_width(WIDTH);
    table.set_header(["calendar", "state", "channel until", "last sync", "events", "notice → stored"]);
    for row in rows {
        let until = row.channel_expires_at.map_or("–".to_owned(), |at| at.format("%Y-%m-%d %H:%M UTC").to_string());
        let synced = row.last_sync.as_ref().map(|sync| sync.finished_at);
        let synced = synced.map_or("–".to_owned(), |at| match now {
            Some(now) => format!("{} s ago", (now - at).num_seconds().max(0)),
            None => at.format("%H:%M:%S UTC").to_string(),
        });
        let latency = latencies.get(&row.id).map_or("–".to_owned(), |ms| format!("{ms} ms"));
        table.add_row([
            row.title.clone(),
            row.state.replace('_', " "),
            until,
            synced,
            row.event_count.to_string(),
            latency,
        ]);
    }
    format!("{table}\n")
}
