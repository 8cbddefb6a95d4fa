//! Rows that do not read back: damaged, or written by a newer version that knows more.

use evercal_domain::Zone;
use evercal_mirror::{Ends, StoredBody, StoredRow};
use evercal_storage::{OccurrenceRange, SeriesRows};

use super::Database;
use super::fixtures::{
    Seeded, add_account, add_calendar, at, exception, finish, first, id, instant, master, occurrence, occurrences_of,
    seeded, single,
};

const BREAKAGES: [&str; 3] = [
    "UPDATE events SET body = '{}' WHERE provider_event_id = 'broken'",
    "UPDATE events SET body = replace(body, 'Europe/Berlin', 'Moon/Tranquility') WHERE provider_event_id = 'broken'",
    "UPDATE events SET kind = 'of tomorrow' WHERE provider_event_id = 'broken'",
];

pub async fn an_event_that_cannot_be_read_leaves_the_others_alone_and_is_healed_by_a_fresh_copy(database: &Database) {
    let seeded = seeded(database).await;
    let page = [single("broken", "a"), single("whole", "a")];
    let occurrences =
        ["broken", "whole"].map(|owner| occurrences_of(owner, vec![occurrence(owner, instant(0), instant(30))]));
    let date = at(0).date_naive();
    let range = OccurrenceRange {
        from: at(-60),
        to: at(60),
        from_date: date,
        to_date: date,
        zone: Zone::UTC,
        series: SeriesRows::All,
    };
    let read = async || {
        let read = seeded.store.occurrences(seeded.calendar, &range, &first(10)).await.unwrap();
        read.items.into_iter().map(|item| item.occurrence.source_id).collect::<Vec<_>>()
    };
    let named = [id("broken"), id("whole")];
    seeded.try_commit(&page, &occurrences, None).await.unwrap();
    for breakage in BREAKAGES {
        database.execute(breakage).await;
        assert_eq!(seeded.ids().await, ["whole"], "{breakage}");
        let related = seeded.store.related_rows(seeded.calendar, &named).await.unwrap();
        let unreadable = |item: &&StoredRow| item.body == StoredBody::Unreadable;
        let unreadable: Vec<_> = related.iter().filter(unreadable).map(|item| &item.provider_id).collect();
        assert_eq!((related.len(), unreadable), (2, vec![&id("broken")]), "{breakage}");

        let position = seeded.store.sync_position(seeded.calendar).await.unwrap();
        seeded.store.begin_full_pass(seeded.calendar, position.revision, 2_500).await.unwrap();
        seeded.try_commit(&page, &occurrences, Some(finish(true, at(1)))).await.unwrap();
        assert_eq!(seeded.ids().await, ["broken", "whole"], "{breakage}");
        assert_eq!(seeded.event_count().await, 2, "{breakage}");
        assert_eq!(read().await, named, "{breakage}");
    }
    database.execute("UPDATE occurrences SET start_zone = 'Moon/Tranquility' WHERE owner_id = 'broken'").await;
    assert_eq!(read().await, [id("whole")]);
}

pub async fn an_event_that_cannot_be_read_is_swept_like_any_other(database: &Database) {
    let seeded = seeded(database).await;
    seeded.full_pass(&[master("series", "a"), exception("broken", "series", "a")]).await;
    database.execute("UPDATE events SET body = '{}', kind = 'of tomorrow' WHERE provider_event_id = 'broken'").await;
    // What was known of the row leads to its series, which has to be expanded anew.
    let related = seeded.store.related_rows(seeded.calendar, &[id("broken")]).await.unwrap();
    assert_eq!(
        related.iter().map(|item| (&item.provider_id, item.owner())).collect::<Vec<_>>(),
        [(&id("broken"), &id("series")), (&id("series"), &id("series"))]
    );
    let position = seeded.store.sync_position(seeded.calendar).await.unwrap();
    seeded.store.begin_full_pass(seeded.calendar, position.revision, 2_500).await.unwrap();
    seeded.commit(&[master("series", "a")]).await;
    let position = seeded.store.sync_position(seeded.calendar).await.unwrap();
    let snapshot = seeded.store.snapshot(seeded.calendar, &position, &[], Ends::FullPass).await.unwrap();
    assert_eq!(snapshot.stale, [id("broken")].into());
    let rows: Vec<_> = snapshot.rows.iter().map(|row| row.provider_id.as_str()).collect();
    assert_eq!(rows, ["broken", "series"], "its whole series is expanded anew");
    seeded.try_commit(&[], &[], Some(finish(true, at(1)))).await.unwrap();
    assert_eq!((seeded.ids().await, seeded.event_count().await), (vec!["series".to_owned()], 1));
}

pub async fn lists_leave_out_what_cannot_be_read(database: &Database) {
    let Seeded { store, tenant, account, .. } = seeded(database).await;
    let healthy = add_account(&*store, tenant).await;
    add_calendar(&*store, healthy, "whole@example.com").await;
    database.execute("UPDATE accounts SET state = 'of tomorrow' WHERE id = (SELECT min(id) FROM accounts)").await;
    database.execute("UPDATE calendars SET state = 'of tomorrow' WHERE id = (SELECT min(id) FROM calendars)").await;
    // The page goes on behind a row that is left out.
    let accounts = store.accounts_of_tenant(tenant, &first(1)).await.unwrap();
    assert!(accounts.items.is_empty() && accounts.next.is_some(), "{accounts:?}");
    let accounts = store.accounts_of_tenant(tenant, &first(10)).await.unwrap();
    assert_eq!(accounts.items.iter().map(|account| account.id).collect::<Vec<_>>(), [healthy]);
    assert_eq!(store.calendars_of_tenant(tenant, &first(10)).await.unwrap().items.len(), 1);
    assert!(store.calendars_of_account(account).await.unwrap().is_empty());
    let all = store.open_calendar_ids(None, 10).await.unwrap();
    assert_eq!(all.len(), 2, "signalled like all others");
    database.execute("UPDATE calendars SET id = 'cal_0' WHERE id = (SELECT min(id) FROM calendars)").await;
    assert_eq!(store.open_calendar_ids(None, 10).await.unwrap(), all[1..], "one whose id is none is left out");
}
