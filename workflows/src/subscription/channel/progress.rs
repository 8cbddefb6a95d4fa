//! What the channel lane knows: the live channel, failed attempts, the poller, and channels that are to be stopped.

use evercal_domain::{ChannelId, UnixMs};
use serde::{Deserialize, Serialize};

use crate::contract::{Alert, ChannelHint, ChannelRef, Failure};
use crate::due::Due;
use crate::shared::live_channel::LiveChannel;
use crate::shared::waits::WaitReason;
use crate::subscription::trouble::Trouble;

/// Channels waiting to be stopped. Tokens are signed, so only channels that we once made get here; a further one is
/// named again by its next notice.
pub(in crate::subscription) const TO_STOP_MAX: usize = 64;
/// Channels remembered as over, so that their late notices cost nothing. Older ones are looked up in the register.
pub(in crate::subscription) const OVER_MAX: usize = 16;

/// What the channel lane knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelProgress {
    /// The channel that is live.
    pub live: Option<LiveChannel>,
    /// Whether an attempt is under way.
    pub attempting: bool,
    /// Failed attempts since a channel was last had.
    pub failures: u32,
    /// Those among them that said not found or forbidden.
    pub refusals: u32,
    /// When the next attempt is due, if the last one failed.
    pub next_attempt: Option<Due>,
    /// Why that attempt waits.
    pub wait_reason: WaitReason,
    /// The last failure that counted, for people.
    pub last_failure: Option<Failure>,
    /// What stands in the way of a channel beside failed attempts.
    pub trouble: Option<Trouble>,
    /// The ladder is used up: a poller stands in.
    pub fallback: bool,
    /// The calendar cannot be watched: a poller does it all.
    pub poll_only: bool,
    /// Watching was just chosen: the poller goes on until the first channel is had.
    pub bridging: bool,
    /// The poller.
    pub poller: Poller,
    /// The alert about the lost channel, as it was last sent.
    pub alert: Alert,
    /// The channel is suspect: replace it now.
    pub renew_requested: bool,
    /// Channels to stop.
    pub to_stop: Vec<ToStop>,
    /// Channels that are over.
    pub over: Vec<ChannelId>,
    /// Hints that came while an attempt was under way, from channels that may be the one being made.
    pub unidentified: Vec<ChannelHint>,
}

/// The poller, as the lane left it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Poller {
    /// It was told to end, or never started.
    #[default]
    Stopped,
    /// It was started.
    Runs {
        /// Seconds between two looks, as this run told it; `None` where it did not yet.
        told_interval_s: Option<u32>,
    },
}

impl Poller {
    /// Whether it was started.
    pub fn runs(self) -> bool {
        self != Self::Stopped
    }

    /// What the next run knows of it. Each run tells it its interval, so that one that somebody ended is missed.
    pub(in crate::subscription) fn in_next_run(self) -> Self {
        match self {
            Self::Stopped => Self::Stopped,
            Self::Runs { .. } => Self::Runs { told_interval_s: None },
        }
    }
}

/// A channel to stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToStop {
    /// Which.
    pub channel: ChannelRef,
    /// Whether only a notice told us of it.
    pub stray: bool,
    /// When to try (again).
    pub not_before: Due,
}

impl ChannelProgress {
    /// Forgets failed attempts.
    pub(in crate::subscription) fn start_afresh(&mut self) {
        self.failures = 0;
        self.refusals = 0;
        self.next_attempt = None;
        self.wait_reason = WaitReason::default();
        self.last_failure = None;
        self.trouble = None;
    }

    /// An attempt that waits is made now, and so is what could not be stopped.
    pub(in crate::subscription) fn hurry(&mut self) {
        self.next_attempt = self.next_attempt.map(|_| Due::Now);
        self.to_stop.iter_mut().for_each(|entry| entry.not_before = Due::Now);
    }

    /// No channel is wanted any more: the live one is stopped, and what failed before does not matter.
    pub(in crate::subscription) fn set_aside(&mut self) {
        self.start_afresh();
        self.fallback = false;
        self.bridging = false;
        self.renew_requested = false;
        if let Some(live) = self.live.take() {
            let LiveChannel { channel_id, remote_id, expires_at, .. } = live;
            self.add_to_stop(ChannelRef { channel_id, remote_id, expires_at: Some(expires_at) }, false);
        }
    }

    /// Finds out whose notice a hint is; whether it may announce something.
    pub(in crate::subscription) fn place(&mut self, hint: &ChannelHint) -> bool {
        if self.live.as_ref().is_some_and(|live| live.channel_id == hint.channel_id) {
            return true;
        }
        if self.to_stop.iter().any(|entry| entry.channel.channel_id == hint.channel_id && !entry.stray) {
            return true;
        }
        if self.over.contains(&hint.channel_id) {
            return false;
        }
        if self.attempting {
            // A `sync` message (or a first notice) may overtake the answer that makes the channel known.
            if self.unidentified.len() < TO_STOP_MAX && !self.unidentified.contains(hint) {
                self.unidentified.push(hint.clone());
            }
            return true;
        }
        self.add_stray(hint);
        false
    }

    /// After an attempt: hints from the new channel were right, all others are strays.
    pub(in crate::subscription) fn identify(&mut self) {
        for hint in std::mem::take(&mut self.unidentified) {
            let known = self.live.as_ref().is_some_and(|live| live.channel_id == hint.channel_id)
                || self.to_stop.iter().any(|entry| entry.channel.channel_id == hint.channel_id);
            if !known {
                self.add_stray(&hint);
            }
        }
    }

    fn add_stray(&mut self, hint: &ChannelHint) {
        let channel = ChannelRef { channel_id: hint.channel_id, remote_id: hint.remote_id.clone(), expires_at: None };
        self.add_to_stop(channel, true);
    }

    pub(in crate::subscription) fn add_to_stop(&mut self, channel: ChannelRef, stray: bool) {
        let listed = self.to_stop.iter().any(|entry| entry.channel.channel_id == channel.channel_id);
        if !listed && self.to_stop.len() < TO_STOP_MAX {
            self.to_stop.push(ToStop { channel, stray, not_before: Due::Now });
        }
    }

    /// A channel is over, one way or the other.
    pub fn settled(&mut self, id: ChannelId) {
        self.to_stop.retain(|entry| entry.channel.channel_id != id);
        if !self.over.contains(&id) {
            self.over.push(id);
        }
        if self.over.len() > OVER_MAX {
            self.over.remove(0);
        }
    }

    /// Stopping failed: again later, unless it has run out by then anyway.
    pub(in crate::subscription) fn stop_later(&mut self, id: ChannelId, at: UnixMs) {
        let Some(entry) = self.to_stop.iter_mut().find(|entry| entry.channel.channel_id == id) else { return };
        let is_over = entry.channel.expires_at.is_none_or(|expires_at| expires_at <= at);
        if is_over && !entry.stray {
            self.settled(id);
        } else {
            entry.not_before = Due::At(at);
        }
    }

    /// A stray could not be stopped, and nobody knows when it ends: its next notice names it again.
    pub(in crate::subscription) fn forget_stray(&mut self, id: ChannelId) {
        self.to_stop.retain(|entry| entry.channel.channel_id != id);
    }

    pub(in crate::subscription) fn is_stray(&self, id: ChannelId) -> bool {
        self.to_stop.iter().any(|entry| entry.channel.channel_id == id && entry.stray)
    }
}
