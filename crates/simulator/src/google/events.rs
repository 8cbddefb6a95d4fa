//! Reading events: `events.get`, `events.list`, `events.instances`. What may be asked is in [`super::event_query`],
//! what a series consists of in [`super::series`].

use std::borrow::Cow;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::calendars::{self, AccessRole, Opened};
use super::errors::ApiError;
use super::event_query::{EventQuery, Order};
use super::oauth::Caller;
use super::request::{ApiRequest, ApiResponse};
use super::series::{Occurrence, Series, split_instance_id};
use super::store::{Calendar, EventRecord};
use super::times::{EventPoint, timestamp};
use super::tokens::{self, Cursor, PageToken, Snapshot, SyncToken};
use crate::state::World;

/// Instances of one series in one answer of a list that expands series; Google's own horizon is not published.
const INSTANCES_PER_SERIES_MAX: usize = 730;
/// How far back `updatedMin` may reach; Google's own value is not published.
const UPDATED_MIN_REACH: TimeDelta = TimeDelta::days(28);

type Resource<'a> = Cow<'a, Map<String, Value>>;

/// An entry of a list with its sort key.
struct Item<'a> {
    cursor: Cursor,
    resource: Resource<'a>,
}

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

pub(crate) fn get(
    world: &mut World,
    caller: &Caller,
    request: &ApiRequest,
) -> Result<ApiResponse, ApiError> {
    let opened = calendars::open(world, caller, request.calendar_id()?)?;
    let calendar = calendars::calendar(world, &opened.id)?;
    let query = EventQuery::parse(&request.query)?;
    let resource = find(calendar, request.event_id()?)?;
    let etag = resource.get("etag").and_then(Value::as_str);
    if etag.is_some_and(|etag| request.if_none_match_hits(etag)) {
        return Ok(ApiResponse::empty(304));
    }
    let view = View {
        calendar,
        query: &query,
        role: opened.role,
        id_only_tombstones: false,
    };
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
pub(crate) fn find_occurrence<'a>(
    calendar: &'a Calendar,
    id: &str,
) -> Option<(&'a EventRecord, Occurrence)> {
    let (master_id, suffix) = split_instance_id(id)?;
    let master = calendar
        .event(master_id)
        .filter(|master| master.is_master() && !master.is_cancelled())?;
    let series = Series::parse(&master.resource, calendar.zone).ok()?;
    Some((master, series.find(suffix)?))
}

pub(crate) fn list(
    world: &mut World,
    caller: &Caller,
    request: &ApiRequest,
) -> Result<ApiResponse, ApiError> {
    let opened = calendars::open(world, caller, request.calendar_id()?)?;
    let now = world.now_for(&opened.id, request.simulated_now());
    let query = EventQuery::parse(&request.query)?;
    query.check_list(now - UPDATED_MIN_REACH)?;
    let leaves_page_empty = request.empty_page || world.google.next_page_is_empty();
    let calendar = calendars::calendar(world, &opened.id)?;
    let sync_token = read_sync_token(world, calendar, &query)?;
    let page_token = query
        .page_token
        .map(|text| PageToken::read(world, text, &opened.id, &query.page_digest))
        .transpose()?;
    let snapshot = page_token.as_ref().map_or_else(
        || Snapshot {
            version: calendar.last_version(),
            ordinal: calendar.last_ordinal(),
        },
        |page| page.snapshot,
    );
    let cursor = page_token.map(|page| page.cursor);
    let view = View {
        calendar,
        query: &query,
        role: opened.role,
        id_only_tombstones: world.google.quirks.id_only_tombstones,
    };
    let page_size = if leaves_page_empty { 0 } else { query.max_results };
    // One more than a page, to know whether it is the last one.
    let mut items = view.items(
        sync_token.as_ref().map(|token| token.version),
        snapshot,
        cursor.as_ref(),
        page_size + 1,
    );
    let more = items.len() > page_size;
    items.truncate(page_size);
    let last = items.last().map(|item| item.cursor.clone()).or(cursor);
    let next_page_token = more.then(|| {
        let token = PageToken {
            collection: opened.id.clone(),
            digest: query.page_digest.clone(),
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
pub(crate) fn instances(
    world: &mut World,
    caller: &Caller,
    request: &ApiRequest,
) -> Result<ApiResponse, ApiError> {
    let opened = calendars::open(world, caller, request.calendar_id()?)?;
    let query = EventQuery::parse(&request.query)?;
    let calendar = calendars::calendar(world, &opened.id)?;
    let master = calendar
        .event(request.event_id()?)
        .filter(|master| !master.is_cancelled())
        .ok_or_else(ApiError::not_found)?;
    if !master.is_master() {
        return Err(ApiError::invalid("The event does not recur."));
    }
    let page_token = query
        .page_token
        .map(|text| PageToken::read(world, text, &opened.id, &query.page_digest))
        .transpose()?;
    let view = View {
        calendar,
        query: &query,
        role: opened.role,
        id_only_tombstones: false,
    };
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
            cursor: last.cursor.clone(),
            snapshot: Snapshot::default(),
        };
        tokens::write(world, &token)
    });
    let items = items
        .into_iter()
        .map(|item| view.show(item.resource))
        .collect();
    Ok(ApiResponse::json(&page(calendar, &opened, items, next_page_token, None)))
}

fn read_sync_token(
    world: &World,
    calendar: &Calendar,
    query: &EventQuery<'_>,
) -> Result<Option<SyncToken>, ApiError> {
    let Some(text) = query.sync_token else {
        return Ok(None);
    };
    let token = SyncToken::read(world, text, &calendar.record.id)?;
    let record = &calendar.record;
    if token.generation != record.token_generation || token.version < record.history_floor {
        return Err(ApiError::full_sync_required());
    }
    if token.digest != query.sync_digest {
        return Err(ApiError::other_parameters_than_before("syncToken"));
    }
    Ok(Some(token))
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

/// A calendar as one caller sees it with one query.
pub(crate) struct View<'a, 'q> {
    pub(crate) calendar: &'a Calendar,
    pub(crate) query: &'q EventQuery<'q>,
    pub(crate) role: AccessRole,
    pub(crate) id_only_tombstones: bool,
}

impl<'a> View<'a, '_> {
    /// The next `count` entries of the list after `cursor`.
    fn items(
        &self,
        since: Option<u64>,
        snapshot: Snapshot,
        cursor: Option<&Cursor>,
        count: usize,
    ) -> Vec<Item<'a>> {
        let in_stored_order = !self.query.single_events && self.query.order == Order::Unspecified;
        let position = cursor
            .filter(|_| in_stored_order)
            .map_or(0, |cursor| u64::try_from(cursor.position).unwrap_or(0));
        // A full list goes by creation, which never changes; so an event that changes while pages are read
        // is neither lost nor repeated. An increment goes by change.
        let records: Box<dyn Iterator<Item = &'a EventRecord>> = match since {
            None => Box::new(self.calendar.by_ordinal(position, snapshot.ordinal)),
            Some(since) => Box::new(
                self.calendar
                    .by_version(position.max(since), snapshot.version),
            ),
        };
        let records = records.filter(|event| self.is_wanted(event, since.is_some()));
        if in_stored_order {
            return records
                .take(count)
                .map(|event| Item {
                    cursor: Cursor::at(if since.is_some() { event.version } else { event.ordinal }),
                    resource: self.show(Cow::Borrowed(&event.resource)),
                })
                .collect();
        }
        let mut items: Vec<Item<'a>> = records
            .flat_map(|event| self.expand_or_keep(event))
            .map(|resource| self.item(resource))
            .filter(|item| cursor.is_none_or(|cursor| item.cursor > *cursor))
            .collect();
        items.sort_by(|a, b| a.cursor.cmp(&b.cursor));
        items.truncate(count);
        for item in &mut items {
            item.resource = self.show(std::mem::take(&mut item.resource));
        }
        items
    }

    fn expand_or_keep(&self, event: &'a EventRecord) -> Vec<Resource<'a>> {
        if !self.query.single_events || !event.is_master() {
            return vec![Cow::Borrowed(&event.resource)];
        }
        self.expand(event)
            .into_iter()
            .filter(|instance| self.in_window(instance))
            .map(Cow::Owned)
            .collect()
    }

    /// The generated instances of a series: those that no exception replaces, inside the window, at most
    /// [`INSTANCES_PER_SERIES_MAX`].
    pub(crate) fn expand(&self, master: &EventRecord) -> Vec<Map<String, Value>> {
        let zone = self.calendar.zone;
        let Ok(series) = Series::parse(&master.resource, zone) else {
            return Vec::new();
        };
        let replaced: Vec<&str> = self
            .calendar
            .exceptions_of(&master.id)
            .map(|exception| exception.id.as_str())
            .collect();
        let last = match self.query.time_max {
            Some(time_max) => Some(time_max.naive_utc() + TimeDelta::days(1)),
            None if series.is_endless() => {
                let from = self.query.time_min.map_or(series.start.local(), |min| min.naive_utc());
                Some(from.max(series.start.local()) + TimeDelta::days(365 * 20))
            }
            None => None,
        };
        series
            .local_starts(last)
            .into_iter()
            .map(|local| series.occurrence(local))
            .filter(|occurrence| {
                let end = occurrence.end.unix_seconds(zone);
                self.query.time_min.is_none_or(|min| end > min.timestamp())
            })
            .map(|occurrence| occurrence.resource(&master.resource, zone))
            .filter(|instance| {
                let id = instance.get("id").and_then(Value::as_str);
                id.is_some_and(|id| !replaced.contains(&id))
            })
            .take(INSTANCES_PER_SERIES_MAX)
            .collect()
    }

    fn is_wanted(&self, event: &EventRecord, incremental: bool) -> bool {
        let query = self.query;
        if !incremental && event.is_cancelled() && !self.shows_cancelled(event) {
            return false;
        }
        if query.single_events && event.is_master() && event.is_cancelled() && !incremental {
            return false;
        }
        let updated_late = query.updated_min.is_none_or(|min| {
            let updated = event
                .text("updated")
                .and_then(|text| DateTime::parse_from_rfc3339(text).ok());
            updated.is_none_or(|updated| updated >= min)
        });
        updated_late && self.overlaps_window(event) && query.selects(&event.resource)
    }

    fn shows_cancelled(&self, event: &EventRecord) -> bool {
        let query = self.query;
        if query.show_deleted == Some(true) || query.updated_min.is_some() {
            return true;
        }
        let master = event.master_id().and_then(|id| self.calendar.event(id));
        !query.single_events && master.is_some_and(|master| !master.is_cancelled())
    }

    fn overlaps_window(&self, event: &EventRecord) -> bool {
        let starts_early = self
            .query
            .time_max
            .is_none_or(|max| event.span.start < max.timestamp());
        let Some(min) = self.query.time_min else {
            return starts_early;
        };
        if !starts_early || event.span.end > min.timestamp() {
            return starts_early;
        }
        if !event.is_master() {
            return false;
        }
        let zone = self.calendar.zone;
        Series::parse(&event.resource, zone).is_ok_and(|series| {
            series.is_endless()
                || series.local_starts(None).last().is_some_and(|last| {
                    series.occurrence(*last).end.unix_seconds(zone) > min.timestamp()
                })
        })
    }

    fn in_window(&self, resource: &Map<String, Value>) -> bool {
        let zone = self.calendar.zone;
        let seconds = |name: &str| {
            EventPoint::stored(resource.get(name), zone).map(|point| point.unix_seconds(zone))
        };
        let start = seconds("start").or_else(|| seconds("originalStartTime"));
        let end = seconds("end").or(start);
        let before_max = self.query.time_max.is_none_or(|max| {
            start.is_none_or(|start| start < max.timestamp())
        });
        let after_min = self.query.time_min.is_none_or(|min| {
            end.is_none_or(|end| end > min.timestamp())
        });
        before_max && after_min
    }

    fn item(&self, resource: Resource<'a>) -> Item<'a> {
        match self.query.order {
            Order::StartTime => self.item_by_start(resource),
            Order::Unspecified | Order::Updated => {
                let updated = resource
                    .get("updated")
                    .and_then(Value::as_str)
                    .filter(|_| self.query.order == Order::Updated)
                    .and_then(|text| DateTime::parse_from_rfc3339(text).ok());
                let position = updated.map_or(0, |updated| updated.timestamp_millis());
                Item {
                    cursor: Cursor {
                        position,
                        id: id_of(&resource),
                    },
                    resource,
                }
            }
        }
    }

    fn item_by_start(&self, resource: Resource<'a>) -> Item<'a> {
        let zone = self.calendar.zone;
        let start = EventPoint::stored(resource.get("start"), zone)
            .or_else(|| EventPoint::stored(resource.get("originalStartTime"), zone));
        Item {
            cursor: Cursor {
                position: start.map_or(0, |start| start.unix_seconds(zone)),
                id: id_of(&resource),
            },
            resource,
        }
    }

    /// The resource as this caller may see it and asked for it.
    pub(crate) fn show<'r>(&self, resource: Resource<'r>) -> Resource<'r> {
        let text = |name: &str| resource.get(name).and_then(Value::as_str);
        let cancelled = text("status") == Some("cancelled");
        let is_exception = resource.contains_key("recurringEventId");
        if cancelled && self.id_only_tombstones && !is_exception {
            let kept = ["kind", "etag", "id", "status"];
            return Cow::Owned(only(&resource, &kept));
        }
        let hidden = self.role == AccessRole::FreeBusyReader
            || (!self.role.sees_private()
                && matches!(text("visibility"), Some("private" | "confidential")));
        let mut resource = resource;
        if hidden {
            resource = Cow::Owned(only(
                &resource,
                &[
                    "kind", "etag", "id", "status", "htmlLink", "created", "updated", "start", "end",
                    "recurrence", "recurringEventId", "originalStartTime", "iCalUID", "transparency",
                    "visibility", "sequence", "eventType",
                ],
            ));
            if self.role == AccessRole::FreeBusyReader {
                resource.to_mut().insert("visibility".to_owned(), json!("private"));
            }
        }
        if let Some(zone) = self.query.time_zone {
            let own = self.calendar.zone;
            for name in ["start", "end", "originalStartTime"] {
                if let Some(point) = EventPoint::stored(resource.get(name), own) {
                    resource.to_mut().insert(name.to_owned(), point.to_value(zone));
                }
            }
        }
        self.query.cut_attendees(resource, &self.calendar.record.id)
    }
}

fn id_of(resource: &Map<String, Value>) -> String {
    resource
        .get("id")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

fn only(resource: &Map<String, Value>, names: &[&str]) -> Map<String, Value> {
    resource
        .iter()
        .filter(|(name, _)| names.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

impl Cursor {
    /// After the entry with this version or ordinal.
    fn at(position: u64) -> Self {
        Self {
            position: i64::try_from(position).unwrap_or(i64::MAX),
            id: String::new(),
        }
    }

    /// Smaller than every other one.
    fn before_everything() -> Self {
        Self {
            position: i64::MIN,
            id: String::new(),
        }
    }
}
