//! Writes seeded plans down as Google events: the demo tenant, and the events of bulk changes.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::World;
use super::calendars;
use super::errors::ApiError;
use super::event_resource::Change;
use super::series::{Series, instance_id};
use super::times::EventPoint;
use super::writes;
use crate::core::channels::Collection;
use crate::core::options::DemoTenant;
use crate::core::seed::{self, ExceptionChange, PlannedEvent, PlannedTime};

/// Creates the demo user with two calendars full of events. Nothing happens when the user exists.
pub(crate) fn create(world: &mut World, demo: &DemoTenant) -> Result<(), ApiError> {
    let user = DemoTenant::USER;
    let plans = seed::demo_calendars(demo.seed, demo.anchor);
    let zone = plans.first().map_or("UTC", |plan| plan.zone.name());
    if !world.add_user(user, "Robin Hale", zone) {
        return Ok(());
    }
    // As if everything had been entered two months before.
    let entered_at = (seed::week_of(demo.anchor) - TimeDelta::weeks(8)).and_time(chrono::NaiveTime::MIN).and_utc();
    for plan in plans {
        let id = if plan.is_primary {
            user.to_owned()
        } else {
            let id = world.stable_id("demo calendar", &plan.summary);
            let id = format!("c_{id}@group.calendar.google.com");
            world.add_calendar(calendars::new_record(&id, &plan.summary, plan.zone.name(), user));
            id
        };
        for (position, event) in (0..).zip(&plan.events) {
            let entered_at = entered_at + TimeDelta::minutes(position);
            let event_id = world.stable_id("demo event", &format!("{id} {position}"));
            insert(world, &id, user, event, Some(event_id), entered_at)?;
        }
    }
    Ok(())
}

/// Inserts a planned event and its exceptions; answers with the stored event.
pub(crate) fn insert(
    world: &mut World,
    calendar_id: &str,
    creator: &str,
    plan: &PlannedEvent,
    id: Option<String>,
    now: DateTime<Utc>,
) -> Result<Map<String, Value>, ApiError> {
    let mut body = body(plan);
    if let Some(id) = id {
        body.insert("id".to_owned(), json!(id));
    }
    let stored = writes::insert_event(world, calendar_id, creator, body, now)?;
    if plan.exceptions.is_empty() {
        return Ok(stored);
    }
    let zone = calendars::calendar(world, calendar_id)?.zone;
    let series = Series::parse(&stored, zone)?;
    let horizon = series.start.local() + TimeDelta::days(400);
    let starts = series.local_starts(Some(horizon));
    let master_id = stored.get("id").and_then(Value::as_str).unwrap_or_default();
    for exception in &plan.exceptions {
        let Some(local) = starts.get(exception.occurrence) else {
            continue;
        };
        let occurrence = series.occurrence(*local);
        let id = instance_id(master_id, occurrence.start);
        let change = match &exception.change {
            ExceptionChange::Cancelled => json!({"status": "cancelled"}),
            ExceptionChange::Renamed { title } => json!({"summary": title}),
            ExceptionChange::MovedBy { minutes } => json!({
                "start": shifted(occurrence.start, *minutes).to_value(zone),
                "end": shifted(occurrence.end, *minutes).to_value(zone),
            }),
        };
        if let Value::Object(change) = change {
            writes::change_event(world, calendar_id, &id, change, Change::Patch, now)?;
        }
    }
    Ok(stored)
}

/// The point `minutes` later by the wall clock.
pub(crate) fn shifted(point: EventPoint, minutes: i64) -> EventPoint {
    point.at_local(point.local() + TimeDelta::minutes(minutes))
}

fn body(plan: &PlannedEvent) -> Map<String, Value> {
    let (start, end) = match plan.time {
        PlannedTime::AllDay { first, days } => {
            (json!({"date": first.to_string()}), json!({"date": (first + TimeDelta::days(days)).to_string()}))
        }
        PlannedTime::Timed { start, minutes, zone } => {
            let end = start + TimeDelta::minutes(minutes);
            let point = |local: chrono::NaiveDateTime| {
                json!({
                    "dateTime": local.format("%Y-%m-%dT%H:%M:%S").to_string(),
                    "timeZone": zone.name(),
                })
            };
            (point(start), point(end))
        }
    };
    let mut body = Map::new();
    body.insert("summary".to_owned(), json!(plan.title));
    body.insert("start".to_owned(), start);
    body.insert("end".to_owned(), end);
    if let Some(text) = &plan.description {
        body.insert("description".to_owned(), json!(text));
    }
    if let Some(text) = &plan.location {
        body.insert("location".to_owned(), json!(text));
    }
    if let Some(rule) = &plan.rule {
        body.insert("recurrence".to_owned(), json!([format!("RRULE:{rule}")]));
    }
    if plan.private {
        body.insert("visibility".to_owned(), json!("private"));
    }
    if !plan.guests.is_empty() {
        let guests: Vec<Value> =
            plan.guests.iter().map(|(name, email)| json!({"displayName": name, "email": email})).collect();
        body.insert("attendees".to_owned(), json!(guests));
        let request = json!({"requestId": plan.title, "conferenceSolutionKey": {"type": "hangoutsMeet"}});
        body.insert("conferenceData".to_owned(), json!({"createRequest": request}));
    }
    body
}

/// Notifies the channels of a calendar once.
pub(crate) fn announce_once(world: &mut World, calendar_id: &str) {
    let now = world.now_for(calendar_id, None);
    let collection = Collection::Events { calendar: calendar_id.to_owned() };
    world.announce(&collection, now);
}
