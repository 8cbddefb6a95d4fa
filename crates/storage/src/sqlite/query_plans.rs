//! Every statement that runs per request or per page finds its rows by an index.

use sqlx::{AssertSqlSafe, QueryBuilder, Sqlite};

use super::statements::mirror::{
    erasure, events, feed, occurrences, position, quarantine, revisions, snapshot, sync_runs, worklist,
};
use super::statements::{
    accounts, authorizations, calendars, channels, claims, consents, credentials, heartbeats, journal, reconciliation,
    tenants,
};
use super::{SqliteStore, by_keys};
use crate::lookup::Lookup;
use evercal_sealing::Keyring;

/// A statement that reads the rows with these keys.
fn selected(lookup: Lookup, keys: &[&str]) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::default();
    by_keys::push_select(&mut query, "body", lookup, "calendar", keys);
    query
}

/// A statement that deletes the rows with these keys.
fn deleted(lookup: Lookup, keys: &[&str]) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(format!("DELETE FROM {}", lookup.table()));
    by_keys::push_where(&mut query, lookup, "calendar", keys);
    query
}

/// Statements that are put together from parts, with two keys.
fn built() -> [String; 5] {
    let keys = ["a", "b"];
    [
        selected(Lookup::EventsById, &keys).into_string(),
        selected(Lookup::EventsBySeries, &keys).into_string(),
        deleted(Lookup::EventsById, &keys).into_string(),
        deleted(Lookup::OccurrencesByOwner, &keys).into_string(),
        deleted(Lookup::WorklistById, &keys).into_string(),
    ]
}

const FIXED: [&str; 57] = [
    tenants::TENANT,
    tenants::OPEN_ACCOUNTS,
    tenants::API_KEYS_OF_TENANT,
    tenants::API_KEY_BY_HASH,
    accounts::BY_ID,
    accounts::OF_TENANT,
    accounts::LIST_OF_TENANT,
    accounts::SET_STATE,
    credentials::SHARES_GRANT,
    consents::DUPLICATE_OF,
    accounts::LIST_OPEN,
    accounts::LIST_PENDING,
    accounts::HAS_OPEN,
    authorizations::DELETE_EXPIRED,
    authorizations::TAKE,
    authorizations::OUTCOME,
    authorizations::LAST_OUTCOME,
    claims::READ,
    calendars::BY_ID,
    calendars::OF_TENANT,
    calendars::LIST_OF_TENANT,
    calendars::LIST_OF_ACCOUNT,
    calendars::OPEN_IDS,
    reconciliation::OPEN_IDS_OF_ACCOUNT,
    calendars::RECORD_STATE,
    reconciliation::READ_AS,
    calendars::VISIBLE_AS,
    erasure::WITHDRAWN,
    channels::BY_ID,
    channels::OF_CALENDAR,
    channels::OF_LIST,
    heartbeats::LAST_BEAT,
    journal::AUDIT_ALL,
    journal::AUDIT_OF_CALENDAR,
    journal::AUDIT_OF_TENANT,
    journal::SECURITY,
    journal::INCIDENTS,
    position::POSITION,
    position::START,
    position::CLAIM_REVISION,
    position::FINISH_PASS,
    worklist::WORKLIST,
    events::RAW,
    snapshot::STALE,
    snapshot::ORPHANS,
    events::MASTER_IDS,
    position::BY_OLDER_ZONE_DATA,
    events::ITEMS,
    events::WARNED,
    feed::CHANGES,
    quarantine::QUARANTINED_KEYS,
    quarantine::QUARANTINED,
    sync_runs::RUNS,
    occurrences::OCCURRENCES,
    revisions::LAST,
    revisions::DROP_OLD,
    revisions::OF_RANGE,
];

async fn plan(store: &SqliteStore, statement: &str) -> Vec<String> {
    let rows: Vec<(i64, i64, i64, String)> =
        sqlx::query_as(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"))).fetch_all(&store.write).await.unwrap();
    rows.into_iter().map(|(_, _, _, detail)| detail).collect()
}

async fn empty_store(folder: &tempfile::TempDir) -> SqliteStore {
    let keyring = Keyring::parse(Keyring::generate("k1").unwrap().expose()).unwrap();
    SqliteStore::open(&folder.path().join("evercal.db"), keyring).await.unwrap()
}

#[tokio::test]
async fn no_statement_reads_a_whole_table() {
    let folder = tempfile::tempdir().unwrap();
    let store = empty_store(&folder).await;
    let built = built();
    for statement in FIXED.into_iter().chain(built.iter().map(String::as_str)).chain(erasure::ERASE) {
        let steps = plan(&store, statement).await;
        for step in &steps {
            // `SCAN … USING INDEX` walks an index in its order, which a limit stops; a constant row is no table, and neither
            // is a query inside the statement, which has steps of its own.
            let is_query = step.strip_prefix("SCAN ").is_some_and(|name| steps.contains(&format!("CO-ROUTINE {name}")));
            let is_harmless = is_query || step.contains("USING INDEX") || step == "SCAN CONSTANT ROW";
            assert!(!step.starts_with("SCAN") || is_harmless, "{step}\n{statement}");
        }
    }
}

#[tokio::test]
async fn each_statement_uses_the_index_that_was_made_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = empty_store(&folder).await;
    let built = built();
    let [of_id, of_series, deleted, of_owner, fetched] = built.each_ref().map(String::as_str);
    for (statement, index) in [
        (
            occurrences::OCCURRENCES,
            "SEARCH a USING PRIMARY KEY (calendar_id=? AND all_day=? AND (start_us,owner_id,original_us)>(?,?,?) AND start_us<?)",
        ),
        (
            occurrences::OCCURRENCES,
            "occurrences_long (calendar_id=? AND all_day=? AND length_class=? AND start_us>? AND start_us<?)",
        ),
        (of_id, "events_1 (calendar_id=? AND provider_event_id=?)"),
        (deleted, "events_1 (calendar_id=? AND provider_event_id=?)"),
        (of_owner, "occurrences_by_owner (calendar_id=? AND owner_id=?)"),
        (fetched, "pass_worklist_1 (calendar_id=? AND provider_event_id=?)"),
        (of_series, "events_by_series (calendar_id=? AND series_master_id=?)"),
        (position::BY_OLDER_ZONE_DATA, "calendars_by_zone_data ((zone_data,id)>(?,?) AND zone_data<?)"),
        (events::MASTER_IDS, "events_masters (calendar_id=? AND provider_event_id>?)"),
        (events::WARNED, "events_warned (calendar_id=?)"),
        (snapshot::ORPHANS, "events_cancelled (calendar_id=? AND series_master_id>?)"),
        (quarantine::RELEASE, "quarantine_1 (calendar_id=? AND item_key=?)"),
        (sync_runs::RUNS, "sync_runs_by_calendar (calendar_id=?)"),
        (journal::AUDIT_OF_CALENDAR, "audit_log_by_calendar (calendar_id=? AND at<?)"),
        (accounts::LIST_OF_TENANT, "accounts_by_tenant (tenant_id=? AND id>?)"),
        (credentials::SHARES_GRANT, "accounts_by_grant (grant_subject=?)"),
        (accounts::LIST_PENDING, "accounts_pending"),
        (accounts::HAS_OPEN, "accounts_open (provider=?)"),
        (consents::DUPLICATE_OF, "accounts_by_grant (grant_subject=?)"),
        (authorizations::LAST_OUTCOME, "authorizations_by_account (account_id=?"),
        (channels::OF_LIST, "channels_by_list (account_id=?)"),
        (calendars::LIST_OF_TENANT, "calendars_by_tenant (tenant_id=? AND id>?)"),
        (revisions::OF_RANGE, "SEARCH mirror_revisions USING PRIMARY KEY (calendar_id=?)"),
        (erasure::WITHDRAWN, "calendars_withdrawn (state_changed_at<?)"),
        (channels::OF_CALENDAR, "channels_by_calendar (calendar_id=?)"),
        (authorizations::DELETE_EXPIRED, "authorizations_by_expiry (expires_at<?)"),
    ] {
        let steps = plan(&store, statement).await;
        assert!(steps.iter().any(|step| step.contains(index)), "{index} is not in {steps:?}");
    }
}

#[tokio::test]
async fn reading_occurrences_sorts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = empty_store(&folder).await;
    for statement in [occurrences::OCCURRENCES, revisions::OF_RANGE] {
        let steps = plan(&store, statement).await;
        assert!(!steps.iter().any(|step| step.contains("TEMP B-TREE")), "{steps:?}");
    }
}
