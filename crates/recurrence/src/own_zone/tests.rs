use super::*;

/// As Berlin is, with a rule that has ended before it.
const BERLIN: &str = "\
    BEGIN:VTIMEZONE|TZID:Home|\
    BEGIN:DAYLIGHT|DTSTART:19800406T020000|TZOFFSETFROM:+0100|TZOFFSETTO:+0200|RRULE:FREQ=YEARLY;BYMONTH=4;BYDAY=1SU;UNTIL=19800406T010000Z|END:DAYLIGHT|\
    BEGIN:DAYLIGHT|DTSTART:19810329T020000|TZOFFSETFROM:+0100|TZOFFSETTO:+0200|RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU|END:DAYLIGHT|\
    BEGIN:STANDARD|DTSTART:19961027T030000|TZNAME:CET|TZOFFSETFROM:+0200|TZOFFSETTO:+0100|RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU|END:STANDARD|\
    END:VTIMEZONE";

fn zone(text: &str, years: RangeInclusive<i32>) -> Result<OwnZone, ExpandError> {
    let lines: Vec<String> = text.split('|').map(str::to_owned).collect();
    OwnZone::read(&lines, &years)
}

fn time(text: &str) -> NaiveDateTime {
    local(text).unwrap()
}

#[test]
fn a_wall_clock_time_in_a_gap_counts_with_the_offset_before_it_and_one_that_comes_twice_is_the_first() {
    let zone = zone(BERLIN, 2025..=2027).unwrap();
    for (local, utc) in [
        ("20260101T120000", "20260101T110000"),
        ("20260329T015959", "20260329T005959"),
        ("20260329T020000", "20260329T010000"),
        ("20260329T025959", "20260329T015959"),
        ("20260329T030000", "20260329T010000"),
        ("20260701T120000", "20260701T100000"),
        ("20261025T015959", "20261024T235959"),
        ("20261025T023000", "20261025T003000"),
        ("20261025T030000", "20261025T020000"),
    ] {
        assert_eq!(zone.instant_of(time(local)), time(utc), "{local}");
    }
}

#[test]
fn an_own_zone_is_the_one_that_it_describes() {
    let own = zone(BERLIN, 2000..=2030).unwrap();
    let own = crate::zone::WallClock::Own(std::sync::Arc::new(own));
    let berlin = crate::zone::WallClock::of("Europe/Berlin".parse().unwrap());
    let first = time("20000101T001500");
    for quarters in 0..31 * 365 * 4 {
        let local = first + TimeDelta::hours(6 * quarters) + TimeDelta::minutes(quarters % 360);
        assert_eq!(own.instant_of(local), berlin.instant_of(local), "{local}");
        assert_eq!(own.at(local.and_utc()), berlin.at(local.and_utc()), "{local} UTC");
    }
}

#[test]
fn a_rule_that_has_ended_holds_on() {
    let text = "BEGIN:VTIMEZONE|TZID:Was|BEGIN:DAYLIGHT|DTSTART:20000326T020000|TZOFFSETFROM:+0300|TZOFFSETTO:+0400|\
        RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU;UNTIL=20100327T230000Z|END:DAYLIGHT|\
        BEGIN:STANDARD|DTSTART:20001029T030000|TZOFFSETFROM:+0400|TZOFFSETTO:+0300|\
        RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU;COUNT=10|END:STANDARD|END:VTIMEZONE";
    let zone = zone(text, 2025..=2027).unwrap();
    assert_eq!(zone.offset_at(time("20260101T000000")).local_minus_utc(), 4 * 60 * 60);
    assert_eq!(zone.offset_at(time("20091231T000000")).local_minus_utc(), 3 * 60 * 60);
}

#[test]
fn dates_seconds_and_the_time_before_the_first_change_are_read() {
    let text = "BEGIN:VTIMEZONE|TZID:Old|BEGIN:STANDARD|DTSTART:19000101T000000|TZOFFSETFROM:-043056|TZOFFSETTO:-0430|\
        RDATE:19500101T000000|END:STANDARD|END:VTIMEZONE";
    let zone = zone(text, 2025..=2027).unwrap();
    assert_eq!(zone.offset_at(time("18000101T000000")).local_minus_utc(), -(4 * 3600 + 30 * 60 + 56));
    assert_eq!(zone.offset_at(time("20260101T000000")).local_minus_utc(), -(4 * 3600 + 30 * 60));
    assert_eq!(zone.changes.len(), 2);
}

#[test]
fn what_makes_no_zone_is_refused() {
    let with = |lines: &str| {
        format!(
            "BEGIN:VTIMEZONE|TZID:X|BEGIN:STANDARD|DTSTART:19700101T000000|TZOFFSETFROM:+0100|{lines}|END:STANDARD|END:VTIMEZONE"
        )
    };
    assert!(zone(&with("TZOFFSETTO:+0200"), 2025..=2027).is_ok());
    for text in [
        "BEGIN:VTIMEZONE|TZID:X|END:VTIMEZONE",
        &with("COMMENT:no offset"),
        &with("TZOFFSETTO:+2400"),
        &with("TZOFFSETTO:+01"),
        &with("TZOFFSETTO:1é"),
        &with("TZOFFSETTO:+0200|DTSTART:never"),
        &with("TZOFFSETTO:+0200|RDATE:20260101T000000,"),
        &with("TZOFFSETTO:+0200|RRULE:FREQ=SECONDLY"),
        &with("TZOFFSETTO:+0200|RRULE:FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR,SA,SU"),
        &with("TZOFFSETTO:+0200|RRULE:FREQ=YEARLY;COUNT=0"),
    ] {
        assert!(matches!(zone(text, 2025..=2027), Err(ExpandError::Unreadable { .. })), "{text}");
    }
}

#[test]
fn more_changes_than_the_limit_are_refused() {
    let text = "BEGIN:VTIMEZONE|TZID:X|BEGIN:STANDARD|DTSTART:00010101T000000|TZOFFSETFROM:+0100|TZOFFSETTO:+0200|\
        RRULE:FREQ=YEARLY|END:STANDARD|END:VTIMEZONE";
    assert!(zone(text, 2025..=2027).is_ok());
    assert!(matches!(zone(text, 1..=9_999), Err(ExpandError::TooMany { limit: CHANGES_PER_ZONE_MAX, .. })));
}
