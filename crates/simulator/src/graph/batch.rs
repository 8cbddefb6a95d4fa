//! `POST /$batch`: up to twenty calls in one, each with its own status, answered in any order. Each part is a call of its own,
//! with its own faults and limits.

use std::collections::{BTreeMap, BTreeSet};

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::Shared;
use super::call::{self, perform};
use super::errors::ApiError;
use super::operations::Operation;
use super::request::{ApiRequest, request_of};
use super::response::ApiResponse;
use crate::core::faults::{Dice, FaultAction};
use crate::core::transmission::{Answer, Transmission};

const PARTS_MAX: usize = 20;
/// What Exchange does at a time for one mailbox.
const PARTS_AT_A_TIME: usize = 4;

/// Runs all parts; a fault that breaks the connection breaks it for the whole batch.
pub(crate) async fn perform_all(shared: &Shared, request: ApiRequest) -> Answer {
    let begun = match shared.with_world(|world| call::begin(world, &request)) {
        Ok(begun) => begun,
        Err(error) => return call::journal_failed(&error),
    };
    if let Some(FaultAction::Delay { delay_ms }) = begun.call.fault {
        call::wait(shared, std::time::Duration::from_millis(delay_ms)).await;
    }
    let mut transmission = Transmission::of(begun.call.fault.as_ref());
    // The envelope itself is refused like any call, and does nothing but that.
    let checked = shared.with_world(|world| {
        let parts = super::oauth::authenticate(world, &request).and_then(|_| Part::read_all(&request));
        let refusal = parts.as_ref().err().cloned();
        let is_refused = refusal.is_some() || call::is_replaced(&begun);
        let response = is_refused.then(|| call::run_with_fault(world, &request, &begun, refusal).0);
        (response, parts, world.seed(), world.provider.quirks.clone())
    });
    let (refused, parts, seed, quirks) = match checked {
        Ok(checked) => checked,
        Err(error) => return call::journal_failed(&error),
    };
    let response = match (refused, parts) {
        (Some(refused), _) => refused,
        (None, Err(_)) => ApiResponse::empty(400),
        (None, Ok(parts)) => {
            let mut answers = run_parts(shared, &request, parts, quirks.batch_parts_throttled, &mut transmission).await;
            if quirks.batch_part_left_out && answers.len() > 1 {
                let count = u64::try_from(answers.len()).unwrap_or(u64::MAX);
                let index = Dice::new(seed, "batch part", begun.call.index).below(count, 0);
                answers.remove(usize::try_from(index).unwrap_or(0));
            }
            if !quirks.batch_in_order {
                shuffle(seed, begun.call.index, &mut answers);
            }
            ApiResponse::json(&json!({"responses": answers}))
        }
    };
    let status = transmission.answers().then_some(response.status);
    let finished = shared.with_world(|world| call::finish(world, &request, &begun.call, status, None));
    match finished {
        Ok(()) => Answer { response: call::traced(response, &request, begun.trace()), transmission },
        Err(error) => call::journal_failed(&error),
    }
}

/// One part of a batch.
#[derive(Debug)]
struct Part {
    id: String,
    method: Method,
    url: String,
    headers: HeaderMap,
    body: Bytes,
    depends_on: Vec<String>,
}

impl Part {
    fn read_all(request: &ApiRequest) -> Result<Vec<Self>, ApiError> {
        let refused = |message: &str| ApiError::new(400, "BadRequest", message);
        let body = request.json_object()?;
        let parts = body.get("requests").and_then(Value::as_array);
        let parts = parts.filter(|parts| !parts.is_empty()).ok_or_else(|| refused("Invalid batch payload format."))?;
        if parts.len() > PARTS_MAX {
            return Err(refused("Number of batch request steps exceeds the maximum value of 20."));
        }
        let parts: Vec<Self> = parts
            .iter()
            .map(|part| Self::read(part).ok_or_else(|| refused("Invalid batch payload format.")))
            .collect::<Result<_, _>>()?;
        let ids: BTreeSet<&str> = parts.iter().map(|part| part.id.as_str()).collect();
        if ids.len() < parts.len() {
            return Err(refused("Request Id must be unique within the batch."));
        }
        if parts.iter().flat_map(|part| &part.depends_on).any(|id| !ids.contains(id.as_str())) {
            return Err(refused("The dependsOn of a request names no request of the batch."));
        }
        Ok(parts)
    }

    fn read(part: &Value) -> Option<Self> {
        let text = |name: &str| part.get(name).and_then(Value::as_str);
        let mut headers = HeaderMap::new();
        for (name, value) in part.get("headers").and_then(Value::as_object).into_iter().flatten() {
            let name = HeaderName::from_bytes(name.to_ascii_lowercase().as_bytes()).ok()?;
            headers.append(name, HeaderValue::from_str(value.as_str()?).ok()?);
        }
        let body = match part.get("body") {
            None | Some(Value::Null) => Bytes::new(),
            // Bodies that are no JSON come in Base64.
            Some(Value::String(encoded)) => STANDARD.decode(encoded).ok()?.into(),
            Some(body) => serde_json::to_vec(body).ok()?.into(),
        };
        let depends_on = part.get("dependsOn").and_then(Value::as_array).into_iter().flatten();
        Some(Self {
            id: text("id")?.to_owned(),
            method: Method::from_bytes(text("method")?.to_ascii_uppercase().as_bytes()).ok()?,
            url: text("url")?.to_owned(),
            headers,
            body,
            depends_on: depends_on.filter_map(Value::as_str).map(str::to_owned).collect(),
        })
    }

    /// The part as a call of its own, with what it has from its envelope.
    fn request(&self, outer: &ApiRequest) -> Option<ApiRequest> {
        let mut headers = self.headers.clone();
        for name in [header::AUTHORIZATION, HeaderName::from_static(crate::SIMULATED_NOW_HEADER)] {
            if let (None, Some(value)) = (headers.get(&name), outer.headers.get(&name)) {
                headers.insert(name, value.clone());
            }
        }
        // Relative by documentation; Microsoft's own client for Python writes whole ones.
        let url = self.url.strip_prefix(&outer.origin).unwrap_or(&self.url).trim_start_matches('/');
        let url = url.strip_prefix("v1.0/").unwrap_or(url);
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let path = format!("/v1.0/{path}");
        request_of(&self.method, &path, query, headers, self.body.clone(), outer.origin.clone())
            .filter(|request| request.target.operation != Operation::Batch)
    }
}

/// Runs the parts one after the other, those that others wait for first.
async fn run_parts(
    shared: &Shared,
    outer: &ApiRequest,
    mut parts: Vec<Part>,
    throttles: bool,
    transmission: &mut Transmission,
) -> Vec<Value> {
    let mut independent = 0;
    let mut statuses: BTreeMap<String, u16> = BTreeMap::new();
    let mut answers = Vec::new();
    while !parts.is_empty() {
        let is_ready = |part: &Part| part.depends_on.iter().all(|id| statuses.contains_key(id));
        // Parts that wait for each other in a circle are refused like those whose predecessor failed.
        let ready = parts.iter().position(is_ready);
        let part = parts.remove(ready.unwrap_or(0));
        let failed = |id: &String| statuses.get(id).is_none_or(|status| *status >= 400);
        independent += usize::from(part.depends_on.is_empty());
        let answer = if throttles && part.depends_on.is_empty() && independent > PARTS_AT_A_TIME {
            let error = ApiError::mailbox_concurrency();
            json!({"id": part.id, "status": error.status, "headers": {"Retry-After": "1"},
                "body": {"error": {"code": error.code, "message": error.message}}})
        } else if part.depends_on.iter().any(failed) {
            let message = "The request failed because one of the requests that it depends on failed.";
            json!({"id": part.id, "status": 424, "body": {"error": {"code": "FailedDependency", "message": message}}})
        } else {
            match part.request(outer) {
                None => {
                    let error = ApiError::no_such_path(&part.url);
                    json!({"id": part.id, "status": error.status, "body": {"error": {"code": error.code, "message": error.message}}})
                }
                Some(request) => {
                    let answer = perform(shared, request).await;
                    if answer.transmission != Transmission::Normal {
                        *transmission = answer.transmission;
                    }
                    written(&part.id, &answer.response)
                }
            }
        };
        let status = answer.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok());
        statuses.insert(part.id, status.unwrap_or(500));
        answers.push(answer);
    }
    answers
}

fn written(id: &str, response: &ApiResponse) -> Value {
    let headers: Map<String, Value> = response
        .headers
        .iter()
        .map(|(name, value)| (title_case(name.as_str()), json!(value.to_str().unwrap_or_default())))
        .collect();
    let mut part = json!({"id": id, "status": response.status, "headers": headers});
    if let (false, Some(part)) = (response.body.is_empty(), part.as_object_mut()) {
        let body = serde_json::from_slice(&response.body).unwrap_or_else(|_| json!(STANDARD.encode(&response.body)));
        part.insert("body".to_owned(), body);
    }
    part
}

/// Graph writes `Retry-After` in its parts as HTTP/1 would.
fn title_case(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
        format!("{}{rest}", first.to_ascii_uppercase())
    });
    words.collect::<Vec<String>>().join("-")
}

fn shuffle(seed: u64, call: u64, answers: &mut [Value]) {
    for last in (1..answers.len()).rev() {
        let position = call.wrapping_mul(64).wrapping_add(u64::try_from(last).unwrap_or(0));
        let other = Dice::new(seed, "batch order", position).below(u64::try_from(last + 1).unwrap_or(1), 0);
        answers.swap(last, usize::try_from(other).unwrap_or(0));
    }
}
