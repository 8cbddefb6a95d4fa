//! Several requests in one (<https://learn.microsoft.com/graph/json-batching>): parts come in any order, each with a status of its
//! own, and some may be missing. Pure.

use std::collections::BTreeMap;

use evercal_http::{Body, HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::calls::BATCH;
use super::requests::endpoint;
use super::settings::GraphSettings;

/// What one batch may have.
pub(super) const PARTS_MAX: usize = 20;

/// A request that carries others, all of them readings with the same token.
pub(super) fn request(settings: &GraphSettings, parts: &[&HttpRequest]) -> HttpRequest {
    let requests: Vec<Value> =
        parts.iter().enumerate().map(|(index, part)| self::part(settings, index, part)).collect();
    let url = endpoint(settings, &["$batch"]);
    let bearer = parts.first().and_then(|part| part.bearer.clone());
    HttpRequest { bearer, ..HttpRequest::post(BATCH, url, Body::Json(json!({ "requests": requests }))) }
}

fn part(settings: &GraphSettings, index: usize, request: &HttpRequest) -> Value {
    let headers: Map<String, Value> =
        request.headers.iter().map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str()))).collect();
    // Below the version of the API, with a slash before it.
    let path = request.url.path().strip_prefix(settings.api_base.path().trim_end_matches('/')).unwrap_or_default();
    let query = request.url.query().map(|query| format!("?{query}")).unwrap_or_default();
    json!({
        "id": index.to_string(),
        "method": request.method.as_str(),
        "url": format!("{path}{query}"),
        "headers": headers,
    })
}

/// The answers of a batch by the place of each part; those that are missing are not there.
pub(super) fn answers(answer: &HttpResponse) -> Option<BTreeMap<usize, HttpResponse>> {
    let text = String::from_utf8_lossy(&answer.body);
    let wire: WireAnswers = serde_json::from_str(&text).ok()?;
    let of_part = |part: WireAnswer<'_>| {
        let headers = part.headers.into_iter().filter_map(|(name, value)| match value {
            Value::String(text) => Some((name.to_ascii_lowercase(), text)),
            Value::Number(number) => Some((name.to_ascii_lowercase(), number.to_string())),
            _ => None,
        });
        let body = part.body.map(|body| body.get().as_bytes().to_vec()).unwrap_or_default();
        Some((part.id.parse().ok()?, HttpResponse { status: part.status, headers: headers.collect(), body }))
    };
    Some(wire.responses.into_iter().take(PARTS_MAX).filter_map(of_part).collect())
}

#[derive(Deserialize)]
struct WireAnswers<'body> {
    #[serde(borrow)]
    responses: Vec<WireAnswer<'body>>,
}

#[derive(Deserialize)]
struct WireAnswer<'body> {
    id: String,
    status: u16,
    #[serde(default)]
    headers: Map<String, Value>,
    #[serde(borrow)]
    body: Option<&'body RawValue>,
}

#[cfg(test)]
mod tests {
    use super::super::settings::DEFAULT_TENANT;
    use super::*;

    #[test]
    fn a_part_has_its_path_below_the_version_and_its_own_headers() {
        let settings = GraphSettings::at(None, None, DEFAULT_TENANT, "client").unwrap();
        let mut url = endpoint(&settings, &["me", "calendars", "a=b/c", "events", "x"]);
        url.query_pairs_mut().append_pair("$select", "id");
        let mut one = HttpRequest::get("call", url);
        one.headers = vec![("Prefer", r#"IdType="ImmutableId""#.to_owned())];
        let Body::Json(body) = request(&settings, &[&one, &one]).body else { panic!("no JSON") };
        assert_eq!(
            body["requests"][1],
            json!({
                "id": "1",
                "method": "GET",
                "url": "/me/calendars/a=b%2Fc/events/x?%24select=id",
                "headers": {"Prefer": r#"IdType="ImmutableId""#},
            })
        );
    }

    #[test]
    fn parts_are_found_in_any_order_and_missing_ones_are_not_there() {
        let body = json!({"responses": [
            {"id": "2", "status": 429, "headers": {"Retry-After": 7}, "body": {"error": {"code": "TooManyRequests"}}},
            {"id": "0", "status": 200, "body": {"id": "x"}},
            {"id": "what", "status": 200},
        ]});
        let answer = HttpResponse { status: 200, headers: vec![], body: body.to_string().into_bytes() };
        let answers = answers(&answer).unwrap();
        assert_eq!(answers.keys().collect::<Vec<_>>(), [&0, &2]);
        assert_eq!(answers[&2].retry_after(), Some(std::time::Duration::from_secs(7)));
        assert_eq!(answers[&0].body, br#"{"id":"x"}"#);
        let none = HttpResponse { status: 200, headers: vec![], body: b"<html>".to_vec() };
        assert!(super::answers(&none).is_none());
    }
}
