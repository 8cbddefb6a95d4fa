//! Whether an account goes on, and how far its end has come.

use std::collections::BTreeSet;

use evercal_domain::{CalendarId, UnixMs};
use serde::{Deserialize, Serialize};

use crate::contract::AccountRevoked;

/// Whether an account goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Life {
    /// It goes on.
    #[default]
    Open,
    /// It was disconnected.
    Ending(Ending),
}

/// The end of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// One sentence for people: why.
    pub reason: String,
    /// Until when stopping channels is tried, those of the calendars and then those on their list: for readers. `None` before
    /// the account has turned to its end.
    pub stops_until: Option<UnixMs>,
    /// How far it has come.
    pub stage: EndingStage,
}

/// How far the end of an account has come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndingStage {
    /// Which subscriptions there are has yet to be found out.
    #[default]
    Begun,
    /// The subscriptions end, and after them the channels on the list of calendars.
    Closing {
        /// Until when the subscriptions may take.
        until: UnixMs,
        /// Those that have yet to be asked to end.
        to_close: BTreeSet<CalendarId>,
    },
    /// The channels on the list of calendars were stopped, or given up, and the grant is revoked.
    Revoking {
        /// When that was first tried.
        since: Option<UnixMs>,
    },
    /// Nothing is left of the account but its row.
    TakenDown {
        /// What came of revoking the grant.
        revoked: AccountRevoked,
    },
}

impl Life {
    /// Asks for the end. Where that was done before, the first reason stays.
    pub(in crate::account) fn end(&mut self, reason: String) {
        if *self == Self::Open {
            *self = Self::Ending(Ending { reason, stops_until: None, stage: EndingStage::Begun });
        }
    }

    /// Whether it goes on.
    pub(in crate::account) fn is_open(&self) -> bool {
        *self == Self::Open
    }

    /// Why it has ended, where nothing is left to do.
    pub(in crate::account) fn ended_for(&self) -> Option<&str> {
        match self {
            Self::Ending(Ending { reason, stage: EndingStage::TakenDown { .. }, .. }) => Some(reason),
            Self::Open | Self::Ending(_) => None,
        }
    }

    /// Its end, where it does not go on.
    pub(in crate::account) fn ending(&mut self) -> Option<&mut Ending> {
        match self {
            Self::Open => None,
            Self::Ending(ending) => Some(ending),
        }
    }
}

impl Ending {
    /// The sentence for people: how long it may take, the same until it is over, so that it is written down once; then what
    /// is left to them.
    pub(in crate::account) fn sentence(&self) -> Option<String> {
        match self.stage {
            EndingStage::TakenDown { revoked: AccountRevoked::OnlyErased } => {
                Some("the provider could not be asked to end the grant; its channels run out by themselves".to_owned())
            }
            EndingStage::TakenDown { revoked: AccountRevoked::NotRevocable } => {
                Some("the tokens are erased; at the provider the grant stays until the person ends it there".to_owned())
            }
            EndingStage::TakenDown { .. } => None,
            EndingStage::Begun | EndingStage::Closing { .. } | EndingStage::Revoking { .. } => {
                let until = self.stops_until?;
                Some(format!("channels that the provider has not stopped by {until} run out by themselves"))
            }
        }
    }
}
