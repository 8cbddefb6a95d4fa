//! The pages that end a consent: they say what really happened. Fixed texts: of the request nothing is repeated but a `state`
//! that was ours, and of the provider nothing but names of scopes that we asked for.

use axum::http::StatusCode;
use axum::http::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use axum::response::{Html, IntoResponse, Response};
use evercal_domain::ConsentOutcome;
use evercal_providers::Front;

/// How a consent ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::routes) enum Page {
    /// It is known what came of it.
    Ended(ConsentOutcome),
    /// It is not known yet.
    BeingChecked,
    /// We did not ask for this, or not any more.
    UnknownAttempt,
}

struct Content {
    status: StatusCode,
    title: String,
    text: String,
    /// Whether beginning again may help.
    offers_again: bool,
}

impl Content {
    fn new(status: StatusCode, title: impl Into<String>, text: impl Into<String>) -> Self {
        Self { status, title: title.into(), text: text.into(), offers_again: false }
    }

    fn not_connected(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Not connected", text)
    }

    fn offering_again(self) -> Self {
        Self { offers_again: true, ..self }
    }
}

impl Page {
    /// The page of what came of a consent.
    pub(in crate::routes) fn of(outcome: Option<ConsentOutcome>) -> Self {
        outcome.map_or(Self::BeingChecked, Self::Ended)
    }

    fn content(&self, front: &Front) -> Content {
        let provider = front.profile.title;
        let outcome = match self {
            Self::Ended(outcome) => outcome,
            Self::BeingChecked => {
                return Content::new(
                    StatusCode::ACCEPTED,
                    "Almost there",
                    "Your consent was taken and is being checked. Reload this page in a moment to see how it went.",
                );
            }
            Self::UnknownAttempt => {
                return Content::new(
                    StatusCode::BAD_REQUEST,
                    "This link is no longer good",
                    "It was used before, or it is older than ten minutes. Please start connecting again.",
                );
            }
        };
        match outcome {
            ConsentOutcome::Granted => {
                Content::new(StatusCode::OK, "Connected", "Your calendars are being read now. You can close this page.")
            }
            ConsentOutcome::AnotherUser => Content::new(
                StatusCode::CONFLICT,
                format!("That was another {provider} account"),
                format!(
                    "These calendars belong to another {provider} account than the one you have just chosen. Nothing was \
                     changed: what was connected works on as before. Please begin again and choose the account it was \
                     connected with."
                ),
            )
            .offering_again(),
            ConsentOutcome::Duplicate { account_id } => Content::new(
                StatusCode::CONFLICT,
                "Connected already",
                format!(
                    "This {provider} account is connected already, as {account_id}, so nothing was connected a second time. \
                     You can close this page."
                ),
            ),
            ConsentOutcome::MissingScopes { scopes } => {
                Content::new(StatusCode::BAD_REQUEST, "Something is missing", missing(front, scopes)).offering_again()
            }
            ConsentOutcome::NotGranted => {
                Content::not_connected("Access was not granted, so nothing was connected.").offering_again()
            }
            ConsentOutcome::Refused => Content::not_connected(format!(
                "{provider} did not accept what came back with you, so nothing was changed. Please begin again."
            ))
            .offering_again(),
            ConsentOutcome::TooLate => Content::not_connected(format!(
                "{provider} could not be reached in time, so nothing was changed. Please begin again."
            ))
            .offering_again(),
            ConsentOutcome::NotSetUp => Content::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "Not connected yet",
                format!(
                    "{provider} does not accept this service at the moment. That is nothing you can mend; its operator has \
                     been told. Your consent is tried again for a few minutes."
                ),
            ),
            ConsentOutcome::AccountGone => Content::new(
                StatusCode::CONFLICT,
                "This account was disconnected",
                "It cannot be connected again. Please connect it as a new account.",
            ),
            ConsentOutcome::TenantFull => Content::new(
                StatusCode::CONFLICT,
                "No more accounts",
                "Whoever sent you here can connect no more accounts at the moment, so nothing was connected.",
            ),
            ConsentOutcome::Superseded => Content::new(
                StatusCode::CONFLICT,
                "A newer consent came",
                "You have consented again since. The page of that consent tells how it went.",
            ),
        }
    }

    /// The answer; the button of a page needs the `state` that it belongs to.
    pub(in crate::routes) fn into_answer(self, front: &Front, state_parameter: &str) -> Response {
        let Content { status, title, text, offers_again } = self.content(front);
        // The button leads on to the consent page, wherever that is.
        let form_action = if offers_again { "" } else { "; form-action 'none'" };
        let button = if offers_again { button(front, state_parameter) } else { String::new() };
        let html = format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
             <style>body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:20vh auto;padding:0 1rem}}\
             button{{font:inherit;padding:.4rem 1rem}}</style>\n\
             <h1>{title}</h1>\n<p>{text}</p>\n{button}</html>\n"
        );
        let policy = format!("default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'{form_action}");
        let mut response = (status, Html(html)).into_response();
        if let Ok(policy) = HeaderValue::try_from(policy) {
            response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
        }
        response
    }
}

/// A `state` of ours has no character that HTML knows; what else would be one names nothing.
fn button(front: &Front, state_parameter: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if state_parameter.is_empty() || !state_parameter.chars().all(is_plain) {
        return String::new();
    }
    let provider = front.profile.provider;
    format!(
        "<form method=\"post\" action=\"/v1/oauth/{provider}/again\"><input type=\"hidden\" name=\"state\" value=\"{state_parameter}\">\
         <button>Begin again</button></form>\n"
    )
}

/// Names what is missing in the words of the consent page where we know them.
fn missing(front: &Front, scopes: &[String]) -> String {
    let name = |scope: &String| {
        front.edge.consent.scope_in_words(scope).map_or_else(
            || scope.chars().filter(|c| !matches!(c, '<' | '>' | '&' | '"')).collect(),
            |words| format!("\u{201c}{words}\u{201d}"),
        )
    };
    let names: Vec<String> = scopes.iter().map(name).collect();
    format!(
        "On {}'s page this was left out, and without it your calendars cannot be read: {}. Nothing was changed. Please \
         begin again, and leave all boxes ticked.",
        front.profile.title,
        names.join(", ")
    )
}
