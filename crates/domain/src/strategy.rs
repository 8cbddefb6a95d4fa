//! How evercal learns that something changed at a provider: by notices, by polling, or by both. Not for
//! when that happens (`workflows`) or what it is set by (`crates/settings`).

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How changes at a provider are found. Unknown names read as [`Self::Webhook`], so that an older worker can still act on
/// what a newer one sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncStrategy {
    /// A poller asks, and no channel is ever opened.
    Polling,
    /// A channel brings notices, and a poller asks beside it.
    Hybrid,
    /// A channel brings notices; a poller is the fallback where none can be opened.
    #[default]
    #[serde(other)]
    Webhook,
}

/// A name that is no strategy. Does not show what was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is none of {}", SyncStrategy::ALL.map(SyncStrategy::as_str).join(", "))]
pub struct UnknownStrategy;

names! { SyncStrategy { Webhook = "webhook", Polling = "polling", Hybrid = "hybrid" } }

impl SyncStrategy {
    /// Whether a channel is wanted.
    pub fn watches(self) -> bool {
        matches!(self, Self::Webhook | Self::Hybrid)
    }

    /// Whether a poller runs although nothing is wrong.
    pub fn polls(self) -> bool {
        matches!(self, Self::Polling | Self::Hybrid)
    }
}

impl FromStr for SyncStrategy {
    type Err = UnknownStrategy;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::from_name(name).ok_or(UnknownStrategy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_strategy_is_read_from_settings_by_its_name() {
        for strategy in SyncStrategy::ALL {
            assert_eq!(strategy.as_str().parse(), Ok(strategy));
        }
    }

    #[test]
    fn a_name_that_is_none_is_refused_in_settings_and_read_as_the_default_from_the_wire() {
        for wrong in ["", "Polling", "push", "webhook,polling"] {
            assert_eq!(wrong.parse::<SyncStrategy>(), Err(UnknownStrategy), "{wrong}");
        }
        assert_eq!(UnknownStrategy.to_string(), "it is none of webhook, polling, hybrid");
        let newer: SyncStrategy = serde_json::from_str(r#""invented_later""#).unwrap();
        assert_eq!(newer, SyncStrategy::default());
    }

    #[test]
    fn each_strategy_says_whether_it_watches_and_whether_it_polls() {
        let cases = SyncStrategy::ALL.map(|strategy| (strategy.as_str(), strategy.watches(), strategy.polls()));
        assert_eq!(cases, [("webhook", true, false), ("polling", false, true), ("hybrid", true, true)]);
    }
}
