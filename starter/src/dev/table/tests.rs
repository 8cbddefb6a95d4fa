//! The live table, drawn from rows that are written down here.

use chrono::TimeDelta;
use serde_json::json;

use super::*;

fn calendar(title: &str, now: DateTime<Utc>) -> Calendar {
    let answer = json!({
        "id": CalendarId::generate().to_string(),
        "title": title,
        "state": "action_required",
        "state_changed_at": now,
        "channel_expires_at": now + TimeDelta::days(6),
        "last_sync": {"finished_at": now - TimeDelta::seconds(200), "changes": 1, "notice_to_stored_ms": 212},
        "event_count": 12_345,
    });
    serde_json::from_value(answer).unwrap()
}

#[test]
fn a_row_is_one_line_of_the_terminals_width_and_steers_no_terminal_whatever_the_title() {
    let now = DateTime::UNIX_EPOCH;
    for width in [80, 100] {
        let rows = [calendar(&"A long title ".repeat(20), now), calendar("\x1b[2Jred\nline", now)];
        let shown = render(Screen::plain(width), &rows, &BTreeMap::from([(rows[0].id, 212)]), Some(now));
        assert_eq!(shown.lines().count(), 3, "{shown}");
        assert!(shown.lines().all(|line| line.chars().count() <= usize::from(width)), "{shown}");
        assert!(!shown.contains('\x1b'), "{shown:?}");
    }
}

#[test]
fn where_nothing_can_be_drawn_over_only_what_changed_is_printed() {
    let now = DateTime::UNIX_EPOCH;
    let (mut printed, screen) = (PrintedLines::default(), Screen::plain(100));
    let mut rows = [calendar("Work", now), calendar("Family", now)];
    let picture = |rows: &[Calendar], trouble: &str| Picture {
        table: render(screen, rows, &BTreeMap::new(), None),
        ids: rows.iter().map(|row| row.id).collect(),
        trouble: trouble.to_owned(),
    };
    let first = printed.news(picture(&rows, ""));
    assert!(first.starts_with("CALEND") && first.contains("Work") && first.contains("Family"), "{first}");
    assert_eq!(printed.news(picture(&rows, "")), "");
    rows[1].mirror.event_count += 1;
    let changed = printed.news(picture(&rows, ""));
    assert!(changed.lines().count() == 1 && changed.contains("Family") && changed.contains("12346"), "{changed}");
    assert_eq!(printed.news(picture(&rows, "worker ended\n")), "worker ended\n");
    assert_eq!(printed.news(Picture { trouble: "worker ended\n".to_owned(), ..Picture::default() }), "");
    assert_eq!(printed.news(picture(&rows, "")), "everything runs again\n");
}

#[test]
fn ages_are_in_the_unit_that_people_think_in() {
    let now = DateTime::UNIX_EPOCH;
    let shown = render(Screen::plain(80), &[calendar("Work", now)], &BTreeMap::new(), Some(now));
    assert!(shown.contains("3 min ago") && shown.contains("in 6 d"), "{shown}");
    let shown = render(Screen::plain(100), &[calendar("Work", now)], &BTreeMap::new(), None);
    assert!(shown.contains("1969-12-31 23:56:40 UTC"), "{shown}");
}

#[test]
fn a_part_that_does_not_run_is_named_with_the_end_of_its_log_in_lines_that_fit() {
    let log_tail = format!("first\nsecond\n{}\nerror: \x1b[31mno such variable", "x".repeat(200));
    let process = FailingChild { name: "worker".to_owned(), times: 4, ended: "exit status: 1".to_owned(), log_tail };
    let shown = of_failing(Screen::plain(80), &process);
    assert!(shown.starts_with("worker ended by itself 4 times in a row (exit status: 1)"), "{shown}");
    assert!(shown.contains("no such variable") && shown.contains("second") && !shown.contains("first"), "{shown}");
    assert!(!shown.contains('\x1b') && shown.lines().all(|line| line.chars().count() <= 80), "{shown:?}");
}
