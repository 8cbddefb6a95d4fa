//! One call from arrival to answer: counted, perhaps broken by a fault, authenticated, charged to the quota, run,
//! journaled. The same for a request of its own and for a part of a batch.

use std::time::Duration;

use super::errors::ApiError;
use super::oauth::{self, Caller};
use super::operations::Operation;
use super::request::ApiRequest;
use super::response::ApiResponse;
use super::{Shared, World};
use super::{calendar_list, calendars, channels, events, fields, free_busy, writes};
use crate::core::calls::CallRecord;
use crate::core::faults::{CallSubject, FaultAction};
use crate::core::journal::JournalError;
use crate::core::transmission::{Answer, Transmission};
use crate::core::world::BegunCall;

/// How long the answer to a watch call waits for its `sync` message.
const FIRST_ATTEMPT_WAIT: Duration = Duration::from_secs(5);

pub(crate) async fn perform(shared: &Shared, mut request: ApiRequest) -> Answer {
    let begun = match shared.with_world(|world| begin(world, &request)) {
        Ok(begun) => begun,
        Err(error) => return journal_failed(&error),
    };
    if let Some(FaultAction::Delay { delay_ms }) = begun.fault {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(delay_ms)) => {}
            () = shared.shutdown.cancelled() => {}
        }
    }
    request.empty_page = begun.fault == Some(FaultAction::EmptyPage);
    let transmission = Transmission::of(begun.fault.as_ref());
    let ran = shared.with_world(|world| {
        let (response, user) = run_with_fault(world, &request, begun.fault.as_ref());
        finish(world, &request, &begun, transmission.answers().then_some(response.status), user);
        response
    });
    let mut response = match ran {
        Ok(response) => response,
        Err(error) => return journal_failed(&error),
    };
    if let Some(first_attempt) = response.wait_for.take() {
        // Ended, given up or too slow: the answer goes out in any case.
        drop(tokio::time::timeout(FIRST_ATTEMPT_WAIT, first_attempt).await);
    }
    Answer { response, transmission }
}

fn journal_failed(error: &JournalError) -> Answer {
    tracing::error!(%error, "a call cannot be journaled");
    Answer { response: ApiError::backend_error().into_response(), transmission: Transmission::Normal }
}

fn begin(world: &mut World, request: &ApiRequest) -> BegunCall {
    let method = request.operation.name();
    world.begin_call(&CallSubject { method, calendar: request.calendar.as_deref() })
}

fn finish(world: &mut World, request: &ApiRequest, begun: &BegunCall, status: Option<u16>, user: Option<String>) {
    let ended_at = world.clock.real_now();
    world.finish_call(CallRecord {
        index: begun.index,
        method_count: begun.method_count,
        method: request.operation.name().to_owned(),
        calendar: request.calendar.clone(),
        user,
        status,
        fault: begun.fault.as_ref().map(|fault| fault.kind().to_owned()),
        at: begun.at,
        ended_at,
        simulated_now: request.simulated_now(),
    });
}

/// The answer, and the user whose token was accepted.
fn run_with_fault(
    world: &mut World,
    request: &ApiRequest,
    fault: Option<&FaultAction>,
) -> (ApiResponse, Option<String>) {
    let is_oauth = request.operation.is_oauth();
    let instead = match fault {
        Some(FaultAction::Status { status, reason, retry_after_s }) if is_oauth => {
            let reason = reason.as_deref().unwrap_or("server_error");
            let error = ApiError::scripted(*status, None).with_retry_after(*retry_after_s);
            let mut response = oauth::oauth_error(*status, reason, "Simulated failure");
            response.headers.extend(error.into_response().headers.into_iter().skip(1));
            response
        }
        Some(FaultAction::Status { status, reason, retry_after_s }) => {
            ApiError::scripted(*status, reason.as_deref()).with_retry_after(*retry_after_s).into_response()
        }
        Some(FaultAction::ErrorPage { status }) => ApiResponse::page(*status),
        Some(FaultAction::ResetBefore | FaultAction::Hang) => ApiResponse::empty(200),
        Some(FaultAction::Quota { status }) => ApiError::rate_limit(*status, true).into_response(),
        Some(FaultAction::ExpiredToken) => {
            oauth::expire_token_of(world, request);
            ApiError::invalid_credentials().into_response()
        }
        Some(FaultAction::InvalidGrant) => {
            oauth::kill_grant_of(world, request);
            if is_oauth {
                oauth::oauth_error(400, "invalid_grant", "Token has been expired or revoked.")
            } else {
                ApiError::invalid_credentials().into_response()
            }
        }
        _ => return run(world, request),
    };
    (instead, None)
}

fn run(world: &mut World, request: &ApiRequest) -> (ApiResponse, Option<String>) {
    match request.operation {
        Operation::OauthAuthorize => return (oauth::authorize(world, &request.query), None),
        Operation::OauthToken => return (oauth::token(world, request), None),
        Operation::OauthRevoke => return (oauth::revoke(world, request), None),
        _ => {}
    }
    let caller = match oauth::authenticate(world, request) {
        Ok(caller) => caller,
        Err(error) => return (error.into_response(), None),
    };
    let response = charge(world, &caller, request).and_then(|()| {
        if request.operation.is_allowed_by(&caller.scopes) {
            dispatch(world, &caller, request).and_then(|response| fields::apply(&request.query, response))
        } else {
            Err(ApiError::insufficient_permissions())
        }
    });
    (response.unwrap_or_else(ApiError::into_response), Some(caller.user))
}

fn charge(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<(), ApiError> {
    let charged =
        request.query.get("quotaUser").or_else(|| request.header("x-goog-quota-user")).unwrap_or(&caller.user);
    let now = world.clock.real_now();
    world.provider.quota.charge(&caller.project, charged, now)
}

fn dispatch(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let handler = match request.operation {
        Operation::CalendarListList => calendar_list::list,
        Operation::CalendarListGet => calendar_list::get,
        Operation::CalendarListInsert => calendar_list::insert,
        Operation::CalendarListPatch => calendar_list::patch,
        Operation::CalendarListUpdate => calendar_list::update,
        Operation::CalendarListDelete => calendar_list::delete,
        Operation::CalendarListWatch => calendar_list::watch,
        Operation::CalendarsGet => calendars::get,
        Operation::CalendarsInsert => calendars::insert,
        Operation::CalendarsPatch => calendars::patch,
        Operation::CalendarsUpdate => calendars::update,
        Operation::CalendarsDelete => calendars::delete,
        Operation::CalendarsClear => writes::clear,
        Operation::EventsList => events::list,
        Operation::EventsGet => events::get,
        Operation::EventsInsert => writes::insert,
        Operation::EventsImport => writes::import,
        Operation::EventsPatch => writes::patch,
        Operation::EventsUpdate => writes::update,
        Operation::EventsDelete => writes::delete,
        Operation::EventsMove => writes::move_event,
        Operation::EventsInstances => events::instances,
        Operation::EventsWatch => channels::watch_events,
        Operation::ChannelsStop => channels::stop,
        Operation::FreeBusyQuery => free_busy::query,
        Operation::Batch | Operation::OauthAuthorize | Operation::OauthToken | Operation::OauthRevoke => {
            return Err(ApiError::not_found());
        }
    };
    handler(world, caller, request)
}
