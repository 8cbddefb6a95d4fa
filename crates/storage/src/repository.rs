//! The repository traits. Methods that answer a tenant take the tenant; those for our own workers take ids alone.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercal_domain::account::Credentials;
use evercal_domain::change::Change;
use evercal_domain::journal::{AuditEntry, SecurityCount, SecurityEvent};
use evercal_domain::tenant::{ApiKey, ApiKeyHash, Tenant, TenantLimits};
use evercal_domain::zones::ZoneDataVersion;
use evercal_domain::{
    AccessRole, Account, AccountId, AccountState, ApiKeyId, Calendar, CalendarId, Channel, ChannelId, ChannelState,
    ConsentOutcome, Event, InstallationId, PendingConsent, Provider, ProviderEventId, RemoteCalendar, TenantId,
    Watched,
};

use crate::error::StoreError;
use crate::types::{
    AccountAdmission, AuditOf, AuthorizationAttempt, CalendarsReconciled, ClaimRounds, ConsentVersion,
    CredentialsVersion, Expanded, OccurrenceRange, Page, PageCommit, PageCommitted, PageRequest, ProviderIncident,
    QuarantinedEvent, ReadOccurrence, Settlement, StaleItem, StateRecord, StoredItem, SyncPosition, SyncRun,
    TakenAttempt,
};

/// Everything at once; what composition roots pass around.
pub trait Store:
    Tenants
    + Accounts
    + Authorizations
    + Calendars
    + Channels
    + Mirror
    + Journal
    + Heartbeats
    + Claims
    + Upkeep
    + Send
    + Sync
{
}

impl<T> Store for T where
    T: Tenants
        + Accounts
        + Authorizations
        + Calendars
        + Channels
        + Mirror
        + Journal
        + Heartbeats
        + Claims
        + Upkeep
        + Send
        + Sync
{
}

/// Tenants and their API keys.
#[async_trait]
pub trait Tenants: Send + Sync {
    /// Adds a tenant.
    async fn insert_tenant(&self, tenant: &Tenant) -> Result<(), StoreError>;
    /// A tenant.
    async fn tenant(&self, id: TenantId) -> Result<Option<Tenant>, StoreError>;
    /// All tenants, oldest first.
    async fn tenants(&self) -> Result<Vec<Tenant>, StoreError>;
    /// Shuts a tenant's keys out. Revoking again changes nothing.
    async fn revoke_tenant(&self, id: TenantId, at: DateTime<Utc>) -> Result<(), StoreError>;
    /// How many of a tenant's accounts are not disconnected.
    async fn open_accounts(&self, tenant: TenantId) -> Result<i64, StoreError>;
    /// Gives a tenant other limits.
    async fn set_tenant_limits(&self, id: TenantId, limits: TenantLimits) -> Result<(), StoreError>;
    /// Adds a key.
    async fn insert_api_key(&self, key: &ApiKey) -> Result<(), StoreError>;
    /// A tenant's keys, oldest first, revoked ones included.
    async fn api_keys(&self, tenant: TenantId) -> Result<Vec<ApiKey>, StoreError>;
    /// Shuts a key out, and answers whose it is. Revoking again changes nothing.
    async fn revoke_api_key(&self, id: ApiKeyId, at: DateTime<Utc>) -> Result<TenantId, StoreError>;
    /// Finds a key, and its tenant, by the hash of what was presented; not when either is revoked.
    async fn api_key_by_hash(&self, hash: &ApiKeyHash) -> Result<Option<(ApiKey, Tenant)>, StoreError>;
}

/// Accounts and their sealed credentials.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// Adds an account with its first consent, unless its tenant was revoked or has all that it may have. Those of one
    /// tenant take turns, so that the limit holds.
    async fn insert_account(&self, account: &Account, consent: &PendingConsent)
    -> Result<AccountAdmission, StoreError>;
    /// An account.
    async fn account(&self, id: AccountId) -> Result<Option<Account>, StoreError>;
    /// An account of a tenant.
    async fn account_of_tenant(&self, tenant: TenantId, id: AccountId) -> Result<Option<Account>, StoreError>;
    /// A tenant's accounts, oldest first, without those that are disconnected.
    async fn accounts_of_tenant(&self, tenant: TenantId, page: &PageRequest) -> Result<Page<Account>, StoreError>;
    /// All accounts that are not disconnected, after `after`, in order.
    async fn open_accounts_after(&self, after: Option<AccountId>, limit: u32) -> Result<Vec<Account>, StoreError>;
    /// Accounts that wait for something: for their first calendars, for a consent to be settled, for their end. In order.
    async fn unsettled_accounts(&self, after: Option<AccountId>, limit: u32) -> Result<Vec<Account>, StoreError>;
    /// Writes an account's state down. What is disconnected stays so.
    async fn set_account_state(
        &self,
        id: AccountId,
        state: AccountState,
        detail: Option<&str>,
        at: DateTime<Utc>,
    ) -> Result<(), StoreError>;
    /// Writes down when the channel on an account's list of calendars ends.
    async fn set_account_channel(&self, id: AccountId, expires_at: Option<DateTime<Utc>>) -> Result<(), StoreError>;
    /// Notes that an account's list of calendars was read. Never moves backwards.
    async fn set_listed(&self, id: AccountId, at: DateTime<Utc>) -> Result<(), StoreError>;
    /// Opens an account's credentials; `None` when there is no account or they were erased.
    async fn credentials(&self, id: AccountId) -> Result<Option<(Credentials, CredentialsVersion)>, StoreError>;
    /// Replaces the credentials if they still have the expected version; else [`crate::StoreErrorKind::Conflict`].
    async fn swap_credentials(
        &self,
        id: AccountId,
        expected: CredentialsVersion,
        credentials: &Credentials,
    ) -> Result<CredentialsVersion, StoreError>;
    /// Puts a consent beside the credentials, in place of one that waits there already, which is superseded. `NotFound`
    /// for an account that is being disconnected or whose tenant was revoked: they are not connected again.
    async fn replace_consent(&self, id: AccountId, consent: &PendingConsent) -> Result<(), StoreError>;
    /// Opens the consent that waits; `None` when there is none.
    async fn consent(&self, id: AccountId) -> Result<Option<(PendingConsent, ConsentVersion)>, StoreError>;
    /// Replaces the consent that waits if it still has the expected version; else [`crate::StoreErrorKind::Conflict`].
    async fn swap_consent(
        &self,
        id: AccountId,
        expected: ConsentVersion,
        consent: &PendingConsent,
    ) -> Result<ConsentVersion, StoreError>;
    /// Ends the consent that waits, if it still has the expected version (else [`crate::StoreErrorKind::Conflict`]): in one
    /// transaction whose it is is compared, the credentials are replaced or left, and its outcome is written down, which is
    /// answered. Of two accounts of a tenant that are settled for the same user at the same time, one is the duplicate.
    async fn settle_consent(
        &self,
        id: AccountId,
        expected: ConsentVersion,
        settlement: &Settlement,
    ) -> Result<ConsentOutcome, StoreError>;
    /// Erases the credentials, and a consent that waits.
    async fn erase_credentials(&self, id: AccountId) -> Result<(), StoreError>;
    /// Remembers whose grant this is (a hash, not an address), to know when two accounts share one.
    async fn set_grant_subject(&self, id: AccountId, subject_hash: &str) -> Result<(), StoreError>;
    /// Whose grant this is, as it was last remembered; `None` before that.
    async fn grant_subject(&self, id: AccountId) -> Result<Option<String>, StoreError>;
    /// Whether another account that is not disconnected has tokens of the same grant.
    async fn shares_grant(&self, id: AccountId) -> Result<bool, StoreError>;
}

/// Consents under way.
#[async_trait]
pub trait Authorizations: Send + Sync {
    /// Remembers a consent that was asked for; removes those that ran out.
    async fn insert_attempt(&self, attempt: &AuthorizationAttempt) -> Result<(), StoreError>;
    /// Takes it, once, with the hash of what the browser brought; the same once more is told as such. `None` when unknown,
    /// used with something else, or run out.
    async fn take_attempt(
        &self,
        state_hash: &[u8; 32],
        answer_hash: &[u8; 32],
        now: DateTime<Utc>,
    ) -> Result<Option<TakenAttempt>, StoreError>;
    /// Writes down what came of a consent. What is final stays; one that is not remembered any more is no error.
    async fn end_attempt(&self, state_hash: &[u8; 32], outcome: &ConsentOutcome) -> Result<(), StoreError>;
    /// A consent that came back and ended in another way than well, or not yet, while it is remembered: to begin it again.
    async fn ended_attempt(
        &self,
        state_hash: &[u8; 32],
        now: DateTime<Utc>,
    ) -> Result<Option<AuthorizationAttempt>, StoreError>;
    /// What came of a consent, as far as that is known.
    async fn attempt_outcome(&self, state_hash: &[u8; 32]) -> Result<Option<ConsentOutcome>, StoreError>;
    /// What came of the consent that came back last for an account, as far as that is known and remembered.
    async fn last_outcome(&self, account: AccountId) -> Result<Option<ConsentOutcome>, StoreError>;
}

/// Mirrored calendars and the state of their subscriptions.
#[async_trait]
pub trait Calendars: Send + Sync {
    /// Compares the provider's list with ours: adds new ones (state `creating`, which also revives a closed one), updates
    /// the rest, and names those that vanished. Changes no state of those that stay.
    async fn reconcile_calendars(
        &self,
        account: AccountId,
        listed: &[RemoteCalendar],
        at: DateTime<Utc>,
    ) -> Result<CalendarsReconciled, StoreError>;
    /// A calendar.
    async fn calendar(&self, id: CalendarId) -> Result<Option<Calendar>, StoreError>;
    /// A calendar of a tenant.
    async fn calendar_of_tenant(&self, tenant: TenantId, id: CalendarId) -> Result<Option<Calendar>, StoreError>;
    /// A tenant's calendars that are not closed, oldest first.
    async fn calendars_of_tenant(&self, tenant: TenantId, page: &PageRequest) -> Result<Page<Calendar>, StoreError>;
    /// An account's calendars that are not closed.
    async fn calendars_of_account(&self, account: AccountId) -> Result<Vec<Calendar>, StoreError>;
    /// Ids of all calendars that are not closed, after `after`, in order: for telling all of them something.
    async fn open_calendar_ids(&self, after: Option<CalendarId>, limit: u32) -> Result<Vec<CalendarId>, StoreError>;
    /// The provider told that an account sees a calendar in another role. Where it sees another part of its events, a full
    /// pass is due from now on.
    async fn set_access_role(&self, id: CalendarId, role: AccessRole) -> Result<(), StoreError>;
    /// Writes a subscription's state down.
    async fn record_state(&self, record: &StateRecord) -> Result<(), StoreError>;
}

/// The register of channels.
#[async_trait]
pub trait Channels: Send + Sync {
    /// Writes a pending channel before the provider is called. The same id again is no error.
    async fn insert_channel(&self, channel: &Channel) -> Result<(), StoreError>;
    /// The provider answered: the channel is live.
    async fn activate_channel(
        &self,
        id: ChannelId,
        resource_id: &str,
        expires_at: DateTime<Utc>,
    ) -> Result<(), StoreError>;
    /// Sets a channel's state. Never from `stopped` or `expired` back.
    async fn set_channel_state(&self, id: ChannelId, state: ChannelState) -> Result<(), StoreError>;
    /// A channel.
    async fn channel(&self, id: ChannelId) -> Result<Option<Channel>, StoreError>;
    /// The channels on something that the provider may still serve, oldest first: those that have neither been stopped nor
    /// been marked as expired.
    async fn channels_alive(&self, watched: Watched) -> Result<Vec<Channel>, StoreError>;
    /// A calendar's channels, oldest first, all states.
    async fn channels_of_calendar(&self, calendar: CalendarId) -> Result<Vec<Channel>, StoreError>;
    /// The channels of an account's list of calendars, oldest first, all states.
    async fn channels_of_list(&self, account: AccountId) -> Result<Vec<Channel>, StoreError>;
}

/// The mirror itself.
#[async_trait]
pub trait Mirror: Send + Sync {
    /// Where a calendar's reading stands.
    async fn sync_position(&self, calendar: CalendarId) -> Result<SyncPosition, StoreError>;
    /// Begins a full pass: a new generation, cursor at its first page. Conflict if the revision moved.
    async fn begin_full_pass(
        &self,
        calendar: CalendarId,
        expected_revision: i64,
        page_events_max: u32,
    ) -> Result<SyncPosition, StoreError>;
    /// Goes on with a pass that somebody else began: the position stays, the revision moves, so that their next commit
    /// fails and they stop. Conflict if the revision moved.
    async fn take_over_pass(&self, calendar: CalendarId, expected_revision: i64) -> Result<SyncPosition, StoreError>;
    /// All rows that have one of these ids, or belong to a series that one of these ids is or belongs to. Those that cannot
    /// be read are among them as such: a fresh copy heals them, and until then their series is not known whole.
    async fn related_items(&self, calendar: CalendarId, ids: &[ProviderEventId])
    -> Result<Vec<StoredItem>, StoreError>;
    /// The rows that a sweep of this generation would delete.
    async fn stale_items(&self, calendar: CalendarId, generation: i64) -> Result<Vec<StaleItem>, StoreError>;
    /// Ids of masters after `after`, in order: for rolling the window forward.
    async fn master_ids(
        &self,
        calendar: CalendarId,
        after: Option<&ProviderEventId>,
        limit: u32,
    ) -> Result<Vec<ProviderEventId>, StoreError>;
    /// Commits a page, its cursor, its occurrences and its changes in one transaction.
    async fn commit_page(&self, commit: &PageCommit<'_>) -> Result<PageCommitted, StoreError>;
    /// Replaces occurrences outside of a pass; answers the new revision.
    async fn replace_occurrences(
        &self,
        calendar: CalendarId,
        expected_revision: i64,
        expanded: &Expanded<'_>,
    ) -> Result<i64, StoreError>;
    /// Calendars whose series stand by older zone data than these, with what they stand by; after one of these pairs.
    async fn by_older_zone_data(
        &self,
        version: &ZoneDataVersion,
        after: Option<&(CalendarId, ZoneDataVersion)>,
        limit: u32,
    ) -> Result<Vec<(CalendarId, ZoneDataVersion)>, StoreError>;
    /// Occurrences that overlap `from..to`, by start, without what the account may not see (any more): of a calendar that the
    /// provider refuses or does not list, none. All-day ones are compared by date: those that overlap the dates
    /// `from_date..to_date` (end exclusive), which the caller computes in the calendar's zone; they come before all that
    /// begins on their first day there.
    async fn occurrences(
        &self,
        calendar: CalendarId,
        range: &OccurrenceRange,
        page: &PageRequest,
    ) -> Result<Page<ReadOccurrence>, StoreError>;
    /// The number of the last commit that changed what is in a range, as [`Self::occurrences`] takes it. It never goes back,
    /// and what is read after it was asked for is at least as new. It may move although nothing changed: after many commits,
    /// and for changes of a series where none of its occurrences are kept.
    async fn revision_of(&self, calendar: CalendarId, range: &OccurrenceRange) -> Result<i64, StoreError>;
    /// One event: a single one, a master or an exception. Not a cancelled occurrence.
    async fn event(&self, calendar: CalendarId, id: &ProviderEventId) -> Result<Option<Event>, StoreError>;
    /// All rows of the mirror, by id: for proofs and exports.
    async fn items(&self, calendar: CalendarId, page: &PageRequest) -> Result<Page<StoredItem>, StoreError>;
    /// The change feed after `after_sequence`, oldest first.
    async fn changes(&self, calendar: CalendarId, after_sequence: i64, limit: u32) -> Result<Vec<Change>, StoreError>;
    /// Events that could not be read, newest first.
    async fn quarantined(&self, calendar: CalendarId, limit: u32) -> Result<Vec<QuarantinedEvent>, StoreError>;
    /// Events of which something could not be taken as it was sent, by id.
    async fn warned(&self, calendar: CalendarId, limit: u32) -> Result<Vec<StoredItem>, StoreError>;
    /// Writes a line of the sync log. The same key again is no error.
    async fn record_sync_run(&self, run: &SyncRun) -> Result<(), StoreError>;
    /// The sync log, newest first.
    async fn sync_runs(&self, calendar: CalendarId, limit: u32) -> Result<Vec<SyncRun>, StoreError>;
    /// Forgets what is mirrored of calendars that are closed or refused since before then, of some at a time, and answers of
    /// how many.
    async fn erase_withdrawn(&self, since_before: DateTime<Utc>) -> Result<u64, StoreError>;
    /// Forgets the events, occurrences, changes and quarantine of all calendars of an account, closed ones included.
    async fn erase_mirrors(&self, account: AccountId) -> Result<(), StoreError>;
}

/// The audit log and the security log.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Writes an audit entry. The same key again is no error.
    async fn append_audit(&self, entry: &AuditEntry) -> Result<(), StoreError>;
    /// The audit entry with this key.
    async fn audit_entry(&self, dedup_key: &str) -> Result<Option<AuditEntry>, StoreError>;
    /// Audit entries, newest first.
    async fn audit_entries(&self, of: AuditOf, page: &PageRequest) -> Result<Page<AuditEntry>, StoreError>;
    /// Counts a security event: the same kind from the same source on the same day is one row. Of one kind and day, 256
    /// sources are told apart, and those beyond count as [`evercal_domain::journal::OTHER_SOURCES`]; 30 days are kept.
    async fn count_security_event(&self, event: &SecurityEvent) -> Result<(), StoreError>;
    /// How often each kind was seen, in all that is kept.
    async fn security_counts(&self) -> Result<Vec<SecurityCount>, StoreError>;
    /// Notes that a provider refuses the whole installation, and answers since when: an incident is one, however many tell
    /// of it.
    async fn open_incident(
        &self,
        provider: Provider,
        cause: &str,
        at: DateTime<Utc>,
    ) -> Result<DateTime<Utc>, StoreError>;
    /// A provider answers again; answers since when it did not, to one of those who say so.
    async fn close_incident(&self, provider: Provider) -> Result<Option<DateTime<Utc>>, StoreError>;
    /// The incidents that last.
    async fn incidents(&self) -> Result<Vec<ProviderIncident>, StoreError>;
    /// Security events, newest first.
    async fn security_events(&self, limit: u32) -> Result<Vec<SecurityEvent>, StoreError>;
}

/// Signs of life that [`Heartbeats::beats_of`] answers.
pub const BEATS_MAX: u32 = 1_000;

/// Signs of life of services, by which an outage is recognised afterwards.
#[async_trait]
pub trait Heartbeats: Send + Sync {
    /// Notes that a service was well. Never moves backwards.
    async fn beat(&self, service: &str, at: DateTime<Utc>) -> Result<(), StoreError>;
    /// When a service was last well.
    async fn last_beat(&self, service: &str) -> Result<Option<DateTime<Utc>>, StoreError>;
    /// When each of a kind was last well, by its name without the kind (`worker/7` is `7` of the kind `worker`). At most
    /// [`BEATS_MAX`], those that were well last.
    async fn beats_of(&self, kind: &str) -> Result<Vec<(String, DateTime<Utc>)>, StoreError>;
    /// Forgets those of a kind that were well last before this time.
    async fn forget_beats(&self, kind: &str, before: DateTime<Utc>) -> Result<(), StoreError>;
    /// Forgets one service.
    async fn forget_beat(&self, service: &str) -> Result<(), StoreError>;
}

/// What shows whether a store can do all that it is for, and what keeps it so ([`crate::StoreProbe`] does it regularly).
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// Reads from each table, over the connections that all reads use.
    async fn try_reading(&self) -> Result<(), StoreError>;
    /// Writes in a transaction, over the connections that all writes use, and sees whether each table may be written.
    /// Answers whose database this is; an empty one is given an id.
    async fn try_writing(&self, at: DateTime<Utc>) -> Result<InstallationId, StoreError>;
    /// Reads and writes over a new connection: what works here and not by the ways of all others will not heal by itself.
    async fn try_afresh(&self, at: DateTime<Utc>) -> Result<(), StoreError>;
    /// How many transactions this process has committed, without those by which it is looked whether it can.
    fn commits(&self) -> u64;
    /// When a process showed last that it can write, by the clock that is furthest ahead; `None` in a new database.
    async fn last_written_at(&self) -> Result<Option<DateTime<Utc>>, StoreError>;
    /// Brings what was committed into the file, so that the file alone is nearly up to date. Nothing for a server, which
    /// does so by itself.
    async fn checkpoint(&self) -> Result<(), StoreError>;
    /// Looks for damaged pages; `Corrupt` when there are some.
    async fn check_pages(&self) -> Result<(), StoreError>;
}

/// Work that one of several processes does for all of them.
#[async_trait]
pub trait Claims: Send + Sync {
    /// Begins the work, unless somebody else has it: answers which time this is. Nobody has it for much longer than `until`:
    /// who wrote that had a clock that was wrong.
    async fn take_claim(
        &self,
        name: &str,
        holder: &str,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Option<i64>, StoreError>;
    /// Holds it longer; false when it is somebody else's meanwhile.
    async fn keep_claim(&self, name: &str, holder: &str, round: i64, until: DateTime<Utc>) -> Result<bool, StoreError>;
    /// The work is done; the next time may begin at `free_at`. False when it is somebody else's meanwhile.
    async fn finish_claim(
        &self,
        name: &str,
        holder: &str,
        round: i64,
        free_at: DateTime<Utc>,
    ) -> Result<bool, StoreError>;
    /// How often it was begun and done.
    async fn claim_rounds(&self, name: &str) -> Result<ClaimRounds, StoreError>;
}
