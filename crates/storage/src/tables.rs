//! The tables of a store.

/// Every table, those first that others refer to.
pub const TABLES: [&str; 19] = [
    "tenants",
    "api_keys",
    "accounts",
    "authorizations",
    "calendars",
    "mirror_revisions",
    "channels",
    "events",
    "occurrences",
    "changes",
    "quarantine",
    "pass_worklist",
    "sync_runs",
    "audit_log",
    "security_events",
    "heartbeats",
    "installation",
    "claims",
    "provider_incidents",
];
