//! The occurrences of series and single events, made of rows.

use std::collections::{BTreeMap, BTreeSet};

use evercal_domain::event::Occurrence;
use evercal_domain::{Event, ProviderEventId, ProviderOccurrence, SeriesPosition, Zone};
use evercal_recurrence::{ExpandError, Series, Window, expand_series, single_occurrence};

use crate::row::{StoredBody, StoredRow};

const EVERYTHING: Window =
    Window { start: chrono::DateTime::<chrono::Utc>::MIN_UTC, end: chrono::DateTime::<chrono::Utc>::MAX_UTC };

/// Where the occurrences of series come from.
#[derive(Debug, Clone, Copy)]
pub enum Expansion {
    /// Their rules make them.
    ByRules {
        /// The calendar's zone, in which a series repeats that names none.
        zone: Option<Zone>,
        /// The time for which they are made.
        window: Window,
    },
    /// Their provider makes them: each is a row. Rules are for readers alone.
    FromProvider {
        /// The time for which it was asked: what lies outside of it stays as it was last seen.
        window: Window,
    },
}

/// All occurrences of one owner inside the window; replaces what the store had for that owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerOccurrences {
    /// A master's id, or a single event's.
    pub owner: ProviderEventId,
    /// Its occurrences; empty removes them.
    pub occurrences: Vec<Occurrence>,
}

/// The series of these rows, expanded anew: for rolling the window forward. One that cannot be expanded any more keeps the occurrences that it has; its error is in the second part.
pub fn expand_stored(rows: &[StoredRow], expansion: &Expansion) -> (Vec<OwnerOccurrences>, Vec<ExpandError>) {
    let (occurrences, unreadable) = Rows::of(rows.iter()).expand(expansion);
    (occurrences, unreadable.into_values().collect())
}

/// What a row says of occurrences.
#[derive(Clone, Copy)]
pub(crate) enum Row<'a> {
    Event(&'a Event),
    Cancelled(&'a SeriesPosition),
    Occurrence(&'a ProviderOccurrence),
    /// Its body cannot be read; whose series it is a part of is known.
    Unreadable(&'a ProviderEventId),
}

impl<'a> Row<'a> {
    pub(crate) fn of(row: &'a StoredRow) -> Self {
        match &row.body {
            StoredBody::Event(event) => Self::Event(event),
            StoredBody::Cancelled(position) => Self::Cancelled(position),
            StoredBody::Occurrence(occurrence) => Self::Occurrence(occurrence),
            StoredBody::Unreadable => Self::Unreadable(row.owner()),
        }
    }

    pub(crate) fn master(self) -> Option<&'a ProviderEventId> {
        match self {
            Self::Event(event) => event.series.as_ref().map(|series| &series.master_id),
            Self::Cancelled(position) => Some(&position.master_id),
            Self::Occurrence(occurrence) => Some(&occurrence.position.master_id),
            Self::Unreadable(owner) => Some(owner),
        }
    }
}

/// The rows of some owners, as they are or as they will be.
#[derive(Default)]
pub(crate) struct Rows<'a> {
    pub(crate) rows: BTreeMap<&'a ProviderEventId, Row<'a>>,
    pub(crate) owners: BTreeSet<&'a ProviderEventId>,
}

impl<'a> Rows<'a> {
    pub(crate) fn of(stored: impl Iterator<Item = &'a StoredRow> + Clone) -> Self {
        Self {
            rows: stored.clone().map(|row| (&row.provider_id, Row::of(row))).collect(),
            owners: stored.map(StoredRow::owner).collect(),
        }
    }

    /// The occurrences of each owner, and why there are none of some.
    pub(crate) fn expand(
        &self,
        expansion: &Expansion,
    ) -> (Vec<OwnerOccurrences>, BTreeMap<ProviderEventId, ExpandError>) {
        let mut exceptions: BTreeMap<&ProviderEventId, Vec<&Event>> = BTreeMap::new();
        let mut cancelled: BTreeMap<&ProviderEventId, Vec<&SeriesPosition>> = BTreeMap::new();
        let mut made: BTreeMap<&ProviderEventId, Vec<&ProviderOccurrence>> = BTreeMap::new();
        let mut not_known_whole = BTreeSet::new();
        for row in self.rows.values() {
            match *row {
                Row::Event(event) => {
                    if let Some(series) = &event.series {
                        exceptions.entry(&series.master_id).or_default().push(event);
                    }
                }
                Row::Cancelled(position) => cancelled.entry(&position.master_id).or_default().push(position),
                Row::Occurrence(occurrence) => {
                    made.entry(&occurrence.position.master_id).or_default().push(occurrence);
                }
                Row::Unreadable(owner) => {
                    not_known_whole.insert(owner);
                }
            }
        }
        let mut all = Vec::new();
        let mut unreadable = BTreeMap::new();
        // What is shown of an owner stays until all of it can be read again: a cancelled occurrence might come back otherwise.
        for owner in self.owners.iter().copied().filter(|owner| !not_known_whole.contains(owner)) {
            let exceptions = exceptions.remove(owner).unwrap_or_default();
            let occurrences = match self.rows.get(owner).copied() {
                Some(Row::Event(master)) if master.is_master() => {
                    let cancelled = cancelled.remove(owner).unwrap_or_default();
                    match expansion {
                        Expansion::FromProvider { .. } => {
                            as_made(owner, &made.remove(owner).unwrap_or_default(), &exceptions, &cancelled)
                        }
                        Expansion::ByRules { zone, window } => {
                            let series = Series { master, exceptions, cancelled, calendar_zone: *zone };
                            match expand_series(&series, window) {
                                Ok(occurrences) => occurrences,
                                Err(error) => {
                                    unreadable.insert(owner.clone(), error);
                                    continue;
                                }
                            }
                        }
                    }
                }
                // A single event has its one occurrence whatever the window: only series have to roll forward.
                Some(Row::Event(single)) if single.series.is_none() => {
                    single_occurrence(single, &EVERYTHING).into_iter().collect()
                }
                // Exceptions without their master: somebody was invited to one instance, or the master is on a later page.
                _ => exceptions.iter().filter_map(|event| single_occurrence(event, &EVERYTHING)).collect(),
            };
            all.push(OwnerOccurrences { owner: owner.clone(), occurrences });
        }
        (all, unreadable)
    }
}

/// The occurrences of a series as its provider made them. An exception or a cancellation of one counts more.
fn as_made(
    owner: &ProviderEventId,
    made: &[&ProviderOccurrence],
    exceptions: &[&Event],
    cancelled: &[&SeriesPosition],
) -> Vec<Occurrence> {
    let changed = exceptions.iter().filter_map(|event| event.series.as_ref());
    let taken: BTreeSet<String> =
        changed.chain(cancelled.iter().copied()).map(|position| position.original_start.key()).collect();
    let regular = made.iter().filter(|occurrence| !taken.contains(&occurrence.position.original_start.key()));
    let regular = regular.map(|occurrence| Occurrence {
        source_id: owner.clone(),
        series_id: Some(owner.clone()),
        original_start: occurrence.position.original_start,
        start: occurrence.start,
        end: occurrence.end,
    });
    regular.chain(exceptions.iter().filter_map(|event| single_occurrence(event, &EVERYTHING))).collect()
}
