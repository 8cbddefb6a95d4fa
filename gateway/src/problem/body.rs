//! What a problem looks like.

use serde::Serialize;
use utoipa::ToSchema;

use crate::vocabulary::ProblemTypeName;

/// The body of an error (RFC 9457 section 3.1), with the id of the request as an extension.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody<'a> {
    /// What kind of problem, as a URN. Programs compare this.
    pub r#type: ProblemTypeName,
    /// The kind for people.
    pub title: &'a str,
    /// The HTTP status.
    #[schema(example = 409)]
    pub status: u16,
    /// What is wrong with this request, and what would do.
    pub detail: &'a str,
    /// Names the request in the gateway's log.
    pub request_id: &'a str,
    /// Each parameter or field that is wrong; empty where it is nothing of that kind.
    pub errors: &'a [ParameterError],
}

/// What is wrong with a parameter of the query or the path, or with a field of the body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ParameterError {
    /// Its name.
    pub parameter: String,
    /// What is wrong with it, and what would do.
    pub detail: String,
}
