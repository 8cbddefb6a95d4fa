//! The methods of the API: their names for fault rules and the log of calls, their paths, and the scopes that allow them.

use axum::http::Method;

/// Which calendar a path means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CalendarRef {
    /// `/me/…`: the default calendar, or wherever in the mailbox an event is.
    Mailbox,
    /// `/me/calendar/…`.
    Default,
    /// `/me/calendars/{id}/…`.
    Named(String),
}

/// A method of the API or of the OAuth server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Me,
    CalendarsList,
    CalendarsGet,
    CalendarsCreate,
    CalendarsUpdate,
    CalendarsDelete,
    Delta,
    CalendarView,
    EventsList,
    EventsGet,
    EventsInstances,
    EventsCreate,
    EventsUpdate,
    EventsDelete,
    EventsCancel,
    EventsRespond(Response),
    SubscriptionsCreate,
    SubscriptionsList,
    SubscriptionsGet,
    SubscriptionsUpdate,
    SubscriptionsDelete,
    SubscriptionsReauthorize,
    Batch,
    OauthAuthorize,
    OauthToken,
}

/// What somebody who was asked to come says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Response {
    Accept,
    Decline,
    TentativelyAccept,
}

impl Response {
    pub(crate) fn status(self) -> &'static str {
        match self {
            Self::Accept => "accepted",
            Self::Decline => "declined",
            Self::TentativelyAccept => "tentativelyAccepted",
        }
    }
}

/// A path of the API, taken apart and decoded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) operation: Operation,
    /// Whose mailbox, where the path names somebody instead of `me`.
    pub(crate) user: Option<String>,
    pub(crate) calendar: CalendarRef,
    /// The id of an event or a subscription.
    pub(crate) item: Option<String>,
}

/// Finds the method that the segments of a path below `/v1.0/` stand for.
pub(crate) fn find(method: &Method, segments: &[String]) -> Option<Target> {
    use Operation as O;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let verb = method.as_str();
    let simple = |operation, item: Option<&str>| {
        Some(Target { operation, user: None, calendar: CalendarRef::Mailbox, item: item.map(str::to_owned) })
    };
    match (verb, segments.as_slice()) {
        ("POST", ["$batch"]) => simple(O::Batch, None),
        ("POST", ["subscriptions"]) => simple(O::SubscriptionsCreate, None),
        ("GET", ["subscriptions"]) => simple(O::SubscriptionsList, None),
        ("GET", ["subscriptions", id]) => simple(O::SubscriptionsGet, Some(id)),
        ("PATCH", ["subscriptions", id]) => simple(O::SubscriptionsUpdate, Some(id)),
        ("DELETE", ["subscriptions", id]) => simple(O::SubscriptionsDelete, Some(id)),
        ("POST", ["subscriptions", id, "reauthorize"]) => simple(O::SubscriptionsReauthorize, Some(id)),
        (_, ["me", rest @ ..]) => find_in_mailbox(verb, None, rest),
        (_, ["users", user, rest @ ..]) => find_in_mailbox(verb, Some(user), rest),
        _ => None,
    }
}

fn find_in_mailbox(verb: &str, user: Option<&str>, rest: &[&str]) -> Option<Target> {
    use Operation as O;
    let found = |operation, calendar, item: Option<&str>| {
        Some(Target { operation, user: user.map(str::to_owned), calendar, item: item.map(str::to_owned) })
    };
    let named = |id: &str| CalendarRef::Named(id.to_owned());
    match (verb, rest) {
        ("GET", []) => found(O::Me, CalendarRef::Mailbox, None),
        ("GET", ["calendars"]) => found(O::CalendarsList, CalendarRef::Mailbox, None),
        ("POST", ["calendars"]) => found(O::CalendarsCreate, CalendarRef::Mailbox, None),
        ("GET", ["calendar"]) => found(O::CalendarsGet, CalendarRef::Default, None),
        ("PATCH", ["calendar"]) => found(O::CalendarsUpdate, CalendarRef::Default, None),
        ("GET", ["calendars", id]) => found(O::CalendarsGet, named(id), None),
        ("PATCH", ["calendars", id]) => found(O::CalendarsUpdate, named(id), None),
        ("DELETE", ["calendars", id]) => found(O::CalendarsDelete, named(id), None),
        (_, ["calendar", rest @ ..]) => {
            let (operation, item) = find_in_calendar(verb, rest)?;
            found(operation, CalendarRef::Default, item)
        }
        (_, ["calendars", id, rest @ ..]) => {
            let (operation, item) = find_in_calendar(verb, rest)?;
            found(operation, named(id), item)
        }
        _ => {
            let (operation, item) = find_in_calendar(verb, rest)?;
            found(operation, CalendarRef::Mailbox, item)
        }
    }
}

fn find_in_calendar<'a>(verb: &str, rest: &[&'a str]) -> Option<(Operation, Option<&'a str>)> {
    use Operation as O;
    Some(match (verb, rest) {
        ("GET", ["calendarView"]) => (O::CalendarView, None),
        ("GET", ["calendarView", "delta" | "delta()" | "microsoft.graph.delta()"]) => (O::Delta, None),
        ("GET", ["events"]) => (O::EventsList, None),
        ("POST", ["events"]) => (O::EventsCreate, None),
        ("GET", ["events", event]) => (O::EventsGet, Some(*event)),
        ("PATCH", ["events", event]) => (O::EventsUpdate, Some(*event)),
        ("DELETE", ["events", event]) => (O::EventsDelete, Some(*event)),
        ("GET", ["events", event, "instances"]) => (O::EventsInstances, Some(*event)),
        ("POST", ["events", event, action]) => {
            let operation = match action.rsplit('.').next()? {
                "cancel" => O::EventsCancel,
                "accept" => O::EventsRespond(Response::Accept),
                "decline" => O::EventsRespond(Response::Decline),
                "tentativelyAccept" => O::EventsRespond(Response::TentativelyAccept),
                _ => return None,
            };
            (operation, Some(*event))
        }
        _ => return None,
    })
}

impl Operation {
    /// The name that fault rules and the log of calls use.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Me => "graph.me",
            Self::CalendarsList => "graph.calendars.list",
            Self::CalendarsGet => "graph.calendars.get",
            Self::CalendarsCreate | Self::CalendarsUpdate | Self::CalendarsDelete => "graph.calendars.write",
            Self::Delta => "graph.calendarView.delta",
            Self::CalendarView => "graph.calendarView.list",
            Self::EventsList => "graph.events.list",
            Self::EventsGet => "graph.events.get",
            Self::EventsInstances => "graph.events.instances",
            Self::EventsCreate
            | Self::EventsUpdate
            | Self::EventsDelete
            | Self::EventsCancel
            | Self::EventsRespond(_) => "graph.events.write",
            Self::SubscriptionsCreate => "graph.subscriptions.create",
            Self::SubscriptionsList => "graph.subscriptions.list",
            Self::SubscriptionsGet => "graph.subscriptions.get",
            Self::SubscriptionsUpdate => "graph.subscriptions.update",
            Self::SubscriptionsDelete => "graph.subscriptions.delete",
            Self::SubscriptionsReauthorize => "graph.subscriptions.reauthorize",
            Self::Batch => "graph.batch",
            Self::OauthAuthorize => "oauth.authorize",
            Self::OauthToken => "oauth.token",
        }
    }

    pub(crate) fn is_oauth(self) -> bool {
        matches!(self, Self::OauthAuthorize | Self::OauthToken)
    }

    /// Whether it asks Exchange, which counts the calls of one mailbox.
    pub(crate) fn is_of_mailbox(self) -> bool {
        !self.is_oauth() && !matches!(self, Self::Batch | Self::Me)
    }

    /// Whether one of the granted scopes allows this method.
    pub(crate) fn is_allowed_by(self, scopes: &[String]) -> bool {
        let allowed = self.allowing_scopes();
        scopes.iter().any(|scope| {
            let short = super::grants::short_scope(scope);
            allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(short))
        })
    }

    fn allowing_scopes(self) -> &'static [&'static str] {
        const READ: &[&str] =
            &["Calendars.Read", "Calendars.ReadWrite", "Calendars.Read.Shared", "Calendars.ReadWrite.Shared"];
        match self {
            Self::Me => &["User.Read", "User.ReadWrite", "User.Read.All", "User.ReadBasic.All"],
            Self::CalendarsCreate
            | Self::CalendarsUpdate
            | Self::CalendarsDelete
            | Self::EventsCreate
            | Self::EventsUpdate
            | Self::EventsDelete
            | Self::EventsCancel
            | Self::EventsRespond(_) => &["Calendars.ReadWrite", "Calendars.ReadWrite.Shared"],
            Self::CalendarsList
            | Self::CalendarsGet
            | Self::Delta
            | Self::CalendarView
            | Self::EventsList
            | Self::EventsGet
            | Self::EventsInstances
            | Self::SubscriptionsCreate
            | Self::SubscriptionsList
            | Self::SubscriptionsGet
            | Self::SubscriptionsUpdate
            | Self::SubscriptionsDelete
            | Self::SubscriptionsReauthorize => READ,
            Self::Batch | Self::OauthAuthorize | Self::OauthToken => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(verb: &Method, path: &str) -> Option<Target> {
        let segments: Vec<String> = path.split('/').map(str::to_owned).collect();
        find(verb, &segments)
    }

    #[test]
    fn delta_has_several_spellings_and_places() {
        for (path, calendar) in [
            ("me/calendarView/delta", CalendarRef::Mailbox),
            ("me/calendar/calendarView/delta()", CalendarRef::Default),
            ("users/u/calendars/c/calendarView/delta()", CalendarRef::Named("c".to_owned())),
        ] {
            let target = found(&Method::GET, path).unwrap();
            assert_eq!((target.operation, target.calendar), (Operation::Delta, calendar), "{path}");
        }
        assert_eq!(found(&Method::POST, "me/calendarView/delta"), None);
    }

    #[test]
    fn a_read_scope_does_not_allow_writing_in_either_spelling() {
        let scopes = ["https://graph.microsoft.com/Calendars.Read".to_owned()];
        assert!(Operation::EventsGet.is_allowed_by(&scopes));
        assert!(Operation::SubscriptionsCreate.is_allowed_by(&scopes));
        assert!(!Operation::EventsCreate.is_allowed_by(&scopes));
        assert!(!Operation::Me.is_allowed_by(&scopes));
    }
}
