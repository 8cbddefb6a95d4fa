//! The providers that evercal is tested with: what a test has to know of one, so that what users rely on is said once and holds
//! for each of them. One provider more is one file more here, a line in the list below, and one in the list of behaviours.

mod control;
mod google;
mod graph;

use std::any::Any;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use evercal_domain::{ChannelId, Profile};
use evercal_http::HttpRequest;
use evercal_simulator::{ChannelReport, FaultAction};
use url::Url;

pub use control::ProviderControl;
pub use google::Google;
pub use graph::Graph;

/// The provider of tests in which it does not matter.
pub type AnyProvider = Google;

/// A simulated provider that runs, and how evercal gets to it.
#[async_trait]
pub trait ProviderUnderTest: Any + Send + Sync {
    /// Starts it, with nobody in it.
    async fn start() -> anyhow::Result<Self>
    where
        Self: Sized;

    /// Its nature, by which behaviours are chosen: those about channels and notices are for providers that have them.
    fn nature() -> &'static Profile
    where
        Self: Sized;

    /// Its nature.
    fn profile(&self) -> &'static Profile;

    /// The settings by which gateways and workers find it.
    fn settings(&self) -> Vec<(&'static str, String)>;

    /// What can be done to it.
    fn control(&self) -> &dyn ProviderControl;

    /// The id of a calendar: of a user's own one by their address, whatever its id is; any other has the name that it was given.
    fn calendar_named(&self, name: &str) -> String {
        name.to_owned()
    }

    /// What it calls a call; none where it has no such call.
    fn method(&self, call: ProviderCall) -> Option<&'static str>;

    /// What the names of all calls match that are made with an access token, as faults have it.
    fn calls_with_token(&self) -> &'static str;

    /// How it says that it refuses something.
    fn refusal(&self, refused: Refused) -> FaultAction;

    /// A notice as it sends it to a gateway.
    fn notice(&self, gateway: &Url, notice: &ChangeNotice) -> HttpRequest;

    /// The status that a notice gets which proves nothing.
    fn answer_to_forged_notices(&self) -> u16;

    /// Opens a channel on a user's calendar, as our worker would, without a row in the store.
    async fn open_stray_channel(
        &self,
        user: &str,
        channel: ChannelId,
        token: &str,
        gateway: &Url,
    ) -> anyhow::Result<()>;

    /// Inserts an event with these texts into a calendar.
    fn insert_marked_event(&self, calendar: &str, marked: &MarkedEvent<'_>);

    /// Puts events into a calendar that cannot be read, some with these texts and some with nonsense where something else
    /// belongs.
    fn insert_unreadable_events(&self, calendar: &str, marked: &MarkedEvent<'_>, nonsense: &str);

    /// From now on no page of a list of events has more items than this.
    fn set_page_items_max(&self, items: u32);

    /// Forgets what was deleted from a calendar, and when anything changed in it.
    fn forget_the_past(&self, calendar: &str);

    /// Ends it.
    async fn stop(self: Box<Self>);
}

/// Texts by which an event is found again wherever it went.
#[derive(Debug, Clone, Copy)]
pub struct MarkedEvent<'a> {
    /// Its title.
    pub title: &'a str,
    /// Where it takes place.
    pub place: &'a str,
    /// The address of its guest.
    pub guest: &'a str,
    /// When it starts.
    pub start: DateTime<Utc>,
}

/// The calls that we make to providers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProviderCall {
    /// Reads a page of a calendar's events.
    ReadEvents,
    /// Opens a channel on a calendar's events.
    OpenChannel,
    /// Puts off the end of a channel.
    ExtendChannel,
    /// Closes a channel.
    CloseChannel,
    /// Lists the channels of an account.
    ListChannels,
    /// Fetches what pages only named, many at a time.
    FetchEvents,
    /// Fetches one event.
    FetchEvent,
    /// Fetches the occurrences of a series.
    FetchInstances,
    /// Reads a page of a user's list of calendars.
    ListCalendars,
    /// Opens a channel on a user's list of calendars.
    OpenListChannel,
    /// Asks whose a grant is.
    WhoseGrant,
    /// Redeems a code of the consent page.
    Redeem,
    /// Renews an access token.
    Refresh,
    /// Gives a grant back.
    Revoke,
}

impl ProviderCall {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::ReadEvents,
        Self::OpenChannel,
        Self::ExtendChannel,
        Self::CloseChannel,
        Self::ListChannels,
        Self::FetchEvents,
        Self::FetchEvent,
        Self::FetchInstances,
        Self::ListCalendars,
        Self::OpenListChannel,
        Self::WhoseGrant,
        Self::Redeem,
        Self::Refresh,
        Self::Revoke,
    ];

    /// Whether it is about grants, and not made with an access token.
    pub fn is_sign_in(self) -> bool {
        matches!(self, Self::Redeem | Self::Refresh | Self::Revoke)
    }
}

/// What a provider refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Everything that this installation asks for.
    Installation,
    /// The credentials that this installation has from it, where grants are made and renewed.
    Client,
    /// All calendars of an account.
    Account,
    /// What is asked of this calendar.
    Calendar,
}

/// What a notice says, a true one or one that somebody made up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeNotice {
    /// The channel.
    pub channel_id: String,
    /// The proof.
    pub token: String,
    /// What the provider calls the channel or what it watches, as the provider itself or as the register has it.
    pub remote_id: String,
}

impl ChangeNotice {
    /// A true one of a channel.
    pub fn of(channel: &ChannelReport) -> Self {
        Self {
            channel_id: channel.id.clone(),
            token: channel.token.clone().unwrap_or_default(),
            remote_id: channel.remote_id.clone(),
        }
    }
}
