//! The OAuth server.

use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use evercal_domain::{Clock, SystemClock};
use evercal_simulator::{Consent, FaultAction, FaultPlan, FaultRule, OauthClient, SimulatorOptions, TokenRequest};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::{ADA, Answer, World, answer, options};

const REDIRECT: &str = "http://127.0.0.1:1/callback";
const SCOPE: &str = "https://www.googleapis.com/auth/calendar.events.readonly";
const VERIFIER: &str = "a-verifier-that-is-long-enough-for-the-standard-0123456789";

/// A clock that stands still until a test moves it.
struct ManualClock(Mutex<DateTime<Utc>>);

impl ManualClock {
    fn advance(&self, by: TimeDelta) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}

fn consent_page(world: &World, query: &[(&str, &str)]) -> url::Url {
    let address = format!("{}o/oauth2/v2/auth", world.simulator.root_url());
    url::Url::parse_with_params(&address, query).unwrap()
}

/// Goes to the consent screen and comes back with the redirect's query.
async fn consent(world: &World, extra: &[(&str, &str)]) -> Vec<(String, String)> {
    let client = OauthClient::default().id;
    let mut query = vec![
        ("client_id", client.as_str()),
        ("redirect_uri", REDIRECT),
        ("response_type", "code"),
        ("scope", SCOPE),
        ("state", "s1"),
        ("login_hint", ADA),
    ];
    query.extend_from_slice(extra);
    let response = world.http.get(consent_page(world, &query)).send().await.unwrap();
    assert_eq!(response.status(), 302);
    let location = url::Url::parse(response.headers()["location"].to_str().unwrap()).unwrap();
    assert!(location.as_str().starts_with(REDIRECT));
    location.query_pairs().into_owned().collect()
}

fn value(pairs: &[(String, String)], name: &str) -> String {
    pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default()
}

async fn token(world: &World, form: &[(&str, &str)]) -> Answer {
    let client = OauthClient::default();
    let mut all = vec![("client_id", client.id.as_str()), ("client_secret", client.secret.as_str())];
    all.extend_from_slice(form);
    answer(world.http.post(format!("{}token", world.simulator.root_url())).form(&all)).await
}

async fn redeem(world: &World, code: &str, verifier: Option<&str>) -> Answer {
    let mut form = vec![("grant_type", "authorization_code"), ("code", code), ("redirect_uri", REDIRECT)];
    form.extend(verifier.map(|verifier| ("code_verifier", verifier)));
    token(world, &form).await
}

async fn refresh(world: &World, refresh_token: &str) -> Answer {
    token(world, &[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]).await
}

fn error(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.json["error"].as_str().unwrap_or_default())
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

#[tokio::test]
async fn the_code_flow_with_pkce_gives_tokens_that_work() {
    let mut world = World::start().await;
    world.control.revoke_grants(ADA).unwrap();
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
    let pkce = [("code_challenge", challenge.as_str()), ("code_challenge_method", "S256"), ("access_type", "offline")];
    let pairs = consent(&world, &pkce).await;
    assert_eq!((value(&pairs, "state").as_str(), value(&pairs, "scope").as_str()), ("s1", SCOPE));
    let tokens = redeem(&world, &value(&pairs, "code"), Some(VERIFIER)).await.ok();
    assert_eq!((text(&tokens, "token_type"), text(&tokens, "scope")), ("Bearer", SCOPE));
    assert_eq!(tokens["expires_in"], 3600);
    world.token = text(&tokens, "access_token").to_owned();
    world.list("").await.ok();
    let refreshed = refresh(&world, text(&tokens, "refresh_token")).await.ok();
    assert!(refreshed.get("refresh_token").is_none(), "the old one goes on");
    world.token = text(&refreshed, "access_token").to_owned();
    world.list("").await.ok();
}

#[tokio::test]
async fn a_code_needs_its_verifier_its_redirect_and_works_once() {
    let world = World::start().await;
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
    let pkce = [("code_challenge", challenge.as_str()), ("code_challenge_method", "S256")];
    for verifier in [None, Some("wrong")] {
        let code = value(&consent(&world, &pkce).await, "code");
        assert_eq!(error(&redeem(&world, &code, verifier).await), (400, "invalid_grant"));
    }
    let code = value(&consent(&world, &pkce).await, "code");
    redeem(&world, &code, Some(VERIFIER)).await.ok();
    assert_eq!(error(&redeem(&world, &code, Some(VERIFIER)).await), (400, "invalid_grant"));
    let code = value(&consent(&world, &[]).await, "code");
    let other = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", "http://x.example/")];
    assert_eq!(error(&token(&world, &other).await), (400, "invalid_grant"));
}

#[tokio::test]
async fn a_wrong_client_secret_is_refused() {
    let world = World::start().await;
    let form = [("client_id", OauthClient::default().id), ("client_secret", "wrong".to_owned())];
    let url = format!("{}token", world.simulator.root_url());
    assert_eq!(error(&answer(world.http.post(url).form(&form)).await), (401, "invalid_client"));
}

#[tokio::test]
async fn a_second_consent_gives_a_refresh_token_only_when_it_is_forced() {
    let world = World::start().await;
    world.control.revoke_grants(ADA).unwrap();
    let offline = [("access_type", "offline")];
    let forced = [("access_type", "offline"), ("prompt", "consent")];
    let mut given = Vec::new();
    for extra in [&offline[..], &offline[..], &forced[..]] {
        let code = value(&consent(&world, extra).await, "code");
        given.push(redeem(&world, &code, None).await.ok().get("refresh_token").is_some());
    }
    assert_eq!(given, [true, false, true]);
}

#[tokio::test]
async fn a_user_may_cancel_or_untick_scopes() {
    let world = World::start().await;
    let consent_of = |deny, untick: &[&str]| Consent {
        user: ADA.to_owned(),
        deny,
        untick_scopes: untick.iter().map(|scope| (*scope).to_owned()).collect(),
    };
    world.control.set_consent(&consent_of(true, &[])).unwrap();
    let pairs = consent(&world, &[]).await;
    assert_eq!((value(&pairs, "error").as_str(), value(&pairs, "state").as_str()), ("access_denied", "s1"));
    world.control.set_consent(&consent_of(false, &["openid"])).unwrap();
    let both = format!("{SCOPE} openid");
    let client = OauthClient::default().id;
    let query =
        [("client_id", client.as_str()), ("redirect_uri", REDIRECT), ("response_type", "code"), ("scope", &both)];
    let response = world.http.get(consent_page(&world, &query)).send().await.unwrap();
    let location = url::Url::parse(response.headers()["location"].to_str().unwrap()).unwrap();
    let pairs: Vec<(String, String)> = location.query_pairs().into_owned().collect();
    assert_eq!(value(&pairs, "scope"), SCOPE);
}

#[tokio::test]
async fn revoking_one_token_kills_the_grants_of_the_whole_project() {
    let sibling = OauthClient { id: "sibling".to_owned(), ..OauthClient::default() };
    let stranger = OauthClient { id: "stranger".to_owned(), project: "elsewhere".to_owned(), ..OauthClient::default() };
    let clients = vec![OauthClient::default(), sibling, stranger];
    let mut world = World::with(SimulatorOptions { oauth_clients: clients, ..options() }).await;
    let tokens = |client: &str| {
        let request = TokenRequest { user: ADA.to_owned(), client_id: Some(client.to_owned()), scopes: Vec::new() };
        world.control.issue_tokens(&request).unwrap()
    };
    let (mine, sibling, stranger) = (tokens(&OauthClient::default().id), tokens("sibling"), tokens("stranger"));
    let url = format!("{}revoke", world.simulator.root_url());
    answer(world.http.post(&url).form(&[("token", mine.refresh_token.as_ref().unwrap())])).await.ok();
    assert_eq!(error(&refresh(&world, mine.refresh_token.as_ref().unwrap()).await), (400, "invalid_grant"));
    world.token = sibling.access_token;
    world.list("").await.fails(401, "authError");
    world.token = stranger.access_token;
    world.list("").await.ok();
    let again = answer(world.http.post(&url).form(&[("token", mine.refresh_token.unwrap())])).await;
    assert_eq!(error(&again), (400, "invalid_token"));
}

#[tokio::test]
async fn the_hundred_and_first_refresh_token_kills_the_oldest() {
    let world = World::start().await;
    world.control.revoke_grants(ADA).unwrap();
    let request = TokenRequest { user: ADA.to_owned(), client_id: None, scopes: Vec::new() };
    let first = world.control.issue_tokens(&request).unwrap().refresh_token.unwrap();
    for _ in 0..99 {
        world.control.issue_tokens(&request).unwrap();
    }
    refresh(&world, &first).await.ok();
    world.control.issue_tokens(&request).unwrap();
    assert_eq!(error(&refresh(&world, &first).await), (400, "invalid_grant"));
}

#[tokio::test]
async fn access_tokens_end_by_the_real_clock_and_not_by_the_virtual_one() {
    let clock = Arc::new(ManualClock(Mutex::new(SystemClock.now())));
    let world = World::with(SimulatorOptions { clock: Arc::clone(&clock) as Arc<dyn Clock>, ..options() }).await;
    world.control.set_clock_offset(TimeDelta::days(300).num_milliseconds()).unwrap();
    world.list("").await.ok();
    clock.advance(TimeDelta::minutes(59));
    world.list("").await.ok();
    clock.advance(TimeDelta::minutes(2));
    let expired = world.list("").await;
    assert!(expired.headers.contains_key("www-authenticate"));
    expired.fails(401, "authError");
}

#[tokio::test]
async fn a_call_without_a_token_or_without_the_scope_is_refused() {
    let mut world = World::start().await;
    let bare = world.http.get(format!("{}calendars/primary/events", world.simulator.base_url()));
    answer(bare).await.fails(401, "required");
    let request = TokenRequest { user: ADA.to_owned(), client_id: None, scopes: vec![SCOPE.to_owned()] };
    world.token = world.control.issue_tokens(&request).unwrap().access_token;
    world.list("").await.ok();
    world.get("users/me/calendarList").await.fails(403, "insufficientPermissions");
}

#[tokio::test]
async fn an_invalid_grant_by_script_is_final() {
    let world = World::start().await;
    let request = TokenRequest { user: ADA.to_owned(), client_id: None, scopes: Vec::new() };
    let tokens = world.control.issue_tokens(&request).unwrap();
    let rules = vec![FaultRule::once("oauth.token", FaultAction::InvalidGrant)];
    world.control.set_faults(FaultPlan { rules, random: None }).unwrap();
    let refresh_token = tokens.refresh_token.unwrap();
    for _ in 0..2 {
        assert_eq!(error(&refresh(&world, &refresh_token).await), (400, "invalid_grant"));
    }
}

#[tokio::test]
async fn the_token_endpoint_fails_in_its_own_words() {
    let world = World::start().await;
    let action = FaultAction::Status { status: 503, reason: None, retry_after_s: Some(3) };
    let rules = vec![FaultRule::once("oauth.token", action)];
    world.control.set_faults(FaultPlan { rules, random: None }).unwrap();
    let failed = refresh(&world, "any").await;
    assert_eq!(error(&failed), (503, "server_error"));
    assert_eq!(failed.headers["retry-after"], "3");
}
