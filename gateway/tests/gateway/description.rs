//! The API's description as generators and their users need it.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::Method;
use serde_json::{Map, Value};

use crate::support::World;

async fn description() -> Value {
    let world = World::running().await;
    world.send(Method::GET, "/openapi.json", &[], Body::empty()).await.json()
}

/// Method, path and operation.
fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().iter().map(move |(method, it)| (method.as_str(), path.as_str(), it))
        })
        .collect()
}

/// Each schema with a name, and all that is inside of it.
fn each_schema<'a>(name: &str, schema: &'a Value, visit: &mut impl FnMut(&str, &'a Map<String, Value>)) {
    let Some(schema) = schema.as_object() else { return };
    visit(name, schema);
    for part in ["allOf", "anyOf", "oneOf"] {
        for one in schema.get(part).and_then(Value::as_array).into_iter().flatten() {
            each_schema(name, one, visit);
        }
    }
    for (field, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        each_schema(&format!("{name}.{field}"), property, visit);
    }
    if let Some(items) = schema.get("items") {
        each_schema(&format!("{name}[]"), items, visit);
    }
}

#[tokio::test]
async fn each_operation_has_a_name_of_its_own() {
    let document = description().await;
    let ids: Vec<&str> = operations(&document).iter().map(|(_, _, it)| it["operationId"].as_str().unwrap()).collect();
    let unique: BTreeSet<&&str> = ids.iter().collect();
    assert_eq!(unique.len(), ids.len(), "{ids:?}");
    for expected in ["list_calendars", "get_calendar", "list_events", "sync_calendar"] {
        assert!(ids.contains(&expected), "{expected} is not in {ids:?}");
    }
    assert!(ids.iter().all(|id| id.contains('_')), "{ids:?}");
}

/// An object has all fields that its schema names and no others, and names from lists are in them. Where there are several
/// forms, the linter compares.
fn fits(document: &Value, schema: &Value, value: &Value, place: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap();
        return fits(document, &document["components"]["schemas"][name], value, &format!("{place}/{name}"));
    }
    // Names that may become more: the one that is shown is known.
    if let Some(names) = schema["anyOf"][0]["enum"].as_array() {
        assert!(names.contains(value), "{place}: {value}");
    }
    if let (Some(items), Some(values)) = (schema.get("items"), value.as_array()) {
        for value in values {
            fits(document, items, value, place);
        }
    }
    let (mut fields, mut required) = (Map::new(), BTreeSet::new());
    collect(document, schema, &mut fields, &mut required);
    let (Some(object), false) = (value.as_object(), fields.is_empty()) else { return };
    for (field, value) in object {
        let schema = fields.get(field).unwrap_or_else(|| panic!("{place} has no field {field}"));
        fits(document, schema, value, &format!("{place}.{field}"));
    }
    let missing: Vec<_> = required.iter().filter(|field| !object.contains_key(*field)).collect();
    assert!(missing.is_empty(), "{place}: {missing:?} are not shown");
}

/// The fields of an object, with those of what it is made of.
fn collect(document: &Value, schema: &Value, fields: &mut Map<String, Value>, required: &mut BTreeSet<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap();
        collect(document, &document["components"]["schemas"][name], fields, required);
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        collect(document, part, fields, required);
    }
    fields.extend(schema["properties"].as_object().cloned().unwrap_or_default());
    let names = schema["required"].as_array().into_iter().flatten();
    required.extend(names.map(|name| name.as_str().unwrap().to_owned()));
}

#[tokio::test]
async fn each_body_has_an_example_and_each_example_is_such_a_body() {
    let document = description().await;
    let mut shown = 0;
    for (method, path, operation) in operations(&document) {
        let answers = operation["responses"].as_object().unwrap().iter();
        let successes = answers.filter(|(status, _)| status.starts_with('2')).map(|(_, answer)| answer);
        for described in successes.chain([&operation["requestBody"]]) {
            for (kind, body) in
                described["content"].as_object().into_iter().flatten().filter(|(kind, _)| *kind != "text/html")
            {
                let example = body.get("example").unwrap_or_else(|| panic!("{method} {path}: no example of {kind}"));
                fits(&document, &body["schema"], example, &format!("{method} {path}"));
                shown += 1;
            }
        }
    }
    assert!(shown >= 19, "{shown}");
    let problem = &document["components"]["schemas"]["Problem"];
    fits(&document, problem, &problem["example"], "Problem");
}

#[tokio::test]
async fn each_field_is_described_and_each_field_of_an_answer_is_required() {
    let document = description().await;
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        each_schema(name, schema, &mut |place, schema| {
            let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
            let required: Vec<&Value> =
                schema.get("required").and_then(Value::as_array).into_iter().flatten().collect();
            for (field, property) in properties {
                let described = property["description"].as_str().is_some_and(|text| text.len() > 3);
                assert!(described, "{place}.{field} says nothing: {property}");
                let is_sent = name != "ConsentRequest";
                assert!(!is_sent || required.iter().any(|name| *name == field), "{place}.{field} is always sent");
                let is_time = field.ends_with("_at") || field == "date_time" || field == "at" || field == "since";
                assert!(!is_time || property["format"] == "date-time", "{place}.{field} is a time: {property}");
            }
        });
    }
}

#[tokio::test]
async fn what_is_in_lists_and_bodies_has_a_name() {
    let document = description().await;
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for name in ["Account", "Calendar", "EventList", "Occurrence", "EventTime", "Attendee", "Conference", "Problem"] {
        assert!(schemas.contains_key(name), "{name} is not in {:?}", schemas.keys());
    }
    for (name, schema) in schemas {
        each_schema(name, schema, &mut |place, schema| {
            let is_inlined = place.ends_with("[]") && schema.contains_key("properties");
            assert!(!is_inlined, "{place} has no name");
        });
    }
    for (method, path, operation) in operations(&document) {
        for (status, response) in operation["responses"].as_object().unwrap() {
            for (kind, content) in response["content"].as_object().into_iter().flatten() {
                // A text has no parts.
                let is_named = content["schema"]["$ref"].is_string() || kind.starts_with("text/");
                assert!(is_named, "{method} {path} {status}: {content}");
            }
        }
    }
}

#[tokio::test]
async fn names_of_states_are_listed_and_leave_room_for_more() {
    let document = description().await;
    let schemas = &document["components"]["schemas"];
    for (schema, name) in [
        ("CalendarState", "needs_reauth"),
        ("AccountState", "connecting"),
        ("Provider", "google"),
        ("AccessRole", "free_busy_reader"),
        ("SyncReason", "catch_up"),
        ("Via", "push"),
        ("EventStatus", "tentative"),
        ("ProblemType", "urn:evercal:problem:calendar-needs-reauth"),
    ] {
        let choices = schemas[schema]["anyOf"].as_array().unwrap_or_else(|| panic!("{schema} is no open list"));
        let lists =
            |choice: &&Value| choice["enum"].as_array().is_some_and(|names| names.iter().any(|one| one == name));
        assert!(choices.iter().any(|choice| lists(&choice)), "{name} is not in {schema}");
        assert!(choices.iter().any(|choice| choice["type"] == "string" && choice.get("enum").is_none()), "{schema}");
        assert!(schemas[schema]["description"].as_str().unwrap().contains("may be added"), "{schema}");
    }
    assert!(schemas["Calendar"].to_string().contains("#/components/schemas/AccessRole"), "fields refer to them");
}

#[tokio::test]
async fn public_routes_say_that_they_are_and_conditional_reads_are_declared() {
    let document = description().await;
    assert!(document["servers"][0]["url"].is_string());
    let mut conditional = 0;
    for (method, path, operation) in operations(&document) {
        let security = operation["security"].as_array().unwrap_or_else(|| panic!("{method} {path} says nothing"));
        let is_of_a_browser = path.ends_with("/callback") || path.ends_with("/again");
        let is_public = !path.starts_with("/v1") || is_of_a_browser;
        assert_eq!(security.is_empty(), is_public, "{method} {path}");
        if method == "get" && !is_public {
            conditional += 1;
            let parameters = operation["parameters"].as_array().unwrap();
            assert!(parameters.iter().any(|one| one["name"] == "If-None-Match" && one["in"] == "header"), "{path}");
            for status in ["200", "304"] {
                assert!(operation["responses"][status]["headers"]["ETag"].is_object(), "{path} {status}");
            }
        }
    }
    assert!(conditional >= 8, "{conditional}");
    let events = &document["paths"]["/v1/calendars/{id}/events"]["get"]["responses"]["304"]["headers"];
    for header in ["Evercal-Confirmed-At", "Evercal-Via", "Evercal-State"] {
        assert!(events[header].is_object(), "{header}");
    }
}
