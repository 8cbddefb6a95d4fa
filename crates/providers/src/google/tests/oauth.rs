//! The code flow, refresh and revocation.

use std::collections::HashMap;
use std::time::Duration;

use evercal_domain::ProviderErrorKind;
use evercal_domain::account::Secret;
use evercal_http::{Body, HttpRequest};
use serde_json::json;

use super::super::calls::TOKEN;
use super::{LiteralTransport, answer, provider, settings};
use crate::google::DEFAULT_SCOPES;
use crate::oauth::{AuthorizationRequest, ConsentPage, OAuthProvider, RedeemedCode, TokenGrant};

fn sent(transport: &LiteralTransport) -> (HttpRequest, HashMap<&'static str, String>) {
    let request = transport.requests.lock().unwrap().pop().unwrap();
    let Body::Form(fields) = request.body.clone() else { panic!("{request:?} is no form") };
    (request, fields.into_iter().collect())
}

fn fields<const N: usize>(expected: [(&'static str, &str); N]) -> HashMap<&'static str, String> {
    expected.map(|(name, value)| (name, value.to_owned())).into()
}

fn grant_answer(scope: Option<&str>) -> String {
    let mut body = json!({
        "access_token": "ya29.new", "expires_in": 3599, "refresh_token": "1//refresh", "token_type": "Bearer",
        "refresh_token_expires_in": 604_799,
    });
    if let Some(scope) = scope {
        body["scope"] = json!(scope);
    }
    body.to_string()
}

async fn redeem(body: String) -> Result<RedeemedCode, evercal_domain::ProviderError> {
    let (google, _) = provider(Ok(answer(200, body)));
    google.redeem_code(&Secret::new("4/code"), &Secret::new("verifier"), "https://evercal.example/callback").await
}

#[test]
fn the_consent_page_is_asked_for_offline_access_with_pkce() {
    let mut request = AuthorizationRequest {
        redirect_uri: "https://evercal.example/callback?a=b".into(),
        state: "state&1".into(),
        code_challenge: "challenge".into(),
        login_hint: None,
    };
    let url = settings().authorization_url(&request);
    assert!(url.as_str().starts_with("https://accounts.google.com/o/oauth2/v2/auth?"));
    let query: HashMap<_, _> = url.query_pairs().into_owned().collect();
    let expected: HashMap<String, String> = [
        ("response_type", "code"),
        ("client_id", "our-client"),
        ("redirect_uri", "https://evercal.example/callback?a=b"),
        ("scope", &DEFAULT_SCOPES.join(" ")),
        ("state", "state&1"),
        ("code_challenge", "challenge"),
        ("code_challenge_method", "S256"),
        ("access_type", "offline"),
        ("prompt", "consent"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    assert_eq!(query, expected);

    request.login_hint = Some("ada@example.com".into());
    assert!(settings().authorization_url(&request).query().unwrap().ends_with("&login_hint=ada%40example.com"));
}

#[tokio::test]
async fn a_code_is_redeemed_with_its_verifier() {
    let (google, transport) = provider(Ok(answer(200, grant_answer(Some(&DEFAULT_SCOPES.join(" "))))));
    let grant = google
        .redeem_code(&Secret::new("4/code"), &Secret::new("verifier"), "https://evercal.example/callback")
        .await
        .unwrap();
    assert_eq!(
        grant,
        RedeemedCode::Granted(TokenGrant {
            access_token: Secret::new("ya29.new"),
            expires_in: Duration::from_secs(3599),
            refresh_token: Some(Secret::new("1//refresh")),
            scope: Some(DEFAULT_SCOPES.join(" ")),
        })
    );
    let (request, form) = sent(&transport);
    assert_eq!((request.url.as_str(), request.bearer), ("https://oauth2.googleapis.com/token", None));
    let expected = fields([
        ("grant_type", "authorization_code"),
        ("code", "4/code"),
        ("code_verifier", "verifier"),
        ("redirect_uri", "https://evercal.example/callback"),
        ("client_id", "our-client"),
        ("client_secret", "our-secret"),
    ]);
    assert_eq!(form, expected);
}

#[tokio::test]
async fn a_scope_that_the_user_unticked_is_named_at_once() {
    let [first, second] = DEFAULT_SCOPES;
    for (granted, missing) in [("", vec![first, second]), (first, vec![second]), ("openid", vec![first, second])] {
        let missing = missing.into_iter().map(str::to_owned).collect();
        assert_eq!(redeem(grant_answer(Some(granted))).await, Ok(RedeemedCode::MissingScopes(missing)));
    }
    let all = redeem(grant_answer(Some(&format!("openid {second} {first}")))).await;
    assert!(matches!(all, Ok(RedeemedCode::Granted(_))), "{all:?}");
}

#[tokio::test]
async fn no_scope_in_the_answer_means_all_that_were_asked_for() {
    let RedeemedCode::Granted(grant) = redeem(grant_answer(None)).await.unwrap() else {
        panic!("something is missing")
    };
    assert_eq!(grant.scope, Some(DEFAULT_SCOPES.join(" ")));
}

#[tokio::test]
async fn a_refresh_may_bring_no_new_refresh_token() {
    let (google, transport) = provider(Ok(answer(200, r#"{"access_token":"ya29.next","expires_in":3600}"#)));
    let grant = google.refresh(&Secret::new("1//refresh")).await.unwrap();
    assert_eq!((grant.access_token, grant.refresh_token), (Secret::new("ya29.next"), None));
    let (_, form) = sent(&transport);
    let expected = fields([
        ("grant_type", "refresh_token"),
        ("refresh_token", "1//refresh"),
        ("client_id", "our-client"),
        ("client_secret", "our-secret"),
    ]);
    assert_eq!(form, expected);
}

#[tokio::test]
async fn a_token_answer_without_a_token_is_a_temporary_failure() {
    for body in ["", "{}", r#"{"access_token":"a"}"#, r#"{"access_token":"a","expires_in":-1}"#] {
        let error = redeem(body.to_owned()).await.unwrap_err();
        assert_eq!((error.kind, error.call), (ProviderErrorKind::TemporaryFailure, TOKEN), "{body}");
    }
}

#[tokio::test]
async fn revoking_a_dead_grant_succeeds() {
    let invalid = r#"{"error":"invalid_token","error_description":"Token expired or revoked"}"#;
    for (status, body, revoked) in [(200, "{}", true), (400, invalid, true), (400, "{}", false), (503, "", false)] {
        let (google, transport) = provider(Ok(answer(status, body)));
        assert_eq!(google.revoke(&Secret::new("1//refresh")).await.is_ok(), revoked, "{status} {body}");
        let (request, form) = sent(&transport);
        assert_eq!(request.url.as_str(), "https://oauth2.googleapis.com/revoke");
        assert_eq!(form, fields([("token", "1//refresh")]));
    }
}
