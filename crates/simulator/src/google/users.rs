//! The provider's users and what they answer on the consent screen.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::World;
use super::calendars;

/// A user without their list of calendars.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct UserRecord {
    pub(crate) email: String,
    pub(crate) name: String,
    pub(crate) time_zone: String,
    /// Order of creation; the first user is asked when a login names nobody.
    pub(crate) ordinal: u64,
    /// The user presses "cancel" on the consent screen.
    pub(crate) denies_consent: bool,
    /// Scopes that the user unticks on the consent screen.
    pub(crate) unticked_scopes: Vec<String>,
    /// Sync tokens of the calendar list of an older generation answer 410.
    pub(crate) token_generation: u64,
}

/// A user with their list of calendars.
pub(crate) struct User {
    pub(crate) record: UserRecord,
    pub(crate) list: BTreeMap<String, ListEntry>,
    pub(crate) list_version: u64,
}

/// One calendar in one user's list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ListEntry {
    pub(crate) user: String,
    pub(crate) calendar: String,
    pub(crate) version: u64,
    pub(crate) deleted: bool,
    /// The fields that the user has set: those of [`super::calendar_list`] that may be.
    pub(crate) settings: Map<String, Value>,
}

impl ListEntry {
    pub(crate) fn is_hidden(&self) -> bool {
        self.settings.get("hidden") == Some(&Value::Bool(true))
    }
}

impl User {
    pub(crate) fn new(record: UserRecord) -> Self {
        Self { record, list: BTreeMap::new(), list_version: 0 }
    }

    /// Whether a calendar is in the user's list.
    pub(crate) fn lists(&self, calendar: &str) -> bool {
        self.list.get(calendar).is_some_and(|entry| !entry.deleted)
    }
}

impl World {
    /// Creates a user with a primary calendar whose id is the e-mail address. False when the user exists.
    pub(crate) fn add_user(&mut self, email: &str, name: &str, time_zone: &str) -> bool {
        if self.provider.users.contains_key(email) {
            return false;
        }
        let record = UserRecord {
            email: email.to_owned(),
            name: name.to_owned(),
            time_zone: time_zone.to_owned(),
            ordinal: u64::try_from(self.provider.users.len()).unwrap_or(u64::MAX),
            denies_consent: false,
            unticked_scopes: Vec::new(),
            token_generation: 1,
        };
        self.save_user(record);
        self.add_calendar(calendars::new_record(email, email, time_zone, email));
        true
    }

    pub(crate) fn save_user(&mut self, record: UserRecord) {
        self.journal.put(&format!("google/user/{}", record.email), &record);
        match self.provider.users.get_mut(&record.email) {
            Some(user) => user.record = record,
            None => {
                self.provider.users.insert(record.email.clone(), User::new(record));
            }
        }
    }

    /// The user that a login names, else the one created first.
    pub(crate) fn login_user(&self, hint: Option<&str>) -> Option<&UserRecord> {
        match hint {
            Some(email) => self.provider.users.get(self.provider.resolve(email)?).map(|user| &user.record),
            None => self.provider.users.values().map(|user| &user.record).min_by_key(|record| record.ordinal),
        }
    }
}
