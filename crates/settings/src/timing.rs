//! The durations that workflows go by: any of them in one document, and five that have a setting of their own.

use std::num::{NonZeroU32, NonZeroU64};

use evercal_workflows::Timing;
use serde_json::Value;

use crate::about::{About, GATEWAY_AND_WORKER, GivenBy, Otherwise, Shown};
use crate::lookup::{ConfigError, Lookup};
use crate::reading::{Given, optional};
use crate::setting::Setting;

/// What `EVERCAL_TIMING` says.
pub struct TimingDocument {
    /// The durations, the default where it is silent.
    pub timing: Timing,
    /// The durations that it names.
    pub names: Vec<String>,
}

/// Any durations, as a JSON object. One that does not exist is an error, since it would change nothing.
pub static TIMING: Setting<Option<TimingDocument>> = Setting {
    about: About {
        name: "EVERCAL_TIMING",
        read_by: GATEWAY_AND_WORKER,
        given_by: GivenBy::Value,
        shown: Shown::Whole,
        otherwise: Otherwise::Nothing("the durations of workflows/src/retry.rs"),
        example: r#"{"ladder_s":[300,600,1200]}"#,
        meaning: "any duration of `workflows/src/retry.rs`, as JSON; the five settings for single durations go over it, wherever each is given",
    },
    read: document,
};

/// Caps the retries of a sync.
pub static MAX_RETRIES: Setting<Option<u32>> = Setting {
    about: About {
        name: "SYNC_MAX_RETRIES",
        read_by: GATEWAY_AND_WORKER,
        given_by: GivenBy::Value,
        shown: Shown::Whole,
        otherwise: Otherwise::Timing { field: "sync_retries_max", read: retries },
        example: "5",
        meaning: "caps the retries of a sync",
    },
    read: optional,
};

/// The longest attempt at a sync, in milliseconds.
pub static TIMEOUT_MS: Setting<Option<NonZeroU64>> = Setting {
    about: About {
        name: "SYNC_TIMEOUT_MS",
        read_by: GATEWAY_AND_WORKER,
        given_by: GivenBy::Value,
        shown: Shown::Whole,
        otherwise: Otherwise::Timing { field: "sync_timeout_ms", read: |timing| timing.sync_timeout_ms.to_string() },
        example: "600000",
        meaning: "the longest attempt at a sync, in milliseconds",
    },
    read: optional,
};

/// Between two looks of the poller, in milliseconds.
pub static POLLING_INTERVAL_MS: Setting<Option<NonZeroU64>> = Setting {
    about: About {
        name: "POLLING_INTERVAL_MS",
        read_by: GATEWAY_AND_WORKER,
        given_by: GivenBy::Value,
        shown: Shown::Whole,
        otherwise: Otherwise::Timing {
            field: "polling_interval_s",
            read: |timing| (u64::from(timing.polling_interval_s) * 1_000).to_string(),
        },
        example: "900000",
        meaning: "between two looks of the poller, in milliseconds",
    },
    read: optional,
};

/// Seconds before its end at which a channel is renewed.
pub static RENEW_LEAD_S: Setting<Option<u32>> = Setting {
    about: About {
        name: "RENEW_LEAD",
        read_by: GATEWAY_AND_WORKER,
        given_by: GivenBy::Value,
        shown: Shown::Whole,
        otherwise: Otherwise::Timing { field: "renew_lead_s", read: |timing| timing.renew_lead_s.to_string() },
        example: "86400",
        meaning: "seconds before its end at which a channel is renewed",
    },
    read: optional,
};

/// Seconds between two looks without a reason.
pub static RECONCILE_INTERVAL_S: Setting<Option<NonZeroU32>> = Setting {
    about: About {
        name: "RECONCILE_INTERVAL",
        read_by: GATEWAY_AND_WORKER,
        given_by: GivenBy::Value,
        shown: Shown::Whole,
        otherwise: Otherwise::Timing {
            field: "reconcile_interval_s",
            read: |timing| timing.reconcile_interval_s.to_string(),
        },
        example: "21600",
        meaning: "seconds between two looks without a reason",
    },
    read: optional,
};

/// The durations: those of [`TIMING`], and over them those that have settings of their own.
pub fn durations(lookup: &Lookup<'_>) -> Result<Timing, ConfigError> {
    let mut timing = TIMING.read(lookup)?.map_or_else(Timing::default, |document| document.timing);
    if let Some(interval_ms) = POLLING_INTERVAL_MS.read(lookup)? {
        timing.polling_interval_s = u32::try_from(interval_ms.get().div_ceil(1_000)).unwrap_or(u32::MAX);
    }
    if let Some(timeout_ms) = TIMEOUT_MS.read(lookup)? {
        timing.sync_timeout_ms = timeout_ms.get();
    }
    if let Some(retries_max) = MAX_RETRIES.read(lookup)? {
        timing.sync_retries_max = Some(retries_max);
    }
    if let Some(lead_s) = RENEW_LEAD_S.read(lookup)? {
        timing.renew_lead_s = lead_s;
    }
    if let Some(interval_s) = RECONCILE_INTERVAL_S.read(lookup)? {
        timing.reconcile_interval_s = interval_s.get();
    }
    Ok(timing)
}

fn retries(timing: &Timing) -> String {
    timing.sync_retries_max.map_or_else(|| "by kind of job".to_owned(), |retries| retries.to_string())
}

fn document(given: &Given<'_>) -> Result<Option<TimingDocument>, ConfigError> {
    let Some(json) = given.text() else { return Ok(None) };
    let wrong = |error: serde_json::Error| given.error(error);
    let fields: serde_json::Map<String, Value> = serde_json::from_str(&json).map_err(wrong)?;
    let known = serde_json::to_value(Timing::default()).map_err(wrong)?;
    if let Some(unknown) = fields.keys().find(|name| known.get(name.as_str()).is_none()) {
        return Err(given.error(format!("there is no duration `{unknown}`")));
    }
    let names = fields.keys().cloned().collect();
    let timing: Timing = serde_json::from_value(Value::Object(fields)).map_err(wrong)?;
    // Without a pause a workflow would fill its history and never do anything else.
    let pauses = [
        ("polling_interval_s", timing.polling_interval_s),
        ("reconcile_interval_s", timing.reconcile_interval_s),
        ("discovery_interval_s", timing.discovery_interval_s),
        ("regain_interval_s", timing.regain_interval_s),
    ];
    if let Some((name, _)) = pauses.iter().find(|(_, pause_s)| *pause_s == 0) {
        return Err(given.error(format!("`{name}` has to be at least 1")));
    }
    Ok(Some(TimingDocument { timing, names }))
}
