//! What all of evercal may know of a provider's nature: a value, so that code chooses by it and never by a name.

use crate::provider::Provider;
use crate::strategy::SyncStrategy;

/// A provider's nature.
#[derive(Debug)]
pub struct Profile {
    /// Its name.
    pub provider: Provider,
    /// Its name, for people.
    pub title: &'static str,
    /// Whose services its conferences are, as far as they have names ([`ConferenceKind`](crate::event::ConferenceKind)).
    pub conference_kinds: &'static [&'static str],
    /// Whether it announces changes of a calendar's events.
    pub push: Push,
    /// Whether it announces changes of a user's list of calendars.
    pub list_push: Push,
    /// What becomes of a grant that is not needed any more.
    pub grants: Grants,
    /// What it means that a reading of everything does not have an event.
    pub absence: Absence,
    /// Where the occurrences of series come from.
    pub occurrences: Occurrences,
    /// What nobody set.
    pub defaults: Defaults,
}

impl Profile {
    /// Whether channels can be opened there, whose notices say that something changed.
    pub fn has_push(&self) -> bool {
        self.push != Push::None
    }

    /// Whether another channel takes the place of one that ends.
    pub fn replaces_channels(&self) -> bool {
        self.push == Push::Replaced
    }

    /// Whether a channel can be opened on a user's list of calendars.
    pub fn has_list_push(&self) -> bool {
        self.list_push != Push::None
    }

    /// Whether a grant can be given back.
    pub fn takes_grants_back(&self) -> bool {
        self.grants == Grants::TakenBack
    }
}

/// Whether a provider announces changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Push {
    /// By notices, for as long as a channel is open. Before one ends another is opened, and then the old one stopped: for a
    /// while there are both.
    Replaced,
    /// By notices, for as long as a channel is open. Its end is put off; the channel stays the same.
    Extended,
    /// Never: it has to be polled.
    None,
}

/// What becomes of a grant that is not needed any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grants {
    /// The provider takes it back.
    TakenBack,
    /// It stays until the person ends it at the provider.
    LeftToThePerson,
}

/// What it means that a reading of everything does not have an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absence {
    /// The event is gone.
    MeansDeleted,
    /// Nothing: the provider says of each event that it is gone.
    ProvesNothing,
    /// That the provider has to be asked for it.
    HasToBeConfirmed,
}

/// Where the occurrences of series come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occurrences {
    /// Their rules make them.
    ByRules,
    /// The provider makes them, for the window around the beginning of a pass over everything. A position goes on with the window of
    /// that pass, so that everything has to be read again before the window is too far behind.
    FromProvider,
}

/// What suits a provider, where an operator does not set it.
#[derive(Debug, Clone, Copy)]
pub struct Defaults {
    /// How its changes are found.
    pub strategy: SyncStrategy,
    /// The first backoff of a sync, in milliseconds.
    pub sync_backoff_initial_ms: u64,
    /// The lifetime that channels are asked for, in seconds.
    pub channel_lifetime_s: u32,
    /// By how much less a channel may ask to live, so that not all end together, in seconds.
    pub channel_lifetime_spread_s: u32,
    /// How long an authorization code is good for, in seconds.
    pub code_lives_s: u32,
    /// Events asked for in one page. Fewer round trips beat smaller transactions.
    pub page_events_max: u32,
    /// Events whose content is fetched at a time, where pages only name them.
    pub fetch_max: u32,
    /// Events asked for in one page at least, however large they are: so many at several MiB each still fit into an answer.
    pub page_events_min: u32,
}
