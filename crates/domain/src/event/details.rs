//! What an event says beside when it is: who may see it, how it shows in a day, reminders, attachments, a way to meet.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// Who may see more of an event than its times (RFC 5545 section 3.8.1.3, `CLASS`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// Whoever may read the calendar.
    #[default]
    Public,
    /// Its guests.
    Private,
    /// Its guests, and it is marked as something to keep to oneself.
    Confidential,
}

names! { Visibility { Public = "public", Private = "private", Confidential = "confidential" } }

/// How an event shows in the day of the account's user, as its author wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShowAs {
    /// It takes no time (RFC 5545 section 3.8.2.7, `TRANSPARENT`).
    Free,
    /// It may take the time.
    Tentative,
    /// It takes the time.
    Busy,
    /// It takes the time, and the user is away.
    OutOfOffice,
    /// It says where the user works, and takes no time.
    WorkingElsewhere,
}

names! {
    ShowAs {
        Free = "free",
        Tentative = "tentative",
        Busy = "busy",
        OutOfOffice = "out_of_office",
        WorkingElsewhere = "working_elsewhere",
    }
}

impl ShowAs {
    /// Whether it takes time.
    pub fn takes_time(self) -> bool {
        match self {
            Self::Free | Self::WorkingElsewhere => false,
            Self::Tentative | Self::Busy | Self::OutOfOffice => true,
        }
    }
}

/// When the account's user is reminded of an event.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reminders {
    /// Whether the calendar's own reminders hold for it; then `own` is empty.
    #[serde(default)]
    pub use_default: bool,
    /// Its own ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub own: Vec<Reminder>,
}

impl Reminders {
    /// Whether nothing was said of them.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// One reminder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reminder {
    /// How.
    pub method: ReminderMethod,
    /// How long before the start, in minutes; less than none is after it.
    pub minutes_before: i64,
}

/// How somebody is reminded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReminderMethod {
    /// On a screen.
    Popup,
    /// By a letter.
    Email,
    /// In a way that has no name here.
    Other,
}

names! { ReminderMethod { Popup = "popup", Email = "email", Other = "other" } }

/// A file that hangs on an event. Only where it is: evercal reads none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Its name, where the provider sends it.
    pub title: Option<String>,
    /// Its web address.
    pub url: String,
}

/// How the guests of an event meet without being in one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conference {
    /// What to open to join: a web address, or `tel:` and `sip:` where there is no other way.
    pub url: String,
    /// Whose service it is.
    pub kind: ConferenceKind,
}

/// Whose service a conference is: an open name. Those of a provider's own services stand in its profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConferenceKind(Cow<'static, str>);

impl ConferenceKind {
    /// A service that somebody added to the calendar.
    pub const THIRD_PARTY: Self = Self::new("third_party");

    /// A service by its name.
    pub const fn new(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
