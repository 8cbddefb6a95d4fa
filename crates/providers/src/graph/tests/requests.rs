//! What is sent: the lists, whose grant it is, and the preferences that every request carries.

use evercal_domain::{AccessRole, GrantSubject, ProviderErrorKind};
use serde_json::json;

use super::*;
use crate::oauth::OAuthProvider as _;
use crate::provider::{CalendarProvider as _, PageToken, Position};

#[tokio::test]
async fn every_request_asks_for_ids_that_stay_and_carries_the_token() {
    let delta = json!({"value": [], "@odata.deltaLink": format!("{BASE}/me/calendarView/delta?$deltatoken=1")});
    let (graph, transport) =
        provider([ok(&delta), ok(&json!({"value": []})), ok(&json!({"id": "c"})), ok(&single("s"))]);
    let (calendar, context) = (team(), context());
    let default = RemoteCalendarRef { id: &calendar, is_primary: true };
    graph.read_events(&context, default, Position::Beginning(Some(window())), 77).await.unwrap();
    graph.list_calendars(&context, None).await.unwrap();
    graph.whose_grant(&context).await.unwrap();
    graph.fetch_events(&context, default, &[id("s")], &window()).await.unwrap();
    let requests = transport.requests.lock().unwrap();
    for request in requests.iter() {
        let prefer = &request.headers.iter().find(|(name, _)| *name == "Prefer").unwrap().1;
        for preference in
            [r#"IdType="ImmutableId""#, r#"outlook.timezone="UTC""#, r#"outlook.body-content-type="text""#]
        {
            assert!(prefer.contains(preference), "{prefer}");
        }
        assert_eq!(request.bearer, Some(Secret::new("EwB4A")));
    }
    assert_eq!(requests[0].url.path(), "/v1.0/me/calendarView/delta");
    assert!(requests[0].headers[0].1.starts_with("odata.maxpagesize=77, "), "{}", requests[0].headers[0].1);
}

#[tokio::test]
async fn a_list_of_calendars_says_whose_it_is_and_leaves_none_out_without_a_sign() {
    let next = format!("{BASE}/me/calendars?$skip=2");
    let page = json!({"value": [
        {"id": "d", "name": "Calendar", "isDefaultCalendar": true, "canEdit": true, "canShare": true},
        {"id": "w", "name": "Team", "canEdit": true, "canViewPrivateItems": true},
        {"id": "p", "name": "Boss", "canEdit": true, "canViewPrivateItems": false},
        {"id": "r", "name": "Holidays", "canEdit": false},
        {"id": ""}, {"name": "no id"}, 7,
    ], "@odata.nextLink": next});
    let (graph, transport) = provider([ok(&page), ok(&json!({"value": []}))]);
    let listed = graph.list_calendars(&context(), None).await.unwrap();
    let roles: Vec<_> = listed.calendars.iter().map(|calendar| (calendar.access_role, calendar.primary)).collect();
    let expected = [
        (AccessRole::Owner, true),
        (AccessRole::Writer, false),
        (AccessRole::Reader, false),
        (AccessRole::Reader, false),
    ];
    assert_eq!(roles, expected);
    assert_eq!(listed.unreadable, 3);
    assert_eq!(listed.subject, Some(GrantSubject::new("d")));
    graph.list_calendars(&context(), listed.next.as_ref()).await.unwrap();
    assert_eq!(sent(&transport)[1], "GET /me/calendars?$skip=2");
    let foreign = PageToken::new("https://graph.example/v1.0/me/calendars");
    let error = graph.list_calendars(&context(), Some(&foreign)).await.unwrap_err();
    assert_eq!(error.reason.as_deref(), Some("foreignLink"));
}

#[tokio::test]
async fn tokens_are_asked_for_with_the_scopes_and_a_newer_refresh_token_is_passed_on() {
    let grant = json!({"access_token": "a2", "expires_in": 3_599, "refresh_token": "r2", "scope": "Calendars.Read"});
    let (graph, transport) = provider([ok(&grant)]);
    let granted = graph.refresh(&Secret::new("r1")).await.unwrap();
    assert_eq!(granted.refresh_token, Some(Secret::new("r2")));
    let requests = transport.requests.lock().unwrap();
    assert_eq!(requests[0].url.as_str(), "https://login.microsoftonline.com/common/oauth2/v2.0/token");
    let Body::Form(fields) = &requests[0].body else { panic!("no form") };
    for field in [
        ("grant_type", "refresh_token"),
        ("refresh_token", "r1"),
        ("client_id", "our-client"),
        ("client_secret", "our-secret"),
    ] {
        assert!(fields.iter().any(|(name, value)| (*name, value.as_str()) == field), "{field:?}");
    }
    assert!(fields.iter().all(|(name, _)| *name != "scope"), "what was granted stays");
}

#[tokio::test]
async fn grants_that_are_dead_say_why() {
    let dead = json!({"error": "invalid_grant", "error_description": "AADSTS50173: …", "error_codes": [50_173]});
    let (graph, _) = provider([answered(400, &dead)]);
    let error = graph.refresh(&Secret::new("r1")).await.unwrap_err();
    assert_eq!((error.kind, error.reason.as_deref()), (ProviderErrorKind::GrantRevoked, Some("AADSTS50173")));
}
