//! Reading a provider's list of calendars, within bounds: it is a list from outside, and may have no end.

use std::time::{Duration, Instant};

use evercal_domain::limits::{CALENDAR_LIST_PAGES_MAX, CALENDARS_PER_ACCOUNT_MAX};
use evercal_domain::{AccountId, GrantSubject, ProviderErrorKind, RemoteCalendar};
use evercal_providers::{PageToken, TokenError};
use evercal_workflows::contract::ListLimit;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

use super::AccountActivities;
use crate::failure::{Repeat, from_token};

/// How long reading a list may take: within what one attempt has.
const READING_TIME_MAX: Duration = Duration::from_secs(60);

/// What was read of a list.
pub(super) struct CalendarList {
    /// The calendars that could be read.
    pub(super) calendars: Vec<RemoteCalendar>,
    /// Whose grant it was read by, where the provider's list says so.
    pub(super) subject: Option<GrantSubject>,
    /// Whether every entry could be read.
    pub(super) is_readable: bool,
    /// Why it was not read to its end.
    pub(super) limit: Option<ListLimit>,
}

/// What came of reading a list.
pub(super) enum ReadList {
    /// It was read, within the limits.
    Read(CalendarList),
    /// The grant is dead.
    GrantDead {
        /// Why, in a sentence for people, where the provider says more than that.
        why: Option<&'static str>,
    },
}

impl CalendarList {
    /// Whether a calendar that is not in it is not listed.
    pub(super) fn is_whole(&self) -> bool {
        self.is_readable && self.limit.is_none()
    }
}

impl AccountActivities {
    /// The pages of the list.
    pub(super) async fn read_list(
        &self,
        ctx: &ActivityContext,
        account_id: AccountId,
    ) -> Result<ReadList, ActivityError> {
        let connection = self.deps.connection_of(account_id).await?;
        let mut list = CalendarList { calendars: Vec::new(), subject: None, is_readable: true, limit: None };
        let mut page: Option<PageToken> = None;
        let began = Instant::now();
        for pages in 1.. {
            let (provider, token) = (&connection.calendars, page.as_ref());
            let call = |context| async move { provider.list_calendars(&context, token).await };
            let answer = match connection.call(account_id, None, call).await {
                Ok(answer) => answer,
                Err(TokenError::NotConnected) => return Ok(ReadList::GrantDead { why: None }),
                Err(TokenError::Provider(error)) if error.kind == ProviderErrorKind::GrantRevoked => {
                    return Ok(ReadList::GrantDead { why: error.advice });
                }
                Err(error) => return Err(from_token(ctx, &error, Repeat::ByWorkflow)),
            };
            list.is_readable &= answer.unreadable == 0;
            list.calendars.extend(answer.calendars);
            list.subject = list.subject.or(answer.subject);
            let limit = limit_reached(list.calendars.len(), pages, began.elapsed(), answer.next.is_some());
            if let Some(limit) = limit {
                tracing::warn!(calendars = list.calendars.len(), ?limit, "a list of calendars was not read to its end");
                list.calendars.truncate(CALENDARS_PER_ACCOUNT_MAX);
                return Ok(ReadList::Read(CalendarList { limit: Some(limit), ..list }));
            }
            page = answer.next;
            if page.is_none() {
                break;
            }
        }
        Ok(ReadList::Read(list))
    }
}

/// Why a list is not read any further of which so much was read.
fn limit_reached(calendars: usize, pages: u32, taken: Duration, goes_on: bool) -> Option<ListLimit> {
    if calendars > CALENDARS_PER_ACCOUNT_MAX {
        Some(ListLimit::TooManyCalendars)
    } else if goes_on && taken > READING_TIME_MAX {
        Some(ListLimit::TooSlow)
    } else if goes_on && pages >= CALENDAR_LIST_PAGES_MAX {
        Some(ListLimit::TooManyPages)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_a_limit_on_calendars_on_pages_and_on_time_and_its_last_page_is_taken_however_late_it_comes() {
        let (brief, long) = (Duration::from_secs(60), Duration::from_secs(61));
        let cases = [
            ((5_000, 199, brief, true), None),
            ((5_001, 1, brief, false), Some(ListLimit::TooManyCalendars)),
            ((1, 1, long, true), Some(ListLimit::TooSlow)),
            ((1, 200, brief, true), Some(ListLimit::TooManyPages)),
            ((1, 200, long, false), None),
        ];
        for ((calendars, pages, taken, goes_on), expected) in cases {
            assert_eq!(
                limit_reached(calendars, pages, taken, goes_on),
                expected,
                "{calendars} {pages} {taken:?} {goes_on}"
            );
        }
    }
}
