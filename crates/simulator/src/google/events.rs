//! Reading events: `events.get`, `events.list`, `events.instances`. What may be asked is in [`super::event_query`],
//! what a series consists of in [`super::series`].

use std::borrow::Cow;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::{Map, Value};

use super::World;
use super::calendars::{self, Opened};
use super::errors::ApiError;
use super::event_query::EventQuery;
use super::event_view::{Item, Resource, View};
use super::oauth::Caller;
use super::quirks::Quirks;
use super::request::{ApiRequest, Query};
use super::response::ApiResponse;
use super::series::{Occurrence, Series, split_instance_id};
use super::store::{Calendar, EventRecord};
use super::times::timestamp;
use super::tokens::{self, Cursor, PageToken, Snapshot, SyncToken};
use crate::core::access::AccessRole;

/// How far back `updatedMin` may reach; Google's own value is not published.
const UPDATED_MIN_REACH: TimeDelta = TimeDelta::days(28);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Page<'a> {
    kind: &'static str,
    etag: String,
    summary: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    updated: String,
    time_zone: &'a str,
    access_role: &'static str,
    default_reminders: [Value; 0],
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_sync_token: Option<String>,
    items: Vec<Resource<'a>>,
}

pub(crate) fn get(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let opened = calendars::open(world, caller, request.calendar_id()?)?;
    let calendar = calendars::calendar(world, &opened.id)?;
    let query = EventQuery::parse(&request.query)?;
    let resource = find(calendar, request.event_id()?)?;
    let etag = resource.get("etag").and_then(Value::as_str);
    if etag.is_some_and(|etag| request.if_none_match_hits(etag)) {
        return Ok(ApiResponse::empty(304));
    }
    let view = View { calendar, query: &query, role: opened.role, quirks: &Quirks::NONE };
    Ok(ApiResponse::resource(&view.show(resource)))
}

/// A stored event, or the generated instance that an instance id names.
pub(crate) fn find<'a>(calendar: &'a Calendar, id: &str) -> Result<Resource<'a>, ApiError> {
    if let Some(event) = calendar.event(id) {
        return Ok(Cow::Borrowed(&event.resource));
    }
    let (master, occurrence) = find_occurrence(calendar, id).ok_or_else(ApiError::not_found)?;
    Ok(Cow::Owned(occurrence.resource(&master.resource, calendar.zone)))
}

/// The live series and the occurrence that an instance id names.
pub(crate) fn find_occurrence<'a>(calendar: &'a Calendar, id: &str) -> Option<(&'a EventRecord, Occurrence)> {
    let (master_id, suffix) = split_instance_id(id)?;
    let master = calendar.event(master_id).filter(|master| master.is_master() && !master.is_cancelled())?;
    let series = Series::parse(&master.resource, calendar.zone).ok()?;
    Some((master, series.find(suffix)?))
}

pub(crate) fn list(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let opened = calendars::open(world, caller, request.calendar_id()?)?;
    let now = world.now_for(&opened.id, request.simulated_now());
    let query = EventQuery::parse(&request.query)?;
    query.check_list(now - UPDATED_MIN_REACH)?;
    let leaves_page_empty = request.empty_page || world.provider.next_page_is_empty();
    let calendar = calendars::calendar(world, &opened.id)?;
    let sync_token = read_sync_token(world, calendar, &query)?;
    let page_token = read_page_token(world, calendar, &query)?;
    let snapshot = page_token.as_ref().map_or_else(
        || Snapshot { version: calendar.last_version(), ordinal: calendar.last_ordinal() },
        |page| page.snapshot,
    );
    let cursor = page_token.map(|page| page.cursor);
    let view = View { calendar, query: &query, role: opened.role, quirks: &world.provider.quirks };
    let page_size = if leaves_page_empty { 0 } else { world.provider.quirks.page_size(query.max_results) };
    // One more than a page, to know whether it is the last one.
    let mut items =
        view.items(sync_token.as_ref().map(|token| token.version), snapshot, cursor.as_ref(), page_size + 1);
    let more = items.len() > page_size;
    items.truncate(page_size);
    let last = items.last().map(|item| item.cursor.clone()).or(cursor);
    let next_page_token = more.then(|| {
        let token = PageToken {
            collection: opened.id.clone(),
            digest: query.page_digest.clone(),
            generation: calendar.record.page_token_generation,
            cursor: last.unwrap_or_else(Cursor::before_everything),
            snapshot,
        };
        tokens::write(world, &token)
    });
    let next_sync_token = (!more && query.gives_sync_token()).then(|| {
        let token = SyncToken {
            collection: opened.id.clone(),
            digest: query.sync_digest.clone(),
            generation: calendar.record.token_generation,
            version: snapshot.version,
        };
        tokens::write(world, &token)
    });
    let items = items.into_iter().map(|item| item.resource).collect();
    Ok(ApiResponse::json(&page(calendar, &opened, items, next_page_token, next_sync_token)))
}

/// The occurrences of one series, with its exceptions in their places.
pub(crate) fn instances(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let opened = calendars::open(world, caller, request.calendar_id()?)?;
    let query = EventQuery::parse(&request.query)?;
    let calendar = calendars::calendar(world, &opened.id)?;
    let master =
        calendar.event(request.event_id()?).filter(|master| !master.is_cancelled()).ok_or_else(ApiError::not_found)?;
    if !master.is_master() {
        return Err(ApiError::invalid("The event does not recur."));
    }
    let page_token = read_page_token(world, calendar, &query)?;
    let view = View { calendar, query: &query, role: opened.role, quirks: &Quirks::NONE };
    let exceptions = calendar
        .exceptions_of(&master.id)
        .filter(|exception| query.show_deleted == Some(true) || !exception.is_cancelled())
        .map(|exception| Cow::Borrowed(&exception.resource));
    let mut items: Vec<Item<'_>> = view
        .expand(master)
        .into_iter()
        .map(Cow::Owned)
        .chain(exceptions)
        .filter(|resource| view.in_window(resource) && query.has_original_start(resource))
        .map(|resource| view.item_by_start(resource))
        .collect();
    items.sort_by(|a, b| a.cursor.cmp(&b.cursor));
    if let Some(page) = &page_token {
        items.retain(|item| item.cursor > page.cursor);
    }
    let more = items.len() > query.max_results;
    items.truncate(query.max_results);
    let next_page_token = items.last().filter(|_| more).map(|last| {
        let token = PageToken {
            collection: opened.id.clone(),
            digest: query.page_digest.clone(),
            generation: calendar.record.page_token_generation,
            cursor: last.cursor.clone(),
            snapshot: Snapshot::default(),
        };
        tokens::write(world, &token)
    });
    let items = items.into_iter().map(|item| view.show(item.resource)).collect();
    Ok(ApiResponse::json(&page(calendar, &opened, items, next_page_token, None)))
}

/// What [`list`] gives somebody with this role: all pages of it.
pub(crate) fn listed(
    calendar: &Calendar,
    role: AccessRole,
    parameters: &[(&str, &str)],
) -> Result<Vec<Map<String, Value>>, ApiError> {
    let parameters = Query::of(parameters);
    let query = EventQuery::parse(&parameters)?;
    let view = View { calendar, query: &query, role, quirks: &Quirks::NONE };
    let now = Snapshot { version: calendar.last_version(), ordinal: calendar.last_ordinal() };
    let items = view.items(None, now, None, usize::MAX);
    Ok(items.into_iter().map(|item| item.resource.into_owned()).collect())
}

fn read_sync_token(world: &World, calendar: &Calendar, query: &EventQuery<'_>) -> Result<Option<SyncToken>, ApiError> {
    let Some(text) = query.sync_token else {
        return Ok(None);
    };
    let token = SyncToken::read(world, text, &calendar.record.id)?;
    let record = &calendar.record;
    if token.generation != record.token_generation || token.version < record.history_floor {
        return Err(ApiError::full_sync_required());
    }
    if token.digest != query.sync_digest {
        return Err(ApiError::invalid_sync_token());
    }
    Ok(Some(token))
}

fn read_page_token(world: &World, calendar: &Calendar, query: &EventQuery<'_>) -> Result<Option<PageToken>, ApiError> {
    let record = &calendar.record;
    let read = |text| PageToken::read(world, text, &record.id, &query.page_digest, record.page_token_generation);
    query.page_token.map(read).transpose()
}

fn page<'a>(
    calendar: &'a Calendar,
    opened: &Opened,
    items: Vec<Resource<'a>>,
    next_page_token: Option<String>,
    next_sync_token: Option<String>,
) -> Page<'a> {
    Page {
        kind: "calendar#events",
        etag: format!("\"p{:015}\"", calendar.last_version()),
        summary: &calendar.record.summary,
        description: calendar.record.description.as_deref(),
        updated: calendar.updated().map_or_else(|| timestamp(DateTime::<Utc>::UNIX_EPOCH), str::to_owned),
        time_zone: &calendar.record.time_zone,
        access_role: opened.role.name(),
        default_reminders: [],
        next_page_token,
        next_sync_token,
        items,
    }
}
