//! Content lines (RFC 5545 §3.1): folded text as lines, and a line as its name, parameters and value.
//!
//! Not for: what the values mean (`stamp`, `rule`, `lines`). Values stay as written, for `calcard`'s reader repairs what
//! it cannot read and so would make another series of it.

use crate::ExpandError;

#[derive(Debug)]
pub(crate) struct ContentLine<'a> {
    name: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
    pub(crate) value: &'a str,
}

impl<'a> ContentLine<'a> {
    pub(crate) fn read(line: &'a str) -> Result<Self, ExpandError> {
        let (head, value) =
            split_value(line).ok_or_else(|| ExpandError::unreadable("a recurrence line has no value"))?;
        let mut parts = UnquotedParts(Some(head));
        let name = parts.next().unwrap_or_default();
        let parameters = parts
            .filter(|text| !text.is_empty())
            .map(|text| {
                let (name, value) =
                    text.split_once('=').ok_or_else(|| ExpandError::unreadable("a parameter has no value"))?;
                Ok((name, value.trim_matches('"')))
            })
            .collect::<Result<_, ExpandError>>()?;
        Ok(Self { name, parameters, value })
    }

    pub(crate) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The first value of a parameter.
    pub(crate) fn parameter(&self, name: &str) -> Option<&'a str> {
        self.parameters.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }

    /// The line again, without what other parameters say of it.
    pub(crate) fn with_only(&self, names: &[&str]) -> String {
        let mut line = self.name.to_owned();
        for (name, value) in &self.parameters {
            if names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                line.extend([";", name, "=\"", value, "\""]);
            }
        }
        line.extend([":", self.value]);
        line
    }

    /// Whether it has no parameters but these.
    pub(crate) fn has_only(&self, names: &[&str]) -> bool {
        self.parameters.iter().all(|(name, _)| names.iter().any(|known| known.eq_ignore_ascii_case(name)))
    }
}

/// The lines of a text without their folds; empty ones are left out.
pub(crate) fn unfold(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in text.strip_prefix('\u{feff}').unwrap_or(text).split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        match (line.strip_prefix([' ', '\t']), lines.last_mut()) {
            (Some(rest), Some(last)) => last.push_str(rest),
            _ if line.is_empty() => {}
            _ => lines.push(line.to_owned()),
        }
    }
    lines
}

/// A line's head and its value. The zone `GMT+02:00` has the separator in its name, and is sent without quotes
/// (`EXDATE;TZID=GMT+02:00:20260106T090000`).
fn split_value(line: &str) -> Option<(&str, &str)> {
    let (head, rest) = split_unquoted(line, ':')?;
    if ends_in_hours(head)
        && let Some((minutes, after)) = rest.split_at_checked(2)
        && minutes.bytes().all(|byte| byte.is_ascii_digit())
        && after.starts_with([':', ';'])
    {
        let head_bytes = head.len() + ':'.len_utf8() + minutes.len();
        let (whole_head, after) = line.split_at_checked(head_bytes)?;
        // Further parameters may follow the zone.
        let (parameters, value) = split_unquoted(after, ':')?;
        return Some((line.get(..whole_head.len() + parameters.len())?, value));
    }
    Some((head, rest))
}

/// Whether a head ends in an offset's hours, such as `TZID=GMT+02`.
fn ends_in_hours(head: &str) -> bool {
    let before_hours = head.trim_end_matches(|last: char| last.is_ascii_digit());
    let hours_count = head.len() - before_hours.len();
    (1..=2).contains(&hours_count) && before_hours.ends_with(['+', '-'])
}

/// Zones such as `"(UTC+01:00) Amsterdam, Berlin"` have the separators in their quoted names.
fn split_unquoted(text: &str, separator: char) -> Option<(&str, &str)> {
    let mut is_quoted = false;
    let position = text.char_indices().find_map(|(position, character)| {
        is_quoted ^= character == '"';
        (character == separator && !is_quoted).then_some(position)
    })?;
    Some((text.get(..position)?, text.get(position + separator.len_utf8()..)?))
}

struct UnquotedParts<'a>(Option<&'a str>);

impl<'a> Iterator for UnquotedParts<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let text = self.0.take()?;
        match split_unquoted(text, ';') {
            Some((part, rest)) => {
                self.0 = Some(rest);
                Some(part)
            }
            None => Some(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_a_name_parameters_and_a_value() {
        let line = ContentLine::read("exdate;tzid=Europe/Berlin;VALUE=DATE-TIME:20260105T090000").unwrap();
        assert!(line.is("EXDATE"));
        assert_eq!(line.parameter("TZID"), Some("Europe/Berlin"));
        assert_eq!(line.value, "20260105T090000");
        assert!(line.has_only(&["VALUE", "TZID"]));
        assert!(!line.has_only(&["TZID"]));
    }

    #[test]
    fn a_quoted_parameter_may_have_the_separators_in_it() {
        let line = ContentLine::read("DTSTART;TZID=\"(UTC+01:00) A; B\";VALUE=DATE-TIME:20260105T090000").unwrap();
        assert_eq!(line.parameter("TZID"), Some("(UTC+01:00) A; B"));
        assert_eq!(line.parameter("VALUE"), Some("DATE-TIME"));
        assert_eq!(line.value, "20260105T090000");
    }

    #[test]
    fn an_offset_is_a_zone_also_without_quotes() {
        for (line, zone) in [
            ("EXDATE;TZID=GMT+02:00:20260106T090000", "GMT+02:00"),
            ("EXDATE;TZID=GMT-3:30;VALUE=DATE-TIME:20260106T090000", "GMT-3:30"),
            ("EXDATE;TZID=UTC-5:20260106T090000", "UTC-5"),
            ("EXDATE;TZID=Etc/GMT+3:20260106T090000", "Etc/GMT+3"),
        ] {
            let line = ContentLine::read(line).unwrap();
            assert_eq!((line.parameter("TZID"), line.value), (Some(zone), "20260106T090000"));
        }
    }

    #[test]
    fn folds_are_taken_out_wherever_they_are() {
        let lines = unfold("\u{feff}BEGIN:VEVENT\r\nRRULE:FREQ=DA\r\n ILY;COU\n\tNT=3\r\n\r\nEND:VEVENT");
        assert_eq!(lines, ["BEGIN:VEVENT", "RRULE:FREQ=DAILY;COUNT=3", "END:VEVENT"]);
    }
}
