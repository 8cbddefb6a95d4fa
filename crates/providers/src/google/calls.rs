//! What calls are named in errors, logs and the simulator's counts: Google's own names of its methods, and ours of the OAuth
//! endpoints.

/// `calendarList.list`, by Google's own name of the method.
pub(super) const LIST_CALENDARS: &str = "calendar.calendarList.list";
/// `calendarList.get`.
pub(super) const GET_CALENDAR: &str = "calendar.calendarList.get";
/// `calendarList.watch`.
pub(super) const WATCH_CALENDARS: &str = "calendar.calendarList.watch";
/// `events.list`.
pub(super) const LIST_EVENTS: &str = "calendar.events.list";
/// `events.watch`.
pub(super) const WATCH_EVENTS: &str = "calendar.events.watch";
/// `channels.stop`.
pub(super) const STOP_CHANNEL: &str = "calendar.channels.stop";
/// The token endpoint.
pub(super) const TOKEN: &str = "oauth.token";
/// The revocation endpoint.
pub(super) const REVOKE: &str = "oauth.revoke";
