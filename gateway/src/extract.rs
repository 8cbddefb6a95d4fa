//! What handlers take from a request beside the caller: the peer, JSON bodies, queries, ids and pages. Anything unfit becomes
//! a problem that says what was expected.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use evercal_domain::limits::{API_PAGE_ROWS_DEFAULT, API_PAGE_ROWS_MAX};
use evercal_storage::PageRequest;
use serde::de::DeserializeOwned;

use crate::problem::Problem;
use crate::state::AppState;

/// A list's cursor in bytes; ours are far shorter.
const CURSOR_BYTES_MAX: usize = 1_024;

/// Where the request came from, as the socket says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub SocketAddr);

/// The peer's address; unspecified when the server did not say.
pub(crate) struct Source(pub IpAddr);

impl<S: Sync> FromRequestParts<S> for Source {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let peer = parts.extensions.get::<Peer>();
        Ok(Self(peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip())))
    }
}

/// A JSON body.
pub(crate) struct ApiJson<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for ApiJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match Json::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(rejection) => Err(Problem::new(rejection.status(), rejection.body_text())),
        }
    }
}

/// Query parameters.
pub(crate) struct ApiQuery<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<AppState> for ApiQuery<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(query)) => Ok(Self(query)),
            Err(rejection) => Err(Problem::bad_request(rejection.body_text())),
        }
    }
}

/// An id from a path. One that cannot be an id names nothing.
pub(crate) fn id<T: FromStr>(text: &str, what: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| Problem::not_found(what))
}

/// The page that `cursor` and `limit` ask for.
pub(crate) fn page(cursor: Option<String>, limit: Option<u32>) -> Result<PageRequest, Problem> {
    let limit = limit.unwrap_or(API_PAGE_ROWS_DEFAULT);
    if !(1..=API_PAGE_ROWS_MAX).contains(&limit) {
        return Err(Problem::bad_request(format!("`limit` must be from 1 to {API_PAGE_ROWS_MAX}.")));
    }
    if cursor.as_ref().is_some_and(|cursor| cursor.len() > CURSOR_BYTES_MAX) {
        return Err(Problem::bad_cursor());
    }
    Ok(PageRequest { after: cursor, limit })
}
