//! `POST /batch/calendar/v3`: up to 1000 calls in one `multipart/mixed` body, each with its own status
//! (source: Google's batch guide). Parts run in their order; each counts as a call of its own.

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::Shared;
use super::call::perform;
use super::errors::ApiError;
use super::operations::{API_PATH, find};
use super::request::{ApiRequest, Query, decode_segment};
use super::response::ApiResponse;
use crate::core::transmission::{Answer, Transmission};

const CALLS_MAX: usize = 1_000;
const BOUNDARY: &str = "batch_simulator";

/// Runs all parts; a fault that breaks the connection breaks it for the whole batch.
pub(crate) async fn perform_all(shared: &Shared, request: ApiRequest) -> Answer {
    let parts = match split(&request) {
        Ok(parts) => parts,
        Err(error) => {
            return Answer { response: error.into_response(), transmission: Transmission::Normal };
        }
    };
    let mut body = Vec::new();
    let mut transmission = Transmission::Normal;
    for part in parts {
        let response = match part.request {
            None => ApiError::not_found().into_response(),
            Some(request) => {
                let answer = perform(shared, request).await;
                if answer.transmission != Transmission::Normal {
                    transmission = answer.transmission;
                }
                answer.response
            }
        };
        write_part(&mut body, part.content_id.as_deref(), &response);
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    let mut response = ApiResponse::empty(200);
    response
        .headers
        .push((header::CONTENT_TYPE, HeaderValue::from_static("multipart/mixed; boundary=batch_simulator")));
    response.body = body;
    Answer { response, transmission }
}

struct Part {
    content_id: Option<String>,
    /// Nothing when the inner path is no method of the API.
    request: Option<ApiRequest>,
}

fn split(request: &ApiRequest) -> Result<Vec<Part>, ApiError> {
    let malformed = || ApiError::new(400, "badRequest", "Failed to parse batch request.");
    let content_type = request.header(header::CONTENT_TYPE).ok_or_else(malformed)?;
    let boundary = content_type
        .split(';')
        .find_map(|part| part.trim().strip_prefix("boundary="))
        .map(|boundary| boundary.trim_matches('"'))
        .ok_or_else(malformed)?;
    let text = std::str::from_utf8(&request.body).map_err(|_| malformed())?;
    // Clients end lines with LF or CRLF; inner bodies are JSON, which does not mind.
    let text = text.replace("\r\n", "\n");
    let separator = format!("--{boundary}");
    let pieces: Vec<&str> =
        text.split(separator.as_str()).skip(1).take_while(|piece| !piece.starts_with("--")).collect();
    if pieces.is_empty() || pieces.len() > CALLS_MAX {
        return Err(malformed());
    }
    pieces.into_iter().map(|piece| read_part(piece, request).ok_or_else(malformed)).collect()
}

fn read_part(piece: &str, outer: &ApiRequest) -> Option<Part> {
    let (part_headers, inner) = piece.trim_start_matches('\n').split_once("\n\n")?;
    let part_headers = read_headers(part_headers.lines());
    let content_id = part_headers.get("content-id").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (head, body) = inner.split_once("\n\n").unwrap_or((inner, ""));
    let mut lines = head.lines();
    let mut request_line = lines.next()?.split_whitespace();
    let method = Method::from_bytes(request_line.next()?.as_bytes()).ok()?;
    let uri = request_line.next()?;
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    let mut headers = read_headers(lines);
    for inherited in [header::AUTHORIZATION.as_str(), crate::SIMULATED_NOW_HEADER] {
        let name = HeaderName::from_bytes(inherited.as_bytes()).ok()?;
        if let Some(value) = outer.headers.get(&name) {
            headers.entry(name).or_insert_with(|| value.clone());
        }
    }
    let target = path.strip_prefix(API_PATH).and_then(|path| find(&method, path));
    let request = target.map(|target| ApiRequest {
        operation: target.operation,
        calendar: target.calendar.map(decode_segment),
        event: target.event.map(decode_segment),
        query: Query::parse(query),
        headers,
        body: Bytes::from(body.trim().to_owned()),
        empty_page: false,
    });
    Some(Part { content_id, request })
}

fn read_headers<'a>(lines: impl Iterator<Item = &'a str>) -> HeaderMap {
    lines
        .filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            let name = HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
            Some((name, HeaderValue::from_str(value.trim()).ok()?))
        })
        .collect()
}

fn write_part(body: &mut Vec<u8>, content_id: Option<&str>, response: &ApiResponse) {
    let reason =
        StatusCode::from_u16(response.status).ok().and_then(|status| status.canonical_reason()).unwrap_or_default();
    let mut head = vec![format!("--{BOUNDARY}"), "Content-Type: application/http".to_owned()];
    head.extend(content_id.map(|id| format!("Content-ID: <response-{}", id.trim_start_matches('<'))));
    head.push(String::new());
    head.push(format!("HTTP/1.1 {} {reason}", response.status));
    head.extend(response.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap_or_default())));
    head.push(format!("Content-Length: {}", response.body.len()));
    body.extend_from_slice(head.join("\r\n").as_bytes());
    body.extend_from_slice(b"\r\n\r\n");
    body.extend_from_slice(&response.body);
    body.extend_from_slice(b"\r\n");
}
