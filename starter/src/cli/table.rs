//! Tables for people: at most 100 columns wide, one line per row, safe to print whatever a calendar's owner wrote.

use std::io::IsTerminal as _;

use comfy_table::{Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, Row, Table, presets};

/// The widest line, in columns of a terminal.
const WIDTH_MAX: u16 = 100;
/// A narrower terminal wraps lines itself; below this, tables would be nothing but `…`.
const WIDTH_MIN: u16 = 60;
/// Never part of a text that went through [`plain`]. Tables break lines at delimiters; this makes them fill each line.
const NO_DELIMITER: char = '\0';

/// What the output goes to.
#[derive(Debug, Clone, Copy)]
pub struct Screen {
    /// Columns of a line.
    pub width: u16,
    has_colours: bool,
}

impl Screen {
    /// The process's stdout. Colours only on a terminal, and not with `NO_COLOR` (no-color.org).
    pub fn detect(find: &dyn Fn(&str) -> Option<String>) -> Self {
        let no_colour = find("NO_COLOR").is_some_and(|value| !value.is_empty());
        let width = Table::new().width().unwrap_or(WIDTH_MAX).clamp(WIDTH_MIN, WIDTH_MAX);
        Self { width, has_colours: std::io::stdout().is_terminal() && !no_colour }
    }

    /// A screen of this width, without colours.
    #[cfg(all(test, feature = "dev"))]
    pub fn plain(width: u16) -> Self {
        Self { width, has_colours: false }
    }
}

/// A column of a list.
#[derive(Debug, Clone, Copy)]
pub enum Column {
    /// Always shown whole: ids, states, times.
    Whole(&'static str),
    /// Shown whole, at the right.
    Number(&'static str),
    /// Gives way, and is cut with `…`: titles, places.
    Elastic(&'static str),
}

impl Column {
    fn title(self) -> &'static str {
        match self {
            Self::Whole(title) | Self::Number(title) | Self::Elastic(title) => title,
        }
    }
}

/// A list as a table, ending with a newline.
pub fn list<const N: usize>(screen: Screen, columns: [Column; N], rows: impl IntoIterator<Item = [Cell; N]>) -> String {
    let mut table = new_table(screen);
    table.set_delimiter(NO_DELIMITER).set_header(columns.map(|column| Cell::new(column.title())));
    for row in rows {
        let mut row = Row::from(row);
        row.max_height(1);
        table.add_row(row);
    }
    for (column, shown) in columns.iter().zip(table.column_iter_mut()) {
        shown.set_padding((0, 2));
        match column {
            Column::Whole(_) => drop(shown.set_constraint(ColumnConstraint::ContentWidth)),
            Column::Number(_) => {
                shown.set_constraint(ColumnConstraint::ContentWidth);
                shown.set_cell_alignment(CellAlignment::Right);
            }
            Column::Elastic(_) => {}
        }
    }
    finished(&table)
}

/// Named values, one below the other, ending with a newline; long ones go on in the next line.
pub fn fields(screen: Screen, rows: impl IntoIterator<Item = (&'static str, Cell)>) -> String {
    let mut table = new_table(screen);
    for (name, value) in rows {
        table.add_row([Cell::new(name), value]);
    }
    for (index, shown) in table.column_iter_mut().enumerate() {
        shown.set_padding((0, 2));
        if index == 0 {
            shown.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    finished(&table)
}

fn new_table(screen: Screen) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(screen.width);
    table.force_no_tty();
    if screen.has_colours {
        table.enforce_styling().style_text_only();
    }
    table
}

fn finished(table: &Table) -> String {
    format!("{}\n", table.trim_fmt())
}

/// A cell with a text from outside.
pub fn text(text: &str) -> Cell {
    Cell::new(plain(text))
}

/// A state's name: green where all is well, red where somebody has to act, yellow between.
pub fn state(name: &str) -> Cell {
    let colour = match name {
        "live" | "connected" => Color::Green,
        "needs_reauth" | "action_required" => Color::Red,
        "closed" | "disconnected" => Color::DarkGrey,
        _ => Color::Yellow,
    };
    Cell::new(plain(name).replace('_', " ")).fg(colour)
}

/// A text as one line that a terminal only shows: what would steer it (control characters) or reorder the line
/// (Unicode's directional formatting, UAX 9 section 2) becomes a space.
pub fn plain(text: &str) -> String {
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{061c}')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if steers(c) { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests;
