//! `/me/calendars` and `/me`, and who may do what with a calendar.

use serde_json::{Map, Value, json};

use super::World;
use super::announcements;
use super::errors::ApiError;
use super::grants::Caller;
use super::ids::{change_key, long_id};
use super::operations::CalendarRef;
use super::request::ApiRequest;
use super::response::ApiResponse;
use super::selection::{page_of, select};
use super::store::{Calendar, CalendarRecord};
use crate::core::access::AccessRole;

const COLORS: [(&str, &str); 10] = [
    ("auto", ""),
    ("lightBlue", "#a6d1f5"),
    ("lightGreen", "#b0dc9e"),
    ("lightOrange", "#f5d4a1"),
    ("lightGray", "#cdcdcd"),
    ("lightYellow", "#f7f09c"),
    ("lightTeal", "#7cd9c7"),
    ("lightPink", "#f5b3d2"),
    ("lightBrown", "#dbbda4"),
    ("lightRed", "#f4a9a9"),
];

/// A calendar that the caller may use, and as what.
#[derive(Debug, Clone)]
pub(crate) struct Opened {
    pub(crate) id: String,
    pub(crate) role: AccessRole,
    /// It is the caller's own.
    pub(crate) is_own: bool,
}

/// Checks that the caller may read the calendar of the path.
pub(crate) fn open(world: &World, caller: &Caller, request: &ApiRequest) -> Result<Opened, ApiError> {
    check_mailbox(world, caller, request)?;
    match &request.target.calendar {
        CalendarRef::Mailbox | CalendarRef::Default => open_id(world, caller, &default_id(world, caller)?),
        CalendarRef::Named(id) => open_id(world, caller, id),
    }
}

/// The same for an id.
pub(crate) fn open_id(world: &World, caller: &Caller, id: &str) -> Result<Opened, ApiError> {
    let malformed = || if id.len() < 20 { ApiError::malformed_id() } else { ApiError::not_found() };
    let calendar = world.provider.calendars.get(id).ok_or_else(malformed)?;
    let record = &calendar.record;
    if record.deleted {
        return Err(ApiError::not_found());
    }
    let is_own = record.owner == caller.user;
    let lacks_scope = !is_own
        && world.provider.quirks.shared_scopes_needed
        && !caller.scopes.iter().any(|scope| scope.to_ascii_lowercase().ends_with(".shared"));
    match record.access.get(&caller.user) {
        None => Err(ApiError::not_found()),
        Some(AccessRole::None) => Err(ApiError::access_denied()),
        Some(_) if lacks_scope => Err(ApiError::access_denied()),
        Some(role) => Ok(Opened { id: id.to_owned(), role: *role, is_own }),
    }
}

/// As [`open`], and the caller may write too.
pub(crate) fn open_for_writing(world: &World, caller: &Caller, request: &ApiRequest) -> Result<Opened, ApiError> {
    let opened = open(world, caller, request)?;
    if opened.role.can_write() { Ok(opened) } else { Err(ApiError::access_denied()) }
}

/// A path may name the caller instead of `me`, and with these scopes nobody else.
fn check_mailbox(world: &World, caller: &Caller, request: &ApiRequest) -> Result<(), ApiError> {
    if !world.provider.users.get(&caller.user).is_some_and(|user| user.has_mailbox) {
        return Err(no_mailbox());
    }
    match &request.target.user {
        None => Ok(()),
        Some(name) => match world.user(name) {
            Some(user) if user.oid == caller.user => Ok(()),
            Some(_) => Err(ApiError::access_denied()),
            None => Err(ApiError::new(404, "ErrorInvalidUser", format!("The requested user '{name}' is invalid."))),
        },
    }
}

pub(crate) fn default_id(world: &World, caller: &Caller) -> Result<String, ApiError> {
    let user = world.provider.users.get(&caller.user).filter(|user| user.has_mailbox).ok_or_else(no_mailbox)?;
    Ok(user.default_calendar.clone())
}

fn no_mailbox() -> ApiError {
    ApiError::new(
        404,
        "MailboxNotEnabledForRESTAPI",
        "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
    )
}

/// The calendar that [`open`] found.
pub(crate) fn calendar<'a>(world: &'a World, id: &str) -> Result<&'a Calendar, ApiError> {
    world.provider.calendars.get(id).filter(|calendar| !calendar.record.deleted).ok_or_else(ApiError::not_found)
}

/// `GET /me`.
pub(crate) fn me(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let user = world.provider.users.get(&caller.user).ok_or_else(no_mailbox)?;
    if request.target.user.is_some() {
        check_mailbox(world, caller, request)?;
    }
    let mut names = user.name.splitn(2, ' ');
    let resource = json!({
        "@odata.context": format!("{}/v1.0/$metadata#users/$entity", request.origin),
        "businessPhones": [],
        "displayName": user.name,
        "givenName": names.next(),
        "jobTitle": null,
        "mail": user.email,
        "mobilePhone": null,
        "officeLocation": null,
        "preferredLanguage": null,
        "surname": names.next(),
        "userPrincipalName": user.email,
        "id": user.oid,
    });
    Ok(ApiResponse::json(&resource))
}

/// `GET /me/calendars`: the caller's own and those that others share, not those that are closed.
pub(crate) fn list(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    check_mailbox(world, caller, request)?;
    request.refuse_options(&["$search"])?;
    let mut calendars: Vec<&CalendarRecord> = world
        .provider
        .calendars
        .values()
        .map(|calendar| &calendar.record)
        .filter(|record| !record.deleted)
        .filter(|record| record.access.get(&caller.user).is_some_and(|role| *role != AccessRole::None))
        .collect();
    calendars.sort_by_key(|record| (!(record.is_default && record.owner == caller.user), record.ordinal));
    let items: Vec<Map<String, Value>> =
        calendars.into_iter().map(|record| resource(world, record, &caller.user)).collect();
    let context = format!("{}/v1.0/$metadata#users('{}')/calendars", request.origin, caller.user);
    page_of(world, request, &context, items)
}

pub(crate) fn get(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let opened = open(world, caller, request)?;
    let resource = resource(world, &calendar(world, &opened.id)?.record, &caller.user);
    Ok(ApiResponse::json(&select(resource, request.selected().as_deref())))
}

pub(crate) fn create(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    check_mailbox(world, caller, request)?;
    let body = request.json_object()?;
    let name = name_of(&body)?.ok_or_else(|| ApiError::missing("Name"))?;
    let is_taken = world
        .provider
        .calendars
        .values()
        .map(|calendar| &calendar.record)
        .any(|record| !record.deleted && record.owner == caller.user && record.name.eq_ignore_ascii_case(&name));
    if is_taken {
        let message = "A folder with the specified name already exists.";
        return Err(ApiError::new(409, "ErrorFolderExists", message));
    }
    let zone = world.provider.users.get(&caller.user).map_or_else(|| "UTC".to_owned(), |user| user.time_zone.clone());
    let id = world.new_calendar_id();
    let mut record = world.new_calendar_record(&id, &name, &zone, &caller.user);
    if let Some(color) = body.get("color").and_then(Value::as_str) {
        color.clone_into(&mut record.color);
    }
    let resource = resource(world, &record, &caller.user);
    world.add_calendar(record);
    let mut response = ApiResponse::json(&resource);
    response.status = 201;
    Ok(response)
}

pub(crate) fn update(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let opened = open_for_writing(world, caller, request)?;
    let body = request.json_object()?;
    let mut record = calendar(world, &opened.id)?.record.clone();
    if let Some(name) = name_of(&body)? {
        record.name = name;
    }
    if let Some(color) = body.get("color").and_then(Value::as_str) {
        color.clone_into(&mut record.color);
    }
    let record = world.save_calendar(record);
    world.announce_lists_with(&record);
    Ok(ApiResponse::json(&resource(world, &record, &caller.user)))
}

pub(crate) fn delete(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let opened = open(world, caller, request)?;
    if !opened.is_own {
        return Err(ApiError::access_denied());
    }
    if calendar(world, &opened.id)?.record.is_default {
        let message = "Distinguished folders cannot be deleted.";
        return Err(ApiError::new(400, "ErrorDeleteDistinguishedFolder", message));
    }
    world.delete_calendar(&opened.id);
    Ok(ApiResponse::empty(204))
}

fn name_of(body: &Map<String, Value>) -> Result<Option<String>, ApiError> {
    match body.get("name") {
        None => Ok(None),
        Some(Value::String(name)) if !name.trim().is_empty() => Ok(Some(name.clone())),
        Some(_) => Err(ApiError::new(400, "ErrorInvalidProperty", "The name of a calendar cannot be empty.")),
    }
}

/// The API's form of a calendar, as this user sees it.
pub(crate) fn resource(world: &World, record: &CalendarRecord, viewer: &str) -> Map<String, Value> {
    let role = record.access.get(viewer).copied().unwrap_or(AccessRole::None);
    let is_own = record.owner == viewer;
    let owner = world.provider.users.get(&record.owner);
    let hex = COLORS.iter().find(|(name, _)| *name == record.color).map_or("", |(_, hex)| *hex);
    let resource = json!({
        "id": record.id,
        "name": record.name,
        "color": record.color,
        "hexColor": hex,
        "isDefaultCalendar": record.is_default && is_own,
        "changeKey": change_key(world.seed(), &record.id, record.revision),
        "canShare": is_own,
        "canViewPrivateItems": role.sees_private(),
        "canEdit": role.can_write(),
        "allowedOnlineMeetingProviders": ["teamsForBusiness"],
        "defaultOnlineMeetingProvider": "teamsForBusiness",
        "isTallyingResponses": is_own,
        "isRemovable": !(record.is_default && is_own),
        "owner": {
            "name": owner.map(|owner| owner.name.as_str()).unwrap_or_default(),
            "address": owner.map(|owner| owner.email.as_str()).unwrap_or_default(),
        },
    });
    match resource {
        Value::Object(resource) => resource,
        _ => Map::new(),
    }
}

impl World {
    pub(crate) fn new_calendar_id(&mut self) -> String {
        let key = self.new_id("calendar");
        long_id(self.seed(), "calendar", &key)
    }

    /// A calendar that only its owner can see.
    pub(crate) fn new_calendar_record(&self, id: &str, name: &str, zone: &str, owner: &str) -> CalendarRecord {
        CalendarRecord {
            id: id.to_owned(),
            name: name.to_owned(),
            color: "auto".to_owned(),
            owner: owner.to_owned(),
            is_default: false,
            time_zone: zone.to_owned(),
            access: [(owner.to_owned(), AccessRole::Owner)].into(),
            watchable: true,
            deleted: false,
            token_generation: 1,
            ordinal: u64::try_from(self.provider.calendars.len()).unwrap_or(u64::MAX),
            revision: 1,
        }
    }

    pub(crate) fn add_calendar(&mut self, record: CalendarRecord) {
        self.journal.put(&calendar_journal_key(&record.id), &record);
        self.provider.calendars.insert(record.id.clone(), Calendar::new(record.clone()));
        self.announce_lists_with(&record);
    }

    /// Stores a changed calendar record with a new revision.
    pub(crate) fn save_calendar(&mut self, mut record: CalendarRecord) -> CalendarRecord {
        record.revision += 1;
        self.journal.put(&calendar_journal_key(&record.id), &record);
        if let Some(calendar) = self.provider.calendars.get_mut(&record.id) {
            calendar.record = record.clone();
        }
        record
    }

    /// Takes a calendar away from everybody. Its subscriptions stay until they expire, and say nothing.
    pub(crate) fn delete_calendar(&mut self, id: &str) {
        let Some(calendar) = self.provider.calendars.get(id) else { return };
        let mut record = calendar.record.clone();
        record.deleted = true;
        let record = self.save_calendar(record);
        self.announce_lists_with(&record);
    }

    /// Gives or takes access. The calendar's delta tokens end.
    pub(crate) fn set_access(&mut self, id: &str, user: &str, role: Option<AccessRole>) {
        let Some(calendar) = self.provider.calendars.get(id) else { return };
        let mut record = calendar.record.clone();
        record.token_generation += 1;
        match role {
            Some(role) => record.access.insert(user.to_owned(), role),
            None => record.access.remove(user),
        };
        let record = self.save_calendar(record);
        self.announce_lists_with(&record);
        if role.is_none() {
            announcements::announce_calendar(self, &record, user);
        }
    }

    /// Notifies those who watch the lists in which a calendar is.
    pub(crate) fn announce_lists_with(&mut self, record: &CalendarRecord) {
        for user in record.access.keys() {
            announcements::announce_calendar(self, record, user);
        }
    }
}

fn calendar_journal_key(id: &str) -> String {
    format!("microsoft/calendar/{id}")
}
