//! What Google alone has in the control API: quirks, quota, tokens of lists, events that no client could make, and its own
//! resources. By HTTP below `/control/google/`.

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::IntoResponse as _;
use axum::routing::{delete, post, put};
use serde_json::{Map, Value};

use super::{calendar_id, need_calendar, need_user, truth};
use crate::core::control::ControlError;
use crate::core::control::routes::{Answer, Body, done};
use crate::google::{Control, Quirks, QuotaLimits, Shared};

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/control/google/quirks", put(set_quirks))
        .route("/control/google/quota", put(set_quota))
        .route("/control/google/users/{user}/calendar-list-tokens", delete(expire_calendar_list_tokens))
        .route("/control/google/calendars/{calendar}/page-tokens", delete(expire_page_tokens))
        .route("/control/google/calendars/{calendar}/history", delete(shorten_history))
        .route("/control/google/calendars/{calendar}/raw-events", post(put_raw_event))
}

impl Control {
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

    /// Lets all sync tokens of a user's calendar list answer 410.
    pub fn expire_calendar_list_tokens(&self, user: &str) -> Result<(), ControlError> {
        self.with(|world| {
            let mut record = need_user(world, user)?.record.clone();
            record.token_generation += 1;
            world.save_user(record);
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

    /// Forgets the calendar's past: older sync tokens answer 410, and tombstones are gone.
    pub fn shorten_history(&self, calendar: &str) -> Result<(), ControlError> {
        self.with(|world| {
            let calendar = calendar_id(world, calendar)?;
            let known = need_calendar(world, &calendar)?;
            let mut record = known.record.clone();
            record.history_floor = known.last_version();
            let tombstones: Vec<String> = known
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

    /// The truth in Google's own resources: what `events.list` gives this user, or the owner, all pages of it.
    pub fn resources(&self, calendar: &str, user: Option<&str>) -> Result<Vec<Map<String, Value>>, ControlError> {
        self.with(|world| truth::listed(world, need_calendar(world, calendar)?, user))
    }
}

async fn set_quirks(State(control): State<Control>, Body(quirks): Body<Quirks>) -> Answer {
    control.set_quirks(quirks)?;
    Ok(done())
}

async fn set_quota(State(control): State<Control>, Body(limits): Body<QuotaLimits>) -> Answer {
    control.set_quota(limits)?;
    Ok(done())
}

async fn expire_calendar_list_tokens(State(control): State<Control>, Path(user): Path<String>) -> Answer {
    control.expire_calendar_list_tokens(&user)?;
    Ok(done())
}

async fn expire_page_tokens(State(control): State<Control>, Path(calendar): Path<String>) -> Answer {
    control.expire_page_tokens(&calendar)?;
    Ok(done())
}

async fn shorten_history(State(control): State<Control>, Path(calendar): Path<String>) -> Answer {
    control.shorten_history(&calendar)?;
    Ok(done())
}

async fn put_raw_event(
    State(control): State<Control>,
    Path(calendar): Path<String>,
    Body(event): Body<Map<String, Value>>,
) -> Answer {
    Ok(Json(control.put_raw_event(&calendar, event)?).into_response())
}
