//! A request as a value. `Debug` shows neither its URL, nor its headers, nor its body.

use std::fmt;

use evercal_domain::account::Secret;
use reqwest::Method;
use url::Url;

/// A request that can be compared, kept and sent.
#[derive(Clone, PartialEq)]
pub struct HttpRequest {
    /// Which call this is, by the provider's own method name, such as `calendar.events.list`; goes into errors.
    pub call: &'static str,
    /// The method.
    pub method: Method,
    /// The address, with its query.
    pub url: Url,
    /// Headers beyond those that the body and the bearer token bring.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Body,
    /// The access token that goes out as `Authorization: Bearer` (RFC 6750).
    pub bearer: Option<Secret>,
}

/// What a request carries.
#[derive(Clone, PartialEq)]
pub enum Body {
    /// Nothing.
    Empty,
    /// JSON, as `application/json`.
    Json(serde_json::Value),
    /// Fields, as `application/x-www-form-urlencoded`.
    Form(Vec<(&'static str, String)>),
}

impl HttpRequest {
    /// A GET without headers.
    pub fn get(call: &'static str, url: Url) -> Self {
        Self { call, method: Method::GET, url, headers: Vec::new(), body: Body::Empty, bearer: None }
    }

    /// A POST without headers.
    pub fn post(call: &'static str, url: Url, body: Body) -> Self {
        Self { call, method: Method::POST, url, headers: Vec::new(), body, bearer: None }
    }
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest").field("call", &self.call).field("method", &self.method).finish_non_exhaustive()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "Empty",
            Self::Json(_) => "Json(redacted)",
            Self::Form(_) => "Form(redacted)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_does_not_show_what_it_carries() {
        let mut request = HttpRequest::post(
            "token",
            "https://example.com/marker-path?marker=query".parse().unwrap(),
            Body::Form(vec![("code", "marker-code".into())]),
        );
        request.headers.push(("x-test", "marker-header".into()));
        request.bearer = Some(Secret::new("marker-token"));
        let shown = format!("{request:?} {:?}", request.body);
        assert!(!shown.contains("marker") && !shown.contains("example"), "{shown}");
    }
}
