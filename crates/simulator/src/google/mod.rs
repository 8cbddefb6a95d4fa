//! Google Calendar API v3. A request becomes an [`request::ApiRequest`], [`call::perform`] runs it with its
//! faults, and one file for each subject does the work. `README.md` of this crate lists what is faithful.

pub(crate) mod addresses;
mod attachments;
pub(crate) mod batch;
pub(crate) mod calendar_list;
pub(crate) mod calendars;
pub(crate) mod call;
pub(crate) mod changes;
pub(crate) mod channels;
mod conference;
mod control;
pub(crate) mod delivery;
pub(crate) mod demo;
pub(crate) mod errors;
pub(crate) mod event_query;
pub(crate) mod event_resource;
pub(crate) mod event_types;
pub(crate) mod event_view;
pub(crate) mod events;
pub(crate) mod fields;
pub(crate) mod free_busy;
pub(crate) mod grants;
pub(crate) mod history;
pub(crate) mod http;
pub(crate) mod oauth;
pub(crate) mod operations;
pub(crate) mod quirks;
pub(crate) mod quota;
mod reminders;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod rule_parts;
pub(crate) mod series;
pub mod setup;
pub(crate) mod store;
pub(crate) mod times;
pub(crate) mod tokens;
mod truth;
pub(crate) mod users;
pub(crate) mod writes;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::Router;
use serde_json::Value;

use crate::core::SimulatedProvider;
use crate::core::error::SimulatorError;
use crate::core::options::{DemoTenant, SimulatorOptions, SyncMessageTiming};
use crate::core::world::decode;

use addresses::NewAddress;
use channels::Channels;
use errors::ApiError;
use grants::OauthServer;
use quota::Quota;
use store::{Calendar, EventRecord};
use users::{ListEntry, User};

pub use quirks::Quirks;
pub use quota::QuotaLimits;

/// The simulated Google with its journal, its clocks, its calls and its notices.
pub(crate) type World = crate::core::world::World<Google>;
pub(crate) type Shared = crate::core::shared::Shared<Google>;
/// A running simulator of Google.
pub type Simulator = crate::core::simulator::Simulator<Google>;
/// A handle on it: what every provider's can do, and Google's own.
pub type Control = crate::core::control::Control<Google>;

const QUIRKS_KEY: &str = "google/quirks";
const QUOTA_KEY: &str = "google/quota";

/// All that the simulated Google knows.
pub struct Google {
    pub(crate) users: BTreeMap<String, User>,
    /// Of users whose address changed, by the first one.
    pub(crate) addresses: BTreeMap<String, NewAddress>,
    pub(crate) oauth: OauthServer,
    pub(crate) calendars: HashMap<String, Calendar>,
    pub(crate) channels: Channels,
    pub(crate) quirks: Quirks,
    pub(crate) quota: Quota,
    pub(crate) allow_http_webhooks: bool,
    pub(crate) sync_message: SyncMessageTiming,
    /// Off only while a bulk change stores events without notifying the channels.
    pub(crate) announces_changes: bool,
    lists_answered: u32,
}

impl SimulatedProvider for Google {
    const NAME: &'static str = "google";
    const API_PATH: &'static str = "calendar/v3/";

    fn new(options: &SimulatorOptions) -> Self {
        Self {
            users: BTreeMap::new(),
            addresses: BTreeMap::new(),
            oauth: OauthServer::new(options),
            calendars: HashMap::new(),
            channels: Channels::default(),
            quirks: Quirks::default(),
            quota: Quota::default(),
            allow_http_webhooks: options.allow_http_webhooks,
            sync_message: options.sync_message,
            announces_changes: true,
            lists_answered: 0,
        }
    }

    /// Lists hang on users, events on calendars.
    fn is_first(key: &str) -> bool {
        key.starts_with("google/user/") || key.starts_with("google/calendar/")
    }

    fn restore_entry(&mut self, key: &str, value: Value) -> Result<(), SimulatorError> {
        match key.split('/').nth(1) {
            Some("quirks") => self.quirks = decode(key, value)?,
            Some("quota") => self.quota.limits = decode(key, value)?,
            Some("user") => {
                let record: users::UserRecord = decode(key, value)?;
                self.users.insert(record.email.clone(), User::new(record));
            }
            Some("address") => {
                let address: NewAddress = decode(key, value)?;
                self.addresses.insert(address.first.clone(), address);
            }
            Some("list") => self.restore_list_entry(decode(key, value)?),
            Some("calendar") => {
                let record: store::CalendarRecord = decode(key, value)?;
                self.calendars.insert(record.id.clone(), Calendar::new(record));
            }
            Some("event") => {
                let record: EventRecord = decode(key, value)?;
                if let Some(calendar) = self.calendars.get_mut(&record.calendar) {
                    calendar.put(record);
                }
            }
            Some("grant") => self.oauth.restore_grant(decode(key, value)?),
            Some("access") => self.oauth.restore_access_token(decode(key, value)?),
            Some("code") => self.oauth.restore_code(decode(key, value)?),
            Some("channel") => self.channels.put(decode(key, value)?),
            _ => return Err(SimulatorError::unknown_key(key)),
        }
        Ok(())
    }

    fn routes() -> Router<Arc<Shared>> {
        http::routes()
    }

    fn control_routes() -> Router<Arc<Shared>> {
        control::routes()
    }

    fn deliver(shared: Arc<Shared>) -> impl Future<Output = ()> + Send {
        delivery::run(shared)
    }

    fn create_demo(world: &mut World, demo: &DemoTenant) -> Result<(), String> {
        demo::create(world, demo).map_err(ApiError::into_text)
    }
}

impl Google {
    fn restore_list_entry(&mut self, entry: ListEntry) {
        if let Some(user) = self.users.get_mut(&entry.user) {
            user.list_version = user.list_version.max(entry.version);
            user.list.insert(entry.calendar.clone(), entry);
        }
    }

    /// Counts a list and says whether the quirk leaves its page empty.
    pub(crate) fn next_page_is_empty(&mut self) -> bool {
        self.lists_answered = self.lists_answered.wrapping_add(1);
        self.lists_answered.checked_rem(self.quirks.empty_page_every).is_some_and(|rest| rest == 0)
    }
}

impl World {
    pub(crate) fn set_quirks(&mut self, quirks: Quirks) {
        self.journal.put(QUIRKS_KEY, &quirks);
        self.provider.quirks = quirks;
    }

    pub(crate) fn set_quota(&mut self, limits: QuotaLimits) {
        self.journal.put(QUOTA_KEY, &limits);
        self.provider.quota = Quota::default();
        self.provider.quota.limits = limits;
    }
}
