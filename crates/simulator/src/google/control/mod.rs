//! What the control API does to the simulated Google as to every provider: users, calendars, events, grants. What Google
//! alone has is in [`own`].

mod own;

use serde_json::{Map, Value};

use super::errors::ApiError;
use super::event_resource::Change;
use super::store::Calendar;
use super::users::User;
use super::{Google, World, calendars, changes, channels, demo, history, truth, writes};
use crate::core::changes::{BulkChanges, ChangeSummary};
use crate::core::channels::ChannelReport;
use crate::core::control::{
    AddressChange, CalendarAccess, Consent, ControlError, IssuedTokens, NewCalendar, NewUser, ProviderControl,
    TokenRequest, TrueEvent, Truth,
};
use crate::core::options::OauthClient;

pub(crate) use own::routes;

/// What a token may do whose request names no scopes.
const FULL_ACCESS: &str = "https://www.googleapis.com/auth/calendar";

impl ProviderControl for Google {
    fn create_user(world: &mut World, user: &NewUser) -> Result<(), ControlError> {
        if !world.provider.is_taken(&user.email) && world.add_user(&user.email, &user.name, &user.time_zone) {
            Ok(())
        } else {
            Err(ControlError::exists("user", &user.email))
        }
    }

    fn change_address(world: &mut World, user: &str, change: &AddressChange) -> Result<(), ControlError> {
        let first = user_id(world, user)?;
        if world.provider.is_taken(&change.email) && world.provider.inner(&change.email) != first {
            return Err(ControlError::exists("user", &change.email));
        }
        world.change_address(&first, &change.email, change.keeps_alias);
        Ok(())
    }

    fn create_calendar(world: &mut World, calendar: &NewCalendar) -> Result<String, ControlError> {
        let owner = user_id(world, &calendar.owner)?;
        let id = match &calendar.id {
            Some(id) if world.provider.is_taken(id) => return Err(ControlError::exists("calendar", id)),
            Some(id) => id.clone(),
            None => world.new_calendar_id(),
        };
        let mut record = calendars::new_record(&id, &calendar.summary, &calendar.time_zone, &owner);
        record.watchable = calendar.watchable;
        world.add_calendar(record);
        Ok(id)
    }

    fn patch_calendar(world: &mut World, calendar: &str, summary: &str, time_zone: &str) -> Result<(), ControlError> {
        let mut record = need_calendar(world, calendar)?.record.clone();
        summary.clone_into(&mut record.summary);
        time_zone.clone_into(&mut record.time_zone);
        let record = world.save_calendar(record);
        world.announce_lists_with(&record.id);
        Ok(())
    }

    fn delete_calendar(world: &mut World, calendar: &str) -> Result<(), ControlError> {
        let calendar = calendar_id(world, calendar)?;
        world.delete_calendar(&calendar);
        Ok(())
    }

    fn set_watchable(world: &mut World, calendar: &str, watchable: bool) -> Result<(), ControlError> {
        let mut record = need_calendar(world, calendar)?.record.clone();
        record.watchable = watchable;
        world.save_calendar(record);
        Ok(())
    }

    fn set_access(world: &mut World, access: &CalendarAccess) -> Result<(), ControlError> {
        let user = user_id(world, &access.user)?;
        let calendar = calendar_id(world, &access.calendar)?;
        world.set_access(&calendar, &user, access.role);
        Ok(())
    }

    fn expire_sync_tokens(world: &mut World, calendar: &str) -> Result<(), ControlError> {
        let mut record = need_calendar(world, calendar)?.record.clone();
        record.token_generation += 1;
        world.save_calendar(record);
        Ok(())
    }

    fn insert_event(
        world: &mut World,
        calendar: &str,
        event: Map<String, Value>,
    ) -> Result<Map<String, Value>, ControlError> {
        let calendar = calendar_id(world, calendar)?;
        let owner = need_calendar(world, &calendar)?.record.owner.clone();
        let now = world.now_for(&calendar, None);
        Ok(writes::insert_event(world, &calendar, &owner, event, now)?)
    }

    fn patch_event(
        world: &mut World,
        calendar: &str,
        event: &str,
        change: Map<String, Value>,
    ) -> Result<Map<String, Value>, ControlError> {
        let calendar = calendar_id(world, calendar)?;
        let now = world.now_for(&calendar, None);
        Ok(writes::change_event(world, &calendar, event, change, Change::Patch, now)?)
    }

    fn delete_event(world: &mut World, calendar: &str, event: &str) -> Result<(), ControlError> {
        let calendar = calendar_id(world, calendar)?;
        let now = world.now_for(&calendar, None);
        history::cancel(world, &calendar, event, now)?;
        Ok(())
    }

    fn make_change(
        world: &mut World,
        bulk: &BulkChanges,
        position: u32,
        summary: &mut ChangeSummary,
    ) -> Result<(), ControlError> {
        let calendar = calendar_id(world, &bulk.calendar)?;
        Ok(changes::make_one(world, &calendar, bulk, position, summary)?)
    }

    fn announce_changes(world: &mut World, calendar: &str) -> Result<(), ControlError> {
        let calendar = calendar_id(world, calendar)?;
        demo::announce_once(world, &calendar);
        Ok(())
    }

    fn channels(world: &World) -> Vec<ChannelReport> {
        channels::report(world)
    }

    fn set_consent(world: &mut World, consent: &Consent) -> Result<(), ControlError> {
        let mut record = need_user(world, &consent.user)?.record.clone();
        record.denies_consent = consent.deny;
        record.unticked_scopes.clone_from(&consent.untick_scopes);
        world.save_user(record);
        Ok(())
    }

    fn issue_tokens(
        world: &mut World,
        client: &OauthClient,
        request: &TokenRequest,
    ) -> Result<IssuedTokens, ControlError> {
        let user = user_id(world, &request.user)?;
        let scopes = if request.scopes.is_empty() { vec![FULL_ACCESS.to_owned()] } else { request.scopes.clone() };
        let tokens = world.grant(&user, client, scopes, true);
        Ok(IssuedTokens {
            access_token: tokens.access_token,
            refresh_token: tokens.refresh_token,
            expires_in: tokens.expires_in_s,
        })
    }

    fn revoke_grants(world: &mut World, user: &str) -> Result<usize, ControlError> {
        let user = user_id(world, user)?;
        Ok(world.revoke_grants(&user, None))
    }

    fn expire_access_tokens(world: &mut World, user: Option<&str>) -> Result<usize, ControlError> {
        let user = user.map(|user| user_id(world, user)).transpose()?;
        Ok(world.expire_access_tokens(user.as_deref()))
    }

    fn truth(world: &World, calendar: &str, user: Option<&str>) -> Result<Truth, ControlError> {
        let calendar = need_calendar(world, calendar)?;
        let resources = truth::listed(world, calendar, user)?;
        Ok(Truth {
            calendar: calendar.record.id.clone(),
            version: calendar.last_version(),
            events: resources.iter().map(truth::event).collect(),
        })
    }

    fn occurrences(
        world: &World,
        calendar: &str,
        user: Option<&str>,
        from: &str,
        to: &str,
    ) -> Result<Vec<TrueEvent>, ControlError> {
        let resources = truth::instances(world, need_calendar(world, calendar)?, user, from, to)?;
        Ok(resources.iter().map(truth::event).collect())
    }
}

impl From<ApiError> for ControlError {
    fn from(error: ApiError) -> Self {
        Self::Refused { status: error.status, reason: error.into_text() }
    }
}

fn need_user<'a>(world: &'a World, email: &str) -> Result<&'a User, ControlError> {
    world.provider.users.get(world.provider.inner(email)).ok_or_else(|| ControlError::not_found("user", email))
}

fn need_calendar<'a>(world: &'a World, id: &str) -> Result<&'a Calendar, ControlError> {
    let found = world.provider.calendars.get(world.provider.inner(id));
    found.filter(|calendar| !calendar.record.deleted).ok_or_else(|| ControlError::not_found("calendar", id))
}

/// What a user is called inside, by any address that the user ever had.
fn user_id(world: &World, email: &str) -> Result<String, ControlError> {
    need_user(world, email).map(|user| user.record.email.clone())
}

/// The same for a calendar.
fn calendar_id(world: &World, id: &str) -> Result<String, ControlError> {
    need_calendar(world, id).map(|calendar| calendar.record.id.clone())
}
