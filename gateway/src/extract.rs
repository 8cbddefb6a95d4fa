//! What handlers take from a request beside the caller and the parameters: the peer, and ids in a path.

use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::http::Extensions;
use axum::http::request::Parts;

use crate::problem::{Problem, ProblemKind};

/// Where the request came from, as the socket says, or a trusted proxy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub IpAddr);

/// The peer's address; unspecified when the server did not say.
pub(crate) struct Source(pub IpAddr);

impl<S: Sync> FromRequestParts<S> for Source {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(source(&parts.extensions)))
    }
}

/// The same, for middleware.
pub(crate) fn source(extensions: &Extensions) -> IpAddr {
    extensions.get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0)
}

/// An id from a path. One that cannot be an id names nothing; `missing` is what is said of that.
pub(crate) fn id<T: FromStr>(text: &str, missing: ProblemKind) -> Result<T, Problem> {
    text.parse().map_err(|_| Problem::of(missing))
}
