//! Recurrence: the rules of a series become its occurrences inside a window. The only place that knows recurrence.
//!
//! A series is anchored at its master's start and repeats by the wall clock of its zone; all-day series repeat by
//! date and never meet a zone. `calcard` computes the wall-clock times of a rule; this crate reads rules
//! strictly, brings old series to the window without walking there, turns wall-clock times into instants, and applies
//! dates, exceptions and cancellations.
//!
//! A provider that sends iCalendar text (CalDAV) reads the times of an object with [`CalendarObject`], makes events of
//! them, and from then on they are series like any other.
//!
//! Not for: I/O, storage, a clock. Expansion is CPU work of bounded time; async callers run it in `spawn_blocking`.

mod content_line;
mod error;
mod expansion;
mod following;
mod lines;
mod object;
mod own_zone;
mod pattern;
mod possible;
mod rule;
mod rule_starts;
mod series;
mod stamp;
mod window;
mod within_day;
mod zone;
mod zone_names;

pub use error::ExpandError;
pub use expansion::{expand_series, expand_series_within, single_occurrence};
pub use lines::RULES_PER_SERIES_MAX;
pub use lines::warnings;
pub use object::{CalendarObject, ObjectEvent};
pub use rule::INTERVAL_MAX;
pub use rule_starts::{STEPS_PER_RULE_MAX, Steps};
pub use series::Series;
pub use window::Window;
pub use zone_names::exact as zone_of_exact_name;
