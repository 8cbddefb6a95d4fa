//! The door before Temporal's UI. The UI's own server answers whoever reaches it, also a page of a browser whose owner lets the
//! page's name point at loopback (DNS rebinding). So it listens at an address of loopback that nobody can guess, and what people
//! open is a port of ours, which hands connections on that begin with a request for this machine.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use evercal_process::{Pulse, TaskFailure, Tasks};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use url::{Host, Url};

/// The largest head of a first request.
const HEAD_BYTES_MAX: usize = 64 * 1024;
const HEAD_LINES_MAX: usize = 100;
/// How long the first request may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long what follows a refused request is read.
const REST_TIMEOUT: Duration = Duration::from_secs(1);
/// Connections at a time; a browser has six.
const CONNECTIONS_MAX: usize = 256;
/// The loop only waits.
const SILENCE_MAX: Duration = Duration::from_mins(1);
/// After a failure to accept, such as for want of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

const REFUSAL: &[u8] =
    b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: 77\r\nConnection: close\r\n\r\n\
    Temporal's UI answers here at localhost or an address of this machine alone.\n";

const UNAVAILABLE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nContent-Length: 53\r\n\
    Retry-After: 1\r\nConnection: close\r\n\r\nTemporal's UI is not there; it is started again soon\n";

/// A port that is taken, and where the UI has to listen behind it.
#[derive(Debug)]
pub(crate) struct UiGuard {
    listener: TcpListener,
    behind: SocketAddr,
}

impl UiGuard {
    /// Takes the port.
    pub(crate) async fn bind(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        // Free a moment ago; a start that finds it taken is tried again.
        let behind = TcpListener::bind((hidden_address()?, 0)).await?.local_addr()?;
        Ok(Self { listener, behind })
    }

    /// Where the UI has to listen.
    pub(crate) fn behind(&self) -> SocketAddr {
        self.behind
    }

    /// Hands connections on until the door is closed.
    pub(crate) fn serve(self) -> Door {
        let tasks = Tasks::new();
        let connections = tasks.group();
        tasks.spawn_loop("door of Temporal's UI", SILENCE_MAX, |pulse| self.accept(pulse, connections));
        Door(tasks)
    }

    async fn accept(self, pulse: Pulse, connections: Tasks) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let accepted = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (place, self.listener.accept().await)
            };
            match pulse.wait(accepted).await {
                None => return,
                Some((place, Ok((stream, _peer)))) => {
                    let (pulse, behind) = (pulse.clone(), self.behind);
                    // It ends with its connection, or with the guard.
                    drop(connections.spawn("connection to Temporal's UI", async move {
                        let _place = place;
                        if let Some(Err(error)) = pulse.wait(hand_on(stream, behind)).await {
                            tracing::debug!(%error, "a connection to Temporal's UI ended");
                        }
                    }));
                }
                Some((_, Err(error))) => {
                    tracing::warn!(%error, "a connection to Temporal's UI could not be accepted");
                    pulse.wait(tokio::time::sleep(PAUSE)).await;
                }
            }
        }
    }
}

/// One of the 16 million addresses of loopback. Only Linux has them all at hand; elsewhere the port alone has to be guessed.
fn hidden_address() -> io::Result<Ipv4Addr> {
    if !cfg!(target_os = "linux") {
        return Ok(Ipv4Addr::LOCALHOST);
    }
    let mut random = [0; 3];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let [second, third, fourth] = random;
    // Neither a network's own address nor its broadcast's.
    Ok(Ipv4Addr::new(127, second, third, fourth.clamp(1, 254)))
}

/// A guard that serves; dropped, it closes.
#[derive(Debug)]
pub(crate) struct Door(Tasks);

impl Door {
    /// Completes when the door is not served any more: then the process has to end.
    pub(crate) async fn failed(&self) -> TaskFailure {
        self.0.failed().await
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// A browser uses a connection for one origin alone, so that its first request says for whom all of them are.
async fn hand_on(mut stream: TcpStream, behind: SocketAddr) -> io::Result<()> {
    let Ok(head) = timeout(HEAD_TIMEOUT, first_head(&mut stream)).await else { return Ok(()) };
    let Some(head) = head? else { return refuse(stream, REFUSAL).await };
    // It is started again after a fault.
    let Ok(mut ui) = TcpStream::connect(behind).await else { return refuse(stream, UNAVAILABLE).await };
    ui.write_all(&head).await?;
    copy_bidirectional(&mut stream, &mut ui).await.map(drop)
}

/// Answers, and reads what is left for a moment: who is hung up on while they send may not see the answer.
async fn refuse(mut stream: TcpStream, answer: &[u8]) -> io::Result<()> {
    stream.write_all(answer).await?;
    stream.shutdown().await?;
    let rest = async { while matches!(stream.read(&mut [0; 1_024]).await, Ok(1..)) {} };
    // Whoever goes on sending has had the time to read.
    drop(timeout(REST_TIMEOUT, rest).await);
    Ok(())
}

/// What was read up to the end of the first head; `None` where the request is not for this machine, or is none.
async fn first_head(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut read = Vec::new();
    while read.len() < HEAD_BYTES_MAX {
        if stream.read_buf(&mut read).await? == 0 {
            return Ok(None);
        }
        match is_for_this_machine(&read) {
            None => {}
            Some(true) => return Ok(Some(read)),
            Some(false) => return Ok(None),
        }
    }
    Ok(None)
}

/// `None` while the head is not complete.
fn is_for_this_machine(read: &[u8]) -> Option<bool> {
    let mut lines = [httparse::EMPTY_HEADER; HEAD_LINES_MAX];
    let mut request = httparse::Request::new(&mut lines);
    match request.parse(read) {
        Ok(httparse::Status::Partial) => return None,
        Err(_) => return Some(false),
        Ok(httparse::Status::Complete(_)) => {}
    }
    let mut hosts = request.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("host"));
    let (host, another) = (hosts.next(), hosts.next());
    Some(another.is_none() && host.is_some_and(|host| is_loopback(host.value)))
}

/// Whether a `Host` names this machine by an address or by the one name that nobody else can have.
fn is_loopback(host: &[u8]) -> bool {
    let url = str::from_utf8(host).ok().and_then(|host| Url::parse(&format!("http://{host}/")).ok());
    match url.as_ref().and_then(Url::host) {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(lines: &str) -> Option<bool> {
        is_for_this_machine(format!("GET / HTTP/1.1\r\n{lines}\r\n\r\n").as_bytes())
    }

    #[test]
    fn a_request_is_for_this_machine_by_an_address_of_loopback_or_localhost() {
        for host in ["127.0.0.1:8233", "localhost:8233", "LOCALHOST", "[::1]:8233", "127.0.0.1"] {
            assert_eq!(head(&format!("Host: {host}")), Some(true), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:8233",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "",
            "a b",
        ] {
            assert_eq!(head(&format!("Host: {host}")), Some(false), "{host}");
        }
    }

    #[test]
    fn what_names_nobody_or_two_is_refused_and_what_is_not_complete_is_waited_for() {
        assert_eq!(head("Accept: */*"), Some(false));
        assert_eq!(head("Host: localhost\r\nHost: evil.example"), Some(false));
        assert_eq!(is_for_this_machine(b"\x16\x03\x01"), Some(false));
        assert_eq!(is_for_this_machine(b"GET / HTTP/1.1\r\nHost: local"), None);
    }

    #[test]
    fn the_refusal_is_as_long_as_it_says() {
        for answer in [REFUSAL, UNAVAILABLE] {
            let (head, body) = str::from_utf8(answer).unwrap().split_once("\r\n\r\n").unwrap();
            assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{}", body.len());
        }
    }
}
