//! Behaviour that a robust client must stand, switched on by the control API. Where a number is 0, the documented value holds.

use serde::{Deserialize, Serialize};

/// In which form granted scopes are named.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScopeForm {
    /// One or the other, by the seed.
    #[default]
    Seeded,
    /// `Calendars.Read`.
    Short,
    /// `https://graph.microsoft.com/Calendars.Read`.
    Full,
}

/// All switches; everything is off by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own, and any of them go together")]
pub struct Quirks {
    /// Each n-th page of delta is empty and carries a link to the next one; 0 is never.
    pub empty_page_every: u32,
    /// The first page of a first round of delta is empty and carries a link to the next one.
    pub first_pages_empty: bool,
    /// No page has more items than this, however many were asked for; 0 is no such limit.
    pub page_items_max: u32,
    /// Delta leaves the masters of series out.
    pub masters_left_out: bool,
    /// Items of delta come twice, on a page and over pages.
    pub items_repeat: bool,
    /// Items of a page of delta come in any order.
    pub items_shuffled: bool,
    /// An occurrence that was edited comes alone in delta, without its series.
    pub exceptions_alone: bool,
    /// Lists and delta do not say the `originalStart` of exceptions.
    pub original_start_left_out: bool,
    /// `cancelledOccurrences` is not there, even where it is asked for.
    pub cancelled_occurrences_left_out: bool,
    /// `recurrenceTimeZone` of whole days is empty.
    pub recurrence_zone_left_out: bool,
    /// Delta says of changes only so long after they were made, while notices go out at once.
    pub delta_lag_ms: u64,
    /// First pages of delta answer 504 where the window is longer than this many days; 0 is never.
    pub long_window_fails_days: u32,
    /// Links to next pages lead to another host.
    pub foreign_next_links: bool,
    /// `outlook.body-content-type="text"` is ignored.
    pub html_bodies_always: bool,
    /// Calendars of others are open only to who has a scope that ends with `.Shared`.
    pub shared_scopes_needed: bool,
    /// The longest life of a subscription; 4,230 in old texts.
    pub subscription_minutes_max: u32,
    /// The most subscriptions of a mailbox; 1,000 by documentation.
    pub subscriptions_max: u32,
    /// `me/events` covers all calendars of the user instead of the default one.
    pub whole_mailbox_subscriptions: bool,
    /// A second subscription for the same is accepted.
    pub duplicate_subscriptions: bool,
    /// One change is told up to so many times; 0 and 1 are once.
    pub notice_duplicates_max: u8,
    /// So many items go in one request where they are due together; 0 and 1 are one.
    pub notice_batch_max: u32,
    /// All notices are held back so long, and gather.
    pub notice_delay_ms: u64,
    /// The answer of a batch lacks one of its parts.
    pub batch_part_left_out: bool,
    /// Of the parts of a batch that wait for none, those after the fourth are too many at a time: 429.
    pub batch_parts_throttled: bool,
    /// The parts of a batch are answered in their order.
    pub batch_in_order: bool,
    /// A refresh token is dead once it was used.
    pub refresh_tokens_once: bool,
    /// In which form granted scopes are named.
    pub scope_form: ScopeForm,
    /// The most requests of one application and mailbox at a time; 4 by documentation.
    pub concurrency_max: u32,
    /// How long each call of a mailbox takes at least, so that calls meet.
    pub latency_ms: u64,
    /// The most requests of one application and mailbox in ten minutes; 10,000 by documentation.
    pub requests_per_ten_minutes: u32,
}

impl Quirks {
    /// How many items a page has at most when `asked` were asked for.
    pub(crate) fn page_size(&self, asked: usize) -> usize {
        match usize::try_from(self.page_items_max) {
            Ok(0) | Err(_) => asked,
            Ok(max) => asked.min(max),
        }
    }
}
