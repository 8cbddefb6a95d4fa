//! What an event says beside when it is, as Microsoft says it (<https://learn.microsoft.com/graph/api/resources/event>).
//! Whatever is odd about one of these costs that one alone.

use evercal_domain::event::{
    Attendee, Conference, ConferenceKind, Person, Reminder, ReminderMethod, Reminders, Response, ShowAs, Visibility,
};
use serde::Deserialize;

use super::profile::{SKYPE, TEAMS};

/// An address to join a meeting in characters; those of Teams have about 400.
const URL_CHARS_MAX: usize = 2_048;
/// What can be opened. Addresses come from whoever made the event, so no others are passed on.
const SCHEMES: [&str; 4] = ["https:", "http:", "sip:", "sips:"];

/// How an event shows in the day of the account's user.
pub(super) fn show_as(name: Option<&str>) -> ShowAs {
    match name {
        Some("free") => ShowAs::Free,
        Some("tentative") => ShowAs::Tentative,
        Some("oof") => ShowAs::OutOfOffice,
        Some("workingElsewhere") => ShowAs::WorkingElsewhere,
        // `busy`, `unknown`, and any value that we do not know: no time is given away by mistake.
        _ => ShowAs::Busy,
    }
}

/// Who may see its details. One that is personal is shown to fewer people rather than to more.
pub(super) fn visibility(sensitivity: Option<&str>) -> Visibility {
    match sensitivity {
        Some("private" | "personal") => Visibility::Private,
        Some("confidential") => Visibility::Confidential,
        _ => Visibility::Public,
    }
}

/// What the account's user answered. Whoever organizes it was not asked.
pub(super) fn self_response(status: Option<&WireStatus>) -> Option<Response> {
    match status?.response.as_deref()? {
        "none" | "organizer" => None,
        other => Some(response(other)),
    }
}

fn response(name: &str) -> Response {
    match name {
        "accepted" | "organizer" => Response::Accepted,
        "tentativelyAccepted" => Response::Tentative,
        "declined" => Response::Declined,
        // `none`, `notResponded`, and any value that we do not know.
        _ => Response::NeedsAction,
    }
}

/// When the account's user is reminded.
pub(super) fn reminders(is_on: Option<bool>, minutes_before: Option<i64>) -> Reminders {
    match (is_on, minutes_before) {
        (Some(true), Some(minutes_before)) => {
            Reminders { use_default: false, own: vec![Reminder { method: ReminderMethod::Popup, minutes_before }] }
        }
        _ => Reminders::default(),
    }
}

/// The one way to join that a reader is given.
pub(super) fn conference(
    meeting: Option<WireMeeting>,
    older_url: Option<String>,
    provider: Option<&str>,
) -> Option<Conference> {
    let url = meeting.and_then(|meeting| meeting.join_url).or(older_url).filter(|url| is_usable(url))?;
    let kind = match provider {
        Some("teamsForBusiness") => ConferenceKind::new(TEAMS),
        Some("skypeForBusiness" | "skypeForConsumer") => ConferenceKind::new(SKYPE),
        _ => ConferenceKind::THIRD_PARTY,
    };
    Some(Conference { url, kind })
}

/// A page about the event, where it is one that can be opened.
pub(super) fn link(url: Option<String>) -> Option<String> {
    url.filter(|url| is_usable(url))
}

fn is_usable(url: &str) -> bool {
    let is_known =
        SCHEMES.iter().any(|scheme| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
    is_known && url.chars().count() <= URL_CHARS_MAX && !url.chars().any(|letter| letter.is_control() || letter == ' ')
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireMeeting {
    join_url: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct WireStatus {
    response: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WirePlace {
    pub(super) display_name: Option<String>,
}

#[derive(Deserialize)]
struct WireAddress {
    name: Option<String>,
    address: Option<String>,
}

/// An organizer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WirePerson {
    email_address: Option<WireAddress>,
}

impl WirePerson {
    pub(super) fn into_domain(self, is_self: bool) -> Person {
        let address = self.email_address;
        let (email, name) = address.map_or((None, None), |address| (address.address, address.name));
        let said = |text: Option<String>| text.filter(|text| !text.is_empty());
        Person { email: said(email), name: said(name), is_self }
    }
}

/// A guest.
#[derive(Deserialize)]
pub(super) struct WireAttendee {
    #[serde(flatten)]
    person: WirePerson,
    #[serde(rename = "type")]
    kind: Option<String>,
    status: Option<WireStatus>,
}

impl WireAttendee {
    pub(super) fn into_domain(self) -> Attendee {
        let kind = self.kind.as_deref();
        let answer = self.status.and_then(|status| status.response);
        Attendee {
            // Microsoft does not say which of them the account's user is; what they answered stands beside the guests.
            person: self.person.into_domain(false),
            response: answer.as_deref().map_or(Response::NeedsAction, response),
            optional: kind == Some("optional"),
            resource: kind == Some("resource"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meeting_is_of_the_service_that_it_says_and_only_what_can_be_opened_is_passed_on() {
        let join = |url: &str| Some(WireMeeting { join_url: Some(url.to_owned()) });
        let teams = "https://teams.microsoft.com/l/meetup-join/19%3ameeting";
        for (provider, kind) in [
            (Some("teamsForBusiness"), TEAMS),
            (Some("skypeForBusiness"), SKYPE),
            (Some("unknown"), "third_party"),
            (None, "third_party"),
        ] {
            assert_eq!(conference(join(teams), None, provider).unwrap().kind.as_str(), kind);
        }
        assert_eq!(conference(None, Some(teams.into()), None).unwrap().url, teams);
        let long = format!("https://example.com/{}", "x".repeat(URL_CHARS_MAX));
        for odd in ["javascript:alert(1)", "", "https://example.com/with a space", &long] {
            assert_eq!(conference(join(odd), None, None), None);
            assert_eq!(link(Some(odd.to_owned())), None);
        }
    }

    #[test]
    fn values_that_are_not_known_take_time_and_are_public_and_unanswered() {
        assert_eq!(show_as(Some("unknown")), ShowAs::Busy);
        assert_eq!(show_as(Some("elsewhere")), ShowAs::Busy);
        assert_eq!(show_as(Some("oof")), ShowAs::OutOfOffice);
        assert_eq!(visibility(Some("normal")), Visibility::Public);
        assert_eq!(visibility(Some("personal")), Visibility::Private);
        let status = |response: &str| WireStatus { response: Some(response.to_owned()) };
        assert_eq!(self_response(Some(&status("organizer"))), None);
        assert_eq!(self_response(Some(&status("none"))), None);
        assert_eq!(self_response(Some(&status("notResponded"))), Some(Response::NeedsAction));
        assert_eq!(self_response(Some(&status("tentativelyAccepted"))), Some(Response::Tentative));
        assert_eq!(self_response(None), None);
    }

    #[test]
    fn a_reminder_that_is_off_is_none() {
        assert_eq!(reminders(Some(false), Some(15)), Reminders::default());
        assert_eq!(reminders(Some(true), Some(15)).own.len(), 1);
    }
}
