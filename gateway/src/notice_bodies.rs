//! Bodies of requests to webhooks: thrown away where the head has proven all, else kept within bounds, since their senders have
//! proven nothing yet. Not for: what is in them (`routes/webhooks/proof.rs`).

use std::sync::Arc;

use axum::body::{Body, BodyDataStream, HttpBody as _};
use futures::TryStreamExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A body beyond its limit is still read up to this many bytes, since a sender that is cut off reads no answer.
const DISCARDED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The least that a body counts for, however small it is: a request costs something besides.
const BODY_BYTES_MIN: usize = 16 * 1024;

/// Room for bodies that have to be read before it is known whether anything is proven. Notices that are proven by their heads
/// need none of it.
#[derive(Debug)]
pub(crate) struct UnprovenBodies(Arc<Semaphore>);

/// A body that was read to its end, with the room that it takes.
#[derive(Debug)]
pub(crate) struct KeptBody {
    pub bytes: Vec<u8>,
    _room: OwnedSemaphorePermit,
}

/// Why a body could not be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotKept {
    /// Others that are being read take all of the room.
    NoRoom,
    /// It is larger than it may be.
    TooLarge,
    /// It did not come to its end.
    BrokenOff,
}

/// A body is larger than it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLarge;

impl UnprovenBodies {
    /// Room for bodies that take so much memory together.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes_max)))
    }

    /// Reads a body of at most so many bytes. It takes the room of what its sender announces, and all that it may where its
    /// sender announces nothing: so what is promised is there.
    pub(crate) async fn read(&self, body: Body, bytes_max: usize) -> Result<KeptBody, NotKept> {
        let announced = body.size_hint().upper().map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        let capacity = announced.unwrap_or(bytes_max);
        let mut chunks = body.into_data_stream();
        if capacity > bytes_max {
            read_on(chunks, 0).await;
            return Err(NotKept::TooLarge);
        }
        let claimed = u32::try_from(capacity.max(BODY_BYTES_MIN)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.0).try_acquire_many_owned(claimed).map_err(|_| NotKept::NoRoom)?;
        // Copied out of what the connection reads into: a byte that comes alone would hold on to a buffer.
        let mut bytes = Vec::with_capacity(capacity);
        loop {
            match chunks.try_next().await {
                Ok(Some(chunk)) if bytes.len() + chunk.len() > bytes_max => {
                    let begun = bytes.len() + chunk.len();
                    drop((bytes, room));
                    read_on(chunks, begun).await;
                    return Err(NotKept::TooLarge);
                }
                Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
                Ok(None) => return Ok(KeptBody { bytes, _room: room }),
                Err(_) => return Err(NotKept::BrokenOff),
            }
        }
    }
}

/// Reads a body of at most so many bytes without keeping it.
pub(crate) async fn discard(body: Body, bytes_max: usize) -> Result<(), TooLarge> {
    if read_on(body.into_data_stream(), 0).await > bytes_max { Err(TooLarge) } else { Ok(()) }
}

/// Reads what is left of a body of which so many bytes were read before; answers how many there are in all, as far as it is read.
async fn read_on(mut chunks: BodyDataStream, begun: usize) -> usize {
    let mut bytes = begun;
    while let Ok(Some(chunk)) = chunks.try_next().await {
        bytes = bytes.saturating_add(chunk.len());
        if bytes > DISCARDED_BYTES_MAX {
            break;
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use futures::stream;
    use tokio::sync::mpsc;

    use super::*;

    const ROOM: usize = 4 * BODY_BYTES_MIN;

    /// A body whose length nobody announces, in pieces as a test sends them.
    fn in_pieces() -> (mpsc::UnboundedSender<Result<Bytes, std::io::Error>>, Body) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let pieces = stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
        (sender, Body::from_stream(pieces))
    }

    fn free(bodies: &UnprovenBodies) -> usize {
        bodies.0.available_permits()
    }

    #[tokio::test]
    async fn a_body_takes_the_room_that_it_announces_until_nobody_holds_it_any_more() {
        let bodies = UnprovenBodies::new(ROOM);
        let kept = bodies.read(Body::from(vec![b'x'; 2 * BODY_BYTES_MIN]), ROOM).await.unwrap();
        assert_eq!((kept.bytes.len(), free(&bodies)), (2 * BODY_BYTES_MIN, 2 * BODY_BYTES_MIN));
        let small = bodies.read(Body::from("{}"), ROOM).await.unwrap();
        assert_eq!((small.bytes.as_slice(), free(&bodies)), (b"{}".as_slice(), BODY_BYTES_MIN));
        drop((kept, small));
        assert_eq!(free(&bodies), ROOM);
    }

    #[tokio::test]
    async fn who_announces_nothing_takes_all_that_a_body_may_have() {
        let bodies = UnprovenBodies::new(ROOM);
        let (sender, body) = in_pieces();
        sender.send(Ok(Bytes::from_static(b"a"))).unwrap();
        let reading = bodies.read(body, ROOM);
        tokio::pin!(reading);
        assert!(futures::poll!(&mut reading).is_pending());
        assert_eq!(bodies.read(Body::from("b"), ROOM).await.unwrap_err(), NotKept::NoRoom);
        sender.send(Ok(Bytes::from_static(b"c"))).unwrap();
        drop(sender);
        assert_eq!(reading.await.unwrap().bytes, b"ac");
        assert!(bodies.read(Body::from("b"), ROOM).await.is_ok());
    }

    #[tokio::test]
    async fn what_is_too_large_is_read_on_without_room() {
        let bodies = UnprovenBodies::new(ROOM);
        let announced = Body::from(vec![b'x'; 3]);
        let without_room = UnprovenBodies::new(0);
        assert_eq!(without_room.read(announced, 2).await.unwrap_err(), NotKept::TooLarge, "it is not even begun");
        let (sender, body) = in_pieces();
        for _ in 0..3 {
            sender.send(Ok(Bytes::from_static(b"x"))).unwrap();
        }
        let reading = bodies.read(body, 2);
        tokio::pin!(reading);
        assert!(futures::poll!(&mut reading).is_pending(), "until its sender has said all");
        assert_eq!(free(&bodies), ROOM);
        drop(sender);
        assert_eq!(reading.await.unwrap_err(), NotKept::TooLarge);
    }

    #[tokio::test]
    async fn reading_on_has_an_end() {
        let endless =
            || Body::from_stream(stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from(vec![0; 65_536]))));
        assert_eq!(UnprovenBodies::new(ROOM).read(endless(), 10).await.unwrap_err(), NotKept::TooLarge);
        assert_eq!(discard(endless(), 10).await, Err(TooLarge));
        assert_eq!(discard(Body::from("ten bytes!"), 10).await, Ok(()));
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_gives_its_room_back() {
        let bodies = UnprovenBodies::new(ROOM);
        let (sender, body) = in_pieces();
        sender.send(Ok(Bytes::from_static(b"x"))).unwrap();
        sender.send(Err(std::io::Error::other("gone"))).unwrap();
        assert_eq!(bodies.read(body, ROOM).await.unwrap_err(), NotKept::BrokenOff);
        assert_eq!(free(&bodies), ROOM);
    }
}
