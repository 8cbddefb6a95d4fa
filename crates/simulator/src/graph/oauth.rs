//! The OAuth server: consent without a page, the code flow with PKCE, and refresh with rotation. There is no revocation: users
//! take their consent back elsewhere.

use axum::http::header;
use chrono::TimeDelta;
use serde_json::json;
use url::Url;

use super::World;
use super::errors::ApiError;
use super::grants::{Caller, Code, OFFLINE_ACCESS, Tokens, short_scope};
use super::request::{ApiRequest, Query};
use super::response::ApiResponse;
use crate::core::oauth::{Challenge, client_credentials, redirect_with};

/// How long an authorization code can be redeemed.
const CODE_LIFETIME_S: i64 = 600;

/// A refusal of the token endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OauthError {
    status: u16,
    error: &'static str,
    code: u32,
    description: String,
}

impl OauthError {
    fn invalid_grant(code: u32, description: &str) -> Self {
        Self { status: 400, error: "invalid_grant", code, description: description.to_owned() }
    }

    fn invalid_request(code: u32, description: &str) -> Self {
        Self { status: 400, error: "invalid_request", code, description: description.to_owned() }
    }

    /// What Microsoft says with one of its codes.
    pub(crate) fn of_code(code: u32) -> Self {
        let (status, error, description) = match code {
            50_173 => (
                400,
                "invalid_grant",
                "The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might have changed or reset their password.",
            ),
            70_008 | 700_082 => (400, "invalid_grant", "The refresh token has expired due to inactivity."),
            65_001 => (400, "invalid_grant", "The user or administrator has not consented to use the application."),
            50_076 | 50_079 => (
                400,
                "interaction_required",
                "Due to a configuration change made by your administrator, you must use multi-factor authentication.",
            ),
            53_003 => (400, "interaction_required", "Access has been blocked by Conditional Access policies."),
            7_000_215 => (401, "invalid_client", "Invalid client secret provided."),
            7_000_222 => (401, "invalid_client", "The provided client secret keys are expired."),
            700_016 => (400, "unauthorized_client", "Application was not found in the directory."),
            90_033 => (503, "temporarily_unavailable", "A transient error has occurred. Please try again."),
            _ => (400, "invalid_grant", "The grant is not valid."),
        };
        Self { status, error, code, description: description.to_owned() }
    }

    fn into_response(self, trace_id: &str, now: &str) -> ApiResponse {
        let description = format!(
            "AADSTS{}: {} Trace ID: {trace_id} Correlation ID: {trace_id} Timestamp: {now}",
            self.code, self.description
        );
        let mut response = ApiResponse::json(&json!({
            "error": self.error,
            "error_description": description,
            "error_codes": [self.code],
            "timestamp": now,
            "trace_id": trace_id,
            "correlation_id": trace_id,
            "error_uri": format!("https://login.microsoftonline.com/error?code={}", self.code),
        }));
        response.status = self.status;
        response
    }
}

/// Finds out who makes a call of the API.
pub(crate) fn authenticate(world: &World, request: &ApiRequest) -> Result<Caller, ApiError> {
    let token = bearer_token(request).ok_or_else(|| ApiError::invalid_token("Access token is empty."))?;
    let oauth = &world.provider.oauth;
    let access = oauth
        .access_tokens
        .get(token)
        .ok_or_else(|| ApiError::invalid_token("IDX14100: JWT is not well formed, there are no dots (.)."))?;
    if access.expires_at <= world.clock.real_now() {
        return Err(ApiError::invalid_token("Lifetime validation failed, the token is expired."));
    }
    let grant = oauth
        .grants
        .get(&access.grant)
        .filter(|grant| !grant.revoked)
        .ok_or_else(|| ApiError::invalid_token("Continuous access evaluation resulted in challenge."))?;
    Ok(Caller {
        user: grant.user.clone(),
        client: grant.client.clone(),
        grant: grant.id.clone(),
        scopes: grant.scopes.clone(),
    })
}

fn bearer_token(request: &ApiRequest) -> Option<&str> {
    let value = request.header(header::AUTHORIZATION)?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim()).filter(|token| !token.is_empty())
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
    let by_refresh = form.get("refresh_token").and_then(|token| oauth.grant_of_refresh_token(token));
    let grant = by_refresh.or_else(|| oauth.grant_of_access_token(bearer_token(request)?));
    if let Some(mut grant) = grant.cloned() {
        grant.revoked = true;
        world.save_grant(grant);
    }
}

/// `GET /{tenant}/oauth2/v2.0/authorize`: the consent page, answered at once. An unknown client or redirect is shown to the
/// person, everything else answered to the client.
pub(crate) fn authorize(world: &mut World, query: &Query, trace_id: &str, now: &str) -> ApiResponse {
    let Some(client) = query.get("client_id").and_then(|id| world.provider.oauth.client(id)) else {
        return OauthError::of_code(700_016).into_response(trace_id, now);
    };
    let client = client.id.clone();
    let Some(redirect_uri) = query.get("redirect_uri") else {
        return OauthError::invalid_request(900_971, "No reply address provided.").into_response(trace_id, now);
    };
    let Ok(redirect) = Url::parse(redirect_uri) else {
        let error = OauthError::invalid_request(50_011, "The redirect URI specified in the request does not match.");
        return error.into_response(trace_id, now);
    };
    let state = query.get("state");
    let refuse = |error: &str, description: &str| {
        redirect_with(redirect.clone(), state, &[("error", error), ("error_description", description)])
    };
    if query.get("response_type") != Some("code") {
        return refuse("unsupported_response_type", "AADSTS70005: response_type is not supported for the application.");
    }
    let user = world.login_user(query.get("login_hint"));
    let denied = "AADSTS65004: User declined to consent to access the app.";
    let Some(user) = user.filter(|user| !user.denies_consent).cloned() else {
        return refuse("access_denied", denied);
    };
    let asked = query.get("scope").unwrap_or_default();
    if asked.split_whitespace().next().is_none() {
        return refuse("invalid_request", "AADSTS900144: The request must contain the following parameter: 'scope'.");
    }
    let is_unticked = |scope: &str| {
        user.unticked_scopes.iter().any(|unticked| short_scope(unticked).eq_ignore_ascii_case(short_scope(scope)))
    };
    let scopes: Vec<String> = asked.split_whitespace().filter(|scope| !is_unticked(scope)).map(str::to_owned).collect();
    if scopes.is_empty() {
        return refuse("access_denied", denied);
    }
    let code = Code {
        text: format!("0.AXoA{}", world.new_id("code")),
        user: user.oid,
        client,
        offline: scopes.iter().any(|scope| scope == OFFLINE_ACCESS),
        scopes,
        redirect_uri: redirect_uri.to_owned(),
        challenge: Challenge::of(query),
        expires_at: world.clock.real_now() + TimeDelta::seconds(CODE_LIFETIME_S),
    };
    let session = world.new_id("session");
    let answer = redirect_with(redirect, state, &[("code", &code.text), ("session_state", &session)]);
    world.save_code(code);
    answer
}

/// `POST /{tenant}/oauth2/v2.0/token`.
pub(crate) fn token(world: &mut World, request: &ApiRequest, trace_id: &str, now: &str) -> ApiResponse {
    match give_tokens(world, request) {
        Err(error) => error.into_response(trace_id, now),
        Ok(tokens) => {
            let mut body = json!({
                "token_type": "Bearer",
                "scope": tokens.scopes.join(" "),
                "expires_in": tokens.expires_in_s,
                "ext_expires_in": tokens.expires_in_s,
                "access_token": tokens.access_token,
            });
            if let (Some(token), Some(body)) = (tokens.refresh_token, body.as_object_mut()) {
                body.insert("refresh_token".to_owned(), json!(token));
            }
            let mut response = ApiResponse::json(&body);
            response.push_header(header::CACHE_CONTROL, "no-store, no-cache");
            response
        }
    }
}

fn give_tokens(world: &mut World, request: &ApiRequest) -> Result<Tokens, OauthError> {
    let form = form(request);
    let (client_id, secret) = client_credentials(request.header(header::AUTHORIZATION), &form);
    let client = client_id.as_deref().and_then(|id| world.provider.oauth.client(id));
    let client = client.ok_or_else(|| OauthError::of_code(700_016))?;
    if Some(&client.secret) != secret.as_ref() {
        return Err(OauthError::of_code(7_000_215));
    }
    let client = client.id.clone();
    match form.get("grant_type") {
        Some("authorization_code") => redeem_code(world, &client, &form),
        Some("refresh_token") => refresh(world, &client, &form),
        _ => Err(OauthError::invalid_request(70_003, "The app requested an unsupported grant type.")),
    }
}

fn redeem_code(world: &mut World, client: &str, form: &Query) -> Result<Tokens, OauthError> {
    if let Some(code) = world.provider.refresh_failure.filter(|code| (7_000_000..8_000_000).contains(code)) {
        return Err(OauthError::of_code(code));
    }
    let missing = || OauthError::invalid_request(900_144, "The request body must contain the parameter 'code'.");
    let text = form.get("code").ok_or_else(missing)?;
    let code = world.take_code(text).ok_or_else(|| {
        OauthError::invalid_grant(
            54_005,
            "OAuth2 Authorization code was already redeemed, please retry with a new valid code.",
        )
    })?;
    if code.client != client || code.expires_at < world.clock.real_now() {
        return Err(OauthError::invalid_grant(70_008, "The provided authorization code is expired."));
    }
    if form.get("redirect_uri") != Some(&code.redirect_uri) {
        let message = "The reply address does not match the reply address provided when requesting Authorization code.";
        return Err(OauthError::invalid_grant(500_112, message));
    }
    if let Some(challenge) = &code.challenge
        && !form.get("code_verifier").is_some_and(|verifier| challenge.is_answered_by(verifier))
    {
        let message = "The Code_Verifier does not match the code_challenge supplied in the authorization request.";
        return Err(OauthError::invalid_grant(501_481, message));
    }
    Ok(world.grant(&code.user, client, &code.scopes, code.offline))
}

fn refresh(world: &mut World, client: &str, form: &Query) -> Result<Tokens, OauthError> {
    if let Some(code) = world.provider.refresh_failure {
        return Err(OauthError::of_code(code));
    }
    let malformed = || OauthError::invalid_grant(9_002_313, "Invalid request. Request is malformed or invalid.");
    let token = form.get("refresh_token").ok_or_else(malformed)?;
    let mut grant = world.provider.oauth.grant_of_refresh_token(token).ok_or_else(malformed)?.clone();
    if grant.client != client {
        return Err(OauthError::invalid_grant(700_003, "The refresh token was issued to another client."));
    }
    if grant.revoked {
        return Err(OauthError::of_code(50_173));
    }
    let now = world.clock.real_now();
    let once = world.provider.quirks.refresh_tokens_once;
    let used = grant.refresh_tokens.iter_mut().find(|refresh| refresh.token == token).ok_or_else(malformed)?;
    if used.expires_at <= now {
        return Err(OauthError::of_code(700_082));
    }
    if used.is_used_up {
        return Err(OauthError::invalid_grant(70_000, "The refresh token was already used."));
    }
    used.is_used_up = once;
    Ok(world.issue_tokens(grant, true))
}

/// What a fault makes of a call of the OAuth server.
pub(crate) fn scripted(status: u16, reason: Option<&str>, trace_id: &str, now: &str) -> ApiResponse {
    let (code, error) = match reason {
        Some("invalid_client") => (7_000_215, "invalid_client"),
        Some("invalid_grant") => (50_173, "invalid_grant"),
        Some("interaction_required") => (50_076, "interaction_required"),
        Some("unauthorized_client") => (700_016, "unauthorized_client"),
        _ if status >= 500 => (90_033, "temporarily_unavailable"),
        _ => (90_000, "invalid_request"),
    };
    let known = reason.and_then(|reason| reason.strip_prefix("AADSTS")).and_then(|code| code.parse().ok());
    let error = match known {
        Some(code) => OauthError { status, ..OauthError::of_code(code) },
        None => OauthError { status, error, code, description: "Simulated failure.".to_owned() },
    };
    error.into_response(trace_id, now)
}

fn form(request: &ApiRequest) -> Query {
    Query::parse(&String::from_utf8_lossy(&request.body))
}
