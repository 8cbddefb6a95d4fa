//! What goes out.

use evercal_domain::limits::EVENTS_PER_PAGE;
use evercal_domain::{ChannelId, ProviderCalendarId};
use evercal_http::{Body, Method};
use serde_json::json;
use url::Url;

use super::super::requests::{list_calendars, list_events, stop_channel, watch_events};
use super::{answer, context, provider, settings};
use crate::google::GoogleSettings;
use crate::provider::{
    CalendarProvider, CallContext, ChannelRequest, Next, PageToken, ReadPosition, SIMULATED_NOW_HEADER, SyncToken,
};

fn events_url(calendar: &str, position: &ReadPosition) -> String {
    sized_events_url(calendar, position, EVENTS_PER_PAGE)
}

fn sized_events_url(calendar: &str, position: &ReadPosition, wanted: u32) -> String {
    let (calendar, size) = (ProviderCalendarId::new(calendar), position.page_events_max(wanted));
    list_events(&settings(), &context(), &calendar, position, size).url.to_string()
}

#[test]
fn both_kinds_of_pass_send_the_same_parameters_but_for_the_tokens() {
    let sync_token = SyncToken::new("CPDAlvWDx70CEPDAlvWDx70CGAU=");
    let page = || Some(PageToken::new("next page"));
    let table = [
        (ReadPosition::Full { page: None }, ""),
        (ReadPosition::Full { page: page() }, "&pageToken=next+page"),
        (
            ReadPosition::Incremental { sync_token: sync_token.clone(), page: None },
            "&syncToken=CPDAlvWDx70CEPDAlvWDx70CGAU%3D",
        ),
        (
            ReadPosition::Incremental { sync_token, page: page() },
            "&syncToken=CPDAlvWDx70CEPDAlvWDx70CGAU%3D&pageToken=next+page",
        ),
    ];
    let common = "https://www.googleapis.com/calendar/v3/calendars/primary/events?maxResults=2500&singleEvents=false\
        &prettyPrint=false&fields=accessRole%2CnextPageToken%2CnextSyncToken%2Citems%28id%2Cstatus%2Cetag%2CiCalUID%2ChtmlLink\
        %2Ccreated%2Cupdated%2Csummary%2Cdescription%2Clocation%2Cstart%2Cend%2Crecurrence%2CrecurringEventId\
        %2CoriginalStartTime%2Ctransparency%2Cvisibility%2CeventType%2ChangoutLink\
        %2CconferenceData%28conferenceSolution%28key%28type%29%29%2CentryPoints%28entryPointType%2Curi%29%29%2Corganizer%28email%2CdisplayName%2Cself%29\
        %2Cattendees%28email%2CdisplayName%2Cself%2CresponseStatus%2Coptional%2Cresource%29%29";
    for (position, tokens) in table {
        assert_eq!(events_url("primary", &position), format!("{common}{tokens}"));
    }
}

#[tokio::test]
async fn a_pass_keeps_the_page_size_with_which_it_began() {
    let max_results = |url: &str| {
        let url = Url::parse(url).unwrap();
        let value =
            |wanted: &str| url.query_pairs().find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned());
        (value("maxResults").unwrap(), value("pageToken"))
    };
    let first = ReadPosition::Full { page: None };
    assert_eq!(max_results(&sized_events_url("primary", &first, 78)), ("78".into(), None));
    let (google, _) = provider(Ok(answer(200, r#"{"items":[],"nextPageToken":"p2"}"#)));
    let page = google.read_events(&context(), &ProviderCalendarId::new("primary"), &first, 78).await.unwrap();
    let Next::Page(token) = page.next else { panic!("the pass is not over") };
    // Kept, and taken up by somebody who would begin with another size.
    let kept = PageToken::new(token.into_string());
    let second = ReadPosition::Full { page: Some(kept) };
    assert_eq!(max_results(&events_url("primary", &second)), ("78".into(), Some("p2".into())));
    let usual = ReadPosition::Full { page: Some(PageToken::new("p2")) };
    assert_eq!(max_results(&sized_events_url("primary", &usual, 78)), ("2500".into(), Some("p2".into())));
}

#[test]
fn no_parameter_is_sent_that_google_refuses_beside_a_sync_token() {
    let position = ReadPosition::Incremental { sync_token: SyncToken::new("s"), page: None };
    let url = Url::parse(&events_url("primary", &position)).unwrap();
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
        let url = events_url(id, &ReadPosition::Full { page: None });
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
fn the_simulated_time_goes_out_only_when_it_is_set() {
    let real = list_calendars(&settings(), &context(), None);
    assert_eq!((real.headers, real.bearer), (vec![], Some(context().access)));

    let virtual_time = CallContext { simulated_now: Some("2030-01-01T00:00:00Z".parse().unwrap()), ..context() };
    let simulated = list_calendars(&settings(), &virtual_time, None);
    assert_eq!(simulated.headers, [(SIMULATED_NOW_HEADER, "1893456000000".to_owned())]);
}

#[test]
fn a_simulator_has_all_of_googles_paths_under_one_base() {
    let base = "http://127.0.0.1:4100".parse().unwrap();
    let settings = GoogleSettings::at(&base, "id", evercal_domain::account::Secret::new("secret")).unwrap();
    let urls = [&settings.api_base, &settings.auth_url, &settings.token_url, &settings.revoke_url];
    let paths = ["/calendar/v3/", "/o/oauth2/v2/auth", "/token", "/revoke"];
    assert_eq!(urls.map(Url::as_str), paths.map(|path| format!("http://127.0.0.1:4100{path}")));
    assert_eq!(list_calendars(&settings, &context(), None).url.path(), "/calendar/v3/users/me/calendarList");
}
