//! Who may speak to the simulator: programs of this machine, and no pages that a browser shows. A page of whatever origin can
//! send requests to loopback, and one whose name its owner lets point at loopback can read the answers as well.
//!
//! People's browsers may open the consent page: going somewhere carries no `Origin`.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderName, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

/// What a browser says of the page that a request comes from: <https://www.w3.org/TR/fetch-metadata/>.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Nobody's page: typed by a person.
const FETCH_SITE_NONE: &str = "none";
/// Where even a request without an `Origin`, as for an image, has no business if it is a page's.
const CONTROL: &str = "/control";

/// Refuses pages.
pub(crate) async fn local_programs_alone(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let host = headers.get(HOST).map(|host| host.to_str().unwrap_or_default());
    let is_page_of_control = request.uri().path().starts_with(CONTROL)
        && headers.get(FETCH_SITE).is_some_and(|site| site != FETCH_SITE_NONE);
    let refused = if host.or(request.uri().authority().map(Authority::as_str)).is_some_and(|host| !is_loopback(host)) {
        Some("the simulator answers at a loopback address or localhost alone")
    } else if headers.contains_key(ORIGIN) || is_page_of_control {
        Some("the simulator serves no pages of a browser")
    } else {
        None
    };
    match refused {
        Some(reason) => (StatusCode::FORBIDDEN, axum::Json(serde_json::json!({"error": reason}))).into_response(),
        None => next.run(request).await,
    }
}

/// Whether a `Host` names this machine by an address or by the one name that nobody else can have.
fn is_loopback(host: &str) -> bool {
    let Ok(uri) = format!("http://{host}/").parse::<Uri>() else { return false };
    let Some(name) = uri.host() else { return false };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
