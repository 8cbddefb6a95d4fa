//! `calendarView/delta`: the whole of a window at first, and then what changed. It is not a plain list of changes: a series that
//! changed comes with all of its occurrences that are left, and nothing says which ones are not.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::World;
use super::calendars::{self, Opened, calendar};
use super::errors::ApiError;
use super::event_view::Viewer;
use super::grants::Caller;
use super::request::{ApiRequest, Preferences};
use super::response::ApiResponse;
use super::series::{Occurrence, is_in, occurrences};
use super::store::{Calendar, EventRecord};
use super::times::{Window, plain_timestamp};
use crate::core::faults::Dice;
use crate::core::sealed;

const PURPOSE: &[u8] = b"delta token";
const PAGE_ITEMS_DEFAULT: usize = 10;
const SKIP_TOKEN: &str = "$skiptoken";
const DELTA_TOKEN: &str = "$deltatoken";
const REFUSED: [&str; 7] = ["$filter", "$orderby", "$expand", "$search", "$select", "$top", "$skip"];

/// Why a delta token is not accepted, as the control API has set it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenDeath {
    /// HTTP status.
    pub status: u16,
    /// The error's code, for example `SyncStateNotFound` (which the documentation begins with a small letter),
    /// `syncStateInvalid`, `resyncRequired`, `ErrorInvalidSyncStateData`.
    pub code: String,
    /// Whether a `Location` says where to begin anew.
    pub with_location: bool,
}

impl Default for TokenDeath {
    fn default() -> Self {
        Self { status: 410, code: "SyncStateNotFound".to_owned(), with_location: true }
    }
}

/// Where a client stands: what both kinds of tokens are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    #[serde(rename = "c")]
    calendar: String,
    #[serde(rename = "g")]
    generation: u64,
    #[serde(rename = "w")]
    window: Window,
    /// The version up to which the client knows the calendar; nothing in its first round.
    #[serde(rename = "k")]
    known: Option<u64>,
    /// Where this round ends; nothing before it has begun.
    #[serde(rename = "r")]
    round: Option<RoundEnd>,
    #[serde(rename = "n")]
    cursor: Cursor,
}

/// How far the calendar had come when the first page of a round was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct RoundEnd {
    #[serde(rename = "v")]
    version: u64,
    #[serde(rename = "o")]
    ordinal: u64,
}

/// The next item: the how-manieth of the event with this ordinal, or version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Cursor {
    #[serde(rename = "p")]
    place: u64,
    #[serde(rename = "i")]
    item: usize,
}

/// A page before it is written.
struct Page {
    items: Vec<Map<String, Value>>,
    /// Where the next one begins, if there is one.
    next: Option<Cursor>,
}

/// `GET …/calendarView/delta`.
pub(crate) fn delta(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let opened = calendars::open(world, caller, request)?;
    request.refuse_options(&REFUSED)?;
    let preferences = request.preferences()?;
    let mut position = read_position(world, &opened, request)?;
    let is_first = position.known.is_none() && position.round.is_none();
    let calendar = calendar(world, &opened.id)?;
    let end = position.round.unwrap_or_else(|| RoundEnd {
        version: visible_version(world, calendar).max(position.known.unwrap_or(0)),
        ordinal: calendar.last_ordinal(),
    });
    position.round = Some(end);
    let asked = preferences.page_items_max.unwrap_or(PAGE_ITEMS_DEFAULT);
    let size = world.provider.quirks.page_size(asked).max(1);
    let is_empty = request.empty_page
        || world.provider.next_page_is_empty()
        || (is_first && world.provider.quirks.first_pages_empty);
    let mut page = if is_empty {
        Page { items: Vec::new(), next: Some(position.cursor) }
    } else {
        read_page(world, &opened, &preferences, &position, end, size)?
    };
    disturb(world, &mut page);
    let mut body = json!({
        "@odata.context": format!("{}/v1.0/$metadata#Collection(event)", request.origin),
        "value": page.items,
    });
    let seed = world.seed();
    let link = |name: &str, position: &Position| {
        format!("{}{}?{name}={}", request.origin, request.path, sealed::write(seed, PURPOSE, position))
    };
    let (name, link) = if let Some(next) = page.next {
        position.cursor = next;
        ("@odata.nextLink", world.provider.next_link(link(SKIP_TOKEN, &position)))
    } else {
        position.known = Some(end.version);
        position.round = None;
        position.cursor = Cursor::default();
        ("@odata.deltaLink", link(DELTA_TOKEN, &position))
    };
    if let Some(body) = body.as_object_mut() {
        body.insert(name.to_owned(), json!(link));
    }
    Ok(ApiResponse::json(&body))
}

/// Up to which change delta says anything by now.
fn visible_version(world: &World, calendar: &Calendar) -> u64 {
    let lag_ms = i64::try_from(world.provider.quirks.delta_lag_ms).unwrap_or(i64::MAX / 1_000);
    if lag_ms == 0 {
        return calendar.last_version();
    }
    calendar.version_at(world.clock.real_now() - TimeDelta::milliseconds(lag_ms))
}

fn read_position(world: &World, opened: &Opened, request: &ApiRequest) -> Result<Position, ApiError> {
    let record = &calendar(world, &opened.id)?.record;
    let token = [SKIP_TOKEN, DELTA_TOKEN].into_iter().find_map(|name| request.query.get_ignoring_case(name));
    let Some(token) = token else {
        let window = request.window()?;
        let days = i64::from(world.provider.quirks.long_window_fails_days);
        if days > 0 && (window.to - window.from).num_days() > days {
            return Err(ApiError::window_too_heavy());
        }
        return Ok(Position {
            calendar: record.id.clone(),
            generation: record.token_generation,
            window,
            known: None,
            round: None,
            cursor: Cursor::default(),
        });
    };
    if request.query.pairs().count() > 1 {
        return Err(ApiError::invalid_query("A delta or skip token cannot be used together with other parameters."));
    }
    let position: Position = sealed::read(world.seed(), PURPOSE, token)
        .filter(|position: &Position| position.calendar == record.id)
        .ok_or_else(|| ApiError::new(400, "SyncStateInvalid", "The sync state data is invalid."))?;
    if position.generation == record.token_generation {
        Ok(position)
    } else {
        Err(dead(&world.provider.token_death, request, position.window))
    }
}

fn dead(death: &TokenDeath, request: &ApiRequest, window: Window) -> ApiError {
    let (from, to) = (plain_timestamp(window.from), plain_timestamp(window.to));
    let anew = format!("{}{}?startDateTime={from}&endDateTime={to}", request.origin, request.path);
    let message = "The sync state generation is not found; generation=149;[highest=157][157][155][156].";
    ApiError::new(death.status, &death.code, message).with_location(death.with_location.then_some(anew))
}

fn read_page(
    world: &World,
    opened: &Opened,
    preferences: &Preferences,
    position: &Position,
    end: RoundEnd,
    size: usize,
) -> Result<Page, ApiError> {
    let calendar = calendar(world, &opened.id)?;
    let viewer = Viewer { world, calendar: &calendar.record, role: opened.role, preferences };
    let start = position.cursor;
    let events: Box<dyn Iterator<Item = (u64, &EventRecord)>> = match position.known {
        None => Box::new(calendar.by_ordinal(start.place, end.ordinal).map(|event| (event.ordinal, event))),
        Some(known) => {
            Box::new(calendar.by_version(start.place.max(known + 1), end.version).map(|event| (event.version, event)))
        }
    };
    let mut page = Page { items: Vec::new(), next: None };
    let mut last = start;
    for (place, event) in events {
        let skipped = if place == start.place { start.item } else { 0 };
        for (item, shown) in shown_of(&viewer, event, position).into_iter().enumerate().skip(skipped) {
            if page.items.len() == size {
                // What was the last item of this page may be the first of the next one again.
                let repeats = world.provider.quirks.items_repeat && size > 1;
                page.next = Some(if repeats { last } else { Cursor { place, item } });
                return Ok(page);
            }
            last = Cursor { place, item };
            page.items.push(shown);
        }
    }
    Ok(page)
}

/// What a round says of one event.
fn shown_of(viewer: &Viewer<'_>, event: &EventRecord, position: &Position) -> Vec<Map<String, Value>> {
    let window = position.window;
    let Some(known) = position.known else {
        return if !event.deleted && is_in(event, window) { whole(viewer, event, window) } else { Vec::new() };
    };
    if event.deleted {
        return vec![removed(viewer.id(event))];
    }
    let changed = |version: u64| version > known;
    // Exceptions that left the window are said to be removed, as events are that do not recur.
    let left = event
        .exceptions
        .iter()
        .filter(|(_, exception)| changed(exception.version) && !exception.time.overlaps(window))
        .map(|(slot, _)| removed(viewer.occurrence_id(event, *slot)));
    let quirks = &viewer.world.provider.quirks;
    let mut items = if quirks.exceptions_alone && event.is_series() && !changed(event.own_version) {
        let of_exception =
            |occurrence: &Occurrence<'_>| occurrence.exception.is_some_and(|exception| changed(exception.version));
        let changed = occurrences(event, window).into_iter().filter(of_exception);
        changed.map(|occurrence| viewer.listed_occurrence(event, &occurrence)).collect()
    } else if is_in(event, window) {
        whole(viewer, event, window)
    } else {
        vec![removed(viewer.id(event))]
    };
    items.extend(left);
    items
}

/// An event, or a series with all that it has in the window.
fn whole(viewer: &Viewer<'_>, event: &EventRecord, window: Window) -> Vec<Map<String, Value>> {
    if !event.is_series() {
        return vec![typed(viewer.event(event))];
    }
    let mut items = Vec::new();
    if !viewer.world.provider.quirks.masters_left_out {
        items.push(typed(viewer.event(event)));
    }
    for occurrence in occurrences(event, window) {
        items.push(match occurrence.exception {
            None => viewer.bare_occurrence(event, &occurrence),
            Some(_) => typed(viewer.listed_occurrence(event, &occurrence)),
        });
    }
    items
}

fn typed(mut item: Map<String, Value>) -> Map<String, Value> {
    item.insert("@odata.type".to_owned(), json!("#microsoft.graph.event"));
    item
}

fn removed(id: String) -> Map<String, Value> {
    Map::from_iter([
        ("@odata.type".to_owned(), json!("#microsoft.graph.event")),
        ("id".to_owned(), json!(id)),
        ("@removed".to_owned(), json!({"reason": "deleted"})),
    ])
}

/// Items twice and in any order, where those quirks are on.
fn disturb(world: &mut World, page: &mut Page) {
    let position = world.provider.next_disturbance();
    let dice = Dice::new(world.seed(), "delta page", position);
    if world.provider.quirks.items_repeat
        && let Some(item) = dice.choose(&page.items, 0).cloned()
    {
        page.items.push(item);
    }
    if world.provider.quirks.items_shuffled {
        let count = page.items.len();
        for item in (1..count).rev() {
            let other = Dice::new(world.seed(), "delta order", position.wrapping_add(u64::try_from(item).unwrap_or(0)));
            let other = usize::try_from(other.below(u64::try_from(item + 1).unwrap_or(1), 0)).unwrap_or(0);
            page.items.swap(item, other);
        }
    }
}
