//! What OAuth servers have in common: the client's credentials, PKCE, and answers by redirect.

use axum::http::header;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use url::Url;

use super::query::Query;
use super::response::ApiResponse;

/// A PKCE challenge.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Challenge {
    pub(crate) value: String,
    pub(crate) hashed: bool,
}

impl Challenge {
    /// The challenge of an authorization request, if it has one.
    pub(crate) fn of(query: &Query) -> Option<Self> {
        query
            .get("code_challenge")
            .map(|value| Self { value: value.to_owned(), hashed: query.get("code_challenge_method") == Some("S256") })
    }

    pub(crate) fn is_answered_by(&self, verifier: &str) -> bool {
        let answer = if self.hashed { URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)) } else { verifier.to_owned() };
        answer == self.value
    }
}

/// The client's id and secret, from the form or from HTTP Basic.
pub(crate) fn client_credentials(authorization: Option<&str>, form: &Query) -> (Option<String>, Option<String>) {
    let basic = authorization
        .and_then(|value| value.strip_prefix("Basic "))
        .and_then(|encoded| STANDARD.decode(encoded).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok());
    if let Some((id, secret)) = basic.as_deref().and_then(|text| text.split_once(':')) {
        return (Some(id.to_owned()), Some(secret.to_owned()));
    }
    (form.get("client_id").map(str::to_owned), form.get("client_secret").map(str::to_owned))
}

/// An answer to the client by way of the browser.
pub(crate) fn redirect_with(mut to: Url, state: Option<&str>, parameters: &[(&str, &str)]) -> ApiResponse {
    to.query_pairs_mut().extend_pairs(parameters);
    if let Some(state) = state {
        to.query_pairs_mut().append_pair("state", state);
    }
    let mut response = ApiResponse::empty(302);
    response.push_header(header::LOCATION, to.as_str());
    response
}
