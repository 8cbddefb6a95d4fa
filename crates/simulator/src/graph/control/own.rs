//! What Microsoft alone has in the control API. By HTTP below `/control/microsoft/`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::IntoResponse as _;
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{calendar_id, find, need_calendar, need_user, shown, tell};
use crate::core::control::ControlError;
use crate::core::control::routes::{Answer, Body, done};
use crate::graph::delta::TokenDeath;
use crate::graph::endpoints::EndpointRules;
use crate::graph::event_fields::Author;
use crate::graph::event_view::Viewer;
use crate::graph::recurrence::RangeEnd;
use crate::graph::request::Preferences;
use crate::graph::store::Change;
use crate::graph::store::EventRecord;
use crate::graph::subscription_report::{self, SubscriptionReport};
use crate::graph::{Control, Quirks, Shared, World, truth, writes};

/// What Microsoft says of a subscription itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LifecycleEvent {
    /// The client has to authorize it again.
    ReauthorizationRequired,
    /// It is gone.
    SubscriptionRemoved,
    /// Notices were lost.
    Missed,
    /// A word that nobody has documented yet.
    #[serde(untagged)]
    Other(String),
}

impl LifecycleEvent {
    /// The word of `lifecycleEvent`.
    pub fn word(&self) -> &str {
        match self {
            Self::ReauthorizationRequired => "reauthorizationRequired",
            Self::SubscriptionRemoved => "subscriptionRemoved",
            Self::Missed => "missed",
            Self::Other(word) => word,
        }
    }
}

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/control/microsoft/quirks", put(set_quirks))
        .route("/control/microsoft/endpoint-rules", put(set_endpoint_rules))
        .route("/control/microsoft/token-death", put(set_token_death))
        .route("/control/microsoft/refresh-failure", put(set_refresh_failure))
        .route("/control/microsoft/users/{user}/mailbox", put(set_mailbox))
        .route("/control/microsoft/subscriptions", get(subscriptions))
        .route("/control/microsoft/users/{user}/default-calendar", get(default_calendar))
        .route("/control/microsoft/subscriptions/{id}/lifecycle", post(send_lifecycle_notice))
        .route("/control/microsoft/calendars/{calendar}/history", delete(shorten_history))
        .route("/control/microsoft/calendars/{calendar}/events/{event}/move", post(move_event))
        .route("/control/microsoft/calendars/{calendar}/events/{event}/reschedule", post(reschedule_series))
        .route("/control/microsoft/calendars/{calendar}/events/{event}/cut", post(cut_series))
        .route("/control/microsoft/calendars/{calendar}/events/{event}/custom-zone", put(set_custom_zone))
        .route("/control/microsoft/calendars/{calendar}/events/{event}/raw", put(set_raw_fields))
        .route("/control/microsoft/calendars/{calendar}/resources", get(resources))
}

/// What is Microsoft's in general.
impl Control {
    /// Switches unusual behaviour on or off.
    pub fn set_quirks(&self, quirks: Quirks) -> Result<(), ControlError> {
        self.with(|world| {
            world.set_quirks(quirks);
            Ok(())
        })
    }

    /// Sets what receivers of notices have to keep to, and forgets how they did so far.
    pub fn set_endpoint_rules(&self, rules: EndpointRules) -> Result<(), ControlError> {
        self.with(|world| {
            world.set_endpoint_rules(rules);
            Ok(())
        })
    }

    /// Sets how dead delta tokens are refused; [`Control::expire_sync_tokens`] makes them so.
    pub fn set_token_death(&self, death: TokenDeath) -> Result<(), ControlError> {
        if !(400..600).contains(&death.status) {
            return Err(ControlError::Invalid("a refusal has a status of 400 to 599".to_owned()));
        }
        self.with(|world| {
            world.set_token_death(death);
            Ok(())
        })
    }

    /// From now on refreshes fail with this AADSTS code, or go well again. Codes of the client's secret let redemptions fail too.
    pub fn set_refresh_failure(&self, code: Option<u32>) -> Result<(), ControlError> {
        self.with(|world| {
            world.set_refresh_failure(code);
            Ok(())
        })
    }

    /// Says something of a subscription, to its address for such; removes it where that is what is said.
    pub fn send_lifecycle_notice(&self, subscription: &str, event: &LifecycleEvent) -> Result<(), ControlError> {
        self.with(|world| tell(world, subscription, event.word()))
    }

    /// What the register says of subscriptions that is Microsoft's alone.
    pub fn subscriptions(&self) -> Result<Vec<SubscriptionReport>, ControlError> {
        self.with(|world| Ok(subscription_report::own(world)))
    }

    /// Says whether a user has a mailbox: without, all calls for calendars are refused as `MailboxNotEnabledForRESTAPI`.
    pub fn set_mailbox(&self, user: &str, has_mailbox: bool) -> Result<(), ControlError> {
        self.with(|world| {
            let mut record = need_user(world, user)?.clone();
            record.has_mailbox = has_mailbox;
            world.save_user(record);
            Ok(())
        })
    }

    /// The id of a user's default calendar.
    pub fn default_calendar(&self, user: &str) -> Result<String, ControlError> {
        self.with(|world| Ok(need_user(world, user)?.default_calendar.clone()))
    }
}

/// What is Microsoft's of single calendars and events. Events are named by either of their ids.
impl Control {
    /// Moves an event or series to another calendar; answers with what it is there.
    pub fn move_event(&self, calendar: &str, event: &str, to: &str) -> Result<Map<String, Value>, ControlError> {
        self.with(|world| {
            let (calendar, key, slot) = find(world, calendar, event)?;
            if slot.is_some() {
                return Err(ControlError::Invalid("an occurrence does not move without its series".to_owned()));
            }
            let target = calendar_id(world, to)?;
            let now = world.now_for(&calendar, None).max(world.now_for(&target, None));
            writes::move_to(world, &calendar, &key, &target, now)?;
            shown(world, &target, &key, None)
        })
    }

    /// Moves a whole series by so many minutes: all of its occurrences are new ones.
    pub fn reschedule_series(
        &self,
        calendar: &str,
        event: &str,
        minutes: i64,
    ) -> Result<Map<String, Value>, ControlError> {
        self.with(|world| {
            let (calendar, key, _) = find(world, calendar, event)?;
            let found = need_calendar(world, &calendar)?.live(&key);
            let change = found.map(|event| event.time.later_by(minutes).as_body()).unwrap_or_default();
            let now = world.now_for(&calendar, None);
            writes::patch(world, &calendar, &key, None, &change, Author::Control, now)?;
            shown(world, &calendar, &key, None)
        })
    }

    /// Lets a series end with this day, as when the rest of it becomes another one.
    pub fn cut_series(&self, calendar: &str, event: &str, last: NaiveDate) -> Result<Map<String, Value>, ControlError> {
        self.with(|world| {
            let (calendar, key, _) = find(world, calendar, event)?;
            let found = need_calendar(world, &calendar)?.live(&key);
            let series = found.and_then(|event| Some((event.recurrence.clone()?, event.time.start_zone.clone())));
            let Some((mut recurrence, zone)) = series else {
                return Err(ControlError::Invalid("only a series can be cut".to_owned()));
            };
            recurrence.range.end = RangeEnd::On(last);
            let change = Map::from_iter([("recurrence".to_owned(), recurrence.to_value(&zone))]);
            let now = world.now_for(&calendar, None);
            writes::patch(world, &calendar, &key, None, &change, Author::Control, now)?;
            shown(world, &calendar, &key, None)
        })
    }

    /// The zone of an event is shown as `tzone://Microsoft/Custom`, or by its name again.
    pub fn set_custom_zone(&self, calendar: &str, event: &str, is_custom: bool) -> Result<(), ControlError> {
        self.with(|world| amend(world, calendar, event, |event| event.has_custom_zone = is_custom))
    }

    /// Lays these fields over everything that is shown of an event, legal or not: for events that no client could make.
    pub fn set_raw_fields(&self, calendar: &str, event: &str, fields: Map<String, Value>) -> Result<(), ControlError> {
        self.with(|world| amend(world, calendar, event, |event| event.raw = fields))
    }

    /// Forgets the calendar's past: all delta tokens end.
    pub fn shorten_history(&self, calendar: &str) -> Result<(), ControlError> {
        self.expire_sync_tokens(calendar)
    }

    /// The truth in Microsoft's own resources: events and series as their owner, or this user, gets them by id.
    pub fn resources(&self, calendar: &str, user: Option<&str>) -> Result<Vec<Map<String, Value>>, ControlError> {
        self.with(|world| {
            let calendar = need_calendar(world, calendar)?;
            let role = truth::role_of(world, calendar, user)?;
            let preferences = Preferences::of_control();
            let viewer = Viewer { world, calendar: &calendar.record, role, preferences: &preferences };
            Ok(calendar.all_live().map(|event| viewer.event(event)).collect())
        })
    }
}

fn amend(
    world: &mut World,
    calendar: &str,
    event: &str,
    change: impl FnOnce(&mut EventRecord),
) -> Result<(), ControlError> {
    let (calendar, key, _) = find(world, calendar, event)?;
    let found = need_calendar(world, &calendar)?.live(&key).cloned();
    let mut record = found.ok_or_else(|| ControlError::not_found("event", event))?;
    change(&mut record);
    let now = world.now_for(&calendar, None);
    world.store_event(record, Change::Updated, now);
    Ok(())
}

async fn set_quirks(State(control): State<Control>, Body(quirks): Body<Quirks>) -> Answer {
    control.set_quirks(quirks)?;
    Ok(done())
}

async fn set_endpoint_rules(State(control): State<Control>, Body(rules): Body<EndpointRules>) -> Answer {
    control.set_endpoint_rules(rules)?;
    Ok(done())
}

async fn set_token_death(State(control): State<Control>, Body(death): Body<TokenDeath>) -> Answer {
    control.set_token_death(death)?;
    Ok(done())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RefreshFailure {
    code: Option<u32>,
}

async fn set_refresh_failure(State(control): State<Control>, Body(body): Body<RefreshFailure>) -> Answer {
    control.set_refresh_failure(body.code)?;
    Ok(done())
}

async fn default_calendar(State(control): State<Control>, Path(user): Path<String>) -> Answer {
    let id = control.default_calendar(&user)?;
    Ok(Json(json!({"id": id})).into_response())
}

async fn subscriptions(State(control): State<Control>) -> Answer {
    Ok(Json(json!({"subscriptions": control.subscriptions()?})).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mailbox {
    has_mailbox: bool,
}

async fn set_mailbox(State(control): State<Control>, Path(user): Path<String>, Body(body): Body<Mailbox>) -> Answer {
    control.set_mailbox(&user, body.has_mailbox)?;
    Ok(done())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lifecycle {
    event: LifecycleEvent,
}

async fn send_lifecycle_notice(
    State(control): State<Control>,
    Path(id): Path<String>,
    Body(body): Body<Lifecycle>,
) -> Answer {
    control.send_lifecycle_notice(&id, &body.event)?;
    Ok(done())
}

async fn shorten_history(State(control): State<Control>, Path(calendar): Path<String>) -> Answer {
    control.shorten_history(&calendar)?;
    Ok(done())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Move {
    to: String,
}

async fn move_event(
    State(control): State<Control>,
    Path((calendar, event)): Path<(String, String)>,
    Body(body): Body<Move>,
) -> Answer {
    Ok(Json(control.move_event(&calendar, &event, &body.to)?).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reschedule {
    minutes: i64,
}

async fn reschedule_series(
    State(control): State<Control>,
    Path((calendar, event)): Path<(String, String)>,
    Body(body): Body<Reschedule>,
) -> Answer {
    Ok(Json(control.reschedule_series(&calendar, &event, body.minutes)?).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cut {
    last: NaiveDate,
}

async fn cut_series(
    State(control): State<Control>,
    Path((calendar, event)): Path<(String, String)>,
    Body(body): Body<Cut>,
) -> Answer {
    Ok(Json(control.cut_series(&calendar, &event, body.last)?).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CustomZone {
    is_custom: bool,
}

async fn set_custom_zone(
    State(control): State<Control>,
    Path((calendar, event)): Path<(String, String)>,
    Body(body): Body<CustomZone>,
) -> Answer {
    control.set_custom_zone(&calendar, &event, body.is_custom)?;
    Ok(done())
}

async fn set_raw_fields(
    State(control): State<Control>,
    Path((calendar, event)): Path<(String, String)>,
    Body(fields): Body<Map<String, Value>>,
) -> Answer {
    control.set_raw_fields(&calendar, &event, fields)?;
    Ok(done())
}

async fn resources(State(control): State<Control>, Path(calendar): Path<String>) -> Answer {
    Ok(Json(json!({"resources": control.resources(&calendar, None)?})).into_response())
}
