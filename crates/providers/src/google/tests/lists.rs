//! Lists and channels: what comes back around the single entries.

use evercal_domain::{
    AccessRole, ChannelId, GrantSubject, ProviderCalendarId, ProviderError, ProviderErrorKind, RemoteChannelId,
    RemoteItem,
};
use serde_json::{Value, json};

use super::{PAGE_EVENTS_MAX, answer, context, done, in_full_pass, of, provider};
use crate::channels::{ChannelGrant, ChannelRequest, Channels, LostChannels, Opening, WatchedRemote};
use crate::provider::{CalendarProvider, CalendarsPage, EventsPage, Next, PageToken, Position};

async fn read(body: impl Into<Vec<u8>>) -> Result<EventsPage, ProviderError> {
    let (google, _) = provider(Ok(answer(200, body)));
    let calendar = ProviderCalendarId::new("primary");
    google.read_events(&context(), of(&calendar), Position::Beginning(None), PAGE_EVENTS_MAX).await
}

async fn list(body: Value) -> Result<CalendarsPage, ProviderError> {
    let (google, _) = provider(Ok(answer(200, body.to_string())));
    google.list_calendars(&context(), None).await
}

async fn open(id: ChannelId, body: Value) -> Result<Opening, ProviderError> {
    let (google, _) = provider(Ok(answer(200, body.to_string())));
    let request = ChannelRequest {
        id,
        address: "https://evercal.example/".parse().unwrap(),
        token: evercal_domain::account::Secret::new("v1"),
        asked_at: "2026-11-24T00:00:00Z".parse().unwrap(),
        expires_at: "2026-12-01T00:00:00Z".parse().unwrap(),
    };
    google.open(&context(), WatchedRemote::Calendar(of(&ProviderCalendarId::new("primary"))), &request).await
}

fn reason<T>(outcome: Result<T, ProviderError>) -> (ProviderErrorKind, String) {
    let error = outcome.map(drop).unwrap_err();
    assert_eq!(error.status, Some(200));
    (error.kind, error.reason.unwrap())
}

#[tokio::test]
async fn an_empty_page_can_have_a_next_one() {
    let page = read(r#"{"items":[],"nextPageToken":"p2"}"#).await.unwrap();
    assert_eq!(page, EventsPage { items: vec![], next: Next::More(in_full_pass("p2")), access_role: None });
    let page = read(r#"{"nextPageToken":"p3"}"#).await.unwrap();
    assert_eq!(page.next, Next::More(in_full_pass("p3")));
}

#[tokio::test]
async fn only_the_last_page_ends_the_pass() {
    let page = read(r#"{"nextSyncToken":"s1"}"#).await.unwrap();
    assert_eq!(page.next, Next::Done(done("s1")));
    let both = read(r#"{"nextSyncToken":"s1","nextPageToken":"p2"}"#).await.unwrap();
    assert_eq!(both.next, Next::More(in_full_pass("p2")), "with a page to come the pass is not over");
}

#[tokio::test]
async fn a_page_without_any_token_is_not_taken_for_the_end() {
    let failure = (ProviderErrorKind::TemporaryFailure, "noNextToken".to_owned());
    assert_eq!(reason(read(r#"{"items":[]}"#).await), failure);
}

#[tokio::test]
async fn an_answer_that_is_no_page_is_a_temporary_failure() {
    for body in ["", "<html>Sign in to the hotel's network</html>", "[]", r#"{"items":{}}"#, r#"{"items":["#] {
        assert_eq!(reason(read(body).await).0, ProviderErrorKind::TemporaryFailure, "{body}");
    }
}

#[tokio::test]
async fn a_page_longer_than_asked_for_is_refused() {
    let page = |count: u32| {
        let items = vec![json!({"id": "e", "status": "cancelled"}); count as usize];
        json!({"items": items, "nextSyncToken": "s"}).to_string()
    };
    assert_eq!(read(page(PAGE_EVENTS_MAX)).await.unwrap().items.len(), PAGE_EVENTS_MAX as usize);
    assert_eq!(reason(read(page(PAGE_EVENTS_MAX + 1)).await).1, "pageTooLong");
}

#[tokio::test]
async fn bytes_that_are_no_text_spoil_one_entry_and_not_the_page() {
    let page: &[u8] = b"{\"items\":[{\"id\":\"bad\",\"status\":\"\xff\"},{\"id\":\"gone\",\"status\":\"cancelled\"}],\"nextSyncToken\":\"s\"}";
    let page = read(page).await.unwrap();
    let [RemoteItem::Unreadable { .. }, RemoteItem::Deleted { .. }] = page.items.as_slice() else {
        panic!("{:?}", page.items);
    };
}

#[tokio::test]
async fn calendars_are_read_with_their_roles_and_names() {
    let page = list(json!({
        "kind": "calendar#calendarList",
        "items": [
            {"id": "ada@example.com", "summary": "ada@example.com", "timeZone": "Europe/Zurich", "accessRole": "owner", "primary": true},
            {"id": "team", "summary": "Team", "summaryOverride": "My team", "accessRole": "writerWithoutPrivateAccess"},
            {"id": "rooms", "accessRole": "freeBusyReader", "someNewField": {"a": [1]}},
            {"id": "left", "accessRole": "reader", "deleted": true},
        ],
        "nextSyncToken": "unused",
    }))
    .await
    .unwrap();
    let seen: Vec<_> = page
        .calendars
        .iter()
        .map(|c| (c.provider_id.as_str(), c.title.as_str(), c.time_zone.as_deref(), c.access_role, c.primary))
        .collect();
    assert_eq!(
        seen,
        [
            ("ada@example.com", "ada@example.com", Some("Europe/Zurich"), AccessRole::Owner, true),
            ("team", "My team", None, AccessRole::Writer, false),
            ("rooms", "", None, AccessRole::FreeBusyReader, false),
        ]
    );
    assert_eq!((page.unreadable, page.next), (0, None));
}

#[tokio::test]
async fn an_odd_calendar_is_counted_and_the_rest_is_read() {
    let page = list(json!({
        "items": [{"id": "a", "accessRole": "conductor"}, {"accessRole": "reader"}, {"id": "b", "accessRole": "reader"}],
        "nextPageToken": "p2",
    }))
    .await
    .unwrap();
    assert_eq!((page.calendars.len(), page.unreadable, page.next), (1, 2, Some(PageToken::new("p2"))));
}

#[tokio::test]
async fn a_grant_is_of_whom_the_primary_calendar_is() {
    let (google, transport) = provider(Ok(answer(200, r#"{"id":"ada@example.com"}"#)));
    let ada = GrantSubject::new("ada@example.com");
    assert_eq!(google.whose_grant(&context()).await.unwrap(), ada);
    let asked = transport.requests.lock().unwrap().remove(0).url;
    assert!(asked.as_str().ends_with("/users/me/calendarList/primary?fields=id"), "{asked}");

    let team = json!({"id": "team", "accessRole": "owner"});
    let primary = json!({"id": "ada@example.com", "accessRole": "owner", "primary": true});
    let listed = list(json!({"items": [team.clone(), primary], "nextPageToken": "p2"})).await.unwrap();
    assert_eq!(listed.subject, Some(ada));
    let listed = list(json!({"items": [team]})).await.unwrap();
    assert_eq!(listed.subject, None, "the primary calendar is on another page");
}

#[tokio::test]
async fn an_answer_that_names_nobody_is_a_temporary_failure() {
    for body in ["", "{}", r#"{"id":""}"#] {
        let (google, _) = provider(Ok(answer(200, body)));
        assert_eq!(reason(google.whose_grant(&context()).await).0, ProviderErrorKind::TemporaryFailure, "{body}");
    }
}

#[tokio::test]
async fn a_channels_expiry_is_read_as_text_and_as_a_number() {
    let id = ChannelId::generate();
    let remote_id = Some(RemoteChannelId::new(format!("{id} res")));
    let expected = Opening::Open(ChannelGrant { remote_id, expires_at: "2026-12-01T00:00:00.250Z".parse().unwrap() });
    for expiration in [json!("1796083200250"), json!(1_796_083_200_250_i64)] {
        let body = json!({"kind": "api#channel", "resourceId": "res", "expiration": expiration});
        assert_eq!(open(id, body).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn a_channel_answer_without_what_is_needed_is_a_temporary_failure() {
    for body in [
        json!({"expiration": "1796083200250"}),
        json!({"resourceId": "res"}),
        json!({"resourceId": "res", "expiration": "soon"}),
        json!({"resourceId": "res", "expiration": i64::MAX}),
    ] {
        assert_eq!(reason(open(ChannelId::generate(), body).await).0, ProviderErrorKind::TemporaryFailure);
    }
}

#[tokio::test]
async fn closing_a_channel_that_is_gone_succeeds() {
    for (status, closed) in [(204, true), (200, true), (404, true), (500, false), (403, false)] {
        let (google, _) = provider(Ok(answer(status, "")));
        let outcome = google.close(&context(), ChannelId::generate(), &RemoteChannelId::new("chn_1 res")).await;
        assert_eq!(outcome.is_ok(), closed, "{status}");
    }
}

#[tokio::test]
async fn the_remote_id_of_a_channel_follows_from_another_on_the_same_thing() {
    let (google, transport) = provider(Ok(answer(204, "")));
    let (known, lost) = (ChannelId::generate(), ChannelId::generate());
    let known = RemoteChannelId::new(format!("{known} res"));
    let find = async |known: &[RemoteChannelId]| {
        google.find_lost(&context(), WatchedRemote::CalendarList, &[lost], known).await.unwrap()
    };
    assert!(matches!(find(&[]).await, LostChannels::TakesAnother { .. }), "Google lists no channels");
    let LostChannels::Found(found) = find(&[known]).await else { panic!("it is known by the other") };
    google.close(&context(), lost, &found[&lost]).await.unwrap();
    let sent = transport.requests.lock().unwrap().remove(0);
    let expected = json!({"id": lost.to_string(), "resourceId": "res"});
    assert!(matches!(&sent.body, evercal_http::Body::Json(body) if *body == expected), "{sent:?}");
}
