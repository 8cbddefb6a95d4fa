//! Names of fixed offsets.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use chrono::FixedOffset;

/// Hours to both sides that a name may say; real offsets reach from -12 to +14.
const HOURS_MAX: i32 = 18;

/// `GMT+02:00`, `UTC-5`, `+0530`: minutes are two digits.
pub(crate) fn read(name: &str) -> Option<FixedOffset> {
    let name = name.trim();
    let upper = name.get(..3).map(str::to_ascii_uppercase);
    let offset = match upper.as_deref() {
        Some("GMT" | "UTC") => name.get(3..)?,
        _ => name,
    };
    let (sign, digits) = match offset.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some((hours, minutes)) if minutes.len() == 2 => (hours, minutes),
        Some(_) => return None,
        None if digits.len() == 4 => digits.split_at_checked(2)?,
        None => (digits, "00"),
    };
    let is_number = |text: &str| (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if !(is_number(hours) && is_number(minutes)) {
        return None;
    }
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    let seconds = hours * 3_600 + minutes * 60;
    if minutes > 59 || seconds > HOURS_MAX * 3_600 {
        return None;
    }
    FixedOffset::east_opt(sign * seconds)
}

/// As RFC 3339 writes offsets; RFC 9557 has such names for zones too.
pub(crate) fn name(offset: FixedOffset) -> &'static str {
    /// One for each minute that [`read`] can give, so that their number has an end.
    static NAMES: LazyLock<BTreeMap<i32, String>> = LazyLock::new(|| {
        let last = HOURS_MAX * 60;
        let of = |minutes: i32| {
            let sign = if minutes < 0 { '-' } else { '+' };
            format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
        };
        (-last..=last).map(|minutes| (minutes, of(minutes))).collect()
    });
    NAMES.get(&(offset.local_minus_utc() / 60)).map_or("UTC", String::as_str)
}
