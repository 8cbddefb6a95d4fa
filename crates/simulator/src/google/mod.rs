//! Google Calendar API v3. A request becomes an [`request::ApiRequest`], [`call::perform`] runs it with its
//! faults, and one file for each subject does the work. `README.md` of this crate lists what is faithful.

pub(crate) mod addresses;
pub(crate) mod batch;
pub(crate) mod calendar_list;
pub(crate) mod calendars;
pub(crate) mod call;
pub(crate) mod changes;
pub(crate) mod channels;
mod conference;
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
pub(crate) mod free_busy_view;
pub(crate) mod grants;
pub(crate) mod http;
pub(crate) mod oauth;
pub(crate) mod operations;
pub(crate) mod quirks;
pub(crate) mod quota;
pub(crate) mod request;
pub(crate) mod rule_parts;
pub(crate) mod series;
pub(crate) mod store;
pub(crate) mod times;
pub(crate) mod tokens;
pub(crate) mod users;
pub(crate) mod writes;

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use crate::SimulatorError;
use crate::core::options::{SimulatorOptions, SyncMessageTiming};
use crate::core::world::decode;

use addresses::NewAddress;
use calendar_list::ListEntry;
use channels::Channels;
use delivery::Deliveries;
use grants::OauthServer;
use quirks::Quirks;
use quota::Quota;
use store::{Calendar, EventRecord};
use users::User;

const QUIRKS_KEY: &str = "google/quirks";
const QUOTA_KEY: &str = "google/quota";

/// All that the simulated Google knows.
pub(crate) struct Google {
    pub(crate) users: BTreeMap<String, User>,
    /// Of users whose address changed, by the first one.
    pub(crate) addresses: BTreeMap<String, NewAddress>,
    pub(crate) oauth: OauthServer,
    pub(crate) calendars: HashMap<String, Calendar>,
    pub(crate) channels: Channels,
    pub(crate) deliveries: Deliveries,
    pub(crate) quirks: Quirks,
    pub(crate) quota: Quota,
    pub(crate) allow_http_webhooks: bool,
    pub(crate) sync_message: SyncMessageTiming,
    /// Off only while a bulk change stores events without telling the channels.
    pub(crate) announces_changes: bool,
    lists_answered: u32,
}

impl Google {
    pub(crate) fn new(options: &SimulatorOptions) -> Self {
        Self {
            users: BTreeMap::new(),
            addresses: BTreeMap::new(),
            oauth: OauthServer::new(options),
            calendars: HashMap::new(),
            channels: Channels::default(),
            deliveries: Deliveries::default(),
            quirks: Quirks::default(),
            quota: Quota::default(),
            allow_http_webhooks: options.allow_http_webhooks,
            sync_message: options.sync_message,
            announces_changes: true,
            lists_answered: 0,
        }
    }

    /// Takes one entry over from the journal. Users and calendars come before what hangs on them.
    pub(crate) fn restore_entry(&mut self, key: &str, value: Value) -> Result<(), SimulatorError> {
        match key {
            QUIRKS_KEY => self.quirks = decode(key, value)?,
            QUOTA_KEY => self.quota.limits = decode(key, value)?,
            _ => match key.split('/').next() {
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
                Some("delivery") => self.deliveries.restore(decode(key, value)?),
                _ => return Err(SimulatorError::unknown_key(key)),
            },
        }
        Ok(())
    }

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

impl crate::core::world::World {
    pub(crate) fn set_quirks(&mut self, quirks: Quirks) {
        self.journal.put(QUIRKS_KEY, &quirks);
        self.google.quirks = quirks;
    }

    pub(crate) fn set_quota(&mut self, limits: quota::QuotaLimits) {
        self.journal.put(QUOTA_KEY, &limits);
        self.google.quota = Quota::default();
        self.google.quota.limits = limits;
    }
}
