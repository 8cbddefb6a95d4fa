//! The live table of `evercal dev`.

use std::collections::BTreeMap;
use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::time::Duration;

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use comfy_table::Cell;
use evercal_devserver::supervise::FailingChild;
use evercal_domain::account::Secret;
use evercal_domain::{CalendarId, Clock as _, SystemClock};
use evercal_http::{HttpClient, HttpRequest, HttpSettings, Transport as _};

use super::processes::Processes;
use super::ready::Ready;
use crate::cli::answers::{Calendar, List};
use crate::cli::table::{Column, Screen, list, plain, state, text};
use crate::cli::times::{in_full, relative};

/// How often it is drawn.
const PERIOD: Duration = Duration::from_secs(1);
/// Lines of a log that are shown of a process that does not run.
const LOG_LINES: usize = 3;

/// ECMA-48 and DEC private modes: while wrapping is off, a terminal cuts what is too long for it, so that each line that was
/// written is one line on the screen.
const WRAP_OFF: &str = "\x1b[?7l";
const WRAP_ON: &str = "\x1b[?7h";
const CLEAR_TO_END: &str = "\x1b[J";

/// Draws the table until the process is stopped; without a terminal once, and then what changed.
pub(super) async fn show(
    ready: &Ready,
    processes: &Processes,
    find: &dyn Fn(&str) -> Option<String>,
) -> anyhow::Result<()> {
    let http = HttpClient::new(&HttpSettings::default()).context("making the HTTP client")?;
    let on_terminal = std::io::stdout().is_terminal();
    // Only a sync that a notice started has the figure; it stays until the next such sync.
    let mut latencies: BTreeMap<CalendarId, i64> = BTreeMap::new();
    let mut drawn = String::new();
    let mut printed = PrintedLines::default();
    let mut ticks = tokio::time::interval(PERIOD);
    loop {
        ticks.tick().await;
        // Each time: a terminal may be made narrower.
        let screen = Screen::detect(find);
        let mut picture = match fetch(&http, ready).await {
            Ok(calendars) => {
                for calendar in &calendars.items {
                    if let Some(latency_ms) =
                        calendar.mirror.last_sync.as_ref().and_then(|sync| sync.notice_to_stored_ms)
                    {
                        latencies.insert(calendar.id, latency_ms);
                    }
                }
                let now = on_terminal.then(|| SystemClock.now());
                let ids = calendars.items.iter().map(|calendar| calendar.id).collect();
                Picture { table: render(screen, &calendars.items, &latencies, now), ids, trouble: String::new() }
            }
            Err(error) => Picture { trouble: wrapped(screen, &format!("{error:#}")), ..Picture::default() },
        };
        for process in processes.failing() {
            picture.trouble += &of_failing(screen, &process);
        }
        let text = if on_terminal {
            let text = picture.table + &picture.trouble;
            if text == drawn {
                continue;
            }
            let lines_up = drawn.lines().count();
            let up = if lines_up > 0 { format!("\x1b[{lines_up}F") } else { String::new() };
            let shown = format!("{up}{CLEAR_TO_END}{WRAP_OFF}{text}{WRAP_ON}");
            drawn = text;
            shown
        } else {
            printed.news(picture)
        };
        let mut out = std::io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            // Whoever read stdout has gone.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            // A file on a full disk, say: what runs goes on, and the next change is printed again.
            Err(error) => tracing::warn!(%error, "the table cannot be shown"),
            Ok(()) => {}
        }
    }
}

/// What there is to be seen.
#[derive(Default)]
struct Picture {
    /// A heading, and a line for each of the calendars.
    table: String,
    ids: Vec<CalendarId>,
    /// The processes that fail, or the error of the API; empty where there is none.
    trouble: String,
}

/// What was printed where nothing can be drawn over.
#[derive(Default)]
struct PrintedLines {
    rows: BTreeMap<CalendarId, String>,
    trouble: String,
}

impl PrintedLines {
    /// The lines that say something new; the heading when nothing was printed before them.
    fn news(&mut self, picture: Picture) -> String {
        let mut news = String::new();
        let lines: Vec<&str> = picture.table.lines().collect();
        // The heading may take more than one.
        let (heading, lines) = lines.split_at(lines.len().saturating_sub(picture.ids.len()));
        if self.rows.is_empty() && !lines.is_empty() {
            news = heading.join("\n") + "\n";
        }
        for (id, line) in picture.ids.into_iter().zip(lines.iter().copied()) {
            if self.rows.insert(id, line.to_owned()).as_deref() != Some(line) {
                news += &format!("{line}\n");
            }
        }
        if self.trouble != picture.trouble {
            news += if picture.trouble.is_empty() { "everything runs again\n" } else { &picture.trouble };
            self.trouble = picture.trouble;
        }
        news
    }
}

async fn fetch(http: &HttpClient, ready: &Ready) -> anyhow::Result<List<Calendar>> {
    let url = format!("{}/v1/calendars", ready.api).parse()?;
    let request = HttpRequest { bearer: Some(Secret::new(ready.api_key.clone())), ..HttpRequest::get("api", url) };
    let response = http.send(request).await.context("the API does not answer")?;
    match response.status {
        _ if response.is_success() => serde_json::from_slice(&response.body).context("the API's answer cannot be read"),
        401 => bail!("the API refuses its key (HTTP 401): key or tenant was revoked"),
        status => bail!("the API answers HTTP {status}"),
    }
}

/// `now` gives distances in time; without it (no terminal) times, which do not change by themselves.
fn render(
    screen: Screen,
    calendars: &[Calendar],
    latencies: &BTreeMap<CalendarId, i64>,
    now: Option<DateTime<Utc>>,
) -> String {
    let columns = [
        Column::Elastic("CALENDAR"),
        Column::Whole("STATE"),
        Column::Whole("EXPIRES"),
        Column::Whole("LAST SYNC"),
        Column::Number("EVENTS"),
        Column::Number("NOTICE → STORED"),
    ];
    let when = |at: Option<DateTime<Utc>>| match (at, now) {
        (None, _) => "–".to_owned(),
        (Some(at), Some(now)) => relative(now, at),
        (Some(at), None) => in_full(at),
    };
    let rows = calendars.iter().map(|Calendar { id, title, mirror, .. }| {
        let latency = latencies.get(id).map_or("–".to_owned(), |ms| format!("{ms} ms"));
        [
            text(title),
            state(&mirror.state),
            Cell::new(when(mirror.channel_expires_at)),
            Cell::new(when(mirror.last_sync.as_ref().map(|sync| sync.finished_at))),
            Cell::new(mirror.event_count),
            Cell::new(latency),
        ]
    });
    list(screen, columns, rows)
}

fn of_failing(screen: Screen, process: &FailingChild) -> String {
    let log: Vec<&str> = process.log_tail.lines().collect();
    let shown = log.iter().skip(log.len().saturating_sub(LOG_LINES)).copied();
    let process = FailingChild { log_tail: shown.collect::<Vec<_>>().join("\n"), ..process.clone() };
    process.to_string().lines().map(|line| wrapped(screen, line)).collect()
}

/// A text of any length in lines of the screen's width, ending with a newline.
fn wrapped(screen: Screen, text: &str) -> String {
    let characters: Vec<char> = plain(text).chars().collect();
    characters.chunks(usize::from(screen.width)).map(|line| line.iter().collect::<String>() + "\n").collect()
}

#[cfg(test)]
mod tests;
