//! A store that grew in a SQLite file goes on in PostgreSQL.

use evercal_domain::journal::{AuditEntry, AuditKind, IncidentKind, SecurityEvent, SecurityKind};
use evercal_domain::tenant::ApiKey;
use evercal_domain::{CalendarId, Channel, ChannelId, ChannelState, Provider, SyncReason, Watched};
use evercal_storage::{
    AuditOf, Cursor, Keyring, PageRequest, ProviderIncident, StoreErrorKind, SyncRun, SyncRunOutcome, copy_store,
};
use sqlx::{Connection as _, SqliteConnection};

use crate::conformance::Database;
use crate::conformance::accounts::attempt;
use crate::conformance::fixtures::{
    Seeded, add_tenant, at, cancelled, finish, id, instant, master, occurrence, occurrences_of, seeded, single,
    unreadable,
};
use crate::{fresh, name, server};

fn file() -> Database {
    let folder = tempfile::tempdir().unwrap();
    Database::new(&format!("sqlite://{}", folder.path().join("evercal.db").display()), folder)
}

/// Something in every table.
async fn grown(database: &Database) -> Seeded {
    let seeded = seeded(database).await;
    let store = &seeded.store;
    store.insert_api_key(&ApiKey::new(seeded.tenant, "laptop", "key", at(0))).await.unwrap();
    store.insert_attempt(&attempt(seeded.tenant, 1)).await.unwrap();
    let channel = Channel {
        id: ChannelId::generate(),
        watched: Watched::Calendar { account_id: seeded.account, calendar_id: seeded.calendar },
        remote_id: Some(evercal_domain::RemoteChannelId::new("resource")),
        state: ChannelState::Live,
        created_at: at(0),
        live_at: Some(at(1)),
        ended_at: None,
        expires_at: at(9),
    };
    store.insert_channel(&channel).await.unwrap();
    for page in 0..4 {
        let items: Vec<_> = (0..300).map(|index| single(&format!("s{page}_{index}"), "Zoë's \u{1f389} day")).collect();
        seeded.commit(&items).await;
    }
    seeded.commit(&[master("m1", "weekly"), cancelled("m1_x", "m1"), unreadable(Some("bad"), "{}")]).await;
    let named =
        evercal_domain::RemoteItem::Named { provider_id: evercal_domain::ProviderEventId::new("m2"), version: None };
    seeded.commit(&[named]).await;
    let occurrences = [occurrences_of("s0_0", vec![occurrence("s0_0", instant(0), instant(30))])];
    seeded.try_commit(&[], &occurrences, Some(finish(false, at(2)))).await.unwrap();
    let run = SyncRun {
        dedup_key: "run".into(),
        calendar_id: seeded.calendar,
        reason: SyncReason::Notice,
        started_at: at(1),
        finished_at: at(2),
        outcome: SyncRunOutcome::Done,
        pages: 1,
        changes: 2,
        detail: None,
    };
    store.record_sync_run(&run).await.unwrap();
    assert_eq!(store.take_claim("walk", "one", at(0), at(2)).await.unwrap(), Some(1));
    let entry = AuditEntry {
        dedup_key: "entry".into(),
        at: at(1),
        kind: AuditKind::AlertRaised,
        tenant_id: Some(seeded.tenant),
        account_id: Some(seeded.account),
        calendar_id: Some(seeded.calendar),
        message: "raised".into(),
    };
    store.append_audit(&entry).await.unwrap();
    let event = SecurityEvent {
        at: at(1),
        kind: SecurityKind::NoticeRefused,
        source: "192.0.2.1".into(),
        message: "malformed".into(),
        count: 3,
    };
    store.count_security_event(&event).await.unwrap();
    store.beat("gateway", at(3)).await.unwrap();
    store.try_writing(at(3)).await.unwrap();
    let (provider, kind) = (Provider::new("google"), IncidentKind::Refused);
    let incident =
        ProviderIncident { provider, kind, cause: "accessNotConfigured".into(), since: at(3), reported_at: at(3) };
    store.open_incident(&incident, "refused").await.unwrap();
    seeded
}

async fn prepared() -> Database {
    let target = fresh();
    evercal_storage::migrate(&target.url).await.unwrap();
    target
}

#[tokio::test]
async fn a_copied_store_answers_the_same_and_goes_on() {
    let source = file();
    let Seeded { store, tenant, account, calendar } = grown(&source).await;
    drop(store);
    let target = prepared().await;
    let mut reported = 0;
    let copied = copy_store(&source.url, &target.url, None, |_, rows| reported = reported.max(rows)).await.unwrap();
    assert!(copied.iter().all(|copied| copied.rows > 0), "each table had rows: {copied:?}");
    assert!(reported >= 1_200, "progress was reported: {reported}");
    let tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public' \
                  AND table_name <> '_sqlx_migrations'";
    assert_eq!(server().query(&name(&target), tables).unwrap(), copied.len().to_string(), "no table is left out");

    // The same master key: credentials are copied as they are sealed.
    let copy = target.try_open(&source.key).await.unwrap();
    let store = source.try_open(&source.key).await.unwrap();
    let all = PageRequest::first(100_000);
    assert_eq!(copy.tenants().await.unwrap(), store.tenants().await.unwrap());
    assert_eq!(copy.calendar(calendar).await.unwrap(), store.calendar(calendar).await.unwrap());
    assert_eq!(copy.items(calendar, &all).await.unwrap(), store.items(calendar, &all).await.unwrap());
    let changes = async |store: &dyn evercal_storage::Store| store.changes(calendar, 0, 100_000).await.unwrap();
    assert_eq!(changes(&*copy).await, changes(&*store).await);
    assert_eq!(copy.sync_position(calendar).await.unwrap(), store.sync_position(calendar).await.unwrap());
    let (of_copy, of_source) = (copy.credentials(account).await.unwrap(), store.credentials(account).await.unwrap());
    assert_eq!(format!("{of_copy:?}"), format!("{of_source:?}"));
    let audit =
        async |store: &dyn evercal_storage::Store| store.audit_entries(AuditOf::Everything, &all).await.unwrap();
    assert_eq!(audit(&*copy).await, audit(&*store).await);

    let before = copy.sync_position(calendar).await.unwrap();
    let going_on = Seeded { store: copy, tenant, account, calendar };
    going_on.commit(&[single("new", "after the move")]).await;
    let named = [id("new")];
    assert_eq!(going_on.store.related_rows(going_on.calendar, &named).await.unwrap().len(), 1);
    assert_ne!(before.cursor, Cursor::Start);
}

#[tokio::test]
async fn a_store_that_is_in_use_is_not_copied() {
    let source = file();
    // As a worker has it: open, and without any sign of life.
    let seeded = grown(&source).await;
    let target = prepared().await;
    let error = copy_store(&source.url, &target.url, None, |_, _| {}).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Configuration);
    assert!(error.to_string().contains("still has the source open"), "{error}");
    drop(seeded);
    copy_store(&source.url, &target.url, None, |_, _| {}).await.unwrap();
}

#[tokio::test]
async fn a_target_with_tenants_or_without_tables_is_refused_and_stays_as_it_was() {
    let source = file();
    grown(&source).await;
    let target = fresh();
    let error = copy_store(&source.url, &target.url, None, |_, _| {}).await.unwrap_err();
    assert!(error.to_string().contains("evercal migrate"), "{error}");

    evercal_storage::migrate(&target.url).await.unwrap();
    let theirs = add_tenant(&*target.try_open(&target.key).await.unwrap()).await;
    let error = copy_store(&source.url, &target.url, None, |_, _| {}).await.unwrap_err();
    assert!(error.to_string().contains("tenants has rows"), "{error}");
    let tenants = target.try_open(&target.key).await.unwrap().tenants().await.unwrap();
    assert_eq!(tenants.into_iter().map(|tenant| tenant.id).collect::<Vec<_>>(), [theirs]);
}

#[tokio::test]
async fn what_processes_left_in_an_empty_target_gives_way() {
    let source = file();
    let Seeded { store, tenant, .. } = grown(&source).await;
    let installation = store.try_writing(at(4)).await.unwrap();
    drop(store);
    let target = prepared().await;
    let copy = target.try_open(&target.key).await.unwrap();
    copy.beat("gateway", at(9)).await.unwrap();
    assert_ne!(copy.try_writing(at(9)).await.unwrap(), installation);
    let audit = AuditEntry {
        dedup_key: "catch_up/1".into(),
        at: at(9),
        kind: AuditKind::CatchUp,
        tenant_id: None,
        account_id: None,
        calendar_id: None,
        message: "signalled".into(),
    };
    copy.append_audit(&audit).await.unwrap();
    copy_store(&source.url, &target.url, None, |_, _| {}).await.unwrap();
    assert_eq!(copy.last_beat("gateway").await.unwrap(), Some(at(3)));
    assert_eq!(copy.try_writing(at(10)).await.unwrap(), installation, "it is the installation that it was");
    assert!(copy.tenant(tenant).await.unwrap().is_some());
}

#[tokio::test]
async fn a_master_key_that_does_not_open_the_credentials_of_the_file_is_refused() {
    let source = file();
    grown(&source).await;
    let target = prepared().await;
    let key = |text: &str| Keyring::parse(text).unwrap();
    let another = key(Keyring::generate("k1").unwrap().expose());
    let error = copy_store(&source.url, &target.url, Some(&another), |_, _| {}).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Configuration);
    assert!(error.to_string().contains("EVERCAL_MASTER_KEY"), "{error}");
    assert!(target.try_open(&target.key).await.unwrap().tenants().await.unwrap().is_empty(), "nothing was copied");
    copy_store(&source.url, &target.url, Some(&key(&source.key)), |_, _| {}).await.unwrap();
}

#[tokio::test]
async fn a_row_that_the_target_cannot_hold_copies_nothing_and_says_so() {
    let source = file();
    let Seeded { store, tenant, .. } = grown(&source).await;
    drop(store);
    let mut connection = SqliteConnection::connect(&source.url.to_string()).await.unwrap();
    sqlx::query("PRAGMA foreign_keys = OFF").execute(&mut connection).await.unwrap();
    sqlx::query("UPDATE channels SET calendar_id = $1")
        .bind(CalendarId::generate().to_string())
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    let target = prepared().await;
    let error = copy_store(&source.url, &target.url, None, |_, _| {}).await.unwrap_err();
    assert!(error.to_string().contains("write rows"), "{error}");
    let copy = target.try_open(&target.key).await.unwrap();
    assert!(copy.tenant(tenant).await.unwrap().is_none());
}
