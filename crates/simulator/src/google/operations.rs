//! The methods of the API: their names, their paths, and the scopes that allow them (source: the discovery
//! document `calendar.v3.json`).

use axum::http::Method;

/// A method of the API or of the OAuth server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    CalendarListList,
    CalendarListGet,
    CalendarListInsert,
    CalendarListPatch,
    CalendarListUpdate,
    CalendarListDelete,
    CalendarListWatch,
    CalendarsGet,
    CalendarsInsert,
    CalendarsPatch,
    CalendarsUpdate,
    CalendarsDelete,
    CalendarsClear,
    EventsList,
    EventsGet,
    EventsInsert,
    EventsImport,
    EventsPatch,
    EventsUpdate,
    EventsDelete,
    EventsMove,
    EventsInstances,
    EventsWatch,
    ChannelsStop,
    FreeBusyQuery,
    Batch,
    OauthAuthorize,
    OauthToken,
    OauthRevoke,
}

/// A path of the API, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target<'a> {
    pub(crate) operation: Operation,
    /// Percent-encoded, as in the path.
    pub(crate) calendar: Option<&'a str>,
    /// Percent-encoded, as in the path.
    pub(crate) event: Option<&'a str>,
}

/// Where the API begins in a path.
pub(crate) const API_PATH: &str = "/calendar/v3/";

/// Finds the method that a path below [`API_PATH`] stands for.
pub(crate) fn find<'a>(method: &Method, path: &'a str) -> Option<Target<'a>> {
    use Operation as O;
    let segments: Vec<&str> = path.split('/').collect();
    let (operation, calendar, event) = match (method.as_str(), segments.as_slice()) {
        ("GET", ["users", "me", "calendarList"]) => (O::CalendarListList, None, None),
        ("POST", ["users", "me", "calendarList"]) => (O::CalendarListInsert, None, None),
        ("POST", ["users", "me", "calendarList", "watch"]) => (O::CalendarListWatch, None, None),
        (verb, ["users", "me", "calendarList", calendar]) => {
            let operation = match verb {
                "GET" => O::CalendarListGet,
                "PATCH" => O::CalendarListPatch,
                "PUT" => O::CalendarListUpdate,
                "DELETE" => O::CalendarListDelete,
                _ => return None,
            };
            (operation, Some(*calendar), None)
        }
        ("POST", ["channels", "stop"]) => (O::ChannelsStop, None, None),
        ("POST", ["freeBusy"]) => (O::FreeBusyQuery, None, None),
        ("POST", ["calendars"]) => (O::CalendarsInsert, None, None),
        (verb, ["calendars", calendar]) => {
            let operation = match verb {
                "GET" => O::CalendarsGet,
                "PATCH" => O::CalendarsPatch,
                "PUT" => O::CalendarsUpdate,
                "DELETE" => O::CalendarsDelete,
                _ => return None,
            };
            (operation, Some(*calendar), None)
        }
        ("POST", ["calendars", calendar, "clear"]) => (O::CalendarsClear, Some(*calendar), None),
        (verb, ["calendars", calendar, "events", rest @ ..]) => {
            let (operation, event) = find_event(verb, rest)?;
            (operation, Some(*calendar), event)
        }
        _ => return None,
    };
    Some(Target { operation, calendar, event })
}

fn find_event<'a>(verb: &str, rest: &[&'a str]) -> Option<(Operation, Option<&'a str>)> {
    use Operation as O;
    Some(match (verb, rest) {
        ("GET", []) => (O::EventsList, None),
        ("POST", []) => (O::EventsInsert, None),
        ("POST", ["watch"]) => (O::EventsWatch, None),
        ("POST", ["import"]) => (O::EventsImport, None),
        ("GET", [event]) => (O::EventsGet, Some(*event)),
        ("PATCH", [event]) => (O::EventsPatch, Some(*event)),
        ("PUT", [event]) => (O::EventsUpdate, Some(*event)),
        ("DELETE", [event]) => (O::EventsDelete, Some(*event)),
        ("GET", [event, "instances"]) => (O::EventsInstances, Some(*event)),
        ("POST", [event, "move"]) => (O::EventsMove, Some(*event)),
        _ => return None,
    })
}

impl Operation {
    /// The name that fault rules and the call log use: the discovery document's, or `oauth.…`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CalendarListList => "calendar.calendarList.list",
            Self::CalendarListGet => "calendar.calendarList.get",
            Self::CalendarListInsert => "calendar.calendarList.insert",
            Self::CalendarListPatch => "calendar.calendarList.patch",
            Self::CalendarListUpdate => "calendar.calendarList.update",
            Self::CalendarListDelete => "calendar.calendarList.delete",
            Self::CalendarListWatch => "calendar.calendarList.watch",
            Self::CalendarsGet => "calendar.calendars.get",
            Self::CalendarsInsert => "calendar.calendars.insert",
            Self::CalendarsPatch => "calendar.calendars.patch",
            Self::CalendarsUpdate => "calendar.calendars.update",
            Self::CalendarsDelete => "calendar.calendars.delete",
            Self::CalendarsClear => "calendar.calendars.clear",
            Self::EventsList => "calendar.events.list",
            Self::EventsGet => "calendar.events.get",
            Self::EventsInsert => "calendar.events.insert",
            Self::EventsImport => "calendar.events.import",
            Self::EventsPatch => "calendar.events.patch",
            Self::EventsUpdate => "calendar.events.update",
            Self::EventsDelete => "calendar.events.delete",
            Self::EventsMove => "calendar.events.move",
            Self::EventsInstances => "calendar.events.instances",
            Self::EventsWatch => "calendar.events.watch",
            Self::ChannelsStop => "calendar.channels.stop",
            Self::FreeBusyQuery => "calendar.freebusy.query",
            Self::Batch => "calendar.batch",
            Self::OauthAuthorize => "oauth.authorize",
            Self::OauthToken => "oauth.token",
            Self::OauthRevoke => "oauth.revoke",
        }
    }

    pub(crate) fn is_oauth(self) -> bool {
        matches!(self, Self::OauthAuthorize | Self::OauthToken | Self::OauthRevoke)
    }

    /// Whether one of the granted scopes allows this method. Scopes are compared without their common prefix.
    pub(crate) fn is_allowed_by(self, scopes: &[String]) -> bool {
        let allowed = self.allowing_scopes();
        scopes.iter().any(|scope| {
            let short = scope.strip_prefix("https://www.googleapis.com/auth/").unwrap_or(scope);
            short == "calendar" || allowed.contains(&short)
        })
    }

    fn allowing_scopes(self) -> &'static [&'static str] {
        match self {
            Self::CalendarListList | Self::CalendarListGet | Self::CalendarListWatch => {
                &["calendar.readonly", "calendar.calendarlist", "calendar.calendarlist.readonly"]
            }
            Self::CalendarListInsert
            | Self::CalendarListPatch
            | Self::CalendarListUpdate
            | Self::CalendarListDelete => &["calendar.calendarlist"],
            Self::CalendarsGet => {
                &["calendar.readonly", "calendar.app.created", "calendar.calendars", "calendar.calendars.readonly"]
            }
            Self::CalendarsInsert
            | Self::CalendarsPatch
            | Self::CalendarsUpdate
            | Self::CalendarsDelete
            | Self::CalendarsClear => &["calendar.app.created", "calendar.calendars"],
            Self::EventsList | Self::EventsGet | Self::EventsInstances | Self::EventsWatch => &[
                "calendar.readonly",
                "calendar.events",
                "calendar.events.readonly",
                "calendar.app.created",
                "calendar.events.freebusy",
                "calendar.events.owned",
                "calendar.events.owned.readonly",
                "calendar.events.public.readonly",
            ],
            Self::EventsInsert
            | Self::EventsImport
            | Self::EventsPatch
            | Self::EventsUpdate
            | Self::EventsDelete
            | Self::EventsMove => &["calendar.events", "calendar.app.created", "calendar.events.owned"],
            Self::FreeBusyQuery => &["calendar.readonly", "calendar.freebusy", "calendar.events.freebusy"],
            Self::ChannelsStop => &[
                "calendar.readonly",
                "calendar.events",
                "calendar.events.readonly",
                "calendar.app.created",
                "calendar.calendarlist",
                "calendar.calendarlist.readonly",
                "calendar.events.freebusy",
                "calendar.events.owned",
                "calendar.events.owned.readonly",
                "calendar.events.public.readonly",
                "calendar.freebusy",
            ],
            Self::Batch | Self::OauthAuthorize | Self::OauthToken | Self::OauthRevoke => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_with_their_ids_still_encoded() {
        let target = find(&Method::GET, "calendars/a%40example.com/events/e1/instances").unwrap();
        assert_eq!(target.operation, Operation::EventsInstances);
        assert_eq!(target.calendar, Some("a%40example.com"));
        assert_eq!(target.event, Some("e1"));
        assert_eq!(find(&Method::DELETE, "calendars/a/events"), None);
    }

    #[test]
    fn a_read_scope_does_not_allow_writing() {
        let scopes = ["https://www.googleapis.com/auth/calendar.events.readonly".to_owned()];
        assert!(Operation::EventsList.is_allowed_by(&scopes));
        assert!(Operation::ChannelsStop.is_allowed_by(&scopes));
        assert!(!Operation::EventsInsert.is_allowed_by(&scopes));
        assert!(!Operation::CalendarListList.is_allowed_by(&scopes));
    }
}
