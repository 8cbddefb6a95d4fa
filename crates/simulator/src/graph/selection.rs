//! What lists have in common: `$select`, `$orderby`, `$top` and `$skip`, and the shape of a page.

use std::cmp::Ordering;

use serde_json::{Map, Value, json};

use super::World;
use super::errors::ApiError;
use super::request::ApiRequest;
use super::response::ApiResponse;

/// Keeps the fields that were asked for; ids and annotations come in any case.
pub(crate) fn select(mut item: Map<String, Value>, names: Option<&[&str]>) -> Map<String, Value> {
    if let Some(names) = names {
        item.retain(|field, _| {
            field == "id" || field.starts_with('@') || names.iter().any(|name| name.eq_ignore_ascii_case(field))
        });
    }
    item
}

/// The page of a list that a request asks for.
pub(crate) fn page_of(
    world: &mut World,
    request: &ApiRequest,
    context: &str,
    items: Vec<Map<String, Value>>,
) -> Result<ApiResponse, ApiError> {
    let (asked, skip) = (request.top()?, request.skip()?);
    let mut size = world.provider.quirks.page_size(asked);
    if request.empty_page {
        size = 0;
    }
    let total = items.len();
    let names = request.selected();
    let page: Vec<Map<String, Value>> =
        items.into_iter().skip(skip).take(size).map(|item| select(item, names.as_deref())).collect();
    let next = skip + page.len();
    let mut body = json!({"@odata.context": context, "value": page});
    if next < total
        && let Some(body) = body.as_object_mut()
    {
        let link = world.provider.next_link(request.link_from(next));
        body.insert("@odata.nextLink".to_owned(), json!(link));
    }
    Ok(ApiResponse::json(&body))
}

/// Sorts as `$orderby` asks for, by one or several fields, each with a direction.
pub(crate) fn order(request: &ApiRequest, items: &mut [Map<String, Value>]) -> Result<(), ApiError> {
    let Some(text) = request.query.get_ignoring_case("$orderby") else { return Ok(()) };
    let mut terms: Vec<(Vec<&str>, bool)> = Vec::new();
    for term in text.split(',') {
        let mut words = term.split_whitespace();
        let path: Vec<&str> = words.next().unwrap_or_default().split('/').collect();
        let is_descending = match words.next() {
            None | Some("asc") => false,
            Some("desc") => true,
            Some(other) => return Err(ApiError::invalid_query(format!("Syntax error at '{other}' in $orderby."))),
        };
        terms.push((path, is_descending));
    }
    items.sort_by(|a, b| {
        terms.iter().fold(Ordering::Equal, |so_far, (path, is_descending)| {
            so_far.then_with(|| {
                let found = at(a, path).cmp(&at(b, path));
                if *is_descending { found.reverse() } else { found }
            })
        })
    });
    Ok(())
}

fn at(item: &Map<String, Value>, path: &[&str]) -> String {
    let mut names = path.iter();
    let mut value = names.next().and_then(|name| item.get(*name));
    for name in names {
        value = value.and_then(|value| value.get(*name));
    }
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}
