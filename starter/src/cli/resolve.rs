//! Finds the account or calendar that somebody means: by its id, the beginning of its id, or a part of its name.

use std::str::FromStr;

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
    /// What its ids are.
    type Id: FromStr;
    /// Its id.
    fn id(&self) -> String;
    /// Its name for people; not unique.
    fn name(&self) -> &str;
}

impl Named for Calendar {
    const KIND: &'static str = "calendar";
    const LIST: &'static str = "calendars";
    const ID_PREFIX: &'static str = CalendarId::PREFIX;
    type Id = CalendarId;

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn name(&self) -> &str {
        &self.title
    }
}

impl Named for Account {
    const KIND: &'static str = "account";
    const LIST: &'static str = "accounts";
    const ID_PREFIX: &'static str = AccountId::PREFIX;
    type Id = AccountId;

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn name(&self) -> &str {
        &self.label
    }
}

/// Asks the API for the one thing that `wanted` means.
pub async fn find<T: Named>(api: &ApiClient, wanted: &str) -> Result<T, CliError> {
    if wanted.parse::<T::Id>().is_ok() {
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
mod tests;
