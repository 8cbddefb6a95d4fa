//! The live table of `evercal dev`.

use std::collections::BTreeMap;
use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::time::Duration;

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use comfy_table::Cell;
use evercal_devserver::supervise::Ailing;
use evercal_domain::account::Secret;
use evercal_domain::{Clock as _, SystemClock};
use evercal_http::{HttpClient, HttpRequest, HttpSettings, Transport as _};
use serde::Deserialize;

use super::parts::Parts;
use super::ready::Ready;
use crate::cli::table::{Column, Screen, list, plain, state, text};
use crate::cli::times::{in_full, relative};

/// How often it is drawn.
const PERIOD: Duration = Duration::from_secs(1);
/// Lines of a log that are shown of a part that does not run.
const LOG_LINES: usize = 3;

/// ECMA-48 and DEC private modes: while wrapping is off, a terminal cuts what is too long for it, so that each line that was
/// written is one line on the screen.
const WRAP_OFF: &str = "\x1b[?7l";
const WRAP_ON: &str = "\x1b[?7h";
const CLEAR_TO_END: &str = "\x1b[J";

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

/// Draws the table until the process is stopped; without a terminal once, and then what changed.
pub(super) async fn show(ready: &Ready, parts: &Parts, find: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<()> {
    let http = HttpClient::new(&HttpSettings::default()).context("making the HTTP client")?;
    let on_terminal = std::io::stdout().is_terminal();
    // Only a sync that a notice started has the figure; it stays until the next such sync.
    let mut latencies: BTreeMap<String, i64> = BTreeMap::new();
    let mut drawn = String::new();
    let mut told = Told::default();
    let mut ticks = tokio::time::interval(PERIOD);
    loop {
        ticks.tick().await;
        // Each time: a terminal may be made narrower.
        let screen = Screen::detect(find);
        let mut picture = match fetch(&http, ready).await {
            Ok(calendars) => {
                for row in &calendars.items {
                    if let Some(latency_ms) = row.last_sync.as_ref().and_then(|sync| sync.notice_to_stored_ms) {
                        latencies.insert(row.id.clone(), latency_ms);
                    }
                }
                let now = on_terminal.then(|| SystemClock.now());
                let ids = calendars.items.iter().map(|row| row.id.clone()).collect();
                Picture { table: render(screen, &calendars.items, &latencies, now), ids, trouble: String::new() }
            }
            Err(error) => Picture { trouble: wrapped(screen, &format!("{error:#}")), ..Picture::default() },
        };
        for part in parts.ailing() {
            picture.trouble += &of_ailing(screen, &part);
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
            told.news(picture)
        };
        let mut out = std::io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            // Whoever looked has gone.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            // A file on a full disk, say: what runs goes on, and the next change is told again.
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
    ids: Vec<String>,
    /// What does not work, if anything.
    trouble: String,
}

/// What was told where nothing can be drawn over.
#[derive(Default)]
struct Told {
    rows: BTreeMap<String, String>,
    trouble: String,
}

impl Told {
    /// The lines that say something new; the heading when nothing was told before them.
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

async fn fetch(http: &HttpClient, ready: &Ready) -> anyhow::Result<Calendars> {
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
fn render(screen: Screen, rows: &[Row], latencies: &BTreeMap<String, i64>, now: Option<DateTime<Utc>>) -> String {
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
    let rows = rows.iter().map(|row| {
        let latency = latencies.get(&row.id).map_or("–".to_owned(), |ms| format!("{ms} ms"));
        [
            text(&row.title),
            state(&row.state),
            Cell::new(when(row.channel_expires_at)),
            Cell::new(when(row.last_sync.as_ref().map(|sync| sync.finished_at))),
            Cell::new(row.event_count),
            Cell::new(latency),
        ]
    });
    list(screen, columns, rows)
}

fn of_ailing(screen: Screen, part: &Ailing) -> String {
    let log: Vec<&str> = part.log_tail.lines().collect();
    let shown = log.iter().skip(log.len().saturating_sub(LOG_LINES)).copied();
    let part = Ailing { log_tail: shown.collect::<Vec<_>>().join("\n"), ..part.clone() };
    part.to_string().lines().map(|line| wrapped(screen, line)).collect()
}

/// A text of any length in lines of the screen's width, ending with a newline.
fn wrapped(screen: Screen, text: &str) -> String {
    let characters: Vec<char> = plain(text).chars().collect();
    characters.chunks(usize::from(screen.width)).map(|line| line.iter().collect::<String>() + "\n").collect()
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn row(title: &str, now: DateTime<Utc>) -> Row {
        let last_sync = LastSync { finished_at: now - TimeDelta::seconds(200), notice_to_stored_ms: Some(212) };
        Row {
            id: "cal_1".to_owned(),
            title: title.to_owned(),
            state: "action_required".to_owned(),
            channel_expires_at: Some(now + TimeDelta::days(6)),
            last_sync: Some(last_sync),
            event_count: 12_345,
        }
    }

    #[test]
    fn a_row_is_one_line_of_the_terminals_width_and_steers_no_terminal_whatever_the_title() {
        let now = DateTime::UNIX_EPOCH;
        for width in [80, 100] {
            let rows = [row(&"A long title ".repeat(20), now), row("\x1b[2Jred\nline", now)];
            let shown = render(Screen::plain(width), &rows, &BTreeMap::from([("cal_1".to_owned(), 212)]), Some(now));
            assert_eq!(shown.lines().count(), 3, "{shown}");
            assert!(shown.lines().all(|line| line.chars().count() <= usize::from(width)), "{shown}");
            assert!(!shown.contains('\x1b'), "{shown:?}");
        }
    }

    #[test]
    fn where_nothing_can_be_drawn_over_only_what_changed_is_told() {
        let now = DateTime::UNIX_EPOCH;
        let (mut told, screen) = (Told::default(), Screen::plain(100));
        let mut rows = [row("Work", now), row("Family", now)];
        rows[1].id = "cal_2".to_owned();
        let picture = |rows: &[Row], trouble: &str| Picture {
            table: render(screen, rows, &BTreeMap::new(), None),
            ids: rows.iter().map(|row| row.id.clone()).collect(),
            trouble: trouble.to_owned(),
        };
        let first = told.news(picture(&rows, ""));
        assert!(first.starts_with("CALEND") && first.contains("Work") && first.contains("Family"), "{first}");
        assert_eq!(told.news(picture(&rows, "")), "");
        rows[1].event_count += 1;
        let changed = told.news(picture(&rows, ""));
        assert!(changed.lines().count() == 1 && changed.contains("Family") && changed.contains("12346"), "{changed}");
        assert_eq!(told.news(picture(&rows, "worker ended\n")), "worker ended\n");
        assert_eq!(told.news(Picture { trouble: "worker ended\n".to_owned(), ..Picture::default() }), "");
        assert_eq!(told.news(picture(&rows, "")), "everything runs again\n");
    }

    #[test]
    fn ages_are_in_the_unit_that_people_think_in() {
        let now = DateTime::UNIX_EPOCH;
        let shown = render(Screen::plain(80), &[row("Work", now)], &BTreeMap::new(), Some(now));
        assert!(shown.contains("3 min ago") && shown.contains("in 6 d"), "{shown}");
        let shown = render(Screen::plain(100), &[row("Work", now)], &BTreeMap::new(), None);
        assert!(shown.contains("1969-12-31 23:56:40 UTC"), "{shown}");
    }

    #[test]
    fn a_part_that_does_not_run_is_named_with_the_end_of_its_log_in_lines_that_fit() {
        let log_tail = format!("first\nsecond\n{}\nerror: \x1b[31mno such variable", "x".repeat(200));
        let part = Ailing { name: "worker".to_owned(), times: 4, ended: "exit status: 1".to_owned(), log_tail };
        let shown = of_ailing(Screen::plain(80), &part);
        assert!(shown.starts_with("worker ended by itself 4 times in a row (exit status: 1)"), "{shown}");
        assert!(shown.contains("no such variable") && shown.contains("second") && !shown.contains("first"), "{shown}");
        assert!(!shown.contains('\x1b') && shown.lines().all(|line| line.chars().count() <= 80), "{shown:?}");
    }
}
