//! What can be wrong, each kind with a name that never changes. Programs compare the `type` of a problem; the API's
//! description says what each means.

use axum::http::StatusCode;

/// Before the name of a kind in the `type` of a problem.
const URN: &str = "urn:evercal:problem:";

macro_rules! kinds {
    ($($(#[doc = $meaning:literal])+ $kind:ident: $name:literal, $status:ident, $title:literal;)+) => {
        /// What is wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum ProblemKind {
            $($(#[doc = $meaning])+ $kind,)+
        }

        impl ProblemKind {
            /// All of them, by status.
            pub(crate) const ALL: &[Self] = &[$(Self::$kind),+];

            /// The last part of the `type`.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)+ }
            }

            pub(crate) fn status(self) -> StatusCode {
                match self { $(Self::$kind => StatusCode::$status,)+ }
            }

            /// The kind for people, the same for each problem of this kind.
            pub(crate) fn title(self) -> &'static str {
                match self { $(Self::$kind => $title,)+ }
            }

            /// What it means and what to do, for the description.
            pub(crate) fn meaning(self) -> &'static str {
                match self { $(Self::$kind => concat!($($meaning),+).trim_ascii_start(),)+ }
            }
        }
    };
}

kinds! {
    /// Parameters of the query or the path are missing, unknown or cannot be meant; `errors` names each of them.
    InvalidParameter: "invalid-parameter", BAD_REQUEST, "Invalid parameter";
    /// The cursor is none of this list's, or the query is another one than the one that gave it. Begin with the first page.
    InvalidCursor: "invalid-cursor", BAD_REQUEST, "Invalid cursor";
    /// The body is not JSON.
    MalformedBody: "malformed-body", BAD_REQUEST, "Malformed body";
    /// What came to a webhook is of the form of none of its provider's notices.
    MalformedNotice: "malformed-notice", BAD_REQUEST, "Malformed notice";
    /// The request cannot be read as HTTP means it.
    MalformedRequest: "malformed-request", BAD_REQUEST, "Malformed request";
    /// No API key was sent, or one that is unknown or revoked.
    InvalidApiKey: "invalid-api-key", UNAUTHORIZED, "Invalid API key";
    /// No genuine notice for a push channel of this installation.
    InvalidNotice: "invalid-notice", UNAUTHORIZED, "Invalid notice";
    /// The API key does not have the scope that this route needs.
    MissingScope: "missing-scope", FORBIDDEN, "Missing scope";
    /// Nothing is at this path.
    PathNotFound: "path-not-found", NOT_FOUND, "Path not found";
    /// This installation has no accounts at a provider of this name.
    ProviderNotFound: "provider-not-found", NOT_FOUND, "Provider not found";
    /// Your tenant has no such account.
    AccountNotFound: "account-not-found", NOT_FOUND, "Account not found";
    /// Your tenant has no such calendar.
    CalendarNotFound: "calendar-not-found", NOT_FOUND, "Calendar not found";
    /// The calendar has no such event. Occurrences of a series are no events of their own: their `event_id` names one.
    EventNotFound: "event-not-found", NOT_FOUND, "Event not found";
    /// What this was about was deleted meanwhile.
    Gone: "gone-meanwhile", NOT_FOUND, "Gone meanwhile";
    /// This path does not take this method; the `Allow` header names those it takes.
    MethodNotAllowed: "method-not-allowed", METHOD_NOT_ALLOWED, "Method not allowed";
    /// With `consistent=true`: the list changed since its first page. Begin with the first page.
    ListChanged: "list-changed", CONFLICT, "List changed";
    /// The account was disconnected; connect it as a new one.
    AccountDisconnected: "account-disconnected", CONFLICT, "Account disconnected";
    /// The account has no grant to list calendars with: its state says why.
    AccountNotConnected: "account-not-connected", CONFLICT, "Account not connected";
    /// Your tenant has all the accounts that it may have; ask your operator for more.
    AccountLimitReached: "account-limit-reached", CONFLICT, "Account limit reached";
    /// The calendar is closed: its account was disconnected, or the calendar is not in the account any more.
    CalendarClosed: "calendar-closed", CONFLICT, "Calendar closed";
    /// The calendar is paused, so nothing is read.
    CalendarPaused: "calendar-paused", CONFLICT, "Calendar paused";
    /// The account's user has to consent again before anything can be read.
    CalendarNeedsReauth: "calendar-needs-reauth", CONFLICT, "Calendar needs reauthorization";
    /// The provider refuses this calendar; its `detail` says who has to do what.
    CalendarActionRequired: "calendar-action-required", CONFLICT, "Calendar needs somebody to act";
    /// Too many ask for a sync of this calendar at the same time; try again.
    SyncRefused: "sync-refused", CONFLICT, "Sync refused";
    /// Somebody else changed the same thing at the same time; try again.
    ChangedMeanwhile: "changed-meanwhile", CONFLICT, "Changed meanwhile";
    /// The request's body is too large.
    BodyTooLarge: "body-too-large", PAYLOAD_TOO_LARGE, "Body too large";
    /// The body has to be JSON, and the header `Content-Type` has to say so.
    UnsupportedMediaType: "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE, "Unsupported media type";
    /// The body is JSON, but its fields are not those that this route takes; `errors` names each of them.
    InvalidBody: "invalid-body", UNPROCESSABLE_ENTITY, "Invalid body";
    /// Your tenant asks more often than it may; `Retry-After` says when to go on.
    RateLimited: "rate-limited", TOO_MANY_REQUESTS, "Rate limited";
    /// Something went wrong in evercal; the gateway's log says what under the request's id.
    Internal: "internal-error", INTERNAL_SERVER_ERROR, "Internal error";
    /// The sync was tried and failed; the subscription tries again by itself.
    SyncFailed: "sync-failed", BAD_GATEWAY, "Sync failed";
    /// The database does not answer; try again.
    StoreUnavailable: "store-unavailable", SERVICE_UNAVAILABLE, "Store unavailable";
    /// Temporal does not answer; try again.
    TemporalUnavailable: "temporal-unavailable", SERVICE_UNAVAILABLE, "Temporal unavailable";
    /// This gateway has not checked its parts yet, or one of its background tasks hangs; another one may serve.
    NotReady: "not-ready", SERVICE_UNAVAILABLE, "Not ready";
    /// Too many requests are being served; try again.
    Overloaded: "overloaded", SERVICE_UNAVAILABLE, "Overloaded";
    /// The request took too long; try again.
    TimedOut: "timed-out", SERVICE_UNAVAILABLE, "Timed out";
}

impl ProblemKind {
    /// The `type` (RFC 9457 section 3.1.1).
    pub(crate) fn urn(self) -> String {
        format!("{URN}{}", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_are_words_with_hyphens() {
        let mut names: Vec<&str> = ProblemKind::ALL.iter().map(|kind| kind.name()).collect();
        let is_name = |name: &&str| name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-');
        assert!(names.iter().all(is_name), "{names:?}");
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
