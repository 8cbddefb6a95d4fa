//! Conference data of events: made when a client asks for it, and given out with the older `hangoutLink` beside it
//! (<https://developers.google.com/workspace/calendar/api/guides/create-events#conferencing>).

use serde_json::{Map, Value, json};

use super::errors::ApiError;
use super::request::Query;

pub(crate) const DATA: &str = "conferenceData";
const LINK: &str = "hangoutLink";
const MEET: &str = "hangoutsMeet";

/// Whether the client says that it supports conference data; what others send of it is ignored.
pub(crate) fn is_supported(query: &Query) -> Result<bool, ApiError> {
    match query.get("conferenceDataVersion") {
        None | Some("0") => Ok(false),
        Some("1") => Ok(true),
        Some(other) => Err(ApiError::invalid_parameter("conferenceDataVersion", other)),
    }
}

/// Answers a request for a conference at once, and sets the link beside the data.
pub(crate) fn complete(event: &mut Map<String, Value>) {
    let id = event.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let Some(data) = event.get_mut(DATA).and_then(Value::as_object_mut) else {
        event.remove(LINK);
        return;
    };
    if data.contains_key("createRequest") && !data.contains_key("entryPoints") {
        let code = code_of(&id);
        if let Some(request) = data.get_mut("createRequest").and_then(Value::as_object_mut) {
            request.entry("conferenceSolutionKey").or_insert_with(|| json!({"type": MEET}));
            request.insert("status".to_owned(), json!({"statusCode": "success"}));
        }
        let uri = format!("https://meet.google.com/{code}");
        let label = format!("meet.google.com/{code}");
        data.insert("entryPoints".to_owned(), json!([{"entryPointType": "video", "uri": uri, "label": label}]));
        data.insert("conferenceSolution".to_owned(), json!({"key": {"type": MEET}, "name": "Google Meet"}));
        data.insert("conferenceId".to_owned(), json!(code));
    }
    let link = meet_link(data);
    match link {
        Some(link) => event.insert(LINK.to_owned(), link),
        None => event.remove(LINK),
    };
}

fn meet_link(data: &Map<String, Value>) -> Option<Value> {
    let data = Value::Object(data.clone());
    if data.pointer("/conferenceSolution/key/type")? != MEET {
        return None;
    }
    let entry_points = data.get("entryPoints")?.as_array()?;
    entry_points.iter().find(|entry| entry.get("entryPointType") == Some(&json!("video")))?.get("uri").cloned()
}

/// Letters in the form of Meet's, the same for each event.
fn code_of(id: &str) -> String {
    // FNV-1a, so that ids that differ in one letter have other codes.
    let mut hash = id
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let mut code = String::new();
    for position in 0..10 {
        if position == 3 || position == 7 {
            code.push('-');
        }
        code.push(char::from(b'a' + u8::try_from(hash % 26).unwrap_or_default()));
        hash /= 26;
    }
    code
}
