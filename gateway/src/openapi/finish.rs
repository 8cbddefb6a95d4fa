//! What holds for the whole description and is said nowhere at a single handler: that answers have all of their fields, which
//! routes are public, and how conditional reads work.

use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi;

use super::examples;
use crate::problem::ProblemKind;

/// What callers send; all else is what they are sent.
const REQUEST_BODIES: [&str; 1] = ["ConsentRequest"];
/// The schema of every refusal.
const PROBLEM: &str = "Problem";
/// What kinds of them there are.
const PROBLEM_TYPE: &str = "ProblemType";
/// The route whose answers say in headers how fresh they are.
const WITH_FRESHNESS: &str = "list_events";

/// The description as it is served.
pub(crate) fn finished(document: OpenApi) -> Value {
    // A description that could not be written would be noticed by its test.
    let mut document = serde_json::to_value(document).unwrap_or_default();
    let examples = examples::all();
    for (name, schema) in objects(document.pointer_mut("/components/schemas")) {
        if name == PROBLEM {
            schema.insert("example".to_owned(), examples::of_a_problem(&examples));
        }
        if name == PROBLEM_TYPE {
            add_meanings(schema);
        }
        if REQUEST_BODIES.contains(&name.as_str()) {
            schema.insert("additionalProperties".to_owned(), json!(false));
        } else {
            require_all(schema);
        }
    }
    for (_, path) in objects(document.pointer_mut("/paths")) {
        for operation in path.values_mut().filter_map(Value::as_object_mut) {
            operation.entry("security").or_insert_with(|| json!([]));
            examples::add(operation, &examples);
            if operation.get("responses").is_some_and(|responses| responses.get("304").is_some()) {
                add_conditional_read(operation);
            }
        }
    }
    document
}

fn objects(value: Option<&mut Value>) -> impl Iterator<Item = (&String, &mut Map<String, Value>)> {
    let entries = value.and_then(Value::as_object_mut).into_iter().flatten();
    entries.filter_map(|(name, value)| Some((name, value.as_object_mut()?)))
}

/// Says of each kind of problem what it means and what to do, as a list in Markdown.
fn add_meanings(schema: &mut Map<String, Value>) {
    let Some(Value::String(description)) = schema.get_mut("description") else { return };
    description.push('\n');
    for kind in ProblemKind::ALL {
        description.push_str(&format!("\n- `{}` ({}): {}", kind.urn(), kind.status().as_u16(), kind.meaning()));
    }
}

/// Every field of an answer is sent, also one that is null.
fn require_all(schema: &mut Map<String, Value>) {
    for (_, property) in objects(schema.get_mut("properties")) {
        describe_as_a_whole(property);
    }
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        let names: Vec<Value> = properties.keys().map(|name| json!(name)).collect();
        schema.insert("required".to_owned(), Value::Array(names));
    }
    for parts in ["allOf", "anyOf", "oneOf"] {
        let parts = schema.get_mut(parts).and_then(Value::as_array_mut).into_iter().flatten();
        parts.filter_map(Value::as_object_mut).for_each(require_all);
    }
}

/// What is said of a field that may be null is said of the field, not of its other form.
fn describe_as_a_whole(property: &mut Map<String, Value>) {
    let forms = property.get_mut("oneOf").and_then(Value::as_array_mut).into_iter().flatten();
    let mut forms = forms.filter_map(Value::as_object_mut).filter(|form| form.contains_key("$ref"));
    if let Some(description) = forms.find_map(|form| form.remove("description")) {
        property.entry("description").or_insert(description);
    }
}

fn add_conditional_read(operation: &mut Map<String, Value>) {
    let has_freshness = operation.get("operationId").is_some_and(|id| id == WITH_FRESHNESS);
    let parameters = operation.entry("parameters").or_insert_with(|| json!([]));
    if let Some(parameters) = parameters.as_array_mut() {
        parameters.push(json!({
            "name": "If-None-Match",
            "in": "header",
            "required": false,
            "description": "The `ETag` of an answer that the caller has; when nothing changed since, the answer is 304.",
            "schema": {"type": "string"},
            "example": "W/\"mVxz8i2h7nq3Ck0sT1yb4Q\""
        }));
    }
    let mut headers = json!({
        "ETag": {"description": "Names this content; to be sent back as `If-None-Match`.", "schema": {"type": "string"}},
    });
    if has_freshness && let Some(headers) = headers.as_object_mut() {
        headers.extend(freshness());
    }
    for status in ["200", "304"] {
        let response = operation.get_mut("responses").and_then(|responses| responses.get_mut(status));
        if let Some(response) = response.and_then(Value::as_object_mut) {
            response.insert("headers".to_owned(), headers.clone());
        }
    }
}

fn freshness() -> Map<String, Value> {
    let reference = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    let headers = [
        (
            "Evercal-Confirmed-At",
            "The answer's `confirmed_at`; not there while it is null.",
            json!({"type": "string", "format": "date-time"}),
        ),
        ("Evercal-Via", "The answer's `via`; not there while it is null.", reference("Via")),
        ("Evercal-State", "The answer's `state`.", reference("CalendarState")),
    ];
    let header = |description, schema| json!({"description": description, "schema": schema});
    headers.into_iter().map(|(name, text, schema)| (name.to_owned(), header(text, schema))).collect()
}
