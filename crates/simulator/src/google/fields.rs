//! The `fields` parameter: a part of an answer instead of all of it, such as `nextPageToken,items(id,start/date)`
//! (<https://developers.google.com/workspace/calendar/api/guides/performance#partial-response>).

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

use serde_json::Value;

use super::errors::ApiError;
use super::request::Query;
use super::response::ApiResponse;

/// Selections inside of selections; an event has three of them.
const DEPTH_MAX: usize = 8;

/// The names that are wanted, and what of each; an empty selection is all of it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Selection(BTreeMap<String, Selection>);

/// Cuts an answer down to what the query asks for.
pub(crate) fn apply(query: &Query, mut response: ApiResponse) -> Result<ApiResponse, ApiError> {
    let Some(text) = query.get("fields") else { return Ok(response) };
    let invalid = || ApiError::invalid_parameter("fields", text);
    let mut characters = text.chars().peekable();
    let selection = Selection::read(&mut characters, 0).filter(|_| characters.next().is_none()).ok_or_else(invalid)?;
    if let Ok(mut answer) = serde_json::from_slice::<Value>(&response.body) {
        selection.cut(&mut answer);
        response.body = serde_json::to_vec(&answer).unwrap_or_default();
    }
    Ok(response)
}

impl Selection {
    /// Reads names up to the end or to the bracket that closes this selection.
    fn read(characters: &mut Peekable<Chars<'_>>, depth: usize) -> Option<Self> {
        if depth > DEPTH_MAX {
            return None;
        }
        let mut selection = Self::default();
        loop {
            let mut name = String::new();
            while let Some(character) = characters.next_if(|next| next.is_ascii_alphanumeric() || *next == '*') {
                name.push(character);
            }
            if name.is_empty() {
                return None;
            }
            let inner = match characters.peek() {
                Some('(') => {
                    characters.next();
                    let inner = Self::read(characters, depth + 1)?;
                    characters.next_if_eq(&')')?;
                    inner
                }
                Some('/') => {
                    characters.next();
                    Self::read_path(characters, depth + 1)?
                }
                _ => Self::default(),
            };
            selection.0.insert(name, inner);
            if characters.next_if_eq(&',').is_none() {
                return Some(selection);
            }
        }
    }

    /// What follows a slash: one name, not a list of them.
    fn read_path(characters: &mut Peekable<Chars<'_>>, depth: usize) -> Option<Self> {
        let mut path = String::new();
        let mut brackets = 0_usize;
        while let Some(character) = characters.next_if(|next| brackets > 0 || !matches!(next, ',' | ')')) {
            brackets = match character {
                '(' => brackets + 1,
                ')' => brackets.checked_sub(1)?,
                _ => brackets,
            };
            path.push(character);
        }
        let mut path = path.chars().peekable();
        Self::read(&mut path, depth).filter(|_| path.next().is_none())
    }

    fn cut(&self, value: &mut Value) {
        if self.0.is_empty() {
            return;
        }
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.cut(item)),
            Value::Object(fields) => {
                fields.retain(|name, _| self.of(name).is_some());
                for (name, field) in fields {
                    if let Some(inner) = self.of(name) {
                        inner.cut(field);
                    }
                }
            }
            _ => {}
        }
    }

    fn of(&self, name: &str) -> Option<&Self> {
        self.0.get(name).or_else(|| self.0.get("*"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn cut(fields: &str, answer: &Value) -> Result<Value, u16> {
        let query = Query::of(&[("fields", fields)]);
        let response = apply(&query, ApiResponse::json(answer)).map_err(|error| error.status)?;
        Ok(serde_json::from_slice(&response.body).unwrap())
    }

    #[test]
    fn an_answer_has_the_fields_that_were_asked_for() {
        let answer = json!({
            "kind": "events", "token": "t",
            "items": [{"id": "1", "start": {"date": "d", "zone": "z"}, "end": {"date": "e"}}, {"id": "2"}],
        });
        let cases = [
            ("token", json!({"token": "t"})),
            ("token,items(id)", json!({"token": "t", "items": [{"id": "1"}, {"id": "2"}]})),
            ("items(id,start/date)", json!({"items": [{"id": "1", "start": {"date": "d"}}, {"id": "2"}]})),
            ("items/start(zone),kind", json!({"kind": "events", "items": [{"start": {"zone": "z"}}, {}]})),
            (
                "items/*/date",
                json!({"items": [{"id": "1", "start": {"date": "d"}, "end": {"date": "e"}}, {"id": "2"}]}),
            ),
            ("*", answer.clone()),
        ];
        for (fields, expected) in cases {
            assert_eq!(cut(fields, &answer), Ok(expected), "{fields}");
        }
    }

    #[test]
    fn what_is_no_selection_is_refused() {
        for fields in ["", ",", "items(", "items(id", "items)", "items()", "items//id", "a b", &"a(".repeat(50)] {
            assert_eq!(cut(fields, &json!({})), Err(400), "{fields}");
        }
    }
}
