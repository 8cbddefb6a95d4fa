//! Finds the account or calendar that somebody means: by its id, the beginning of its id, or a part of its name.

use evercal_domain::{AccountId, CalendarId};
use serde::de::DeserializeOwned;

use super::answers::{Account, Calendar, List, read};
use super::client::ApiClient;
use super::error::{CliError, Failure};
use super::table::plain;

/// Candidates that an error lists.
const CANDIDATES_SHOWN_MAX: usize = 10;

/// Something with an id and a name.
pub trait Named: DeserializeOwned {
    /// What it is called.
    const KIND: &'static str;
    /// Its list in the API, and the command that shows it.
    const LIST: &'static str;
    /// The prefix of its ids.
    const ID_PREFIX: &'static str;
    /// Its id.
    fn id(&self) -> String;
    /// Its name for people; not unique.
    fn name(&self) -> &str;
    /// Whether `text` is a whole id.
    fn is_id(text: &str) -> bool;
}

impl Named for Calendar {
    const KIND: &'static str = "calendar";
    const LIST: &'static str = "calendars";
    const ID_PREFIX: &'static str = CalendarId::PREFIX;

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn name(&self) -> &str {
        &self.title
    }

    fn is_id(text: &str) -> bool {
        text.parse::<CalendarId>().is_ok()
    }
}

impl Named for Account {
    const KIND: &'static str = "account";
    const LIST: &'static str = "accounts";
    const ID_PREFIX: &'static str = AccountId::PREFIX;

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn name(&self) -> &str {
        &self.label
    }

    fn is_id(text: &str) -> bool {
        text.parse::<AccountId>().is_ok()
    }
}

/// Asks the API for the one thing that `wanted` means.
pub async fn find<T: Named>(api: &ApiClient, wanted: &str) -> Result<T, CliError> {
    if T::is_id(wanted) {
        return read(api, api.get(&[T::LIST, wanted]).await?);
    }
    let all: List<T> = read(api, api.list(&[T::LIST], &[], None).await?)?;
    pick(wanted, all.items)
}

/// The one of `all` that `wanted` means. An id's beginning goes before names, and a whole name before a part of one.
fn pick<T: Named>(wanted: &str, all: Vec<T>) -> Result<T, CliError> {
    let lower = wanted.to_lowercase();
    let by_id = |item: &T| wanted.starts_with(T::ID_PREFIX) && item.id().starts_with(wanted);
    let by_name = |item: &T| item.name().to_lowercase() == lower;
    let by_part = |item: &T| item.name().to_lowercase().contains(&lower);
    let mut rest = all;
    for fits in [&by_id as &dyn Fn(&T) -> bool, &by_name, &by_part] {
        let (mut fitting, others): (Vec<T>, Vec<T>) = rest.into_iter().partition(|item| fits(item));
        match fitting.len() {
            0 => rest = others,
            1 => return fitting.pop().ok_or_else(|| unknown::<T>(wanted)),
            _ => return Err(ambiguous(wanted, &fitting)),
        }
    }
    Err(unknown::<T>(wanted))
}

fn unknown<T: Named>(wanted: &str) -> CliError {
    let (kind, list, wanted) = (T::KIND, T::LIST, plain(wanted));
    CliError::new(
        Failure::NotFound,
        format!("no {kind} has an id or a name with `{wanted}`"),
        format!("`evercal {list}` lists them"),
    )
}

fn ambiguous<T: Named>(wanted: &str, fitting: &[T]) -> CliError {
    let mut lines = vec![format!("`{}` fits {} {}s:", plain(wanted), fitting.len(), T::KIND)];
    lines.extend(
        fitting.iter().take(CANDIDATES_SHOWN_MAX).map(|item| format!("  {}  {}", item.id(), plain(item.name()))),
    );
    if fitting.len() > CANDIDATES_SHOWN_MAX {
        lines.push(format!("  … and {} more", fitting.len() - CANDIDATES_SHOWN_MAX));
    }
    CliError::usage(lines.join("\n"), "give more of the name, or the id")
}

#[cfg(test)]
mod tests {
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
}
