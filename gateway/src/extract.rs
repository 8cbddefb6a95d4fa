//! What handlers take from a request beside the caller and the parameters: the peer, and ids in a path.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::problem::{Problem, ProblemKind};

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

/// An id from a path. One that cannot be an id names nothing; `missing` is what is said of that.
pub(crate) fn id<T: FromStr>(text: &str, missing: ProblemKind) -> Result<T, Problem> {
    text.parse().map_err(|_| Problem::of(missing))
}
