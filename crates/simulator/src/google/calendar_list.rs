//! `calendarList.*`: the calendars that a user sees, with their own sync tokens (source: Google's sync guide).

use serde_json::{Map, Value, json};

use super::World;
use super::calendars;
use super::channels;
use super::errors::ApiError;
use super::oauth::Caller;
use super::request::ApiRequest;
use super::response::ApiResponse;
use super::tokens::{self, Cursor, PageToken, Snapshot, SyncToken};
use super::users::{ListEntry, User};
use crate::core::access::AccessRole;
use crate::core::channels::Collection;

const PAGE_DEFAULT: usize = 100;
const PAGE_MAX: usize = 250;
/// Page tokens of the calendar list do not end.
const PAGE_TOKEN_GENERATION: u64 = 0;
/// Fields of an entry that the user may set.
const WRITABLE: [&str; 8] = [
    "summaryOverride",
    "colorId",
    "backgroundColor",
    "foregroundColor",
    "hidden",
    "selected",
    "defaultReminders",
    "notificationSettings",
];

pub(crate) fn list(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let collection = Collection::CalendarList { user: caller.user.clone() };
    let query = &request.query;
    let page_size = query.count("maxResults", PAGE_DEFAULT, PAGE_MAX)?;
    let show_deleted = query.flag("showDeleted")?;
    let show_hidden = query.flag("showHidden")?;
    let user = user(world, caller)?;
    let digest = tokens::digest(&query.without(&[
        "maxResults",
        "pageToken",
        "syncToken",
        "showDeleted",
        "showHidden",
        "fields",
        "alt",
        "key",
        "prettyPrint",
        "quotaUser",
        "access_token",
    ]));
    let sync_token = match query.get("syncToken") {
        None => None,
        Some(text) => {
            for forbidden in ["minAccessRole", "showOwnOrganizationOnly"] {
                if query.get(forbidden).is_some() {
                    return Err(ApiError::sync_token_with(forbidden));
                }
            }
            for (name, value) in [("showDeleted", show_deleted), ("showHidden", show_hidden)] {
                if value == Some(false) {
                    return Err(ApiError::sync_token_with(name));
                }
            }
            let token = SyncToken::read(world, text, &collection.key())?;
            if token.generation != user.record.token_generation {
                return Err(ApiError::full_sync_required());
            }
            Some(token)
        }
    };
    let page = query
        .get("pageToken")
        .map(|text| PageToken::read(world, text, &collection.key(), &digest, PAGE_TOKEN_GENERATION))
        .transpose()?;
    let snapshot = page.as_ref().map_or(Snapshot { version: user.list_version, ordinal: 0 }, |page| page.snapshot);
    let cursor = page.map(|page| page.cursor).unwrap_or_default();
    let after_version = sync_token.as_ref().map_or(0, |token| token.version);
    let min_role = query.get("minAccessRole");
    let wanted = |entry: &&ListEntry| {
        if sync_token.is_some() {
            return entry.version > after_version && entry.version <= snapshot.version;
        }
        (show_deleted == Some(true) || !entry.deleted) && (show_hidden == Some(true) || !entry.is_hidden())
    };
    let mut entries: Vec<&ListEntry> = user
        .list
        .values()
        .filter(wanted)
        .filter(|entry| is_shown(world, entry))
        .filter(|entry| entry.calendar > cursor.id)
        .filter(|entry| min_role.is_none_or(|wanted| has_role(world, entry, wanted)))
        .collect();
    let more = entries.len() > page_size || request.empty_page;
    entries.truncate(if request.empty_page { 0 } else { page_size });
    let items: Vec<Map<String, Value>> = entries.iter().map(|entry| resource(world, entry)).collect();
    let mut answer = json!({
        "kind": "calendar#calendarList",
        "etag": format!("\"l{:015}\"", user.list_version),
        "items": items,
    });
    let (name, token) = if more {
        let cursor = Cursor { position: 0, id: entries.last().map_or(cursor.id, |entry| entry.calendar.clone()) };
        let generation = PAGE_TOKEN_GENERATION;
        let page = PageToken { collection: collection.key(), digest, generation, cursor, snapshot };
        ("nextPageToken", tokens::write(world, &page))
    } else {
        let sync = SyncToken {
            collection: collection.key(),
            digest: String::new(),
            generation: user.record.token_generation,
            version: snapshot.version,
        };
        ("nextSyncToken", tokens::write(world, &sync))
    };
    if let Some(answer) = answer.as_object_mut() {
        answer.insert(name.to_owned(), json!(token));
    }
    Ok(ApiResponse::json(&answer))
}

pub(crate) fn get(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let id = listed_id(world, caller, request.calendar_id()?)?;
    let entry = user(world, caller)?.list.get(id).filter(|entry| !entry.deleted && is_shown(world, entry));
    Ok(ApiResponse::resource(&resource(world, entry.ok_or_else(ApiError::not_found)?)))
}

/// Puts a calendar that the caller may read back into the list.
pub(crate) fn insert(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let body = request.json_object()?;
    let id = body.get("id").and_then(Value::as_str).ok_or_else(|| ApiError::required("Missing calendar id."))?;
    let opened = calendars::open(world, caller, id)?;
    world.list_calendar(&caller.user, &opened.id);
    write_settings(world, caller, &opened.id, &body, false)
}

pub(crate) fn patch(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let body = request.json_object()?;
    let id = listed_id(world, caller, request.calendar_id()?)?.to_owned();
    write_settings(world, caller, &id, &body, false)
}

pub(crate) fn update(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let body = request.json_object()?;
    let id = listed_id(world, caller, request.calendar_id()?)?.to_owned();
    write_settings(world, caller, &id, &body, true)
}

pub(crate) fn delete(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let id = listed_id(world, caller, request.calendar_id()?)?.to_owned();
    let entry = user(world, caller)?.list.get(&id);
    if entry.is_none_or(|entry| entry.deleted) {
        return Err(ApiError::not_found());
    }
    world.unlist_calendar(&caller.user, &id);
    Ok(ApiResponse::empty(204))
}

pub(crate) fn watch(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let collection = Collection::CalendarList { user: caller.user.clone() };
    channels::create(world, caller, request, collection)
}

fn write_settings(
    world: &mut World,
    caller: &Caller,
    id: &str,
    body: &Map<String, Value>,
    replaces: bool,
) -> Result<ApiResponse, ApiError> {
    let entry = user(world, caller)?.list.get(id).filter(|entry| !entry.deleted).ok_or_else(ApiError::not_found)?;
    let mut entry = entry.clone();
    if replaces {
        entry.settings.clear();
    }
    for name in WRITABLE {
        match body.get(name) {
            None => {}
            Some(Value::Null) => {
                entry.settings.remove(name);
            }
            Some(value) => {
                entry.settings.insert(name.to_owned(), value.clone());
            }
        }
    }
    let entry = world.save_list_entry(entry);
    Ok(ApiResponse::resource(&resource(world, &entry)))
}

fn listed_id<'a>(world: &'a World, caller: &'a Caller, id: &'a str) -> Result<&'a str, ApiError> {
    if id == "primary" { Ok(&caller.user) } else { world.provider.resolve(id).ok_or_else(ApiError::not_found) }
}

fn user<'a>(world: &'a World, caller: &Caller) -> Result<&'a User, ApiError> {
    world.provider.users.get(&caller.user).ok_or_else(ApiError::invalid_credentials)
}

fn role(world: &World, entry: &ListEntry) -> AccessRole {
    world
        .provider
        .calendars
        .get(&entry.calendar)
        .and_then(|calendar| calendar.record.access.get(&entry.user))
        .copied()
        .unwrap_or(AccessRole::None)
}

/// A list has no calendars that are closed to its user; `accessRole` knows no word for it.
fn is_shown(world: &World, entry: &ListEntry) -> bool {
    entry.deleted || role(world, entry) != AccessRole::None
}

fn has_role(world: &World, entry: &ListEntry, wanted: &str) -> bool {
    let wanted = serde_json::from_value(json!(wanted)).unwrap_or(AccessRole::Owner);
    role(world, entry) >= wanted
}

fn resource(world: &World, entry: &ListEntry) -> Map<String, Value> {
    let mut resource = Map::new();
    resource.insert("kind".to_owned(), json!("calendar#calendarListEntry"));
    resource.insert("etag".to_owned(), json!(format!("\"e{:015}\"", entry.version)));
    resource.insert("id".to_owned(), json!(world.provider.shown(&entry.calendar)));
    if entry.deleted {
        resource.insert("deleted".to_owned(), json!(true));
        return resource;
    }
    if let Some(calendar) = world.provider.calendars.get(&entry.calendar) {
        let record = &calendar.record;
        resource.insert("summary".to_owned(), json!(record.summary));
        resource.insert("timeZone".to_owned(), json!(record.time_zone));
        for (name, value) in [("description", &record.description), ("location", &record.location)] {
            if let Some(value) = value {
                resource.insert(name.to_owned(), json!(value));
            }
        }
        if record.id == entry.user {
            resource.insert("primary".to_owned(), json!(true));
        } else if record.id != record.owner {
            resource.insert("dataOwner".to_owned(), json!(world.provider.shown(&record.owner)));
        }
    }
    resource.insert("accessRole".to_owned(), json!(role(world, entry).name()));
    resource.insert("colorId".to_owned(), json!("14"));
    resource.insert("backgroundColor".to_owned(), json!("#9fe1e7"));
    resource.insert("foregroundColor".to_owned(), json!("#000000"));
    resource.insert("selected".to_owned(), json!(true));
    resource.insert("defaultReminders".to_owned(), json!([]));
    resource.insert("conferenceProperties".to_owned(), json!({"allowedConferenceSolutionTypes": ["hangoutsMeet"]}));
    resource.extend(entry.settings.clone());
    if !entry.is_hidden() {
        resource.remove("hidden");
    }
    resource
}

impl World {
    /// Shows a calendar in a user's list; nothing happens when it is there.
    pub(crate) fn list_calendar(&mut self, user: &str, calendar: &str) {
        let Some(owner) = self.provider.users.get(user) else {
            return;
        };
        if owner.list.get(calendar).is_some_and(|entry| !entry.deleted) {
            return;
        }
        self.save_list_entry(ListEntry {
            user: user.to_owned(),
            calendar: calendar.to_owned(),
            version: 0,
            deleted: false,
            settings: Map::new(),
        });
    }

    /// Leaves a tombstone in a user's list.
    pub(crate) fn unlist_calendar(&mut self, user: &str, calendar: &str) {
        let entry = self.provider.users.get(user).and_then(|owner| owner.list.get(calendar));
        if let Some(entry) = entry.filter(|entry| !entry.deleted) {
            let mut entry = entry.clone();
            entry.deleted = true;
            self.save_list_entry(entry);
        }
    }

    /// A calendar's own fields, or what somebody may do with it, changed: the channels on the lists that have it are notified. The
    /// entries themselves stay as they are: what only the calendar or its sharing changed is not in a list that is read by its
    /// sync token (<https://developers.google.com/workspace/calendar/api/v3/reference/calendarList/list>).
    pub(crate) fn announce_lists_with(&mut self, calendar: &str) {
        let users = self.provider.users.values();
        let listing = users.filter_map(|user| user.list.get(calendar)).filter(|entry| !entry.deleted);
        let lists: Vec<_> = listing.map(|entry| Collection::CalendarList { user: entry.user.clone() }).collect();
        for list in lists {
            let now = self.now_for(&list.key(), None);
            self.announce(&list, now);
        }
    }

    fn save_list_entry(&mut self, mut entry: ListEntry) -> ListEntry {
        if let Some(owner) = self.provider.users.get_mut(&entry.user) {
            owner.list_version += 1;
            entry.version = owner.list_version;
            owner.list.insert(entry.calendar.clone(), entry.clone());
        }
        self.journal.put(&format!("google/list/{}/{}", entry.user, entry.calendar), &entry);
        let collection = Collection::CalendarList { user: entry.user.clone() };
        let now = self.now_for(&collection.key(), None);
        self.announce(&collection, now);
        entry
    }
}
