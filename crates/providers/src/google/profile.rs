//! Google's nature.

use evercal_domain::profile::{Absence, Defaults, Grants, Occurrences, Push};
use evercal_domain::{Profile, Provider, SyncStrategy};

/// Google Meet.
pub(super) const MEET: &str = "google_meet";
/// Google Hangouts, in old events.
pub(super) const HANGOUTS: &str = "google_hangouts";

/// Google Calendar API v3.
pub(super) static PROFILE: Profile = Profile {
    provider: Provider::new("google"),
    title: "Google",
    conference_kinds: &[MEET, HANGOUTS],
    push: Push::Replaced,
    list_push: Push::Replaced,
    grants: Grants::TakenBack,
    // A full sync lists all that is there, and no deletions.
    absence: Absence::MeansDeleted,
    occurrences: Occurrences::ByRules,
    defaults: Defaults {
        strategy: SyncStrategy::Webhook,
        sync_backoff_initial_ms: 30_000,
        // What Google grants at most.
        channel_lifetime_s: 7 * 24 * 3600,
        channel_lifetime_spread_s: 12 * 3600,
        code_lives_s: 10 * 60,
        // Google's maximum.
        page_events_max: 2_500,
        // Its pages have all content.
        fetch_max: 1,
        page_events_min: 10,
    },
};
