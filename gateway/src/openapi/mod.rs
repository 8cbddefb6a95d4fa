//! The API's description (OpenAPI 3.1), put together from what stands at the handlers: what every answer has in common, and
//! how callers prove who they are. Not for: single routes, which describe themselves (`routes/`).

mod examples;
mod finish;

use std::collections::BTreeMap;

use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, Modify, OpenApi, PartialSchema, ToSchema};

pub(crate) use self::finish::finished;
use crate::problem::{ParameterError, ProblemBody, ProblemKind};

/// The name of the security scheme in the description.
pub(crate) const API_KEY: &str = "api_key";

/// What is common to all routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "evercal",
        description = "Reads a live mirror of people's calendars. Every read says when the mirror was last known to be \
                       complete. Lists answer `{\"items\":[…],\"next_cursor\":…}`; hand `next_cursor` back as `cursor`. \
                       Errors are problem bodies (RFC 9457) whose `type` says what is wrong, with the id of the request. \
                       Answers to `GET` carry an `ETag`, and `If-None-Match` saves sending them again. The one of a page of \
                       events changes when something in its window does, and not when the mirror is confirmed again; those \
                       of all other answers change with anything in them. Fields and names of states and the like may be \
                       added; nothing is renamed or removed.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    servers((url = "/", description = "The gateway that serves this description.")),
    components(schemas(ProblemBody, ParameterError, crate::vocabulary::IncludeName)),
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

/// Declares the problems that a route may answer with. Of two declarations with the same status the later one counts.
macro_rules! problems {
    ($($(#[doc = $doc:literal])+ $name:ident: $($kind:ident),+;)+) => {
        $(
            $(#[doc = $doc])+
            pub(crate) struct $name;

            impl IntoResponses for $name {
                fn responses() -> BTreeMap<String, RefOr<Response>> {
                    answers(&[$(ProblemKind::$kind),+])
                }
            }
        )+
    };
}

problems! {
    /// Of every route that needs an API key: none or an unknown one, a scope that is missing, asked too often, and what
    /// can happen to any request.
    Refusals: InvalidParameter, MalformedRequest, InvalidApiKey, MissingScope, RateLimited, Internal, StoreUnavailable,
        Overloaded, TimedOut;
    /// Of routes that give a list in pages.
    ListRefusals: InvalidParameter, InvalidCursor, MalformedRequest, InvalidApiKey, MissingScope, RateLimited, Internal,
        StoreUnavailable, Overloaded, TimedOut;
    /// Of routes that take a body.
    BodyRefusals: InvalidParameter, MalformedBody, MalformedRequest, InvalidApiKey, MissingScope, BodyTooLarge,
        UnsupportedMediaType, InvalidBody, RateLimited, Internal, StoreUnavailable, Overloaded, TimedOut;
    /// Of routes that signal a workflow.
    NotSignalled: StoreUnavailable, TemporalUnavailable, Overloaded, TimedOut;
    /// Of routes that name a provider.
    MissingProvider: ProviderNotFound;
    /// Of routes that connect an account.
    NotConnectable: ProviderNotFound, AccountNotFound, Gone;
    /// Of routes that name an account.
    MissingAccount: AccountNotFound, Gone;
    /// Of routes that name a calendar.
    MissingCalendar: CalendarNotFound, Gone;
    /// Of routes that name an event.
    MissingEvent: CalendarNotFound, EventNotFound, Gone;
    /// Of pages that have to be of one state.
    Changed: ListChanged;
    /// Of a sync that is not done now.
    NotSynced: CalendarClosed, CalendarPaused, CalendarNeedsReauth, CalendarActionRequired, SyncRefused, ChangedMeanwhile;
    /// Of a sync that was tried.
    Failed: SyncFailed;
    /// Of an account whose calendars cannot be listed.
    NotListed: AccountNotConnected, AccountDisconnected;
    /// Of an account that is not connected.
    NotConnected: AccountDisconnected, AccountLimitReached, ChangedMeanwhile;
    /// Of routes that need no key.
    Unavailable: Internal, StoreUnavailable, TemporalUnavailable, Overloaded, TimedOut;
    /// Of what is no notice for one of our channels, or has too large a body.
    NotANotice: MalformedNotice, MalformedRequest, InvalidNotice, BodyTooLarge;
    /// Of routes that name a provider which says something of its channels.
    MissingLifecycle: ProviderNotFound, PathNotFound;
}

/// One answer for each status, which names the kinds that come with it.
fn answers(kinds: &[ProblemKind]) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status: BTreeMap<u16, Vec<ProblemKind>> = BTreeMap::new();
    for kind in kinds {
        by_status.entry(kind.status().as_u16()).or_default().push(*kind);
    }
    by_status.into_iter().map(|(status, kinds)| (status.to_string(), RefOr::T(problem(status, &kinds)))).collect()
}

/// The answer to a request whose `If-None-Match` names what the caller has already.
pub(crate) struct NotModified;

impl IntoResponses for NotModified {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let answer = ResponseBuilder::new().description("Nothing changed: `If-None-Match` names the current answer.");
        [("304".to_owned(), RefOr::T(answer.build()))].into()
    }
}

fn problem(status: u16, kinds: &[ProblemKind]) -> Response {
    let names: Vec<String> = kinds.iter().map(|kind| format!("{} (`{}`)", kind.title(), kind.name())).collect();
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(ProblemBody::name()))).build();
    let mut answer = ResponseBuilder::new()
        .description(format!("{}.", names.join(", ")))
        .content("application/problem+json", content);
    if matches!(status, 429 | 503) {
        let header =
            HeaderBuilder::new().schema(Some(u32::schema())).description(Some("When to try again, in seconds."));
        answer = answer.header("Retry-After", header.build());
    }
    answer.build()
}
