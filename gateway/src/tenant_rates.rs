//! How fast a tenant may ask.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use evercal_domain::TenantId;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

/// How fast each tenant asks this gateway. Each gateway counts for itself. Only tenants that exist have an entry here, so it
/// cannot be filled from outside.
#[derive(Default)]
pub(crate) struct TenantRates {
    tenants: Mutex<HashMap<TenantId, TenantRate>>,
}

#[derive(Clone)]
struct TenantRate {
    requests_per_minute: u32,
    limiter: Arc<DefaultDirectRateLimiter>,
}

impl TenantRates {
    /// Counts one request; an error is how long the tenant has to wait for the next.
    pub(crate) fn take(&self, tenant: TenantId, requests_per_minute: u32) -> Result<(), Duration> {
        let new = || TenantRate {
            requests_per_minute,
            // A tenant that may ask nothing is revoked instead.
            limiter: Arc::new(RateLimiter::direct(Quota::per_minute(
                NonZeroU32::new(requests_per_minute).unwrap_or(NonZeroU32::MIN),
            ))),
        };
        let rate = {
            let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
            let rate = tenants.entry(tenant).or_insert_with(new);
            if rate.requests_per_minute != requests_per_minute {
                *rate = new();
            }
            rate.clone()
        };
        rate.limiter.check().map_err(|until| until.wait_time_from(DefaultClock::default().now()))
    }
}
