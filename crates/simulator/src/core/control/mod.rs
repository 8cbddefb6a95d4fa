//! The control API: what a test or a developer does to the provider and asks of it. The routes of
//! [`routes`] are thin wrappers of these methods. Never part of what a client under test may use.

pub(crate) mod routes;
mod truth;
mod types;

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Map, Value};

use crate::core::calls::CallReport;
use crate::core::faults::FaultPlan;
use crate::core::notices::NoticePlan;
use crate::core::world::{Shared, World};
use crate::google::calendars;
use crate::google::changes::{self, BulkChanges, ChangeNotices, ChangeSummary};
use crate::google::channels::{self, ChannelReport};
use crate::google::delivery::DeliverySummary;
use crate::google::demo;
use crate::google::quirks::Quirks;
use crate::google::quota::QuotaLimits;
use crate::google::writes::{self, Change};

pub use types::{
    AddressChange, CalendarAccess, CalendarTruth, ClockReport, Consent, ControlError, IssuedTokens, NewCalendar,
    NewUser, TokenRequest,
};

/// A handle on a running simulator.
#[derive(Clone)]
pub struct Control {
    shared: Arc<Shared>,
}

impl Control {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    fn with<T>(&self, work: impl FnOnce(&mut World) -> Result<T, ControlError>) -> Result<T, ControlError> {
        self.shared.with_world(work)?
    }

    /// Creates a user with a primary calendar.
    pub fn create_user(&self, user: &NewUser) -> Result<(), ControlError> {
        check_zone(&user.time_zone)?;
        self.with(|world| {
            if !world.google.is_taken(&user.email) && world.add_user(&user.email, &user.name, &user.time_zone) {
                Ok(())
            } else {
                Err(exists("user", &user.email))
            }
        })
    }

    /// Gives a user another address: the primary calendar is listed under it from now on, and grants stay.
    pub fn change_address(&self, user: &str, change: &AddressChange) -> Result<(), ControlError> {
        self.with(|world| {
            let first = user_id(world, user)?;
            if world.google.is_taken(&change.email) && world.google.inner(&change.email) != first {
                return Err(exists("user", &change.email));
            }
            world.change_address(&first, &change.email, change.keeps_alias);
            Ok(())
        })
    }

    /// Creates a calendar and answers with its id.
    pub fn create_calendar(&self, calendar: &NewCalendar) -> Result<String, ControlError> {
        check_zone(&calendar.time_zone)?;
        self.with(|world| {
            let owner = user_id(world, &calendar.owner)?;
            let id = match &calendar.id {
                Some(id) if world.google.is_taken(id) => {
                    return Err(exists("calendar", id));
                }
                Some(id) => id.clone(),
                None => format!("c_{}@group.calendar.google.com", world.new_id("calendar")),
            };
            let mut record = calendars::new_record(&id, &calendar.summary, &calendar.time_zone, &owner);
            record.watchable = calendar.watchable;
            world.add_calendar(record);
            Ok(id)
        })
    }

    /// Deletes a calendar for everybody.
    pub fn delete_calendar(&self, calendar: &str) -> Result<(), ControlError> {
        self.with(|world| {
            let calendar = calendar_id(world, calendar)?;
            world.delete_calendar(&calendar);
            Ok(())
        })
    }

    /// Says whether a calendar accepts channels (400 `pushNotSupportedForRequestedResource` when not).
    pub fn set_watchable(&self, calendar: &str, watchable: bool) -> Result<(), ControlError> {
        self.with(|world| {
            let mut record = need_calendar(world, calendar)?.record.clone();
            record.watchable = watchable;
            world.save_calendar(record);
            Ok(())
        })
    }

    /// Shares a calendar, changes the role, or takes the calendar away. Its sync tokens end.
    pub fn set_access(&self, access: &CalendarAccess) -> Result<(), ControlError> {
        self.with(|world| {
            let user = user_id(world, &access.user)?;
            let calendar = calendar_id(world, &access.calendar)?;
            world.set_access(&calendar, &user, access.role);
            Ok(())
        })
    }

    /// Renames a calendar, or moves it to another zone, as its owner would.
    pub fn patch_calendar(&self, calendar: &str, summary: &str, time_zone: &str) -> Result<(), ControlError> {
        self.with(|world| {
            let mut record = need_calendar(world, calendar)?.record.clone();
            summary.clone_into(&mut record.summary);
            time_zone.clone_into(&mut record.time_zone);
            world.save_calendar(record);
            world.announce_lists_with(calendar);
            Ok(())
        })
    }

    /// Inserts an event as the calendar's owner would.
    pub fn insert_event(&self, calendar: &str, event: Map<String, Value>) -> Result<Map<String, Value>, ControlError> {
        self.with(|world| {
            let calendar = calendar_id(world, calendar)?;
            let owner = need_calendar(world, &calendar)?.record.owner.clone();
            let now = world.now_for(&calendar, None);
            Ok(writes::insert_event(world, &calendar, &owner, event, now)?)
        })
    }

    /// Patches an event, or an instance of a series, as the calendar's owner would.
    pub fn patch_event(
        &self,
        calendar: &str,
        event: &str,
        change: Map<String, Value>,
    ) -> Result<Map<String, Value>, ControlError> {
        self.with(|world| {
            let calendar = calendar_id(world, calendar)?;
            let now = world.now_for(&calendar, None);
            let how = Change::Patch;
            Ok(writes::change_event(world, &calendar, event, change, how, now)?)
        })
    }

    /// Deletes an event, or an instance of a series, as the calendar's owner would.
    pub fn delete_event(&self, calendar: &str, event: &str) -> Result<(), ControlError> {
        self.with(|world| {
            let calendar = calendar_id(world, calendar)?;
            let now = world.now_for(&calendar, None);
            writes::cancel(world, &calendar, event, now)?;
            Ok(())
        })
    }

    /// Stores an event exactly as given, legal or not; it needs an `id`. For events that no client could make:
    /// poison, instances without a master, stubs.
    pub fn put_raw_event(&self, calendar: &str, event: Map<String, Value>) -> Result<Map<String, Value>, ControlError> {
        if !event.get("id").is_some_and(Value::is_string) {
            return Err(ControlError::Invalid("a raw event needs an id".to_owned()));
        }
        self.with(|world| {
            let calendar = calendar_id(world, calendar)?;
            let now = world.now_for(&calendar, None);
            Ok(world.store_event(&calendar, event, now))
        })
    }

    /// Makes many believable changes.
    pub async fn make_changes(&self, bulk: &BulkChanges) -> Result<ChangeSummary, ControlError> {
        if bulk.count > changes::COUNT_MAX {
            let most = changes::COUNT_MAX;
            return Err(ControlError::Invalid(format!("at most {most} changes at once")));
        }
        let bulk = BulkChanges { calendar: self.with(|world| calendar_id(world, &bulk.calendar))?, ..bulk.clone() };
        let mut summary = ChangeSummary::default();
        for position in 0..bulk.count {
            self.with(|world| Ok(changes::make_one(world, &bulk, position, &mut summary)?))?;
            if bulk.spacing_ms > 0 {
                tokio::time::sleep(Duration::from_millis(bulk.spacing_ms)).await;
            } else {
                tokio::task::yield_now().await;
            }
        }
        if bulk.notices == ChangeNotices::Once && bulk.count > 0 {
            self.with(|world| {
                demo::announce_once(world, &bulk.calendar);
                Ok(())
            })?;
        }
        Ok(summary)
    }

    /// Lets all sync tokens of a calendar answer 410, those of its last page included.
    pub fn expire_sync_tokens(&self, calendar: &str) -> Result<(), ControlError> {
        self.with(|world| {
            let mut record = need_calendar(world, calendar)?.record.clone();
            record.token_generation += 1;
            world.save_calendar(record);
            Ok(())
        })
    }

    /// Lets all page tokens of a calendar answer 400, as if the lists that they belong to had been left for too long.
    pub fn expire_page_tokens(&self, calendar: &str) -> Result<(), ControlError> {
        self.with(|world| {
            let mut record = need_calendar(world, calendar)?.record.clone();
            record.page_token_generation += 1;
            world.save_calendar(record);
            Ok(())
        })
    }

    /// Lets all sync tokens of a user's calendar list answer 410.
    pub fn expire_calendar_list_tokens(&self, user: &str) -> Result<(), ControlError> {
        self.with(|world| {
            let mut record = need_user(world, user)?.record.clone();
            record.token_generation += 1;
            world.save_user(record);
            Ok(())
        })
    }

    /// Forgets the calendar's past: older sync tokens answer 410, and tombstones are gone.
    pub fn shorten_history(&self, calendar: &str) -> Result<(), ControlError> {
        self.with(|world| {
            let calendar = calendar_id(world, calendar)?;
            let truth = need_calendar(world, &calendar)?;
            let mut record = truth.record.clone();
            record.history_floor = truth.last_version();
            let tombstones: Vec<String> = truth
                .all()
                .filter(|event| event.is_cancelled() && event.master_id().is_none())
                .map(|event| event.id.clone())
                .collect();
            world.save_calendar(record);
            for id in tombstones {
                world.forget_event(&calendar, &id);
            }
            Ok(())
        })
    }

    /// Arms faults; an empty plan disarms them.
    pub fn set_faults(&self, plan: FaultPlan) -> Result<(), ControlError> {
        self.with(|world| {
            world.faults.arm(plan);
            world.save_faults();
            Ok(())
        })
    }

    /// The faults that are armed.
    pub fn faults(&self) -> Result<FaultPlan, ControlError> {
        self.with(|world| Ok(world.faults.plan().clone()))
    }

    /// Sets what goes wrong with notices.
    pub fn set_notice_plan(&self, plan: NoticePlan) -> Result<(), ControlError> {
        self.with(|world| {
            world.notices.set(plan);
            world.save_notices();
            Ok(())
        })
    }

    /// Switches unusual but legal behaviour on or off.
    pub fn set_quirks(&self, quirks: Quirks) -> Result<(), ControlError> {
        self.with(|world| {
            world.set_quirks(quirks);
            Ok(())
        })
    }

    /// Sets the request limits per minute.
    pub fn set_quota(&self, limits: QuotaLimits) -> Result<(), ControlError> {
        if !matches!(limits.status, 403 | 429) {
            return Err(ControlError::Invalid("a quota answers 403 or 429".to_owned()));
        }
        self.with(|world| {
            world.set_quota(limits);
            Ok(())
        })
    }

    /// Calls so far.
    pub fn calls(&self) -> Result<CallReport, ControlError> {
        self.with(|world| Ok(world.calls.report()))
    }

    /// Forgets the calls so far.
    pub fn reset_calls(&self) -> Result<(), ControlError> {
        self.with(|world| {
            for index in world.calls.reset() {
                world.journal.remove(&format!("call/{index}"));
            }
            Ok(())
        })
    }

    /// Every channel that ever was, with its notices.
    pub fn channels(&self) -> Result<Vec<ChannelReport>, ControlError> {
        self.with(|world| Ok(channels::report(world)))
    }

    /// How many notices there are of each status.
    pub fn deliveries(&self) -> Result<DeliverySummary, ControlError> {
        self.with(|world| Ok(world.google.deliveries.summary()))
    }

    /// The clocks.
    pub fn clock(&self) -> Result<ClockReport, ControlError> {
        self.with(|world| Ok(clock_report(world)))
    }

    /// Moves the virtual clock of everything that has no time of its own to real time plus this many milliseconds.
    pub fn set_clock_offset(&self, offset_ms: i64) -> Result<ClockReport, ControlError> {
        let offset = TimeDelta::try_milliseconds(offset_ms)
            .filter(|offset| offset.num_days().abs() <= CLOCK_OFFSET_DAYS_MAX)
            .ok_or_else(|| ControlError::Invalid("the clock offset is too large".to_owned()))?;
        self.with(|world| {
            world.set_clock_offset(offset);
            Ok(clock_report(world))
        })
    }

    /// Sets what a user does on the consent screen.
    pub fn set_consent(&self, consent: &Consent) -> Result<(), ControlError> {
        self.with(|world| {
            let mut record = need_user(world, &consent.user)?.record.clone();
            record.denies_consent = consent.deny;
            record.unticked_scopes.clone_from(&consent.untick_scopes);
            world.save_user(record);
            Ok(())
        })
    }

    /// Gives tokens without a consent screen.
    pub fn issue_tokens(&self, request: &TokenRequest) -> Result<IssuedTokens, ControlError> {
        let configured = &self.shared.options.oauth_clients;
        let client = match &request.client_id {
            None => configured.first(),
            Some(id) => configured.iter().find(|client| client.id == *id),
        };
        let client = client.ok_or_else(|| not_found("client", request.client_id.as_deref().unwrap_or("(first)")))?;
        let scopes = if request.scopes.is_empty() {
            vec!["https://www.googleapis.com/auth/calendar".to_owned()]
        } else {
            request.scopes.clone()
        };
        self.with(|world| {
            let user = user_id(world, &request.user)?;
            let tokens = world.grant(&user, client, scopes, true);
            Ok(IssuedTokens {
                access_token: tokens.access_token,
                refresh_token: tokens.refresh_token,
                expires_in: tokens.expires_in_s,
            })
        })
    }

    /// The user takes all grants back; answers how many there were.
    pub fn revoke_grants(&self, user: &str) -> Result<usize, ControlError> {
        self.with(|world| {
            let user = user_id(world, user)?;
            Ok(world.revoke_grants(&user, None))
        })
    }

    /// Access tokens expire now, of one user or of all; answers how many there were.
    pub fn expire_access_tokens(&self, user: Option<&str>) -> Result<usize, ControlError> {
        self.with(|world| {
            let user = user.map(|user| user_id(world, user)).transpose()?;
            Ok(world.expire_access_tokens(user.as_deref()))
        })
    }
}

/// About a thousand years: further, and instants do not fit.
const CLOCK_OFFSET_DAYS_MAX: i64 = 365_000;

fn clock_report(world: &World) -> ClockReport {
    ClockReport {
        now: world.clock.now(),
        offset_ms: world.clock.offset().num_milliseconds(),
        collections: world.clock.latest().map(|(name, latest)| (name.clone(), *latest)).collect(),
    }
}

fn need_user<'a>(world: &'a World, email: &str) -> Result<&'a crate::google::users::User, ControlError> {
    world.google.users.get(world.google.inner(email)).ok_or_else(|| not_found("user", email))
}

fn need_calendar<'a>(world: &'a World, id: &str) -> Result<&'a crate::google::store::Calendar, ControlError> {
    let found = world.google.calendars.get(world.google.inner(id));
    found.filter(|calendar| !calendar.record.deleted).ok_or_else(|| not_found("calendar", id))
}

/// What a user is called inside, by any address that the user ever had.
fn user_id(world: &World, email: &str) -> Result<String, ControlError> {
    need_user(world, email).map(|user| user.record.email.clone())
}

/// The same for a calendar.
fn calendar_id(world: &World, id: &str) -> Result<String, ControlError> {
    need_calendar(world, id).map(|calendar| calendar.record.id.clone())
}

fn not_found(what: &'static str, id: &str) -> ControlError {
    ControlError::NotFound { what, id: id.to_owned() }
}

fn exists(what: &'static str, id: &str) -> ControlError {
    ControlError::Exists { what, id: id.to_owned() }
}

fn check_zone(name: &str) -> Result<(), ControlError> {
    calendars::check_zone(name).map_err(ControlError::from)
}
