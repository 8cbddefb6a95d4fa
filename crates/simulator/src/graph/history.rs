//! What changes leave in a calendar's history, and whom they are told. Every change goes through [`World::store_event`].

use chrono::{DateTime, Utc};

use super::World;
use super::announcements;
use super::store::{Change, EventRecord};

impl World {
    /// Stores an event as the newest change of its calendar, and notifies those who watch it.
    pub(crate) fn store_event(&mut self, mut event: EventRecord, change: Change, now: DateTime<Utc>) {
        let real_now = self.clock.real_now();
        let Some(calendar) = self.provider.calendars.get_mut(&event.calendar) else { return };
        let (ordinal, version) = calendar.next_position(&event.key);
        event.ordinal = ordinal;
        event.version = version;
        match change {
            Change::Exception(slot) => {
                if let Some(exception) = event.exceptions.get_mut(&slot) {
                    exception.version = version;
                }
            }
            Change::Created | Change::Updated | Change::Deleted => event.own_version = version,
        }
        self.journal.put(&event.journal_key(), &event);
        calendar.put(event.clone());
        calendar.note_change(real_now);
        if self.provider.announces_changes {
            announcements::announce(self, &event, change, now);
        }
    }
}
