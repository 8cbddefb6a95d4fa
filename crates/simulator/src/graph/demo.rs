//! Writes seeded plans down as Outlook's events: the demo tenant, and the events of bulk changes.

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::World;
use super::calendars::calendar;
use super::errors::ApiError;
use super::event_fields::Author;
use super::writes;
use super::zone_names::windows_name;
use crate::core::options::DemoTenant;
use crate::core::seed::{self, ExceptionChange, PlannedEvent, PlannedTime};
use crate::core::zones::Zone;

const DAYS: [(&str, &str); 7] = [
    ("MO", "monday"),
    ("TU", "tuesday"),
    ("WE", "wednesday"),
    ("TH", "thursday"),
    ("FR", "friday"),
    ("SA", "saturday"),
    ("SU", "sunday"),
];

/// Creates the demo user with two calendars full of events. Nothing happens when the user exists.
pub(crate) fn create(world: &mut World, demo: &DemoTenant) -> Result<(), ApiError> {
    let user = DemoTenant::USER;
    let plans = seed::demo_calendars(demo.seed, demo.anchor);
    let zone = plans.first().map_or("UTC", |plan| plan.zone.name());
    if !world.add_user(user, "Robin Hale", zone) {
        return Ok(());
    }
    let Some(owner) = world.user(user).cloned() else { return Ok(()) };
    // As if everything had been entered two months before.
    let entered_at = (seed::week_of(demo.anchor) - TimeDelta::weeks(8)).and_time(NaiveTime::MIN).and_utc();
    for plan in plans {
        let id = if plan.is_primary {
            owner.default_calendar.clone()
        } else {
            let id = world.new_calendar_id();
            let record = world.new_calendar_record(&id, &plan.summary, plan.zone.name(), &owner.oid);
            world.add_calendar(record);
            id
        };
        for (position, event) in (0..).zip(&plan.events) {
            insert(world, &id, event, entered_at + TimeDelta::minutes(position))?;
        }
    }
    Ok(())
}

/// Inserts a planned event and its exceptions; answers with its key.
pub(crate) fn insert(
    world: &mut World,
    calendar_id: &str,
    plan: &PlannedEvent,
    now: DateTime<Utc>,
) -> Result<String, ApiError> {
    let key = writes::insert(world, calendar_id, &body(plan), Author::Control, None, now)?;
    for exception in &plan.exceptions {
        let series = calendar(world, calendar_id)?.live(&key).ok_or_else(ApiError::not_found)?;
        let slot = series.recurrence.as_ref().and_then(|recurrence| recurrence.dates().nth(exception.occurrence));
        let Some(slot) = slot.filter(|slot| !series.cancelled.contains(slot)) else { continue };
        match &exception.change {
            ExceptionChange::Cancelled => writes::remove(world, calendar_id, &key, Some(slot), now)?,
            ExceptionChange::Renamed { title } => {
                let change = Map::from_iter([("subject".to_owned(), json!(title))]);
                writes::patch(world, calendar_id, &key, Some(slot), &change, Author::Control, now)?;
            }
            ExceptionChange::MovedBy { minutes } => {
                let change = series.time.on(slot).later_by(*minutes).as_body();
                writes::patch(world, calendar_id, &key, Some(slot), &change, Author::Control, now)?;
            }
        }
    }
    Ok(key)
}

fn body(plan: &PlannedEvent) -> Map<String, Value> {
    let point = |local: NaiveDateTime, zone: Zone| {
        // As Outlook's own programs name zones.
        let name = windows_name(zone).unwrap_or(zone.name());
        json!({"dateTime": local.format("%Y-%m-%dT%H:%M:%S").to_string(), "timeZone": name})
    };
    let (start, end, first, is_all_day) = match plan.time {
        PlannedTime::AllDay { first, days } => {
            let midnight = |day: NaiveDate| point(day.and_time(NaiveTime::MIN), Zone::UTC);
            (midnight(first), midnight(first + TimeDelta::days(days)), first, true)
        }
        PlannedTime::Timed { start, minutes, zone } => {
            (point(start, zone), point(start + TimeDelta::minutes(minutes), zone), start.date(), false)
        }
    };
    let mut body = Map::new();
    body.insert("subject".to_owned(), json!(plan.title));
    body.insert("start".to_owned(), start);
    body.insert("end".to_owned(), end);
    body.insert("isAllDay".to_owned(), json!(is_all_day));
    if is_all_day {
        body.insert("showAs".to_owned(), json!("free"));
    }
    if let Some(text) = &plan.description {
        body.insert("body".to_owned(), json!({"contentType": "text", "content": text}));
    }
    if let Some(text) = &plan.location {
        body.insert("location".to_owned(), json!({"displayName": text}));
    }
    if let Some(rule) = &plan.rule {
        body.insert("recurrence".to_owned(), recurrence(rule, first));
    }
    if plan.private {
        body.insert("sensitivity".to_owned(), json!("private"));
    }
    if !plan.guests.is_empty() {
        let guests: Vec<Value> = plan
            .guests
            .iter()
            .map(|(name, address)| json!({"type": "required", "emailAddress": {"name": name, "address": address}}))
            .collect();
        body.insert("attendees".to_owned(), json!(guests));
        body.insert("isOnlineMeeting".to_owned(), json!(true));
    }
    body
}

/// What a seeded rule is in Outlook's words; seeds have only a few kinds of them.
fn recurrence(rule: &str, first: NaiveDate) -> Value {
    let part = |name: &str| rule.split(';').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
    let days: Vec<&str> = part("BYDAY")
        .into_iter()
        .flat_map(|days| days.split(','))
        .filter_map(|day| DAYS.iter().find(|(short, _)| day.ends_with(short)).map(|(_, name)| *name))
        .collect();
    let own_day = DAYS.get(usize::try_from(first.weekday().num_days_from_monday()).unwrap_or(0));
    let days = if days.is_empty() { own_day.map(|(_, name)| *name).into_iter().collect() } else { days };
    let interval = part("INTERVAL").and_then(|interval| interval.parse::<u32>().ok()).unwrap_or(1);
    let mut pattern = json!({"interval": interval, "firstDayOfWeek": "monday"});
    let fields = match (part("FREQ"), part("BYDAY")) {
        (Some("WEEKLY"), _) => json!({"type": "weekly", "daysOfWeek": days}),
        (Some("MONTHLY"), Some(_)) => json!({"type": "relativeMonthly", "daysOfWeek": days, "index": "first"}),
        (Some("MONTHLY"), None) => {
            json!({"type": "absoluteMonthly", "dayOfMonth": first.day()})
        }
        (Some("YEARLY"), _) => json!({"type": "absoluteYearly", "dayOfMonth": first.day(),
            "month": first.month()}),
        _ => json!({"type": "daily"}),
    };
    if let (Some(pattern), Value::Object(fields)) = (pattern.as_object_mut(), fields) {
        pattern.extend(fields);
    }
    let range = match part("COUNT").and_then(|count| count.parse::<u32>().ok()) {
        Some(count) => json!({"type": "numbered", "startDate": first.to_string(), "numberOfOccurrences": count}),
        None => json!({"type": "noEnd", "startDate": first.to_string()}),
    };
    json!({"pattern": pattern, "range": range})
}
