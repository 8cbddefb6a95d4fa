//! Push channels and their register: created, stopped or left to expire, and never forgotten, so that a test can
//! ask what was watched at any instant (source: Google's push guide). Sending is in
//! [`super::delivery`].

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::sync::oneshot;
use url::Url;

use super::World;
use super::calendars;
use super::errors::ApiError;
use super::event_types;
use super::oauth::Caller;
use super::request::ApiRequest;
use super::response::ApiResponse;
use crate::core::channels::{ChannelReport, Collection};
use crate::core::faults::Dice;
use crate::core::options::SyncMessageTiming;

const CHANNEL_ID_CHARS_MAX: usize = 64;
const CHANNEL_TOKEN_CHARS_MAX: usize = 256;
const ADDRESS_CHARS_MAX: usize = 2_048;
/// Google's own ceiling is not published; public code takes it to be seven days.
const LIFETIME_MAX: TimeDelta = TimeDelta::days(7);

/// A channel as the register keeps it. All times are the virtual times of its collection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChannelRecord {
    /// Order of creation among all channels.
    pub(crate) number: u64,
    pub(crate) id: String,
    pub(crate) project: String,
    pub(crate) client: String,
    pub(crate) user: String,
    pub(crate) collection: Collection,
    pub(crate) resource_id: String,
    pub(crate) resource_uri: String,
    pub(crate) address: String,
    pub(crate) token: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) stopped_at: Option<DateTime<Utc>>,
    pub(crate) last_message_number: u64,
    /// Only changes of events of these types are notified; of all types when empty.
    pub(crate) event_types: Vec<String>,
}

impl ChannelRecord {
    pub(crate) fn is_live_at(&self, now: DateTime<Utc>) -> bool {
        self.created_at <= now && now < self.ends_at()
    }

    fn wants(&self, event_type: Option<&str>) -> bool {
        event_type
            .is_none_or(|changed| self.event_types.is_empty() || self.event_types.iter().any(|own| own == changed))
    }

    fn ends_at(&self) -> DateTime<Utc> {
        self.stopped_at.map_or(self.expires_at, |stopped| stopped.min(self.expires_at))
    }

    fn journal_key(&self) -> String {
        format!("google/channel/{}", self.number)
    }
}

/// A notice to be queued.
pub(crate) struct NewNotice {
    pub(crate) channel: u64,
    pub(crate) state: &'static str,
    pub(crate) now: DateTime<Utc>,
    /// Signalled when the first attempt has ended.
    pub(crate) first_attempt: Option<oneshot::Sender<()>>,
}

/// All channels that ever were.
#[derive(Default)]
pub(crate) struct Channels {
    records: BTreeMap<u64, ChannelRecord>,
    /// By project and channel id.
    numbers: HashMap<(String, String), u64>,
    of_collection: HashMap<Collection, Vec<u64>>,
}

impl Channels {
    pub(crate) fn put(&mut self, record: ChannelRecord) {
        let number = record.number;
        self.numbers.insert((record.project.clone(), record.id.clone()), number);
        let siblings = self.of_collection.entry(record.collection.clone()).or_default();
        if !siblings.contains(&number) {
            siblings.push(number);
        }
        self.records.insert(number, record);
    }

    pub(crate) fn get(&self, number: u64) -> Option<&ChannelRecord> {
        self.records.get(&number)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &ChannelRecord> {
        self.records.values()
    }

    fn find(&self, project: &str, id: &str) -> Option<&ChannelRecord> {
        let number = self.numbers.get(&(project.to_owned(), id.to_owned()))?;
        self.records.get(number)
    }

    fn next_number(&self) -> u64 {
        self.records.last_key_value().map_or(1, |(number, _)| number + 1)
    }
}

/// `events.watch`.
pub(crate) fn watch_events(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let opened = calendars::open(world, caller, request.calendar_id()?)?;
    if !calendars::calendar(world, &opened.id)?.record.watchable {
        return Err(ApiError::new(
            400,
            "pushNotSupportedForRequestedResource",
            "Push notifications are not supported by this resource.",
        ));
    }
    let collection = Collection::Events { calendar: opened.id };
    create(world, caller, request, collection)
}

/// Creates a channel on a collection that the caller may read, and queues its `sync` message.
pub(crate) fn create(
    world: &mut World,
    caller: &Caller,
    request: &ApiRequest,
    collection: Collection,
) -> Result<ApiResponse, ApiError> {
    let event_types = event_types::read(&request.query)?;
    let wanted = WantedChannel::parse(&request.json_object()?, world.provider.allow_http_webhooks)?;
    if world.provider.channels.find(&caller.project, &wanted.id).is_some() {
        return Err(ApiError::new(400, "channelIdNotUnique", format!("Channel id {} not unique", wanted.id)));
    }
    let key = collection.key();
    let now = world.now_for(&key, request.simulated_now());
    let latest = now + LIFETIME_MAX.min(wanted.lifetime.unwrap_or(LIFETIME_MAX));
    let expires_at = wanted.expires_at.map_or(latest, |asked| asked.min(latest));
    if expires_at <= now {
        return Err(ApiError::invalid("The channel would expire before it begins."));
    }
    let record = ChannelRecord {
        number: world.provider.channels.next_number(),
        id: wanted.id,
        project: caller.project.clone(),
        client: caller.client.clone(),
        user: caller.user.clone(),
        resource_id: world.stable_id("resource", &key),
        resource_uri: resource_uri(world, &collection),
        collection,
        address: wanted.address,
        token: wanted.token,
        created_at: now,
        expires_at,
        stopped_at: None,
        last_message_number: 0,
        event_types,
    };
    let mut answer = json!({
        "kind": "api#channel",
        "id": record.id,
        "resourceId": record.resource_id,
        "resourceUri": record.resource_uri,
        "expiration": record.expires_at.timestamp_millis().to_string(),
    });
    if let (Some(token), Some(answer)) = (&record.token, answer.as_object_mut()) {
        answer.insert("token".to_owned(), json!(token));
    }
    let number = record.number;
    world.save_channel(record);
    let mut response = ApiResponse::json(&answer);
    let first_attempt = world.provider.sync_message_first(world.seed(), number).then(|| {
        let (sender, receiver) = oneshot::channel();
        response.wait_for = Some(receiver);
        sender
    });
    world.queue_notice(NewNotice { channel: number, state: "sync", now, first_attempt });
    Ok(response)
}

/// `channels.stop`: only by the user and client that created the channel, with both of its ids.
pub(crate) fn stop(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let body = request.json_object()?;
    let field = |name: &str| {
        body.get(name).and_then(Value::as_str).ok_or_else(|| ApiError::required(format!("Missing {name}.")))
    };
    let (id, resource_id) = (field("id")?, field("resourceId")?);
    let not_found =
        || ApiError::new(404, "notFound", format!("Channel '{id}' not found for project '{}'", caller.project));
    let record = world
        .provider
        .channels
        .find(&caller.project, id)
        .filter(|record| record.user == caller.user && record.client == caller.client)
        .filter(|record| record.resource_id == resource_id)
        .ok_or_else(not_found)?;
    let mut record = record.clone();
    let now = world.now_for(&record.collection.key(), request.simulated_now());
    if !record.is_live_at(now) {
        return Err(not_found());
    }
    record.stopped_at = Some(now);
    world.save_channel(record);
    Ok(ApiResponse::empty(204))
}

/// Queues one `exists` notice for each live channel of a collection that watches events of this type.
pub(crate) fn announce(world: &mut World, collection: &Collection, event_type: Option<&str>, now: DateTime<Utc>) {
    let after_stop = world.notices.plan().send_after_stop;
    let numbers: Vec<u64> = world
        .provider
        .channels
        .of_collection
        .get(collection)
        .into_iter()
        .flatten()
        .filter(|number| {
            world.provider.channels.get(**number).filter(|record| record.wants(event_type)).is_some_and(|record| {
                record.is_live_at(now) || (after_stop && record.stopped_at.is_some() && now < record.expires_at)
            })
        })
        .copied()
        .collect();
    for channel in numbers {
        world.queue_notice(NewNotice { channel, state: "exists", now, first_attempt: None });
    }
}

/// Every channel with its notices, in the order of creation.
pub(crate) fn report(world: &World) -> Vec<ChannelReport> {
    let mut deliveries = world.deliveries.by_channel();
    world
        .provider
        .channels
        .all()
        .map(|record| ChannelReport {
            id: record.id.clone(),
            collection: record.collection.clone(),
            remote_id: record.resource_id.clone(),
            user: record.user.clone(),
            client: record.client.clone(),
            address: record.address.clone(),
            token: record.token.clone(),
            created_at: record.created_at,
            expires_at: record.expires_at,
            stopped_at: record.stopped_at,
            live: record.is_live_at(world.clock.peek(&record.collection.key())),
            deliveries: deliveries.remove(&record.number).unwrap_or_default(),
        })
        .collect()
}

fn resource_uri(world: &World, collection: &Collection) -> String {
    let root = &world.root_url;
    match collection {
        Collection::Events { calendar } => {
            let calendar: String = url::form_urlencoded::byte_serialize(calendar.as_bytes()).collect();
            format!("{root}calendar/v3/calendars/{calendar}/events?alt=json")
        }
        Collection::CalendarList { .. } => {
            format!("{root}calendar/v3/users/me/calendarList?alt=json")
        }
    }
}

/// The body of a watch call, checked.
struct WantedChannel {
    id: String,
    address: String,
    token: Option<String>,
    expires_at: Option<DateTime<Utc>>,
    lifetime: Option<TimeDelta>,
}

impl WantedChannel {
    fn parse(body: &Map<String, Value>, allow_http: bool) -> Result<Self, ApiError> {
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let id = text("id").filter(|id| !id.is_empty()).ok_or_else(|| ApiError::required("Missing channel id."))?;
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_+/=".contains(&byte);
        if id.len() > CHANNEL_ID_CHARS_MAX || !id.bytes().all(legal) {
            return Err(ApiError::new(
                400,
                "invalidChannelId",
                "A channel id has at most 64 characters of [A-Za-z0-9\\-_\\+/=].",
            ));
        }
        if !matches!(text("type"), Some("web_hook" | "webhook")) {
            return Err(ApiError::invalid("Unknown channel type."));
        }
        let token = text("token");
        if token.is_some_and(|token| token.chars().count() > CHANNEL_TOKEN_CHARS_MAX) {
            return Err(ApiError::invalid("The channel token is too long."));
        }
        Ok(Self {
            id: id.to_owned(),
            address: check_address(text("address"), allow_http)?.to_owned(),
            token: token.map(str::to_owned),
            expires_at: body
                .get("expiration")
                .map(|value| {
                    DateTime::from_timestamp_millis(whole_number(value)?)
                        .ok_or_else(|| ApiError::invalid("Invalid expiration."))
                })
                .transpose()?,
            lifetime: body
                .get("params")
                .and_then(|params| params.get("ttl"))
                .map(|value| {
                    Some(whole_number(value)?)
                        .filter(|seconds| *seconds >= 1)
                        .and_then(TimeDelta::try_seconds)
                        .ok_or_else(|| ApiError::invalid("Invalid ttl."))
                })
                .transpose()?,
        })
    }
}

fn check_address(address: Option<&str>, allow_http: bool) -> Result<&str, ApiError> {
    let address = address.ok_or_else(|| ApiError::required("Missing channel address."))?;
    let url = Url::parse(address)
        .ok()
        .filter(|_| address.len() <= ADDRESS_CHARS_MAX)
        .ok_or_else(|| ApiError::invalid("Invalid channel address."))?;
    let allowed = url.scheme() == "https" || (allow_http && url.scheme() == "http");
    if allowed {
        Ok(address)
    } else {
        Err(ApiError::new(400, "push.webhookUrlNotHttps", format!("WebHook callback must be HTTPS: {address}")))
    }
}

/// A number, or a string that holds one: both are sent for int64 fields.
fn whole_number(value: &Value) -> Result<i64, ApiError> {
    value
        .as_i64()
        .or_else(|| value.as_str().and_then(|text| text.parse().ok()))
        .ok_or_else(|| ApiError::invalid("Invalid number."))
}

impl World {
    /// Notifies the channels of a collection.
    pub(crate) fn announce(&mut self, collection: &Collection, now: DateTime<Utc>) {
        announce(self, collection, None, now);
    }

    pub(crate) fn save_channel(&mut self, record: ChannelRecord) {
        self.journal.put(&record.journal_key(), &record);
        self.provider.channels.put(record);
    }
}

impl super::Google {
    fn sync_message_first(&self, seed: u64, channel: u64) -> bool {
        match self.sync_message {
            SyncMessageTiming::BeforeAnswer => true,
            SyncMessageTiming::AfterAnswer => false,
            SyncMessageTiming::Seeded => Dice::new(seed, "sync message", channel).percent(50, 0),
        }
    }
}
