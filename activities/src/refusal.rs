//! What a refusal is about: this calendar, or more than that. Only a refusal of this calendar, while others of its account
//! answer, is a matter of its sharing; somebody who has nothing to do with it must not be sent to mend that.

use evercal_domain::{Calendar, CalendarState, ProviderError, ProviderErrorKind};
use evercal_providers::TokenError;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

use crate::deps::{Connection, Deps};
use crate::failure::{Repeat, from_store, from_token};

/// Calendars of the account that are asked for whether it is refused as a whole.
const OTHERS_ASKED_MAX: usize = 3;

/// What was refused.
pub(crate) enum Refused {
    /// This calendar, and no other.
    ThisCalendar(ProviderError),
    /// The whole account, or the whole installation.
    More(ProviderError),
}

/// Finds out what a refusal is about, by asking for others of the account. An answer that says neither fails the attempt.
pub(crate) async fn judge(
    deps: &Deps,
    ctx: &ActivityContext,
    calendar: &Calendar,
    refusal: ProviderError,
) -> Result<Refused, ActivityError> {
    let mut others = deps.store.calendars_of_account(calendar.account_id).await.map_err(from_store)?;
    others.retain(|other| other.id != calendar.id && other.state != CalendarState::ActionRequired);
    // The account's own calendar is the last one that somebody takes away from it.
    others.sort_by_key(|other| !other.remote.primary);
    others.truncate(OTHERS_ASKED_MAX);
    let asked: Vec<Option<&Calendar>> = if others.is_empty() { vec![None] } else { others.iter().map(Some).collect() };
    let connection = deps.connection_of(calendar.account_id).await?;
    for other in asked {
        match ask(connection, calendar, other).await {
            Ok(()) => return Ok(Refused::ThisCalendar(refusal)),
            Err(TokenError::Provider(error)) if is_refusal(error.kind) => {}
            Err(TokenError::Provider(error)) if error.kind == ProviderErrorKind::ProjectRefused => {
                return Ok(Refused::More(error));
            }
            Err(error) => return Err(from_token(ctx, &error, Repeat::ByWorkflow)),
        }
    }
    Ok(Refused::More(ProviderError { kind: ProviderErrorKind::AccountRefused, ..refusal }))
}

/// Whether a refusal may be about one calendar.
pub(crate) fn is_refusal(kind: ProviderErrorKind) -> bool {
    matches!(kind, ProviderErrorKind::NotFound | ProviderErrorKind::Forbidden)
}

/// Asks for an event of another calendar, or for the list of calendars where there is no other.
async fn ask(connection: &Connection, refused: &Calendar, other: Option<&Calendar>) -> Result<(), TokenError> {
    if let Some(other) = other {
        return connection.probe(other).await;
    }
    let call = |context| async move { connection.calendars.list_calendars(&context, None).await };
    connection.tokens.with_token(refused.account_id, call).await.map(drop)
}
