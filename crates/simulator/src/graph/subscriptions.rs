//! `/subscriptions`: who wants to be told of which changes. The register never forgets one, so that a test can ask what was
//! watched at any instant. The question to the addresses is in [`super::handshake`], who is told of what in [`super::announcements`].

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde_json::{Map, Value, json};

use super::World;
use super::errors::ApiError;
use super::grants::Caller;
use super::ids::{IdForm, guid};
use super::request::{ApiRequest, Handshake};
use super::response::ApiResponse;
use super::subscription_record::{SubscriptionRecord, Watched, list_of};
use super::subscription_request::{Wanted, WantedChange, check_expiry, parse_resource};
use super::times::plain_timestamp;
use crate::core::channels::Collection;

const PAGE_ITEMS: usize = 100;
/// Renewing in both ways within this time corrupts the subscription.
const RACE: TimeDelta = TimeDelta::minutes(10);
/// Of one mailbox, over all applications.
const SUBSCRIPTIONS_MAX: usize = 1_000;

impl SubscriptionRecord {
    fn resource(&self) -> Map<String, Value> {
        let resource = json!({
            "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#subscriptions/$entity",
            "id": self.id,
            "resource": self.resource,
            "applicationId": self.client,
            "changeType": self.change_types.written(),
            "clientState": self.client_state,
            "notificationUrl": self.address,
            "notificationQueryOptions": null,
            "lifecycleNotificationUrl": self.lifecycle_address,
            "expirationDateTime": plain_timestamp(self.expires_at),
            "creatorId": self.user,
            "includeResourceData": null,
            "latestSupportedTlsVersion": "v1_2",
            "encryptionCertificate": null,
            "encryptionCertificateId": null,
            "notificationUrlAppId": null,
        });
        match resource {
            Value::Object(resource) => resource,
            _ => Map::new(),
        }
    }
}

/// All subscriptions that ever were.
#[derive(Default)]
pub(crate) struct Subscriptions {
    records: BTreeMap<u64, SubscriptionRecord>,
}

impl Subscriptions {
    pub(crate) fn put(&mut self, record: SubscriptionRecord) {
        self.records.insert(record.number, record);
    }

    pub(crate) fn get(&self, number: u64) -> Option<&SubscriptionRecord> {
        self.records.get(&number)
    }

    pub(crate) fn by_id(&self, id: &str) -> Option<&SubscriptionRecord> {
        self.records.values().find(|record| record.id == id)
    }

    /// In the order of creation.
    pub(crate) fn all(&self) -> impl Iterator<Item = &SubscriptionRecord> {
        self.records.values()
    }

    fn next_number(&self) -> u64 {
        self.records.last_key_value().map_or(1, |(number, _)| number + 1)
    }
}

/// `POST /subscriptions`.
pub(crate) fn create(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let wanted = check_wanted(world, caller, request)?;
    passed(request)?;
    let now = world.now_for(&clock_of(world, caller, &wanted.watched), request.simulated_now());
    let expires_at = check_expiry(&world.provider.quirks, wanted.expires_at, now)?;
    let number = world.provider.subscriptions.next_number();
    let record = SubscriptionRecord {
        number,
        id: guid(world.seed(), "subscription", &number.to_string()),
        client: caller.client.clone(),
        user: caller.user.clone(),
        grant: caller.grant.clone(),
        resource: wanted.resource,
        watched: wanted.watched,
        change_types: wanted.change_types,
        address: wanted.address,
        lifecycle_address: wanted.lifecycle_address,
        client_state: wanted.client_state,
        immutable_ids: request.preferences()?.ids == IdForm::Immutable,
        created_at: now,
        expires_at,
        stopped_at: None,
        renewed_at: None,
        reauthorized_at: None,
        is_corrupted: false,
        last_message_number: 0,
    };
    let mut response = ApiResponse::json(&record.resource());
    response.status = 201;
    world.save_subscription(record);
    Ok(response)
}

/// Everything that can be wrong with a new subscription but its addresses.
fn check_wanted(world: &World, caller: &Caller, request: &ApiRequest) -> Result<Wanted, ApiError> {
    let wanted = Wanted::parse(&request.json_object()?, world.provider.allow_http_webhooks, |resource| {
        parse_resource(world, caller, resource)
    })?;
    let now = request.simulated_now().unwrap_or_else(|| world.clock.peek(&clock_of(world, caller, &wanted.watched)));
    check_expiry(&world.provider.quirks, wanted.expires_at, now)?;
    let live = world
        .provider
        .subscriptions
        .records
        .values()
        .filter(|record| record.user == caller.user)
        .filter(|record| record.is_live_at(world.clock.peek(&clock_of(world, caller, &record.watched)).max(now)));
    let same = live.clone().find(|record| {
        record.client == caller.client
            && record.resource.eq_ignore_ascii_case(&wanted.resource)
            && record.change_types == wanted.change_types
    });
    if let Some(same) = same.filter(|_| !world.provider.quirks.duplicate_subscriptions) {
        let message = format!("Subscription with id {} already exists for the requested combination", same.id);
        return Err(ApiError::new(409, "Conflict", message));
    }
    let asked = usize::try_from(world.provider.quirks.subscriptions_max).unwrap_or(SUBSCRIPTIONS_MAX);
    let max = if asked == 0 { SUBSCRIPTIONS_MAX } else { asked };
    if live.count() >= max {
        let message = format!("Subscription limit of {max} reached for the mailbox.");
        return Err(ApiError::extension(403, message));
    }
    Ok(wanted)
}

/// The addresses that have to be asked before a call is carried out: none where it will be refused anyway.
pub(crate) fn addresses_to_ask(world: &World, caller: &Caller, request: &ApiRequest) -> Vec<String> {
    if request.target.item.is_some() {
        let own = own(world, caller, request).ok();
        let change =
            request.json_object().and_then(|body| WantedChange::parse(&body, world.provider.allow_http_webhooks));
        return own.and(change.ok()).and_then(|change| change.address).into_iter().collect();
    }
    let Ok(wanted) = check_wanted(world, caller, request) else { return Vec::new() };
    std::iter::once(wanted.address).chain(wanted.lifecycle_address).collect()
}

fn passed(request: &ApiRequest) -> Result<(), ApiError> {
    match &request.handshake {
        Handshake::Passed | Handshake::None => Ok(()),
        Handshake::Failed(error) => Err(error.clone()),
    }
}

/// The subscription of a path, if it is the caller's and lives.
fn own<'a>(world: &'a World, caller: &Caller, request: &ApiRequest) -> Result<&'a SubscriptionRecord, ApiError> {
    let id = request.item_id()?;
    let not_found = || ApiError::new(404, "ResourceNotFound", "The object was not found.");
    let record = world.provider.subscriptions.by_id(id).ok_or_else(not_found)?;
    let known = world.clock.peek(&clock_of(world, caller, &record.watched));
    let now = request.simulated_now().map_or(known, |asked| asked.max(known));
    let is_own = record.user == caller.user && record.client == caller.client;
    if is_own && record.is_live_at(now) { Ok(record) } else { Err(not_found()) }
}

/// `GET /subscriptions`: those of the application for the user, by pages.
pub(crate) fn list(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let skip = request.skip()?;
    let size = world.provider.quirks.page_size(PAGE_ITEMS);
    let live: Vec<Map<String, Value>> = world
        .provider
        .subscriptions
        .records
        .values()
        .filter(|record| record.user == caller.user && record.client == caller.client)
        .filter(|record| record.is_live_at(world.clock.peek(&clock_of(world, caller, &record.watched))))
        .map(listed)
        .collect();
    let total = live.len();
    let page: Vec<_> = live.into_iter().skip(skip).take(size).collect();
    let next = skip + page.len();
    let mut body = json!({"@odata.context": "https://graph.microsoft.com/v1.0/$metadata#subscriptions", "value": page});
    if let (true, Some(body)) = (next < total, body.as_object_mut()) {
        body.insert("@odata.nextLink".to_owned(), json!(world.provider.next_link(request.link_from(next))));
    }
    Ok(ApiResponse::json(&body))
}

pub(crate) fn get(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    Ok(ApiResponse::json(&own(world, caller, request)?.resource()))
}

/// As lists have it: without the state of the client, which others could read there.
fn listed(record: &SubscriptionRecord) -> Map<String, Value> {
    let mut resource = record.resource();
    resource.insert("clientState".to_owned(), Value::Null);
    resource
}

/// `PATCH /subscriptions/{id}`: renews it, and authorizes it anew.
pub(crate) fn update(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let mut record = own(world, caller, request)?.clone();
    let change = WantedChange::parse(&request.json_object()?, world.provider.allow_http_webhooks)?;
    passed(request)?;
    let now = world.now_for(&clock_of(world, caller, &record.watched), request.simulated_now());
    if let Some(expires_at) = change.expires_at {
        record.expires_at = check_expiry(&world.provider.quirks, expires_at, now)?;
    }
    if let Some(address) = change.address {
        record.address = address;
    }
    record.grant.clone_from(&caller.grant);
    record.renewed_at = Some(now);
    record.is_corrupted |= record.reauthorized_at.is_some_and(|at| now - at < RACE);
    let response = ApiResponse::json(&record.resource());
    world.save_subscription(record);
    Ok(response)
}

/// `POST /subscriptions/{id}/reauthorize`: authorizes it anew, without another expiry.
pub(crate) fn reauthorize(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let mut record = own(world, caller, request)?.clone();
    let now = world.now_for(&clock_of(world, caller, &record.watched), request.simulated_now());
    record.grant.clone_from(&caller.grant);
    record.reauthorized_at = Some(now);
    record.is_corrupted |= record.renewed_at.is_some_and(|at| now - at < RACE);
    world.save_subscription(record);
    Ok(ApiResponse::empty(204))
}

pub(crate) fn delete(world: &mut World, caller: &Caller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let mut record = own(world, caller, request)?.clone();
    let now = world.now_for(&clock_of(world, caller, &record.watched), request.simulated_now());
    record.stopped_at = Some(now);
    world.save_subscription(record);
    Ok(ApiResponse::empty(204))
}

pub(crate) fn collection_of(world: &World, user: &str, watched: &Watched) -> Collection {
    let user = world.provider.users.get(user);
    match watched {
        Watched::Calendar(id) => Collection::Events { calendar: id.clone() },
        Watched::Mailbox => {
            Collection::Events { calendar: user.map(|user| user.default_calendar.clone()).unwrap_or_default() }
        }
        Watched::List => list_of(user.map(|user| user.email.as_str()).unwrap_or_default()),
    }
}

fn clock_of(world: &World, caller: &Caller, watched: &Watched) -> String {
    collection_of(world, &caller.user, watched).key()
}

impl World {
    pub(crate) fn save_subscription(&mut self, record: SubscriptionRecord) {
        self.journal.put(&format!("microsoft/subscription/{}", record.number), &record);
        self.provider.subscriptions.put(record);
    }
}
