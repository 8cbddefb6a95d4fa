//! Why a sync runs, what kind of job that makes it, and how urgent it is.

use serde::{Deserialize, Serialize};

/// What asked for a sync. Unknown names read as [`Self::Reconcile`], so that an older worker can still act on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncReason {
    /// An operator or a user asked and may be waiting.
    Operator,
    /// The provider sent a notice.
    Notice,
    /// The gateway or Temporal was away and notices may have been refused.
    CatchUp,
    /// A poller saw a change, or polls blindly.
    Poll,
    /// A new channel is live: whatever happened before it was is read now.
    NewChannel,
    /// The first read after connecting.
    Connect,
    /// The timer: nothing is known to be wrong, and the calendar is compared all the same.
    #[serde(other)]
    Reconcile,
}

names! {
    SyncReason {
        Operator = "operator",
        Notice = "notice",
        CatchUp = "catch_up",
        Poll = "poll",
        NewChannel = "new_channel",
        Connect = "connect",
        Reconcile = "reconcile",
    }
}

/// How urgent an activity is: Temporal's priority key, lower first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Somebody is waiting.
    Critical,
    /// The provider said that something changed.
    High,
    /// Routine.
    Medium,
    /// Imports.
    Low,
}

impl Priority {
    /// Temporal's priority key, 1 to 5.
    pub fn key(self) -> u32 {
        match self {
            Self::Critical => 1,
            Self::High => 2,
            Self::Medium => 3,
            Self::Low => 4,
        }
    }
}

/// What kind of job a sync is, which decides how often an attempt is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobType {
    /// Reads everything.
    FullSync,
    /// Reads what changed, for a reason of our own.
    IncrementalSync,
    /// Reads what changed, because of a notice.
    WebhookSync,
    /// Reads what changed, because a poller said so.
    PollingSync,
}

impl JobType {
    /// Attempts after the first one.
    pub fn retries(self) -> u32 {
        match self {
            Self::FullSync => 3,
            Self::IncrementalSync => 5,
            Self::WebhookSync => 7,
            Self::PollingSync => 2,
        }
    }
}

impl SyncReason {
    /// The job type that this reason makes.
    pub fn job_type(self) -> JobType {
        match self {
            Self::Connect => JobType::FullSync,
            Self::Notice => JobType::WebhookSync,
            Self::Poll => JobType::PollingSync,
            Self::Operator | Self::CatchUp | Self::NewChannel | Self::Reconcile => JobType::IncrementalSync,
        }
    }

    /// How urgent it is.
    pub fn priority(self) -> Priority {
        match self {
            Self::Operator => Priority::Critical,
            Self::Notice => Priority::High,
            Self::CatchUp | Self::Poll | Self::NewChannel | Self::Reconcile => Priority::Medium,
            Self::Connect => Priority::Low,
        }
    }

    /// What a reader is answered about how the mirror was confirmed.
    pub fn via(self) -> Via {
        match self {
            Self::Notice => Via::Push,
            Self::Poll => Via::Poll,
            Self::Operator | Self::CatchUp | Self::NewChannel | Self::Connect | Self::Reconcile => Via::Reconcile,
        }
    }

    /// Of two reasons that one sync serves, the one that it is reported under: the more urgent.
    #[must_use]
    pub fn most_urgent(self, other: Self) -> Self {
        if other.priority() < self.priority() { other } else { self }
    }
}

/// What confirmed a mirror, as readers see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// A notice.
    Push,
    /// A poller.
    Poll,
    /// The timer, a new channel, an operator or the first read.
    Reconcile,
}

names! { Via { Push = "push", Poll = "poll", Reconcile = "reconcile" } }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_urgent_reason_gives_the_sync_its_name() {
        assert_eq!(SyncReason::Connect.most_urgent(SyncReason::Notice), SyncReason::Notice);
        assert_eq!(SyncReason::Operator.most_urgent(SyncReason::Notice), SyncReason::Operator);
        assert_eq!(SyncReason::Poll.most_urgent(SyncReason::Reconcile), SyncReason::Poll);
    }

    #[test]
    fn a_reason_from_a_newer_version_reads_as_reconcile() {
        let reason: SyncReason = serde_json::from_str("\"from_the_future\"").unwrap();
        assert_eq!(reason, SyncReason::Reconcile);
    }

    #[test]
    fn each_reason_has_its_urgency_and_its_attempts() {
        let rows = [
            (SyncReason::Connect, 4, 3),
            (SyncReason::Operator, 1, 5),
            (SyncReason::NewChannel, 3, 5),
            (SyncReason::Reconcile, 3, 5),
            (SyncReason::Notice, 2, 7),
            (SyncReason::Poll, 3, 2),
        ];
        for (reason, key, retries) in rows {
            assert_eq!((reason.priority().key(), reason.job_type().retries()), (key, retries), "{reason:?}");
        }
    }
}
