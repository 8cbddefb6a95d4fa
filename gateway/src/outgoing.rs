//! The body of an answer on its way out: in small pieces, so that no more than a few of them wait in the connection. What the
//! answer costs is kept until the last piece has left. Not for: how long that may take (`connections.rs`).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use http_body::{Frame, SizeHint};
use tokio::time::Instant;

use crate::answers::UntilSent;
use crate::connections::Connection;

/// Of a larger piece of a body, so much is handed to the connection at a time.
const PIECE_BYTES_MAX: usize = 32 * 1_024;

/// Why a body ended early.
type Broken = Box<dyn std::error::Error + Send + Sync>;

pub(crate) struct Outgoing {
    body: Body,
    /// What is left of a large piece.
    rest: Bytes,
    connection: Arc<Connection>,
    _kept: Option<UntilSent>,
}

/// Sends this answer on this connection, and no longer than this.
pub(crate) fn outgoing(mut response: Response, connection: &Arc<Connection>, time: Duration) -> Response<Outgoing> {
    let kept = response.extensions_mut().remove::<UntilSent>();
    connection.answers_until(Instant::now() + time);
    let connection = Arc::clone(connection);
    response.map(|body| Outgoing { body, rest: Bytes::new(), connection, _kept: kept })
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.len() > PIECE_BYTES_MAX => self.rest = data,
                    Ok(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                other => return Poll::Ready(other.map(|frame| frame.map_err(Into::into))),
            }
        }
        // Copied, so that a piece that waits to be sent does not hold on to the whole.
        let piece_bytes = self.rest.len().min(PIECE_BYTES_MAX);
        let piece = Bytes::copy_from_slice(&self.rest.split_to(piece_bytes));
        if self.rest.is_empty() {
            self.rest = Bytes::new();
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (of_body, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(of_body.lower() + rest);
        if let Some(upper) = of_body.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.connection.request_ended();
    }
}
