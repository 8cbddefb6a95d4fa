//! Reads of a month of a calendar with a long past, beside one with a short one: a read must not cost more for a long past.

use std::sync::Arc;

use anyhow::{Context, ensure};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use evercal_domain::event::{Event, EventTime};
use evercal_domain::{CalendarId, Clock as _, ProviderEventId, RemoteItem, SystemClock, Zone, zones};
use evercal_mirror::{Ends, Expansion, Window};
use evercal_storage::{OccurrenceRange, PageCommit, SeriesRows, Store};

use crate::effort::Effort;
use crate::fixture::Fixture;
use crate::load;
use crate::progress::say;
use crate::report::{Bar, Row, median, percentile};

/// Events before the month that is read.
const SHORT_PAST: i64 = 1_000;
const LONG_PAST: i64 = 100_000;
/// Events of the month.
const EVENTS: i64 = 100;
/// Events in one commit.
const EVENTS_PER_COMMIT: usize = 2_000;
/// Commits that a sync may get ahead of.
const ATTEMPTS_MAX: u32 = 10;
const READS: usize = 200;
const MONTH: TimeDelta = TimeDelta::days(31);

pub async fn rows(fixture: &Fixture, effort: &Effort) -> anyhow::Result<Vec<Row>> {
    let installation = &fixture.installation;
    let [short, long, ..] = fixture.calendars.as_slice() else { anyhow::bail!("two calendars are needed") };
    let from = SystemClock.now();
    for (calendar, past) in [(short, SHORT_PAST), (long, LONG_PAST)] {
        say(format!("reads of a month: writing {past} older events"));
        let events: Vec<Event> = (-past..EVENTS).map(|number| event(number, from)).collect();
        for events in events.chunks(EVENTS_PER_COMMIT) {
            write(&*installation.store, calendar.id, events).await?;
        }
    }
    let (mut ours, mut others) = (Vec::new(), Vec::new());
    for run in 1..=effort.runs {
        say(format!("reads of a month beside a long past: run {run} of {}", effort.runs));
        // In turns, so that both see the same machine.
        let (mut with_long, mut with_short) = (Vec::new(), Vec::new());
        for calendar in [short.id, long.id] {
            is_full(fixture, calendar, from).await?;
        }
        for read in 0..READS {
            // A range that nobody asked for before: no page of it is at hand.
            let length = MONTH + TimeDelta::milliseconds(i64::from(run) * 1_000 + i64::try_from(read)?);
            for (calendar, taken) in [(short.id, &mut with_short), (long.id, &mut with_long)] {
                let request = request(fixture, &path(calendar, from, length));
                let answered = load::send(installation.gateway, 1, 1, move |_| Arc::clone(&request)).await?;
                ensure!(answered.refused == 0, "a read was refused");
                taken.push(answered.taken.as_secs_f64() * 1_000.0);
            }
        }
        ours.push(percentile(&with_long, 50));
        others.push(percentile(&with_short, 50));
    }
    let name = "read of a month with 100,000 older events, beside one with 1,000, p50";
    Ok(vec![Row::compared(name, "ms", median(&ours), median(&others)).bar(Bar::RatioAtMost(1.3))])
}

/// Every hour and a half, so that those before reach back for years; some last long.
fn event(number: i64, from: DateTime<Utc>) -> Event {
    let start = from + TimeDelta::minutes(90 * number + 1);
    let hours = if number % 1_000 == 0 { 24 * 30 } else { 1 };
    let time = |at| EventTime::Instant { at, zone: None };
    let id = ProviderEventId::new(format!("past{}", number + LONG_PAST));
    Event {
        title: Some(format!("event {number}")),
        ..Event::minimal(id, time(start), time(start + TimeDelta::hours(hours)))
    }
}

/// Writes events into a mirror as a sync would.
async fn write(store: &dyn Store, calendar: CalendarId, events: &[Event]) -> anyhow::Result<()> {
    let items: Vec<RemoteItem> = events.iter().map(|event| RemoteItem::from(event.clone())).collect();
    let now = SystemClock.now();
    let (from_date, to_date) = (now.date_naive(), now.date_naive());
    for _ in 0..ATTEMPTS_MAX {
        let position = store.sync_position(calendar).await?;
        let snapshot = store.snapshot(calendar, &position, &items, Ends::No).await?;
        let plan = evercal_mirror::plan(
            items.clone(),
            Ends::No,
            &snapshot,
            &Expansion::ByRules { zone: None, window: Window::around(now) },
        );
        let commit = PageCommit {
            calendar_id: calendar,
            expected_revision: position.revision,
            generation: position.generation,
            has_worklist: false,
            plan: &plan,
            window: OccurrenceRange {
                from: now,
                to: now,
                from_date,
                to_date,
                zone: Zone::UTC,
                series: SeriesRows::All,
            },
            zone_data: &zones::version(),
            cursor: &position.cursor,
            finish: None,
            at: now,
        };
        match store.commit_page(&commit).await {
            Ok(_) => return Ok(()),
            // A sync was there first.
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(error.into()),
        }
    }
    anyhow::bail!("syncs were always first")
}

/// Whether the month has the events that were written for it.
async fn is_full(fixture: &Fixture, calendar: CalendarId, from: DateTime<Utc>) -> anyhow::Result<()> {
    let answer = fixture.installation.answer(&path(calendar, from, MONTH)).await?;
    let body: serde_json::Value = serde_json::from_slice(&answer.body)?;
    let events = body["items"].as_array().context("no items")?.len();
    ensure!(i64::try_from(events)? >= EVENTS, "{events} events are not those of the month");
    Ok(())
}

fn path(calendar: CalendarId, from: DateTime<Utc>, length: TimeDelta) -> String {
    let [from, to] = [from, from + length].map(|at| at.to_rfc3339_opts(SecondsFormat::Millis, true));
    format!("/v1/calendars/{calendar}/events?from={from}&to={to}&limit=500")
}

fn request(fixture: &Fixture, path: &str) -> Arc<[u8]> {
    let installation = &fixture.installation;
    let (host, key) = (installation.gateway, installation.api_key.expose());
    format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\n\r\n").into_bytes().into()
}
