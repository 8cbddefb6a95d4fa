//! What of a request body becomes part of an event: which properties there are, who may set them, and what they become.

use serde_json::{Map, Value, json};

use super::errors::ApiError;

/// Who writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Author {
    /// A client of the API.
    Client,
    /// The control API: it may set also what only others can, such as an organizer.
    Control,
}

const WRITABLE: [&str; 21] = [
    "subject",
    "body",
    "importance",
    "sensitivity",
    "showAs",
    "categories",
    "attendees",
    "location",
    "locations",
    "reminderMinutesBeforeStart",
    "isReminderOn",
    "isOnlineMeeting",
    "onlineMeetingProvider",
    "responseRequested",
    "allowNewTimeProposals",
    "hideAttendees",
    "isDraft",
    "singleValueExtendedProperties",
    "multiValueExtendedProperties",
    "extensions",
    "attachments",
];
/// They have places of their own in the record.
const OF_TIME: [&str; 5] = ["start", "end", "isAllDay", "recurrence", "transactionId"];
/// What Graph writes itself; clients that send an event back send these too.
const READ_ONLY: [&str; 22] = [
    "id",
    "changeKey",
    "createdDateTime",
    "lastModifiedDateTime",
    "iCalUId",
    "uid",
    "webLink",
    "type",
    "seriesMasterId",
    "originalStart",
    "originalStartTimeZone",
    "originalEndTimeZone",
    "hasAttachments",
    "bodyPreview",
    "isCancelled",
    "isOrganizer",
    "organizer",
    "responseStatus",
    "onlineMeeting",
    "onlineMeetingUrl",
    "occurrenceId",
    "cancelledOccurrences",
];
const BY_CONTROL: [&str; 5] = ["isCancelled", "isOrganizer", "organizer", "responseStatus", "hasAttachments"];
const SUBJECT_CHARS_MAX: usize = 255;

/// The fields that a body sets, as they are kept; refuses what no event has.
pub(crate) fn read(body: &Map<String, Value>, author: Author) -> Result<Map<String, Value>, ApiError> {
    let mut fields = Map::new();
    for (name, value) in body {
        let name = name.as_str();
        if WRITABLE.contains(&name) || (author == Author::Control && BY_CONTROL.contains(&name)) {
            fields.insert(name.to_owned(), cleaned(name, value, author)?);
        } else if !OF_TIME.contains(&name) && !READ_ONLY.contains(&name) && !name.contains("@odata.") {
            return Err(ApiError::unknown_property(name));
        }
    }
    // One of the two names of the place follows the other.
    if let (Some(Value::Array(places)), false) = (fields.get("locations"), fields.contains_key("location")) {
        let first = places.first().cloned().unwrap_or_else(no_place);
        fields.insert("location".to_owned(), first);
    } else if let (Some(place), false) = (fields.get("location"), fields.contains_key("locations")) {
        let has_name = place.get("displayName").and_then(Value::as_str).is_some_and(|name| !name.is_empty());
        let places = if has_name { json!([place]) } else { json!([]) };
        fields.insert("locations".to_owned(), places);
    }
    Ok(fields)
}

fn cleaned(name: &str, value: &Value, author: Author) -> Result<Value, ApiError> {
    let one_of = |words: &[&str]| match value.as_str() {
        Some(word) if words.contains(&word) => Ok(value.clone()),
        _ => {
            let message = format!("Cannot convert the value of property '{name}' to its type.");
            Err(ApiError::new(400, "RequestBodyRead", message))
        }
    };
    match name {
        "subject" => {
            let subject = value.as_str().unwrap_or_default();
            if subject.chars().count() > SUBJECT_CHARS_MAX {
                let message = "The value of property 'Subject' is too long.";
                return Err(ApiError::new(400, "ErrorPropertyValidationFailure", message));
            }
            Ok(json!(subject))
        }
        "importance" => one_of(&["low", "normal", "high"]),
        "sensitivity" => one_of(&["normal", "personal", "private", "confidential"]),
        "showAs" => one_of(&["unknown", "free", "tentative", "busy", "oof", "workingElsewhere"]),
        "body" => Ok(body_of(value)),
        "attendees" => Ok(attendees_of(value, author)),
        "location" => Ok(place_of(value)),
        "locations" => Ok(value.as_array().into_iter().flatten().map(place_of).collect()),
        _ => Ok(value.clone()),
    }
}

/// Bodies are kept as HTML, whatever they came as.
fn body_of(value: &Value) -> Value {
    let content = value.get("content").and_then(Value::as_str).unwrap_or_default();
    let is_html =
        value.get("contentType").and_then(Value::as_str).is_some_and(|kind| kind.eq_ignore_ascii_case("html"));
    let kept = if is_html && content.contains("<html") {
        content.to_owned()
    } else if is_html {
        wrapped(content)
    } else if content.is_empty() {
        String::new()
    } else {
        let escaped = content.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let lines = escaped.replace("\r\n", "\n").replace('\n', "<br>\r\n");
        wrapped(&format!("<div class=\"PlainText\">{lines}</div>"))
    };
    json!({"contentType": "html", "content": kept})
}

fn wrapped(content: &str) -> String {
    format!(
        "<html>\r\n<head>\r\n<meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\">\r\n</head>\r\n<body>\r\n{content}\r\n</body>\r\n</html>\r\n"
    )
}

/// The text of a body, as Exchange makes it of the HTML.
pub(crate) fn text_of(html: &str) -> String {
    let inside = html.split_once("<body>").map_or(html, |(_, rest)| rest);
    let inside = inside.split_once("</body>").map_or(inside, |(text, _)| text);
    let mut text = String::with_capacity(inside.len());
    let mut is_tag = false;
    for character in inside.replace("<br>", "").chars() {
        match character {
            '<' => is_tag = true,
            '>' if is_tag => is_tag = false,
            _ if is_tag => {}
            other => text.push(other),
        }
    }
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&nbsp;", " ").replace("&amp;", "&").trim().to_owned()
}

fn attendees_of(value: &Value, author: Author) -> Value {
    let attendee = |given: &Value| {
        let address = given.get("emailAddress").cloned().unwrap_or_else(|| json!({}));
        let email = address.get("address").cloned().unwrap_or(Value::Null);
        let name = address.get("name").cloned().filter(|name| !name.is_null()).unwrap_or_else(|| email.clone());
        let nothing_said = json!({"response": "none", "time": "0001-01-01T00:00:00Z"});
        // What others say only they can say.
        let status = given.get("status").cloned().filter(|_| author == Author::Control).unwrap_or(nothing_said);
        json!({
            "type": given.get("type").cloned().unwrap_or_else(|| json!("required")),
            "status": status,
            "emailAddress": {"name": name, "address": email},
        })
    };
    value.as_array().into_iter().flatten().map(attendee).collect()
}

fn place_of(value: &Value) -> Value {
    let name = value.get("displayName").cloned().unwrap_or_else(|| json!(""));
    let mut place = json!({
        "displayName": name,
        "locationType": value.get("locationType").cloned().unwrap_or_else(|| json!("default")),
        "uniqueId": name,
        "uniqueIdType": "private",
    });
    if let Some(place) = place.as_object_mut() {
        for name in ["address", "coordinates", "locationUri", "locationEmailAddress"] {
            if let Some(value) = value.get(name).filter(|value| !value.is_null()) {
                place.insert(name.to_owned(), value.clone());
            }
        }
    }
    place
}

/// What `location` is where there is none.
pub(crate) fn no_place() -> Value {
    json!({"displayName": "", "locationType": "default", "uniqueIdType": "unknown", "address": {}, "coordinates": {}})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_object(body: &Value) -> Result<Map<String, Value>, ApiError> {
        read(body.as_object().unwrap(), Author::Client)
    }

    #[test]
    fn text_becomes_html_and_can_be_had_as_text() {
        let fields = read_object(&json!({"body": {"contentType": "text", "content": "a < b\nand & so on"}})).unwrap();
        let html = fields["body"]["content"].as_str().unwrap();
        assert!(html.starts_with("<html>") && html.contains("a &lt; b<br>"), "{html}");
        assert_eq!(text_of(html), "a < b\r\nand & so on");
    }

    #[test]
    fn what_no_event_has_is_refused_and_what_graph_writes_is_ignored() {
        assert_eq!(read_object(&json!({"summary": "Lunch"})).unwrap_err().code, "RequestBodyRead");
        assert_eq!(read_object(&json!({"showAs": "asleep"})).unwrap_err().code, "RequestBodyRead");
        let sent_back = json!({"@odata.etag": "W/\"x\"", "id": "x", "organizer": {}, "isCancelled": true});
        assert!(read_object(&sent_back).unwrap().is_empty());
    }

    #[test]
    fn clients_cannot_answer_for_guests() {
        let body = json!({"attendees": [{"emailAddress": {"address": "ben@example.com"}, "status": {"response": "accepted"}}]});
        assert_eq!(read_object(&body).unwrap()["attendees"][0]["status"]["response"], "none");
        let by_control = read(body.as_object().unwrap(), Author::Control).unwrap();
        assert_eq!(by_control["attendees"][0]["status"]["response"], "accepted");
    }
}
