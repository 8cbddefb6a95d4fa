//! What the channel lane knows: the channel, the attempt at one, the poller, and channels that are to be stopped.

use evercal_domain::{ChannelId, UnixMs};
use serde::{Deserialize, Serialize};

use super::poller::Poller;
use super::push::Push;
use crate::contract::{Alert, ChannelHint, ChannelRef};
use crate::due::Due;
use crate::shared::live_channel::LiveChannel;

/// Channels waiting to be stopped. Tokens are signed, so only channels that we once made get here; a further one is
/// named again by its next notice.
pub(in crate::subscription) const TO_STOP_MAX: usize = 64;
/// Channels remembered as over, so that their late notices cost nothing. Older ones are looked up in the register.
pub(in crate::subscription) const OVER_MAX: usize = 16;

/// What the channel lane knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelProgress {
    /// The channel, as far as one is wanted.
    pub push: Push,
    /// The attempt at a channel that is under way, where one is.
    pub attempt: Option<RunningAttempt>,
    /// The poller.
    pub poller: Poller,
    /// The alert about the lost channel, as it was last sent.
    pub alert: Alert,
    /// Channels to stop.
    pub to_stop: Vec<ToStop>,
    /// Channels that are over.
    pub over: Vec<ChannelId>,
}

/// An attempt at a channel that is under way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningAttempt {
    /// Hints that came meanwhile, from channels that may be the one being made.
    pub unidentified: Vec<ChannelHint>,
}

/// A channel to stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToStop {
    /// Which.
    pub channel: ChannelRef,
    /// Why.
    pub reason: StopReason,
    /// When to try (again).
    pub not_before: Due,
}

/// Why a channel is to be stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// It is one of ours that nobody needs any more; until it is stopped, its notices count.
    Superfluous,
    /// Only a notice named it, so that what it announces may be nothing of ours.
    Stray,
}

impl ChannelProgress {
    /// An attempt that waits is made now, and so is what could not be stopped.
    pub(in crate::subscription) fn hurry(&mut self) {
        self.push.hurry();
        self.to_stop.iter_mut().for_each(|entry| entry.not_before = Due::Now);
    }

    /// Finds out whose notice a hint is; whether it may announce something.
    pub(in crate::subscription) fn identify(&mut self, hint: &ChannelHint) -> bool {
        if self.push.live().is_some_and(|live| live.is_of(hint)) {
            return true;
        }
        if self.is_to_stop(hint.channel_id, StopReason::Superfluous) {
            return true;
        }
        if self.over.contains(&hint.channel_id) {
            return false;
        }
        if let Some(RunningAttempt { unidentified }) = &mut self.attempt {
            // A `sync` message (or a first notice) may overtake the answer that makes the channel known.
            if unidentified.len() < TO_STOP_MAX && !unidentified.contains(hint) {
                unidentified.push(hint.clone());
            }
            return true;
        }
        self.add_stray(hint);
        false
    }

    /// The attempt under way is over. Hints from the channel that it made were right, where it made one; all others are strays.
    pub(in crate::subscription) fn attempt_ends(&mut self, made: Option<ChannelId>) {
        let attempt = self.attempt.take().unwrap_or_default();
        for hint in attempt.unidentified {
            let id = hint.channel_id;
            let is_listed = self.to_stop.iter().any(|entry| entry.channel.channel_id == id);
            let is_live = self.push.live().is_some_and(|live| live.is_of(&hint));
            if made != Some(id) && !is_live && !is_listed {
                self.add_stray(&hint);
            }
        }
    }

    fn add_stray(&mut self, hint: &ChannelHint) {
        let channel = ChannelRef { channel_id: hint.channel_id, remote_id: hint.remote_id.clone(), expires_at: None };
        self.add_to_stop(channel, StopReason::Stray);
    }

    /// A channel that is not wanted, where there is one, is stopped.
    pub(in crate::subscription) fn stop_unwanted(&mut self, unwanted: Option<LiveChannel>) {
        if let Some(unwanted) = unwanted {
            self.add_to_stop(unwanted.into(), StopReason::Superfluous);
        }
    }

    pub(in crate::subscription) fn add_to_stop(&mut self, channel: ChannelRef, reason: StopReason) {
        let listed = self.to_stop.iter().any(|entry| entry.channel.channel_id == channel.channel_id);
        if !listed && self.to_stop.len() < TO_STOP_MAX {
            self.to_stop.push(ToStop { channel, reason, not_before: Due::Now });
        }
    }

    /// A channel is over, one way or the other.
    pub fn mark_over(&mut self, id: ChannelId) {
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
        if is_over && entry.reason == StopReason::Superfluous {
            self.mark_over(id);
        } else {
            entry.not_before = Due::At(at);
        }
    }

    /// A stray could not be stopped, and nobody knows when it ends: its next notice names it again.
    pub(in crate::subscription) fn forget_stray(&mut self, id: ChannelId) {
        self.to_stop.retain(|entry| entry.channel.channel_id != id);
    }

    /// Whether a channel is to be stopped for this reason.
    pub(in crate::subscription) fn is_to_stop(&self, id: ChannelId, reason: StopReason) -> bool {
        self.to_stop.iter().any(|entry| entry.channel.channel_id == id && entry.reason == reason)
    }
}
