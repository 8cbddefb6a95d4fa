//! The logs and the signs of life.

use evercal_domain::journal::{
    AuditEntry, AuditKind, IncidentKind, OTHER_SOURCES, SecurityCount, SecurityEvent, SecurityKind,
};
use evercal_domain::{CalendarId, Provider, TenantId};
use evercal_storage::{AuditOf, IncidentEnd, PageRequest, ProviderIncident, StoreErrorKind};

use super::Database;
use super::fixtures::at;

pub async fn an_audit_entry_is_written_once_and_lists_are_newest_first(database: &Database) {
    let store = database.open().await;
    let calendar_id = CalendarId::generate();
    let (older, newer, other) = (
        AuditEntry { calendar_id: Some(calendar_id), ..entry("a", 1) },
        AuditEntry { calendar_id: Some(calendar_id), ..entry("b", 2) },
        entry("c", 3),
    );
    for entry in [&older, &other, &newer, &older] {
        store.append_audit(entry).await.unwrap();
    }
    store.append_audit(&AuditEntry { message: "written again".into(), ..older.clone() }).await.unwrap();
    let of_calendar = store.audit_entries(AuditOf::Calendar(calendar_id), &PageRequest::first(10)).await.unwrap().items;
    assert_eq!(of_calendar, [newer.clone(), older.clone()]);
    let all = store.audit_entries(AuditOf::Everything, &PageRequest::first(10)).await.unwrap().items;
    assert_eq!(all, [other.clone(), newer, older]);
    assert_eq!(store.audit_entries(AuditOf::Everything, &PageRequest::first(1)).await.unwrap().items, [other]);
}

pub async fn pages_of_the_audit_log_have_no_gap_where_several_entries_have_one_time(database: &Database) {
    let store = database.open().await;
    let tenant = TenantId::generate();
    let mut expected = Vec::new();
    for index in 0..7 {
        // Three at one time.
        let entry = AuditEntry { tenant_id: Some(tenant), ..entry(&format!("{tenant}/{index}"), 1 + index / 3) };
        store.append_audit(&entry).await.unwrap();
        expected.insert(0, entry);
    }
    let mut page = PageRequest::first(2);
    let mut seen = Vec::new();
    loop {
        let read = store.audit_entries(AuditOf::Tenant(tenant), &page).await.unwrap();
        seen.extend(read.items);
        match read.next {
            Some(next) => page.after = Some(next),
            None => break,
        }
    }
    assert_eq!(seen, expected);
    for cursor in ["nonsense", "eyJhIjowLCJkIjoiXHUwMDAwIn0"] {
        let page = PageRequest { after: Some(cursor.to_owned()), limit: 1 };
        let error = store.audit_entries(AuditOf::Tenant(tenant), &page).await.unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::InvalidCursor, "{cursor}");
    }
}

pub async fn a_tenant_sees_its_own_entries_and_those_of_the_installation(database: &Database) {
    let store = database.open().await;
    let (ours, theirs) = (TenantId::generate(), TenantId::generate());
    let (own, common) = (AuditEntry { tenant_id: Some(ours), ..entry("own", 1) }, entry("common", 2));
    store.append_audit(&own).await.unwrap();
    store.append_audit(&common).await.unwrap();
    // However many others there are.
    for index in 0..20 {
        let other = AuditEntry { tenant_id: Some(theirs), ..entry(&format!("other{index}"), 10 + index) };
        store.append_audit(&other).await.unwrap();
    }
    assert_eq!(store.audit_entries(AuditOf::Tenant(ours), &PageRequest::first(5)).await.unwrap().items, [common, own]);
}

fn entry(key: &str, minutes: i64) -> AuditEntry {
    AuditEntry {
        dedup_key: key.into(),
        at: at(minutes),
        kind: AuditKind::AlertRaised,
        tenant_id: None,
        account_id: None,
        calendar_id: None,
        message: format!("entry {key}"),
    }
}

pub async fn security_events_of_one_day_are_counted_in_one_row(database: &Database) {
    let store = database.open().await;
    for (minutes, source) in [(5, "192.0.2.0/24"), (59, "192.0.2.0/24"), (30, "192.0.2.0/24")] {
        store.count_security_event(&refused(minutes, source)).await.unwrap();
    }
    store.count_security_event(&SecurityEvent { count: 7, ..refused(10, "198.51.100.0/24") }).await.unwrap();
    store.count_security_event(&refused(DAY + 1, "192.0.2.0/24")).await.unwrap();
    let expected = [
        refused(DAY + 1, "192.0.2.0/24"),
        SecurityEvent { count: 3, ..refused(5, "192.0.2.0/24") },
        SecurityEvent { count: 7, ..refused(10, "198.51.100.0/24") },
    ];
    assert_eq!(store.security_events(10).await.unwrap(), expected);
    assert_eq!(store.security_events(1).await.unwrap(), expected[..1]);
    let counts = store.security_counts().await.unwrap();
    let expected = SecurityCount {
        kind: SecurityKind::NoticeRefused,
        count: 11,
        first_at: at(5),
        last_at: at(DAY + 1),
        sources: 3,
    };
    assert_eq!(counts, [expected]);
}

pub async fn a_flood_from_many_networks_takes_a_bounded_place_and_hides_no_other_kind(database: &Database) {
    let store = database.open().await;
    let other = SecurityEvent { kind: SecurityKind::OAuthStateRefused, ..refused(0, "203.0.113.0/24") };
    store.count_security_event(&other).await.unwrap();
    for network in 0..600 {
        let source = format!("10.{}.{}.0/24", network / 256, network % 256);
        store.count_security_event(&refused(1, &source)).await.unwrap();
    }
    let rows = store.security_events(10_000).await.unwrap();
    assert!(rows.len() < 300, "{} rows", rows.len());
    let counted: i64 = rows.iter().filter(|row| row.kind == SecurityKind::NoticeRefused).map(|row| row.count).sum();
    assert_eq!(counted, 600, "all are counted");
    assert!(rows.iter().any(|row| row.source == OTHER_SOURCES && row.count > 300));
    let counts = store.security_counts().await.unwrap();
    let of_kind = |kind| counts.iter().find(|counted| counted.kind == kind).map(|counted| counted.count);
    assert_eq!(of_kind(SecurityKind::OAuthStateRefused), Some(1));
    assert_eq!(of_kind(SecurityKind::NoticeRefused), Some(600));
    // What is long ago makes room.
    store.count_security_event(&refused(40 * DAY, "192.0.2.0/24")).await.unwrap();
    assert_eq!(store.security_events(10_000).await.unwrap().len(), 1);
}

/// Minutes of a day.
const DAY: i64 = 24 * 60;

fn refused(minutes: i64, source: &str) -> SecurityEvent {
    SecurityEvent {
        at: at(minutes),
        kind: SecurityKind::NoticeRefused,
        source: source.into(),
        message: "the token is malformed".into(),
        count: 1,
    }
}

pub async fn a_heartbeat_never_moves_back(database: &Database) {
    let store = database.open().await;
    assert_eq!(store.last_beat("gateway").await.unwrap(), None);
    for minutes in [5, 3, 7, 6] {
        store.beat("gateway", at(minutes)).await.unwrap();
    }
    assert_eq!(store.last_beat("gateway").await.unwrap(), Some(at(7)));
    assert_eq!(store.last_beat("worker").await.unwrap(), None);
}

pub async fn the_heartbeats_of_a_kind_are_told_apart_and_forgotten_by_age_and_by_name(database: &Database) {
    let store = database.open().await;
    // Names that sort right before and after those of the kind, whatever the database thinks of punctuation.
    for (service, minutes) in [("worker/b", 5), ("worker/a", 7), ("worker", 1), ("worker-x/a", 2), ("worker0", 3)] {
        store.beat(service, at(minutes)).await.unwrap();
    }
    let named = |name: &str, minutes| (name.to_owned(), at(minutes));
    assert_eq!(store.beats_of("worker").await.unwrap(), [named("a", 7), named("b", 5)]);
    store.forget_beats("worker", at(6)).await.unwrap();
    assert_eq!(store.beats_of("worker").await.unwrap(), [named("a", 7)]);
    store.forget_beat("worker/a").await.unwrap();
    assert_eq!(store.beats_of("worker").await.unwrap(), []);
    for (service, minutes) in [("worker", 1), ("worker-x/a", 2), ("worker0", 3)] {
        assert_eq!(store.last_beat(service).await.unwrap(), Some(at(minutes)), "{service}");
    }
}

pub async fn an_incident_is_one_with_one_alert_however_many_report_it(database: &Database) {
    let (one, two) = (database.open().await, database.open().await);
    assert_eq!(one.close_incident(&end(IncidentKind::Refused, 1, None)).await.unwrap(), None);
    assert_eq!(one.open_incident(&incident("accessNotConfigured", 1), "begins").await.unwrap(), at(1));
    assert_eq!(two.open_incident(&incident("SERVICE_DISABLED", 2), "again").await.unwrap(), at(1));
    let expected = ProviderIncident { since: at(1), ..incident("SERVICE_DISABLED", 2) };
    assert_eq!(one.incidents().await.unwrap(), [expected]);
    let last = end(IncidentKind::Refused, 3, None);
    let (first, second) = (one.close_incident(&last), two.close_incident(&last));
    let ended = [first.await.unwrap(), second.await.unwrap()];
    assert_eq!(ended, [Some(at(1)), None], "one caller is answered its end");
    assert!(two.incidents().await.unwrap().is_empty());
    let audit = two.audit_entries(AuditOf::Everything, &PageRequest::first(10)).await.unwrap().items;
    let audit: Vec<_> = audit.iter().map(|entry| (entry.at, entry.kind, entry.message.as_str())).collect();
    let expected = [(at(3), AuditKind::AlertCleared, "ends"), (at(1), AuditKind::AlertRaised, "begins")];
    assert_eq!(audit, expected);
}

pub async fn an_incident_that_was_reported_again_goes_on_beside_one_of_another_kind(database: &Database) {
    let store = database.open().await;
    store.open_incident(&incident("accessNotConfigured", 1), "refused").await.unwrap();
    let off = ProviderIncident { kind: IncidentKind::Off, ..incident("GOOGLE_CLIENT_ID", 9) };
    store.open_incident(&off, "off").await.unwrap();
    // Another process's clock may be behind; its report is the last one all the same.
    let again = ProviderIncident { since: at(4), reported_at: at(4), ..off.clone() };
    assert_eq!(store.open_incident(&again, "off").await.unwrap(), at(9));
    assert_eq!(store.close_incident(&end(IncidentKind::Off, 10, Some(9))).await.unwrap(), None);
    let known = ProviderIncident { reported_at: at(4), ..off };
    assert_eq!(store.incidents().await.unwrap(), [known, incident("accessNotConfigured", 1)]);
    assert_eq!(store.close_incident(&end(IncidentKind::Off, 10, Some(4))).await.unwrap(), Some(at(9)));
    assert_eq!(store.incidents().await.unwrap(), [incident("accessNotConfigured", 1)]);
}

fn incident(cause: &str, since_s: i64) -> ProviderIncident {
    let (provider, kind) = (Provider::new("google"), IncidentKind::Refused);
    ProviderIncident { provider, kind, cause: cause.to_owned(), since: at(since_s), reported_at: at(since_s) }
}

fn end(kind: IncidentKind, at_s: i64, reported_s: Option<i64>) -> IncidentEnd<'static> {
    let only_if_reported_at = reported_s.map(at);
    IncidentEnd { provider: Provider::new("google"), kind, at: at(at_s), only_if_reported_at, message: "ends" }
}
