//! Calendars and the states of their subscriptions.

use evercal_domain::event::Visibility;
use evercal_domain::{AccessRole, AccountId, CalendarId, CalendarState, Event, RemoteCalendar, RemoteItem};
use evercal_storage::{Cursor, Expanded, PageRequest, StateRecord, StoreErrorKind, WindowNow};

use super::Database;
use super::fixtures::{
    Seeded, add_account, add_calendar, add_tenant, all_pages, at, event, first, instant, occurrence, occurrences_of,
    remote_calendar, seeded, single, zone_data,
};
use super::occurrences::range;

pub fn record(calendar_id: CalendarId, state: CalendarState, minutes: i64) -> StateRecord {
    StateRecord { calendar_id, state, detail: None, channel_expires_at: None, at: at(minutes) }
}

pub async fn reconciling_adds_updates_and_names_what_vanished(database: &Database) {
    let store = database.open().await;
    let tenant = add_tenant(&*store).await;
    let account = add_account(&*store, tenant).await;
    let (work, home) = (remote_calendar("work@example.com"), remote_calendar("home@example.com"));
    let added = store.reconcile_calendars(account, &[work.clone(), home.clone()], at(0)).await.unwrap();
    assert_eq!((added.listed.len(), added.vanished.len()), (2, 0));
    let calendar = store.calendar(added.listed[0]).await.unwrap().unwrap();
    assert_eq!((calendar.remote, calendar.state, calendar.tenant_id), (work.clone(), CalendarState::Creating, tenant));

    let renamed = RemoteCalendar { title: "New".into(), ..work };
    let again = store.reconcile_calendars(account, &[renamed.clone(), renamed.clone()], at(1)).await.unwrap();
    assert_eq!((again.listed, again.vanished), (vec![added.listed[0]], vec![added.listed[1]]));
    assert_eq!(store.calendar(added.listed[0]).await.unwrap().unwrap().remote, renamed);
    let unknown = store.reconcile_calendars(AccountId::generate(), &[], at(0)).await.unwrap_err();
    assert_eq!(unknown.kind, StoreErrorKind::NotFound);
}

pub async fn a_calendar_whose_id_follows_an_address_is_the_same_calendar_under_a_new_one(database: &Database) {
    let store = database.open().await;
    let tenant = add_tenant(&*store).await;
    let account = add_account(&*store, tenant).await;
    let primary = |id: &str| RemoteCalendar { primary: true, id_follows_address: true, ..remote_calendar(id) };
    let (ada, home) = (primary("ada@example.com"), remote_calendar("home@example.com"));
    let before = store.reconcile_calendars(account, &[ada.clone(), home.clone()], at(0)).await.unwrap().listed;
    let lovelace = primary("lovelace@example.com");
    let after = store.reconcile_calendars(account, &[lovelace.clone(), home.clone()], at(1)).await.unwrap();
    assert_eq!((&after.listed, after.vanished), (&before, vec![]));
    assert_eq!(store.calendar(before[0]).await.unwrap().unwrap().remote, lovelace);
    // The one before is listed still, or another one has the place: two calendars.
    let lovelace = RemoteCalendar { primary: false, id_follows_address: false, ..lovelace };
    let both = store.reconcile_calendars(account, &[lovelace, ada], at(2)).await.unwrap();
    assert_eq!((both.listed[0], both.vanished), (before[0], vec![before[1]]));
    assert!(!before.contains(&both.listed[1]));
    let taken = store.reconcile_calendars(account, &[primary("home@example.com")], at(3)).await.unwrap();
    assert_eq!(taken.listed, [before[1]]);
}

pub async fn reconciling_leaves_states_alone_and_revives_a_closed_calendar(database: &Database) {
    let Seeded { store, account, calendar, .. } = seeded(database).await;
    let listed = [remote_calendar("work@example.com")];
    store.record_state(&record(calendar, CalendarState::Live, 1)).await.unwrap();
    store.reconcile_calendars(account, &listed, at(2)).await.unwrap();
    let read = store.calendar(calendar).await.unwrap().unwrap();
    assert_eq!((read.state, read.state_changed_at), (CalendarState::Live, at(1)));

    let closed = StateRecord { detail: Some("Ended.".into()), ..record(calendar, CalendarState::Closed, 3) };
    store.record_state(&closed).await.unwrap();
    assert!(store.reconcile_calendars(account, &[], at(4)).await.unwrap().vanished.is_empty());
    let revived = store.reconcile_calendars(account, &listed, at(5)).await.unwrap();
    assert_eq!(revived.listed, [calendar]);
    let read = store.calendar(calendar).await.unwrap().unwrap();
    assert_eq!((read.state, read.state_changed_at, read.detail), (CalendarState::Creating, at(5), None));
}

pub async fn calendars_are_shown_to_their_tenant_only(database: &Database) {
    let Seeded { store, tenant, calendar, .. } = seeded(database).await;
    let stranger = add_tenant(&*store).await;
    assert!(store.calendar_of_tenant(tenant, calendar).await.unwrap().is_some());
    assert_eq!(store.calendar_of_tenant(stranger, calendar).await.unwrap(), None);
    assert!(store.calendars_of_tenant(stranger, &first(10)).await.unwrap().items.is_empty());
}

pub async fn calendar_lists_page_and_leave_out_closed_ones(database: &Database) {
    let Seeded { store, tenant, account, calendar } = seeded(database).await;
    let mut expected = vec![calendar];
    for name in ["a", "b", "c"] {
        expected.push(add_calendar(&*store, account, name).await);
    }
    let closed = add_calendar(&*store, account, "closed").await;
    store.record_state(&record(closed, CalendarState::Closed, 1)).await.unwrap();

    let read = async |page: PageRequest| store.calendars_of_tenant(tenant, &page).await.unwrap();
    let seen: Vec<CalendarId> = all_pages(3, read).await.iter().map(|calendar| calendar.id).collect();
    assert_eq!(seen, expected);
    let of_account = store.calendars_of_account(account).await.unwrap();
    assert_eq!(of_account.iter().map(|calendar| calendar.id).collect::<Vec<_>>(), expected);
    assert_eq!(store.open_calendar_ids(None, 2).await.unwrap(), expected[..2]);
    assert_eq!(store.open_calendar_ids(Some(expected[1]), 10).await.unwrap(), expected[2..]);
}

pub async fn an_older_state_never_overwrites_a_newer_one(database: &Database) {
    let Seeded { store, calendar, .. } = seeded(database).await;
    let live = StateRecord { channel_expires_at: Some(at(100)), ..record(calendar, CalendarState::Live, 10) };
    store.record_state(&live).await.unwrap();
    store.record_state(&record(calendar, CalendarState::Polling, 9)).await.unwrap();
    let read = store.calendar(calendar).await.unwrap().unwrap();
    assert_eq!((read.state, read.channel_expires_at), (CalendarState::Live, Some(at(100))));
    store.record_state(&record(calendar, CalendarState::Polling, 11)).await.unwrap();
    let read = store.calendar(calendar).await.unwrap().unwrap();
    assert_eq!((read.state, read.channel_expires_at), (CalendarState::Polling, None));
}

pub async fn recording_a_state_keeps_the_moment_of_its_last_change(database: &Database) {
    let Seeded { store, calendar, .. } = seeded(database).await;
    let live = StateRecord { detail: Some("Watched.".into()), ..record(calendar, CalendarState::Live, 10) };
    store.record_state(&live).await.unwrap();
    store.record_state(&StateRecord { at: at(20), ..live.clone() }).await.unwrap();
    let read = store.calendar(calendar).await.unwrap().unwrap();
    assert_eq!((read.state_changed_at, read.detail), (at(10), live.detail));
}

pub async fn a_sync_starts_at_the_calendar_the_provider_and_the_position_that_the_single_reads_answer(
    database: &Database,
) {
    let seeded = seeded(database).await;
    let store = &seeded.store;
    for _ in 0..2 {
        let start = store.sync_start(seeded.calendar).await.unwrap().unwrap();
        assert_eq!(Some(start.calendar), store.calendar(seeded.calendar).await.unwrap());
        assert_eq!(start.provider, store.account(seeded.account).await.unwrap().unwrap().provider);
        assert_eq!(start.position, store.sync_position(seeded.calendar).await.unwrap());
        seeded.full_pass(&[single("s1", "a")]).await;
    }
}

pub async fn unknown_calendars_are_not_found(database: &Database) {
    let seeded = seeded(database).await;
    seeded.commit(&[single("s1", "a")]).await;
    let (store, unknown) = (&seeded.store, CalendarId::generate());
    assert_eq!(store.calendar(unknown).await.unwrap(), None);
    assert_eq!(store.sync_start(unknown).await.unwrap(), None);
    let state = store.record_state(&record(unknown, CalendarState::Live, 1)).await.unwrap_err();
    assert_eq!(state.kind, StoreErrorKind::NotFound);
    assert_eq!(store.sync_position(unknown).await.unwrap_err().kind, StoreErrorKind::NotFound);
    assert_eq!(store.take_over_pass(unknown, 0).await.unwrap_err().kind, StoreErrorKind::NotFound);
    assert_eq!(store.begin_full_pass(unknown, 0, 2_500).await.unwrap_err().kind, StoreErrorKind::NotFound);
    let expanded = Expanded { occurrences: &[], zone_data: &zone_data(), window: WindowNow::Same };
    assert_eq!(store.replace_occurrences(unknown, 0, &expanded).await.unwrap_err().kind, StoreErrorKind::NotFound);
}

/// Mirrors an event with details, and a private one.
async fn with_details(seeded: &Seeded) {
    let meeting = Event { location: Some("Room 1".into()), ..event("s1", "Meeting") };
    let private = Event { visibility: Visibility::Private, ..event("s2", "Doctor") };
    let items: Vec<RemoteItem> = [meeting, private].into_iter().map(RemoteItem::from).collect();
    let at_eight = |id| occurrences_of(id, vec![occurrence(id, instant(0), instant(30))]);
    seeded.try_commit(&items, &[at_eight("s1"), at_eight("s2")], None).await.unwrap();
}

/// Titles and places of what is read, in the order of ids.
async fn read(seeded: &Seeded) -> Vec<(Option<String>, Option<String>)> {
    let page = seeded.store.occurrences(seeded.calendar, &range(0, 60), &first(10)).await.unwrap();
    page.items.into_iter().map(|read| (read.event.title, read.event.location)).collect()
}

fn said(title: &str, location: Option<&str>) -> (Option<String>, Option<String>) {
    (Some(title.to_owned()), location.map(str::to_owned))
}

pub async fn what_the_account_may_not_see_any_more_is_not_read_and_the_rest_is_read_anew(database: &Database) {
    let seeded = seeded(database).await;
    with_details(&seeded).await;
    let store = &seeded.store;
    let listed_as = |access_role| [RemoteCalendar { access_role, ..remote_calendar("work@example.com") }];
    let same = store.reconcile_calendars(seeded.account, &listed_as(AccessRole::Writer), at(1)).await.unwrap();
    assert_eq!(same.seen_otherwise, [], "a writer sees what an owner sees");
    assert_eq!(read(&seeded).await, [said("Meeting", Some("Room 1")), said("Doctor", None)]);

    let before = store.sync_position(seeded.calendar).await.unwrap();
    store.set_access_role(seeded.calendar, AccessRole::Reader).await.unwrap();
    assert_eq!(
        read(&seeded).await,
        [said("Meeting", Some("Room 1")), (None, None)],
        "what is private is not a reader's"
    );
    let after = store.sync_position(seeded.calendar).await.unwrap();
    assert_eq!(after.cursor, Cursor::Start, "everything is read anew");
    assert!(after.revision > before.revision, "and a running sync cannot commit");

    let less = store.reconcile_calendars(seeded.account, &listed_as(AccessRole::FreeBusyReader), at(2)).await.unwrap();
    assert_eq!(less.seen_otherwise, [seeded.calendar]);
    assert_eq!(read(&seeded).await, [(None, None), (None, None)]);
    let more = store.reconcile_calendars(seeded.account, &listed_as(AccessRole::Owner), at(3)).await.unwrap();
    assert_eq!(more.seen_otherwise, [seeded.calendar], "more is to be read, too");
}

pub async fn with_another_zone_of_its_calendar_what_is_stored_of_series_counts_no_more(database: &Database) {
    let seeded = seeded(database).await;
    seeded.full_pass(&[single("one", "a")]).await;
    let store = &seeded.store;
    let position = async || store.sync_position(seeded.calendar).await.unwrap();
    let before = position().await;
    assert!(before.window_end.is_some());
    let listed_in =
        |zone: &str| [RemoteCalendar { time_zone: Some(zone.into()), ..remote_calendar("work@example.com") }];
    let same = store.reconcile_calendars(seeded.account, &listed_in("Europe/Berlin"), at(1)).await.unwrap();
    assert_eq!((position().await, same.seen_otherwise), (before.clone(), vec![]), "the same as before");
    let moved = store.reconcile_calendars(seeded.account, &listed_in("Asia/Tokyo"), at(2)).await.unwrap();
    let after = position().await;
    assert_eq!((after.window_end, &after.cursor), (None, &Cursor::Start), "a full pass is due");
    assert_eq!(moved.seen_otherwise, [seeded.calendar], "and asked for at once");
    assert!(after.revision > before.revision, "a running pass expands by the old zone, and cannot commit");
    assert_eq!(seeded.ids().await, ["one"]);
}

pub async fn a_withdrawn_calendar_shows_nothing_and_is_erased_after_a_while_unless_it_comes_back(database: &Database) {
    for state in [CalendarState::ActionRequired, CalendarState::Closed] {
        let seeded = seeded(database).await;
        with_details(&seeded).await;
        let store = &seeded.store;
        store.record_state(&record(seeded.calendar, state, 10)).await.unwrap();
        assert_eq!(read(&seeded).await, [], "{state:?}");
        assert_eq!(store.erase_withdrawn(at(10)).await.unwrap(), 0, "not long enough");
        store.record_state(&record(seeded.calendar, CalendarState::Live, 11)).await.unwrap();
        assert_eq!(store.erase_withdrawn(at(20)).await.unwrap(), 0, "it came back");
        assert_eq!(read(&seeded).await.len(), 2);
        store.record_state(&record(seeded.calendar, state, 12)).await.unwrap();
        assert_eq!(store.erase_withdrawn(at(20)).await.unwrap(), 1);
        assert!(store.items(seeded.calendar, &first(10)).await.unwrap().items.is_empty());
        assert_eq!(store.sync_position(seeded.calendar).await.unwrap().cursor, Cursor::Start);
        assert_eq!(store.erase_withdrawn(at(20)).await.unwrap(), 0, "once");
    }
}
