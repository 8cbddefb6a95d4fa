//! Which of several calendars a text means.

use super::*;
use serde_json::json;

fn id(digit: usize) -> String {
    format!("cal_0191c1f000007000800000000000{digit:04x}")
}

fn calendars(titles: &[&str]) -> Vec<Calendar> {
    let calendar = |(index, title): (usize, &&str)| {
        let state_changed_at = "2026-11-23T12:00:00Z";
        let body = json!({"id": id(index), "title": title, "state": "live", "state_changed_at": state_changed_at,
            "event_count": 0});
        serde_json::from_value(body).unwrap()
    };
    titles.iter().enumerate().map(calendar).collect()
}

fn picked(wanted: &str, titles: &[&str]) -> String {
    pick(wanted, calendars(titles)).unwrap().title
}

#[test]
fn a_part_of_the_title_is_enough_in_any_case() {
    assert_eq!(picked("wOR", &["Family", "Work"]), "Work");
    assert_eq!(picked("ÜBUNG", &["Family", "Die übungen"]), "Die übungen");
}

#[test]
fn a_whole_title_beats_a_part_of_another() {
    assert_eq!(picked("work", &["Workouts", "Work", "Homework"]), "Work");
}

#[test]
fn the_beginning_of_an_id_is_enough_where_it_is_unique() {
    let titles: Vec<&str> = vec!["a"; 17];
    let picked = pick(&id(16)[..35], calendars(&titles)).unwrap();
    assert_eq!(picked.id(), id(16));
}

#[test]
fn an_ambiguous_name_lists_the_candidates() {
    let error = pick("work", calendars(&["Workouts", "Homework", "Family"])).unwrap_err();
    assert_eq!(error.failure, Failure::Usage);
    for expected in ["fits 2 calendars", "Workouts", "Homework", &id(0), &id(1)] {
        assert!(error.message.contains(expected), "{}", error.message);
    }
    assert!(!error.message.contains("Family"), "{}", error.message);
}

#[test]
fn two_calendars_of_the_same_title_are_ambiguous() {
    assert_eq!(pick("work", calendars(&["Work", "Work", "Workouts"])).unwrap_err().failure, Failure::Usage);
}

#[test]
fn a_long_list_of_candidates_is_cut() {
    let titles: Vec<&str> = vec!["Work"; 25];
    let error = pick("work", calendars(&titles)).unwrap_err();
    assert!(error.message.ends_with("… and 15 more"), "{}", error.message);
}

#[test]
fn an_unknown_name_is_not_found() {
    for wanted in ["Wrok", "cal_ffff", &id(9)] {
        assert_eq!(pick(wanted, calendars(&["Work"])).unwrap_err().failure, Failure::NotFound, "{wanted}");
    }
}
