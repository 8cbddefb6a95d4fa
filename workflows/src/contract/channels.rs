//! The activities about push channels, and what they take and return.

#![expect(missing_docs, reason = "the SDK's macros generate constants without documentation")]

use evercal_domain::{ChannelId, RemoteChannelId, UnixMs, Watched};
use serde::{Deserialize, Serialize};
use temporalio_common::ActivityError;
use temporalio_macros::activity_definitions;

use crate::names;

pub use channel_activities::{CloseChannels, CreateChannel, RenewChannel, StopChannel};

/// The activities about channels.
pub struct ChannelActivities;

#[activity_definitions]
#[expect(clippy::unimplemented, reason = "the macro asks for this body; implementations are in `activities/`")]
impl ChannelActivities {
    #[activity(name = names::CREATE_CHANNEL)]
    pub async fn create_channel(_input: OpenChannelInput) -> Result<ChannelOpened, ActivityError> {
        unimplemented!()
    }

    #[activity(name = names::RENEW_CHANNEL)]
    pub async fn renew_channel(_input: OpenChannelInput) -> Result<ChannelOpened, ActivityError> {
        unimplemented!()
    }

    #[activity(name = names::STOP_CHANNEL)]
    pub async fn stop_channel(_input: StopChannelInput) -> Result<StopOutcome, ActivityError> {
        unimplemented!()
    }

    #[activity(name = names::CLOSE_CHANNELS)]
    pub async fn close_channels(_input: CloseChannelsInput) -> Result<ChannelsClosed, ActivityError> {
        unimplemented!()
    }
}

/// Input of `create_channel` and `renew_channel`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OpenChannelInput {
    /// What to watch.
    pub watched: Watched,
    /// The lifetime to ask for, in seconds. The provider may grant less.
    pub lifetime_s: u32,
    /// The live channel, where its end may be put off instead of opening another.
    pub renews: Option<Renewed>,
}

/// A live channel that is to be renewed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewed {
    /// Which.
    pub channel: ChannelRef,
    /// When it was last known to be alive.
    pub alive_at: UnixMs,
}

/// A channel that is live, and those that it makes superfluous.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelOpened {
    /// The channel.
    pub channel_id: ChannelId,
    /// What the provider calls it.
    pub remote_id: Option<RemoteChannelId>,
    /// When it was opened, or its end put off.
    pub opened_at: UnixMs,
    /// When the provider ends it.
    pub expires_at: UnixMs,
    /// All other channels on the same that may be alive: the old one, and those whose answer was lost.
    pub superseded: Vec<ChannelRef>,
    /// Whether it is the channel from before, whose end was put off: it announced changes all the time.
    pub kept: bool,
}

/// A channel that may be alive at the provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelRef {
    /// The channel.
    pub channel_id: ChannelId,
    /// What the provider calls it, where known.
    pub remote_id: Option<RemoteChannelId>,
    /// When it ends by itself; `None` where only a notice named it.
    pub expires_at: Option<UnixMs>,
}

/// Input of `stop_channel`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StopChannelInput {
    /// What it watches.
    pub watched: Watched,
    /// The channel.
    pub channel: ChannelRef,
}

/// What became of a channel that was to be stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopOutcome {
    /// It was in the register as alive and is stopped now. Its notice was a real one.
    Stopped,
    /// It had been stopped before, or ran out: late notices are normal.
    WasOver,
    /// It was not in the register; it is ours by its token, and is stopped now.
    OrphanStopped,
    /// It cannot be stopped, since no answer brought its remote id. It runs out by itself. An answer that only a newer version
    /// knows is parsed as this one, since it asks for nothing.
    #[serde(other)]
    NotStoppable,
}

/// Input of `close_channels`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CloseChannelsInput {
    /// What nobody is to watch any more.
    pub watched: Watched,
}

/// Answer of `close_channels`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ChannelsClosed {
    /// How many were stopped by this call.
    pub stopped: u32,
}
