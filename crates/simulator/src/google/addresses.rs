//! Users whose address changed. Their grants, calendars and channels stay what they were; the primary calendar, whose id is
//! the address, is listed and found under the new one. Inside, everything keeps the name that it was made with.

use serde::{Deserialize, Serialize};

use super::Google;
use super::World;
use crate::core::channels::Collection;

/// What a user is called by now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NewAddress {
    /// The address that the user was created with.
    pub(crate) first: String,
    pub(crate) now: String,
    /// Whether earlier addresses are still accepted.
    pub(crate) keeps_alias: bool,
    /// The addresses before, without the first one.
    pub(crate) between: Vec<String>,
}

impl Google {
    /// The address that a user, or the id that a calendar, has by now.
    pub(crate) fn shown<'a>(&'a self, id: &'a str) -> &'a str {
        self.addresses.get(id).map_or(id, |address| &address.now)
    }

    /// What a user or a calendar is called inside, by an address or id that a client knows; nothing where it is no more.
    pub(crate) fn resolve<'a>(&'a self, id: &'a str) -> Option<&'a str> {
        for address in self.addresses.values() {
            if address.now == id {
                return Some(&address.first);
            }
            if address.first == id || address.between.iter().any(|before| before == id) {
                return address.keeps_alias.then_some(&address.first);
            }
        }
        Some(id)
    }

    /// The same for the control API, which accepts every address that ever was.
    pub(crate) fn inner<'a>(&'a self, id: &'a str) -> &'a str {
        let knows = |address: &&NewAddress| address.now == id || address.between.iter().any(|before| before == id);
        self.addresses.values().find(knows).map_or(id, |address| &address.first)
    }

    /// Whether an address or a calendar's id is, or was, somebody's.
    pub(crate) fn is_taken(&self, id: &str) -> bool {
        let inner = self.inner(id);
        self.users.contains_key(inner) || self.calendars.contains_key(inner)
    }
}

impl World {
    /// Gives a user another address. Everybody who lists the user's primary calendar finds it under that.
    pub(crate) fn change_address(&mut self, first: &str, now: &str, keeps_alias: bool) {
        let mut between = self.provider.addresses.get(first).map(|before| before.between.clone()).unwrap_or_default();
        between.extend(self.provider.addresses.get(first).map(|before| before.now.clone()));
        between.retain(|before| before != now);
        let address = NewAddress { first: first.to_owned(), now: now.to_owned(), keeps_alias, between };
        self.journal.put(&format!("google/address/{first}"), &address);
        self.provider.addresses.insert(first.to_owned(), address);
        if let Some(mut record) = self.provider.calendars.get(first).map(|calendar| calendar.record.clone()) {
            // A primary calendar that nobody gave a name is called by the address.
            if record.summary == first || self.provider.inner(&record.summary) == first {
                now.clone_into(&mut record.summary);
            }
            self.save_calendar(record);
        }
        let lists =
            self.provider.users.values().filter(|user| user.list.get(first).is_some_and(|entry| !entry.deleted));
        let users: Vec<String> = lists.map(|user| user.record.email.clone()).collect();
        for user in users {
            let collection = Collection::CalendarList { user };
            let at = self.now_for(&collection.key(), None);
            self.announce(&collection, at);
        }
    }
}
