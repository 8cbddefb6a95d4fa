//! Calendar objects by hand: iCalendar text becomes events, and those the right occurrences.

use evercal_domain::{EventTime, Zone, limits::EVENT_BYTES_MAX};
use evercal_recurrence::{CalendarObject, ExpandError};

use crate::support::{expand_object, ical, starts, text, time, time_in, window, zone};

/// A zone of nobody: five hours and a half ahead, from the first Sunday of June to 20 October seven.
const OWN_ZONE: &str = "BEGIN:VTIMEZONE|TZID:Moon \"Base\"; 1|\
    BEGIN:STANDARD|DTSTART:19701020T000000|TZOFFSETFROM:+0700|TZOFFSETTO:+0530|RRULE:FREQ=YEARLY|END:STANDARD|\
    BEGIN:DAYLIGHT|DTSTART:19700607T020000|TZOFFSETFROM:+0530|TZOFFSETTO:+0700|\
    RRULE:FREQ=YEARLY;BYMONTH=6;BYDAY=1SU|END:DAYLIGHT|END:VTIMEZONE";

fn own_zone(name: &str) -> String {
    OWN_ZONE.replace("Moon \"Base\"; 1", name)
}

fn vevent(lines: &str) -> String {
    format!("BEGIN:VEVENT|UID:one|{lines}|END:VEVENT")
}

fn read(text: &str) -> Result<CalendarObject, ExpandError> {
    CalendarObject::read(text, Some(zone("Europe/Berlin")))
}

fn starts_of(lines: &str, zone: Option<Zone>, from: &str, to: &str) -> Vec<String> {
    starts(&expand_object(&ical(lines), zone, &window(from, to)).unwrap())
}

#[test]
fn a_single_event_has_its_times_and_no_lines() {
    let lines =
        vevent("SUMMARY:Lunch|DTSTART;TZID=Europe/Berlin:20260601T120000|DTEND;TZID=Asia/Tokyo:20260601T200000");
    let object = read(&ical(&lines)).unwrap();
    assert_eq!(object.uid, "one");
    assert_eq!(object.events.len(), 1);
    assert_eq!(object.events[0].start, time_in(zone("Europe/Berlin"), "2026-06-01T10:00:00Z"));
    assert_eq!(object.events[0].end, time_in(zone("Asia/Tokyo"), "2026-06-01T11:00:00Z"));
    assert!(object.events[0].recurrence.is_empty());
    assert_eq!(object.events[0].original_start, None);
}

#[test]
fn the_end_is_written_or_made_of_a_duration_or_follows_from_the_start() {
    for (lines, end) in [
        ("DTSTART:20260601T090000Z|DTEND:20260601T100000Z", "2026-06-01T10:00:00Z"),
        ("DTSTART:20260601T090000Z|DURATION:PT90M", "2026-06-01T10:30:00Z"),
        ("DTSTART:20260601T090000Z", "2026-06-01T09:00:00Z"),
        ("DTSTART;VALUE=DATE:20260601", "2026-06-02"),
        ("DTSTART;VALUE=DATE:20260601|DURATION:P1W", "2026-06-08"),
        // A day is a day of the clock, and 24 hours are 24 hours.
        ("DTSTART;TZID=Europe/Berlin:20260328T120000|DURATION:P1D", "2026-03-29T10:00:00Z"),
        ("DTSTART;TZID=Europe/Berlin:20261025T023000|DURATION:PT1H", "2026-10-25T01:30:00Z"),
        // Also from the second of two hours, which only an instant can say.
        ("DTSTART;TZID=Europe/Berlin:20261025T013000Z|DURATION:PT1H", "2026-10-25T02:30:00Z"),
    ] {
        let object = read(&ical(&vevent(lines))).unwrap();
        assert_eq!(text(&object.events[0].end), end, "{lines}");
    }
}

#[test]
fn a_floating_time_is_one_of_the_calendars_zone_and_stays_there_across_dst() {
    let lines = vevent("DTSTART:20260328T090000|RRULE:FREQ=DAILY;COUNT=3|EXDATE:20260329T090000");
    let at = |zone| starts_of(&lines, zone, "2026-03-01", "2026-04-01");
    assert_eq!(at(Some(zone("Europe/Berlin"))), ["2026-03-28T08:00:00Z", "2026-03-30T07:00:00Z"]);
    assert_eq!(at(Some(zone("Asia/Tokyo"))), ["2026-03-28T00:00:00Z", "2026-03-30T00:00:00Z"]);
    assert_eq!(at(None), ["2026-03-28T09:00:00Z", "2026-03-30T09:00:00Z"]);
}

#[test]
fn a_floating_start_names_no_zone_and_one_in_utc_names_utc() {
    let object = read(&ical(&vevent("DTSTART:20260601T090000|DTEND:20260601T090000Z"))).unwrap();
    assert_eq!(object.events[0].start, EventTime::Instant { at: "2026-06-01T07:00:00Z".parse().unwrap(), zone: None });
    assert_eq!(object.events[0].end, time_in(Zone::UTC, "2026-06-01T09:00:00Z"));
    // A series in UTC stays in UTC, whatever the calendar's zone is.
    let lines = vevent("DTSTART:20260328T080000Z|RRULE:FREQ=DAILY;COUNT=2");
    let found = starts_of(&lines, Some(zone("Europe/Berlin")), "2026-03-01", "2026-04-01");
    assert_eq!(found, ["2026-03-28T08:00:00Z", "2026-03-29T08:00:00Z"]);
}

#[test]
fn an_all_day_series_is_one_of_dates_in_every_zone() {
    let lines = vevent(
        "DTSTART;VALUE=DATE:20260328|DTEND;VALUE=DATE:20260329|RRULE:FREQ=DAILY;COUNT=4|EXDATE;VALUE=DATE:20260330",
    );
    for zone in [None, Some(zone("Pacific/Kiritimati")), Some(zone("Pacific/Pago_Pago"))] {
        let found = starts_of(&lines, zone, "2026-03-01", "2026-05-01");
        assert_eq!(found, ["2026-03-28", "2026-03-29", "2026-03-31"]);
    }
}

#[test]
fn a_series_repeats_by_the_clock_of_a_zone_that_only_its_object_knows() {
    let lines = format!(
        "{}|{}",
        own_zone("Moon Base"),
        vevent(
            "DTSTART;TZID=Moon Base:20260605T090000|DTEND;TZID=Moon Base:20260605T100000|RRULE:FREQ=DAILY;COUNT=5|\
             EXDATE;TZID=Moon Base:20260608T090000|RDATE;TZID=Moon Base:20261020T090000"
        )
    );
    let found = starts_of(&lines, Some(zone("Europe/Berlin")), "2026-06-01", "2027-01-01");
    let expected = [
        "2026-06-05T03:30:00Z",
        "2026-06-06T03:30:00Z",
        "2026-06-07T02:00:00Z",
        "2026-06-09T02:00:00Z",
        "2026-10-20T03:30:00Z",
    ];
    assert_eq!(found, expected);
}

#[test]
fn gaps_and_overlaps_of_an_own_zone_are_those_of_any_zone() {
    // 02:00 to 03:30 of 7 June does not exist, and 22:30 to midnight of 19 October comes twice.
    for (first, expected) in [
        ("20260606T023000", ["2026-06-05T21:00:00Z", "2026-06-06T21:00:00Z", "2026-06-07T19:30:00Z"]),
        ("20261018T233000", ["2026-10-18T16:30:00Z", "2026-10-19T16:30:00Z", "2026-10-20T18:00:00Z"]),
    ] {
        let lines = format!(
            "{}|{}",
            own_zone("Moon Base"),
            vevent(&format!("DTSTART;TZID=Moon Base:{first}|RRULE:FREQ=DAILY;COUNT=3"))
        );
        assert_eq!(starts_of(&lines, None, "2026-06-01", "2027-01-01"), expected, "{first}");
    }
}

#[test]
fn a_series_that_starts_in_a_gap_goes_on_at_the_time_that_was_written() {
    let lines = vevent("DTSTART;TZID=Europe/Berlin:20260329T023000|RRULE:FREQ=DAILY;COUNT=2");
    let found = starts_of(&lines, None, "2026-03-01", "2026-04-01");
    assert_eq!(found, ["2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"]);
}

#[test]
fn a_windows_name_is_a_zone_also_where_the_object_defines_it() {
    let event = vevent("DTSTART;TZID=\"W. Europe Standard Time\":20260328T090000|RRULE:FREQ=DAILY;COUNT=2");
    for lines in [event.clone(), format!("{}|{event}", own_zone("W. Europe Standard Time"))] {
        let found = starts_of(&lines, None, "2026-03-01", "2026-04-01");
        assert_eq!(found, ["2026-03-28T08:00:00Z", "2026-03-29T07:00:00Z"]);
    }
}

#[test]
fn a_zone_with_a_colon_in_its_name_is_read() {
    let name = "(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna";
    let lines = vevent(&format!("DTSTART;TZID=\"{name}\":20260601T090000"));
    let object = read(&ical(&lines)).unwrap();
    assert_eq!(object.events[0].start, time_in(zone("Europe/Berlin"), "2026-06-01T07:00:00Z"));
}

#[test]
fn an_exception_has_the_place_that_its_recurrence_id_says_in_any_zone() {
    for id in [
        "RECURRENCE-ID;TZID=Asia/Tokyo:20260608T160000",
        "RECURRENCE-ID:20260608T070000Z",
        "RECURRENCE-ID:20260608T090000",
    ] {
        let lines = format!(
            "{}|{}",
            vevent(&format!("{id}|DTSTART:20260609T120000Z|DTEND:20260609T123000Z")),
            vevent("DTSTART;TZID=Europe/Berlin:20260601T090000|RRULE:FREQ=WEEKLY;COUNT=3")
        );
        let found =
            expand_object(&ical(&lines), Some(zone("Pacific/Auckland")), &window("2026-06-01", "2026-07-01")).unwrap();
        assert_eq!(starts(&found), ["2026-06-01T07:00:00Z", "2026-06-09T12:00:00Z", "2026-06-15T07:00:00Z"], "{id}");
        assert_eq!(found[1].source_id.as_str(), "exception-0");
    }
}

#[test]
fn a_cancelled_exception_is_no_occurrence() {
    let lines = format!(
        "{}|{}",
        vevent("DTSTART;VALUE=DATE:20260601|RRULE:FREQ=DAILY;COUNT=3"),
        vevent("RECURRENCE-ID;VALUE=DATE:20260602|DTSTART;VALUE=DATE:20260602|STATUS:CANCELLED")
    );
    assert_eq!(starts_of(&lines, None, "2026-06-01", "2026-07-01"), ["2026-06-01", "2026-06-03"]);
}

#[test]
fn the_lines_of_a_master_are_enough_to_expand_it_again() {
    let lines = format!(
        "{}|{}|{}",
        own_zone("Moon Base"),
        own_zone("Unused"),
        vevent(
            "DTSTART;X-NOTE=1;TZID=Moon Base:20260605T090000|RRULE;X-NOTE=1:FREQ=DAILY|EXDATE;VALUE=DATE-TIME;TZID=Moon Base:20260606T090000"
        )
    );
    let object = read(&ical(&lines)).unwrap();
    let mut expected = vec![
        "DTSTART;TZID=\"Moon Base\":20260605T090000",
        "RRULE:FREQ=DAILY",
        "EXDATE;TZID=\"Moon Base\":20260606T090000",
    ];
    let zone = own_zone("Moon Base");
    expected.extend(zone.split('|'));
    assert_eq!(object.events[0].recurrence, expected);
    // The domain cannot name such a zone.
    assert!(matches!(object.events[0].start, EventTime::Instant { zone: None, .. }));
}

#[test]
fn what_is_no_time_of_the_event_does_not_matter() {
    let lines = "BEGIN:VTIMEZONE|TZID:Broken|END:VTIMEZONE|BEGIN:VTODO|UID:other|DUE:never|END:VTODO|\
        BEGIN:VEVENT|UID:one|DESCRIPTION lost its colon|ATTENDEE;RSVP:mailto:a@example.org|DTSTART:20260601T090000Z|\
        BEGIN:VALARM|TRIGGER:-PT5M|DURATION:PT5M|DTSTART:20200101T000000Z|END:VALARM|END:VEVENT";
    let object = read(&ical(lines)).unwrap();
    assert_eq!(object.events.len(), 1);
    assert_eq!(object.events[0].start, time_in(Zone::UTC, "2026-06-01T09:00:00Z"));
}

#[test]
fn folded_text_is_read() {
    let text = ical(&vevent("DTSTART:20260601T090000Z|RRULE:FREQ=DAILY;COUNT=3")).replace("COUNT", "CO\r\n UNT");
    let found = expand_object(&text, None, &window("2026-06-01", "2026-07-01")).unwrap();
    assert_eq!(found.len(), 3);
}

#[test]
fn an_object_that_cannot_be_read_says_why() {
    let cases = [
        ("X-NOTE:1".to_owned(), "the object has no event"),
        ("BEGIN:VEVENT|DTSTART:20260601T090000Z|END:VEVENT".into(), "the events of the object have not one UID"),
        (
            format!("{}|BEGIN:VEVENT|UID:two|DTSTART:20260601|END:VEVENT", vevent("DTSTART:20260601")),
            "the events of the object have not one UID",
        ),
        (format!("{0}|{0}", vevent("DTSTART:20260601")), "the object has two events that are no change of one"),
        (vevent("SUMMARY:x"), "an event has no start"),
        (vevent("DTSTART:20260601|DTSTART:20260602"), "an event has one of its times twice"),
        (vevent("DTSTART:2026"), "a line of dates has something that is no date"),
        (vevent("DTSTART"), "a recurrence line has no value"),
        (vevent("DTSTART:20260601|DTEND:20260601T090000Z"), "one of start and end is a date, the other is not"),
        (vevent("DTSTART:20260602|DTEND:20260601"), "it ends before it starts"),
        (vevent("DTSTART:20260602|DURATION:-P1D"), "an event has a DURATION that is none"),
        (vevent("DTSTART;TZID=Nowhere:20260601T090000"), "a time of the object names an unknown time zone"),
        ("BEGIN:VEVENT|UID:one|DTSTART:20260601".into(), "a component of the object has no end"),
        ("BEGIN:VTIMEZONE|TZID:x".into(), "a component of the object has no end"),
    ];
    for (lines, expected) in cases {
        let error = read(&ical(&lines)).unwrap_err();
        assert_eq!(error, ExpandError::Unreadable { reason: expected.into() }, "{lines}");
    }
}

#[test]
fn an_object_that_is_too_long_is_refused_before_it_is_read() {
    let text = ical(&vevent(&format!("DTSTART:20260601T090000Z|DESCRIPTION:{}", "x".repeat(EVENT_BYTES_MAX))));
    assert!(matches!(read(&text), Err(ExpandError::TooMany { limit: EVENT_BYTES_MAX, .. })));
}

#[test]
fn an_override_alone_is_an_event_of_a_series_that_is_not_there() {
    let lines = vevent("RECURRENCE-ID;TZID=Europe/Berlin:20260601T090000|DTSTART;TZID=Europe/Berlin:20260601T100000");
    let object = read(&ical(&lines)).unwrap();
    assert_eq!(object.events[0].original_start, Some(time_in(zone("Europe/Berlin"), "2026-06-01T07:00:00Z")));
    assert_eq!(object.events[0].start, time_in(zone("Europe/Berlin"), "2026-06-01T08:00:00Z"));
    assert_ne!(object.events[0].start, time("2026-06-01T08:00:00Z"));
}
