//! Which rules are legal (RFC 5545 section 3.3.10). Google refuses others; calcard would skip what it does not know and
//! wrap what is too large. Not for: computing anything, see [`super::series`].

/// Whether all parts of a rule are known, there once, and inside their bounds. What `UNTIL` says is read elsewhere.
pub(crate) fn are_legal(rule: &str) -> bool {
    let mut seen = Vec::new();
    for part in rule.split(';').filter(|part| !part.is_empty()) {
        let Some((name, value)) = part.split_once('=') else { return false };
        if seen.contains(&name) || !is_legal(name, value) {
            return false;
        }
        seen.push(name);
    }
    seen.contains(&"FREQ")
}

fn is_legal(name: &str, value: &str) -> bool {
    const FREQUENCIES: [&str; 7] = ["SECONDLY", "MINUTELY", "HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"];
    match name {
        "FREQ" => FREQUENCIES.contains(&value),
        "UNTIL" => true,
        "COUNT" | "INTERVAL" => is_number(value, 1, 32_767),
        "BYSECOND" | "BYMINUTE" => each(value, |text| is_number(text, 0, 59)),
        "BYHOUR" => each(value, |text| is_number(text, 0, 23)),
        "BYDAY" => each(value, is_weekday_or_numbered),
        "BYMONTHDAY" => each(value, |text| is_ordinal(text, 31)),
        "BYYEARDAY" | "BYSETPOS" => each(value, |text| is_ordinal(text, 366)),
        "BYWEEKNO" => each(value, |text| is_ordinal(text, 53)),
        "BYMONTH" => each(value, |text| is_number(text, 1, 12)),
        "WKST" => is_weekday(value),
        _ => false,
    }
}

fn each(list: &str, is_legal: impl Fn(&str) -> bool) -> bool {
    list.split(',').all(is_legal)
}

fn is_number(text: &str, min: u32, max: u32) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse().is_ok_and(|number| (min..=max).contains(&number))
}

/// Counted from the beginning, or with a minus from the end.
fn is_ordinal(text: &str, max: u32) -> bool {
    is_number(text.strip_prefix(['+', '-']).unwrap_or(text), 1, max)
}

fn is_weekday(text: &str) -> bool {
    ["MO", "TU", "WE", "TH", "FR", "SA", "SU"].contains(&text)
}

fn is_weekday_or_numbered(text: &str) -> bool {
    let Some((number, day)) = text.len().checked_sub(2).and_then(|at| text.split_at_checked(at)) else { return false };
    is_weekday(day) && (number.is_empty() || is_ordinal(number, 53))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_google_knows_is_legal() {
        for rule in [
            "FREQ=WEEKLY;WKST=SU;BYDAY=MO,-1FR,+2TU",
            "FREQ=MONTHLY;BYMONTHDAY=-31,1;COUNT=3;",
            "FREQ=YEARLY;BYMONTH=12;BYYEARDAY=366;BYWEEKNO=-53;BYSETPOS=-1;UNTIL=20260101",
            "FREQ=DAILY;BYHOUR=0,23;BYMINUTE=59;BYSECOND=0;INTERVAL=2",
        ] {
            assert!(are_legal(rule), "{rule}");
        }
    }

    #[test]
    fn what_it_does_not_know_is_not() {
        for rule in [
            "",
            "COUNT=3",
            "FREQ",
            "FREQ=FORTNIGHTLY",
            "FREQ=DAILY;FREQ=DAILY",
            "FREQ=DAILY;COUNT=0",
            "FREQ=DAILY;COUNT=-1",
            "FREQ=DAILY;INTERVAL=0",
            "FREQ=MONTHLY;BYMONTHDAY=257",
            "FREQ=MONTHLY;BYMONTHDAY=0",
            "FREQ=MONTHLY;BYDAY=54MO",
            "FREQ=MONTHLY;BYDAY=M",
            "FREQ=YEARLY;BYMONTH=13",
            "FREQ=DAILY;BYHOUR=24",
            "FREQ=DAILY;BYHOUR=",
            "FREQ=YEARLY;BYEASTER=0",
        ] {
            assert!(!are_legal(rule), "{rule}");
        }
    }
}
