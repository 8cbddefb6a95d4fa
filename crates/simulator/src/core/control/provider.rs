//! What a provider does for the control API: all that is about its own users, calendars, events and grants.

use serde_json::{Map, Value};

use super::super::changes::{BulkChanges, ChangeSummary};
use super::super::channels::ChannelReport;
use super::super::options::OauthClient;
use super::super::world::World;
use super::truth::{TrueEvent, Truth};
use super::types::{
    AddressChange, CalendarAccess, Consent, ControlError, IssuedTokens, NewCalendar, NewUser, TokenRequest,
};

/// A provider that can be controlled. Users are named by any address that they ever had, calendars by any id; events are
/// given and taken in the provider's own form. What a provider does not have, it refuses as [`ControlError::Invalid`].
pub trait ProviderControl: Sized + Send + 'static {
    /// Creates a user with a primary calendar, in a zone that exists.
    fn create_user(world: &mut World<Self>, user: &NewUser) -> Result<(), ControlError>;

    /// Gives a user another address.
    fn change_address(world: &mut World<Self>, user: &str, change: &AddressChange) -> Result<(), ControlError>;

    /// Creates a calendar, in a zone that exists, and answers with its id.
    fn create_calendar(world: &mut World<Self>, calendar: &NewCalendar) -> Result<String, ControlError>;

    /// Renames a calendar, and moves it to another zone, as its owner would.
    fn patch_calendar(
        world: &mut World<Self>,
        calendar: &str,
        summary: &str,
        time_zone: &str,
    ) -> Result<(), ControlError>;

    /// Deletes a calendar for everybody.
    fn delete_calendar(world: &mut World<Self>, calendar: &str) -> Result<(), ControlError>;

    /// Says whether a calendar accepts channels.
    fn set_watchable(world: &mut World<Self>, calendar: &str, watchable: bool) -> Result<(), ControlError>;

    /// Shares a calendar, changes the role, or takes the calendar away.
    fn set_access(world: &mut World<Self>, access: &CalendarAccess) -> Result<(), ControlError>;

    /// Lets the positions that clients keep in a calendar end, those of its last page included.
    fn expire_sync_tokens(world: &mut World<Self>, calendar: &str) -> Result<(), ControlError>;

    /// Inserts an event as the calendar's owner would.
    fn insert_event(
        world: &mut World<Self>,
        calendar: &str,
        event: Map<String, Value>,
    ) -> Result<Map<String, Value>, ControlError>;

    /// Changes some fields of an event, or of an instance of a series, as the calendar's owner would.
    fn patch_event(
        world: &mut World<Self>,
        calendar: &str,
        event: &str,
        change: Map<String, Value>,
    ) -> Result<Map<String, Value>, ControlError>;

    /// Deletes an event, or an instance of a series, as the calendar's owner would.
    fn delete_event(world: &mut World<Self>, calendar: &str, event: &str) -> Result<(), ControlError>;

    /// Makes the n-th change of a bulk change, counted from 0, and adds it to the summary.
    fn make_change(
        world: &mut World<Self>,
        bulk: &BulkChanges,
        position: u32,
        summary: &mut ChangeSummary,
    ) -> Result<(), ControlError>;

    /// Notifies the channels of a calendar once.
    fn announce_changes(world: &mut World<Self>, calendar: &str) -> Result<(), ControlError>;

    /// Every channel that ever was, with its notices, in the order of creation.
    fn channels(world: &World<Self>) -> Vec<ChannelReport>;

    /// Sets what a user does on the consent screen.
    fn set_consent(world: &mut World<Self>, consent: &Consent) -> Result<(), ControlError>;

    /// Gives a client tokens without a consent screen.
    fn issue_tokens(
        world: &mut World<Self>,
        client: &OauthClient,
        request: &TokenRequest,
    ) -> Result<IssuedTokens, ControlError>;

    /// A user takes all grants back; answers how many there were.
    fn revoke_grants(world: &mut World<Self>, user: &str) -> Result<usize, ControlError>;

    /// Access tokens expire now, of one user or of all; answers how many there were.
    fn expire_access_tokens(world: &mut World<Self>, user: Option<&str>) -> Result<usize, ControlError>;

    /// What a complete mirror of a calendar holds that reads as this user, or as the owner.
    fn truth(world: &World<Self>, calendar: &str, user: Option<&str>) -> Result<Truth, ControlError>;

    /// The single occurrences that this user, or the owner, sees between two instants (RFC 3339), in no order.
    fn occurrences(
        world: &World<Self>,
        calendar: &str,
        user: Option<&str>,
        from: &str,
        to: &str,
    ) -> Result<Vec<TrueEvent>, ControlError>;
}
