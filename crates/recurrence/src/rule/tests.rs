use super::*;

fn reason(value: &str) -> String {
    match Rule::read(value) {
        Err(ExpandError::Unreadable { reason }) => reason,
        other => panic!("{value}: {other:?}"),
    }
}

#[test]
fn a_rule_as_a_provider_sends_it_is_read() {
    let rule = Rule::read("FREQ=MONTHLY;WKST=SU;UNTIL=20260101T045959Z;INTERVAL=2;BYDAY=-1MO,2WE").unwrap();
    assert_eq!(rule.recurrence.freq, ICalendarFrequency::Monthly);
    assert_eq!(rule.recurrence.interval, Some(2));
    assert_eq!(rule.recurrence.byday.len(), 2);
    assert_eq!(rule.recurrence.byday[0].ordwk, Some(-1));
    assert_eq!(rule.until, Some(Stamp::Instant("2026-01-01T04:59:59Z".parse().unwrap())));
}

#[test]
fn case_a_last_semicolon_and_the_words_of_rfc_7529_for_the_default_make_no_difference() {
    for value in ["freq=daily;count=3", "FREQ=DAILY;COUNT=3;", "RSCALE=gregorian;FREQ=DAILY;SKIP=OMIT;COUNT=3"] {
        assert_eq!(Rule::read(value).unwrap().recurrence.count, Some(3), "{value}");
    }
}

#[test]
fn what_is_unknown_or_out_of_range_is_unreadable() {
    let cases = [
        ("", "a part of the rule has no value"),
        ("FREQ", "a part of the rule has no value"),
        ("COUNT=3", "the rule has no FREQ"),
        ("FREQ=FORTNIGHTLY", "FREQ is unknown"),
        ("FREQ=DAILY;FREQ=DAILY", "FREQ is there twice"),
        ("FREQ=YEARLY;BYEASTER=0", "the rule has an unknown part"),
        ("FREQ=DAILY;COUNT=0", "COUNT is out of range"),
        ("FREQ=DAILY;COUNT=4294967296", "COUNT is out of range"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL is out of range"),
        ("FREQ=DAILY;INTERVAL=32768", "INTERVAL is out of range"),
        ("FREQ=MONTHLY;BYDAY=0TH", "BYDAY is out of range"),
        ("FREQ=MONTHLY;BYDAY=54TH", "BYDAY is out of range"),
        ("FREQ=MONTHLY;BYDAY=é", "BYDAY has no weekday"),
        ("FREQ=MONTHLY;BYDAY=MO,", "BYDAY has no weekday"),
        ("FREQ=MONTHLY;BYMONTHDAY=257", "BYMONTHDAY is out of range"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "BYMONTHDAY is out of range"),
        ("FREQ=YEARLY;BYMONTH=13", "BYMONTH is out of range"),
        ("FREQ=YEARLY;BYMONTH=5L", "BYMONTH is out of range"),
        ("FREQ=YEARLY;BYWEEKNO=54", "BYWEEKNO is out of range"),
        ("FREQ=YEARLY;BYYEARDAY=-367", "BYYEARDAY is out of range"),
        ("FREQ=DAILY;BYHOUR=24", "BYHOUR is out of range"),
        ("FREQ=DAILY;BYMINUTE=-1", "BYMINUTE is out of range"),
        ("FREQ=DAILY;BYSECOND=60", "BYSECOND is out of range"),
        ("FREQ=DAILY;BYSETPOS=0", "BYSETPOS is out of range"),
        ("FREQ=DAILY;WKST=XX", "WKST is no weekday"),
        ("FREQ=DAILY;UNTIL=20260231", "UNTIL is no date or time"),
        ("RSCALE=HEBREW;FREQ=YEARLY", "RSCALE is not supported"),
        ("FREQ=MONTHLY;SKIP=FORWARD", "SKIP is not supported"),
        ("FREQ=WEEKLY;BYMONTHDAY=-1", "BYMONTHDAY does not go with the rest of the rule"),
        ("FREQ=DAILY;BYYEARDAY=1", "BYYEARDAY does not go with the rest of the rule"),
        ("FREQ=MONTHLY;BYWEEKNO=1", "BYWEEKNO does not go with the rest of the rule"),
        ("FREQ=WEEKLY;BYDAY=1MO", "BYDAY does not go with the rest of the rule"),
        ("FREQ=YEARLY;BYWEEKNO=1;BYDAY=1MO", "BYDAY does not go with the rest of the rule"),
        ("FREQ=MINUTELY;BYHOUR=9;BYYEARDAY=1", "BYYEARDAY does not go with the rest of the rule"),
        ("FREQ=SECONDLY;BYSECOND=9;BYSETPOS=1", "BYSETPOS does not go with the rest of the rule"),
    ];
    for (value, expected) in cases {
        assert_eq!(reason(value), expected, "{value}");
    }
}
