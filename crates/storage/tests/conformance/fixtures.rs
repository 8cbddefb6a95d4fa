//! A seeded store and plausible items for the conformance tests.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use evercal_domain::account::{Credentials, OAuthTokens, Secret};
use evercal_domain::calendar::LastSync;
use evercal_domain::event::Occurrence;
use evercal_domain::tenant::Tenant;
use evercal_domain::{
    AccessRole, Account, AccountId, AccountState, CalendarId, ConsentOutcome, Event, EventTime, PendingConsent,
    PendingGrant, Provider, ProviderCalendarId, ProviderCursor, ProviderEventId, RemoteCalendar, RemoteItem,
    SeriesPosition, TenantId, Via, Zone,
};
use evercal_mirror::{Ends, Expansion, OwnerOccurrences, Plan, StoredRow, Window};
use evercal_storage::{
    AccountAdmission, Cursor, OccurrenceRange, Page, PageCommit, PageCommitted, PageRequest, PassFinish, Reached,
    SeriesRows, Settlement, Store, StoreError,
};

use super::Database;

/// A store with one tenant, one account and one calendar.
pub struct Seeded {
    pub store: Arc<dyn Store>,
    pub tenant: TenantId,
    pub account: AccountId,
    pub calendar: CalendarId,
}

pub async fn seeded(database: &Database) -> Seeded {
    let store = database.open().await;
    let tenant = add_tenant(&*store).await;
    let account = add_account(&*store, tenant).await;
    let calendar = add_calendar(&*store, account, "work@example.com").await;
    Seeded { store, tenant, account, calendar }
}

pub async fn add_tenant(store: &dyn Store) -> TenantId {
    let tenant = Tenant::new("Analytical Engines", at(0));
    store.insert_tenant(&tenant).await.unwrap();
    tenant.id
}

pub async fn add_account(store: &dyn Store, tenant: TenantId) -> AccountId {
    let account = account_of(tenant);
    let admission = store.insert_account(&account, &consent(1)).await.unwrap();
    assert_eq!(admission, AccountAdmission::Inserted);
    grant(store, account.id, tokens("first"), &format!("subject of {}", account.id)).await;
    account.id
}

/// Settles the consent of an account, which lives on these tokens from then on.
pub async fn grant(store: &dyn Store, account: AccountId, credentials: Credentials, subject: &str) {
    let outcome = settle(store, account, credentials, subject).await;
    assert_eq!(outcome, ConsentOutcome::Granted);
}

/// Settles the consent of an account with tokens of that user.
pub async fn settle(store: &dyn Store, account: AccountId, credentials: Credentials, subject: &str) -> ConsentOutcome {
    let (_, version) = store.consent(account).await.unwrap().unwrap();
    let settlement = Settlement::Redeemed { credentials, subject_hash: subject.to_owned() };
    store.settle_consent(account, version, &settlement).await.unwrap()
}

/// A consent that came back with the attempt of this number ([`super::accounts::attempt`]).
pub fn consent(state: u8) -> PendingConsent {
    PendingConsent {
        state_hash: [state; 32],
        allow_duplicate: false,
        came_at: at(0),
        grant: PendingGrant::Code {
            code: Secret::new(format!("code {state}")),
            code_verifier: Secret::new("verifier"),
            redirect_uri: "https://evercal.example/callback".into(),
        },
    }
}

pub fn account_of(tenant_id: TenantId) -> Account {
    Account {
        state: AccountState::Connected,
        ..Account::connecting(AccountId::generate(), tenant_id, Provider::new("google"), "Ada".into(), at(0))
    }
}

pub async fn add_calendar(store: &dyn Store, account: AccountId, provider_id: &str) -> CalendarId {
    let mut listed: Vec<RemoteCalendar> =
        store.calendars_of_account(account).await.unwrap().into_iter().map(|calendar| calendar.remote).collect();
    listed.push(remote_calendar(provider_id));
    *store.reconcile_calendars(account, &listed, at(0)).await.unwrap().listed.last().unwrap()
}

pub fn remote_calendar(provider_id: &str) -> RemoteCalendar {
    RemoteCalendar {
        provider_id: ProviderCalendarId::new(provider_id),
        title: "Work".into(),
        time_zone: Some("Europe/Berlin".into()),
        access_role: AccessRole::Owner,
        primary: false,
        id_follows_address: false,
    }
}

pub fn tokens(refresh_token: &str) -> Credentials {
    Credentials::OAuth(OAuthTokens {
        access_token: Secret::new("access"),
        access_token_expires_at: at(60),
        refresh_token: Secret::new(refresh_token),
        scope: "calendar".into(),
    })
}

pub fn refresh_token(credentials: &Credentials) -> String {
    let Credentials::OAuth(tokens) = credentials;
    tokens.refresh_token.expose().to_owned()
}

/// So many minutes after the beginning of the tests' time.
pub fn at(minutes: i64) -> DateTime<Utc> {
    "2026-03-02T08:00:00Z".parse::<DateTime<Utc>>().unwrap() + Duration::minutes(minutes)
}

pub fn id(text: &str) -> ProviderEventId {
    ProviderEventId::new(text)
}

pub fn instant(minutes: i64) -> EventTime {
    EventTime::Instant { at: at(minutes), zone: evercal_domain::Zone::of_iana("Europe/Berlin") }
}

pub fn date(text: &str) -> EventTime {
    EventTime::Date { date: text.parse().unwrap() }
}

/// A single event of half an hour.
pub fn event(provider_id: &str, title: &str) -> Event {
    Event {
        ical_uid: Some(format!("{provider_id}@example.com")),
        title: Some(title.into()),
        created_at: Some(at(0)),
        updated_at: Some(at(0)),
        ..Event::minimal(id(provider_id), instant(0), instant(30))
    }
}

pub fn single(provider_id: &str, title: &str) -> RemoteItem {
    RemoteItem::from(event(provider_id, title))
}

pub fn master(provider_id: &str, title: &str) -> RemoteItem {
    let recurrence = vec!["RRULE:FREQ=DAILY".into()];
    RemoteItem::from(Event { recurrence, ..event(provider_id, title) })
}

pub fn exception(provider_id: &str, master_id: &str, title: &str) -> RemoteItem {
    let series = Some(position(master_id));
    RemoteItem::from(Event { series, ..event(provider_id, title) })
}

pub fn cancelled(provider_id: &str, master_id: &str) -> RemoteItem {
    RemoteItem::CancelledOccurrence { provider_id: id(provider_id), position: position(master_id) }
}

pub fn deleted(provider_id: &str) -> RemoteItem {
    RemoteItem::Deleted { provider_id: id(provider_id) }
}

pub fn unreadable(provider_id: Option<&str>, raw: &str) -> RemoteItem {
    RemoteItem::Unreadable { provider_id: provider_id.map(id), reason: "no start".into(), raw: raw.into() }
}

pub fn position(master_id: &str) -> SeriesPosition {
    SeriesPosition { master_id: id(master_id), original_start: instant(24 * 60) }
}

/// One occurrence of an owner, described by the owner itself.
pub fn occurrence(owner: &str, start: EventTime, end: EventTime) -> Occurrence {
    Occurrence { source_id: id(owner), series_id: None, original_start: start, start, end }
}

pub fn occurrences_of(owner: &str, occurrences: Vec<Occurrence>) -> OwnerOccurrences {
    OwnerOccurrences { owner: id(owner), occurrences }
}

/// Where occurrences of series are kept: 30 days before the tests' time to a year after it.
pub fn window() -> OccurrenceRange {
    days(-30, 365)
}

/// Whole days after the first day of the tests' time, which is the first of the range.
pub fn days(from: i64, to: i64) -> OccurrenceRange {
    let midnight = |day| at(-8 * 60) + Duration::days(day);
    let (from, to) = (midnight(from), midnight(to));
    let (from_date, to_date, zone) = (from.date_naive(), to.date_naive(), Zone::UTC);
    OccurrenceRange { from, to, from_date, to_date, zone, series: SeriesRows::All }
}

/// The zone data in use.
pub fn zone_data() -> evercal_domain::zones::ZoneDataVersion {
    evercal_domain::zones::version()
}

pub fn ready() -> Cursor {
    Cursor::ready("token")
}

/// Inside a full pass, before this page.
pub fn in_full_pass(page: &str) -> Cursor {
    Cursor::Full { page_events_max: 2_500, reached: Some(Reached { at: ProviderCursor::new(page), began_at: at(0) }) }
}

pub fn first(limit: u32) -> PageRequest {
    PageRequest { after: None, limit }
}

/// Reads a list page by page to its end.
pub async fn all_pages<T>(limit: u32, read: impl AsyncFn(PageRequest) -> Page<T>) -> Vec<T> {
    let (mut items, mut after) = (Vec::new(), None);
    loop {
        let page = read(PageRequest { after, limit }).await;
        assert!(!page.items.is_empty() || page.next.is_none(), "an empty page with a next one");
        assert!(page.items.len() <= usize::try_from(limit).unwrap());
        items.extend(page.items);
        assert!(items.len() < 1_000, "the pages do not end");
        after = page.next;
        if after.is_none() {
            return items;
        }
    }
}

/// The last page of a pass.
#[derive(Clone)]
pub struct Finish {
    pub ends: Ends,
    pub pass: PassFinish,
}

/// The last page of a pass over everything, or of one over what changed.
pub fn finish(full: bool, confirmed_at: DateTime<Utc>) -> Finish {
    let pass = PassFinish {
        confirmed_at,
        via: Via::Reconcile,
        window_end: Some(at(60 * 24 * 365)),
        last_sync: LastSync { finished_at: confirmed_at, changes: 0, notice_to_stored_ms: None },
        run: None,
    };
    Finish { ends: if full { Ends::FullPass } else { Ends::Pass }, pass }
}

impl Seeded {
    /// What a page does, with these occurrences in place of those that it has.
    pub async fn plan(&self, items: &[RemoteItem], occurrences: &[OwnerOccurrences], ends: Ends) -> Plan {
        let position = self.store.sync_position(self.calendar).await.unwrap();
        let snapshot = self.store.snapshot(self.calendar, &position, items, ends).await.unwrap();
        let all = Window { start: at(-60 * 24), end: at(60 * 24) };
        let plan =
            evercal_mirror::plan(items.to_vec(), ends, &snapshot, &Expansion::ByRules { zone: None, window: all });
        Plan { occurrences: occurrences.to_vec(), ..plan }
    }

    /// Commits a page of a pass on the current revision.
    pub async fn commit(&self, items: &[RemoteItem]) -> PageCommitted {
        self.try_commit(items, &[], None).await.unwrap()
    }

    /// Commits a page with occurrences and, on the last page, what ends the pass.
    pub async fn try_commit(
        &self,
        items: &[RemoteItem],
        occurrences: &[OwnerOccurrences],
        finish: Option<Finish>,
    ) -> Result<PageCommitted, StoreError> {
        let position = self.store.sync_position(self.calendar).await?;
        let plan = self.plan(items, occurrences, finish.as_ref().map_or(Ends::No, |finish| finish.ends)).await;
        let cursor = ready();
        let page = PageCommit {
            calendar_id: self.calendar,
            expected_revision: position.revision,
            generation: position.generation,
            has_worklist: position.has_worklist,
            plan: &plan,
            window: window(),
            zone_data: &zone_data(),
            cursor: &cursor,
            finish: finish.map(|finish| finish.pass),
            at: at(1),
        };
        self.store.commit_page(&page).await
    }

    /// A full pass of one page.
    pub async fn full_pass(&self, items: &[RemoteItem]) -> PageCommitted {
        let position = self.store.sync_position(self.calendar).await.unwrap();
        self.store.begin_full_pass(self.calendar, position.revision, 2_500).await.unwrap();
        self.try_commit(items, &[], Some(finish(true, at(1)))).await.unwrap()
    }

    /// The whole mirror.
    pub async fn items(&self) -> Vec<StoredRow> {
        let Page { items, next } = self.store.items(self.calendar, &first(1_000)).await.unwrap();
        assert_eq!(next, None);
        items
    }

    /// The ids of the whole mirror.
    pub async fn ids(&self) -> Vec<String> {
        self.items().await.iter().map(|item| item.provider_id.as_str().to_owned()).collect()
    }

    /// The feed after a number, as `kind id`.
    pub async fn feed_after(&self, sequence: i64) -> Vec<String> {
        let changes = self.store.changes(self.calendar, sequence, 1_000).await.unwrap();
        changes.iter().map(|change| format!("{} {}", change.kind.as_str(), change.event_id.as_str())).collect()
    }

    /// The number of the last change.
    pub async fn last_sequence(&self) -> i64 {
        let changes = self.store.changes(self.calendar, 0, 100_000).await.unwrap();
        changes.last().map_or(0, |change| change.sequence)
    }

    pub async fn event_count(&self) -> i64 {
        self.store.calendar(self.calendar).await.unwrap().unwrap().event_count
    }
}
