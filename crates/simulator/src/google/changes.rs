//! Changes in bulk, as if people were at work: inserts, updates, deletes and edits of series, the same for the same
//! seed and state.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::errors::ApiError;
use super::series::{Series, instance_id};
use super::store::{Calendar, EventRecord};
use super::times::EventPoint;
use super::writes::{self, Change};
use super::{calendars, demo};
use crate::core::seed;
use crate::core::world::World;

/// One way of changing a calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// A new event, now and then a series.
    Insert,
    /// Another title or time of an event.
    Update,
    /// An event gets another place and other guests.
    EditDetails,
    /// An event that does not recur is deleted.
    Delete,
    /// One occurrence of a series is moved.
    MoveInstance,
    /// One occurrence of a series is cancelled.
    CancelInstance,
    /// A whole series gets another title or time.
    EditSeries,
    /// A whole series is deleted.
    DeleteSeries,
}

/// What the channels hear of a bulk change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeNotices {
    /// One notice for each change, as the provider does.
    #[default]
    Each,
    /// One notice after the last change.
    Once,
    /// None.
    None,
}

/// A bulk change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BulkChanges {
    /// The calendar's id.
    pub calendar: String,
    /// How many changes, at most [`COUNT_MAX`].
    pub count: u32,
    /// Chooses what is changed and how.
    #[serde(default)]
    pub seed: u64,
    /// Which changes may happen; all when empty. Where a kind finds nothing to change, an event is inserted.
    #[serde(default)]
    pub kinds: Vec<ChangeKind>,
    /// Pause after each change, in milliseconds of real time.
    #[serde(default)]
    pub spacing_ms: u64,
    /// What the channels hear.
    #[serde(default)]
    pub notices: ChangeNotices,
}

/// The most changes of one bulk change.
pub(crate) const COUNT_MAX: u32 = 100_000;

/// What a bulk change did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeSummary {
    /// Changes of each kind.
    pub counts: BTreeMap<ChangeKind, u32>,
    /// The ids of inserted events, in their order.
    pub inserted: Vec<String>,
}

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
    bulk: &BulkChanges,
    position: u32,
    summary: &mut ChangeSummary,
) -> Result<(), ApiError> {
    let mut rng = ChaCha8Rng::seed_from_u64(bulk.seed);
    rng.set_stream(u64::from(position) + 1);
    let kinds = if bulk.kinds.is_empty() { &USUAL[..] } else { &bulk.kinds };
    let kind = kinds.choose(&mut rng).copied().unwrap_or(ChangeKind::Insert);
    let now = world.now_for(&bulk.calendar, None);
    world.google.announces_changes = bulk.notices == ChangeNotices::Each;
    let done = change(world, &bulk.calendar, kind, &mut rng, now, summary);
    world.google.announces_changes = true;
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
            writes::cancel(world, calendar_id, &id, now)?;
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

fn moved(resource: &Map<String, Value>, zone: crate::core::zones::Zone, rng: &mut ChaCha8Rng) -> Map<String, Value> {
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
