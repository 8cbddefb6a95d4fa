use evercal_domain::Zone;

use super::*;

fn read(lines: &[&str]) -> Result<Lines, ExpandError> {
    let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
    Lines::read(&lines, 2025..=2027)
}

#[test]
fn lists_zones_and_dates_are_read() {
    let lines = read(&[
        "EXDATE;TZID=Europe/Berlin:20260105T090000,20260112T090000",
        "exdate;value=date:20260119",
        "RDATE;TZID=\"W. Europe Standard Time\";VALUE=DATE-TIME:20260107T100000",
    ])
    .unwrap();
    let berlin = || Zone::of_iana("Europe/Berlin").map(WallClock::of);
    let zones: Vec<_> = lines.excluded.iter().map(|time| time.zone.clone()).collect();
    assert_eq!(zones, [berlin(), berlin(), None]);
    assert_eq!(lines.added.len(), 1);
    assert_eq!(lines.added[0].start.zone, berlin());
}

#[test]
fn a_zone_with_a_colon_or_an_unknown_place_is_not_misread() {
    let berlin = "EXDATE;TZID=\"(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna\":20260105T090000";
    let excluded = read(&[berlin]).unwrap().excluded;
    assert_eq!(excluded[0].zone, Zone::of_iana("Europe/Berlin").map(WallClock::of));
    // Not five hours, as the digits before the colon say.
    assert!(read(&["EXDATE;TZID=\"(UTC+05:30) Somewhere else\":20260105T090000"]).unwrap().excluded.is_empty());
}

#[test]
fn a_line_of_dates_in_an_unknown_zone_costs_that_line_alone() {
    let lines = read(&[
        "RRULE:FREQ=DAILY",
        "EXDATE;TZID=Nowhere/Land:20260105T090000",
        "RDATE;TZID=Nowhere/Land:20260105T090000",
        "EXDATE;TZID=GMT+02:00:20260106T090000",
    ])
    .unwrap();
    assert_eq!((lines.rules.len(), lines.added.len(), lines.excluded.len()), (1, 0, 1));
    assert_eq!(lines.excluded[0].zone, Zone::of_offset("+02:00").map(WallClock::of));
}

#[test]
fn periods_have_a_length_of_their_own() {
    let lines =
        read(&["RDATE;VALUE=PERIOD:20260107T100000Z/PT1H30M,20260108T100000Z/20260108T110000Z,20260109T100000Z/P1W"])
            .unwrap();
    let end = Stamp::read("20260108T110000Z").unwrap();
    let periods: Vec<_> = lines.added.iter().map(|time| time.period.clone()).collect();
    assert_eq!(
        periods,
        [
            Some(PeriodEnd::After(TimeDelta::minutes(90))),
            Some(PeriodEnd::At(ListedTime { stamp: end, zone: None })),
            Some(PeriodEnd::After(TimeDelta::weeks(1))),
        ]
    );
}

#[test]
fn what_is_unknown_is_unreadable() {
    for line in [
        "",
        "RRULE",
        "RRULE;X-NOTE=1:FREQ=DAILY",
        "DTEND:20260101T090000Z",
        "DTSTART:20260101T09",
        "RECURRENCE-ID:20260105T090000",
        "RECURRENCE-ID;RANGE=THISANDPRIOR:20260105T090000",
        "BEGIN:VTIMEZONE",
        "BEGIN:VEVENT",
        "EXDATE:",
        "EXDATE:20260105,,20260106",
        "EXDATE:20260105T090000Z/PT1H",
        "EXDATE;TZID:20260105T090000",
        "DTSTART;TZID=Nowhere/Land:20260105T090000",
        "RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Nowhere/Land:20260105T090000",
        "EXDATE;X-NOTE=1:20260105",
        "RDATE:20260105T090000Z/",
        "RDATE:20260105T090000Z/-PT1H",
        "RDATE:20260105T090000Z/PT1",
        "RDATE:20260105T090000Z/PT99999999999999999999S",
        "EXDATE:20260105\r\nRRULE:FREQ=DAILY",
    ] {
        let read = read(&[line]);
        assert!(matches!(read, Err(ExpandError::Unreadable { .. })), "{line}: {read:?}");
    }
}

#[test]
fn too_much_is_refused_before_it_is_read() {
    let rules = vec!["RRULE:FREQ=DAILY"; RULES_PER_SERIES_MAX + 1];
    assert!(matches!(read(&rules), Err(ExpandError::TooMany { .. })));
    let long = format!("EXDATE:{}", "20260105,".repeat(EVENT_BYTES_MAX / 9));
    assert!(matches!(read(&[&long]), Err(ExpandError::TooMany { .. })));
}
