//! Dates and times as RFC 5545 §3.3.4 and §3.3.5 write them: `20261231`, `20261231T235959`, `20261231T235959Z`.
//!
//! Strict, unlike `calcard`'s reader, which takes what it can of a damaged time and so makes another time of it.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

/// A date or time as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stamp {
    Date(NaiveDate),
    /// A wall-clock time of some zone that is said elsewhere.
    Local(NaiveDateTime),
    Instant(DateTime<Utc>),
}

impl Stamp {
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (date, time) = match text.split_once(['T', 't']) {
            Some((date, time)) => (date, Some(time)),
            None => (text, None),
        };
        let [century, year, month, day] = pairs(date)?;
        let year = i32::try_from(century * 100 + year).ok()?;
        let date = NaiveDate::from_ymd_opt(year, month, day)?;
        let Some(time) = time else {
            return Some(Self::Date(date));
        };
        let (time, is_utc) = match time.strip_suffix(['Z', 'z']) {
            Some(time) => (time, true),
            None => (time, false),
        };
        let [hour, minute, second] = pairs(time)?;
        let local = date.and_hms_opt(hour, minute, second)?;
        Some(if is_utc { Self::Instant(local.and_utc()) } else { Self::Local(local) })
    }

    /// The date that is written, whatever follows it.
    pub(crate) fn written_date(self) -> NaiveDate {
        match self {
            Self::Date(date) => date,
            Self::Local(local) => local.date(),
            Self::Instant(at) => at.date_naive(),
        }
    }
}

/// Exactly `N` numbers of two digits.
fn pairs<const N: usize>(text: &str) -> Option<[u32; N]> {
    if text.len() != 2 * N || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut numbers = [0; N];
    for (number, pair) in numbers.iter_mut().zip(text.as_bytes().chunks(2)) {
        *number = std::str::from_utf8(pair).ok()?.parse().ok()?;
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_are_read() {
        let date = NaiveDate::from_ymd_opt(2026, 12, 31).unwrap();
        let local = date.and_hms_opt(23, 59, 58).unwrap();
        assert_eq!(Stamp::read("20261231"), Some(Stamp::Date(date)));
        assert_eq!(Stamp::read("20261231T235958"), Some(Stamp::Local(local)));
        assert_eq!(Stamp::read("20261231t235958z"), Some(Stamp::Instant(local.and_utc())));
    }

    #[test]
    fn a_damaged_one_is_none() {
        for text in [
            "",
            "2026",
            "20260231",
            "20261301",
            "+0261231",
            "2026-12-31",
            "20261231T",
            "20261231T2359",
            "20261231T240000",
            "20261231T235960",
            "20261231T235959+0100",
            "20261231T235959ZZ",
            "202612é1",
        ] {
            assert_eq!(Stamp::read(text), None, "{text}");
        }
    }
}
