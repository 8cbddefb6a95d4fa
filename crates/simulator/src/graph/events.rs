//! Reading events: by id, as a list, as the instances of a series, as a view without delta.

use chrono::NaiveDate;
use serde_json::{Map, Value, json};

use super::World;
use super::calendars::{self, Opened, calendar};
use super::errors::ApiError;
use super::event_view::Viewer;
use super::grants::Caller;
use super::ids::{IdForm, ItemId};
use super::operations::CalendarRef;
use super::request::{ApiRequest, Preferences};
use super::response::ApiResponse;
use super::selection::{order, page_of, select};
use super::series::{occurrence_at, occurrences};
use super::store::{Calendar, EventRecord};
use super::times::Window;

/// An event that a path names.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) opened: Opened,
    pub(crate) key: String,
    /// The occurrence of a series, if it is one.
    pub(crate) slot: Option<NaiveDate>,
}

/// Finds the event of the path: in the calendar that the path names, or anywhere in the caller's own.
pub(crate) fn find(world: &World, caller: &Caller, request: &ApiRequest) -> Result<Found, ApiError> {
    let opened = calendars::open(world, caller, request)?;
    let id = request.item_id()?;
    match &request.target.calendar {
        CalendarRef::Named(_) | CalendarRef::Default => {
            let (key, slot) = find_in(world, calendar(world, &opened.id)?, id)?;
            Ok(Found { opened, key, slot })
        }
        CalendarRef::Mailbox => {
            let own = world
                .provider
                .calendars
                .values()
                .filter(|calendar| !calendar.record.deleted && calendar.record.owner == caller.user);
            let mut refusal = ApiError::not_found();
            for calendar in own {
                match find_in(world, calendar, id) {
                    Ok((key, slot)) => {
                        let opened = calendars::open_id(world, caller, &calendar.record.id)?;
                        return Ok(Found { opened, key, slot });
                    }
                    Err(error) => refusal = error,
                }
            }
            Err(refusal)
        }
    }
}

/// What an id of either form stands for in a calendar.
pub(crate) fn find_in(world: &World, calendar: &Calendar, id: &str) -> Result<(String, Option<NaiveDate>), ApiError> {
    if id.starts_with("OID.") {
        return Err(ApiError::not_found());
    }
    let (item, form) = ItemId::read(world.seed(), id).ok_or_else(ApiError::malformed_id)?;
    let event = calendar.live(&item.key).ok_or_else(ApiError::not_found)?;
    if form == IdForm::Folder && item.generation != event.generation {
        return Err(ApiError::not_found());
    }
    if let Some(slot) = item.slot {
        if item.epoch != event.epoch {
            return Err(ApiError::not_found());
        }
        occurrence_at(event, slot)?;
    }
    Ok((item.key, item.slot))
}

/// An event as its viewer sees it.
pub(crate) fn shown(
    world: &World,
    opened: &Opened,
    key: &str,
    slot: Option<NaiveDate>,
    preferences: &Preferences,
) -> Result<Map<String, Value>, ApiError> {
    let calendar = calendar(world, &opened.id)?;
    let event = calendar.live(key).ok_or_else(ApiError::not_found)?;
    let viewer = Viewer { world, calendar: &calendar.record, role: opened.role, preferences };
    match slot {
        None => Ok(viewer.event(event)),
        Some(slot) => Ok(viewer.occurrence(event, &occurrence_at(event, slot)?)),
    }
}

/// `GET …/events/{id}`.
pub(crate) fn get(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let found = find(world, caller, request)?;
    let preferences = request.preferences()?;
    let item = shown(world, &found.opened, &found.key, found.slot, &preferences)?;
    let names = request.selected();
    let mut item = select(item, names.as_deref());
    let asks_for_cancelled = names.is_some_and(|names| names.contains(&"cancelledOccurrences"))
        && !world.provider.quirks.cancelled_occurrences_left_out;
    let calendar = calendar(world, &found.opened.id)?;
    if let (true, None, Some(event)) = (asks_for_cancelled, found.slot, calendar.live(&found.key)) {
        let viewer = Viewer { world, calendar: &calendar.record, role: found.opened.role, preferences: &preferences };
        item.insert("cancelledOccurrences".to_owned(), json!(viewer.cancelled_ids(event)));
    }
    item.insert("@odata.context".to_owned(), json!(format!("{}/v1.0/$metadata#users/events/$entity", request.origin)));
    Ok(ApiResponse::item(200, &item))
}

/// `GET …/events`: events and series, without occurrences.
pub(crate) fn list(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    request.refuse_options(&["$filter", "$search", "$expand"])?;
    let opened = calendars::open(world, caller, request)?;
    let preferences = request.preferences()?;
    let items = with_viewer(world, &opened, &preferences, |viewer, calendar| {
        calendar.all_live().map(|event| viewer.event(event)).collect()
    })?;
    listed(world, request, items)
}

/// `GET …/calendarView`: single events and occurrences, without series, by their start.
pub(crate) fn view(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    request.refuse_options(&["$filter", "$search", "$expand"])?;
    let opened = calendars::open(world, caller, request)?;
    let preferences = request.preferences()?;
    let window = request.window()?;
    let mut items: Vec<Map<String, Value>> =
        with_viewer(world, &opened, &preferences, |viewer, calendar| expanded(viewer, calendar, window))?;
    items.sort_by_key(|item| item.get("start").map(ToString::to_string).unwrap_or_default());
    listed(world, request, items)
}

/// `GET …/events/{id}/instances`: the occurrences of a series in a window, exceptions among them.
pub(crate) fn instances(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    request.refuse_options(&["$filter", "$search", "$expand"])?;
    let found = find(world, caller, request)?;
    let preferences = request.preferences()?;
    let window = request.window()?;
    let items = with_viewer(world, &found.opened, &preferences, |viewer, calendar| {
        let event = calendar.live(&found.key).filter(|event| event.is_series() && found.slot.is_none());
        event.map(|event| {
            occurrences(event, window).iter().map(|occurrence| viewer.listed_occurrence(event, occurrence)).collect()
        })
    })?;
    let message = "Your request can't be completed. The event must be a series master.";
    listed(world, request, items.ok_or_else(|| ApiError::invalid_request(message))?)
}

fn listed(
    world: &mut World,
    request: &ApiRequest,
    mut items: Vec<Map<String, Value>>,
) -> Result<ApiResponse, ApiError> {
    order(request, &mut items)?;
    let context = format!("{}/v1.0/$metadata#users/events", request.origin);
    page_of(world, request, &context, items)
}

/// Everything single that lies in a window.
pub(crate) fn expanded(viewer: &Viewer<'_>, calendar: &Calendar, window: Window) -> Vec<Map<String, Value>> {
    let of = |event: &EventRecord| -> Vec<Map<String, Value>> {
        if event.is_series() {
            occurrences(event, window).iter().map(|occurrence| viewer.listed_occurrence(event, occurrence)).collect()
        } else if event.time.overlaps(window) {
            vec![viewer.event(event)]
        } else {
            Vec::new()
        }
    };
    calendar.all_live().flat_map(of).collect()
}

fn with_viewer<T>(
    world: &World,
    opened: &Opened,
    preferences: &Preferences,
    work: impl FnOnce(&Viewer<'_>, &Calendar) -> T,
) -> Result<T, ApiError> {
    let calendar = calendar(world, &opened.id)?;
    let viewer = Viewer { world, calendar: &calendar.record, role: opened.role, preferences };
    Ok(work(&viewer, calendar))
}
