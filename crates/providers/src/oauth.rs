//! OAuth 2.0 in the words that all providers share: the code flow with PKCE (RFC 6749 section 4.1, RFC 7636).

use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use evercal_domain::ProviderError;
use evercal_domain::account::Secret;
use evercal_http::HttpResponse;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use url::Url;

/// A provider whose accounts are connected by OAuth. Calls run on real time, whatever time a calendar lives in.
#[async_trait]
pub trait OAuthProvider: Send + Sync {
    /// Turns the one-time code of a consent into tokens.
    async fn redeem_code(
        &self,
        code: &Secret,
        code_verifier: &Secret,
        redirect_uri: &str,
    ) -> Result<RedeemedCode, ProviderError>;

    /// Gets a new access token.
    async fn refresh(&self, refresh_token: &Secret) -> Result<TokenGrant, ProviderError>;

    /// Ends a grant by one of its tokens; a grant that is already dead is ended. It may end grants of other clients of the same
    /// operator for that user too. Only asked of providers that [take grants back](evercal_domain::profile::Grants::TakenBack).
    async fn revoke(&self, _token: &Secret) -> Result<(), ProviderError> {
        Ok(())
    }
}

/// A provider's consent page, as far as a browser and the person before it meet it. Pure.
pub trait ConsentPage: Send + Sync {
    /// Where to send a browser.
    fn authorization_url(&self, request: &AuthorizationRequest) -> Url;

    /// What a scope means, in the words of the consent page; none where we have none.
    fn scope_in_words(&self, scope: &str) -> Option<&'static str>;
}

/// What the consent page is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizationRequest {
    /// Where the browser comes back to, exactly as registered at the provider.
    pub redirect_uri: String,
    /// The unguessable text that ties the answer to the browser that asked.
    pub state: String,
    /// [`pkce_challenge`] of the verifier that redeems the code.
    pub code_challenge: String,
    /// The address of the user, where it is known, to preselect the account.
    pub login_hint: Option<String>,
}

/// The outcome of redeeming a code.
#[derive(Debug, Clone, PartialEq)]
pub enum RedeemedCode {
    /// Tokens for all that evercal needs.
    Granted(TokenGrant),
    /// The person left out some of it.
    MissingScopes(Vec<String>),
}

/// Tokens, as a provider's token endpoint gives them.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenGrant {
    /// The bearer token for calls.
    pub access_token: Secret,
    /// How long it lives from now on.
    pub expires_in: Duration,
    /// The long-lived token, when a new one was given.
    pub refresh_token: Option<Secret>,
    /// What was granted, space-separated, when the provider says so.
    pub scope: Option<String>,
}

/// The fields by which a code is redeemed (RFC 6749 section 4.1.3, RFC 7636 section 4.5).
pub(crate) fn code_fields(
    client_id: &str,
    client_secret: &Secret,
    code: &Secret,
    code_verifier: &Secret,
    redirect_uri: &str,
) -> Vec<(&'static str, String)> {
    vec![
        ("grant_type", "authorization_code".to_owned()),
        ("code", code.expose().to_owned()),
        ("code_verifier", code_verifier.expose().to_owned()),
        ("redirect_uri", redirect_uri.to_owned()),
        ("client_id", client_id.to_owned()),
        ("client_secret", client_secret.expose().to_owned()),
    ]
}

/// The fields by which an access token is renewed (RFC 6749 section 6).
pub(crate) fn refresh_fields(
    client_id: &str,
    client_secret: &Secret,
    refresh_token: &Secret,
) -> Vec<(&'static str, String)> {
    vec![
        ("grant_type", "refresh_token".to_owned()),
        ("refresh_token", refresh_token.expose().to_owned()),
        ("client_id", client_id.to_owned()),
        ("client_secret", client_secret.expose().to_owned()),
    ]
}

/// The answer of a token endpoint (RFC 6749 section 5.1); none where it is not of the form.
pub(crate) fn read_grant(answer: &HttpResponse) -> Option<TokenGrant> {
    #[derive(Deserialize)]
    struct WireGrant {
        access_token: Secret,
        /// Seconds.
        expires_in: u64,
        refresh_token: Option<Secret>,
        scope: Option<String>,
    }
    let wire: WireGrant = serde_json::from_slice(&answer.body).ok()?;
    Some(TokenGrant {
        access_token: wire.access_token,
        expires_in: Duration::from_secs(wire.expires_in),
        refresh_token: wire.refresh_token,
        scope: wire.scope,
    })
}

/// The `S256` challenge of a verifier (RFC 7636 section 4.2).
pub fn pkce_challenge(code_verifier: &Secret) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(code_verifier.expose().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_that_of_rfc_7636_appendix_b() {
        let verifier = Secret::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(pkce_challenge(&verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
