//! The parameters of `events.list`, `instances` and `get`, and which of them may go together (source: the discovery
//! document).

use std::borrow::Cow;

use crate::core::zones::Zone;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::errors::ApiError;
use super::event_types;
use super::request::Query;
use super::tokens;

const PAGE_DEFAULT: usize = 250;
const PAGE_MAX: usize = 2_500;
/// Parameters that may change from page to page.
const NOT_IN_PAGE_DIGEST: [&str; 8] =
    ["maxResults", "pageToken", "fields", "alt", "key", "prettyPrint", "quotaUser", "access_token"];
/// Parameters that a list with a sync token must not have.
const FORBIDDEN_WITH_SYNC_TOKEN: [&str; 8] = [
    "iCalUID",
    "orderBy",
    "privateExtendedProperty",
    "q",
    "sharedExtendedProperty",
    "timeMin",
    "timeMax",
    "updatedMin",
];

/// In which order a list is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Stable, otherwise up to the provider.
    Unspecified,
    StartTime,
    Updated,
}

#[derive(Debug)]
pub(crate) struct EventQuery<'q> {
    raw: &'q Query,
    pub(crate) max_results: usize,
    pub(crate) single_events: bool,
    pub(crate) show_deleted: Option<bool>,
    pub(crate) time_min: Option<DateTime<Utc>>,
    pub(crate) time_max: Option<DateTime<Utc>>,
    pub(crate) updated_min: Option<DateTime<Utc>>,
    pub(crate) order: Order,
    pub(crate) time_zone: Option<Zone>,
    pub(crate) sync_token: Option<&'q str>,
    pub(crate) page_token: Option<&'q str>,
    /// Of the parameters that must be the same in every increment.
    pub(crate) sync_digest: String,
    /// Of the parameters that must be the same on every page.
    pub(crate) page_digest: String,
    max_attendees: Option<usize>,
    search: Option<String>,
    event_types: Vec<String>,
}

impl<'q> EventQuery<'q> {
    pub(crate) fn parse(raw: &'q Query) -> Result<Self, ApiError> {
        let order = match raw.get("orderBy") {
            None => Order::Unspecified,
            Some("startTime") => Order::StartTime,
            Some("updated") => Order::Updated,
            Some(other) => return Err(ApiError::invalid_parameter("orderBy", other)),
        };
        let max_attendees = match raw.get("maxAttendees") {
            None => None,
            Some(_) => Some(raw.count("maxAttendees", 1, usize::MAX)?),
        };
        let mut query = Self {
            raw,
            max_results: raw.count("maxResults", PAGE_DEFAULT, PAGE_MAX)?,
            single_events: raw.flag("singleEvents")?.unwrap_or(false),
            show_deleted: raw.flag("showDeleted")?,
            time_min: raw.instant("timeMin")?,
            time_max: raw.instant("timeMax")?,
            updated_min: raw.instant("updatedMin")?,
            order,
            time_zone: raw.time_zone()?,
            sync_token: raw.get("syncToken"),
            page_token: raw.get("pageToken"),
            sync_digest: String::new(),
            page_digest: tokens::digest(&raw.without(&NOT_IN_PAGE_DIGEST)),
            max_attendees,
            search: raw.get("q").map(str::to_lowercase),
            event_types: event_types::read(raw)?,
        };
        query.event_types.sort_unstable();
        query.sync_digest = query.digest_for_sync(raw.flag("showHiddenInvitations")?);
        if query.time_min.zip(query.time_max).is_some_and(|(min, max)| min >= max) {
            return Err(ApiError::time_range_empty());
        }
        Ok(query)
    }

    fn digest_for_sync(&self, show_hidden: Option<bool>) -> String {
        let flags = format!("{} {} {:?}", self.single_events, show_hidden.unwrap_or(false), self.max_attendees);
        tokens::digest(&[
            ("flags", &flags),
            ("eventTypes", &self.event_types.join(",")),
            ("timeZone", self.time_zone.map_or("", |zone| zone.name())),
        ])
    }

    /// The rules for `events.list`. `oldest_update` is how far back `updatedMin` may reach.
    pub(crate) fn check_list(&self, oldest_update: DateTime<Utc>) -> Result<(), ApiError> {
        if self.sync_token.is_some() {
            for name in FORBIDDEN_WITH_SYNC_TOKEN {
                if self.raw.get(name).is_some() {
                    return Err(ApiError::sync_token_with(name));
                }
            }
            if self.show_deleted == Some(false) {
                return Err(ApiError::sync_token_with("showDeleted"));
            }
        }
        if self.order == Order::StartTime && !self.single_events {
            return Err(ApiError::new(
                400,
                "badRequest",
                "The requested ordering is not available for the particular query.",
            ));
        }
        if self.updated_min.is_some_and(|min| min < oldest_update) {
            return Err(ApiError::updated_min_too_long_ago());
        }
        Ok(())
    }

    /// A list that is ordered or reaches back by modification time gives no sync token.
    pub(crate) fn gives_sync_token(&self) -> bool {
        self.order == Order::Unspecified && self.updated_min.is_none()
    }

    /// The filters on the content of an event.
    pub(crate) fn selects(&self, resource: &Map<String, Value>) -> bool {
        let text = |name: &str| resource.get(name).and_then(Value::as_str).unwrap_or_default();
        let uid_fits = self.raw.get("iCalUID").is_none_or(|uid| uid == text("iCalUID"));
        let type_fits = self.event_types.is_empty() || {
            let event_type = resource.get("eventType").and_then(Value::as_str);
            self.event_types.iter().any(|wanted| wanted == event_type.unwrap_or(event_types::DEFAULT))
        };
        let search_fits = self.search.as_ref().is_none_or(|words| contains(resource, words));
        uid_fits
            && type_fits
            && search_fits
            && self.has_properties(resource, "private", "privateExtendedProperty")
            && self.has_properties(resource, "shared", "sharedExtendedProperty")
    }

    fn has_properties(&self, resource: &Map<String, Value>, kind: &str, parameter: &str) -> bool {
        let properties = resource.get("extendedProperties").and_then(|properties| properties.get(kind));
        self.raw.all(parameter).all(|wanted| {
            wanted.split_once('=').is_some_and(|(name, value)| {
                properties.and_then(|properties| properties.get(name)) == Some(&json!(value))
            })
        })
    }

    /// The `originalStart` filter of `events.instances`.
    pub(crate) fn has_original_start(&self, resource: &Map<String, Value>) -> bool {
        let Some(wanted) = self.raw.get("originalStart") else {
            return true;
        };
        let original = resource.get("originalStartTime");
        let field = |name: &str| original.and_then(|original| original.get(name)).and_then(Value::as_str);
        let instant = |text: &str| DateTime::parse_from_rfc3339(text).ok();
        field("date") == Some(wanted)
            || field("dateTime").and_then(instant).is_some_and(|original| instant(wanted) == Some(original))
    }

    /// With more guests than `maxAttendees`, only the participant is returned.
    pub(crate) fn cut_attendees<'r>(
        &self,
        mut resource: Cow<'r, Map<String, Value>>,
        participant: &str,
    ) -> Cow<'r, Map<String, Value>> {
        let Some(max) = self.max_attendees else {
            return resource;
        };
        let attendees = resource.get("attendees").and_then(Value::as_array);
        if let Some(attendees) = attendees.filter(|attendees| attendees.len() > max) {
            let own: Vec<Value> = attendees
                .iter()
                .filter(|attendee| attendee.get("email") == Some(&json!(participant)))
                .cloned()
                .collect();
            let resource = resource.to_mut();
            resource.insert("attendees".to_owned(), Value::Array(own));
            resource.insert("attendeesOmitted".to_owned(), json!(true));
        }
        resource
    }
}

/// Searches the documented text fields.
fn contains(resource: &Map<String, Value>, words: &str) -> bool {
    let hit =
        |value: Option<&Value>| value.and_then(Value::as_str).is_some_and(|text| text.to_lowercase().contains(words));
    let person_hit = |person: &Value| hit(person.get("displayName")) || hit(person.get("email"));
    ["summary", "description", "location"].iter().any(|name| hit(resource.get(*name)))
        || resource.get("organizer").is_some_and(person_hit)
        || resource.get("attendees").and_then(Value::as_array).is_some_and(|attendees| attendees.iter().any(person_hit))
}
