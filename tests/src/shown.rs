//! Comparing what readers of the mirror are shown with what the provider shows: occurrences, not rows.

use chrono::{DateTime, NaiveTime, SecondsFormat, TimeDelta, TimeZone as _, Utc};
use evercal_domain::{CalendarId, Zone};
use evercal_http::Method;
use evercal_simulator::TrueEvent;
use evercal_storage::Store;
use serde_json::Value;

use crate::world::{USER, World};

/// Id, start, end and title of an occurrence.
pub type Shown = (String, String, String, String);

/// Whole days in the calendar's zone, in which readers are promised every occurrence.
#[derive(Debug)]
pub struct Days {
    /// The first moment, as RFC 3339.
    pub from: String,
    /// The moment after the last one.
    pub to: String,
}

/// The days that a mirror answers for today.
pub async fn days(store: &dyn Store, calendar: CalendarId) -> Result<Days, Vec<String>> {
    // Inside of the kept window, which is one of UTC's days and moves when its next one begins.
    const PAST: TimeDelta = TimeDelta::days(28);
    const MARGIN: TimeDelta = TimeDelta::days(2);
    let row = store.calendar(calendar).await.expect("the store answers").expect("a row");
    let window_end = store.sync_position(calendar).await.expect("the position").window_end;
    let zone: Zone = row.remote.time_zone.as_deref().and_then(|name| name.parse().ok()).unwrap_or(Zone::UTC);
    let (Some(confirmed_at), Some(window_end)) = (row.confirmed_at, window_end) else {
        return Err(vec![format!("confirmed at {:?}, kept until {window_end:?}", row.confirmed_at)]);
    };
    Ok(Days { from: midnight(confirmed_at - PAST, zone), to: midnight(window_end - MARGIN, zone) })
}

fn midnight(at: DateTime<Utc>, zone: Zone) -> String {
    let local = at.with_timezone(&zone).date_naive().and_time(NaiveTime::MIN);
    let midnight = zone.from_local_datetime(&local).earliest().expect("a midnight that exists");
    midnight.to_utc().to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Compares the API's answer with the provider's for all days that the mirror answers for; an error names some
/// differences.
pub async fn shows_what_the_provider_shows(world: &World, calendar: CalendarId) -> Result<(), Vec<String>> {
    let row = world.store.calendar(calendar).await.expect("the store answers").expect("a row");
    let days = days(&*world.store, calendar).await?;
    let shown = by_us(calendar, &days, async |path: &str| world.api(Method::GET, path, None).await).await;
    let shown = shown.map_err(|error| vec![error.to_string()])?;
    let (control, id) = (world.control(), row.remote.provider_id.as_str());
    let occurrences = control
        .occurrences_for(id, USER, &days.from, &days.to)
        .or_else(|_not_shared| control.occurrences(id, &days.from, &days.to));
    compare(&by_provider(&occurrences.expect("the provider's occurrences")), &shown)
}

/// The occurrences that the API answers, all pages of them; `read` is a GET of a path.
pub async fn by_us(
    calendar: CalendarId,
    days: &Days,
    read: impl AsyncFn(&str) -> anyhow::Result<Value>,
) -> anyhow::Result<Vec<Shown>> {
    let first = format!("/v1/calendars/{calendar}/events?limit=500&from={}&to={}", days.from, days.to);
    let mut shown = Vec::new();
    let mut next = Some(first.clone());
    while let Some(path) = next {
        let page = read(&path).await?;
        for occurrence in page["items"].as_array().expect("a list") {
            let text = |name: &str| occurrence[name].as_str().unwrap_or_default().to_owned();
            let time = |name: &str| match occurrence[name]["date"].as_str() {
                Some(date) => date.to_owned(),
                None => instant(occurrence[name]["date_time"].as_str().unwrap_or_default()),
            };
            shown.push((text("id"), time("start"), time("end"), text("title")));
        }
        next = page["next_cursor"].as_str().map(|cursor| format!("{first}&cursor={cursor}"));
    }
    shown.sort();
    Ok(shown)
}

/// The same of the provider's own occurrences.
pub fn by_provider(occurrences: &[TrueEvent]) -> Vec<Shown> {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let mut shown: Vec<Shown> = occurrences
        .iter()
        .map(|event| {
            // An occurrence is named by its series and its place there, whatever its provider calls it.
            let name = event.occurrence_of.as_ref().map(|at| format!("{}_{}", at.series, key(&at.original_start)));
            let id = name.unwrap_or_else(|| event.id.clone());
            (id, text(event.start.as_deref()), text(event.end.as_deref()), text(event.title.as_deref()))
        })
        .collect();
    shown.sort();
    shown
}

/// Compares two lists, in which one that is there twice is there twice.
pub fn compare(provider: &[Shown], shown: &[Shown]) -> Result<(), Vec<String>> {
    const REPORTED_MAX: usize = 10;
    if provider == shown {
        return Ok(());
    }
    let only = |name: &str, these: &[Shown], those: &[Shown]| -> Vec<String> {
        let count = |all: &[Shown], one: &Shown| all.iter().filter(|other| *other == one).count();
        let more = these.iter().filter(|one| count(these, one) > count(those, one));
        more.map(|one| format!("{name} shows {one:?}")).take(REPORTED_MAX).collect()
    };
    let mut differences = only("only the provider", provider, shown);
    differences.extend(only("only the mirror", shown, provider));
    Err(differences)
}

fn key(original_start: &str) -> String {
    match DateTime::parse_from_rfc3339(original_start) {
        Ok(at) => at.to_utc().format("%Y%m%dT%H%M%SZ").to_string(),
        Err(_) => original_start.replace('-', ""),
    }
}

fn instant(text: &str) -> String {
    DateTime::parse_from_rfc3339(text).map_or_else(|error| format!("{text}: {error}"), |at| at.to_utc().to_rfc3339())
}
