use super::*;

fn none_defined() -> Zones {
    Zones::of(&[], 2020..=2030).unwrap()
}

#[test]
fn all_names_of_windows_mean_what_cldr_says() {
    // Made with `oracle/windows_zones.py`.
    let names: BTreeMap<String, String> =
        serde_json::from_str(include_str!("../../tests/oracle/windows_zones.json")).unwrap();
    assert!(names.len() >= 139);
    for (name, expected) in names {
        let expected: Zone = expected.parse().unwrap();
        let found = named(&name).unwrap();
        // CLDR keeps old names of some zones; the clock counts.
        assert!(have_one_clock(found, expected), "{name}: {found}, not {expected}");
    }
}

fn named(name: &str) -> Option<Zone> {
    none_defined().named(name).unwrap().and_then(|clock| clock.zone())
}

fn zone(name: &str) -> Option<Zone> {
    Zone::of_iana(name)
}

fn have_one_clock(one: Zone, other: Zone) -> bool {
    let day = chrono::NaiveDate::from_ymd_opt(2026, 1, 1).unwrap().and_time(chrono::NaiveTime::MIN).and_utc();
    (0..365)
        .map(|days| day + chrono::TimeDelta::days(days))
        .all(|at| one.clock().wall_clock(at) == other.clock().wall_clock(at))
}

#[test]
fn a_name_with_an_offset_is_known_by_its_place_not_by_its_offset() {
    assert_eq!(named("(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna"), zone("Europe/Berlin"));
    assert_eq!(named("(UTC+05:30) Somewhere else"), None);
}

#[test]
fn fixed_offsets_are_read_as_they_are_meant() {
    for (name, hours) in [("GMT+02:00", 2), ("UTC-5", -5), ("UTC-11", -11), ("UTC+13", 13), ("Etc/GMT+3", -3)] {
        let offset = named(name).unwrap().clock().offset_at(chrono::DateTime::UNIX_EPOCH.naive_utc());
        assert_eq!(offset.local_minus_utc(), hours * 3_600, "{name}");
    }
}

#[test]
fn a_definition_is_stronger_than_a_guess_and_weaker_than_an_exact_name() {
    let define = |name: &str| {
        let lines = [
            "BEGIN:VTIMEZONE",
            &format!("TZID:{name}"),
            "BEGIN:STANDARD",
            "DTSTART:19700101T000000",
            "TZOFFSETFROM:+0700",
            "TZOFFSETTO:+0700",
            "END:STANDARD",
            "END:VTIMEZONE",
        ]
        .map(str::to_owned);
        Zones::of(&lines, 2020..=2030).unwrap().named(name).unwrap().unwrap().zone()
    };
    assert_eq!(define("Eastern"), None);
    assert_eq!(define("/example.org/Europe/Berlin"), None);
    assert_eq!(define("GMT+0100"), None);
    assert_eq!(define("Europe/Berlin"), zone("Europe/Berlin"));
    assert_eq!(define("W. Europe Standard Time"), zone("Europe/Berlin"));
    assert_eq!(named("Eastern"), zone("America/New_York"));
}

#[test]
fn a_damaged_definition_harms_only_who_uses_it() {
    let lines = ["BEGIN:VTIMEZONE", "TZID:Broken", "END:VTIMEZONE"].map(str::to_owned);
    let mut zones = Zones::of(&lines, 2020..=2030).unwrap();
    assert!(zones.named("Europe/Berlin").is_ok());
    assert!(zones.named("Broken").is_err());
}

#[test]
fn more_zones_than_the_limit_are_refused() {
    let lines: Vec<String> = (0..=OWN_ZONES_MAX)
        .flat_map(|number| ["BEGIN:VTIMEZONE".to_owned(), format!("TZID:{number}"), "END:VTIMEZONE".to_owned()])
        .collect();
    assert!(matches!(Zones::of(&lines, 2020..=2030), Err(ExpandError::TooMany { .. })));
}
