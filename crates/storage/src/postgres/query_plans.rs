//! Every statement that runs per request or per page can find its rows by the index that was made for it.

use evercal_devserver::postgres::shared;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Postgres, QueryBuilder};

use super::by_keys;
use super::statements::mirror::{
    events, feed, occurrences, position, quarantine, revisions, snapshot, sync_runs, worklist,
};
use super::statements::{accounts, authorizations, calendars, channels, credentials, journal, tenants};
use crate::lookup::Lookup;

const DATABASE: &str = "query_plans";

/// How the server would run a statement whatever its values are, if reading whole tables were dear: these are empty.
fn plan(statement: &str) -> String {
    let parameters = (1..100).take_while(|number| statement.contains(&format!("${number}"))).count();
    let nothing = vec!["NULL"; parameters].join(", ");
    let execute = if parameters == 0 { "q".to_owned() } else { format!("q({nothing})") };
    let sql = format!(
        "SET enable_seqscan = off; SET enable_bitmapscan = off; SET plan_cache_mode = force_generic_plan; \
         PREPARE q AS {statement}; EXPLAIN (COSTS OFF) EXECUTE {execute}"
    );
    shared().unwrap().query(DATABASE, &sql).unwrap()
}

/// A statement that reads the rows with these keys.
fn selected(lookup: Lookup, keys: &[&str]) -> QueryBuilder<Postgres> {
    let mut query = QueryBuilder::default();
    by_keys::push_select(&mut query, "body", lookup, "calendar", keys);
    query
}

/// A statement that deletes the rows with these keys.
fn deleted(lookup: Lookup, keys: &[&str]) -> QueryBuilder<Postgres> {
    let mut query = QueryBuilder::new(format!("DELETE FROM {}", lookup.table()));
    by_keys::push_where(&mut query, lookup, "calendar", keys);
    query
}

#[tokio::test]
async fn each_statement_uses_the_index_that_was_made_for_it_and_reads_no_whole_table() {
    let server = shared().unwrap();
    server.create_database(DATABASE).unwrap();
    let options: PgConnectOptions = server.url(DATABASE).parse().unwrap();
    super::migrate(&options).await.unwrap();
    for (statement, index) in [
        (tenants::TENANT, "tenants_pkey"),
        (tenants::API_KEY_BY_HASH, "api_keys_hash_key"),
        (tenants::API_KEYS_OF_TENANT, "api_keys_by_tenant"),
        (tenants::OPEN_ACCOUNTS, "accounts_by_tenant"),
        (accounts::BY_ID, "accounts_pkey"),
        (accounts::LIST_OF_TENANT, "accounts_by_tenant"),
        (credentials::SHARES_GRANT, "accounts_by_grant"),
        (accounts::LIST_PENDING, "accounts_pending"),
        (accounts::HAS_OPEN, "accounts_open"),
        (channels::OF_LIST, "channels_by_list"),
        (authorizations::DELETE_EXPIRED, "authorizations_by_expiry"),
        (authorizations::TAKE, "authorizations_pkey"),
        (calendars::BY_ID, "calendars_pkey"),
        (calendars::LIST_OF_TENANT, "calendars_by_tenant"),
        (channels::OF_CALENDAR, "channels_by_calendar"),
        (journal::AUDIT_ALL, "audit_log_by_time"),
        (journal::AUDIT_OF_CALENDAR, "audit_log_by_calendar"),
        (journal::SECURITY, "security_events_by_time"),
        (position::POSITION, "calendars_pkey"),
        (position::START, "calendars_pkey"),
        (position::START, "accounts_pkey"),
        (position::CLAIM_REVISION, "calendars_pkey"),
        (position::FINISH_PASS, "calendars_pkey"),
        (events::MASTER_IDS, "events_masters"),
        (snapshot::ORPHANS, "events_cancelled"),
        (events::WARNED, "events_warned"),
        (feed::CHANGES, "changes_pkey"),
        (quarantine::QUARANTINED, "quarantine_pkey"),
        (worklist::WORKLIST, "pass_worklist_pkey"),
        (sync_runs::RUNS, "sync_runs_by_calendar"),
        (revisions::LAST, "mirror_revisions_pkey"),
        (revisions::OF_RANGE, "mirror_revisions_pkey"),
        (occurrences::OCCURRENCES, "occurrences_pkey"),
        (occurrences::OCCURRENCES, "occurrences_long"),
        (position::BY_OLDER_ZONE_DATA, "calendars_by_zone_data"),
    ] {
        let plan = plan(statement);
        assert!(plan.contains(&format!(" {index} ")) && !plan.contains("Seq Scan"), "{index}: {statement}\n{plan}");
    }

    // Many keys are looked up one by one, however large the server takes a calendar to be: it knows nothing of empty tables,
    // nor of a calendar that has just been connected.
    for (statement, index, column) in [
        (selected(Lookup::EventsById, &["a"]), "events_pkey", "provider_event_id"),
        (selected(Lookup::EventsBySeries, &["a"]), "events_by_series", "series_master_id"),
        (deleted(Lookup::EventsById, &["a"]), "events_pkey", "provider_event_id"),
        (deleted(Lookup::OccurrencesByOwner, &["a"]), "occurrences_by_owner", "owner_id"),
        (deleted(Lookup::WorklistById, &["a"]), "pass_worklist_pkey", "provider_event_id"),
    ] {
        let statement = statement.into_string();
        let sql = format!(
            "SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan; PREPARE q AS {statement}; \
             EXPLAIN (COSTS OFF) EXECUTE q('{{a}}', 'c')"
        );
        let plan = server.query(DATABASE, &sql).unwrap();
        let condition = format!("Index Cond: ((calendar_id = $2) AND ({column} = keys.key))");
        assert!(plan.contains(&format!(" {index} ")) && plan.contains(&condition), "{statement}\n{plan}");
        assert!(!plan.contains("Seq Scan"), "{statement}\n{plan}");
    }

    // The search for what began before the range goes no farther back than each class of lengths can have begun. Each scan has one
    // bound to begin at: of a bound and a key the server begins at the key, were it years before.
    let plan = plan(occurrences::OCCURRENCES);
    let scans: Vec<&str> =
        plan.lines().filter(|line| line.contains("Index Cond") && line.contains("all_day")).collect();
    assert_eq!(scans.len(), 5, "{plan}");
    for scan in scans {
        let [from, after] = ["(start_us >= $", "(ROW(start_us, "].map(|bound| scan.contains(bound));
        assert!(from != after && scan.contains("(start_us < $"), "{scan}\n{plan}");
    }
}
