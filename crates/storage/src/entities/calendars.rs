//! Mirrored calendars and the state of their subscriptions.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercal_domain::calendar::LastSync;
use evercal_domain::{
    AccessRole, AccountId, Calendar, CalendarId, CalendarState, ProviderCalendarId, RemoteCalendar, TenantId, Via,
};

use crate::columns::{corrupt, instant, instant_or_none, parsed};
use crate::error::StoreError;
use crate::paging::{Page, PageRequest};

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
    /// Ids of all calendars that are not closed, after `after`, in order: for signals to all of them.
    async fn open_calendar_ids(&self, after: Option<CalendarId>, limit: u32) -> Result<Vec<CalendarId>, StoreError>;
    /// Writes down in which role an account sees a calendar now. Where it sees another part of its events, a full
    /// pass is due from now on.
    async fn set_access_role(&self, id: CalendarId, role: AccessRole) -> Result<(), StoreError>;
    /// Writes a subscription's state down.
    async fn record_state(&self, record: &StateRecord) -> Result<(), StoreError>;
}

/// The outcome of comparing a provider's calendar list with ours.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CalendarsReconciled {
    /// The calendars that are listed, each with our id: these need a subscription.
    pub listed: Vec<CalendarId>,
    /// Ours that are not listed any more: their subscriptions have to end.
    pub vanished: Vec<CalendarId>,
    /// Those of `listed` of which the account sees more or less than before: they have to be read anew, and until then what it
    /// may not see any more is not served.
    pub seen_otherwise: Vec<CalendarId>,
}

/// A state to write down for a calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateRecord {
    /// Which calendar.
    pub calendar_id: CalendarId,
    /// Its state now.
    pub state: CalendarState,
    /// One sentence for people.
    pub detail: Option<String>,
    /// When its channel ends, if one is live.
    pub channel_expires_at: Option<DateTime<Utc>>,
    /// When this was so. An older record never overwrites a newer one.
    pub at: DateTime<Utc>,
}

#[derive(sqlx::FromRow)]
pub struct CalendarRow {
    pub id: String,
    tenant_id: String,
    account_id: String,
    provider_calendar_id: String,
    title: String,
    time_zone: Option<String>,
    access_role: String,
    is_primary: bool,
    id_follows_address: bool,
    state: String,
    detail: Option<String>,
    state_changed_at: i64,
    channel_expires_at: Option<i64>,
    event_count: i64,
    confirmed_at: Option<i64>,
    confirmed_via: Option<String>,
    last_sync_finished_at: Option<i64>,
    last_sync_changes: Option<i64>,
    last_sync_notice_to_stored_ms: Option<i64>,
    window_end: Option<i64>,
}

impl TryFrom<CalendarRow> for Calendar {
    type Error = StoreError;

    fn try_from(row: CalendarRow) -> Result<Self, StoreError> {
        let via = |name: String| Via::from_name(&name).ok_or_else(|| corrupt("calendars.confirmed_via"));
        let last_sync = match instant_or_none(row.last_sync_finished_at, "calendars.last_sync_finished_at")? {
            Some(finished_at) => Some(LastSync {
                finished_at,
                changes: row.last_sync_changes.ok_or_else(|| corrupt("calendars.last_sync_changes"))?,
                notice_to_stored_ms: row.last_sync_notice_to_stored_ms,
            }),
            None => None,
        };
        Ok(Self {
            id: parsed(&row.id, "calendars.id")?,
            tenant_id: parsed(&row.tenant_id, "calendars.tenant_id")?,
            account_id: parsed(&row.account_id, "calendars.account_id")?,
            remote: RemoteCalendar {
                provider_id: ProviderCalendarId::new(row.provider_calendar_id),
                title: row.title,
                time_zone: row.time_zone,
                access_role: AccessRole::from_name(&row.access_role).ok_or_else(|| corrupt("calendars.access_role"))?,
                primary: row.is_primary,
                id_follows_address: row.id_follows_address,
            },
            state: CalendarState::from_name(&row.state).ok_or_else(|| corrupt("calendars.state"))?,
            detail: row.detail,
            state_changed_at: instant(row.state_changed_at, "calendars.state_changed_at")?,
            channel_expires_at: instant_or_none(row.channel_expires_at, "calendars.channel_expires_at")?,
            confirmed_at: instant_or_none(row.confirmed_at, "calendars.confirmed_at")?,
            confirmed_via: row.confirmed_via.map(via).transpose()?,
            last_sync,
            event_count: row.event_count,
            window_end: instant_or_none(row.window_end, "calendars.window_end")?,
        })
    }
}
