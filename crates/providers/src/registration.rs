//! What the rest of evercal knows of a provider: its [`Registration`], and what gateways and workers make of that.

use std::fmt;
use std::sync::Arc;

use evercal_config::{ConfigError, Described, Lookup, Setting};
use evercal_domain::channel_token::ChannelTokenKeys;
use evercal_domain::{Profile, SyncStrategy};
use evercal_http::Transport;

use crate::notices::NoticeReader;
use crate::oauth::ConsentPage;
use crate::provider::CalendarProvider;
use crate::tokens::SignInCalls;

/// A provider that is compiled in.
pub struct Registration {
    /// Its nature.
    pub profile: &'static Profile,
    /// The setting that turns it on: without it, the provider is off.
    pub turned_on_by: &'static dyn Described,
    /// How its changes are found.
    pub strategy: &'static Setting<SyncStrategy>,
    /// Its other settings, in the order in which people are shown them.
    pub settings: &'static [&'static dyn Described],
    /// The keys of its own that prove its notices, where they may be set; else they are made of those of all providers.
    pub keys: Option<&'static Setting<Option<ChannelTokenKeys>>>,
    /// How long its channels are asked to live, in seconds, where that has a setting; none leaves it at the profile's.
    pub channel_lifetime_s: Read<u32>,
    /// Reads what a gateway needs; none where it is off.
    pub edge: Read<Edge>,
    /// Reads what a worker needs; none where it is off.
    pub connect: Read<Connect>,
}

/// Makes something of a provider's settings; none where it is off.
pub type Read<T> = fn(&Lookup<'_>) -> Result<Option<T>, ConfigError>;

/// What browsers and the provider meet at a gateway.
#[derive(Clone)]
pub struct Edge {
    /// Reads its notices.
    pub notices: Arc<dyn NoticeReader>,
    /// Where people consent.
    pub consent: Arc<dyn ConsentPage>,
}

/// Makes the calls to a provider, which go out through the transport.
pub type Connect = Arc<dyn Fn(Arc<dyn Transport>) -> Calls + Send + Sync>;

/// The calls to a provider.
#[derive(Clone)]
pub struct Calls {
    /// About calendars.
    pub calendars: Arc<dyn CalendarProvider>,
    /// By which its accounts sign in.
    pub sign_in: SignInCalls,
}

/// A provider that is on, as a gateway meets it.
#[derive(Clone)]
pub struct Front {
    /// Its nature.
    pub profile: &'static Profile,
    /// The keys that prove its notices.
    pub keys: ChannelTokenKeys,
    /// What browsers and the provider meet.
    pub edge: Edge,
}

/// A provider that is on, as a worker calls it.
#[derive(Clone)]
pub struct Configured {
    /// Its nature.
    pub profile: &'static Profile,
    /// The keys that sign its channel tokens.
    pub keys: ChannelTokenKeys,
    /// Makes its calls.
    pub connect: Connect,
}

impl fmt::Debug for Front {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Front").field("provider", &self.profile.provider).finish_non_exhaustive()
    }
}

impl fmt::Debug for Configured {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Configured").field("provider", &self.profile.provider).finish_non_exhaustive()
    }
}
