//! The property that the change feed stands for, against a model that knows no database.

use std::collections::{BTreeMap, BTreeSet};

use evercal_domain::RemoteItem;
use evercal_domain::event::Fingerprint;
use evercal_mirror::{RowState, StoredBody, StoredRow};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::Database;
use super::fixtures::{
    Seeded, add_calendar, at, cancelled, deleted, exception, finish, master, seeded, single, unreadable,
};

/// Runs with random passes that are compared with the model after each page.
const CASES: u32 = 96;

/// A pass: whether it is a full one, and its pages.
type Pass = (bool, Vec<Vec<RemoteItem>>);

fn item() -> impl Strategy<Value = RemoteItem> {
    let title = prop_oneof![Just("a"), Just("b")];
    let series = (0..2_u8, 0..2_u8).prop_map(|(master, slot)| (format!("m{master}"), format!("m{master}_{slot}")));
    let any_id = prop_oneof![
        (0..3_u8).prop_map(|index| format!("s{index}")),
        (0..2_u8).prop_map(|index| format!("m{index}")),
        series.clone().prop_map(|(_, row)| row),
    ];
    prop_oneof![
        (0..3_u8, title.clone()).prop_map(|(index, title)| single(&format!("s{index}"), title)),
        (0..2_u8, title.clone()).prop_map(|(index, title)| master(&format!("m{index}"), title)),
        (series.clone(), title).prop_map(|((master, row), title)| exception(&row, &master, title)),
        series.prop_map(|(master, row)| cancelled(&row, &master)),
        any_id.clone().prop_map(|id| deleted(&id)),
        proptest::option::of(any_id).prop_map(|id| unreadable(id.as_deref(), "{}")),
    ]
}

fn passes() -> impl Strategy<Value = Vec<Pass>> {
    vec((any::<bool>(), vec(vec(item(), 0..8), 1..3)), 1..5)
}

pub fn the_change_feed_is_exactly_the_difference_between_two_mirrors(database: &Database) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let seeded = runtime.block_on(seeded(database));
    let names = std::cell::Cell::new(0);
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&passes(), |passes| {
        names.set(names.get() + 1);
        runtime.block_on(async {
            let name = format!("calendar {}", names.get());
            let calendar = add_calendar(&*seeded.store, seeded.account, &name).await;
            let seeded = Seeded { store: seeded.store.clone(), calendar, ..seeded };
            compare_with_the_model(&seeded, &passes).await
        })
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

async fn compare_with_the_model(seeded: &Seeded, passes: &[Pass]) -> Result<(), TestCaseError> {
    let (mut model, mut sequence) = (Model::default(), 0);
    for (full, pages) in passes {
        if *full {
            let position = seeded.store.sync_position(seeded.calendar).await.unwrap();
            seeded.store.begin_full_pass(seeded.calendar, position.revision, 2_500).await.unwrap();
            model.seen.clear();
        }
        for (index, page) in pages.iter().enumerate() {
            let last = index + 1 == pages.len();
            let before = model.fingerprints();
            model.apply(page);
            if last {
                model.finish(*full);
            }
            let finish = last.then(|| finish(*full, at(1)));
            let committed = seeded.try_commit(page, &[], finish).await.unwrap();

            let mirror: BTreeMap<String, String> = seeded.items().await.iter().map(fingerprint_of).collect();
            prop_assert_eq!(&mirror, &model.fingerprints(), "the mirror is what the model says");
            let changes = seeded.store.changes(seeded.calendar, sequence, 1_000).await.unwrap();
            prop_assert_eq!(changes.len(), usize::try_from(committed.changes).unwrap());
            let mut replayed = before;
            for change in changes {
                sequence += 1;
                prop_assert_eq!(change.sequence, sequence, "numbers have no gaps");
                let id = change.event_id.as_str().to_owned();
                prop_assert_ne!(&change.before, &change.after, "the feed has only true differences");
                let known = replayed.remove(&id);
                prop_assert_eq!(known.as_deref(), change.before.as_ref().map(Fingerprint::as_str));
                if let Some(after) = &change.after {
                    replayed.insert(id, after.as_str().to_owned());
                }
            }
            prop_assert_eq!(&replayed, &mirror, "the feed over the old mirror gives the new one");
            prop_assert_eq!(seeded.event_count().await, model.event_count());
            let held = seeded.store.quarantined(seeded.calendar, 100).await.unwrap();
            let held: BTreeSet<String> = held.iter().map(|item| id_or_none(item.provider_id.as_ref())).collect();
            prop_assert_eq!(&held, &model.held);
        }
    }
    Ok(())
}

fn fingerprint_of(item: &StoredRow) -> (String, String) {
    let fingerprint = match &item.body {
        StoredBody::Event(event) => Fingerprint::of_event(event),
        StoredBody::Cancelled(position) => Fingerprint::of_cancelled(position),
        StoredBody::Occurrence(_) | StoredBody::Unreadable => panic!("no such row was written: {item:?}"),
    };
    (item.provider_id.as_str().to_owned(), fingerprint.as_str().to_owned())
}

fn id_or_none(id: Option<&evercal_domain::ProviderEventId>) -> String {
    id.map_or_else(|| "none".to_owned(), |id| id.as_str().to_owned())
}

/// A mirror in memory.
#[derive(Default)]
struct Model {
    rows: BTreeMap<String, StoredRow>,
    /// Ids in quarantine.
    held: BTreeSet<String>,
    /// Ids that the running full pass has contained.
    seen: BTreeSet<String>,
}

impl Model {
    fn apply(&mut self, page: &[RemoteItem]) {
        let mut last: BTreeMap<String, &RemoteItem> = BTreeMap::new();
        for item in page {
            last.insert(id_of(item), item);
        }
        let gone: Vec<&String> =
            last.iter().filter(|(_, item)| matches!(item, RemoteItem::Deleted { .. })).map(|(id, _)| id).collect();
        self.rows.retain(|id, row| last.contains_key(id) || !gone.iter().any(|gone| row.owner().as_str() == *gone));
        for (id, item) in &last {
            self.seen.insert(id.clone());
            match item {
                RemoteItem::Event(remote) => {
                    let event = remote.event.clone();
                    self.put(id, &remote.event.provider_id, StoredBody::Event(Box::new(event)));
                }
                RemoteItem::CancelledOccurrence { provider_id, position }
                    if !gone.iter().any(|gone| position.master_id.as_str() == *gone) =>
                {
                    self.put(id, provider_id, StoredBody::Cancelled(position.clone()));
                }
                RemoteItem::CancelledOccurrence { .. } | RemoteItem::Deleted { .. } => {
                    self.rows.remove(id);
                    self.held.remove(id);
                }
                RemoteItem::Unreadable { .. } => {
                    self.held.insert(id.clone());
                }
                RemoteItem::Occurrence { .. }
                | RemoteItem::Named { .. }
                | RemoteItem::Missing { .. }
                | RemoteItem::Whole { .. } => {
                    panic!("rules make the occurrences, and pages have all content")
                }
            }
        }
    }

    fn put(&mut self, id: &str, provider_id: &evercal_domain::ProviderEventId, body: StoredBody) {
        self.held.remove(id);
        let state = match &body {
            StoredBody::Event(event) => RowState::of_event(event),
            StoredBody::Cancelled(position) => RowState::of_cancelled(position),
            StoredBody::Occurrence(_) | StoredBody::Unreadable => panic!("a page brings no such row"),
        };
        self.rows.insert(id.to_owned(), StoredRow { provider_id: provider_id.clone(), state, version: None, body });
    }

    fn finish(&mut self, full: bool) {
        if full {
            self.rows.retain(|id, _| self.seen.contains(id));
            self.held.retain(|id| self.seen.contains(id));
        }
        let known: BTreeSet<String> = self.rows.keys().chain(&self.held).cloned().collect();
        self.rows.retain(|_, row| match &row.body {
            StoredBody::Cancelled(position) => known.contains(position.master_id.as_str()),
            StoredBody::Event(_) | StoredBody::Occurrence(_) | StoredBody::Unreadable => true,
        });
    }

    fn fingerprints(&self) -> BTreeMap<String, String> {
        self.rows.values().map(fingerprint_of).collect()
    }

    fn event_count(&self) -> i64 {
        let events = self.rows.values().filter(|row| matches!(row.body, StoredBody::Event(_))).count();
        i64::try_from(events).unwrap()
    }
}

fn id_of(item: &RemoteItem) -> String {
    match item {
        RemoteItem::Event(remote) => remote.event.provider_id.as_str().to_owned(),
        RemoteItem::CancelledOccurrence { provider_id, .. } | RemoteItem::Deleted { provider_id } => {
            provider_id.as_str().to_owned()
        }
        RemoteItem::Unreadable { provider_id, .. } => id_or_none(provider_id.as_ref()),
        RemoteItem::Occurrence { .. }
        | RemoteItem::Named { .. }
        | RemoteItem::Missing { .. }
        | RemoteItem::Whole { .. } => {
            panic!("rules make the occurrences, and pages have all content")
        }
    }
}
