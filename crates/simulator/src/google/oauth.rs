//! The OAuth server: consent without a screen, the code flow with PKCE, refresh and revocation (source:
//! Google's OAuth pages for web servers).

use axum::http::{HeaderValue, header};
use chrono::TimeDelta;
use serde_json::json;
use url::Url;

use super::World;
use super::errors::ApiError;
use super::grants::{Code, Tokens};
use super::request::{ApiRequest, Query};
use super::response::ApiResponse;
use crate::core::oauth::{Challenge, client_credentials, redirect_with};
use crate::core::options::OauthClient;

/// How long an authorization code can be redeemed.
const CODE_LIFETIME_S: i64 = 600;

#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) user: String,
    pub(crate) client: String,
    pub(crate) project: String,
    pub(crate) scopes: Vec<String>,
}

/// Finds out who makes a call of the API, from `Authorization: Bearer` or `access_token`.
pub(crate) fn authenticate(world: &World, request: &ApiRequest) -> Result<Caller, ApiError> {
    let token = bearer_token(request).ok_or_else(ApiError::login_required)?;
    let oauth = &world.provider.oauth;
    let grant = oauth
        .access_tokens
        .get(token)
        .filter(|access| access.expires_at > world.clock.real_now())
        .and_then(|access| oauth.grants.get(&access.grant))
        .filter(|grant| !grant.revoked)
        .ok_or_else(ApiError::invalid_credentials)?;
    Ok(Caller {
        user: grant.user.clone(),
        client: grant.client.clone(),
        project: grant.project.clone(),
        scopes: grant.scopes.clone(),
    })
}

fn bearer_token(request: &ApiRequest) -> Option<&str> {
    request
        .header(header::AUTHORIZATION)
        .and_then(|value| value.strip_prefix("Bearer ").or_else(|| value.strip_prefix("bearer ")))
        .or_else(|| request.query.get("access_token"))
}

/// A fault: the access token of this call is dead from now on.
pub(crate) fn expire_token_of(world: &mut World, request: &ApiRequest) {
    if let Some(token) = bearer_token(request) {
        world.forget_access_token(token);
    }
}

/// A fault: the grant that this call uses is dead from now on.
pub(crate) fn kill_grant_of(world: &mut World, request: &ApiRequest) {
    let form = form(request);
    let oauth = &world.provider.oauth;
    let grant = form.get("refresh_token").and_then(|token| oauth.grant_of_refresh_token(token)).or_else(|| {
        let access = oauth.access_tokens.get(bearer_token(request)?)?;
        oauth.grants.get(&access.grant)
    });
    if let Some(mut grant) = grant.cloned() {
        grant.revoked = true;
        world.save_grant(grant);
    }
}

/// `GET /o/oauth2/v2/auth`: the consent screen, answered at once. An unknown client or redirect is shown to the
/// person (400), everything else answered to the client (302).
pub(crate) fn authorize(world: &mut World, query: &Query) -> ApiResponse {
    let Some(client) = query.get("client_id").and_then(|id| world.provider.oauth.client(id)) else {
        return oauth_error(401, "invalid_client", "The OAuth client was not found.");
    };
    let client = client.id.clone();
    let Some(redirect_uri) = query.get("redirect_uri") else {
        return oauth_error(400, "invalid_request", "Missing required parameter: redirect_uri");
    };
    let Ok(redirect) = Url::parse(redirect_uri) else {
        return oauth_error(400, "redirect_uri_mismatch", "The redirect URI is no URL.");
    };
    let state = query.get("state");
    if query.get("response_type") != Some("code") {
        return redirect_with(redirect, state, &[("error", "unsupported_response_type")]);
    }
    let user = world.login_user(query.get("login_hint"));
    let Some(user) = user.filter(|user| !user.denies_consent).cloned() else {
        return redirect_with(redirect, state, &[("error", "access_denied")]);
    };
    let scopes: Vec<String> = query
        .get("scope")
        .unwrap_or_default()
        .split_whitespace()
        .filter(|scope| !user.unticked_scopes.iter().any(|unticked| unticked == scope))
        .map(str::to_owned)
        .collect();
    if scopes.is_empty() {
        return redirect_with(redirect, state, &[("error", "access_denied")]);
    }
    let code = Code {
        text: format!("4/{}", world.new_id("code")),
        user: user.email,
        client,
        scopes,
        redirect_uri: redirect_uri.to_owned(),
        challenge: Challenge::of(query),
        offline: query.get("access_type") == Some("offline"),
        forces_consent: query
            .get("prompt")
            .is_some_and(|prompt| prompt.split_whitespace().any(|word| word == "consent")),
        expires_at: world.clock.real_now() + TimeDelta::seconds(CODE_LIFETIME_S),
    };
    let scope = code.scopes.join(" ");
    let answer = redirect_with(redirect, state, &[("code", &code.text), ("scope", &scope)]);
    world.journal.put(&format!("google/code/{}", code.text), &code);
    world.provider.oauth.codes.insert(code.text.clone(), code);
    answer
}

/// `POST /token`.
pub(crate) fn token(world: &mut World, request: &ApiRequest) -> ApiResponse {
    let form = form(request);
    let (client_id, secret) = client_credentials(request.header(header::AUTHORIZATION), &form);
    let client = client_id.and_then(|id| world.provider.oauth.client(&id));
    let Some(client) = client.filter(|client| Some(&client.secret) == secret.as_ref()) else {
        return oauth_error(401, "invalid_client", "The OAuth client was not found.");
    };
    let client = client.clone();
    let tokens = match form.get("grant_type") {
        Some("authorization_code") => redeem_code(world, &client, &form),
        Some("refresh_token") => refresh(world, &client, &form),
        _ => return oauth_error(400, "unsupported_grant_type", "Invalid grant_type."),
    };
    match tokens {
        Err(description) => oauth_error(400, "invalid_grant", description),
        Ok(tokens) => {
            let mut body = json!({
                "access_token": tokens.access_token,
                "expires_in": tokens.expires_in_s,
                "scope": tokens.scopes.join(" "),
                "token_type": "Bearer",
            });
            if let (Some(token), Some(body)) = (tokens.refresh_token, body.as_object_mut()) {
                body.insert("refresh_token".to_owned(), json!(token));
            }
            let mut response = ApiResponse::json(&body);
            response.headers.push((
                header::CACHE_CONTROL,
                HeaderValue::from_static("no-cache, no-store, max-age=0, must-revalidate"),
            ));
            response
        }
    }
}

/// `POST /revoke`: one grant ends those of every client of the project for that user.
pub(crate) fn revoke(world: &mut World, request: &ApiRequest) -> ApiResponse {
    let form = form(request);
    let oauth = &world.provider.oauth;
    let token = form.get("token").or_else(|| request.query.get("token")).unwrap_or_default();
    let grant = oauth.grant_of_refresh_token(token).or_else(|| {
        let access = oauth.access_tokens.get(token)?;
        oauth.grants.get(&access.grant)
    });
    let Some(grant) = grant.filter(|grant| !grant.revoked) else {
        return oauth_error(400, "invalid_token", "Token expired or revoked");
    };
    let (user, project) = (grant.user.clone(), grant.project.clone());
    world.revoke_grants(&user, Some(&project));
    ApiResponse::json(&json!({}))
}

/// The error answer of the OAuth server.
pub(crate) fn oauth_error(status: u16, error: &str, description: &str) -> ApiResponse {
    let mut response = ApiResponse::json(&json!({
        "error": error,
        "error_description": description,
    }));
    response.status = status;
    response
}

fn redeem_code(world: &mut World, client: &OauthClient, form: &Query) -> Result<Tokens, &'static str> {
    const MALFORMED: &str = "Malformed auth code.";
    let text = form.get("code").ok_or(MALFORMED)?;
    // A code works once, whatever comes of it.
    let code = world.provider.oauth.codes.remove(text).ok_or(MALFORMED)?;
    world.journal.remove(&format!("google/code/{text}"));
    if code.client != client.id || code.expires_at < world.clock.real_now() {
        return Err(MALFORMED);
    }
    if form.get("redirect_uri") != Some(&code.redirect_uri) {
        return Err("The redirect URI differs from that of the authorization request.");
    }
    if let Some(challenge) = &code.challenge {
        let verifier = form.get("code_verifier").ok_or("Missing code verifier.")?;
        if !challenge.is_answered_by(verifier) {
            return Err("Invalid code verifier.");
        }
    }
    let already_granted = world.provider.oauth.grants.values().any(|grant| {
        !grant.revoked && grant.user == code.user && grant.client == client.id && grant.refresh_token.is_some()
    });
    let with_refresh_token = code.offline && (code.forces_consent || !already_granted);
    Ok(world.grant(&code.user, client, code.scopes, with_refresh_token))
}

fn refresh(world: &mut World, client: &OauthClient, form: &Query) -> Result<Tokens, &'static str> {
    let token = form.get("refresh_token").unwrap_or_default();
    let grant = world
        .provider
        .oauth
        .grant_of_refresh_token(token)
        .filter(|grant| !grant.revoked && grant.client == client.id)
        .ok_or("Token has been expired or revoked.")?
        .clone();
    let access_token = world.issue_access_token(&grant.id);
    Ok(Tokens {
        access_token,
        refresh_token: None,
        expires_in_s: world.provider.oauth.access_token_lifetime.num_seconds(),
        scopes: grant.scopes,
    })
}

fn form(request: &ApiRequest) -> Query {
    Query::parse(&String::from_utf8_lossy(&request.body))
}
