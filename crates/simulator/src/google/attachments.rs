//! Files that events point at (source: the reference of the event resource).

use serde_json::{Map, Value};

use super::errors::ApiError;
use super::request::Query;

pub(crate) const ATTACHMENTS: &str = "attachments";
const ATTACHMENTS_MAX: usize = 25;

/// Whether the client says that it supports attachments; what others send of them is ignored.
pub(crate) fn are_supported(query: &Query) -> Result<bool, ApiError> {
    Ok(query.flag("supportsAttachments")?.unwrap_or(false))
}

/// Checks the attachments of an event. The reference names limit and address, but no reasons: these are ours.
pub(crate) fn check(event: &Map<String, Value>) -> Result<(), ApiError> {
    let attachments = match event.get(ATTACHMENTS) {
        None => return Ok(()),
        Some(attachments) => attachments.as_array().ok_or_else(|| ApiError::invalid("Attachments are a list."))?,
    };
    if attachments.len() > ATTACHMENTS_MAX {
        return Err(ApiError::invalid(format!("An event has at most {ATTACHMENTS_MAX} attachments.")));
    }
    let has_address = |attachment: &Value| {
        attachment.get("fileUrl").and_then(Value::as_str).is_some_and(|address| !address.is_empty())
    };
    if attachments.iter().all(has_address) { Ok(()) } else { Err(ApiError::required("Missing attachment file URL.")) }
}
