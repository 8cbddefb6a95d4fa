//! Microsoft's OAuth endpoints (<https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow>). Refresh tokens
//! rotate; the one before stays good for a while. Nothing can be given back: the person ends the grant at Microsoft.

use async_trait::async_trait;
use evercal_domain::ProviderError;
use evercal_domain::account::Secret;
use evercal_http::{Body, HttpRequest, HttpResponse};
use url::Url;

use super::calls::TOKEN;
use super::errors::unreadable_answer;
use super::{GraphProvider, GraphSettings, checked};
use crate::call::error_without_answer;
use crate::oauth::{
    AuthorizationRequest, ConsentPage, OAuthProvider, RedeemedCode, TokenGrant, code_fields, read_grant, refresh_fields,
};

/// Asked for, and never named in an answer: whether it was granted, the refresh token shows.
const OFFLINE_ACCESS: &str = "offline_access";

impl ConsentPage for GraphSettings {
    fn scope_in_words(&self, scope: &str) -> Option<&'static str> {
        match short(scope).as_str() {
            "calendars.read" => Some("Read your calendars"),
            "calendars.readwrite" => Some("Have full access to your calendars"),
            OFFLINE_ACCESS => Some("Keep the access while you are not there"),
            _ => None,
        }
    }

    fn authorization_url(&self, request: &AuthorizationRequest) -> Url {
        let mut url = self.auth_url.clone();
        {
            let mut query = url.query_pairs_mut();
            query
                .append_pair("response_type", "code")
                .append_pair("response_mode", "query")
                .append_pair("client_id", &self.client_id)
                .append_pair("redirect_uri", &request.redirect_uri)
                .append_pair("scope", &self.scopes.join(" "))
                .append_pair("state", &request.state)
                .append_pair("code_challenge", &request.code_challenge)
                .append_pair("code_challenge_method", "S256")
                // Somebody who is signed in with several accounts has to say which one is meant.
                .append_pair("prompt", "select_account");
            if let Some(login_hint) = &request.login_hint {
                query.append_pair("login_hint", login_hint);
            }
        }
        url
    }
}

#[async_trait]
impl OAuthProvider for GraphProvider {
    async fn redeem_code(
        &self,
        code: &Secret,
        code_verifier: &Secret,
        redirect_uri: &str,
    ) -> Result<RedeemedCode, ProviderError> {
        let mut fields = code_fields(&self.settings.client_id, &self.client_secret, code, code_verifier, redirect_uri);
        fields.push(("scope", self.settings.scopes.join(" ")));
        Ok(with_all_scopes(&self.settings, self.token(fields).await?))
    }

    /// Without scopes: those that were granted stay, also where others are configured by now.
    async fn refresh(&self, refresh_token: &Secret) -> Result<TokenGrant, ProviderError> {
        self.token(refresh_fields(&self.settings.client_id, &self.client_secret, refresh_token)).await
    }
}

impl GraphProvider {
    async fn token(&self, fields: Vec<(&'static str, String)>) -> Result<TokenGrant, ProviderError> {
        let request = HttpRequest::post(TOKEN, self.settings.token_url.clone(), Body::Form(fields));
        let answer = self.transport.send(request).await.map_err(|error| error_without_answer(&error))?;
        let answer: HttpResponse = checked(TOKEN, answer)?;
        read_grant(&answer).ok_or_else(|| unreadable_answer(TOKEN, &answer))
    }
}

/// Users and administrators can grant less than was asked for, or more. No `scope` in the answer means all that was asked for
/// (RFC 6749 section 5.1).
fn with_all_scopes(settings: &GraphSettings, mut grant: TokenGrant) -> RedeemedCode {
    let granted = grant.scope.get_or_insert_with(|| settings.scopes.join(" "));
    let granted: Vec<String> = granted.split_whitespace().map(short).collect();
    let is_kept = grant.refresh_token.is_some();
    let is_granted = |needed: &String| {
        let needed = short(needed);
        if needed == OFFLINE_ACCESS {
            return is_kept;
        }
        // Who may write may read.
        let covering = needed.strip_suffix(".read").map(|name| format!("{name}.readwrite"));
        granted.contains(&needed) || covering.is_some_and(|scope| granted.contains(&scope))
    };
    let missing: Vec<String> = settings.scopes.iter().filter(|needed| !is_granted(needed)).cloned().collect();
    if missing.is_empty() { RedeemedCode::Granted(grant) } else { RedeemedCode::MissingScopes(missing) }
}

/// A scope without the address of the API that may stand before it (another one in each cloud), in lower case.
fn short(scope: &str) -> String {
    let lower = scope.to_ascii_lowercase();
    let name = if lower.starts_with("https://") { lower.rsplit('/').next().unwrap_or_default() } else { &lower };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::settings::DEFAULT_TENANT;
    use super::*;

    fn settings() -> GraphSettings {
        GraphSettings::at(None, None, DEFAULT_TENANT, "our-client").unwrap()
    }

    fn granted(scope: Option<&str>) -> RedeemedCode {
        redeemed(scope, Some("refresh"))
    }

    fn redeemed(scope: Option<&str>, refresh_token: Option<&str>) -> RedeemedCode {
        let grant = TokenGrant {
            access_token: Secret::new("access"),
            expires_in: Duration::from_secs(3_600),
            refresh_token: refresh_token.map(Secret::new),
            scope: scope.map(str::to_owned),
        };
        with_all_scopes(&settings(), grant)
    }

    #[test]
    fn scopes_come_short_or_long_in_any_case_and_writing_covers_reading() {
        for scope in [
            None,
            Some("Calendars.Read"),
            Some("https://graph.microsoft.com/Calendars.Read"),
            Some("https://graph.microsoft.us/Calendars.Read"),
            Some("profile openid HTTPS://GRAPH.MICROSOFT.COM/calendars.readwrite"),
        ] {
            assert!(matches!(granted(scope), RedeemedCode::Granted(_)), "{scope:?}");
        }
        for scope in ["", "User.Read", "offline_access", "Calendars.Read.Shared"] {
            let missing = RedeemedCode::MissingScopes(vec!["Calendars.Read".to_owned()]);
            assert_eq!(granted(Some(scope)), missing, "{scope}");
        }
    }

    #[test]
    fn without_a_refresh_token_the_access_that_lasts_was_not_granted() {
        let missing = RedeemedCode::MissingScopes(vec!["offline_access".to_owned()]);
        assert_eq!(redeemed(Some("Calendars.Read"), None), missing);
    }

    #[test]
    fn the_consent_page_is_asked_for_with_a_challenge_and_the_registered_address() {
        let url = settings().authorization_url(&AuthorizationRequest {
            redirect_uri: "https://cal.example.com/v1/oauth/microsoft/callback".into(),
            state: "state".into(),
            code_challenge: "challenge".into(),
            login_hint: Some("robin@example.com".into()),
        });
        assert_eq!(url.path(), "/common/oauth2/v2.0/authorize");
        let query: std::collections::BTreeMap<_, _> = url.query_pairs().into_owned().collect();
        for (name, value) in [
            ("response_type", "code"),
            ("client_id", "our-client"),
            ("scope", "offline_access Calendars.Read"),
            ("code_challenge", "challenge"),
            ("code_challenge_method", "S256"),
            ("state", "state"),
            ("login_hint", "robin@example.com"),
            ("redirect_uri", "https://cal.example.com/v1/oauth/microsoft/callback"),
        ] {
            assert_eq!(query.get(name).map(String::as_str), Some(value), "{name}");
        }
    }
}
