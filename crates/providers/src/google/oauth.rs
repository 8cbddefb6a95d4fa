//! Google's OAuth endpoints (<https://developers.google.com/identity/protocols/oauth2/web-server>).

use async_trait::async_trait;
use evercal_domain::account::Secret;
use evercal_domain::{ProviderError, ProviderErrorKind};
use evercal_http::{Body, HttpRequest};
use url::Url;

use super::calls::{REVOKE, TOKEN};
use super::errors::unreadable_answer;
use super::{GoogleProvider, GoogleSettings};
use crate::oauth::{
    AuthorizationRequest, ConsentPage, OAuthProvider, RedeemedCode, TokenGrant, code_fields, read_grant, refresh_fields,
};

/// What scopes mean, in the words of Google's consent page.
const SCOPES_IN_WORDS: [(&str, &str); 2] = [
    ("https://www.googleapis.com/auth/calendar.calendarlist.readonly", "See the list of your calendars"),
    ("https://www.googleapis.com/auth/calendar.events.readonly", "See the events of your calendars"),
];

impl ConsentPage for GoogleSettings {
    fn scope_in_words(&self, scope: &str) -> Option<&'static str> {
        SCOPES_IN_WORDS.iter().find(|(known, _)| *known == scope).map(|(_, words)| *words)
    }

    fn authorization_url(&self, request: &AuthorizationRequest) -> Url {
        let mut url = self.auth_url.clone();
        {
            let mut query = url.query_pairs_mut();
            query
                .append_pair("response_type", "code")
                .append_pair("client_id", &self.client_id)
                .append_pair("redirect_uri", &request.redirect_uri)
                .append_pair("scope", &self.scopes.join(" "))
                .append_pair("state", &request.state)
                .append_pair("code_challenge", &request.code_challenge)
                .append_pair("code_challenge_method", "S256")
                // Google gives a refresh token for offline access only, and to somebody who has consented before only
                // when the consent page is shown again.
                .append_pair("access_type", "offline")
                .append_pair("prompt", "consent");
            if let Some(login_hint) = &request.login_hint {
                query.append_pair("login_hint", login_hint);
            }
        }
        url
    }
}

#[async_trait]
impl OAuthProvider for GoogleProvider {
    async fn redeem_code(
        &self,
        code: &Secret,
        code_verifier: &Secret,
        redirect_uri: &str,
    ) -> Result<RedeemedCode, ProviderError> {
        let fields = code_fields(&self.settings.client_id, &self.client_secret, code, code_verifier, redirect_uri);
        Ok(with_all_scopes(&self.settings, self.token(fields).await?))
    }

    async fn refresh(&self, refresh_token: &Secret) -> Result<TokenGrant, ProviderError> {
        self.token(refresh_fields(&self.settings.client_id, &self.client_secret, refresh_token)).await
    }

    async fn revoke(&self, token: &Secret) -> Result<(), ProviderError> {
        match self.send(revoke_request(&self.settings, token)).await {
            Ok(_) => Ok(()),
            Err(error) if error.kind == ProviderErrorKind::GrantRevoked => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl GoogleProvider {
    async fn token(&self, fields: Vec<(&'static str, String)>) -> Result<TokenGrant, ProviderError> {
        let answer = self.send(HttpRequest::post(TOKEN, self.settings.token_url.clone(), Body::Form(fields))).await?;
        read_grant(&answer).ok_or_else(|| unreadable_answer(TOKEN, &answer))
    }
}

fn revoke_request(settings: &GoogleSettings, token: &Secret) -> HttpRequest {
    let fields = vec![("token", token.expose().to_owned())];
    HttpRequest::post(REVOKE, settings.revoke_url.clone(), Body::Form(fields))
}

/// Users can untick single scopes on the consent page. No `scope` in the answer means all that was asked for (RFC 6749
/// section 5.1).
fn with_all_scopes(settings: &GoogleSettings, mut grant: TokenGrant) -> RedeemedCode {
    let granted = grant.scope.get_or_insert_with(|| settings.scopes.join(" "));
    let granted: Vec<&str> = granted.split_whitespace().collect();
    let missing: Vec<String> =
        settings.scopes.iter().filter(|needed| !granted.contains(&needed.as_str())).cloned().collect();
    if missing.is_empty() { RedeemedCode::Granted(grant) } else { RedeemedCode::MissingScopes(missing) }
}
