//! Limits on everything that comes from outside, each with its unit and its reason.

/// An API request body in bytes. The largest one today is an account label.
pub const API_BODY_BYTES_MAX: usize = 64 * 1024;
/// A provider's answer in bytes, whichever provider it is: what a process holds of it. 2,500 events of about 13 KiB fit. Where
/// they are larger, a pass has smaller pages.
pub const PROVIDER_RESPONSE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// One event's JSON in bytes; a larger one is quarantined and the rest goes on.
pub const EVENT_BYTES_MAX: usize = 256 * 1024;
/// A provider's id of a calendar or an event in bytes: what providers allow, and well below what an index of PostgreSQL holds.
pub const PROVIDER_ID_BYTES_MAX: usize = 1_024;
/// Pages in one pass; beyond it the provider is looping and the pass fails instead of running for ever.
pub const PAGES_PER_PASS_MAX: u32 = 10_000;
/// Pages without an entry, one after the other, in one pass. Providers send some where much was filtered out.
pub const EMPTY_PAGES_IN_A_ROW_MAX: u32 = 100;
/// Entries in one pass: several times what the largest calendars hold.
pub const EVENTS_PER_PASS_MAX: i64 = 2_000_000;
/// Calendars of one account that are mirrored: the first ones of its list. What an account's workflow carries of them stays
/// far below the 2 MiB that a payload of Temporal's may have.
pub const CALENDARS_PER_ACCOUNT_MAX: usize = 5_000;
/// Pages of one list of calendars: a provider that gives 25 at a time is still read to the end.
pub const CALENDAR_LIST_PAGES_MAX: u32 = 200;
/// Rows in one page of an API list.
pub const API_PAGE_ROWS_MAX: u32 = 500;
/// A page of events in bytes, as it is answered; with more of them, the page ends earlier.
pub const EVENTS_PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// An event's description in bytes, as lists answer it; the event's own answer has all of it.
pub const DESCRIPTION_BYTES_SHOWN_MAX: usize = 64 * 1024;
/// Rows in one page of an API list when the caller names none.
pub const API_PAGE_ROWS_DEFAULT: u32 = 100;
/// Years in which events start and end: a time in any zone has four digits of a year, none of them that of the year 0.
pub const YEARS: std::ops::RangeInclusive<i32> = 1..=9_998;
/// Years for which series are expanded.
pub const SERIES_YEARS: std::ops::Range<i32> = 1_970..2_100;
/// Days between `from` and `to` in one read of events.
pub const READ_WINDOW_DAYS_MAX: i64 = 400;
/// Occurrences of one series inside the window; beyond it the series is quarantined as unreadable.
pub const OCCURRENCES_PER_SERIES_MAX: usize = 20_000;
/// Days before today for which occurrences are kept.
pub const WINDOW_PAST_DAYS: i64 = 30;
/// Days after today for which occurrences are kept.
pub const WINDOW_FUTURE_DAYS: i64 = 365;
/// The same of a provider that makes the occurrences: so far ahead it is asked, in days, so that its window need not move every day.
pub const ASKED_FUTURE_DAYS: i64 = 395;
/// Characters of an account label.
pub const LABEL_CHARS_MAX: usize = 200;
