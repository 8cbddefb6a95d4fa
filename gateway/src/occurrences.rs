//! Reading occurrences at any range: from the store, and beyond the window that it keeps of series, by expanding these.
//!
//! What is stored of single events has no window. Of a series it has what overlaps the window, so that outside of it the
//! occurrences of all series are computed here, from the same rows, and put among the stored ones in the order of reading.
//! Not for: what an occurrence looks like (`bodies.rs`), tags and cursors (`routes/events.rs`).

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, TimeDelta, Utc};
use evercal_domain::event::Occurrence;
use evercal_domain::limits::{EVENTS_PAGE_BYTES_MAX, SERIES_YEARS};
use evercal_domain::profile::Occurrences;
use evercal_domain::zones::Clock;
use evercal_domain::{Calendar, Event, EventTime, ProviderEventId, SeriesPosition, Zone};
use evercal_mirror::StoredBody;
use evercal_providers::registry;
use evercal_recurrence::{ExpandError, Series, Steps, Window, expand_series_within};
use evercal_storage::{
    OccurrenceKey, OccurrenceRange, Page, PageRequest, ReadOccurrence, SeriesRows, Store, StoreError, StoreErrorKind,
};
use tokio::sync::Semaphore;

/// Series that one read expands; a calendar with more is read from the window alone.
const SERIES_MAX: usize = 5_000;
/// Their texts in bytes, so that a read stays small.
const SERIES_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Masters read at a time.
const MASTERS_PER_BATCH: u32 = 100;
/// Times that one read may compute, of all series together: under a second.
const STEPS_MAX: usize = 200_000;
/// Computed occurrences that are kept before those go that the page cannot need.
const KEPT_MAX: usize = 4_000;
/// Reads that expand series at a time; the others wait.
static EXPANDING: Semaphore = Semaphore::const_new(4);
/// Days that are expanded first; a page is mostly full after them. Each further span is twice as long.
const FIRST_SPAN: TimeDelta = TimeDelta::days(32);
/// No zone is more than a day away from UTC.
const DAY: TimeDelta = TimeDelta::days(1);

/// A page, and the time for which it can be relied on to have everything.
pub(crate) struct Answer {
    pub page: Page<ReadOccurrence>,
    pub complete_from: DateTime<Utc>,
    pub complete_until: DateTime<Utc>,
    /// Whether no occurrence of the page's range is missing.
    is_complete: bool,
}

/// Reads a page of a range of a calendar as it was read just before. Several statements: the caller checks whether the mirror
/// changed meanwhile, and reads again.
pub(crate) async fn read(
    store: &dyn Store,
    calendar: &Calendar,
    range: &OccurrenceRange,
    page: &PageRequest,
) -> Result<Answer, StoreError> {
    if is_stored(range, calendar) {
        let range = OccurrenceRange { series: SeriesRows::All, ..*range };
        let page = store.occurrences(calendar.id, &range, page).await?;
        return Ok(Answer { page, complete_from: range.from, complete_until: range.to, is_complete: true });
    }
    // Before their texts are read, so that these are in memory a few times at most. The semaphore is never closed.
    let _place = EXPANDING.acquire().await.ok();
    let all =
        if rules_make_occurrences(store, calendar).await? { load(store, calendar).await? } else { Loaded::none() };
    let all = Arc::new(all);
    let stored = calendar.window_end.map(Window::ending);
    // Before the first pass has ended nothing is sure to be stored.
    let window = stored.unwrap_or(Window { start: range.from, end: range.from });
    let read = Reading { store, calendar, range, page, window, all: &all };
    // Where not all could be loaded, it is known before that the answer cannot be whole.
    let is_surely_incomplete = !all.is_all && stored.is_some();
    let within = SeriesRows::StartingWithin { from: window.start, to: window.end };
    let mut answer = read.with(if is_surely_incomplete { SeriesRows::All } else { within }).await?;
    if !answer.is_complete && !is_surely_incomplete && stored.is_some() {
        // What reaches into the window from before it is stored too, and would be missed where it cannot be computed.
        answer = read.with(SeriesRows::All).await?;
    }
    // Read after the rows, as the store does for what it reads itself.
    let now = store.calendar(calendar.id).await?.filter(|now| now.state.serves_events());
    match now.map(|now| now.remote.access_role.view()) {
        Some(view) => answer.page.items.iter_mut().for_each(|read| read.event.hide_beyond(view)),
        None => answer.page = Page { items: Vec::new(), next: None },
    }
    Ok(answer)
}

/// A read that needs more than what is stored.
struct Reading<'a> {
    store: &'a dyn Store,
    calendar: &'a Calendar,
    range: &'a OccurrenceRange,
    page: &'a PageRequest,
    window: Window,
    all: &'a Arc<Loaded>,
}

impl Reading<'_> {
    /// With these rows of what is stored of series, and the others computed.
    async fn with(&self, series: SeriesRows) -> Result<Answer, StoreError> {
        let range = OccurrenceRange { series, ..*self.range };
        let rows = self.store.occurrences(self.calendar.id, &range, self.page).await?;
        let query = Query {
            range,
            stored: self.window,
            after: self.page.after.as_deref().map(OccurrenceKey::read).transpose()?,
            before: rows.next.as_deref().map(OccurrenceKey::read).transpose()?,
            limit: usize::try_from(self.page.limit.max(1)).unwrap_or(usize::MAX),
            calendar_zone: self.calendar.remote.time_zone.as_deref().and_then(|name| name.parse().ok()),
        };
        let all = Arc::clone(self.all);
        let merged = tokio::task::spawn_blocking(move || merged(rows, &all, &query));
        merged.await.map_err(|_| StoreError::new(StoreErrorKind::Unavailable, "expanding series was cut off"))
    }
}

/// Whether all occurrences of a range are among the stored ones. Dates are stored as if they were UTC's.
pub(crate) fn is_stored(range: &OccurrenceRange, calendar: &Calendar) -> bool {
    let (from, to) = edges(range);
    calendar.window_end.is_some_and(|end| Window::ending(end).contains(from, to))
}

/// The first and the last moment that the range touches, as instants and as dates of UTC.
fn edges(range: &OccurrenceRange) -> (DateTime<Utc>, DateTime<Utc>) {
    (range.from.min(midnight(range.from_date)), range.to.max(midnight(range.to_date)))
}

fn midnight(date: NaiveDate) -> DateTime<Utc> {
    date.and_time(NaiveTime::MIN).and_utc()
}

/// What is to be computed.
struct Query {
    range: OccurrenceRange,
    /// The window in which the store has all occurrences of series.
    stored: Window,
    /// The last one of the page before.
    after: Option<OccurrenceKey>,
    /// The last one of the stored page, where more rows follow it.
    before: Option<OccurrenceKey>,
    limit: usize,
    calendar_zone: Option<Zone>,
}

/// Whether the occurrences of a calendar's series can be computed. Those that its provider makes are known inside of the window
/// alone.
async fn rules_make_occurrences(store: &dyn Store, calendar: &Calendar) -> Result<bool, StoreError> {
    let Some(account) = store.account(calendar.account_id).await? else { return Ok(false) };
    let registration = registry::named(account.provider.as_str());
    Ok(registration.is_some_and(|registration| registration.profile.occurrences == Occurrences::ByRules))
}

/// The series of a calendar.
struct Loaded {
    series: Vec<LoadedSeries>,
    /// Whether these are all, and each of them whole.
    is_all: bool,
}

impl Loaded {
    /// None of them.
    fn none() -> Self {
        Self { series: Vec::new(), is_all: false }
    }
}

/// A series with all that changes it.
#[derive(Default)]
struct LoadedSeries {
    master: Option<Event>,
    exceptions: Vec<Event>,
    cancelled: Vec<SeriesPosition>,
}

async fn load(store: &dyn Store, calendar: &Calendar) -> Result<Loaded, StoreError> {
    let mut loaded = Loaded { series: Vec::new(), is_all: true };
    let mut bytes = 0;
    let mut after: Option<ProviderEventId> = None;
    loop {
        let masters = store.master_ids(calendar.id, after.as_ref(), MASTERS_PER_BATCH).await?;
        let mut batch: BTreeMap<ProviderEventId, LoadedSeries> = BTreeMap::new();
        for row in store.related_rows(calendar.id, &masters).await? {
            let owner = row.owner().clone();
            let whole = batch.entry(owner).or_default();
            match row.body {
                StoredBody::Event(event) => {
                    bytes += size(&event);
                    if event.series.is_some() { whole.exceptions.push(*event) } else { whole.master = Some(*event) }
                }
                StoredBody::Cancelled(position) => {
                    bytes += size_of::<SeriesPosition>() + position.master_id.as_str().len();
                    whole.cancelled.push(position);
                }
                // A cancelled occurrence might come back otherwise; the master may be what cannot be read. A series whose
                // occurrences its provider makes is not computed here.
                StoredBody::Unreadable | StoredBody::Occurrence(_) => loaded.is_all = false,
            }
            // A single series may have thousands of exceptions.
            if bytes > SERIES_BYTES_MAX {
                return Ok(Loaded::none());
            }
        }
        loaded.series.extend(batch.into_values().filter(|whole| whole.master.is_some()));
        if loaded.series.len() > SERIES_MAX {
            return Ok(Loaded::none());
        }
        if masters.len() < usize::try_from(MASTERS_PER_BATCH).unwrap_or(usize::MAX) {
            return Ok(loaded);
        }
        after = masters.last().cloned();
    }
}

/// About as many bytes as an event takes.
fn size(event: &Event) -> usize {
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let lines: usize = event.recurrence.iter().map(String::len).sum();
    size_of::<Event>() + text(&event.title) + text(&event.description) + lines + event.attendees.len() * 200
}

/// The stored rows of a page and the computed ones between them.
fn merged(rows: Page<ReadOccurrence>, all: &Loaded, query: &Query) -> Answer {
    let clock = query.range.zone.clock();
    let expansion = compute(all, query, &clock);
    let is_complete = expansion.is_complete && all.is_all;
    let (complete_from, complete_until) = complete(query, is_complete);

    let stored = rows.items.into_iter().map(|read| Row::Stored(Box::new(read)));
    let mut rows_by_start: Vec<Row> = stored.chain(expansion.occurrences.into_iter().map(Row::Computed)).collect();
    // The stored one of two stays: the sort is stable.
    rows_by_start.sort_by(|left, right| left.key().compare(right.key(), &clock));
    rows_by_start.dedup_by(|one, before| one.key() == before.key());
    let (mut items, mut bytes, mut next) = (Vec::new(), 0, rows.next);
    for piece in rows_by_start {
        if items.len() >= query.limit || bytes >= EVENTS_PAGE_BYTES_MAX {
            next = items.last().map(|last: &ReadOccurrence| last.key.cursor());
            break;
        }
        let read = piece.read();
        bytes += size(&read.event);
        items.push(read);
    }
    Answer { page: Page { items, next }, complete_from, complete_until, is_complete }
}

/// A row of the page, wherever it comes from.
enum Row<'a> {
    Stored(Box<ReadOccurrence>),
    Computed(Computed<'a>),
}

impl Row<'_> {
    fn key(&self) -> &OccurrenceKey {
        match self {
            Self::Stored(read) => &read.key,
            Self::Computed(computed) => &computed.key,
        }
    }

    fn read(self) -> ReadOccurrence {
        match self {
            Self::Stored(read) => *read,
            Self::Computed(computed) => computed.read(),
        }
    }
}

/// What of the range can be relied on.
fn complete(query: &Query, is_complete: bool) -> (DateTime<Utc>, DateTime<Utc>) {
    let range = &query.range;
    let first = |year| NaiveDate::from_ymd_opt(year, 1, 1).map(midnight).unwrap_or_default();
    let known = if is_complete {
        let years = Window { start: first(SERIES_YEARS.start), end: first(SERIES_YEARS.end) };
        years.joined(&query.stored)
    } else {
        // A date's day may begin before or after UTC's.
        let stored = &query.stored;
        Window { start: (stored.start + DAY).min(stored.end), end: (stored.end - DAY).max(stored.start) }
    };
    let from = range.from.max(known.start).min(range.to);
    (from, range.to.min(known.end).max(from))
}

/// Expands the series outside of the stored window, as far as the page can need it.
fn compute<'a>(all: &'a Loaded, query: &Query, clock: &Clock) -> Expansion<'a> {
    let (from, to) = edges(&query.range);
    let mut steps = Steps::at_most(STEPS_MAX);
    let mut found: Vec<Computed> = Vec::new();
    let mut is_complete = true;
    // What began before the page before ended was on it.
    let reached = query.after.as_ref().and_then(|after| DateTime::from_timestamp_micros(after.start_us()));
    let reached = reached.and_then(|reached| reached.checked_sub_signed(DAY));
    let mut start = reached.map_or(from, |reached| from.max(reached));
    let mut length = FIRST_SPAN;
    let mut is_first = true;
    while start < to {
        let end = start.checked_add_signed(length).unwrap_or(to).min(to);
        let span = Span { window: Window { start, end }, is_first };
        for whole in &all.series {
            match span.occurrences(whole, query, clock, &mut steps) {
                Ok(more) => found.extend(more),
                Err(_) => is_complete = false,
            }
            if found.len() > KEPT_MAX {
                keep_first(&mut found, query.limit, clock);
            }
        }
        // Dates are ordered by days of the calendar's zone, spans end with one of UTC's.
        let sure = (end - DAY).timestamp_micros();
        let is_sure = |one: &Computed| one.key.start_us() < sure;
        if end < to && found.iter().filter(|one| is_sure(one)).count() > query.limit {
            found.retain(is_sure);
            break;
        }
        (start, length, is_first) = (end, length * 2, false);
    }
    keep_first(&mut found, query.limit, clock);
    Expansion { occurrences: found, is_complete }
}

/// One more than the page has shows that another page follows.
fn keep_first(found: &mut Vec<Computed>, limit: usize, clock: &Clock) {
    found.sort_by(|left, right| left.key.compare(&right.key, clock));
    found.truncate(limit + 1);
}

/// The computed occurrences of all series.
struct Expansion<'a> {
    occurrences: Vec<Computed<'a>>,
    /// Whether each series could be expanded.
    is_complete: bool,
}

/// A computed occurrence; its event is copied only where it is on the page.
struct Computed<'a> {
    key: OccurrenceKey,
    occurrence: Occurrence,
    event: &'a Event,
}

impl Computed<'_> {
    fn read(self) -> ReadOccurrence {
        ReadOccurrence { key: self.key, occurrence: self.occurrence, event: self.event.clone() }
    }
}

/// A part of the range.
struct Span {
    window: Window,
    /// Then also what began before it.
    is_first: bool,
}

impl Span {
    fn occurrences<'a>(
        &self,
        whole: &'a LoadedSeries,
        query: &Query,
        clock: &Clock,
        steps: &mut Steps,
    ) -> Result<Vec<Computed<'a>>, ExpandError> {
        let Some(master) = &whole.master else { return Ok(Vec::new()) };
        let series = Series {
            master,
            exceptions: whole.exceptions.iter().collect(),
            cancelled: whole.cancelled.iter().collect(),
            calendar_zone: query.calendar_zone,
        };
        let occurrences = expand_series_within(&series, &self.window, steps)?;
        let read = |occurrence: Occurrence| {
            let key = OccurrenceKey::of(&master.provider_id, &occurrence);
            self.is_wanted(&key, &occurrence, query, clock).then(|| {
                let is_source = |event: &&Event| event.provider_id == occurrence.source_id;
                let event = Some(master).filter(is_source).or_else(|| whole.exceptions.iter().find(is_source));
                Computed { key, event: event.unwrap_or(master), occurrence }
            })
        };
        Ok(occurrences.into_iter().filter_map(read).collect())
    }

    /// Whether it is of this span, of the range, not among the stored ones, and after the page before.
    fn is_wanted(&self, key: &OccurrenceKey, occurrence: &Occurrence, query: &Query, clock: &Clock) -> bool {
        let start_us = key.start_us();
        let stored = query.stored.start.timestamp_micros()..query.stored.end.timestamp_micros();
        let is_stored = stored.contains(&start_us)
            || (query.range.series == SeriesRows::All && start_us < stored.end && end_us(occurrence) > stored.start);
        let is_of_span = self.is_first || start_us >= self.window.start.timestamp_micros();
        let is_between = |key: &OccurrenceKey| {
            query.after.as_ref().is_none_or(|after| key.compare(after, clock) == Ordering::Greater)
                && query.before.as_ref().is_none_or(|before| key.compare(before, clock) != Ordering::Greater)
        };
        let (year, is_in_range) = match (occurrence.start, occurrence.end) {
            (EventTime::Date { date: start }, EventTime::Date { date: end }) => {
                let (from, to) = (query.range.from_date, query.range.to_date);
                (start.year(), start < to && (end > from || start >= from))
            }
            (EventTime::Instant { at: start, .. }, EventTime::Instant { at: end, .. }) => {
                let (from, to) = (query.range.from, query.range.to);
                (start.year(), start < to && (end > from || start >= from))
            }
            _ => return false,
        };
        !is_stored && is_of_span && is_in_range && SERIES_YEARS.contains(&year) && is_between(key)
    }
}

/// The end as it is stored; of a date its midnight in UTC.
fn end_us(occurrence: &Occurrence) -> i64 {
    let end = match occurrence.end {
        EventTime::Date { date } => midnight(date),
        EventTime::Instant { at, .. } => at,
    };
    end.timestamp_micros()
}
