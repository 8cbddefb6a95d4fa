//! `/openapi.json`, and the same for people at `/docs`: one page without scripts.

use axum::Router;
use axum::body::Bytes;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue};
use axum::routing::get;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;

use crate::problem::ProblemKind;
use crate::state::AppState;

const POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'");
/// It changes with the version of evercal alone.
const CACHED: HeaderValue = HeaderValue::from_static("public, max-age=300");
const STYLE: &str = "body{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
    section{border-top:1px solid #ccc;margin-top:1.5rem}code{font-size:.95em}\
    h3 code:first-child{background:#eee;padding:.1em .4em;border-radius:.2em}\
    table{border-collapse:collapse;margin:.5rem 0}td,th{text-align:left;vertical-align:top;padding:.15rem 1rem .15rem 0}\
    @media(prefers-color-scheme:dark){body{background:#111;color:#ddd}a{color:#8bf}h3 code:first-child{background:#333}}";

/// Serves a description.
pub(super) fn router(document: &Value) -> Router<AppState> {
    // Made once, at the start.
    let json = Bytes::from(format!("{document:#}\n"));
    let page = Bytes::from(page(document).into_string());
    let headers = |kind: &'static str| -> [(HeaderName, HeaderValue); 3] {
        [(CONTENT_TYPE, HeaderValue::from_static(kind)), (CACHE_CONTROL, CACHED), (CONTENT_SECURITY_POLICY, POLICY)]
    };
    Router::new()
        .route("/openapi.json", get(async move || (headers("application/json"), json.clone())))
        .route("/docs", get(async move || (headers("text/html; charset=utf-8"), page.clone())))
}

fn page(document: &Value) -> Markup {
    let info = &document["info"];
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                title { (text(&info["title"])) " API" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (text(&info["title"])) " API " small { (text(&info["version"])) } }
                p { (text(&info["description"])) }
                p { "For programs: " a href="/openapi.json" { "openapi.json" } " (OpenAPI " (text(&document["openapi"])) ")" }
                @for tag in list(&document["tags"]) {
                    h2 { (text(&tag["description"])) }
                    @for (path, method, operation) in operations(document) {
                        @if list(&operation["tags"]).any(|name| name == &tag["name"]) {
                            (section(path, method, operation))
                        }
                    }
                }
                h2 #problems { "Problems" }
                p { "The " code { "type" } " of a problem says what is wrong. Programs compare it, and treat one that they do not know by its status." }
                table {
                    @for kind in ProblemKind::ALL {
                        tr {
                            td { code { (kind.urn()) } }
                            td { (kind.status().as_u16()) }
                            td { (kind.meaning()) }
                        }
                    }
                }
                h2 { "Bodies" }
                @for (name, schema) in entries(at(document, "/components/schemas")) {
                    section id=(format!("schema-{name}")) {
                        h3 { (name) }
                        p { (text(&schema["description"])) }
                        @for choice in list(&schema["anyOf"]) {
                            @for (index, name) in list(&choice["enum"]).enumerate() {
                                @if index > 0 { ", " }
                                code { (text(name)) }
                            }
                        }
                        (fields(schema))
                    }
                }
            }
        }
    }
}

fn section(path: &str, method: &str, operation: &Value) -> Markup {
    html! {
        section {
            h3 { code { (method.to_uppercase()) } " " code { (path) } }
            p { (text(&operation["summary"])) " " (text(&operation["description"])) }
            @if list(&operation["parameters"]).next().is_some() {
                table {
                    @for parameter in list(&operation["parameters"]) {
                        tr {
                            td { code { (text(&parameter["name"])) } }
                            td { (text(&parameter["in"])) @if parameter["required"] == true { ", required" } }
                            td { (text(&parameter["description"])) }
                        }
                    }
                }
            }
            @for (_, content) in entries(at(operation, "/requestBody/content")) {
                p { "Body: " (kind(&content["schema"])) }
            }
            table {
                @for (status, answer) in entries(&operation["responses"]) {
                    tr {
                        td { code { (status) } }
                        td { (text(&answer["description"])) }
                        td { @for (_, content) in entries(&answer["content"]) { (kind(&content["schema"])) } }
                    }
                }
            }
        }
    }
}

fn fields(schema: &Value) -> Markup {
    let required: Vec<&Value> = list(&schema["required"]).collect();
    html! {
        @for part in list(&schema["allOf"]).chain(list(&schema["oneOf"])) {
            @if part["$ref"].is_string() { p { "With all of " (kind(part)) } } @else { (fields(part)) }
        }
        @if schema["properties"].is_object() {
            table {
                @for (name, property) in entries(&schema["properties"]) {
                    tr {
                        td { code { (name) } }
                        td { (kind(property)) @if !required.iter().any(|field| *field == name) { ", may be absent" } }
                        td { (text(&property["description"])) }
                    }
                }
            }
        }
    }
}

/// The name of a type, with a link where it is described.
fn kind(schema: &Value) -> Markup {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return html! { a href=(format!("#schema-{name}")) { (name) } };
    }
    if schema["type"] == "array" {
        return html! { "list of " (kind(&schema["items"])) };
    }
    let choices: Vec<&Value> = list(&schema["oneOf"]).collect();
    if !choices.is_empty() {
        return html! { @for (index, choice) in choices.iter().enumerate() { @if index > 0 { " or " } (kind(choice)) } };
    }
    let names: Vec<&str> = match &schema["type"] {
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        Value::String(name) => vec![name],
        _ => vec!["object"],
    };
    html! { (names.join(" or ")) @if let Some(format) = schema["format"].as_str() { " (" (format) ")" } }
}

fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    entries(&document["paths"]).flat_map(|(path, methods)| {
        entries(methods)
            .filter(|(_, operation)| operation["responses"].is_object())
            .map(move |(method, it)| (path, method, it))
    })
}

fn entries(object: &Value) -> impl Iterator<Item = (&str, &Value)> {
    object.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

fn list(array: &Value) -> impl Iterator<Item = &Value> {
    array.as_array().into_iter().flatten()
}

/// What a JSON pointer leads to (RFC 6901); nothing where it leads nowhere.
fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
