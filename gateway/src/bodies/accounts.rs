//! Accounts and calendars as answers have them.

use chrono::{DateTime, Utc};
use evercal_domain::{Account, Calendar};
use serde::Serialize;
use utoipa::ToSchema;

use crate::vocabulary::{AccessRoleName, AccountStateName, CalendarStateName, ProviderName, ViaName};

/// A connected account.
#[derive(Serialize, ToSchema)]
#[schema(as = Account)]
pub(crate) struct AccountBody {
    /// Its id in evercal.
    #[schema(example = "acc_018f3c2e5b7a7c3e9d4f1a2b3c4d5e6f")]
    id: String,
    /// The provider at which it lives.
    provider: ProviderName,
    /// The name that it was given when it was connected.
    #[schema(example = "Robin's calendars")]
    label: String,
    /// Where it is in its life.
    state: AccountStateName,
    /// One sentence about the state, for people; null where there is nothing to say.
    detail: Option<String>,
    /// When it was first connected.
    created_at: DateTime<Utc>,
    /// When `state` last changed.
    state_changed_at: DateTime<Utc>,
    /// When its list of calendars was last read; null before it was.
    listed_at: Option<DateTime<Utc>>,
    /// When the channel ends that announces changes of that list; null while there is none.
    channel_expires_at: Option<DateTime<Utc>>,
}

impl From<Account> for AccountBody {
    fn from(account: Account) -> Self {
        Self {
            id: account.id.to_string(),
            provider: ProviderName(account.provider),
            label: account.label,
            state: AccountStateName(account.state),
            detail: account.detail,
            created_at: account.created_at,
            state_changed_at: account.state_changed_at,
            listed_at: account.listed_at,
            channel_expires_at: account.channel_expires_at,
        }
    }
}

/// A mirrored calendar, and the state of its subscription and mirror.
#[derive(Serialize, ToSchema)]
#[schema(as = Calendar)]
pub(crate) struct CalendarBody {
    /// Its id in evercal.
    #[schema(example = "cal_018f3c2e5b7a7c3e9d4f1a2b3c4d5e6f")]
    id: String,
    /// The account through which it is read.
    account_id: String,
    /// Its title at the provider.
    #[schema(example = "Family and friends")]
    title: String,
    /// Its IANA time zone; null where the provider names none.
    #[schema(example = "Europe/Berlin")]
    time_zone: Option<String>,
    /// What the account's user may do with it.
    access_role: AccessRoleName,
    /// Whether it is the account's main calendar.
    primary: bool,
    #[serde(flatten)]
    state: CalendarStateBody,
}

impl From<Calendar> for CalendarBody {
    fn from(calendar: Calendar) -> Self {
        let state = CalendarStateBody::from(&calendar);
        Self {
            id: calendar.id.to_string(),
            account_id: calendar.account_id.to_string(),
            title: calendar.remote.title,
            time_zone: calendar.remote.time_zone,
            access_role: AccessRoleName(calendar.remote.access_role),
            primary: calendar.remote.primary,
            state,
        }
    }
}

/// The state of a calendar's subscription and mirror.
#[derive(Serialize, ToSchema)]
#[schema(as = CalendarFreshness)]
pub(crate) struct CalendarStateBody {
    /// Where its subscription is.
    state: CalendarStateName,
    /// One sentence about the state, for people; null where there is nothing to say.
    detail: Option<String>,
    /// When `state` last changed.
    state_changed_at: DateTime<Utc>,
    /// When the provider's push channel ends, unless it is renewed before; null while there is none.
    channel_expires_at: Option<DateTime<Utc>>,
    /// The mirror is known to be complete as of this moment: what the provider had then is in it. Null before the first full
    /// read has ended.
    confirmed_at: Option<DateTime<Utc>>,
    /// What led to the sync that confirmed it; null before `confirmed_at`.
    via: Option<ViaName>,
    /// The last sync that ended well; null before there was one.
    last_sync: Option<LastSyncBody>,
    /// How many events the mirror holds; a series counts once, and once more for each changed occurrence.
    event_count: i64,
}

/// The last sync that ended well.
#[derive(Serialize, ToSchema)]
#[schema(as = LastSync)]
pub(crate) struct LastSyncBody {
    /// When its last change was stored.
    finished_at: DateTime<Utc>,
    /// How many changes it found.
    changes: i64,
    /// Milliseconds from the arrival of the provider's notice until all was stored; null when no notice led to it.
    notice_to_stored_ms: Option<i64>,
}

impl From<&Calendar> for CalendarStateBody {
    fn from(calendar: &Calendar) -> Self {
        let last_sync = calendar.last_sync.as_ref().map(|sync| LastSyncBody {
            finished_at: sync.finished_at,
            changes: sync.changes,
            notice_to_stored_ms: sync.notice_to_stored_ms,
        });
        Self {
            state: CalendarStateName(calendar.state),
            detail: calendar.detail.clone(),
            state_changed_at: calendar.state_changed_at,
            channel_expires_at: calendar.channel_expires_at,
            confirmed_at: calendar.confirmed_at,
            via: calendar.confirmed_via.map(ViaName),
            last_sync,
            event_count: calendar.event_count,
        }
    }
}
