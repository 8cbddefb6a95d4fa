//! What hangs on an event: people, reminders, attachments, a way to meet.

use evercal_domain::event::{Attachment, Attendee, Conference, Person, Reminder, Reminders};
use serde::Serialize;
use utoipa::ToSchema;

use crate::vocabulary::{ConferenceKindName, ReminderMethodName, ResponseName};

/// How the guests of an event meet without being in one place.
#[derive(Serialize, ToSchema)]
#[schema(as = Conference)]
pub(super) struct ConferenceBody {
    /// What to open to join: a web address, or `tel:` and `sip:` where there is no other way.
    #[schema(example = "https://meet.example.com/abc-defg-hij")]
    url: String,
    /// Whose service it is.
    kind: ConferenceKindName,
}

impl From<Conference> for ConferenceBody {
    fn from(conference: Conference) -> Self {
        Self { url: conference.url, kind: ConferenceKindName(conference.kind) }
    }
}

/// Somebody who has to do with an event.
#[derive(Serialize, ToSchema)]
#[schema(as = Person)]
pub(super) struct PersonBody {
    /// Their address; null where the provider does not give it.
    #[schema(example = "robin@example.com")]
    email: Option<String>,
    /// Their name; null where the provider does not give it.
    name: Option<String>,
    /// Whether it is the account's own user.
    #[serde(rename = "self")]
    is_self: bool,
}

impl From<Person> for PersonBody {
    fn from(person: Person) -> Self {
        Self { email: person.email, name: person.name, is_self: person.is_self }
    }
}

/// A guest, and their answer.
#[derive(Serialize, ToSchema)]
#[schema(as = Attendee)]
pub(super) struct AttendeeBody {
    #[serde(flatten)]
    person: PersonBody,
    /// Their answer.
    response: ResponseName,
    /// Whether they may stay away.
    optional: bool,
    /// Whether it is a room or a thing.
    resource: bool,
}

impl From<Attendee> for AttendeeBody {
    fn from(attendee: Attendee) -> Self {
        Self {
            person: attendee.person.into(),
            response: ResponseName(attendee.response),
            optional: attendee.optional,
            resource: attendee.resource,
        }
    }
}

/// When the account's user is reminded of an event.
#[derive(Serialize, ToSchema)]
#[schema(as = Reminders)]
pub(super) struct RemindersBody {
    /// Whether the calendar's own reminders hold; then there are no others.
    use_default: bool,
    /// The event's own ones.
    own: Vec<ReminderBody>,
}

impl From<Reminders> for RemindersBody {
    fn from(reminders: Reminders) -> Self {
        let own = reminders.own.into_iter().map(ReminderBody::from).collect();
        Self { use_default: reminders.use_default, own }
    }
}

/// One reminder.
#[derive(Serialize, ToSchema)]
#[schema(as = Reminder)]
struct ReminderBody {
    /// How.
    method: ReminderMethodName,
    /// How long before the start, in minutes; less than none is after it.
    #[schema(example = 10)]
    minutes_before: i64,
}

impl From<Reminder> for ReminderBody {
    fn from(reminder: Reminder) -> Self {
        Self { method: ReminderMethodName(reminder.method), minutes_before: reminder.minutes_before }
    }
}

/// A file that hangs on an event. evercal keeps only where it is.
#[derive(Serialize, ToSchema)]
#[schema(as = Attachment)]
pub(super) struct AttachmentBody {
    /// Its name; null where the provider does not give it.
    title: Option<String>,
    /// Its web address.
    #[schema(example = "https://drive.example.com/open?id=1x")]
    url: String,
}

impl From<Attachment> for AttachmentBody {
    fn from(attachment: Attachment) -> Self {
        Self { title: attachment.title, url: attachment.url }
    }
}
