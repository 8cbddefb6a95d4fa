//! Requests per minute, as a sliding window (source: Google's quota page). Off unless the control API sets limits; not
//! journaled, since a minute is short.

use std::collections::{HashMap, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::errors::ApiError;

/// The limits in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuotaLimits {
    /// Google's value is 600 per user and project.
    pub per_user_per_minute: Option<usize>,
    /// Google's value is 10,000.
    pub per_project_per_minute: Option<usize>,
    /// The form of the refusal: 403 or 429.
    pub status: u16,
}

impl Default for QuotaLimits {
    fn default() -> Self {
        Self { per_user_per_minute: None, per_project_per_minute: None, status: 403 }
    }
}

/// The limits and the requests of the last minute.
#[derive(Default)]
pub(crate) struct Quota {
    pub(crate) limits: QuotaLimits,
    windows: HashMap<String, VecDeque<DateTime<Utc>>>,
}

impl Quota {
    /// Counts one request, or refuses it.
    pub(crate) fn charge(&mut self, project: &str, user: &str, now: DateTime<Utc>) -> Result<(), ApiError> {
        let limits = [
            (format!("{project}/{user}"), self.limits.per_user_per_minute, true),
            (project.to_owned(), self.limits.per_project_per_minute, false),
        ];
        for (key, limit, per_user) in &limits {
            let Some(limit) = limit else { continue };
            let window = self.windows.entry(key.clone()).or_default();
            while window.front().is_some_and(|oldest| now - *oldest >= TimeDelta::minutes(1)) {
                window.pop_front();
            }
            if window.len() >= *limit {
                return Err(ApiError::rate_limit(self.limits.status, *per_user));
            }
        }
        for (key, limit, _) in limits {
            if limit.is_some() {
                self.windows.entry(key).or_default().push_back(now);
            }
        }
        Ok(())
    }
}
