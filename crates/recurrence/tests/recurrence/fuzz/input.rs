//! Hostile inputs: valid lines and objects, damaged where readers go wrong.

use std::fmt::Write;

use chrono::{DateTime, TimeDelta, Utc};
use evercal_domain::{Event, EventTime, Zone};

use super::random::Random;
use crate::support::{master, time_in, zone};

/// Numbers at the edges of what fields and types hold.
const NUMBERS: [&str; 18] = [
    "0",
    "-0",
    "+1",
    "-1",
    "00",
    "5",
    "24",
    "53",
    "60",
    "-53",
    "366",
    "-367",
    "32767",
    "65536",
    "4294967295",
    "99999999999999999999",
    "1.5",
    "٣",
];
const STAMPS: [&str; 16] = [
    "20260615T070000Z",
    "20260622T070000Z",
    "20260615",
    "20260329T023000",
    "20261025T023000",
    "20240229",
    "20260230",
    "00000101T000000Z",
    "00010101",
    "99991231T235959Z",
    "99991231",
    "20261231T235960",
    "20261231T240000",
    "2026",
    "202606１5",
    "-0260615",
];
const ODD: [&str; 16] =
    ["\u{0}", "é", "𝕏", "\u{202e}", "\u{feff}", "\r\n ", "\r\n", ";", ":", "\"", ",", "=", "T", "Z", "/PT1H", "\t"];
const ZONES: [&str; 8] = [
    "Europe/Berlin",
    "W. Europe Standard Time",
    "\"(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna\"",
    "Moon Base",
    "Nowhere",
    "Etc/GMT+12",
    "/example.org/x/Asia/Tokyo",
    "",
];
const DAYS: [&str; 8] = ["MO", "TU", "WE", "TH", "FR", "SA", "SU", "XX"];
const ZONE: &str = "BEGIN:VTIMEZONE\nTZID:Moon Base\n\
    BEGIN:STANDARD\nDTSTART:20201020T000000\nTZOFFSETFROM:+0700\nTZOFFSETTO:+0530\nRRULE:FREQ=YEARLY\nEND:STANDARD\n\
    BEGIN:DAYLIGHT\nDTSTART:20200607T020000\nTZOFFSETFROM:+0530\nTZOFFSETTO:+0700\n\
    RRULE:FREQ=YEARLY;BYMONTH=6;BYDAY=1SU\nEND:DAYLIGHT\nEND:VTIMEZONE";

/// A master near the time, or now and then at an edge, with lines of any kind.
pub fn hostile_master(random: &mut Random, near: DateTime<Utc>) -> Event {
    let days = if random.one_in(10) { 10_000 } else { 400 };
    let hours = i64::try_from(random.below(days * 24)).unwrap();
    let start = near - TimeDelta::hours(hours - 200);
    let length = TimeDelta::minutes(i64::try_from(random.below(3_000)).unwrap());
    let (start, end) = match random.below(12) {
        0 => (
            EventTime::Instant { at: DateTime::<Utc>::MIN_UTC, zone: None },
            time_in(Zone::UTC, "9999-12-31T23:59:59Z"),
        ),
        1..5 => {
            let date = start.date_naive();
            (EventTime::Date { date }, EventTime::Date { date: date + TimeDelta::days(length.num_days()) })
        }
        _ => {
            let zone = random.pick(&[None, Some(zone("Europe/Berlin")), Some(zone("America/St_Johns"))]);
            (EventTime::Instant { at: start, zone }, EventTime::Instant { at: start + length, zone })
        }
    };
    let mut lines = String::new();
    for _ in 0..=random.below(2) {
        lines.push_str(&line(random));
        lines.push('\n');
    }
    if random.one_in(12) {
        lines.push_str(ZONE);
    }
    if random.one_in(3) {
        lines = damaged(random, lines);
    }
    let lines: Vec<&str> = lines.lines().collect();
    master(start, end, &lines)
}

/// An object of a master and up to two exceptions, as text.
pub fn hostile_object(random: &mut Random) -> String {
    let zone = random.pick(&ZONES[..4]).to_owned();
    let mut text = String::from("BEGIN:VCALENDAR\n");
    if random.one_in(4) || zone == "Moon Base" {
        text.push_str(ZONE);
        text.push('\n');
    }
    let day = |random: &mut Random| {
        format!("2026{:02}{:02}T{:02}3000", 1 + random.below(12), 1 + random.below(28), random.below(24))
    };
    let _ = write!(text, "BEGIN:VEVENT\nUID:one\nDTSTART;TZID={zone}:{}\n", day(random));
    text.push_str(random.pick(&["DURATION:PT90M\n", "DURATION:P1DT1H\n", "", "SUMMARY:x\n"]));
    for _ in 0..random.below(3) {
        text.push_str(&line(random));
        text.push('\n');
    }
    text.push_str("END:VEVENT\n");
    for _ in 0..random.below(3) {
        let range = random.pick(&["", ";RANGE=THISANDFUTURE"]);
        let place = day(random);
        let _ =
            write!(text, "BEGIN:VEVENT\nUID:one\nRECURRENCE-ID;TZID={zone}{range}:{place}\nDTSTART:{}Z\n", day(random));
        text.push_str(random.pick(&["", "STATUS:CANCELLED\n", "DURATION:PT2H\n"]));
        text.push_str("END:VEVENT\n");
    }
    text.push_str("END:VCALENDAR\n");
    for _ in 0..random.below(3) {
        text = damaged(random, text);
    }
    text
}

fn line(random: &mut Random) -> String {
    match random.below(12) {
        0 => format!("EXRULE:{}", rule(random)),
        1 | 2 => dates(random, "EXDATE"),
        3 | 4 => dates(random, "RDATE"),
        5 if random.one_in(3) => dates(random, "DTSTART"),
        5 => dates(random, "RECURRENCE-ID;RANGE=THISANDFUTURE"),
        _ => format!("RRULE:{}", rule(random)),
    }
}

fn dates(random: &mut Random, name: &str) -> String {
    let zone = if random.one_in(2) { format!(";TZID={}", random.pick(&ZONES)) } else { String::new() };
    let mut line = format!("{name}{zone}:{}", stamp(random));
    if !name.starts_with("RECURRENCE") && random.one_in(3) {
        let _ = write!(line, ",{}", stamp(random));
    }
    if name == "RDATE" && random.one_in(4) {
        let _ = write!(line, "/{}", random.pick(&["PT1H", "P1W", "20260616T000000Z", "P99999999999999W", "-PT1S"]));
    }
    line
}

fn stamp(random: &mut Random) -> String {
    if random.one_in(4) {
        return random.pick(&STAMPS).to_owned();
    }
    let date = format!("2026{:02}{:02}", 1 + random.below(12), 1 + random.below(28));
    match random.below(3) {
        0 => date,
        1 => format!("{date}T{:02}3000", random.below(24)),
        _ => format!("{date}T{:02}0000Z", random.below(24)),
    }
}

fn rule(random: &mut Random) -> String {
    // The smallest steps fill any window; they come, but seldom.
    let frequency = match random.below(400) {
        0 => random.pick(&["SECONDLY", "MINUTELY"]),
        1..40 => "HOURLY",
        _ => random.pick(&["YEARLY", "MONTHLY", "WEEKLY", "DAILY"]),
    };
    let mut rule = format!("FREQ={frequency}");
    for _ in 0..random.below(4) {
        let (name, most) = random.pick(&[
            ("INTERVAL", 40),
            ("COUNT", 90),
            ("UNTIL", 0),
            ("BYDAY", 5),
            ("BYMONTH", 12),
            ("BYMONTHDAY", 31),
            ("BYYEARDAY", 366),
            ("BYWEEKNO", 53),
            ("BYHOUR", 23),
            ("BYMINUTE", 59),
            ("BYSECOND", 59),
            ("BYSETPOS", 6),
            ("WKST", 0),
        ]);
        let _ = write!(rule, ";{name}=");
        let values = if name.starts_with("BY") { 1 + random.below(3) } else { 1 };
        for number in 0..values {
            if number > 0 {
                rule.push(',');
            }
            match name {
                "UNTIL" => rule.push_str(&stamp(random)),
                "BYDAY" if random.one_in(3) => {
                    let _ = write!(rule, "{}{}", value(random, most), random.pick(&DAYS));
                }
                "WKST" | "BYDAY" => rule.push_str(random.pick(&DAYS)),
                _ => rule.push_str(&value(random, most)),
            }
        }
    }
    rule
}

fn value(random: &mut Random, most: u64) -> String {
    match random.below(20) {
        0 => random.pick(&NUMBERS).to_owned(),
        1 | 2 => format!("-{}", 1 + random.below(most)),
        _ => (1 + random.below(most)).to_string(),
    }
}

/// The text with one thing wrong, as a broken or evil client would have it.
fn damaged(random: &mut Random, text: String) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    if lines.is_empty() {
        return text;
    }
    let (one, other) = (random.index(lines.len()), random.index(lines.len()));
    let line = lines.remove(one);
    let kind = random.below(8);
    match kind {
        0 => lines.insert(other, line),
        1 => {
            lines.insert(one, line);
            lines.insert(other, line);
        }
        2 => {}
        3 => {
            lines.insert(one, line);
            let wrong = ["BEGIN:VEVENT", "END:VTIMEZONE", "BEGIN:STANDARD", "RRULE:FREQ=DAILY", "UID:two"];
            lines.insert(one, random.pick(&wrong));
        }
        kind => {
            let line = changed(random, line, kind);
            lines.insert(one, &line);
            return joined(random, &lines);
        }
    }
    joined(random, &lines)
}

fn joined(random: &mut Random, lines: &[&str]) -> String {
    lines.join(random.pick(&["\n", "\r\n"])) + "\n"
}

fn changed(random: &mut Random, line: &str, kind: u64) -> String {
    let mut characters: Vec<char> = line.chars().collect();
    let position = random.index(characters.len() + 1);
    let put = |characters: &mut Vec<char>, from: usize, to: usize, text: &str| {
        characters.splice(from..to, text.chars());
    };
    match kind {
        4 => put(&mut characters, position, position, random.pick(&ODD)),
        5 => {
            let end = (position + 1 + random.index(4)).min(characters.len());
            put(&mut characters, position, end, "");
        }
        _ => {
            // Another number, or another time, for the next one in the line.
            let is_digit = |character: &char| character.is_ascii_digit();
            let begin =
                characters.iter().skip(position).position(is_digit).map_or(characters.len(), |next| position + next);
            let length = characters.iter().skip(begin).take_while(|character| is_digit(character)).count();
            let text = if kind == 6 { random.pick(&NUMBERS) } else { random.pick(&STAMPS) };
            put(&mut characters, begin, begin + length, text);
        }
    }
    characters.into_iter().collect()
}
