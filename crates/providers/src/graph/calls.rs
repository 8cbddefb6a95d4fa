//! What calls are named in errors, logs and the simulator's counts.

/// `GET /me/calendars`.
pub(super) const LIST_CALENDARS: &str = "graph.calendars.list";
/// `GET /me/calendar`.
pub(super) const GET_CALENDAR: &str = "graph.calendars.get";
/// `GET …/calendarView/delta`.
pub(super) const DELTA: &str = "graph.calendarView.delta";
/// `GET …/events`.
pub(super) const LIST_EVENTS: &str = "graph.events.list";
/// `GET …/events/{id}`.
pub(super) const GET_EVENT: &str = "graph.events.get";
/// `GET …/events/{id}/instances`.
pub(super) const INSTANCES: &str = "graph.events.instances";
/// `POST /$batch`.
pub(super) const BATCH: &str = "graph.batch";
/// `POST /subscriptions`.
pub(super) const CREATE_SUBSCRIPTION: &str = "graph.subscriptions.create";
/// `GET /subscriptions`.
pub(super) const LIST_SUBSCRIPTIONS: &str = "graph.subscriptions.list";
/// `PATCH /subscriptions/{id}`.
pub(super) const UPDATE_SUBSCRIPTION: &str = "graph.subscriptions.update";
/// `DELETE /subscriptions/{id}`.
pub(super) const DELETE_SUBSCRIPTION: &str = "graph.subscriptions.delete";
/// The token endpoint.
pub(super) const TOKEN: &str = "oauth.token";
