//! Who has to do with an event, and what they answered.

use serde::{Deserialize, Serialize};

/// Somebody's answer to an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// No answer yet.
    NeedsAction,
    /// Yes.
    Accepted,
    /// Perhaps.
    Tentative,
    /// No.
    Declined,
}

names! {
    Response { NeedsAction = "needs_action", Accepted = "accepted", Tentative = "tentative", Declined = "declined" }
}

/// An organizer or a guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Their address, where the provider sends it.
    pub email: Option<String>,
    /// Their name, where the provider sends it.
    pub name: Option<String>,
    /// Whether it is the account's own user.
    pub is_self: bool,
}

/// A guest and the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attendee {
    /// Who.
    pub person: Person,
    /// Their answer.
    pub response: Response,
    /// Whether they may stay away.
    pub optional: bool,
    /// Whether it is a room or a thing.
    pub resource: bool,
}
