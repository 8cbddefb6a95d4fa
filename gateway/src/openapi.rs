//! The API's description (OpenAPI 3.1), put together from what stands at the handlers: what every answer has in common, and
//! how callers prove who they are. Not for: single routes, which describe themselves (`routes/`).

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde::Serialize;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, Modify, OpenApi, PartialSchema, ToSchema};

/// The name of the security scheme in the description.
pub(crate) const API_KEY: &str = "api_key";

/// What is common to all routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "evercal",
        description = "Reads a live mirror of people's calendars. Every read says when the mirror was last known to be \
                       complete. Lists answer `{\"items\":[…],\"next_cursor\":…}`; hand `next_cursor` back as `cursor`. \
                       Errors are problem bodies (RFC 9457) with the id of the request. Answers to `GET` carry an `ETag`, \
                       and `If-None-Match` saves sending them again.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    components(schemas(ProblemBody)),
    tags(
        (name = "accounts", description = "Connected accounts"),
        (name = "calendars", description = "Mirrored calendars, their events and their state"),
        (name = "operators", description = "What happened, and whether all is well"),
        (name = "webhooks", description = "What providers call"),
    ),
    modifiers(&Security)
)]
pub(crate) struct Common;

struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("An API key of a tenant, as `evercal keys create` makes it."))
            .build();
        let components = document.components.get_or_insert_with(Default::default);
        components.add_security_scheme(API_KEY, SecurityScheme::Http(scheme));
    }
}

/// The body of an error (RFC 9457 section 3.1), with the id of the request as an extension.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProblemBody<'a> {
    /// What kind of problem, as a URN.
    pub r#type: String,
    /// The kind for people.
    pub title: &'a str,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong with this request, and what would do.
    pub detail: &'a str,
    /// Names the request in the gateway's log.
    pub request_id: &'a str,
}

/// Declares the problems that a route may answer with.
macro_rules! problems {
    ($(#[$doc:meta])* $name:ident: $($status:literal),+) => {
        $(#[$doc])*
        pub(crate) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                [$($status),+].map(|status| (status.to_string(), RefOr::T(problem(status)))).into()
            }
        }
    };
}

problems! {
    /// Of every route that needs an API key: none or an unknown one, a scope that is missing, asked too often, and what
    /// can happen to any request. 400 is a query or a path that cannot be meant.
    Refusals: 400, 401, 403, 429, 500, 503
}
problems! {
    /// Of routes that name something.
    Missing: 404
}
problems! {
    /// Of routes that change something whose state may forbid it.
    Conflict: 409
}
problems! {
    /// Of routes that take a body.
    UnfitBody: 413, 415, 422
}
problems! {
    /// Of routes that need no key.
    Unavailable: 500, 503
}

problems! {
    /// Of what is no notice for one of our channels, or has too large a body.
    NotANotice: 401, 413
}

/// The answer to a request whose `If-None-Match` names what the caller has already.
pub(crate) struct NotModified;

impl IntoResponses for NotModified {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let answer = ResponseBuilder::new().description("Nothing changed: `If-None-Match` names the current answer.");
        [("304".to_owned(), RefOr::T(answer.build()))].into()
    }
}

fn problem(status: u16) -> Response {
    let title = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Error");
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(ProblemBody::name()))).build();
    let mut answer = ResponseBuilder::new().description(title).content("application/problem+json", content);
    if matches!(status, 429 | 503) {
        let header =
            HeaderBuilder::new().schema(Some(u32::schema())).description(Some("When to try again, in seconds."));
        answer = answer.header("Retry-After", header.build());
    }
    answer.build()
}
