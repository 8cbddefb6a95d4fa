//! How the guests of an event meet, as Google says it: `conferenceData`, and the older `hangoutLink`
//! (<https://developers.google.com/workspace/calendar/api/v3/reference/events>). Whatever is odd about it costs the link alone.

use evercal_domain::event::{Conference, ConferenceKind};
use serde::Deserialize;
use serde_json::Value;

use super::profile::{HANGOUTS, MEET};

/// An address in characters: Google's own limit.
const URL_CHARS_MAX: usize = 1_300;
/// What can be opened. Addresses come from whoever made the event, so no others are passed on.
const SCHEMES: [&str; 5] = ["https:", "http:", "tel:", "sip:", "sips:"];
/// Ways to join, the best first. Google names no others.
const ENTRY_POINTS: [&str; 4] = ["video", "more", "sip", "phone"];
const MEET_URL: &str = "https://meet.google.com/";

/// The one way to join that a reader is given.
pub(super) fn conference(data: Option<Value>, hangout_link: Option<String>) -> Option<Conference> {
    let data = data.and_then(|data| serde_json::from_value::<WireConference>(data).ok()).unwrap_or_default();
    let entry_point = |kind: &str| {
        let of_kind = data.entry_points.iter().filter(|entry| entry.entry_point_type.as_deref() == Some(kind));
        of_kind.filter_map(|entry| entry.uri.as_deref()).find(|uri| is_usable(uri))
    };
    let [video, others @ ..] = ENTRY_POINTS;
    let link = hangout_link.as_deref().filter(|link| is_usable(link));
    let url = entry_point(video).or(link).or_else(|| others.into_iter().find_map(entry_point))?;
    let solution = data.conference_solution.and_then(|solution| solution.key).and_then(|key| key.kind);
    let kind = match solution.as_deref() {
        Some("hangoutsMeet") => ConferenceKind::new(MEET),
        Some("eventHangout" | "eventNamedHangout") => ConferenceKind::new(HANGOUTS),
        None if url.starts_with(MEET_URL) => ConferenceKind::new(MEET),
        None if link == Some(url) => ConferenceKind::new(HANGOUTS),
        _ => ConferenceKind::THIRD_PARTY,
    };
    Some(Conference { url: url.to_owned(), kind })
}

fn is_usable(url: &str) -> bool {
    let is_known =
        SCHEMES.iter().any(|scheme| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
    is_known && url.chars().count() <= URL_CHARS_MAX && !url.chars().any(|letter| letter.is_control() || letter == ' ')
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct WireConference {
    conference_solution: Option<WireSolution>,
    entry_points: Vec<WireEntryPoint>,
}

#[derive(Deserialize)]
struct WireSolution {
    key: Option<WireKey>,
}

#[derive(Deserialize)]
struct WireKey {
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireEntryPoint {
    entry_point_type: Option<String>,
    uri: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(data: Value, link: Option<&str>) -> Option<(String, String)> {
        let data = Some(data).filter(|data| !data.is_null());
        conference(data, link.map(str::to_owned))
            .map(|conference| (conference.url, conference.kind.as_str().to_owned()))
    }

    #[test]
    fn the_way_by_video_is_given_before_all_others() {
        let phone = json!({"entryPointType": "phone", "uri": "tel:+1-555-0100"});
        let video = json!({"entryPointType": "video", "uri": "https://meet.google.com/abc-defg-hij"});
        let meet =
            |points: Value| json!({"conferenceSolution": {"key": {"type": "hangoutsMeet"}}, "entryPoints": points});
        let expected = Some(("https://meet.google.com/abc-defg-hij".to_owned(), "google_meet".to_owned()));
        assert_eq!(parsed(meet(json!([phone, video])), Some("https://meet.google.com/other")), expected);
        assert_eq!(parsed(meet(json!([phone])), None), Some(("tel:+1-555-0100".to_owned(), "google_meet".to_owned())));
        assert_eq!(parsed(Value::Null, Some("https://meet.google.com/abc-defg-hij")), expected);
        let hangout = "https://plus.google.com/hangouts/_/example.com/robin";
        assert_eq!(parsed(Value::Null, Some(hangout)), Some((hangout.to_owned(), "google_hangouts".to_owned())));
        let zoom = json!({
            "conferenceSolution": {"key": {"type": "addOn"}, "name": "Zoom Meeting"},
            "entryPoints": [{"entryPointType": "video", "uri": "https://zoom.example/j/1"}],
        });
        assert_eq!(parsed(zoom, None), Some(("https://zoom.example/j/1".to_owned(), "third_party".to_owned())));
    }

    #[test]
    fn what_cannot_be_opened_or_read_costs_the_link_alone() {
        let entry = |uri: &str| json!({"entryPoints": [{"entryPointType": "video", "uri": uri}]});
        for odd in [
            Value::Null,
            json!("text"),
            json!({"createRequest": {"requestId": "x", "status": {"statusCode": "pending"}}}),
            json!({"entryPoints": "none"}),
            entry("javascript:alert(1)"),
            entry("https://example.com/with a space"),
            entry(&format!("https://example.com/{}", "x".repeat(1_300))),
        ] {
            assert_eq!(parsed(odd.clone(), None), None, "{odd}");
        }
        let fallback = Some(("https://meet.google.com/a".to_owned(), "google_meet".to_owned()));
        assert_eq!(parsed(entry("data:text/html,x"), Some("https://meet.google.com/a")), fallback);
    }
}
