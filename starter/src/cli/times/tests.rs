//! Windows, spans and ages, across zones and changes of clocks.

use super::*;
use crate::cli::error::Failure;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn edges(from: Option<&str>, to: Option<&str>, zone: &str, now: &str) -> (String, String) {
    let edge = |text: &str| text.parse::<WindowEdge>().unwrap();
    Window::new(from.map(edge), to.map(edge), Some(zone), at(now)).unwrap().edges()
}

fn span(start: &str, end: &str) -> [String; 3] {
    let moment = |text: &str| serde_json::from_str::<Moment>(text).unwrap();
    let Span { starts, ends, zone } = Span::of(&moment(start), &moment(end));
    [starts, ends, zone]
}

#[test]
fn dates_and_times_are_parsed_and_anything_else_is_an_error() {
    assert_eq!("2026-11-23".parse(), Ok(WindowEdge::Date(NaiveDate::from_ymd_opt(2026, 11, 23).unwrap())));
    assert_eq!("2026-11-23T09:00:00+01:00".parse(), Ok(WindowEdge::Instant(at("2026-11-23T08:00:00Z"))));
    for text in ["", "tomorrow", "2026-02-30", "23.11.2026", "2026-11-23T09:00:00", "2026-11-23 "] {
        assert_eq!(text.parse::<WindowEdge>(), Err(InvalidWindowEdge), "{text:?}");
    }
}

#[test]
fn the_default_window_is_a_week_of_days_in_the_calendars_zone() {
    // It is the 24th in Tokyo already.
    let window = edges(None, None, "Asia/Tokyo", "2026-11-23T18:00:00Z");
    assert_eq!(window, ("2026-11-23T15:00:00Z".to_owned(), "2026-11-30T15:00:00Z".to_owned()));
}

#[test]
fn a_week_in_which_clocks_change_still_begins_and_ends_at_midnight() {
    let window = edges(Some("2026-10-24"), None, "Europe/Berlin", "2026-01-01T00:00:00Z");
    assert_eq!(window, ("2026-10-23T22:00:00Z".to_owned(), "2026-10-30T23:00:00Z".to_owned()));
}

#[test]
fn a_day_whose_midnight_does_not_exist_begins_when_clocks_have_jumped() {
    // Chile's clocks jumped from 00:00 to 01:00 on 8 September 2024.
    let window = edges(Some("2024-09-08"), None, "America/Santiago", "2026-01-01T00:00:00Z");
    assert_eq!(window.0, "2024-09-08T04:00:00Z");
    // Samoa left 30 December 2011 out.
    let window = edges(Some("2011-12-30"), Some("2012-01-01"), "Pacific/Apia", "2026-01-01T00:00:00Z");
    assert_eq!(window, ("2011-12-30T10:00:00Z".to_owned(), "2011-12-31T10:00:00Z".to_owned()));
}

#[test]
fn times_are_taken_as_they_are() {
    let window = edges(Some("2026-11-23T09:00:00+01:00"), Some("2026-11-24"), "UTC", "2026-01-01T00:00:00Z");
    assert_eq!(window, ("2026-11-23T08:00:00Z".to_owned(), "2026-11-24T00:00:00Z".to_owned()));
}

#[test]
fn an_empty_window_is_a_usage_error() {
    let edge = Some("2026-11-23".parse().unwrap());
    let error = Window::new(edge, edge, None, at("2026-01-01T00:00:00Z")).unwrap_err();
    assert_eq!(error.failure, Failure::Usage);
    let end_of_time = Some(WindowEdge::Date(NaiveDate::MAX));
    assert_eq!(Window::new(end_of_time, None, None, at("2026-01-01T00:00:00Z")).unwrap_err().failure, Failure::Usage);
}

#[test]
fn a_start_is_shown_in_its_own_zone_and_an_end_with_the_day_only_where_it_differs() {
    let berlin = r#"{"date_time":"2026-11-23T09:00:00+01:00","time_zone":"Europe/Berlin"}"#;
    let same_day = r#"{"date_time":"2026-11-23T10:30:00+01:00","time_zone":"Europe/Berlin"}"#;
    let tokyo = r#"{"date_time":"2026-11-24T08:00:00+09:00","time_zone":"Asia/Tokyo"}"#;
    let utc = r#"{"date_time":"2026-11-23T23:30:00Z","time_zone":null}"#;
    assert_eq!(span(berlin, same_day), ["Mon 2026-11-23 09:00", "10:30", "Europe/Berlin"]);
    assert_eq!(span(berlin, tokyo), ["Mon 2026-11-23 09:00", "Tue 2026-11-24 00:00", "Europe/Berlin"]);
    assert_eq!(span(utc, utc), ["Mon 2026-11-23 23:30", "23:30", "UTC"]);
}

#[test]
fn a_night_in_which_clocks_change_ends_at_the_time_that_the_wall_shows() {
    let start = r#"{"date_time":"2026-10-24T23:00:00+02:00","time_zone":"Europe/Berlin"}"#;
    let end = r#"{"date_time":"2026-10-25T05:00:00Z","time_zone":null}"#;
    assert_eq!(span(start, end), ["Sat 2026-10-24 23:00", "Sun 2026-10-25 06:00", "Europe/Berlin"]);
}

#[test]
fn days_have_no_zone_and_end_with_their_last_day() {
    let date = |text: &str| format!("{{\"date\":\"{text}\"}}");
    assert_eq!(span(&date("2026-11-23"), &date("2026-11-24")), ["Mon 2026-11-23", "all day", ""]);
    assert_eq!(span(&date("2026-11-23"), &date("2026-11-26")), ["Mon 2026-11-23", "Wed 2026-11-25", ""]);
}

#[test]
fn ages_are_whole_units_rounded_down() {
    let now = at("2026-11-23T12:00:00Z");
    for (other, text) in [
        ("2026-11-23T12:00:00.4Z", "now"),
        ("2026-11-23T11:59:01Z", "59 s ago"),
        ("2026-11-23T11:59:00Z", "1 min ago"),
        ("2026-11-23T11:00:01Z", "59 min ago"),
        ("2026-11-22T12:00:01Z", "23 h ago"),
        ("2026-11-22T12:00:00Z", "1 d ago"),
        ("2026-11-30T11:00:00Z", "in 6 d"),
    ] {
        assert_eq!(relative(now, at(other)), text);
    }
}
