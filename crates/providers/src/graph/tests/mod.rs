//! Literal answers in, literal requests and domain values out.

mod channels;
mod events;
mod requests;
mod rounds;
mod series;

use std::sync::Arc;

use evercal_domain::account::Secret;
use evercal_domain::{AccountId, ProviderCalendarId, ProviderEventId, RemoteItem};
use evercal_http::{Body, HttpRequest, HttpResponse, TransportErrorKind};
use evercal_recurrence::Window;
use serde_json::{Value, json};

use super::settings::DEFAULT_TENANT;
use super::{GraphProvider, GraphSettings};
use crate::call::RemoteCalendarRef;
use crate::call::{Access, CallContext};
use crate::literal::LiteralTransport;

/// The size of pages.
const PAGE_EVENTS_MAX: u32 = 500;
/// Below it is the API.
const BASE: &str = "https://graph.microsoft.com/v1.0";

fn provider(
    answers: impl IntoIterator<Item = Result<HttpResponse, TransportErrorKind>>,
) -> (GraphProvider, Arc<LiteralTransport>) {
    let transport = LiteralTransport::answering(answers);
    let settings = GraphSettings::at(None, None, DEFAULT_TENANT, "our-client").unwrap();
    (GraphProvider::new(settings, Secret::new("our-secret"), 2, transport.clone()), transport)
}

fn context() -> CallContext {
    CallContext { access: Access::Bearer(Secret::new("EwB4A")), account: Some(AccountId::generate()) }
}

fn ok(body: &Value) -> Result<HttpResponse, TransportErrorKind> {
    answered(200, body)
}

#[expect(clippy::unnecessary_wraps, reason = "a transport is given answers and failures")]
fn answered(status: u16, body: &Value) -> Result<HttpResponse, TransportErrorKind> {
    Ok(crate::literal::answer(status, body.to_string()))
}

fn refused(status: u16, code: &str, message: &str) -> Result<HttpResponse, TransportErrorKind> {
    answered(status, &json!({"error": {"code": code, "message": message}}))
}

fn window() -> Window {
    Window { start: "2026-10-31T00:00:00Z".parse().unwrap(), end: "2027-12-31T00:00:00Z".parse().unwrap() }
}

/// A calendar that is not the default one.
fn team() -> ProviderCalendarId {
    ProviderCalendarId::new("AAMkTeam==")
}

fn other(id: &ProviderCalendarId) -> RemoteCalendarRef<'_> {
    RemoteCalendarRef { id, is_primary: false }
}

fn id(text: &str) -> ProviderEventId {
    ProviderEventId::new(text)
}

/// The requests that were sent, as their methods, paths and queries.
fn sent(transport: &LiteralTransport) -> Vec<String> {
    let said = |request: &HttpRequest| {
        let query = request.url.query_pairs().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
        let path = request.url.path().trim_start_matches("/v1.0");
        [format!("{} {path}", request.method), query.join("&")].join("?").trim_end_matches('?').to_owned()
    };
    transport.requests.lock().unwrap().iter().map(said).collect()
}

fn json_of(request: &HttpRequest) -> Value {
    match &request.body {
        Body::Json(json) => json.clone(),
        Body::Empty | Body::Form(_) => Value::Null,
    }
}

/// What items are, in a word each.
fn in_short(items: &[RemoteItem]) -> Vec<String> {
    let said = |item: &RemoteItem| match item {
        RemoteItem::Event(remote) => format!("event {}", remote.event.provider_id.as_str()),
        RemoteItem::CancelledOccurrence { provider_id, position } => {
            format!("cancelled {} {}", provider_id.as_str(), position.original_start.key())
        }
        RemoteItem::Occurrence { provider_id, occurrence } => {
            format!("occurrence {} of {}", provider_id.as_str(), occurrence.position.master_id.as_str())
        }
        RemoteItem::Named { provider_id, .. } => format!("named {}", provider_id.as_str()),
        RemoteItem::Missing { provider_id } => format!("missing {}", provider_id.as_str()),
        RemoteItem::Whole { owner, parts, .. } => format!("whole {} of {}", owner.as_str(), parts.len()),
        RemoteItem::Deleted { provider_id } => format!("deleted {}", provider_id.as_str()),
        RemoteItem::Unreadable { provider_id, reason, .. } => {
            format!("unreadable {}: {reason}", provider_id.as_ref().map_or("?", |id| id.as_str()))
        }
    };
    items.iter().map(said).collect()
}

fn at(text: &str) -> Value {
    json!({"dateTime": format!("{text}.0000000"), "timeZone": "UTC"})
}

fn single(id: &str) -> Value {
    json!({
        "@odata.etag": "W/\"1\"", "id": id, "type": "singleInstance", "subject": format!("About {id}"), "changeKey": "k1",
        "start": at("2026-12-01T10:00:00"), "end": at("2026-12-01T11:00:00"), "isAllDay": false,
    })
}

fn master(id: &str) -> Value {
    json!({
        "id": id, "type": "seriesMaster", "subject": format!("Every {id}"), "changeKey": "k1", "iCalUId": "uid-of-series",
        "start": at("2026-11-30T08:00:00"), "end": at("2026-11-30T09:00:00"),
        "originalStartTimeZone": "W. Europe Standard Time",
        "recurrence": {
            "pattern": {"type": "weekly", "interval": 1, "daysOfWeek": ["monday"], "firstDayOfWeek": "monday"},
            "range": {"type": "noEnd", "startDate": "2026-11-30", "endDate": "0001-01-01",
                      "recurrenceTimeZone": "W. Europe Standard Time"},
        },
    })
}

fn occurrence(id: &str, of: &str, day: &str) -> Value {
    json!({
        "id": id, "type": "occurrence", "seriesMasterId": of,
        "start": at(&format!("{day}T08:00:00")), "end": at(&format!("{day}T09:00:00")),
    })
}

fn exception(id: &str, of: &str, slot: &str) -> Value {
    let mut event = single(id);
    event["type"] = "exception".into();
    event["seriesMasterId"] = of.into();
    event["iCalUId"] = "uid-of-occurrence".into();
    event["originalStart"] = format!("{slot}T08:00:00Z").into();
    event
}
