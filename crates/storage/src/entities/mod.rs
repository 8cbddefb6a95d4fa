//! What a store keeps, one file for each entity: its repository trait, the types that go in and come out, and the rows
//! that they are read from. Not for: SQL, which stands in the file of the same name in `statements/`.

pub mod accounts;
pub mod authorizations;
pub mod calendars;
pub mod channels;
pub mod claims;
pub mod heartbeats;
pub mod journal;
pub mod mirror;
pub mod tenants;
pub mod upkeep;

use self::accounts::Accounts;
use self::authorizations::Authorizations;
use self::calendars::Calendars;
use self::channels::Channels;
use self::claims::Claims;
use self::heartbeats::Heartbeats;
use self::journal::Journal;
use self::mirror::Mirror;
use self::tenants::Tenants;
use self::upkeep::Upkeep;

/// Everything at once; what composition roots pass around.
pub trait Store:
    Tenants
    + Accounts
    + Authorizations
    + Calendars
    + Channels
    + Mirror
    + Journal
    + Heartbeats
    + Claims
    + Upkeep
    + Send
    + Sync
{
}

impl<T> Store for T where
    T: Tenants
        + Accounts
        + Authorizations
        + Calendars
        + Channels
        + Mirror
        + Journal
        + Heartbeats
        + Claims
        + Upkeep
        + Send
        + Sync
{
}
