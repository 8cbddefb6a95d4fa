//! What a subscription has of a push channel, and how far the attempts at one have come.

use evercal_domain::{SyncStrategy, UnixMs};
use serde::{Deserialize, Serialize};

use super::poller::Poller;
use crate::contract::{Cause, Failure};
use crate::due::Due;
use crate::shared::failure::FailedCall;
use crate::shared::live_channel::LiveChannel;
use crate::shared::waits::WaitReason;
use crate::subscription::trouble::Trouble;

/// The push channel of a subscription. Which of these it is follows the strategy: where that wants no channel, none is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Push {
    /// No channel is wanted.
    Unwanted,
    /// The provider cannot watch this calendar: a poller does it all.
    Unsupported {
        /// A channel from before, whose notices count until it ends.
        live: Option<LiveChannel>,
    },
    /// A channel is wanted.
    Wanted(WantedChannel),
}

/// A channel that is wanted: what there is of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantedChannel {
    /// The channel that is live.
    pub live: Option<LiveChannel>,
    /// Whether the live channel may announce nothing any more: then another one takes its place, and its end is not put off.
    pub is_suspect: bool,
    /// The provider's wish that it be extended before its time, where it had one.
    pub extension: Option<EarlyExtension>,
    /// When the next attempt at one is made.
    pub next: NextAttempt,
    /// The attempts that failed since a channel was last opened.
    pub failed: Option<FailedAttempts>,
    /// Who finds changes until there is a channel.
    pub cover: Cover,
}

/// The provider's wish that a channel be extended before its time. Of one life of a channel it is kept once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlyExtension {
    /// When the channel ended as it was then.
    pub expires_at: UnixMs,
    /// When it is extended; none where that is done.
    pub due_at: Option<UnixMs>,
}

/// When the next attempt at a channel is made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NextAttempt {
    /// When the live channel has to be renewed; at once where there is none.
    #[default]
    Planned,
    /// At once: the live channel is suspect.
    AtOnce,
    /// After a pause, since the one before failed.
    Repeated {
        /// When.
        due: Due,
        /// Why it waits until then.
        reason: WaitReason,
        /// What stands in the way beside failed attempts.
        trouble: Option<Trouble>,
    },
}

/// Failed attempts, one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedAttempts {
    /// How many.
    pub count: u32,
    /// How many of the last ones said not found or forbidden.
    pub refusals: u32,
    /// How the last one failed, for people.
    pub last: Failure,
}

/// Who finds changes while a channel is wanted and may be missing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cover {
    /// Nobody: the channel is there, or will be soon.
    #[default]
    Nobody,
    /// The poller that ran before a channel was wanted, until the first one is open.
    PollerUntilFirstChannel,
    /// A poller, and an alert is raised: the ladder is used up.
    Fallback,
}

impl Default for Push {
    fn default() -> Self {
        Self::Wanted(WantedChannel::default())
    }
}

impl Push {
    /// For a subscription that begins.
    pub(in crate::subscription) fn first(strategy: SyncStrategy) -> Self {
        if strategy.watches() { Self::default() } else { Self::Unwanted }
    }

    /// Another strategy was chosen; answers the live channel where it wants none. Whichever way it goes, changes are found
    /// without a gap: a poller that runs goes on until the first channel is open.
    pub(in crate::subscription) fn follow(&mut self, strategy: SyncStrategy, poller: Poller) -> Option<LiveChannel> {
        let is_wanted = strategy.watches();
        match self {
            Self::Wanted(wanted) if is_wanted => {
                if wanted.cover != Cover::Fallback {
                    wanted.cover = Cover::until_first_channel(wanted.live.as_ref(), poller);
                }
                None
            }
            Self::Wanted(WantedChannel { live, .. }) => {
                let unwanted = live.take();
                *self = Self::Unwanted;
                unwanted
            }
            Self::Unwanted if is_wanted => {
                let cover = Cover::until_first_channel(None, poller);
                *self = Self::Wanted(WantedChannel { cover, ..WantedChannel::default() });
                None
            }
            Self::Unsupported { live } if !is_wanted => live.take(),
            Self::Unwanted | Self::Unsupported { .. } => None,
        }
    }

    /// A channel was opened; answers it back where nobody wants it.
    pub(in crate::subscription) fn opened(&mut self, live: LiveChannel) -> Option<LiveChannel> {
        match self {
            Self::Wanted(wanted) => {
                *wanted = WantedChannel { live: Some(live), ..WantedChannel::default() };
                None
            }
            Self::Unwanted | Self::Unsupported { .. } => Some(live),
        }
    }

    /// The live channel ends then.
    pub(in crate::subscription) fn ends_at(&mut self, expires_at: UnixMs) {
        if let Self::Wanted(WantedChannel { live: Some(live), .. }) | Self::Unsupported { live: Some(live) } = self {
            live.expires_at = expires_at;
        }
    }

    /// The live channel was extended; answers it back where nobody wants it. What makes it suspect may have come meanwhile.
    pub(in crate::subscription) fn extended(&mut self, live: LiveChannel) -> Option<LiveChannel> {
        let Self::Wanted(wanted) = self else { return Some(live) };
        let extension = wanted.extension.map(|extension| EarlyExtension { due_at: None, ..extension });
        let is_suspect = wanted.is_suspect;
        let next = if is_suspect { NextAttempt::AtOnce } else { NextAttempt::Planned };
        *wanted = WantedChannel { live: Some(live), is_suspect, extension, next, ..WantedChannel::default() };
        None
    }

    /// The provider wishes that the live channel be extended, then.
    pub(in crate::subscription) fn extend_early(&mut self, at: UnixMs) {
        if let Self::Wanted(WantedChannel { live: Some(live), extension, .. }) = self {
            *extension = Some(EarlyExtension { expires_at: live.expires_at, due_at: Some(at) });
        }
    }

    /// Whether the provider's wish that the channel be extended is still to be kept.
    pub(in crate::subscription) fn is_extended_early(&self) -> bool {
        matches!(self, Self::Wanted(WantedChannel { extension: Some(EarlyExtension { due_at: Some(_), .. }), .. }))
    }

    /// An attempt failed. What ran out meanwhile is forgotten.
    pub(in crate::subscription) fn count_failure(&mut self, failed: &FailedCall, now: UnixMs) {
        let Self::Wanted(wanted) = self else { return };
        wanted.live.take_if(|live| live.expires_at <= now);
        wanted.is_suspect &= wanted.live.is_some();
        if is_counted(failed.cause()) {
            let (count, refusals) = wanted.failed.as_ref().map_or((0, 0), |failed| (failed.count, failed.refusals));
            let refusals = if failed.cause().is_refusal() { refusals.saturating_add(1) } else { 0 };
            let last = failed.failure.clone();
            wanted.failed = Some(FailedAttempts { count: count.saturating_add(1), refusals, last });
        } else if let Some(failed) = &mut wanted.failed {
            failed.refusals = 0;
        }
    }

    /// The provider cannot watch this calendar.
    pub(in crate::subscription) fn mark_unsupported(&mut self) {
        let live = match self {
            Self::Wanted(WantedChannel { live, .. }) | Self::Unsupported { live } => live.take(),
            Self::Unwanted => None,
        };
        *self = Self::Unsupported { live };
    }

    /// What was in the way is gone: failed attempts are forgotten, and the next one is made at once.
    pub(in crate::subscription) fn start_afresh(&mut self) {
        if let Self::Wanted(wanted) = self {
            wanted.failed = None;
            wanted.next = NextAttempt::AtOnce;
            wanted.is_suspect = wanted.live.is_some();
        }
    }

    /// The live channel is suspect: it is replaced now, or when the pause after a failed attempt is over.
    pub(in crate::subscription) fn suspect(&mut self) {
        if let Self::Wanted(wanted @ WantedChannel { live: Some(_), .. }) = self {
            wanted.is_suspect = true;
            if wanted.next == NextAttempt::Planned {
                wanted.next = NextAttempt::AtOnce;
            }
        }
    }

    /// An attempt that waits is made now.
    pub(in crate::subscription) fn hurry(&mut self) {
        if let Self::Wanted(WantedChannel { next: NextAttempt::Repeated { due, .. }, .. }) = self {
            *due = Due::Now;
        }
    }

    /// The channel that is live.
    pub fn live(&self) -> Option<&LiveChannel> {
        match self {
            Self::Wanted(WantedChannel { live, .. }) | Self::Unsupported { live } => live.as_ref(),
            Self::Unwanted => None,
        }
    }

    /// Failed attempts since a channel was last opened.
    pub fn failed(&self) -> Option<&FailedAttempts> {
        match self {
            Self::Wanted(wanted) => wanted.failed.as_ref(),
            Self::Unwanted | Self::Unsupported { .. } => None,
        }
    }

    /// When an attempt is repeated that failed.
    pub fn repeated_at(&self) -> Option<Due> {
        match self {
            Self::Wanted(WantedChannel { next: NextAttempt::Repeated { due, .. }, .. }) => Some(*due),
            _ => None,
        }
    }

    /// What ends the wait before the next attempt; where none waits, whatever may have recovered.
    pub(in crate::subscription) fn wait_reason(&self) -> WaitReason {
        match self {
            Self::Wanted(WantedChannel { next: NextAttempt::Repeated { reason, .. }, .. }) => *reason,
            _ => WaitReason::Recovery,
        }
    }

    /// What stands in the way of a channel beside failed attempts.
    pub(in crate::subscription) fn trouble(&self) -> Option<&Trouble> {
        match self {
            Self::Wanted(WantedChannel { next: NextAttempt::Repeated { trouble, .. }, .. }) => trouble.as_ref(),
            _ => None,
        }
    }

    /// Whether an alert says that the channel is lost.
    pub(in crate::subscription) fn is_lost(&self) -> bool {
        matches!(self, Self::Wanted(WantedChannel { cover: Cover::Fallback, .. }))
    }

    /// Whether there is to be a channel.
    pub(in crate::subscription) fn is_wanted(&self) -> bool {
        matches!(self, Self::Wanted(_))
    }

    /// Whether a poller has to run, whatever the strategy says.
    pub(in crate::subscription) fn needs_poller(&self) -> bool {
        match self {
            Self::Unwanted | Self::Unsupported { .. } => true,
            Self::Wanted(wanted) => wanted.cover != Cover::Nobody,
        }
    }
}

impl Cover {
    fn until_first_channel(live: Option<&LiveChannel>, poller: Poller) -> Self {
        match (live, poller) {
            (None, Poller::Runs { .. }) => Self::PollerUntilFirstChannel,
            (Some(_), _) | (None, Poller::Stopped) => Self::Nobody,
        }
    }
}

/// Whether a failed attempt is a rung of the ladder. What is refused whatever the calendar says nothing about this channel.
pub(in crate::subscription) fn is_counted(cause: Cause) -> bool {
    !cause.is_wider()
}
