//! When an event reminds its user (source: the reference of the event resource). The reasons of the two refusals are not
//! published; they are those that clients of the real API report.

use serde_json::{Map, Value, json};

use super::errors::ApiError;

const OVERRIDES_MAX: usize = 5;
const METHODS: [&str; 2] = ["email", "popup"];
/// Four weeks.
const MINUTES_MAX: u64 = 40_320;

/// Checks the reminders of an event. One that says nothing of them has the calendar's.
pub(crate) fn check(event: &mut Map<String, Value>) -> Result<(), ApiError> {
    let given = event.entry("reminders").or_insert_with(|| json!({"useDefault": true}));
    let reminders = given.as_object_mut().ok_or_else(|| ApiError::invalid("Reminders are an object."))?;
    let uses_default = reminders.entry("useDefault").or_insert(Value::Bool(false)).as_bool();
    let uses_default = uses_default.ok_or_else(|| ApiError::invalid("useDefault is a boolean."))?;
    let overrides = match reminders.get("overrides") {
        None => return Ok(()),
        Some(overrides) => overrides.as_array().ok_or_else(|| ApiError::invalid("Overrides are a list."))?,
    };
    if overrides.len() > OVERRIDES_MAX {
        return Err(ApiError::too_many_reminders());
    }
    if uses_default && !overrides.is_empty() {
        return Err(ApiError::default_reminders_and_overrides());
    }
    overrides.iter().try_for_each(check_override)
}

fn check_override(reminder: &Value) -> Result<(), ApiError> {
    let field = |name: &str| reminder.get(name).ok_or_else(|| ApiError::required(format!("Missing reminder {name}.")));
    let (method, minutes) = (field("method")?, field("minutes")?);
    if !METHODS.iter().any(|known| method == known) {
        return Err(ApiError::invalid("Invalid reminder method."));
    }
    if minutes.as_u64().is_none_or(|minutes| minutes > MINUTES_MAX) {
        return Err(ApiError::invalid("Invalid reminder minutes."));
    }
    Ok(())
}
