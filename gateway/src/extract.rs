//! What handlers take from a request beside the caller and the parameters: the peer, and ids in a path.

use std::net::IpAddr;
use std::str::FromStr;

use crate::problem::{Problem, ProblemKind};

/// Where the request came from, as the socket says, or a trusted proxy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub IpAddr);

/// An id from a path. One that cannot be an id names nothing; `missing` is what is said of that.
pub(crate) fn id<T: FromStr>(text: &str, missing: ProblemKind) -> Result<T, Problem> {
    text.parse().map_err(|_| Problem::of(missing))
}
