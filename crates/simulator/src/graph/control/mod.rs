//! What the control API does to the simulated Microsoft as to every provider: users, calendars, events, grants. A user's address
//! names their default calendar too. What Microsoft alone has is in [`own`].

mod own;

use chrono::NaiveDate;
use serde_json::{Map, Value};

use super::errors::ApiError;
use super::event_fields::Author;
use super::ids::long_id;
use super::notices::{NewNotice, NoticeContent};
use super::request::Preferences;
use super::store::Calendar;
use super::store::Change;
use super::subscriptions;
use super::times::{Window, parse_instant};
use super::users::UserRecord;
use super::{Graph, World, announcements, changes, events, subscription_report, truth, writes};
use crate::core::changes::{BulkChanges, ChangeSummary};
use crate::core::channels::ChannelReport;
use crate::core::control::{
    AddressChange, CalendarAccess, Consent, ControlError, IssuedTokens, NewCalendar, NewUser, ProviderControl,
    TokenRequest, TrueEvent, Truth,
};
use crate::core::options::OauthClient;

pub use own::LifecycleEvent;
pub(crate) use own::routes;

/// What a token may do whose request names no scopes.
const FULL_ACCESS: [&str; 2] = ["Calendars.ReadWrite", "User.Read"];

impl ProviderControl for Graph {
    fn create_user(world: &mut World, user: &NewUser) -> Result<(), ControlError> {
        if world.add_user(&user.email, &user.name, &user.time_zone) {
            Ok(())
        } else {
            Err(ControlError::exists("user", &user.email))
        }
    }

    fn change_address(world: &mut World, user: &str, change: &AddressChange) -> Result<(), ControlError> {
        let mut record = need_user(world, user)?.clone();
        if world.user(&change.email).is_some_and(|other| other.oid != record.oid) {
            return Err(ControlError::exists("user", &change.email));
        }
        let before = std::mem::replace(&mut record.email, change.email.clone());
        record.past_emails.push(before);
        world.save_user(record);
        Ok(())
    }

    fn create_calendar(world: &mut World, calendar: &NewCalendar) -> Result<String, ControlError> {
        let owner = need_user(world, &calendar.owner)?.oid.clone();
        let id = match &calendar.id {
            // Ids are long in any case: what is given is what it is made of.
            Some(id) => long_id(world.seed(), "named calendar", id),
            None => world.new_calendar_id(),
        };
        if world.provider.calendars.contains_key(&id) {
            return Err(ControlError::exists("calendar", &id));
        }
        let mut record = world.new_calendar_record(&id, &calendar.summary, &calendar.time_zone, &owner);
        record.watchable = calendar.watchable;
        world.add_calendar(record);
        Ok(id)
    }

    fn patch_calendar(world: &mut World, calendar: &str, summary: &str, time_zone: &str) -> Result<(), ControlError> {
        let mut record = need_calendar(world, calendar)?.record.clone();
        summary.clone_into(&mut record.name);
        time_zone.clone_into(&mut record.time_zone);
        let record = world.save_calendar(record);
        world.announce_lists_with(&record);
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
        let user = need_user(world, &access.user)?.oid.clone();
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
        let now = world.now_for(&calendar, None);
        let key = writes::insert(world, &calendar, &event, Author::Control, None, now)?;
        shown(world, &calendar, &key, None)
    }

    fn patch_event(
        world: &mut World,
        calendar: &str,
        event: &str,
        change: Map<String, Value>,
    ) -> Result<Map<String, Value>, ControlError> {
        let (calendar, key, slot) = find(world, calendar, event)?;
        let now = world.now_for(&calendar, None);
        writes::patch(world, &calendar, &key, slot, &change, Author::Control, now)?;
        shown(world, &calendar, &key, slot)
    }

    fn delete_event(world: &mut World, calendar: &str, event: &str) -> Result<(), ControlError> {
        let (calendar, key, slot) = find(world, calendar, event)?;
        let now = world.now_for(&calendar, None);
        writes::remove(world, &calendar, &key, slot, now)?;
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

    /// Of the event that changed last: Microsoft has no notice that is about none.
    fn announce_changes(world: &mut World, calendar: &str) -> Result<(), ControlError> {
        let id = calendar_id(world, calendar)?;
        let calendar = need_calendar(world, &id)?;
        let last = calendar.last_version();
        let newest = calendar.by_version(last, last).next().cloned();
        let now = world.now_for(&id, None);
        if let Some(event) = newest {
            let change = if event.deleted { Change::Deleted } else { Change::Updated };
            announcements::announce(world, &event, change, now);
        }
        Ok(())
    }

    fn channels(world: &World) -> Vec<ChannelReport> {
        subscription_report::report(world)
    }

    fn set_consent(world: &mut World, consent: &Consent) -> Result<(), ControlError> {
        let mut record = need_user(world, &consent.user)?.clone();
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
        let user = need_user(world, &request.user)?.oid.clone();
        let full = FULL_ACCESS.map(str::to_owned);
        let scopes = if request.scopes.is_empty() { &full[..] } else { &request.scopes };
        let tokens = world.grant(&user, &client.id, scopes, true);
        Ok(IssuedTokens {
            access_token: tokens.access_token,
            refresh_token: tokens.refresh_token,
            expires_in: tokens.expires_in_s,
        })
    }

    fn revoke_grants(world: &mut World, user: &str) -> Result<usize, ControlError> {
        let user = need_user(world, user)?.oid.clone();
        Ok(world.revoke_grants(&user))
    }

    fn expire_access_tokens(world: &mut World, user: Option<&str>) -> Result<usize, ControlError> {
        let user = user.map(|user| need_user(world, user).map(|user| user.oid.clone())).transpose()?;
        Ok(world.expire_access_tokens(user.as_deref()))
    }

    fn truth(world: &World, calendar: &str, user: Option<&str>) -> Result<Truth, ControlError> {
        let calendar = need_calendar(world, calendar)?;
        let role = truth::role_of(world, calendar, user)?;
        Ok(Truth {
            calendar: calendar.record.id.clone(),
            version: calendar.last_version(),
            events: truth::listed(world, calendar, role),
        })
    }

    fn occurrences(
        world: &World,
        calendar: &str,
        user: Option<&str>,
        from: &str,
        to: &str,
    ) -> Result<Vec<TrueEvent>, ControlError> {
        let calendar = need_calendar(world, calendar)?;
        let role = truth::role_of(world, calendar, user)?;
        let instant = |text: &str| {
            parse_instant(text).ok_or_else(|| ControlError::Invalid(format!("{text} is no instant of RFC 3339")))
        };
        Ok(truth::single(world, calendar, role, Window { from: instant(from)?, to: instant(to)? }))
    }
}

impl From<ApiError> for ControlError {
    fn from(error: ApiError) -> Self {
        Self::Refused { status: error.status, reason: error.into_text() }
    }
}

fn need_user<'a>(world: &'a World, name: &str) -> Result<&'a UserRecord, ControlError> {
    world.user(name).ok_or_else(|| ControlError::not_found("user", name))
}

/// A calendar by its id, or the default one of a user.
fn need_calendar<'a>(world: &'a World, name: &str) -> Result<&'a Calendar, ControlError> {
    let id = world.user(name).map_or(name, |user| user.default_calendar.as_str());
    let named = long_id(world.seed(), "named calendar", name);
    let found = world.provider.calendars.get(id).or_else(|| world.provider.calendars.get(&named));
    found.filter(|calendar| !calendar.record.deleted).ok_or_else(|| ControlError::not_found("calendar", name))
}

fn calendar_id(world: &World, name: &str) -> Result<String, ControlError> {
    need_calendar(world, name).map(|calendar| calendar.record.id.clone())
}

/// Where an event is, by either of its ids.
fn find(world: &World, calendar: &str, event: &str) -> Result<(String, String, Option<NaiveDate>), ControlError> {
    let calendar = need_calendar(world, calendar)?;
    let (key, slot) = events::find_in(world, calendar, event)?;
    Ok((calendar.record.id.clone(), key, slot))
}

/// An event as its owner sees it, with immutable ids.
fn shown(
    world: &World,
    calendar: &str,
    key: &str,
    slot: Option<NaiveDate>,
) -> Result<Map<String, Value>, ControlError> {
    Ok(events::shown(world, &writes::as_owner(calendar), key, slot, &Preferences::of_control())?)
}

/// What only the control API makes Microsoft say of a subscription.
fn tell(world: &mut World, subscription: &str, event: &str) -> Result<(), ControlError> {
    let record = world.provider.subscriptions.by_id(subscription);
    let mut record = record.ok_or_else(|| ControlError::not_found("subscription", subscription))?.clone();
    let now = world.now_for(&subscriptions::collection_of(world, &record.user, &record.watched).key(), None);
    let content = NoticeContent::Lifecycle { event: event.to_owned() };
    world.queue_notice(&NewNotice { subscription: record.number, content, now });
    if event == LifecycleEvent::SubscriptionRemoved.word() {
        record = world.provider.subscriptions.get(record.number).cloned().unwrap_or(record);
        record.stopped_at = Some(now);
        world.save_subscription(record);
    }
    Ok(())
}
