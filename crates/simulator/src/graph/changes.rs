//! Changes in bulk, as if people were at work: inserts, updates, deletes and edits of series, the same for the same seed and
//! state.

use chrono::{DateTime, Days, Utc};
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};

use super::World;
use super::calendars::calendar;
use super::errors::ApiError;
use super::event_fields::Author;
use super::event_view::plain_id;
use super::ids::IdForm;
use super::store::{Calendar, EventRecord};
use super::times::EventTime;
use super::{demo, writes};
use crate::core::changes::{BulkChanges, ChangeKind, ChangeNotices, ChangeSummary};
use crate::core::seed;

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
/// Occurrences are chosen among those of so many days.
const REACH_DAYS: u64 = 200;

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
    let found = calendar(world, calendar_id)?;
    let wants_series = !matches!(kind, ChangeKind::Update | ChangeKind::EditDetails | ChangeKind::Delete);
    let target = (kind != ChangeKind::Insert).then(|| find_target(found, rng, wants_series)).flatten();
    let Some(event) = target.cloned() else {
        let plan = seed::any_event(rng, now.date_naive());
        let key = demo::insert(world, calendar_id, &plan, now)?;
        if let Some(event) = calendar(world, calendar_id)?.live(&key) {
            summary.inserted.push(plain_id(world.seed(), event, None, IdForm::Immutable));
        }
        return Ok(ChangeKind::Insert);
    };
    let key = event.key.as_str();
    match kind {
        ChangeKind::Delete | ChangeKind::DeleteSeries => writes::remove(world, calendar_id, key, None, now)?,
        ChangeKind::Insert | ChangeKind::Update | ChangeKind::EditSeries => {
            let change = if rng.random_bool(0.5) { titled(rng) } else { moved(&event.time, rng) };
            writes::patch(world, calendar_id, key, None, &change, Author::Control, now)?;
        }
        ChangeKind::EditDetails => {
            writes::patch(world, calendar_id, key, None, &detailed(rng), Author::Control, now)?;
        }
        ChangeKind::MoveInstance | ChangeKind::CancelInstance => {
            let Some(recurrence) = &event.recurrence else { return Ok(kind) };
            let last = recurrence.range.start.checked_add_days(Days::new(REACH_DAYS)).unwrap_or(recurrence.range.start);
            let slots: Vec<_> = recurrence
                .dates()
                .take_while(|slot| *slot <= last)
                .filter(|slot| !event.cancelled.contains(slot))
                .collect();
            let Some(slot) = slots.choose(rng).copied() else { return Ok(kind) };
            if kind == ChangeKind::CancelInstance {
                writes::remove(world, calendar_id, key, Some(slot), now)?;
            } else {
                let time = event.exceptions.get(&slot).map_or_else(|| event.time.on(slot), |known| known.time.clone());
                let change = moved(&time, rng);
                writes::patch(world, calendar_id, key, Some(slot), &change, Author::Control, now)?;
            }
        }
    }
    Ok(kind)
}

/// An event or series at a random place in the calendar.
fn find_target<'a>(calendar: &'a Calendar, rng: &mut ChaCha8Rng, wants_series: bool) -> Option<&'a EventRecord> {
    let last = calendar.last_ordinal();
    let from = rng.random_range(0..=last);
    calendar
        .by_ordinal(from, last)
        .chain(calendar.by_ordinal(0, from))
        .find(|event| !event.deleted && event.is_series() == wants_series)
}

fn titled(rng: &mut ChaCha8Rng) -> Map<String, Value> {
    Map::from_iter([("subject".to_owned(), json!(seed::any_title(rng)))])
}

fn detailed(rng: &mut ChaCha8Rng) -> Map<String, Value> {
    let guests: Vec<Value> = seed::any_guests(rng)
        .into_iter()
        .map(|(name, address)| {
            let response = ["none", "notResponded", "accepted", "tentativelyAccepted", "declined"].choose(rng);
            json!({
                "type": "required",
                "emailAddress": {"name": name, "address": address},
                "status": {"response": response, "time": "2026-01-01T00:00:00Z"},
            })
        })
        .collect();
    Map::from_iter([
        ("location".to_owned(), json!({"displayName": seed::any_place(rng)})),
        ("attendees".to_owned(), json!(guests)),
    ])
}

fn moved(time: &EventTime, rng: &mut ChaCha8Rng) -> Map<String, Value> {
    let minutes = 15 * rng.random_range(1..8);
    time.later_by(if time.is_all_day { 1_440 } else { minutes }).as_body()
}
