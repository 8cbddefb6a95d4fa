//! `freebusy.query`: when calendars are busy, without saying why. Groups are not simulated.

use std::borrow::Cow;

use crate::core::access::AccessRole;
use crate::core::zones::Zone;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use super::World;
use super::calendars;
use super::errors::ApiError;
use super::event_query::EventQuery;
use super::event_view::View;
use super::oauth::Caller;
use super::quirks::Quirks;
use super::request::{ApiRequest, Query};
use super::response::ApiResponse;
use super::store::Calendar;
use super::times::EventPoint;

const CALENDARS_MAX: usize = 50;

pub(crate) fn query(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let body = request.json_object()?;
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let (time_min, time_max) =
        text("timeMin").zip(text("timeMax")).ok_or_else(|| ApiError::required("Missing timeMin or timeMax."))?;
    let window = Query::of(&[("timeMin", time_min), ("timeMax", time_max), ("singleEvents", "true")]);
    let window = EventQuery::parse(&window)?;
    let zone = match text("timeZone") {
        None => Zone::UTC,
        Some(name) => name.parse().map_err(|_| ApiError::invalid_parameter("timeZone", name))?,
    };
    let items = body.get("items").and_then(Value::as_array);
    let ids: Vec<&str> =
        items.into_iter().flatten().filter_map(|item| item.get("id").and_then(Value::as_str)).collect();
    if ids.len() > CALENDARS_MAX {
        return Err(ApiError::new(
            400,
            "tooManyCalendarsRequested",
            "The number of calendars requested is too large for a single query.",
        ));
    }
    let mut answers = Map::new();
    for id in ids {
        let answer = match calendars::open(world, caller, id) {
            Ok(opened) => {
                let calendar = calendars::calendar(world, &opened.id)?;
                json!({"busy": busy(calendar, &window, zone)})
            }
            Err(_) => json!({"busy": [], "errors": [{"domain": "global", "reason": "notFound"}]}),
        };
        answers.insert(id.to_owned(), answer);
    }
    Ok(ApiResponse::json(&json!({
        "kind": "calendar#freeBusy",
        "timeMin": time_min,
        "timeMax": time_max,
        "calendars": answers,
    })))
}

/// The busy times of a calendar inside the window, overlapping ones joined.
fn busy(calendar: &Calendar, window: &EventQuery<'_>, zone: Zone) -> Vec<Value> {
    let view = View { calendar, query: window, role: AccessRole::Owner, quirks: &Quirks::NONE };
    let bounds = |resource: &Map<String, Value>| {
        let seconds = |name: &str| {
            EventPoint::stored(resource.get(name), calendar.zone).map(|point| point.unix_seconds(calendar.zone))
        };
        let start = seconds("start")?.max(window.time_min?.timestamp());
        let end = seconds("end")?.min(window.time_max?.timestamp());
        (start < end).then_some((start, end))
    };
    let mut times: Vec<(i64, i64)> = calendar
        .all()
        .filter(|event| !event.is_cancelled() && event.text("transparency") != Some("transparent"))
        .flat_map(|event| {
            if event.is_master() {
                view.expand(event).into_iter().map(Cow::Owned).collect()
            } else {
                vec![Cow::Borrowed(&event.resource)]
            }
        })
        .filter_map(|resource| bounds(&resource))
        .collect();
    times.sort_unstable();
    let mut joined: Vec<(i64, i64)> = Vec::new();
    for (start, end) in times {
        match joined.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => joined.push((start, end)),
        }
    }
    joined.into_iter().map(|(start, end)| json!({"start": shown(start, zone), "end": shown(end, zone)})).collect()
}

fn shown(seconds: i64, zone: Zone) -> String {
    DateTime::<Utc>::from_timestamp(seconds, 0)
        .unwrap_or_default()
        .with_timezone(&zone)
        .to_rfc3339_opts(SecondsFormat::Secs, true)
}
