//! `/openapi.json`, and the same for people at `/docs/`: Swagger UI, which asks for an API key where it tries a route.

use std::borrow::Cow;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use evercal_process::counted;
use serde_json::Value;
use utoipa_swagger_ui::Config;

use crate::problem::{Problem, ProblemKind};
use crate::state::AppState;

const DESCRIPTION: &str = "/openapi.json";
/// With the slash: the page names its files relative to itself.
const PAGE: &str = "/docs/";
/// The page holds no script and no style of its own; its files do, among them one that the viewer writes for us (which
/// description it shows). What it styles while it runs it sets by the CSSOM, which a policy allows. The pictures in its style
/// sheet are `data:`. It calls nobody but the gateway that served it: whoever reads the page gives it a key.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'",
);
/// It changes with the version of evercal alone.
const CACHED: HeaderValue = HeaderValue::from_static("public, max-age=300");

pub(super) fn router(document: &Value) -> Router<AppState> {
    // Made once, at the start.
    let json = Bytes::from(format!("{document:#}\n"));
    // Without a bar to open other descriptions in, and without the validator, which is somebody else's server.
    let viewer = Arc::new(Config::new([DESCRIPTION]).use_base_layout().validator_url("none"));
    let page = Arc::clone(&viewer);
    Router::new()
        .route(DESCRIPTION, get(async move || (headers(HeaderValue::from_static("application/json")), json.clone())))
        .route("/docs", get(async || Redirect::temporary(PAGE)))
        .route(PAGE, get(async move || file("index.html", Arc::clone(&page))))
        .route("/docs/{file}", get(async move |Path(name): Path<String>| file(&name, Arc::clone(&viewer))))
}

/// A file of the viewer. All but the one that is written for us are packed, as every browser takes them.
fn file(name: &str, viewer: Arc<Config<'static>>) -> Result<Response, Problem> {
    let file = utoipa_swagger_ui::serve(name, viewer).map_err(|error| {
        counted!(error, "a file of the viewer could not be written", %error);
        Problem::of(ProblemKind::Internal)
    })?;
    let Some(file) = file else { return Err(Problem::of(ProblemKind::PathNotFound)) };
    let kind = HeaderValue::try_from(file.content_type).map_err(|error| {
        counted!(error, "a file of the viewer has an unusable type", %error);
        Problem::of(ProblemKind::Internal)
    })?;
    let mut headers = headers(kind);
    if file.gzpipped {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    let content = match file.bytes {
        Cow::Borrowed(content) => Bytes::from_static(content),
        Cow::Owned(content) => Bytes::from(content),
    };
    Ok((headers, content).into_response())
}

fn headers(kind: HeaderValue) -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, kind), (CACHE_CONTROL, CACHED), (CONTENT_SECURITY_POLICY, POLICY)])
}
