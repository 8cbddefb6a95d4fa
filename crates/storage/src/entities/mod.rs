//! What a store keeps, one file for each entity: its repository trait, the types that go in and come out, and the rows
//! that they are read from. Not for: SQL, which stands in the file of the same name in `statements/`.

pub mod accounts;
pub mod authorizations;
pub mod calendars;
pub mod channels;
pub mod claims;
pub mod heartbeats;
pub mod journal;
pub mod tenants;
pub mod upkeep;
