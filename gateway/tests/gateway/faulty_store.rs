//! A store that fails or hangs as a test asks; all else goes through to the real one.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercal_domain::account::Credentials;
use evercal_domain::change::Change;
use evercal_domain::journal::{AuditEntry, SecurityCount, SecurityEvent};
use evercal_domain::tenant::{ApiKey, ApiKeyHash, Tenant, TenantLimits};
use evercal_domain::zones::ZoneDataVersion;
use evercal_domain::{
    AccessRole, Account, AccountId, AccountState, ApiKeyId, Calendar, CalendarId, Channel, ChannelEnd, ChannelId,
    ConsentOutcome, Event, InstallationId, PendingConsent, Provider, ProviderEventId, RemoteCalendar, RemoteChannelId,
    RemoteItem, TenantId, Watched,
};
use evercal_mirror::{Ends, Named, Snapshot, StoredRow};
use evercal_storage::{
    AccountAdmission, AccountCredentials, Accounts, AuditOf, AuthorizationAttempt, Authorizations, Calendars,
    CalendarsReconciled, ChangeFeed, Channels, ClaimRounds, Claims, ConsentVersion, Consents, CredentialsVersion,
    Erasure, Expanded, Heartbeats, IncidentEnd, Journal, MirrorPages, MirroredEvents, OccurrenceRange, Occurrences,
    Page, PageCommit, PageCommitted, PageRequest, ProviderIncident, Quarantine, QuarantinedEvent, ReadOccurrence,
    Settlement, StateRecord, Store, StoreError, StoreErrorKind, SyncLog, SyncPosition, SyncPositions, SyncRun,
    SyncStart, TakenAttempt, Tenants, Upkeep,
};

/// What the gateway meets.
#[derive(Default)]
pub struct Faults {
    /// These methods fail.
    pub failing: Mutex<HashSet<&'static str>>,
    /// These panic.
    pub panicking: Mutex<HashSet<&'static str>>,
    /// This method does not go on until it is let.
    pub held: Mutex<Option<&'static str>>,
    /// All methods hang.
    pub hanging: AtomicBool,
    /// The methods that were called so far.
    pub calls: Mutex<Vec<&'static str>>,
}

impl Faults {
    /// Whether somebody has called this method.
    pub fn called(&self, method: &'static str) -> bool {
        self.calls.lock().unwrap().contains(&method)
    }

    async fn meet(&self, method: &'static str) -> Result<(), StoreError> {
        self.calls.lock().unwrap().push(method);
        if self.hanging.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        while *self.held.lock().unwrap() == Some(method) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let panics = self.panicking.lock().unwrap().contains(method);
        assert!(!panics, "as the test asked");
        if self.failing.lock().unwrap().contains(method) {
            // A check of the pages fails where it finds damage.
            let kind = if method == "check_pages" { StoreErrorKind::Corrupt } else { StoreErrorKind::Unavailable };
            return Err(StoreError::new(kind, "as the test asked"));
        }
        Ok(())
    }
}

/// See above.
pub struct FaultyStore {
    pub store: Arc<dyn Store>,
    pub faults: Arc<Faults>,
}

macro_rules! through {
    (
        $repository:ident $({ $(fn $plain:ident() -> $value:ty;)* })?:
        $($method:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*
    ) => {
        #[async_trait]
        impl $repository for FaultyStore {
            $($(fn $plain(&self) -> $value {
                self.store.$plain()
            })*)?
            $(async fn $method(&self, $($argument: $type),*) -> Result<$answer, StoreError> {
                self.faults.meet(stringify!($method)).await?;
                self.store.$method($($argument),*).await
            })*
        }
    };
}

through! { Tenants:
    insert_tenant(tenant: &Tenant) -> ();
    tenant(id: TenantId) -> Option<Tenant>;
    tenants() -> Vec<Tenant>;
    revoke_tenant(id: TenantId, at: DateTime<Utc>) -> ();
    open_accounts(tenant: TenantId) -> i64;
    set_tenant_limits(id: TenantId, limits: TenantLimits) -> ();
    insert_api_key(key: &ApiKey) -> ();
    api_keys(tenant: TenantId) -> Vec<ApiKey>;
    revoke_api_key(id: ApiKeyId, at: DateTime<Utc>) -> TenantId;
    api_key_by_hash(hash: &ApiKeyHash) -> Option<(ApiKey, Tenant)>;
}

through! { Accounts:
    insert_account(account: &Account, consent: &PendingConsent) -> AccountAdmission;
    account(id: AccountId) -> Option<Account>;
    account_of_tenant(tenant: TenantId, id: AccountId) -> Option<Account>;
    accounts_of_tenant(tenant: TenantId, page: &PageRequest) -> Page<Account>;
    set_account_state(id: AccountId, state: AccountState, detail: Option<&str>, at: DateTime<Utc>) -> ();
    open_accounts_after(after: Option<AccountId>, limit: u32) -> Vec<Account>;
    has_open_accounts(provider: Provider) -> bool;
    pending_accounts(after: Option<AccountId>, limit: u32) -> Vec<Account>;
    set_account_channel(id: AccountId, expires_at: Option<DateTime<Utc>>) -> ();
    set_listed(id: AccountId, at: DateTime<Utc>) -> ();
}

through! { AccountCredentials:
    credentials(id: AccountId) -> Option<(Credentials, CredentialsVersion)>;
    swap_credentials(id: AccountId, expected: CredentialsVersion, credentials: &Credentials) -> CredentialsVersion;
    erase_credentials(id: AccountId) -> ();
    set_grant_subject(id: AccountId, subject_hash: &str) -> ();
    grant_subject(id: AccountId) -> Option<String>;
    shares_grant(id: AccountId) -> bool;
}

through! { Consents:
    replace_consent(id: AccountId, consent: &PendingConsent) -> ();
    consent(id: AccountId) -> Option<(PendingConsent, ConsentVersion)>;
    swap_consent(id: AccountId, expected: ConsentVersion, consent: &PendingConsent) -> ConsentVersion;
    settle_consent(id: AccountId, expected: ConsentVersion, settlement: &Settlement) -> ConsentOutcome;
}

through! { Authorizations:
    insert_attempt(attempt: &AuthorizationAttempt) -> ();
    take_attempt(state_hash: &[u8; 32], answer_hash: &[u8; 32], now: DateTime<Utc>) -> Option<TakenAttempt>;
    end_attempt(state_hash: &[u8; 32], outcome: &ConsentOutcome) -> ();
    ended_attempt(state_hash: &[u8; 32], now: DateTime<Utc>) -> Option<AuthorizationAttempt>;
    attempt_outcome(state_hash: &[u8; 32]) -> Option<ConsentOutcome>;
    last_outcome(account: AccountId) -> Option<ConsentOutcome>;
}

through! { Calendars:
    reconcile_calendars(account: AccountId, listed: &[RemoteCalendar], at: DateTime<Utc>) -> CalendarsReconciled;
    calendar(id: CalendarId) -> Option<Calendar>;
    calendar_of_tenant(tenant: TenantId, id: CalendarId) -> Option<Calendar>;
    calendars_of_tenant(tenant: TenantId, page: &PageRequest) -> Page<Calendar>;
    calendars_of_account(account: AccountId) -> Vec<Calendar>;
    open_calendar_ids(after: Option<CalendarId>, limit: u32) -> Vec<CalendarId>;
    set_access_role(id: CalendarId, role: AccessRole) -> ();
    record_state(record: &StateRecord) -> ();
}

through! { Channels:
    insert_channel(channel: &Channel) -> ();
    activate_channel(
        id: ChannelId, remote_id: Option<&RemoteChannelId>, expires_at: DateTime<Utc>, at: DateTime<Utc>
    ) -> ();
    end_channel(id: ChannelId, end: ChannelEnd, at: DateTime<Utc>) -> ();
    channel(id: ChannelId) -> Option<Channel>;
    channels_alive(watched: Watched) -> Vec<Channel>;
    channels_of_calendar(calendar: CalendarId) -> Vec<Channel>;
    channels_of_list(account: AccountId) -> Vec<Channel>;
}

through! { SyncPositions:
    sync_start(calendar: CalendarId) -> Option<SyncStart>;
    sync_position(calendar: CalendarId) -> SyncPosition;
    begin_full_pass(calendar: CalendarId, expected_revision: i64, page_events_max: u32) -> SyncPosition;
    take_over_pass(calendar: CalendarId, expected_revision: i64) -> SyncPosition;
    by_older_zone_data(
        version: &ZoneDataVersion, after: Option<&(CalendarId, ZoneDataVersion)>, limit: u32
    ) -> Vec<(CalendarId, ZoneDataVersion)>;
}

through! { MirrorPages:
    snapshot(calendar: CalendarId, position: &SyncPosition, items: &[RemoteItem], ends: Ends) -> Snapshot;
    worklist(calendar: CalendarId, limit: u32) -> Vec<Named>;
    commit_page(commit: &PageCommit<'_>) -> PageCommitted;
    replace_occurrences(calendar: CalendarId, expected: i64, expanded: &Expanded<'_>) -> i64;
}

through! { MirroredEvents:
    related_rows(calendar: CalendarId, ids: &[ProviderEventId]) -> Vec<StoredRow>;
    master_ids(calendar: CalendarId, after: Option<&ProviderEventId>, limit: u32) -> Vec<ProviderEventId>;
    event(calendar: CalendarId, id: &ProviderEventId) -> Option<Event>;
    event_raw(calendar: CalendarId, id: &ProviderEventId) -> Option<String>;
    items(calendar: CalendarId, page: &PageRequest) -> Page<StoredRow>;
    warned(calendar: CalendarId, limit: u32) -> Vec<StoredRow>;
}

through! { Occurrences:
    occurrences(calendar: CalendarId, range: &OccurrenceRange, page: &PageRequest) -> Page<ReadOccurrence>;
    revision_of(calendar: CalendarId, range: &OccurrenceRange) -> i64;
}

through! { ChangeFeed:
    changes(calendar: CalendarId, after_sequence: i64, limit: u32) -> Vec<Change>;
}

through! { Quarantine:
    quarantined(calendar: CalendarId, limit: u32) -> Vec<QuarantinedEvent>;
}

through! { SyncLog:
    record_sync_run(run: &SyncRun) -> ();
    sync_runs(calendar: CalendarId, limit: u32) -> Vec<SyncRun>;
}

through! { Erasure:
    erase_withdrawn(since_before: DateTime<Utc>) -> u64;
    erase_mirrors(account: AccountId) -> ();
}

through! { Journal:
    append_audit(entry: &AuditEntry) -> ();
    audit_entry(dedup_key: &str) -> Option<AuditEntry>;
    audit_entries(of: AuditOf, page: &PageRequest) -> Page<AuditEntry>;
    count_security_event(event: &SecurityEvent) -> ();
    security_counts() -> Vec<SecurityCount>;
    open_incident(incident: &ProviderIncident, message: &str) -> DateTime<Utc>;
    close_incident(end: &IncidentEnd<'_>) -> Option<DateTime<Utc>>;
    incidents() -> Vec<ProviderIncident>;
    security_events(limit: u32) -> Vec<SecurityEvent>;
}

through! { Claims:
    take_claim(name: &str, holder: &str, now: DateTime<Utc>, until: DateTime<Utc>) -> Option<i64>;
    keep_claim(name: &str, holder: &str, round: i64, until: DateTime<Utc>) -> bool;
    finish_claim(name: &str, holder: &str, round: i64, free_at: DateTime<Utc>) -> bool;
    claim_rounds(name: &str) -> ClaimRounds;
}

through! { Heartbeats:
    beat(service: &str, at: DateTime<Utc>) -> ();
    last_beat(service: &str) -> Option<DateTime<Utc>>;
    beats_of(kind: &str) -> Vec<(String, DateTime<Utc>)>;
    forget_beats(kind: &str, before: DateTime<Utc>) -> ();
    forget_beat(service: &str) -> ();
}

through! { Upkeep { fn commits() -> u64; }:
    try_reading() -> ();
    try_writing(at: DateTime<Utc>) -> InstallationId;
    try_afresh(at: DateTime<Utc>) -> ();
    last_written_at() -> Option<DateTime<Utc>>;
    checkpoint() -> ();
    check_pages() -> ();
    keep_beside(line: &str) -> ();
    kept_beside() -> Vec<String>;
    delete_beside() -> ();
}
