//! Our clocks against those of Python's `tzdata` (`generate.py` says how `offsets.json` was made).

#![expect(clippy::unwrap_used, reason = "a test whose oracle cannot be read has failed")]

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use evercal_zones::Zone;
use serde::Deserialize;

/// The zones whose clocks are others than IANA's data of 2025 say, on the day: name, hours before, hours now.
const CHANGED: [(&str, &str, i32, i32); 15] = [
    ("2026-12-07", "Africa/Casablanca", 1, 0),
    ("2026-12-07", "Africa/El_Aaiun", 1, 0),
    ("2026-12-07", "America/Edmonton", -7, -6),
    ("2026-12-07", "America/Havana", -5, -4),
    ("2026-12-07", "America/Inuvik", -7, -6),
    ("2026-12-07", "America/Rainy_River", -6, -5),
    ("2026-12-07", "America/Vancouver", -8, -7),
    ("2026-12-07", "America/Winnipeg", -6, -5),
    ("2026-12-07", "America/Yellowknife", -7, -6),
    ("2026-12-07", "Canada/Central", -6, -5),
    ("2026-12-07", "Canada/Mountain", -7, -6),
    ("2026-12-07", "Canada/Pacific", -8, -7),
    ("2026-12-07", "Cuba", -5, -4),
    ("2027-06-07", "Africa/Casablanca", 1, 0),
    ("2027-06-07", "Africa/El_Aaiun", 1, 0),
];

#[derive(Deserialize)]
struct Oracle {
    days: Vec<String>,
    zones: BTreeMap<String, Vec<i32>>,
}

fn offset(zone: &str, day: &str) -> i32 {
    let noon: DateTime<Utc> = format!("{day}T12:00:00Z").parse().unwrap();
    zone.parse::<Zone>().unwrap().clock().offset_at(noon.naive_utc()).local_minus_utc()
}

#[test]
fn each_zone_has_the_clock_that_other_data_of_today_give_it() {
    let oracle: Oracle = serde_json::from_str(include_str!("offsets.json")).unwrap();
    assert!(oracle.zones.len() > 590, "{} zones", oracle.zones.len());
    let mut differences = Vec::new();
    for (zone, offsets) in &oracle.zones {
        for (day, expected) in oracle.days.iter().zip(offsets) {
            let ours = offset(zone, day);
            if ours != *expected {
                differences.push(format!("{zone} on {day}: {ours}, not {expected}"));
            }
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
}

#[test]
fn the_zones_whose_rules_changed_in_2026_have_their_new_hours() {
    for (day, zone, before, now) in CHANGED {
        assert_ne!(before, now);
        assert_eq!(offset(zone, day), now * 3_600, "{zone} on {day}");
    }
}
