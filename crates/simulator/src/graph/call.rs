//! One call from arrival to answer: counted, perhaps broken by a fault, throttled, authenticated, run, journaled. The same for
//! a request of its own and for a part of a batch.

use std::time::Duration;

use axum::http::HeaderName;

use super::errors::{ApiError, Trace};
use super::grants::Caller;
use super::ids::guid;
use super::operations::Operation;
use super::request::ApiRequest;
use super::response::ApiResponse;
use super::throttle::Admission;
use super::{Shared, World};
use super::{calendars, delta, events, handshake, oauth, subscriptions, writes};
use crate::core::calls::CallRecord;
use crate::core::faults::{CallSubject, FaultAction};
use crate::core::journal::JournalError;
use crate::core::transmission::{Answer, Transmission};
use crate::core::world::BegunCall;

/// What a call is, beside its request.
pub(crate) struct Begun {
    pub(crate) call: BegunCall,
    trace: Trace,
    /// How long a call takes at least.
    latency: Duration,
}

pub(crate) async fn perform(shared: &Shared, mut request: ApiRequest) -> Answer {
    let begun = match shared.with_world(|world| begin(world, &request)) {
        Ok(begun) => begun,
        Err(error) => return journal_failed(&error),
    };
    // Counts as long as the call lasts.
    let admission = shared.with_world(|world| admit(world, &request));
    wait(shared, begun.latency).await;
    if let Some(FaultAction::Delay { delay_ms }) = begun.call.fault {
        wait(shared, Duration::from_millis(delay_ms)).await;
    }
    let admission = match admission {
        Ok(admission) => admission,
        Err(error) => return journal_failed(&error),
    };
    let is_run = admission.is_ok() && is_run(begun.call.fault.as_ref());
    if let Err(error) = ask_addresses(shared, &mut request, begun.call.index, is_run).await {
        return journal_failed(&error);
    }
    request.empty_page = begun.call.fault == Some(FaultAction::EmptyPage);
    let transmission = Transmission::of(begun.call.fault.as_ref());
    let refusal = admission.as_ref().err().cloned();
    let ran = shared.with_world(|world| {
        let (response, user) = run_with_fault(world, &request, &begun, refusal);
        finish(world, &request, &begun.call, transmission.answers().then_some(response.status), user);
        response
    });
    match ran {
        Ok(response) => Answer { response: traced(response, &request, &begun.trace), transmission },
        Err(error) => journal_failed(&error),
    }
}

pub(crate) fn journal_failed(error: &JournalError) -> Answer {
    tracing::error!(%error, "a call cannot be journaled");
    let mut response = ApiResponse::json(&serde_json::json!({
        "error": {"code": "ErrorInternalServerError", "message": "An internal server error occurred. The operation failed."}
    }));
    response.status = 500;
    Answer { response, transmission: Transmission::Normal }
}

pub(crate) async fn wait(shared: &Shared, pause: Duration) {
    if pause.is_zero() {
        return;
    }
    tokio::select! {
        () = tokio::time::sleep(pause) => {}
        () = shared.shutdown.cancelled() => {}
    }
}

/// Counts a call, and gives it its names.
pub(crate) fn begin(world: &mut World, request: &ApiRequest) -> Begun {
    let operation = request.target.operation;
    let call = world.begin_call(&CallSubject { method: operation.name(), calendar: request.calendar_in_path() });
    let request_id = guid(world.seed(), "request", &call.index.to_string());
    let trace = Trace {
        client_request_id: request.header("client-request-id").unwrap_or(&request_id).to_owned(),
        request_id,
        date: world.clock.now(),
    };
    let latency_ms = if operation.is_of_mailbox() { world.provider.quirks.latency_ms } else { 0 };
    Begun { call, trace, latency: Duration::from_millis(latency_ms) }
}

fn admit(world: &mut World, request: &ApiRequest) -> Result<Option<Admission>, ApiError> {
    if !request.target.operation.is_of_mailbox() {
        return Ok(None);
    }
    // Whoever is refused anyway is nobody's mailbox.
    let Ok(caller) = oauth::authenticate(world, request) else { return Ok(None) };
    let mailbox = format!("{}/{}", caller.client, caller.user);
    let now = world.clock.real_now();
    world.provider.throttle.admit(&mailbox, &world.provider.quirks, now).map(Some)
}

/// Whether a call with this fault is carried out.
fn is_run(fault: Option<&FaultAction>) -> bool {
    !matches!(
        fault,
        Some(
            FaultAction::Status { .. }
                | FaultAction::ErrorPage { .. }
                | FaultAction::ResetBefore
                | FaultAction::Hang
                | FaultAction::Quota { .. }
                | FaultAction::ExpiredToken
                | FaultAction::InvalidGrant
        )
    )
}

/// Asks the addresses of a subscription, where the call has some and will be carried out.
async fn ask_addresses(shared: &Shared, request: &mut ApiRequest, call: u64, is_run: bool) -> Result<(), JournalError> {
    let operation = request.target.operation;
    if !is_run || !matches!(operation, Operation::SubscriptionsCreate | Operation::SubscriptionsUpdate) {
        return Ok(());
    }
    let addresses = shared.with_world(|world| match authorized(world, request) {
        Ok(caller) => subscriptions::addresses_to_ask(world, &caller, request),
        Err(_) => Vec::new(),
    })?;
    request.handshake = handshake::run(shared, addresses, call).await;
    Ok(())
}

pub(crate) fn finish(
    world: &mut World,
    request: &ApiRequest,
    begun: &BegunCall,
    status: Option<u16>,
    user: Option<String>,
) {
    let ended_at = world.clock.real_now();
    let email = user.and_then(|oid| world.provider.users.get(&oid).map(|user| user.email.clone()));
    world.finish_call(CallRecord {
        index: begun.index,
        method_count: begun.method_count,
        method: request.target.operation.name().to_owned(),
        calendar: request.calendar_in_path().map(str::to_owned),
        user: email,
        status,
        fault: begun.fault.as_ref().map(|fault| fault.kind().to_owned()),
        at: begun.at,
        ended_at,
        simulated_now: request.simulated_now(),
    });
}

/// With the headers that every answer has.
pub(crate) fn traced(mut response: ApiResponse, request: &ApiRequest, trace: &Trace) -> ApiResponse {
    if request.target.operation.is_oauth() {
        response.push_header(HeaderName::from_static("x-ms-request-id"), &trace.request_id);
        return response;
    }
    response.push_header(HeaderName::from_static("request-id"), &trace.request_id);
    response.push_header(HeaderName::from_static("client-request-id"), &trace.client_request_id);
    let mut applied = request.preferences().map(|found| found.applied).unwrap_or_default();
    if request.target.operation == Operation::Delta {
        applied.push("odata.track-changes".to_owned());
    }
    if !applied.is_empty() && response.status < 400 {
        response.push_header(HeaderName::from_static("preference-applied"), &applied.join(", "));
    }
    response
}

/// The answer, and the user whose token was accepted.
pub(crate) fn run_with_fault(
    world: &mut World,
    request: &ApiRequest,
    begun: &Begun,
    refusal: Option<ApiError>,
) -> (ApiResponse, Option<String>) {
    let (trace, is_oauth) = (&begun.trace, request.target.operation.is_oauth());
    let date = trace.date.format("%Y-%m-%d %H:%M:%SZ").to_string();
    let instead = match &begun.call.fault {
        Some(FaultAction::Status { status, reason, retry_after_s }) => {
            if is_oauth {
                let mut response = oauth::scripted(*status, reason.as_deref(), &trace.request_id, &date);
                if let Some(seconds) = retry_after_s {
                    response.push_header(axum::http::header::RETRY_AFTER, &seconds.to_string());
                }
                response
            } else {
                let error = ApiError::scripted(*status, reason.as_deref()).with_retry_after(*retry_after_s);
                error.into_response(trace)
            }
        }
        Some(FaultAction::ErrorPage { status }) => ApiResponse::gateway_page(*status),
        Some(FaultAction::ResetBefore | FaultAction::Hang) => ApiResponse::empty(200),
        Some(FaultAction::Quota { status }) => ApiError::application_throttled(*status).into_response(trace),
        Some(FaultAction::ExpiredToken) => {
            oauth::expire_token_of(world, request);
            ApiError::invalid_token("Lifetime validation failed, the token is expired.").into_response(trace)
        }
        Some(FaultAction::InvalidGrant) => {
            oauth::kill_grant_of(world, request);
            if is_oauth {
                oauth::scripted(400, Some("invalid_grant"), &trace.request_id, &date)
            } else {
                ApiError::invalid_token("Continuous access evaluation resulted in challenge.").into_response(trace)
            }
        }
        _ => {
            return match (request.target.operation, refusal) {
                (Operation::OauthAuthorize, _) => {
                    (oauth::authorize(world, &request.query, &trace.request_id, &date), None)
                }
                (Operation::OauthToken, _) => (oauth::token(world, request, &trace.request_id, &date), None),
                (_, Some(refusal)) => (refusal.into_response(trace), None),
                (_, None) => run(world, request, trace),
            };
        }
    };
    (instead, None)
}

fn run(world: &mut World, request: &ApiRequest, trace: &Trace) -> (ApiResponse, Option<String>) {
    let caller = match oauth::authenticate(world, request) {
        Ok(caller) => caller,
        Err(error) => return (error.into_response(trace), None),
    };
    let response = authorized(world, request).and_then(|caller| dispatch(world, &caller, request));
    (response.unwrap_or_else(|error| error.into_response(trace)), Some(caller.user))
}

/// Who makes the call, if their scopes allow it.
fn authorized(world: &World, request: &ApiRequest) -> Result<Caller, ApiError> {
    let caller = oauth::authenticate(world, request)?;
    if request.target.operation.is_allowed_by(&caller.scopes) {
        return Ok(caller);
    }
    if request.target.operation == Operation::Me {
        let message = "Insufficient privileges to complete the operation.";
        return Err(ApiError::new(403, "Authorization_RequestDenied", message));
    }
    Err(ApiError::access_denied())
}

fn dispatch(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let handler = match request.target.operation {
        Operation::Me => calendars::me,
        Operation::CalendarsList => calendars::list,
        Operation::CalendarsGet => calendars::get,
        Operation::CalendarsCreate => calendars::create,
        Operation::CalendarsUpdate => calendars::update,
        Operation::CalendarsDelete => calendars::delete,
        Operation::Delta => delta::delta,
        Operation::CalendarView => events::view,
        Operation::EventsList => events::list,
        Operation::EventsGet => events::get,
        Operation::EventsInstances => events::instances,
        Operation::EventsCreate => writes::create,
        Operation::EventsUpdate => writes::update,
        Operation::EventsDelete => writes::delete,
        Operation::EventsCancel => writes::cancel,
        Operation::EventsRespond(response) => return writes::respond(world, caller, request, response),
        Operation::SubscriptionsCreate => subscriptions::create,
        Operation::SubscriptionsList => subscriptions::list,
        Operation::SubscriptionsGet => subscriptions::get,
        Operation::SubscriptionsUpdate => subscriptions::update,
        Operation::SubscriptionsDelete => subscriptions::delete,
        Operation::SubscriptionsReauthorize => subscriptions::reauthorize,
        Operation::Batch | Operation::OauthAuthorize | Operation::OauthToken => return Err(ApiError::not_found()),
    };
    handler(world, caller, request)
}

impl Begun {
    pub(crate) fn trace(&self) -> &Trace {
        &self.trace
    }
}

/// Whether a fault takes the place of a call.
pub(crate) fn is_replaced(begun: &Begun) -> bool {
    !is_run(begun.call.fault.as_ref())
}
