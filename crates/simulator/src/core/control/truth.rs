//! What the provider really has, for comparing a mirror with it. These are no calls: they are not counted, and no fault
//! happens to them.

use serde_json::{Map, Value};

use super::{CalendarTruth, Control, ControlError, need_calendar, not_found, user_id};
use crate::core::world::World;
use crate::google::calendars::AccessRole;
use crate::google::events;
use crate::google::store::Calendar;

impl Control {
    /// What a complete mirror of the calendar holds.
    pub fn truth(&self, calendar: &str) -> Result<CalendarTruth, ControlError> {
        self.with(|world| truth(need_calendar(world, calendar)?, AccessRole::Owner))
    }

    /// What a complete mirror of the calendar holds that reads it as this user.
    pub fn truth_for(&self, calendar: &str, user: &str) -> Result<CalendarTruth, ControlError> {
        self.with(|world| truth(need_calendar(world, calendar)?, role_of(world, calendar, user)?))
    }

    /// What `events.list` with `singleEvents` gives the owner between two instants (RFC 3339), all pages of it.
    pub fn occurrences(&self, calendar: &str, from: &str, to: &str) -> Result<Vec<Map<String, Value>>, ControlError> {
        self.with(|world| occurrences(need_calendar(world, calendar)?, AccessRole::Owner, from, to))
    }

    /// The same as this user.
    pub fn occurrences_for(
        &self,
        calendar: &str,
        user: &str,
        from: &str,
        to: &str,
    ) -> Result<Vec<Map<String, Value>>, ControlError> {
        self.with(|world| occurrences(need_calendar(world, calendar)?, role_of(world, calendar, user)?, from, to))
    }
}

fn role_of(world: &World, calendar: &str, user: &str) -> Result<AccessRole, ControlError> {
    let user = user_id(world, user)?;
    let role = need_calendar(world, calendar)?.record.access.get(&user).copied();
    role.filter(|role| *role != AccessRole::None).ok_or_else(|| not_found("calendar", calendar))
}

fn truth(calendar: &Calendar, role: AccessRole) -> Result<CalendarTruth, ControlError> {
    let events = events::listed(calendar, role, &[])?;
    Ok(CalendarTruth { calendar: calendar.record.id.clone(), version: calendar.last_version(), events })
}

fn occurrences(
    calendar: &Calendar,
    role: AccessRole,
    from: &str,
    to: &str,
) -> Result<Vec<Map<String, Value>>, ControlError> {
    Ok(events::listed(calendar, role, &[("singleEvents", "true"), ("timeMin", from), ("timeMax", to)])?)
}
