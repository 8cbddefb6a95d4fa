//! Sends many HTTP requests over connections that stay open. It does as little as HTTP/1.1 allows, since it shares the
//! machine with what it measures: an ordinary client costs as much as the gateway's own work.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// What is read at a time.
const BUFFER_BYTES: usize = 64 * 1024;

/// How it went.
pub struct Answered {
    /// From the first byte sent to the last answer.
    pub taken: Duration,
    /// Requests that were answered with anything but 2xx, and 304 where that was asked for.
    pub refused: usize,
    /// Requests that were answered with 304.
    pub not_modified: usize,
}

impl Answered {
    /// Requests per second.
    pub fn per_second(&self, total: usize) -> f64 {
        per_second(total, self.taken)
    }
}

/// How many of them there were in a second.
pub fn per_second(total: usize, taken: Duration) -> f64 {
    f64::from(u32::try_from(total).unwrap_or(u32::MAX)) / taken.as_secs_f64()
}

/// Sends `total` requests, so many at a time, each on a connection that is open already. `request` makes the n-th one at
/// the moment when it is sent.
pub async fn send(
    address: SocketAddr,
    total: usize,
    in_flight: usize,
    request: impl Fn(usize) -> Arc<[u8]> + Send + Sync + 'static,
) -> anyhow::Result<Answered> {
    let mut streams = Vec::with_capacity(in_flight);
    for _ in 0..in_flight.min(total) {
        let stream = TcpStream::connect(address).await;
        let stream = stream.context("opening connections: is `ulimit -n` below 10000?")?;
        stream.set_nodelay(true)?;
        streams.push(stream);
    }
    let (next, request) = (Arc::new(AtomicUsize::new(0)), Arc::new(request));
    let mut senders = JoinSet::new();
    let begun = Instant::now();
    for mut stream in streams {
        let (next, request) = (Arc::clone(&next), Arc::clone(&request));
        senders.spawn(async move {
            let (mut refused, mut not_modified, mut buffer) = (0, 0, Vec::new());
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= total {
                    return anyhow::Ok((refused, not_modified));
                }
                stream.write_all(&request(number)).await?;
                let status = read_answer(&mut stream, &mut buffer).await?;
                if status == 304 {
                    not_modified += 1;
                } else if !(200..300).contains(&status) {
                    refused += 1;
                }
            }
        });
    }
    let (mut refused, mut not_modified) = (0, 0);
    while let Some(sent) = senders.join_next().await {
        let (more_refused, more_not_modified) = sent.context("a sender panicked")??;
        refused += more_refused;
        not_modified += more_not_modified;
    }
    Ok(Answered { taken: begun.elapsed(), refused, not_modified })
}

/// The status that a path is answered with.
pub async fn status(address: SocketAddr, path: &str) -> anyhow::Result<u16> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n").as_bytes()).await?;
    read_answer(&mut stream, &mut Vec::new()).await
}

/// Reads one answer and leaves the buffer empty; its status.
async fn read_answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<u16> {
    buffer.clear();
    let head_bytes = loop {
        if let Some(end) = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break end + 4;
        }
        read_more(stream, buffer).await?;
    };
    let head = std::str::from_utf8(&buffer[..head_bytes]).context("a head that is no text")?;
    let (status, body_bytes) = parse_head(head)?;
    while buffer.len() < head_bytes + body_bytes {
        read_more(stream, buffer).await?;
    }
    Ok(status)
}

async fn read_more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<()> {
    buffer.reserve(if buffer.is_empty() { 512 } else { BUFFER_BYTES });
    if stream.read_buf(buffer).await? == 0 {
        bail!("the connection was closed before the answer was whole");
    }
    Ok(())
}

/// The status of an answer, and the length of its body.
fn parse_head(head: &str) -> anyhow::Result<(u16, usize)> {
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no status")?;
    let mut headers = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    let length = headers.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    match length {
        Some((_, length)) => Ok((status, length.trim().parse().context("a length that is no number")?)),
        None if status == 204 || status == 304 => Ok((status, 0)),
        None => bail!("an answer {status} without a length"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_has_the_status_and_the_length_of_the_body() {
        assert_eq!(parse_head("HTTP/1.1 204 No Content\r\nx-request-id: a\r\n\r\n").unwrap(), (204, 0));
        assert_eq!(parse_head("HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n").unwrap(), (200, 17));
        assert!(parse_head("HTTP/1.1 200 OK\r\n\r\n").is_err(), "where it ends would be a guess");
    }
}
