//! The control API: what a test or a developer does to the provider and asks of it. The routes of
//! [`routes`] are thin wrappers of these methods. Never part of what a client under test may use.

mod provider;
pub(crate) mod routes;
mod truth;
mod types;

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Map, Value};

use super::calls::CallReport;
use super::changes::{self, BulkChanges, ChangeNotices, ChangeSummary};
use super::channels::ChannelReport;
use super::deliveries::DeliverySummary;
use super::faults::FaultPlan;
use super::notices::NoticePlan;
use super::shared::Shared;
use super::world::World;
use super::zones::Zone;

pub use provider::ProviderControl;
pub use truth::{TrueEvent, TrueGuest, TruePosition, Truth};
pub use types::{
    AddressChange, CalendarAccess, ClockReport, Consent, ControlError, IssuedTokens, NewCalendar, NewUser, TokenRequest,
};

/// About a thousand years: further, and instants do not fit.
const CLOCK_OFFSET_DAYS_MAX: i64 = 365_000;

/// A handle on a running simulator.
pub struct Control<P> {
    shared: Arc<Shared<P>>,
}

impl<P> Clone for Control<P> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.shared))
    }
}

impl<P> Control<P> {
    pub(crate) fn new(shared: Arc<Shared<P>>) -> Self {
        Self { shared }
    }

    pub(crate) fn with<T>(
        &self,
        work: impl FnOnce(&mut World<P>) -> Result<T, ControlError>,
    ) -> Result<T, ControlError> {
        self.shared.with_world(work)?
    }
}

/// Users, and what they allow.
impl<P: ProviderControl> Control<P> {
    /// Creates a user with a primary calendar.
    pub fn create_user(&self, user: &NewUser) -> Result<(), ControlError> {
        check_zone(&user.time_zone)?;
        self.with(|world| P::create_user(world, user))
    }

    /// Gives a user another address: the primary calendar is listed under it from now on, and grants stay.
    pub fn change_address(&self, user: &str, change: &AddressChange) -> Result<(), ControlError> {
        self.with(|world| P::change_address(world, user, change))
    }

    /// Sets what a user does on the consent screen.
    pub fn set_consent(&self, consent: &Consent) -> Result<(), ControlError> {
        self.with(|world| P::set_consent(world, consent))
    }

    /// Gives tokens without a consent screen.
    pub fn issue_tokens(&self, request: &TokenRequest) -> Result<IssuedTokens, ControlError> {
        let configured = &self.shared.options.oauth_clients;
        let client = match &request.client_id {
            None => configured.first(),
            Some(id) => configured.iter().find(|client| client.id == *id),
        };
        let unknown = || ControlError::not_found("client", request.client_id.as_deref().unwrap_or("(first)"));
        let client = client.ok_or_else(unknown)?;
        self.with(|world| P::issue_tokens(world, client, request))
    }

    /// The user takes all grants back; answers how many there were.
    pub fn revoke_grants(&self, user: &str) -> Result<usize, ControlError> {
        self.with(|world| P::revoke_grants(world, user))
    }

    /// Access tokens expire now, of one user or of all; answers how many there were.
    pub fn expire_access_tokens(&self, user: Option<&str>) -> Result<usize, ControlError> {
        self.with(|world| P::expire_access_tokens(world, user))
    }
}

/// Calendars and their events.
impl<P: ProviderControl> Control<P> {
    /// Creates a calendar and answers with its id.
    pub fn create_calendar(&self, calendar: &NewCalendar) -> Result<String, ControlError> {
        check_zone(&calendar.time_zone)?;
        self.with(|world| P::create_calendar(world, calendar))
    }

    /// Renames a calendar, or moves it to another zone, as its owner would.
    pub fn patch_calendar(&self, calendar: &str, summary: &str, time_zone: &str) -> Result<(), ControlError> {
        self.with(|world| P::patch_calendar(world, calendar, summary, time_zone))
    }

    /// Deletes a calendar for everybody.
    pub fn delete_calendar(&self, calendar: &str) -> Result<(), ControlError> {
        self.with(|world| P::delete_calendar(world, calendar))
    }

    /// Says whether a calendar accepts channels.
    pub fn set_watchable(&self, calendar: &str, watchable: bool) -> Result<(), ControlError> {
        self.with(|world| P::set_watchable(world, calendar, watchable))
    }

    /// Shares a calendar, changes the role, or takes the calendar away. Its sync tokens end.
    pub fn set_access(&self, access: &CalendarAccess) -> Result<(), ControlError> {
        self.with(|world| P::set_access(world, access))
    }

    /// Lets all sync tokens of a calendar end, those of its last page included: a client has to read it anew.
    pub fn expire_sync_tokens(&self, calendar: &str) -> Result<(), ControlError> {
        self.with(|world| P::expire_sync_tokens(world, calendar))
    }

    /// Inserts an event, in the provider's own form, as the calendar's owner would.
    pub fn insert_event(&self, calendar: &str, event: Map<String, Value>) -> Result<Map<String, Value>, ControlError> {
        self.with(|world| P::insert_event(world, calendar, event))
    }

    /// Changes some fields of an event, or of an instance of a series, as the calendar's owner would.
    pub fn patch_event(
        &self,
        calendar: &str,
        event: &str,
        change: Map<String, Value>,
    ) -> Result<Map<String, Value>, ControlError> {
        self.with(|world| P::patch_event(world, calendar, event, change))
    }

    /// Deletes an event, or an instance of a series, as the calendar's owner would.
    pub fn delete_event(&self, calendar: &str, event: &str) -> Result<(), ControlError> {
        self.with(|world| P::delete_event(world, calendar, event))
    }

    /// Makes many realistic changes, as people would.
    pub async fn make_changes(&self, bulk: &BulkChanges) -> Result<ChangeSummary, ControlError> {
        if bulk.count > changes::COUNT_MAX {
            let most = changes::COUNT_MAX;
            return Err(ControlError::Invalid(format!("at most {most} changes at once")));
        }
        let mut summary = ChangeSummary::default();
        for position in 0..bulk.count {
            self.with(|world| P::make_change(world, bulk, position, &mut summary))?;
            if bulk.spacing_ms > 0 {
                tokio::time::sleep(Duration::from_millis(bulk.spacing_ms)).await;
            } else {
                tokio::task::yield_now().await;
            }
        }
        if bulk.notices == ChangeNotices::Once && bulk.count > 0 {
            self.with(|world| P::announce_changes(world, &bulk.calendar))?;
        }
        Ok(summary)
    }
}

/// What the provider has. These are no calls: they are not counted, and no fault happens to them.
impl<P: ProviderControl> Control<P> {
    /// What a complete mirror of the calendar holds.
    pub fn truth(&self, calendar: &str) -> Result<Truth, ControlError> {
        self.with(|world| P::truth(world, calendar, None))
    }

    /// What a complete mirror of the calendar holds that reads it as this user.
    pub fn truth_for(&self, calendar: &str, user: &str) -> Result<Truth, ControlError> {
        self.with(|world| P::truth(world, calendar, Some(user)))
    }

    /// The single occurrences that the owner sees between two instants (RFC 3339).
    pub fn occurrences(&self, calendar: &str, from: &str, to: &str) -> Result<Vec<TrueEvent>, ControlError> {
        self.with(|world| P::occurrences(world, calendar, None, from, to))
    }

    /// The same as this user.
    pub fn occurrences_for(
        &self,
        calendar: &str,
        user: &str,
        from: &str,
        to: &str,
    ) -> Result<Vec<TrueEvent>, ControlError> {
        self.with(|world| P::occurrences(world, calendar, Some(user), from, to))
    }

    /// Every channel that ever was, with its notices.
    pub fn channels(&self) -> Result<Vec<ChannelReport>, ControlError> {
        self.with(|world| Ok(P::channels(world)))
    }
}

/// What happens to calls and notices, and to time.
impl<P> Control<P> {
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

    /// Calls so far.
    pub fn calls(&self) -> Result<CallReport, ControlError> {
        self.with(|world| Ok(world.calls.report()))
    }

    /// Forgets the calls so far.
    pub fn reset_calls(&self) -> Result<(), ControlError> {
        self.with(|world| {
            world.reset_calls();
            Ok(())
        })
    }

    /// How many notices there are of each status.
    pub fn deliveries(&self) -> Result<DeliverySummary, ControlError> {
        self.with(|world| Ok(world.deliveries.summary()))
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
}

fn clock_report<P>(world: &World<P>) -> ClockReport {
    ClockReport {
        now: world.clock.now(),
        offset_ms: world.clock.offset().num_milliseconds(),
        collections: world.clock.latest().map(|(name, latest)| (name.clone(), *latest)).collect(),
    }
}

fn check_zone(name: &str) -> Result<(), ControlError> {
    let unknown = |_| ControlError::Invalid(format!("there is no time zone {name}"));
    name.parse::<Zone>().map(|_| ()).map_err(unknown)
}
