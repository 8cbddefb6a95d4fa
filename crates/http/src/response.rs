//! An answer as a value, whatever its status: what a status means is for the reader of the answer to say.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};

/// The longest wait that we accept from a `Retry-After`; a longer one is cut to this.
pub const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);

/// An answer, read to its end. `Debug` does not show its headers and body.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpResponse {
    /// The HTTP status.
    pub status: u16,
    /// The headers, their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, decompressed.
    pub body: Vec<u8>,
}

impl HttpResponse {
    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The first header of this name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// How long the server asks us to wait (RFC 9110 section 10.2.3), at most [`RETRY_AFTER_MAX`].
    ///
    /// A date is compared with the answer's own `Date`, so that no clock of ours has to agree with the server's.
    pub fn retry_after(&self) -> Option<Duration> {
        let text = self.header("retry-after")?.trim();
        let asked = match text.parse::<u64>() {
            Ok(seconds) => Duration::from_secs(seconds),
            Err(_) => (http_date(text)? - http_date(self.header("date")?)?).to_std().unwrap_or_default(),
        };
        Some(asked.min(RETRY_AFTER_MAX))
    }
}

/// An HTTP date in its preferred form (RFC 9110 section 5.6.7), which is also a date of RFC 2822.
fn http_date(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc2822(text.trim()).ok().map(|date| date.to_utc())
}

impl fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpResponse")
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Headers = &'static [(&'static str, &'static str)];

    fn answer(headers: Headers) -> HttpResponse {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        HttpResponse { status: 429, headers, body: b"marker".to_vec() }
    }

    #[test]
    fn retry_after_reads_seconds_and_dates() {
        const DATE: (&str, &str) = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        let table: [(Headers, Option<u64>); 8] = [
            (&[("retry-after", "120")], Some(120)),
            (&[("retry-after", " 0 ")], Some(0)),
            (&[DATE, ("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT")], Some(30)),
            (&[DATE, ("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT")], Some(0)),
            (&[("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT")], None),
            (&[("retry-after", "99999999999")], Some(RETRY_AFTER_MAX.as_secs())),
            (&[("retry-after", "soon")], None),
            (&[], None),
        ];
        for (headers, seconds) in table {
            assert_eq!(answer(headers).retry_after(), seconds.map(Duration::from_secs), "{headers:?}");
        }
    }

    #[test]
    fn an_answer_does_not_show_its_body() {
        assert!(!format!("{:?}", answer(&[("x", "marker")])).contains("marker"));
    }
}
