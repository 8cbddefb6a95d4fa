//! What goes out.

use evercal_domain::{ChannelId, ProviderCalendarId, ProviderCursor, ProviderErrorKind};
use evercal_http::{Body, Method};
use serde_json::json;
use url::Url;

use super::super::requests::{list_calendars, list_events, stop_channel, watch_events};
use super::{PAGE_EVENTS_MAX, answer, context, done, in_changes, in_full_pass, of, provider, settings};
use crate::call::Access;
use crate::channels::ChannelRequest;
use crate::google::GoogleSettings;
use crate::google::cursor::GoogleCursor;
use crate::provider::{CalendarProvider, Next, PageToken, Position};

fn events_url(calendar: &str, place: &GoogleCursor) -> String {
    list_events(&settings(), &context(), &ProviderCalendarId::new(calendar), place, PAGE_EVENTS_MAX).url.to_string()
}

fn place(cursor: &ProviderCursor) -> GoogleCursor {
    GoogleCursor::of(cursor).unwrap()
}

#[test]
fn both_kinds_of_pass_send_the_same_parameters_but_for_the_tokens() {
    let sync_token = "CPDAlvWDx70CEPDAlvWDx70CGAU=";
    let changes = place(&done(sync_token));
    let table = [
        (GoogleCursor::default(), ""),
        (place(&in_full_pass("next page")), "&pageToken=next+page"),
        (changes.clone(), "&syncToken=CPDAlvWDx70CEPDAlvWDx70CGAU%3D"),
        (place(&changes.next("next page".to_owned())), "&syncToken=CPDAlvWDx70CEPDAlvWDx70CGAU%3D&pageToken=next+page"),
    ];
    let common = "https://www.googleapis.com/calendar/v3/calendars/primary/events?maxResults=2500&singleEvents=false\
        &prettyPrint=false&fields=accessRole%2CnextPageToken%2CnextSyncToken%2Citems%28id%2Cstatus%2Cetag%2CiCalUID%2ChtmlLink\
        %2Ccreated%2Cupdated%2Csummary%2Cdescription%2Clocation%2Cstart%2Cend%2Crecurrence%2CrecurringEventId\
        %2CoriginalStartTime%2Ctransparency%2Cvisibility%2CeventType%2Csequence%2ChangoutLink\
        %2CconferenceData%28conferenceSolution%28key%28type%29%29%2CentryPoints%28entryPointType%2Curi%29%29\
        %2Ccreator%28email%2CdisplayName%2Cself%29%2Corganizer%28email%2CdisplayName%2Cself%29\
        %2Cattendees%28email%2CdisplayName%2Cself%2CresponseStatus%2Coptional%2Cresource%29\
        %2Creminders%28useDefault%2Coverrides%28method%2Cminutes%29%29%2Cattachments%28fileUrl%2Ctitle%29%29";
    for (place, tokens) in table {
        assert_eq!(events_url("primary", &place), format!("{common}{tokens}"));
    }
}

#[tokio::test]
async fn a_cursor_leads_from_page_to_page_and_from_pass_to_pass() {
    let (google, transport) = provider(Ok(answer(200, r#"{"items":[],"nextPageToken":"p2"}"#)));
    let primary = ProviderCalendarId::new("primary");
    // As it was kept by somebody who knows only its text.
    let kept = |cursor: ProviderCursor| ProviderCursor::new(cursor.as_str());
    let (begun, before) = (kept(done("s")), kept(in_changes("p1")));
    assert_eq!((place(&begun).sync_token.as_deref(), place(&begun).page_token), (Some("s"), None));
    let page = google.read_events(&context(), of(&primary), Position::At(&before), 78).await.unwrap();
    assert_eq!(page.next, Next::More(in_changes("p2")));
    let asked = transport.requests.lock().unwrap()[0].url.clone();
    for (name, value) in [("maxResults", "78"), ("syncToken", "s"), ("pageToken", "p1")] {
        assert!(asked.query_pairs().any(|pair| pair == (name.into(), value.into())), "{name}: {asked}");
    }
}

#[tokio::test]
async fn a_cursor_that_is_not_ours_is_a_lost_position_and_no_request() {
    for text in ["", "CPDAlvWDx70CEPDAlvWDx70CGAU=", r#"{"page":1}"#, r#"{"unknown":"x"}"#] {
        let (google, transport) = provider(Ok(answer(200, "{}")));
        let cursor = ProviderCursor::new(text);
        let read =
            google.read_events(&context(), of(&ProviderCalendarId::new("primary")), Position::At(&cursor), 1).await;
        assert_eq!(read.unwrap_err().kind, ProviderErrorKind::PositionLost, "{text}");
        assert!(transport.requests.lock().unwrap().is_empty(), "{text}");
    }
}

#[test]
fn no_parameter_is_sent_that_google_refuses_beside_a_sync_token() {
    let url = Url::parse(&events_url("primary", &place(&done("s")))).unwrap();
    let forbidden = [
        "iCalUID",
        "orderBy",
        "privateExtendedProperty",
        "q",
        "sharedExtendedProperty",
        "showDeleted",
        "timeMax",
        "timeMin",
        "updatedMin",
    ];
    for (name, _) in url.query_pairs() {
        assert!(!forbidden.contains(&name.as_ref()), "{name}");
    }
}

#[test]
fn a_calendar_id_is_one_encoded_segment_of_the_path() {
    for (id, segment) in [
        ("ada@example.com", "ada@example.com"),
        ("en.german#holiday@group.v.calendar.google.com", "en.german%23holiday@group.v.calendar.google.com"),
        ("a/b?c=d&e%20 f", "a%2Fb%3Fc=d&e%2520%20f"),
    ] {
        let url = events_url(id, &GoogleCursor::default());
        assert!(url.contains(&format!("/calendars/{segment}/events?")), "{url}");
    }
}

#[test]
fn calendars_are_listed_page_by_page() {
    let url = |page: Option<&PageToken>| list_calendars(&settings(), &context(), page).url.to_string();
    let first = "https://www.googleapis.com/calendar/v3/users/me/calendarList?maxResults=250";
    assert_eq!(url(None), first);
    assert_eq!(url(Some(&PageToken::new("p2"))), format!("{first}&pageToken=p2"));
}

#[test]
fn a_channel_is_opened_with_an_expiry_in_milliseconds_as_text() {
    let id = ChannelId::generate();
    let request = watch_events(
        &settings(),
        &context(),
        &ProviderCalendarId::new("primary"),
        &ChannelRequest {
            id,
            address: "https://evercal.example/api/webhooks/google".parse().unwrap(),
            token: evercal_domain::account::Secret::new("v1.signed"),
            asked_at: "2026-11-24T00:00:00Z".parse().unwrap(),
            expires_at: "2026-12-01T00:00:00.250Z".parse().unwrap(),
        },
    );
    assert_eq!(request.method, Method::POST);
    assert_eq!(request.url.path(), "/calendar/v3/calendars/primary/events/watch");
    assert_eq!(request.url.query(), None);
    let body = json!({
        "id": id.to_string(),
        "type": "web_hook",
        "address": "https://evercal.example/api/webhooks/google",
        "token": "v1.signed",
        "expiration": "1796083200250",
    });
    assert_eq!(request.body, Body::Json(body));
}

#[test]
fn our_channel_ids_are_what_google_takes() {
    let id = ChannelId::generate().to_string();
    assert!(id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_+/=".contains(&b)), "{id}");
}

#[test]
fn a_channel_is_closed_by_its_id_and_its_resource() {
    let id = ChannelId::generate();
    let request = stop_channel(&settings(), &context(), id, "o3hgv1538sdjfh");
    assert_eq!(request.url.as_str(), "https://www.googleapis.com/calendar/v3/channels/stop");
    assert_eq!(request.body, Body::Json(json!({ "id": id.to_string(), "resourceId": "o3hgv1538sdjfh" })));
}

#[test]
fn a_call_carries_its_token_and_nothing_else() {
    let request = list_calendars(&settings(), &context(), None);
    let Access::Bearer(token) = context().access;
    assert_eq!((request.headers, request.bearer), (vec![], Some(token)));
}

#[test]
fn a_simulator_has_all_of_googles_paths_under_one_base() {
    let base = "http://127.0.0.1:4100".parse().unwrap();
    let settings = GoogleSettings::at(&base, "id").unwrap();
    let urls = [&settings.api_base, &settings.auth_url, &settings.token_url, &settings.revoke_url];
    let paths = ["/calendar/v3/", "/o/oauth2/v2/auth", "/token", "/revoke"];
    assert_eq!(urls.map(Url::as_str), paths.map(|path| format!("http://127.0.0.1:4100{path}")));
    assert_eq!(list_calendars(&settings, &context(), None).url.path(), "/calendar/v3/users/me/calendarList");
}
