//! Changes in bulk, as if people were at work: inserts, updates, deletes and edits of series, the same for the same
//! seed and state.

use chrono::{DateTime, TimeDelta, Utc};
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};

use super::World;
use super::errors::ApiError;
use super::event_resource::Change;
use super::series::{Series, instance_id};
use super::store::{Calendar, EventRecord};
use super::times::EventPoint;
use super::writes;
use super::{calendars, demo, history};
use crate::core::changes::{BulkChanges, ChangeKind, ChangeNotices, ChangeSummary};
use crate::core::seed;
use crate::core::zones::Zone;

/// Usual shares: mostly new and changed events.
const USUAL: [ChangeKind; 12] = [
    ChangeKind::Insert,
    ChangeKind::Insert,
    ChangeKind::Insert,
    ChangeKind::Insert,
    ChangeKind::Update,
    ChangeKind::Update,
    ChangeKind::EditDetails,
    ChangeKind::Delete,
    ChangeKind::MoveInstance,
    ChangeKind::CancelInstance,
    ChangeKind::EditSeries,
    ChangeKind::DeleteSeries,
];

/// Makes the n-th change of a bulk change.
pub(crate) fn make_one(
    world: &mut World,
    calendar: &str,
    bulk: &BulkChanges,
    position: u32,
    summary: &mut ChangeSummary,
) -> Result<(), ApiError> {
    let mut rng = ChaCha8Rng::seed_from_u64(bulk.seed);
    rng.set_stream(u64::from(position) + 1);
    let kinds = if bulk.kinds.is_empty() { &USUAL[..] } else { &bulk.kinds };
    let kind = kinds.choose(&mut rng).copied().unwrap_or(ChangeKind::Insert);
    let now = world.now_for(calendar, None);
    world.provider.announces_changes = bulk.notices == ChangeNotices::Each;
    let done = change(world, calendar, kind, &mut rng, now, summary);
    world.provider.announces_changes = true;
    *summary.counts.entry(done?).or_default() += 1;
    Ok(())
}

fn change(
    world: &mut World,
    calendar_id: &str,
    kind: ChangeKind,
    rng: &mut ChaCha8Rng,
    now: DateTime<Utc>,
    summary: &mut ChangeSummary,
) -> Result<ChangeKind, ApiError> {
    let calendar = calendars::calendar(world, calendar_id)?;
    let owner = calendar.record.owner.clone();
    let wants_series = !matches!(kind, ChangeKind::Update | ChangeKind::EditDetails | ChangeKind::Delete);
    let target = (kind != ChangeKind::Insert).then(|| find_target(calendar, rng, wants_series)).flatten();
    let Some((id, resource)) = target.map(|event| (event.id.clone(), event.resource.clone())) else {
        let plan = seed::any_event(rng, now.date_naive());
        let stored = demo::insert(world, calendar_id, &owner, &plan, None, now)?;
        if let Some(id) = stored.get("id").and_then(Value::as_str) {
            summary.inserted.push(id.to_owned());
        }
        return Ok(ChangeKind::Insert);
    };
    let zone = calendar.zone;
    match kind {
        ChangeKind::Delete | ChangeKind::DeleteSeries => {
            history::cancel(world, calendar_id, &id, now)?;
        }
        ChangeKind::Insert | ChangeKind::Update | ChangeKind::EditSeries => {
            let change = if rng.random_bool(0.5) { titled(rng) } else { moved(&resource, zone, rng) };
            writes::change_event(world, calendar_id, &id, change, Change::Patch, now)?;
        }
        ChangeKind::EditDetails => {
            writes::change_event(world, calendar_id, &id, detailed(rng), Change::Patch, now)?;
        }
        ChangeKind::MoveInstance | ChangeKind::CancelInstance => {
            let series = Series::parse(&resource, zone)?;
            let horizon = series.start.local() + TimeDelta::days(200);
            let starts = series.local_starts(Some(horizon));
            let Some(local) = starts.choose(rng) else {
                return Ok(kind);
            };
            let occurrence = series.occurrence(*local);
            let instance = instance_id(&id, occurrence.start);
            let change = if kind == ChangeKind::CancelInstance {
                Map::from_iter([("status".to_owned(), json!("cancelled"))])
            } else {
                moved(&occurrence.resource(&resource, zone), zone, rng)
            };
            writes::change_event(world, calendar_id, &instance, change, Change::Patch, now)?;
        }
    }
    Ok(kind)
}

/// A live event or series at a random place in the calendar.
fn find_target<'a>(calendar: &'a Calendar, rng: &mut ChaCha8Rng, wants_series: bool) -> Option<&'a EventRecord> {
    let last = calendar.last_ordinal();
    let from = rng.random_range(0..=last);
    calendar
        .by_ordinal(from, last)
        .chain(calendar.by_ordinal(0, from))
        .find(|event| !event.is_cancelled() && event.master_id().is_none() && event.is_master() == wants_series)
}

fn titled(rng: &mut ChaCha8Rng) -> Map<String, Value> {
    Map::from_iter([("summary".to_owned(), json!(seed::any_title(rng)))])
}

fn detailed(rng: &mut ChaCha8Rng) -> Map<String, Value> {
    let guests: Vec<Value> = seed::any_guests(rng)
        .into_iter()
        .map(|(name, email)| {
            let response = ["needsAction", "accepted", "tentative", "declined"].choose(rng);
            json!({"displayName": name, "email": email, "responseStatus": response})
        })
        .collect();
    Map::from_iter([("location".to_owned(), json!(seed::any_place(rng))), ("attendees".to_owned(), json!(guests))])
}

fn moved(resource: &Map<String, Value>, zone: Zone, rng: &mut ChaCha8Rng) -> Map<String, Value> {
    let minutes = 15 * rng.random_range(1..8);
    let mut change = Map::new();
    for name in ["start", "end"] {
        if let Some(point) = EventPoint::stored(resource.get(name), zone) {
            let minutes = if point.is_date() { 1_440 } else { minutes };
            let value = demo::shifted(point, minutes).to_value(zone);
            change.insert(name.to_owned(), value);
        }
    }
    change
}
