//! Reading a provider's list of calendars, within bounds: it is a list from outside, and may have no end.

use std::time::{Duration, Instant};

use evercal_domain::limits::{CALENDAR_LIST_PAGES_MAX, CALENDARS_PER_ACCOUNT_MAX};
use evercal_domain::{AccountId, ProviderErrorKind, RemoteCalendar};
use evercal_providers::{PageToken, TokenError};
use evercal_workflows::contract::ListLimit;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

use super::AccountActivities;
use crate::attempt;
use crate::failure::{Repeat, from_store, from_token};

/// How long reading a list may take: within what one attempt has.
const READING_TIME_MAX: Duration = Duration::from_secs(60);

/// What was read of a list.
pub(super) struct CalendarList {
    /// The calendars that could be read.
    pub(super) calendars: Vec<RemoteCalendar>,
    /// Whether every entry could be read.
    pub(super) is_readable: bool,
    /// Why it was not read to its end.
    pub(super) limit: Option<ListLimit>,
}

impl CalendarList {
    /// Whether a calendar that is not in it is not listed.
    pub(super) fn is_whole(&self) -> bool {
        self.is_readable && self.limit.is_none()
    }
}

impl AccountActivities {
    /// The pages of the list; `None` when the grant is dead.
    pub(super) async fn read_list(
        &self,
        ctx: &ActivityContext,
        account_id: AccountId,
    ) -> Result<Option<CalendarList>, ActivityError> {
        let connection = self.deps.connection_of(account_id).await.map_err(from_store)?;
        let simulated_now = self.deps.settings.simulated_time.then(|| attempt::started_at(ctx));
        let mut list = CalendarList { calendars: Vec::new(), is_readable: true, limit: None };
        let mut page: Option<PageToken> = None;
        let began = Instant::now();
        for _ in 0..CALENDAR_LIST_PAGES_MAX {
            let (provider, token) = (&connection.calendars, page.as_ref());
            let call = |context| async move { provider.list_calendars(&context, token).await };
            let answer = match connection.tokens.with_token(account_id, simulated_now, call).await {
                Ok(answer) => answer,
                Err(TokenError::NotConnected) => return Ok(None),
                Err(TokenError::Provider(error)) if error.kind == ProviderErrorKind::GrantRevoked => return Ok(None),
                Err(error) => return Err(from_token(ctx, &error, Repeat::ByWorkflow)),
            };
            list.is_readable &= answer.unreadable == 0;
            list.calendars.extend(answer.calendars);
            if list.calendars.len() > CALENDARS_PER_ACCOUNT_MAX {
                list.calendars.truncate(CALENDARS_PER_ACCOUNT_MAX);
                return Ok(Some(list.ended_by(ListLimit::TooManyCalendars)));
            }
            match answer.next {
                None => return Ok(Some(list)),
                Some(_) if began.elapsed() > READING_TIME_MAX => return Ok(Some(list.ended_by(ListLimit::TooSlow))),
                Some(next) => page = Some(next),
            }
        }
        Ok(Some(list.ended_by(ListLimit::TooManyPages)))
    }
}

impl CalendarList {
    fn ended_by(self, limit: ListLimit) -> Self {
        tracing::warn!(calendars = self.calendars.len(), ?limit, "a list of calendars was not read to its end");
        Self { limit: Some(limit), ..self }
    }
}
