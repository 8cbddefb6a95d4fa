//! What a client may ask of a subscription: the bodies of its calls, checked.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};
use url::{Host, Url};

use super::World;
use super::calendars;
use super::errors::ApiError;
use super::grants::Caller;
use super::quirks::Quirks;
use super::request::decode_segment;
use super::subscription_record::{ChangeTypes, Watched};
use super::times::parse_instant;

const CLIENT_STATE_CHARS_MAX: usize = 128;
const LIFETIME_MINUTES_MIN: i64 = 45;
const LIFETIME_MINUTES_MAX: i64 = 10_080;
const CHANGES: [&str; 3] = ["created", "updated", "deleted"];
/// What cannot be changed once a subscription is there.
const FIXED: [&str; 4] = ["resource", "changeType", "clientState", "lifecycleNotificationUrl"];

/// The words of `changeType`.
fn parse_change_types(text: &str) -> Result<ChangeTypes, ApiError> {
    let words: Vec<String> = text.split(',').map(|word| word.trim().to_ascii_lowercase()).collect();
    if let Some(unknown) = words.iter().find(|word| !CHANGES.contains(&word.as_str())) {
        return Err(refused(format!("The value '{unknown}' of changeType is invalid.")));
    }
    Ok(ChangeTypes::of(words))
}

/// The body of a new subscription.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) resource: String,
    pub(crate) watched: Watched,
    pub(crate) change_types: ChangeTypes,
    pub(crate) address: String,
    pub(crate) lifecycle_address: Option<String>,
    pub(crate) client_state: Option<String>,
    pub(crate) expires_at: DateTime<Utc>,
}

impl Wanted {
    pub(crate) fn parse(
        body: &Map<String, Value>,
        allow_http: bool,
        watched: impl FnOnce(&str) -> Result<Watched, ApiError>,
    ) -> Result<Self, ApiError> {
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let needed = |name: &str| {
            text(name)
                .filter(|value| !value.is_empty())
                .ok_or_else(|| refused(format!("The value of '{name}' is required.")))
        };
        let change_types = parse_change_types(needed("changeType")?)?;
        let address = check_address(needed("notificationUrl")?, allow_http)?;
        let lifecycle_address =
            text("lifecycleNotificationUrl").map(|address| check_address(address, allow_http)).transpose()?;
        let client_state = text("clientState");
        if client_state.is_some_and(|state| state.chars().count() > CLIENT_STATE_CHARS_MAX) {
            return Err(refused("The clientState exceeds the maximum length of 128 characters."));
        }
        if body.get("includeResourceData") == Some(&Value::Bool(true)) {
            return Err(refused("Resource data are not included by this simulator."));
        }
        let expires_at = instant(needed("expirationDateTime")?)?;
        let resource = needed("resource")?;
        let watched = watched(resource)?;
        if watched == Watched::List && change_types.has("created") {
            return Err(ApiError::extension(400, "The change type 'created' is not supported for this resource."));
        }
        Ok(Self {
            resource: resource.to_owned(),
            watched,
            change_types,
            address,
            lifecycle_address,
            client_state: client_state.map(str::to_owned),
            expires_at,
        })
    }
}

/// Checks that the caller may watch a calendar.
fn check_watchable(world: &World, caller: &Caller, id: &str) -> Result<(), ApiError> {
    let opened = calendars::open_id(world, caller, id)?;
    if opened.is_own && calendars::calendar(world, id)?.record.watchable {
        return Ok(());
    }
    Err(ApiError::extension(403, "Operation: Create; Exception: [Status Code: Forbidden; Reason: Forbidden]"))
}

/// The body of a change.
#[derive(Debug)]
pub(crate) struct WantedChange {
    pub(crate) expires_at: Option<DateTime<Utc>>,
    pub(crate) address: Option<String>,
}

impl WantedChange {
    pub(crate) fn parse(body: &Map<String, Value>, allow_http: bool) -> Result<Self, ApiError> {
        if let Some(fixed) = FIXED.iter().find(|name| body.get(**name).is_some_and(|value| !value.is_null())) {
            return Err(refused(format!("The property '{fixed}' cannot be changed.")));
        }
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let change = Self {
            expires_at: text("expirationDateTime").map(instant).transpose()?,
            address: text("notificationUrl").map(|address| check_address(address, allow_http)).transpose()?,
        };
        if change.expires_at.is_none() && change.address.is_none() {
            return Err(refused("The value of 'expirationDateTime' is required."));
        }
        Ok(change)
    }
}

/// The expiry that is given: not below the floor, and refused above the ceiling.
pub(crate) fn check_expiry(
    quirks: &Quirks,
    asked: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<DateTime<Utc>, ApiError> {
    let ceiling = match quirks.subscription_minutes_max {
        0 => LIFETIME_MINUTES_MAX,
        minutes => i64::from(minutes),
    };
    if asked <= now {
        return Err(refused("Subscription expiration can only be in the future."));
    }
    if asked - now > TimeDelta::minutes(ceiling) {
        let message = format!("Subscription expiration can only be {ceiling} minutes in the future.");
        return Err(ApiError::extension(400, message));
    }
    Ok(asked.max(now + TimeDelta::minutes(LIFETIME_MINUTES_MIN)))
}

/// What a resource means to a caller who may watch it.
pub(crate) fn parse_resource(world: &World, caller: &Caller, resource: &str) -> Result<Watched, ApiError> {
    let unsupported = || ApiError::extension(400, format!("The resource '{resource}' is not supported."));
    let segments: Vec<String> = resource.trim_matches('/').split('/').map(decode_segment).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let rest = match segments.as_slice() {
        ["me", rest @ ..] => rest,
        ["users" | "Users", user, rest @ ..] => {
            let user = world.user(user).ok_or_else(ApiError::not_found)?;
            if user.oid != caller.user {
                return Err(ApiError::access_denied());
            }
            rest
        }
        _ => return Err(unsupported()),
    };
    match rest {
        ["events"] => {
            check_watchable(world, caller, &calendars::default_id(world, caller)?)?;
            Ok(Watched::Mailbox)
        }
        ["calendars"] => Ok(Watched::List),
        ["calendar", "events"] => Ok(Watched::Calendar(calendars::default_id(world, caller)?)),
        ["calendars", id, "events"] => {
            check_watchable(world, caller, id)?;
            Ok(Watched::Calendar((*id).to_owned()))
        }
        _ => Err(unsupported()),
    }
}

fn instant(text: &str) -> Result<DateTime<Utc>, ApiError> {
    parse_instant(text).ok_or_else(|| refused("The expirationDateTime is not a valid DateTimeOffset."))
}

/// TLS is needed, but on this machine where that is allowed.
fn check_address(address: &str, allow_http: bool) -> Result<String, ApiError> {
    let url = Url::parse(address).map_err(|_| refused("The notification URL is invalid."))?;
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if url.scheme() == "https" || (allow_http && url.scheme() == "http" && is_loopback) {
        Ok(address.to_owned())
    } else {
        Err(refused("The notification URL must be an HTTPS endpoint."))
    }
}

fn refused(message: impl Into<String>) -> ApiError {
    ApiError::new(400, "InvalidRequest", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_has_a_floor_and_a_ceiling() {
        let now: DateTime<Utc> = "2026-11-30T10:00:00Z".parse().unwrap();
        let given = |minutes| check_expiry(&Quirks::default(), now + TimeDelta::minutes(minutes), now);
        assert_eq!(given(1).unwrap(), now + TimeDelta::minutes(45));
        assert_eq!(given(10_080).unwrap(), now + TimeDelta::minutes(10_080));
        assert_eq!(given(10_081).unwrap_err().code, "ExtensionError");
        assert!(given(-1).is_err());
        let old = Quirks { subscription_minutes_max: 4_230, ..Quirks::default() };
        let refused = check_expiry(&old, now + TimeDelta::minutes(4_320), now).unwrap_err();
        assert!(refused.message.contains("4230 minutes"), "{}", refused.message);
    }

    #[test]
    fn kinds_of_changes_have_no_order() {
        assert_eq!(parse_change_types("updated, created").unwrap(), parse_change_types("Created,updated").unwrap());
        assert!(parse_change_types("moved").is_err());
    }
}
