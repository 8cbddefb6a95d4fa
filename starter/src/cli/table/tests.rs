//! Tables with every title that somebody might write.

use super::*;

const SCREEN: Screen = Screen { width: WIDTH_MAX, has_colours: false };
const COLUMNS: [Column; 4] =
    [Column::Whole("ID"), Column::Elastic("TITLE"), Column::Number("EVENTS"), Column::Elastic("PLACE")];
const ID: &str = "cal_0123456789abcdef0123456789abcdef";

/// Titles that people have written, or might.
fn nasty_titles() -> Vec<String> {
    vec![
        String::new(),
        "x".repeat(5_000),
        "日本語の会議".repeat(40),
        "👩‍👩‍👧‍👦👍🏽🇩🇪".repeat(40),
        "e\u{301}\u{302}\u{303}".repeat(200),
        "many short words ".repeat(60),
        "first line\nsecond line\r\nthird\tline".to_owned(),
        "\u{1b}[31mred\u{1b}[0m \u{1b}]0;owned\u{7} \u{9b}2J".to_owned(),
        "\u{202e}gnp.exe\u{2066}\u{200f}".to_owned(),
        "مرحبا بالعالم ".repeat(20),
        "\0\0\0".to_owned(),
        "…".repeat(150),
    ]
}

/// Columns that a line takes on a terminal.
fn width(line: &str) -> u16 {
    let mut table = Table::new();
    table.add_row([line]);
    table.column_max_content_widths().into_iter().max().unwrap_or(0)
}

fn row(title: &str, place: &str) -> [Cell; 4] {
    [text(ID), text(title), text("12345"), text(place)]
}

#[test]
fn no_line_is_wider_than_100_columns_whatever_the_titles() {
    for title in nasty_titles() {
        for place in nasty_titles() {
            let table = list(SCREEN, COLUMNS, [row(&title, &place)]);
            assert_eq!(table.lines().count(), 2, "one line each for header and row:\n{table}");
            for line in table.lines() {
                assert!(width(line) <= WIDTH_MAX, "{} columns: {line}", width(line));
            }
        }
    }
}

#[test]
fn a_long_title_is_cut_and_says_so_while_the_id_stays_whole() {
    let table = list(SCREEN, COLUMNS, [row(&"long title ".repeat(50), "Room 1")]);
    let line = table.lines().last().unwrap();
    assert!(line.starts_with(ID) && line.contains('…') && line.ends_with("Room 1"), "{line}");
}

#[test]
fn a_title_that_fits_is_not_cut() {
    let table = list(SCREEN, COLUMNS, [row("Stand-up with everybody", "Room 1")]);
    assert!(table.contains("Stand-up with everybody") && !table.contains('…'), "{table}");
}

#[test]
fn titles_cannot_steer_the_terminal() {
    for title in nasty_titles() {
        let table = list(SCREEN, COLUMNS, [row(&title, "")]);
        assert!(!table.chars().any(|c| c.is_control() && c != '\n'), "{table:?}");
        assert!(!table.contains(['\u{202e}', '\u{2066}', '\u{200f}']), "{table:?}");
    }
}

#[test]
fn long_values_of_fields_go_on_in_the_next_line() {
    let detail = "somebody has to act ".repeat(20);
    let table = fields(SCREEN, [("Detail", text(&detail)), ("State", state("action_required"))]);
    assert!(table.lines().all(|line| width(line) <= WIDTH_MAX), "{table}");
    assert_eq!(table.matches("somebody").count(), 20, "nothing is lost:\n{table}");
    assert!(table.contains("action required"), "{table}");
}

#[test]
fn there_are_colours_only_where_they_are_wanted() {
    let in_colour = |has_colours| {
        let screen = Screen { has_colours, ..SCREEN };
        list(screen, [Column::Whole("STATE")], [[state("live")]]).contains('\u{1b}')
    };
    assert!(!in_colour(false));
    assert!(in_colour(true));
}
