//! `calendars.*`, and who may do what with a calendar.

use crate::core::zones::Zone;
use serde_json::{Map, Value, json};

use super::World;
use super::errors::ApiError;
use super::oauth::Caller;
use super::request::ApiRequest;
use super::response::ApiResponse;
use super::store::{Calendar, CalendarRecord};
use crate::core::access::AccessRole;

impl AccessRole {
    /// Google's word for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::FreeBusyReader => "freeBusyReader",
            Self::Reader => "reader",
            Self::WriterWithoutPrivateAccess => "writerWithoutPrivateAccess",
            Self::Writer => "writer",
            Self::Owner => "owner",
        }
    }
}

/// A calendar that the caller may use, and as what.
pub(crate) struct Opened {
    pub(crate) id: String,
    pub(crate) role: AccessRole,
}

/// Resolves `primary` and checks that the caller may read the calendar.
pub(crate) fn open(world: &World, caller: &Caller, id: &str) -> Result<Opened, ApiError> {
    let id = if id == "primary" { &caller.user } else { world.provider.resolve(id).ok_or_else(ApiError::not_found)? };
    let record = world
        .provider
        .calendars
        .get(id)
        .map(|calendar| &calendar.record)
        .filter(|record| !record.deleted)
        .ok_or_else(ApiError::not_found)?;
    match record.access.get(&caller.user) {
        None => Err(ApiError::not_found()),
        Some(AccessRole::None) => Err(ApiError::forbidden()),
        Some(role) => Ok(Opened { id: id.to_owned(), role: *role }),
    }
}

/// As [`open`], and the caller may write too.
pub(crate) fn open_for_writing(world: &World, caller: &Caller, id: &str) -> Result<Opened, ApiError> {
    let opened = open(world, caller, id)?;
    if opened.role.can_write() { Ok(opened) } else { Err(ApiError::writer_access_required()) }
}

pub(crate) fn open_as_owner(world: &World, caller: &Caller, id: &str) -> Result<Opened, ApiError> {
    let opened = open(world, caller, id)?;
    if opened.role == AccessRole::Owner { Ok(opened) } else { Err(ApiError::forbidden()) }
}

/// The calendar that [`open`] found.
pub(crate) fn calendar<'a>(world: &'a World, id: &str) -> Result<&'a Calendar, ApiError> {
    world.provider.calendars.get(id).ok_or_else(ApiError::not_found)
}

pub(crate) fn get(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let opened = open(world, caller, request.calendar_id()?)?;
    let resource = resource(world, &calendar(world, &opened.id)?.record);
    Ok(ApiResponse::resource(&resource))
}

pub(crate) fn insert(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let body = request.json_object()?;
    let summary = body
        .get("summary")
        .and_then(Value::as_str)
        .filter(|summary| !summary.is_empty())
        .ok_or_else(|| ApiError::required("Missing summary."))?
        .to_owned();
    let zone = match text(&body, "timeZone") {
        Some(name) => name,
        None => world
            .provider
            .users
            .get(&caller.user)
            .map_or_else(|| "UTC".to_owned(), |user| user.record.time_zone.clone()),
    };
    check_zone(&zone)?;
    let id = world.new_calendar_id();
    let mut record = new_record(&id, &summary, &zone, &caller.user);
    record.description = text(&body, "description");
    record.location = text(&body, "location");
    world.add_calendar(record.clone());
    Ok(ApiResponse::resource(&resource(world, &record)))
}

pub(crate) fn patch(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    write(world, caller, request, false)
}

pub(crate) fn update(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    write(world, caller, request, true)
}

fn write(world: &mut World, caller: &Caller, request: &ApiRequest, replaces: bool) -> Result<ApiResponse, ApiError> {
    let opened = open_for_writing(world, caller, request.calendar_id()?)?;
    let body = request.json_object()?;
    let mut record = calendar(world, &opened.id)?.record.clone();
    if !request.if_match_holds(&etag(&record)) {
        return Err(ApiError::condition_not_met());
    }
    if let Some(summary) = text(&body, "summary") {
        record.summary = summary;
    } else if replaces {
        return Err(ApiError::required("Missing summary."));
    }
    if let Some(zone) = text(&body, "timeZone") {
        check_zone(&zone)?;
        record.time_zone = zone;
    }
    if replaces || body.contains_key("description") {
        record.description = text(&body, "description");
    }
    if replaces || body.contains_key("location") {
        record.location = text(&body, "location");
    }
    let record = world.save_calendar(record);
    world.announce_lists_with(&opened.id);
    let resource = resource(world, &record);
    Ok(ApiResponse::resource(&resource))
}

pub(crate) fn delete(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let opened = open_as_owner(world, caller, request.calendar_id()?)?;
    let record = calendar(world, &opened.id)?.record.clone();
    if record.id == record.owner {
        return Err(ApiError::new(403, "cannotDeletePrimaryCalendar", "The primary calendar can only be cleared."));
    }
    world.delete_calendar(&opened.id);
    Ok(ApiResponse::empty(204))
}

/// The API's form of a calendar.
pub(crate) fn resource(world: &World, record: &CalendarRecord) -> Map<String, Value> {
    let mut resource = Map::new();
    resource.insert("kind".to_owned(), json!("calendar#calendar"));
    resource.insert("etag".to_owned(), json!(etag(record)));
    resource.insert("id".to_owned(), json!(world.provider.shown(&record.id)));
    resource.insert("summary".to_owned(), json!(record.summary));
    resource.insert("timeZone".to_owned(), json!(record.time_zone));
    for (name, value) in [("description", &record.description), ("location", &record.location)] {
        if let Some(value) = value {
            resource.insert(name.to_owned(), json!(value));
        }
    }
    if record.id != record.owner {
        resource.insert("dataOwner".to_owned(), json!(world.provider.shown(&record.owner)));
    }
    resource.insert("conferenceProperties".to_owned(), json!({"allowedConferenceSolutionTypes": ["hangoutsMeet"]}));
    resource
}

/// A calendar that only its owner can see.
pub(crate) fn new_record(id: &str, summary: &str, zone: &str, owner: &str) -> CalendarRecord {
    CalendarRecord {
        id: id.to_owned(),
        summary: summary.to_owned(),
        description: None,
        location: None,
        time_zone: zone.to_owned(),
        owner: owner.to_owned(),
        access: [(owner.to_owned(), AccessRole::Owner)].into(),
        watchable: true,
        deleted: false,
        token_generation: 1,
        page_token_generation: 0,
        history_floor: 0,
        revision: 1,
    }
}

pub(crate) fn check_zone(name: &str) -> Result<(), ApiError> {
    name.parse::<Zone>().map(|_| ()).map_err(|_| ApiError::invalid(format!("Invalid time zone: {name}.")))
}

fn etag(record: &CalendarRecord) -> String {
    format!("\"c{:015}\"", record.revision)
}

fn text(body: &Map<String, Value>, name: &str) -> Option<String> {
    body.get(name).and_then(Value::as_str).map(str::to_owned)
}

impl World {
    /// An id as Google makes them for calendars that are not primary.
    pub(crate) fn new_calendar_id(&mut self) -> String {
        format!("c_{}@group.calendar.google.com", self.new_id("calendar"))
    }

    /// Adds a calendar to the world and to the list of everybody who may see it.
    pub(crate) fn add_calendar(&mut self, record: CalendarRecord) {
        let id = record.id.clone();
        let users: Vec<String> = record.access.keys().cloned().collect();
        self.journal.put(&format!("google/calendar/{id}"), &record);
        self.provider.calendars.insert(id.clone(), Calendar::new(record));
        for user in users {
            self.list_calendar(&user, &id);
        }
    }

    /// Stores a changed calendar record with a new revision.
    pub(crate) fn save_calendar(&mut self, mut record: CalendarRecord) -> CalendarRecord {
        record.revision += 1;
        self.journal.put(&format!("google/calendar/{}", record.id), &record);
        if let Some(calendar) = self.provider.calendars.get_mut(&record.id) {
            calendar.record = record.clone();
            calendar.refresh_zone();
        }
        record
    }

    /// Takes a calendar away from everybody. Its channels stay until they expire, as at the provider.
    pub(crate) fn delete_calendar(&mut self, id: &str) {
        let Some(calendar) = self.provider.calendars.get(id) else {
            return;
        };
        let mut record = calendar.record.clone();
        record.deleted = true;
        let users: Vec<String> = record.access.keys().cloned().collect();
        self.save_calendar(record);
        for user in users {
            self.unlist_calendar(&user, id);
        }
    }

    /// Gives or takes access. The calendar's sync tokens end, as documented for a changed ACL.
    pub(crate) fn set_access(&mut self, id: &str, user: &str, role: Option<AccessRole>) -> bool {
        let Some(calendar) = self.provider.calendars.get(id) else {
            return false;
        };
        let mut record = calendar.record.clone();
        record.token_generation += 1;
        match role {
            Some(role) => record.access.insert(user.to_owned(), role),
            None => record.access.remove(user),
        };
        self.save_calendar(record);
        match role {
            Some(_) if self.provider.users.get(user).is_some_and(|user| user.lists(id)) => self.announce_lists_with(id),
            Some(_) => self.list_calendar(user, id),
            None => self.unlist_calendar(user, id),
        }
        true
    }
}
