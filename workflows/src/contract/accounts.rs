//! The activities about accounts, and what they take and return.

#![expect(missing_docs, reason = "the SDK's macros generate constants without documentation")]

use evercal_domain::{AccountId, CalendarId, ConsentOutcome, SyncStrategy};
use serde::{Deserialize, Serialize};
use temporalio_common::ActivityError;
use temporalio_macros::activity_definitions;

use crate::names;
use crate::retry::Timing;

pub use account_activities::{ListCalendars, ListOpenCalendars, RevokeAccount, SettleConsent};

/// The activities about accounts.
pub struct AccountActivities;

#[activity_definitions]
#[expect(clippy::unimplemented, reason = "the macro asks for this body; implementations are in `activities/`")]
impl AccountActivities {
    #[activity(name = names::SETTLE_CONSENT)]
    pub async fn settle_consent(_input: SettleConsentInput) -> Result<ConsentSettled, ActivityError> {
        unimplemented!()
    }

    #[activity(name = names::LIST_CALENDARS)]
    pub async fn list_calendars(_input: AccountRef) -> Result<CalendarsListed, ActivityError> {
        unimplemented!()
    }

    #[activity(name = names::REVOKE_ACCOUNT)]
    pub async fn revoke_account(_input: RevokeInput) -> Result<AccountRevoked, ActivityError> {
        unimplemented!()
    }

    #[activity(name = names::LIST_OPEN_CALENDARS)]
    pub async fn list_open_calendars(_input: AccountRef) -> Result<OpenCalendars, ActivityError> {
        unimplemented!()
    }
}

/// Input of the activities that take an account alone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AccountRef {
    /// The account.
    pub account_id: AccountId,
}

/// Input of `settle_consent`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SettleConsentInput {
    /// The account.
    pub account_id: AccountId,
    /// The code cannot be good any more: end the consent without asking the provider.
    pub give_up: bool,
}

/// Input of `revoke_account`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RevokeInput {
    /// The account.
    pub account_id: AccountId,
    /// The provider does not answer: erase what we have without asking it again.
    pub erase_only: bool,
}

/// Answer of `settle_consent`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ConsentSettled {
    /// The consent has come to its end.
    Settled {
        /// What came of it.
        outcome: ConsentOutcome,
        /// Whether the account has tokens, of this consent or of one before it.
        has_tokens: bool,
    },
    /// No consent waits, and what came of the last one is not remembered.
    NothingWaits {
        /// Whether the account has tokens.
        has_tokens: bool,
    },
}

/// Why a list of calendars was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListLimit {
    /// It has more calendars than an account may have: the first ones are mirrored.
    TooManyCalendars,
    /// It has too many pages, as one that never ends has.
    TooManyPages,
    /// Reading it took too long. A limit that only a newer version knows reads so too.
    #[serde(other)]
    TooSlow,
}

/// Answer of `list_calendars`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CalendarsListed {
    /// The list was read.
    Listed {
        /// The calendars that need a subscription.
        listed: Vec<CalendarId>,
        /// The calendars whose subscription has to end.
        vanished: Vec<CalendarId>,
        /// Those of `listed` whose subscription waits for a person to act.
        action_required: Vec<CalendarId>,
        /// The durations that are configured now.
        timing: Box<Timing>,
        /// How changes are to be found now.
        strategy: SyncStrategy,
        /// Why the list was not read to its end; `None` when it was.
        incomplete: Option<ListLimit>,
    },
    /// The grant is dead.
    NeedsReauth {
        /// Why, in a sentence for people, where the provider says more than that.
        why: Option<String>,
    },
}

/// Answer of `list_open_calendars`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenCalendars {
    /// The calendars whose subscription has not ended.
    pub calendars: Vec<CalendarId>,
}

/// Answer of `revoke_account`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountRevoked {
    /// The grant was revoked and the tokens are erased.
    Revoked,
    /// Another account uses the same grant: only our tokens are erased.
    KeptForOthers,
    /// The tokens are erased; the provider was not asked.
    OnlyErased,
    /// The tokens are erased; the provider takes no grant back.
    NotRevocable,
    /// The grant was dead already; the tokens are erased. An answer that only a newer version knows is parsed as this one:
    /// whatever else it says, the activity has succeeded.
    #[serde(other)]
    WasDead,
}
