//! Why no answer came. Never holds a URL, a host or an address: calendar ids are often e-mail addresses and part of
//! URLs, and these errors end up in logs and in Temporal's histories.

use std::error::Error;
use std::fmt;
use std::io;

/// What kept an answer from coming.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransportErrorKind {
    /// Nobody listened, or the name did not resolve.
    Unreachable,
    /// The connection was reset, ended inside the answer, or carried something that is not an HTTP answer.
    Reset,
    /// No connection, or no whole answer, in time.
    TimedOut,
    /// The answer is larger than the limit.
    TooLarge,
    /// The other side did not prove who it is, or does not speak TLS.
    Tls,
    /// The request cannot be sent: a header, a scheme or a body that HTTP does not allow.
    InvalidRequest,
}

impl fmt::Display for TransportErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "the server could not be reached",
            Self::Reset => "the connection ended before the whole answer came",
            Self::TimedOut => "no whole answer came in time",
            Self::TooLarge => "the answer is larger than the limit",
            Self::Tls => "no secure connection could be made",
            Self::InvalidRequest => "the request cannot be sent",
        })
    }
}

/// A request that got no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{call} failed: {kind}")]
pub struct TransportError {
    /// Why no answer came.
    pub kind: TransportErrorKind,
    /// Which call it was: [`crate::HttpRequest::call`].
    pub call: &'static str,
}

impl TransportErrorKind {
    /// Reads the kind out of an error of the client library; its text, which may name hosts, is dropped.
    pub(crate) fn of(error: &reqwest::Error) -> Self {
        if error.is_timeout() {
            return Self::TimedOut;
        }
        if error.is_builder() {
            return Self::InvalidRequest;
        }
        for cause in causes(error) {
            if cause.is::<rustls::Error>() {
                return Self::Tls;
            }
            if cause.downcast_ref::<io::Error>().is_some_and(|cause| {
                matches!(
                    cause.kind(),
                    io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe
                )
            }) {
                return Self::Reset;
            }
        }
        if error.is_connect() { Self::Unreachable } else { Self::Reset }
    }
}

/// The causes of an error, outermost first.
fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), |&cause| {
        // An io::Error's `source()` passes over the error that it wraps.
        match cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped as &(dyn Error + 'static)),
            None => cause.source(),
        }
    })
}
