//! The client against a real listener on loopback that misbehaves on purpose.

use std::future::pending;
use std::net::SocketAddr;

use evercal_domain::account::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// For tests that wait for the timeout.
const SHORT_TIMEOUT: Duration = Duration::from_millis(400);
/// For tests that are about something else, on however busy a machine.
const LONG_TIMEOUT: Duration = Duration::from_mins(1);
const RESPONSE_BYTES_MAX: usize = 1_000;
/// What the program gzip makes of 2,000 letters x.
const GZIP_OF_2000_X: [u8; 35] = [
    31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 171, 168, 24, 5, 163, 96, 20, 140, 130, 81, 48, 10, 70, 193, 80, 7, 0, 122, 101,
    8, 41, 208, 7, 0, 0,
];

/// Serves each connection with `serve`, after the request's head and body have been read.
async fn server<F, Fut>(serve: F) -> SocketAddr
where
    F: Fn(TcpStream, String) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let request = read_request(&mut stream).await;
            tokio::spawn(serve(stream, request));
        }
    });
    address
}

/// A server that answers with these bytes and then closes.
async fn answering(bytes: impl Into<Vec<u8>>) -> SocketAddr {
    let bytes = bytes.into();
    server(move |mut stream, _| {
        let bytes = bytes.clone();
        async move {
            // The client may have hung up already, which is what some of these tests are about.
            let _ = stream.write_all(&bytes).await;
        }
    })
    .await
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut buffer = [0_u8; 4096];
    loop {
        let count = stream.read(&mut buffer).await.unwrap_or(0);
        text.push_str(&String::from_utf8_lossy(&buffer[..count]));
        let body_bytes = text
            .lines()
            .find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(|n| n.parse::<usize>().unwrap()))
            .unwrap_or(0);
        let complete = text.split_once("\r\n\r\n").is_some_and(|(_, body)| body.len() >= body_bytes);
        // A TLS hello is no request at all and is answered at once.
        let is_http = text.starts_with(|c: char| c.is_ascii_uppercase());
        if complete || count == 0 || !is_http {
            return text;
        }
    }
}

fn client(timeout: Duration) -> HttpClient {
    HttpClient::new(&HttpSettings {
        connect_timeout: timeout,
        total_timeout: timeout,
        response_bytes_max: RESPONSE_BYTES_MAX,
        ..HttpSettings::default()
    })
    .unwrap()
}

fn request_to(scheme: &str, address: SocketAddr) -> HttpRequest {
    let url = format!("{scheme}://{address}/marker-path?key=marker-query").parse().unwrap();
    HttpRequest::get("test.call", url)
}

async fn get(address: SocketAddr) -> HttpResponse {
    client(LONG_TIMEOUT).send(request_to("http", address)).await.unwrap()
}

/// The kind of error that a request ends with. Checks, each time, that the error holds nothing of what it must not.
async fn failure_within(timeout: Duration, request: HttpRequest) -> TransportErrorKind {
    let port = request.url.port().map(|port| port.to_string());
    let error = client(timeout).send(request).await.unwrap_err();
    let shown = format!("{error} {error:?}");
    for hidden in ["marker", "127.0.0.1"].into_iter().chain(port.as_deref()) {
        assert!(!shown.contains(hidden), "{shown} shows {hidden}");
    }
    error.kind
}

async fn failure(address: SocketAddr) -> TransportErrorKind {
    failure_within(LONG_TIMEOUT, request_to("http", address)).await
}

async fn failure_in_short_time(address: SocketAddr) -> TransportErrorKind {
    failure_within(SHORT_TIMEOUT, request_to("http", address)).await
}

#[tokio::test]
async fn an_answer_is_read_whole_whatever_its_status() {
    let address = answering("HTTP/1.1 418 Teapot\r\nX-Kind: Pot\r\nContent-Length: 5\r\n\r\nshort").await;
    let answer = get(address).await;
    assert_eq!((answer.status, answer.body.as_slice()), (418, b"short".as_slice()));
    assert_eq!(answer.header("x-kind"), Some("Pot"));
}

#[tokio::test]
async fn a_request_is_sent_as_it_was_written() {
    let address = server(|mut stream, request| async move {
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{request}", request.len());
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    let mut request = HttpRequest::post(
        "test.call",
        format!("http://{address}/token?a=b").parse().unwrap(),
        Body::Form(vec![("code", "4/x&y".into())]),
    );
    request.headers.push(("x-extra", "1".into()));
    request.bearer = Some(Secret::new("ya29"));
    let sent = String::from_utf8(client(LONG_TIMEOUT).send(request).await.unwrap().body).unwrap();
    for part in [
        "POST /token?a=b HTTP/1.1\r\n",
        "x-extra: 1\r\n",
        "authorization: Bearer ya29\r\n",
        "content-type: application/x-www-form-urlencoded\r\n",
        "accept-encoding: gzip\r\n",
        "(gzip)\r\n",
        "\r\n\r\ncode=4%2Fx%26y",
    ] {
        assert!(sent.contains(part), "{part:?} is missing in {sent}");
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let address = answering("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(get(address).await.status, 302);
}

#[tokio::test]
async fn a_port_where_nobody_listens_refuses() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    assert_eq!(failure(address).await, TransportErrorKind::Unreachable);
}

#[tokio::test]
async fn a_name_that_does_not_resolve_counts_as_refused() {
    let request = HttpRequest::get("test.call", "http://marker.invalid/".parse().unwrap());
    let kind = failure_within(SHORT_TIMEOUT, request).await;
    // A resolver that does not answer at all makes it a timeout.
    assert!(matches!(kind, TransportErrorKind::Unreachable | TransportErrorKind::TimedOut), "{kind:?}");
}

#[tokio::test]
async fn a_connection_that_is_reset_before_the_answer_is_a_reset() {
    let address = server(|stream, _| async move {
        // With a linger of zero, closing sends a reset instead of an orderly end.
        stream.set_zero_linger().unwrap();
    })
    .await;
    assert_eq!(failure(address).await, TransportErrorKind::Reset);
    let in_the_tls_handshake = request_to("https", address);
    assert_eq!(failure_within(LONG_TIMEOUT, in_the_tls_handshake).await, TransportErrorKind::Reset);
}

#[tokio::test]
async fn a_body_that_ends_early_is_a_reset() {
    let by_length = answering("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nonly this").await;
    assert_eq!(failure(by_length).await, TransportErrorKind::Reset);
    let by_chunks = answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nonly this").await;
    assert_eq!(failure(by_chunks).await, TransportErrorKind::Reset);
}

#[tokio::test]
async fn an_answer_that_is_not_http_is_a_reset() {
    assert_eq!(failure(answering("SSH-2.0-OpenSSH_9.2\r\n").await).await, TransportErrorKind::Reset);
}

#[tokio::test]
async fn a_damaged_gzip_body_is_a_reset() {
    let head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 8\r\n\r\nnot gzip";
    assert_eq!(failure(answering(head).await).await, TransportErrorKind::Reset);
}

#[tokio::test]
async fn a_server_that_never_answers_times_out() {
    let address = server(|stream, _| async move {
        pending::<()>().await;
        drop(stream);
    })
    .await;
    assert_eq!(failure_in_short_time(address).await, TransportErrorKind::TimedOut);
}

#[tokio::test]
async fn a_body_that_trickles_in_times_out() {
    let address = server(|mut stream, _| async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n").await.unwrap();
        let mut ticks = tokio::time::interval(SHORT_TIMEOUT / 20);
        loop {
            ticks.tick().await;
            if stream.write_all(b".").await.is_err() {
                return;
            }
        }
    })
    .await;
    assert_eq!(failure_in_short_time(address).await, TransportErrorKind::TimedOut);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_before_it_is_read() {
    let address = answering(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", RESPONSE_BYTES_MAX + 1)).await;
    assert_eq!(failure(address).await, TransportErrorKind::TooLarge);
}

#[tokio::test]
async fn a_body_over_the_limit_without_a_length_is_cut_off() {
    let head = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_owned();
    let exact = head.clone() + &"x".repeat(RESPONSE_BYTES_MAX);
    assert_eq!(get(answering(exact).await).await.body.len(), RESPONSE_BYTES_MAX);
    let over = head + &"x".repeat(RESPONSE_BYTES_MAX + 1);
    assert_eq!(failure(answering(over).await).await, TransportErrorKind::TooLarge);
}

#[tokio::test]
async fn the_limit_counts_bytes_after_decompression() {
    let gzipped = &GZIP_OF_2000_X[..];
    let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", gzipped.len());
    let address = answering([head.as_bytes(), gzipped].concat()).await;
    assert_eq!(failure(address).await, TransportErrorKind::TooLarge);
}

#[tokio::test]
async fn a_server_without_tls_behind_an_https_address_is_a_tls_error() {
    let address = answering("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(failure_within(LONG_TIMEOUT, request_to("https", address)).await, TransportErrorKind::Tls);
}

#[tokio::test]
async fn what_http_cannot_carry_is_an_invalid_request() {
    let address: SocketAddr = "127.0.0.1:9".parse().unwrap();
    let mut newline = request_to("http", address);
    newline.headers.push(("x-extra", "marker\r\nx-forged: 1".into()));
    let mut token = request_to("http", address);
    token.bearer = Some(Secret::new("marker\n"));
    for request in [newline, token, request_to("ftp", address)] {
        assert_eq!(failure_within(LONG_TIMEOUT, request).await, TransportErrorKind::InvalidRequest);
    }
}
