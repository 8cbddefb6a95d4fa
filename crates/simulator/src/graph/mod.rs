//! Microsoft Graph, as far as it is about calendars. A request becomes a [`request::ApiRequest`], [`call::perform`] runs it with
//! its faults, and one file for each subject does the work. `README.md` of this crate lists what is faithful.

pub(crate) mod announcements;
pub(crate) mod batch;
pub(crate) mod calendars;
pub(crate) mod call;
pub(crate) mod changes;
mod control;
pub(crate) mod delivery;
pub(crate) mod delta;
pub(crate) mod demo;
pub(crate) mod endpoints;
pub(crate) mod errors;
pub(crate) mod event_fields;
pub(crate) mod event_view;
pub(crate) mod events;
pub mod exports;
pub(crate) mod grants;
pub(crate) mod handshake;
pub(crate) mod history;
pub(crate) mod http;
pub(crate) mod ids;
pub(crate) mod notices;
pub(crate) mod oauth;
pub(crate) mod operations;
pub(crate) mod quirks;
pub(crate) mod recurrence;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod selection;
pub(crate) mod series;
pub mod setup;
pub(crate) mod store;
pub(crate) mod subscription_record;
pub(crate) mod subscription_report;
pub(crate) mod subscription_request;
pub(crate) mod subscriptions;
pub(crate) mod throttle;
pub(crate) mod times;
mod truth;
pub(crate) mod users;
pub(crate) mod writes;
pub(crate) mod zone_names;

#[cfg(test)]
mod recurrence_tests;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::Router;
use serde_json::Value;

use crate::core::SimulatedProvider;
use crate::core::error::SimulatorError;
use crate::core::options::{DemoTenant, SimulatorOptions};
use crate::core::world::decode;

use delta::TokenDeath;
use endpoints::{EndpointRules, Endpoints};
use errors::ApiError;
use grants::{AccessToken, Code, OauthServer};
use notices::NoticeContent;
use store::{Calendar, CalendarRecord, EventRecord};
use subscriptions::Subscriptions;
use throttle::Throttle;
use users::UserRecord;

pub use quirks::Quirks;

/// The simulated Microsoft with its journal, its clocks, its calls and its notices.
pub(crate) type World = crate::core::world::World<Graph>;
pub(crate) type Shared = crate::core::shared::Shared<Graph>;
/// A running simulator of Microsoft Graph.
pub type Simulator = crate::core::simulator::Simulator<Graph>;
/// A handle on it: what every provider's can do, and Microsoft's own.
pub type Control = crate::core::control::Control<Graph>;

const QUIRKS_KEY: &str = "microsoft/quirks";
const ENDPOINT_RULES_KEY: &str = "microsoft/endpoint_rules";
const TOKEN_DEATH_KEY: &str = "microsoft/token_death";
const REFRESH_FAILURE_KEY: &str = "microsoft/refresh_failure";
/// Where no client of ours should ever send a token.
const FOREIGN_ORIGIN: &str = "https://graph.elsewhere.example";

/// All that the simulated Microsoft knows.
pub struct Graph {
    /// By object id.
    pub(crate) users: BTreeMap<String, UserRecord>,
    pub(crate) oauth: OauthServer,
    pub(crate) calendars: HashMap<String, Calendar>,
    pub(crate) subscriptions: Subscriptions,
    /// The contents of notices that wait, by the numbers of their deliveries.
    pub(crate) notices: BTreeMap<u64, NoticeContent>,
    pub(crate) quirks: Quirks,
    pub(crate) endpoint_rules: EndpointRules,
    pub(crate) endpoints: Endpoints,
    pub(crate) throttle: Throttle,
    pub(crate) token_death: TokenDeath,
    /// The AADSTS code with which refreshes fail.
    pub(crate) refresh_failure: Option<u32>,
    pub(crate) allow_http_webhooks: bool,
    /// Off only while a bulk change stores events without telling anybody.
    pub(crate) announces_changes: bool,
    pages_answered: u32,
    pages_disturbed: u64,
}

impl SimulatedProvider for Graph {
    const NAME: &'static str = "microsoft";
    const API_PATH: &'static str = "v1.0/";

    fn new(options: &SimulatorOptions) -> Self {
        Self {
            users: BTreeMap::new(),
            oauth: OauthServer::new(options),
            calendars: HashMap::new(),
            subscriptions: Subscriptions::default(),
            notices: BTreeMap::new(),
            quirks: Quirks::default(),
            endpoint_rules: EndpointRules::default(),
            endpoints: Endpoints::default(),
            throttle: Throttle::default(),
            token_death: TokenDeath::default(),
            refresh_failure: None,
            allow_http_webhooks: options.allow_http_webhooks,
            announces_changes: true,
            pages_answered: 0,
            pages_disturbed: 0,
        }
    }

    /// Events hang on calendars.
    fn is_first(key: &str) -> bool {
        key.starts_with("microsoft/calendar/")
    }

    fn restore_entry(&mut self, key: &str, value: Value) -> Result<(), SimulatorError> {
        match key.split('/').nth(1) {
            Some("quirks") => self.quirks = decode(key, value)?,
            Some("endpoint_rules") => self.endpoint_rules = decode(key, value)?,
            Some("token_death") => self.token_death = decode(key, value)?,
            Some("refresh_failure") => self.refresh_failure = decode(key, value)?,
            Some("user") => {
                let record: UserRecord = decode(key, value)?;
                self.users.insert(record.oid.clone(), record);
            }
            Some("calendar") => {
                let record: CalendarRecord = decode(key, value)?;
                self.calendars.insert(record.id.clone(), Calendar::new(record));
            }
            Some("event") => {
                let record: EventRecord = decode(key, value)?;
                if let Some(calendar) = self.calendars.get_mut(&record.calendar) {
                    calendar.put(record);
                }
            }
            Some("grant") => self.oauth.put_grant(decode(key, value)?),
            Some("access") => {
                let access: AccessToken = decode(key, value)?;
                self.oauth.access_tokens.insert(access.token.clone(), access);
            }
            Some("code") => {
                let code: Code = decode(key, value)?;
                self.oauth.codes.insert(code.text.clone(), code);
            }
            Some("subscription") => self.subscriptions.put(decode(key, value)?),
            Some("notice") => {
                let number = key.rsplit('/').next().and_then(|number| number.parse().ok());
                self.notices.insert(number.ok_or_else(|| SimulatorError::unknown_key(key))?, decode(key, value)?);
            }
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

impl Graph {
    /// Counts a page of delta and says whether the quirk leaves it empty.
    pub(crate) fn next_page_is_empty(&mut self) -> bool {
        self.pages_answered = self.pages_answered.wrapping_add(1);
        self.pages_answered.checked_rem(self.quirks.empty_page_every).is_some_and(|rest| rest == 0)
    }

    /// A number for the random choices of one page.
    pub(crate) fn next_disturbance(&mut self) -> u64 {
        self.pages_disturbed = self.pages_disturbed.wrapping_add(1);
        self.pages_disturbed.wrapping_mul(1_000_000)
    }

    /// A link to a next page, as the quirks have it.
    pub(crate) fn next_link(&self, link: String) -> String {
        match link.find("/v1.0/").and_then(|start| link.get(start..)) {
            Some(path) if self.quirks.foreign_next_links => format!("{FOREIGN_ORIGIN}{path}"),
            _ => link,
        }
    }
}

impl World {
    pub(crate) fn set_quirks(&mut self, quirks: Quirks) {
        self.journal.put(QUIRKS_KEY, &quirks);
        self.provider.quirks = quirks;
    }

    pub(crate) fn set_endpoint_rules(&mut self, rules: EndpointRules) {
        self.journal.put(ENDPOINT_RULES_KEY, &rules);
        self.provider.endpoint_rules = rules;
        self.provider.endpoints = Endpoints::default();
    }

    pub(crate) fn set_token_death(&mut self, death: TokenDeath) {
        self.journal.put(TOKEN_DEATH_KEY, &death);
        self.provider.token_death = death;
    }

    pub(crate) fn set_refresh_failure(&mut self, code: Option<u32>) {
        self.journal.put(REFRESH_FAILURE_KEY, &code);
        self.provider.refresh_failure = code;
    }
}
