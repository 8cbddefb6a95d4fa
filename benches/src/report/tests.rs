//! The report of runs that are written down here.

use super::*;

fn on_postgres(row: Row) -> Row {
    Row { store: "PostgreSQL", ..row }
}

#[test]
fn the_same_row_of_two_stores_stands_together_whatever_was_measured_first() {
    let rows = [
        Row::compared("a", "/s", 950.0, 1_000.0).bar(Bar::RatioAtLeast(0.9)),
        Row::alone("b", "s", 1.25),
        on_postgres(Row::compared("a", "/s", 500.0, 1_000.0).bar(Bar::RatioAtLeast(0.9))),
    ];
    let expected = "| what | store | evercal | yardstick | ratio | bar |\n\
                    |---|---|---|---|---|---|\n\
                    | a | SQLite | 950 /s | 1000 /s | 0.95 × | at least 0.9 × |\n\
                    | a | PostgreSQL | 500 /s | 1000 /s | 0.50 × | **missed**: at least 0.9 × |\n\
                    | b | SQLite | 1.2 s | – | – |  |\n";
    assert_eq!(table(&rows), expected);
}

#[test]
fn one_store_stands_beside_the_other_where_both_were_measured() {
    let rows = [Row::alone("sync", "s", 6.0), on_postgres(Row::alone("sync", "s", 9.0)), Row::alone("b", "s", 1.0)];
    let row = Row::beside(&rows, "sync", "PostgreSQL", "SQLite").unwrap().bar(Bar::RatioAtMost(1.5));
    assert_eq!((row.store, row.ratio(), row.is_missed()), ("PostgreSQL", Some(1.5), false));
    assert!(Row::beside(&rows, "b", "PostgreSQL", "SQLite").is_none());
}

#[test]
fn a_bar_is_missed_beyond_it_and_kept_at_it() {
    let row = |ours, bar| Row::compared("row", "", ours, 10.0).bar(bar).is_missed();
    for (bar, kept, missed) in [
        (Bar::AtMost(3.0), 3.0, 3.1),
        (Bar::AtLeast(3.0), 3.0, 2.9),
        (Bar::CountAtMost(3.0), 3.0, 4.0),
        (Bar::RatioAtLeast(5.0), 50.0, 49.0),
        (Bar::RatioAtMost(1.6), 16.0, 16.1),
    ] {
        assert!(!row(kept, bar), "{bar:?} {kept}");
        assert!(row(missed, bar), "{bar:?} {missed}");
    }
    assert!(!row(1e9, Bar::None));
    let without_yardstick = Row::alone("row", "", 10.0).bar(Bar::RatioAtMost(1.6));
    assert!(without_yardstick.is_missed());
}

#[test]
fn only_counts_fail_the_command() {
    let slow = Row::alone("slow", "s", 9.0).bar(Bar::AtMost(8.0));
    let lost = on_postgres(Row::alone("lost", "", 1.0).bar(Bar::CountAtMost(0.0)));
    let kept = Row::alone("kept", "", 0.0).bar(Bar::CountAtMost(0.0));
    assert_eq!(missed_counts(&[slow, lost, kept]), ["lost (PostgreSQL): 1, **missed**: at most 0"]);
}

#[test]
fn the_table_replaces_what_is_between_the_markers_alone() {
    let text = format!("before\n{BEGIN}\nold\n{END}\nafter\n");
    assert_eq!(put_into(&text, "new\n").unwrap(), format!("before\n{BEGIN}\nnew\n{END}\nafter\n"));
    assert!(put_into("before", "new").is_err());
}

#[test]
fn a_median_is_the_middle_one_and_a_percentile_the_nearest_rank() {
    assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
    let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
    assert!((percentile(&hundred, 99) - 99.0).abs() < f64::EPSILON);
    assert!((percentile(&[7.0], 1) - 7.0).abs() < f64::EPSILON);
}
