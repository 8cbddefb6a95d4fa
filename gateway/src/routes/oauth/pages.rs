//! The pages that end a consent. Fixed texts: nothing of the request is repeated.

use axum::http::StatusCode;
use axum::http::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use axum::response::{Html, IntoResponse, Response};

/// How a consent ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::routes) enum Page {
    /// The code is in the store.
    Connected,
    /// The user said no, or Google did.
    NotGranted,
    /// We did not ask for this, or not any more.
    UnknownAttempt,
    /// The account was disconnected meanwhile.
    AccountGone,
    /// Its tenant may have no more accounts.
    TenantFull,
}

impl Page {
    fn content(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Connected => {
                (StatusCode::OK, "Connected", "Your calendars are being read now. You can close this page.")
            }
            Self::NotGranted => (
                StatusCode::BAD_REQUEST,
                "Not connected",
                "Access was not granted, so nothing was connected. You can close this page and start again.",
            ),
            Self::UnknownAttempt => (
                StatusCode::BAD_REQUEST,
                "This link is no longer good",
                "It was used before, or it is older than ten minutes. Please start connecting again.",
            ),
            Self::AccountGone => (
                StatusCode::CONFLICT,
                "This account was disconnected",
                "It cannot be connected again. Please connect it as a new account.",
            ),
            Self::TenantFull => (
                StatusCode::CONFLICT,
                "No more accounts",
                "Whoever sent you here can connect no more accounts at the moment, so nothing was connected.",
            ),
        }
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let (status, title, text) = self.content();
        let html = format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
             <style>body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:20vh auto;padding:0 1rem}}</style>\n\
             <h1>{title}</h1>\n<p>{text}</p>\n</html>\n"
        );
        let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'");
        let mut response = (status, Html(html)).into_response();
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
        response
    }
}
