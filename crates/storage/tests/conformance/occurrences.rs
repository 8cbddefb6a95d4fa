//! Reading occurrences by range and page, and replacing them.

use chrono::Duration;
use evercal_domain::event::Occurrence;
use evercal_domain::zones::ZoneDataVersion;
use evercal_domain::{Event, EventTime, Zone};
use evercal_storage::{Expanded, OccurrenceRange, PageRequest, ReadOccurrence, SeriesRows, WindowNow};

use super::Database;
use super::fixtures::{
    Seeded, all_pages, at, date, event, exception, first, id, instant, master, occurrence, occurrences_of, seeded,
    single, zone_data,
};

/// A range in minutes after the beginning of the tests' time, with the dates that it covers in UTC.
pub fn range(from: i64, to: i64) -> OccurrenceRange {
    let (from, to) = (at(from), at(to));
    let to_date = (to - Duration::microseconds(1)).date_naive().succ_opt().unwrap();
    let (zone, series) = (Zone::UTC, SeriesRows::All);
    OccurrenceRange { from, to, from_date: from.date_naive(), to_date, zone, series }
}

async fn starts(seeded: &Seeded, range: &OccurrenceRange) -> Vec<String> {
    let page = seeded.store.occurrences(seeded.calendar, range, &first(1_000)).await.unwrap();
    assert_eq!(page.next, None);
    page.items.iter().map(|read| read.occurrence.start.key()).collect()
}

async fn with_single_occurrences(seeded: &Seeded, times: &[(EventTime, EventTime)]) {
    let names: Vec<String> = (0..times.len()).map(|index| format!("s{index}")).collect();
    let items: Vec<_> = names.iter().map(|name| single(name, "a")).collect();
    let occurrences: Vec<_> = names
        .iter()
        .zip(times)
        .map(|(name, (start, end))| occurrences_of(name, vec![occurrence(name, *start, *end)]))
        .collect();
    seeded.try_commit(&items, &occurrences, None).await.unwrap();
}

pub async fn a_range_is_half_open_for_instants_and_for_dates(database: &Database) {
    let seeded = seeded(database).await;
    with_single_occurrences(
        &seeded,
        &[
            (instant(-30), instant(0)),
            (instant(-30), instant(1)),
            (instant(59), instant(90)),
            (instant(60), instant(90)),
            (date("2026-03-01"), date("2026-03-02")),
            (date("2026-03-01"), date("2026-03-03")),
            (date("2026-03-02"), date("2026-03-03")),
            (date("2026-03-03"), date("2026-03-04")),
        ],
    )
    .await;
    let expected = ["20260301", "20260302", "20260302T073000Z", "20260302T085900Z"];
    assert_eq!(starts(&seeded, &range(0, 60)).await, expected);
}

pub async fn something_without_duration_belongs_to_the_moment_it_starts(database: &Database) {
    let seeded = seeded(database).await;
    with_single_occurrences(&seeded, &[(instant(0), instant(0)), (instant(60), instant(60))]).await;
    assert_eq!(starts(&seeded, &range(0, 60)).await, ["20260302T080000Z"]);
    assert_eq!(starts(&seeded, &range(60, 61)).await, ["20260302T090000Z"]);
}

pub async fn an_occurrence_reads_back_with_the_body_of_its_source(database: &Database) {
    let seeded = seeded(database).await;
    let by_rule = Occurrence {
        source_id: id("m1"),
        series_id: Some(id("m1")),
        original_start: instant(0),
        start: instant(0),
        end: EventTime::Instant { at: at(30), zone: None },
    };
    let moved = Occurrence {
        source_id: id("m1_1"),
        original_start: date("2026-03-02"),
        start: instant(10),
        end: instant(40),
        ..by_rule.clone()
    };
    let items = [master("m1", "by rule"), exception("m1_1", "m1", "moved")];
    let occurrences = [occurrences_of("m1", vec![by_rule.clone(), moved.clone()])];
    seeded.try_commit(&items, &occurrences, None).await.unwrap();
    let read = seeded.store.occurrences(seeded.calendar, &range(0, 60), &first(10)).await.unwrap().items;
    let [first, second]: [ReadOccurrence; 2] = read.try_into().unwrap();
    assert_eq!((first.occurrence, first.event.title.as_deref()), (by_rule, Some("by rule")));
    assert_eq!((second.occurrence, second.event.title.as_deref()), (moved, Some("moved")));
}

pub async fn replacing_an_owner_leaves_no_old_occurrence_behind(database: &Database) {
    let seeded = seeded(database).await;
    with_single_occurrences(&seeded, &[(instant(0), instant(30)), (instant(5), instant(30))]).await;
    let moved = occurrence("s0", instant(20), instant(50));
    // The same occurrence twice is one; of the same owner twice the last one counts.
    let replaced = [occurrences_of("s0", vec![]), occurrences_of("s0", vec![moved.clone(), moved])];
    seeded.try_commit(&[], &replaced, None).await.unwrap();
    assert_eq!(starts(&seeded, &range(0, 60)).await, ["20260302T080500Z", "20260302T082000Z"]);
    seeded.try_commit(&[], &[occurrences_of("s1", vec![])], None).await.unwrap();
    assert_eq!(starts(&seeded, &range(0, 60)).await, ["20260302T082000Z"]);
}

pub async fn replacing_outside_of_a_pass_needs_the_revision_and_moves_the_window(database: &Database) {
    let seeded = seeded(database).await;
    seeded.commit(&[single("s1", "a")]).await;
    let before = seeded.store.sync_position(seeded.calendar).await.unwrap();
    let given = [occurrences_of("s1", vec![occurrence("s1", instant(0), instant(30))])];
    let replace = async |revision, window| {
        let expanded = Expanded { occurrences: &given, zone_data: &zone_data(), window };
        seeded.store.replace_occurrences(seeded.calendar, revision, &expanded).await
    };
    let revision = replace(before.revision, WindowNow::Same).await.unwrap();
    let position = seeded.store.sync_position(seeded.calendar).await.unwrap();
    assert_eq!((position.revision, position.window_end), (revision, None));
    assert_eq!(position.cursor, before.cursor);
    assert!(replace(before.revision, WindowNow::Until(at(5))).await.unwrap_err().is_conflict());
    let revision = replace(revision, WindowNow::Until(at(9))).await.unwrap();
    assert_eq!(seeded.store.sync_position(seeded.calendar).await.unwrap().window_end, Some(at(9)));
    replace(revision, WindowNow::Unknown).await.unwrap();
    assert_eq!(seeded.store.sync_position(seeded.calendar).await.unwrap().window_end, None);
    assert_eq!(starts(&seeded, &range(0, 60)).await.len(), 1);
}

pub async fn an_occurrence_without_its_source_is_not_read(database: &Database) {
    let seeded = seeded(database).await;
    let given = [
        occurrences_of("unknown", vec![occurrence("unknown", instant(0), instant(30))]),
        occurrences_of("m1_1", vec![occurrence("m1_1", instant(0), instant(30))]),
    ];
    seeded.try_commit(&[super::fixtures::cancelled("m1_1", "m1")], &given, None).await.unwrap();
    assert!(starts(&seeded, &range(0, 60)).await.is_empty());
}

/// Many occurrences that start together, so that page edges fall between equal starts.
async fn crowded(seeded: &Seeded) -> usize {
    let mut occurrences = Vec::new();
    for owner in 0..5 {
        let name = format!("m{owner}");
        let of_owner = (0..8).map(|slot| Occurrence {
            original_start: instant(slot),
            ..occurrence(&name, instant(slot / 4), instant(60))
        });
        occurrences.push(occurrences_of(&name, of_owner.collect()));
    }
    let items: Vec<_> = (0..5).map(|owner| master(&format!("m{owner}"), "a")).collect();
    seeded.try_commit(&items, &occurrences, None).await.unwrap();
    40
}

fn key(read: &ReadOccurrence) -> (String, String, String) {
    let occurrence = &read.occurrence;
    (occurrence.start.key(), occurrence.source_id.as_str().to_owned(), occurrence.original_start.key())
}

pub async fn paging_has_no_duplicate_and_no_gap_at_page_edges(database: &Database) {
    let seeded = seeded(database).await;
    let total = crowded(&seeded).await;
    let whole = seeded.store.occurrences(seeded.calendar, &range(0, 60), &first(1_000)).await.unwrap();
    let whole: Vec<_> = whole.items.iter().map(key).collect();
    assert_eq!(whole.len(), total);
    assert!(whole.is_sorted());
    for limit in [1, 3, 4, 5, 8, 39, 40, 41] {
        let read =
            async |page: PageRequest| seeded.store.occurrences(seeded.calendar, &range(0, 60), &page).await.unwrap();
        let seen: Vec<_> = all_pages(limit, read).await.iter().map(key).collect();
        assert_eq!(seen, whole, "pages of {limit}");
    }
    let page = PageRequest { after: Some("nonsense".into()), limit: 1 };
    let error = seeded.store.occurrences(seeded.calendar, &range(0, 60), &page).await.unwrap_err();
    assert_eq!(error.kind, evercal_storage::StoreErrorKind::InvalidCursor);
}

pub async fn a_page_goes_on_where_the_last_one_ended_after_a_write_in_between(database: &Database) {
    let seeded = seeded(database).await;
    let total = crowded(&seeded).await;
    let head = seeded.store.occurrences(seeded.calendar, &range(0, 60), &first(10)).await.unwrap();
    // One that sorts before everything appears while the reader is on its way.
    let early = Event { start: instant(-5), ..event("early", "a") };
    let given = [occurrences_of("early", vec![occurrence("early", instant(-5), instant(5))])];
    let item = evercal_domain::RemoteItem::from(early);
    seeded.try_commit(&[item], &given, None).await.unwrap();
    let page = PageRequest { after: head.next, limit: 1_000 };
    let rest = seeded.store.occurrences(seeded.calendar, &range(0, 60), &page).await.unwrap();
    let mut seen: Vec<_> = head.items.iter().chain(&rest.items).map(key).collect();
    seen.dedup();
    assert_eq!(seen.len(), total);
}

/// A range of a day in a zone, with the dates that it covers there.
fn day_in(zone: &str, day: &str) -> OccurrenceRange {
    let zone: Zone = zone.parse().unwrap();
    let from_date: chrono::NaiveDate = day.parse().unwrap();
    let to_date = from_date.succ_opt().unwrap();
    let begins = |date: chrono::NaiveDate| zone.instant_of(date.and_hms_opt(0, 0, 0).unwrap());
    OccurrenceRange { from: begins(from_date), to: begins(to_date), from_date, to_date, zone, series: SeriesRows::All }
}

pub async fn all_day_ones_come_first_on_their_local_day_in_every_zone(database: &Database) {
    let seeded = seeded(database).await;
    for (zone, before, first) in [
        ("Pacific/Kiritimati", "2026-06-09T09:30:00Z", "2026-06-09T10:00:00Z"),
        ("Europe/Berlin", "2026-06-09T21:30:00Z", "2026-06-09T22:00:00Z"),
        ("America/Los_Angeles", "2026-06-10T06:30:00Z", "2026-06-10T07:00:00Z"),
        ("Pacific/Pago_Pago", "2026-06-10T10:30:00Z", "2026-06-10T11:00:00Z"),
    ] {
        let at = |text: &str| EventTime::Instant { at: text.parse().unwrap(), zone: None };
        // The one before begins on the day before, and goes on.
        let times = [
            (at(first), at("2026-06-11T12:00:00Z")),
            (at(before), at("2026-06-11T12:00:00Z")),
            (date("2026-06-10"), date("2026-06-11")),
            (date("2026-06-09"), date("2026-06-12")),
        ];
        with_single_occurrences(&seeded, &times).await;
        let range = day_in(zone, "2026-06-10");
        let keys = [times[3].0, times[1].0, times[2].0, times[0].0].map(|time| time.key());
        assert_eq!(starts(&seeded, &range).await, keys, "{zone}");
        let read = async |page: PageRequest| seeded.store.occurrences(seeded.calendar, &range, &page).await.unwrap();
        let paged: Vec<String> = all_pages(1, read).await.iter().map(|read| read.occurrence.start.key()).collect();
        assert_eq!(paged, keys, "{zone}, one by one");
    }
}

pub async fn what_began_long_before_a_range_is_found_however_long_it_is(database: &Database) {
    let seeded = seeded(database).await;
    let hours = [1, 23, 24, 25, 8 * 24, 8 * 24 + 1, 64 * 24, 64 * 24 + 1, 512 * 24, 512 * 24 + 1, 30 * 365 * 24];
    let mut times: Vec<(EventTime, EventTime)> = Vec::new();
    for length in hours {
        // Each of them ends a minute after the range has begun, or when it begins.
        times.push((instant(1 - length * 60), instant(1)));
        times.push((instant(-length * 60), instant(0)));
        if length % 24 == 0 {
            let first = at(0).date_naive() - Duration::days(length / 24 - 1);
            times.push((EventTime::Date { date: first }, date("2026-03-03")));
        }
    }
    with_single_occurrences(&seeded, &times).await;
    let found = starts(&seeded, &range(0, 60)).await;
    let dates = hours.iter().filter(|length| *length % 24 == 0).count();
    assert_eq!(found.len(), hours.len() + dates, "{found:?}");
}

pub async fn of_series_only_the_window_is_read_where_that_is_asked_for(database: &Database) {
    let seeded = seeded(database).await;
    let items = [master("m1", "a"), single("s1", "a"), exception("m2_1", "m2", "without its master")];
    let of = |owner: &str, source: &str| {
        occurrences_of(
            owner,
            (0..6).map(|hour| occurrence(source, instant(60 * hour), instant(60 * hour + 30))).collect(),
        )
    };
    seeded.try_commit(&items, &[of("m1", "m1"), of("s1", "s1"), of("m2", "m2_1")], None).await.unwrap();
    let series = SeriesRows::StartingWithin { from: at(60), to: at(180) };
    let range = OccurrenceRange { series, ..range(0, 360) };
    let read = async |page: PageRequest| seeded.store.occurrences(seeded.calendar, &range, &page).await.unwrap();
    for limit in [2, 500] {
        let found = all_pages(limit, read).await;
        let count = |id: &str| found.iter().filter(|read| read.occurrence.source_id.as_str() == id).count();
        assert_eq!((count("m1"), count("s1"), count("m2_1")), (2, 6, 6));
    }
}

pub async fn the_oldest_zone_data_of_a_calendar_are_known_until_all_is_made_anew(database: &Database) {
    let seeded = seeded(database).await;
    let version = |text: &str| ZoneDataVersion::read(text).unwrap();
    let (old, now) = (version("2020a"), zone_data());
    let position = async || seeded.store.sync_position(seeded.calendar).await.unwrap();
    let listed = async |version: &ZoneDataVersion| seeded.store.by_older_zone_data(version, None, 10).await.unwrap();
    assert_eq!(position().await.zone_data, None);
    seeded.full_pass(&[master("m1", "a")]).await;
    assert_eq!(position().await.zone_data.as_ref(), Some(&now));
    assert_eq!(listed(&now).await, []);

    let replace = async |zone_data: &ZoneDataVersion, window| {
        let expanded = Expanded { occurrences: &[], zone_data, window };
        let revision = position().await.revision;
        seeded.store.replace_occurrences(seeded.calendar, revision, &expanded).await.unwrap();
        position().await.zone_data.unwrap()
    };
    // A process with older data made some of them.
    assert_eq!(replace(&old, WindowNow::Same).await, old);
    assert_eq!(listed(&now).await, [(seeded.calendar, old.clone())]);
    assert_eq!(listed(&old).await, []);
    let after = Some(&(seeded.calendar, old.clone()));
    assert_eq!(seeded.store.by_older_zone_data(&now, after, 10).await.unwrap(), []);
    // Some of them by newer ones do not make it newer.
    assert_eq!(replace(&now, WindowNow::Same).await, old);
    assert_eq!(replace(&now, WindowNow::Until(at(0))).await, now);
    assert_eq!(listed(&now).await, []);
}
