//! Series expanded anew: once a day, so that occurrences reach as far as promised, and when zones have got other clocks.

use chrono::{DateTime, TimeDelta, Utc};
use evercal_domain::profile::Occurrences;
use evercal_domain::zones::{self, ZoneDataVersion};
use evercal_domain::{Calendar, CalendarId, Provider, ProviderEventId, Zone};
use evercal_mirror::{Expansion, expand_stored};
use evercal_recurrence::Window;
use evercal_storage::{Expanded, OccurrenceRange, SeriesRows, StoreError, StoreErrorKind, SyncPosition, WindowNow};
use evercal_workflows::jitter;
use temporalio_sdk::activities::ActivityError;

use crate::deps::Deps;
use crate::failure::from_store;

/// Masters expanded per transaction.
const MASTERS_PER_BATCH: u32 = 200;
/// A window of the provider's reaches at least so far ahead, in days, less than a day.
const REBASED_AHEAD_DAYS: i64 = 389;
const DAY_S: u64 = 24 * 3_600;
/// Calendars looked up at a time.
const CALENDARS_PER_PAGE: u32 = 100;
/// A window that was left so far behind is not kept while the new one is made: both together would be too long.
const WINDOW_KEPT_BEHIND_MAX: TimeDelta = TimeDelta::days(31);

/// The zone in which a series repeats that names none.
pub(super) fn calendar_zone(calendar: &Calendar) -> Option<Zone> {
    calendar.remote.time_zone.as_deref().and_then(|name| name.parse().ok())
}

/// Whether series have to be expanded again, because the window has moved since they last were, or the zone data are newer
/// than those by which they were. A pass that knows that they need not saves a query.
pub(super) fn is_due(position: &SyncPosition, window: &Window) -> bool {
    let is_far_enough = position.window_end.is_some_and(|end| end >= window.end);
    let is_of_today = position.zone_data.as_ref().is_none_or(|version| *version >= zones::version());
    !(is_far_enough && is_of_today)
}

/// Whether the window that ends then is so far behind that everything has to be read again, of a provider that makes the
/// occurrences and was asked for a longer one. By the calendar's id, at some time of the day at which it becomes so.
pub(super) fn is_too_far_behind(window_end: Option<DateTime<Utc>>, id: &str, now: DateTime<Utc>) -> bool {
    let spread_s = jitter::offset(id, "rebase", DAY_S);
    let lead = TimeDelta::days(REBASED_AHEAD_DAYS) - TimeDelta::seconds(i64::try_from(spread_s).unwrap_or(0));
    window_end.is_some_and(|end| Window::ending(end).asked().end < now + lead)
}

/// The window as the store compares times: it has whole days.
pub(super) fn kept_range(window: &Window) -> OccurrenceRange {
    OccurrenceRange {
        from: window.start,
        to: window.end,
        from_date: window.start.date_naive(),
        to_date: window.end.date_naive(),
        zone: Zone::UTC,
        series: SeriesRows::All,
    }
}

/// Expands all series again where that is due. Killed in the middle, it begins again.
pub(super) async fn roll_window(deps: &Deps, calendar: &Calendar, window: &Window) -> Result<(), ActivityError> {
    let position = deps.store.sync_position(calendar.id).await.map_err(from_store)?;
    if !is_due(&position, window) {
        return Ok(());
    }
    let window = position.window_end.filter(|end| *end > window.end).map_or(*window, Window::ending);
    expand_all(deps, calendar, &window).await.map_err(from_store)
}

/// Expands the series of all calendars again that stand by older zone data than this process has; answers how many
/// calendars those were. What cannot be done now is logged and left to the next time.
pub async fn expand_again(deps: &Deps) -> Result<usize, StoreError> {
    let version = zones::version();
    let mut after: Option<(CalendarId, ZoneDataVersion)> = None;
    let mut expanded = 0;
    loop {
        let page = deps.store.by_older_zone_data(&version, after.as_ref(), CALENDARS_PER_PAGE).await?;
        for (calendar, _) in &page {
            match expand_calendar_again(deps, *calendar).await {
                Ok(()) => expanded += 1,
                // A sync is at work there; it may have expanded them by now, and else the next check does.
                Err(error) if error.is_conflict() => {}
                Err(error) => {
                    tracing::warn!(calendar_id = %calendar, %error, "series still stand by older time zone data");
                }
            }
        }
        match page.into_iter().next_back() {
            Some(last) => after = Some(last),
            None => return Ok(expanded),
        }
    }
}

async fn expand_calendar_again(deps: &Deps, id: CalendarId) -> Result<(), StoreError> {
    let Some(start) = deps.store.sync_start(id).await? else { return Ok(()) };
    let (calendar, position) = (start.calendar, start.position);
    // Before the first pass has ended there is no window yet; its end brings one.
    let Some(window_end) = position.window_end else { return Ok(()) };
    if !rules_make_occurrences(start.provider) {
        // Its series stand by no zone data of ours; that is written down, so that nobody looks again.
        let (zone_data, window) = (zones::version(), WindowNow::Until(window_end));
        let nothing = Expanded { occurrences: &[], zone_data: &zone_data, window };
        return deps.store.replace_occurrences(id, position.revision, &nothing).await.map(drop);
    }
    expand_all(deps, &calendar, &Window::ending(window_end)).await
}

/// Whether a provider's series have their occurrences by their rules.
fn rules_make_occurrences(provider: Provider) -> bool {
    let profile = evercal_providers::registry::named(provider.as_str()).map(|registration| registration.profile);
    profile.is_none_or(|profile| profile.occurrences == Occurrences::ByRules)
}

async fn expand_all(deps: &Deps, calendar: &Calendar, window: &Window) -> Result<(), StoreError> {
    let store = &deps.store;
    let zone_data = zones::version();
    let position = store.sync_position(calendar.id).await?;
    let mut revision = position.revision;
    // While it goes on, readers go by the window of before, which all series still have.
    let before = position.window_end.map(Window::ending);
    let kept = before.filter(|before| window.end - before.end <= WINDOW_KEPT_BEHIND_MAX);
    if before.is_some() && kept.is_none() {
        let nothing = Expanded { occurrences: &[], zone_data: &zone_data, window: WindowNow::Unknown };
        revision = store.replace_occurrences(calendar.id, revision, &nothing).await?;
    }
    let both = kept.map_or(*window, |kept| kept.joined(window));
    let expansion = Expansion::ByRules { zone: calendar_zone(calendar), window: both };
    let mut after: Option<ProviderEventId> = None;
    loop {
        let masters = store.master_ids(calendar.id, after.as_ref(), MASTERS_PER_BATCH).await?;
        let is_last = masters.len() < usize::try_from(MASTERS_PER_BATCH).unwrap_or(usize::MAX);
        let rows = store.related_rows(calendar.id, &masters).await?;
        let (occurrences, failed) = tokio::task::spawn_blocking(move || expand_stored(&rows, &expansion))
            .await
            .map_err(|_| StoreError::new(StoreErrorKind::Unavailable, "expanding series was cut off"))?;
        for error in failed {
            // It keeps the occurrences that it has.
            tracing::warn!(calendar_id = %calendar.id, %error, "a series could not be expanded for the new window");
        }
        let window = if is_last { WindowNow::Until(window.end) } else { WindowNow::Same };
        let expanded = Expanded { occurrences: &occurrences, zone_data: &zone_data, window };
        revision = store.replace_occurrences(calendar.id, revision, &expanded).await?;
        if is_last {
            return Ok(());
        }
        after = masters.last().cloned();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_of_the_providers_is_left_behind_a_week_after_it_was_made_at_a_time_of_the_day_of_its_own() {
        let now: DateTime<Utc> = "2026-03-02T08:30:00Z".parse().unwrap();
        let end = Window::around(now).end;
        assert!(!is_too_far_behind(None, "cal_1", now), "before there is one");
        let mut left_behind_at = std::collections::BTreeSet::new();
        for calendar in 0..50 {
            let id = format!("cal_{calendar}");
            let hours = (0..14 * 24).find(|hours| is_too_far_behind(Some(end), &id, now + TimeDelta::hours(*hours)));
            let hours = hours.expect("within two weeks");
            assert!((6 * 24..9 * 24).contains(&hours), "{id}: after {hours} h");
            left_behind_at.insert(hours);
        }
        assert!(left_behind_at.len() > 10, "{left_behind_at:?}");
    }
}
