use super::*;

fn zone(name: &str) -> Zone {
    name.parse().unwrap()
}

#[test]
fn a_zone_has_ianas_name_in_ianas_letters() {
    assert_eq!(zone("europe/BERLIN").name(), "Europe/Berlin");
    assert_eq!(zone("utc"), Zone::UTC);
    for unknown in ["", "Nowhere/Land", "Etc/Unknown", "posix/Europe/Berlin", "right/UTC", "../Berlin", "localtime"] {
        assert!(unknown.parse::<Zone>().is_err(), "{unknown}");
    }
}

#[test]
fn fixed_offsets_are_zones() {
    let noon: DateTime<Utc> = "2026-06-01T12:00:00Z".parse().unwrap();
    for (name, canonical, hours) in [
        ("GMT+02:00", "+02:00", 2),
        ("UTC-5", "-05:00", -5),
        ("utc+3", "+03:00", 3),
        ("-11:00", "-11:00", -11),
        ("GMT+0800", "+08:00", 8),
        // IANA's own, whose sign is the other way round.
        ("Etc/GMT+3", "Etc/GMT+3", -3),
        ("GMT+00:00", "UTC", 0),
    ] {
        let zone = zone(name);
        assert_eq!(zone.name(), canonical, "{name}");
        assert_eq!(zone.clock().offset_at(noon.naive_utc()).local_minus_utc(), hours * 3_600, "{name}");
        assert_eq!(serde_json::from_str::<Zone>(&serde_json::to_string(&zone).unwrap()).unwrap(), zone);
    }
    assert_eq!(zone("GMT+05:30").clock().offset_at(noon.naive_utc()).local_minus_utc(), 5 * 3_600 + 30 * 60);
    for wrong in ["GMT+", "GMT+19:00", "UTC+2:60", "+2:0", "GMT+123", "+", "GMT2", "UTC+02:00:00", "+é0:00"] {
        assert!(wrong.parse::<Zone>().is_err(), "{wrong}");
    }
}

#[test]
fn a_time_in_a_gap_counts_with_the_offset_before_it_and_one_that_comes_twice_is_the_first() {
    let berlin = zone("Europe/Berlin");
    for (local, utc) in [
        ("2026-03-29T01:59:59", "2026-03-29T00:59:59Z"),
        ("2026-03-29T02:30:00", "2026-03-29T01:30:00Z"),
        ("2026-03-29T03:00:00", "2026-03-29T01:00:00Z"),
        ("2026-10-25T02:30:00", "2026-10-25T00:30:00Z"),
        ("2026-10-25T03:00:00", "2026-10-25T02:00:00Z"),
    ] {
        assert_eq!(berlin.instant_of(local.parse().unwrap()), utc.parse::<DateTime<Utc>>().unwrap(), "{local}");
    }
    // A whole day was left out.
    let samoa = zone("Pacific/Apia");
    let left_out = samoa.instant_of("2011-12-30T12:00:00".parse().unwrap());
    assert_eq!(left_out, "2011-12-30T22:00:00Z".parse::<DateTime<Utc>>().unwrap());
}

#[test]
fn the_edges_of_the_calendar_are_no_panic() {
    for name in ["Europe/Berlin", "America/Vancouver", "+14:00"] {
        let zone = zone(name);
        for at in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
            let local = zone.clock().wall_clock(at);
            let _any_time_will_do = zone.instant_of(local);
            let _any_text_will_do = at.with_timezone(&zone).to_rfc3339();
        }
    }
}
