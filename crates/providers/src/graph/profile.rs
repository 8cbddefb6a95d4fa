//! The nature of Microsoft 365 and of Outlook.com.

use evercal_domain::profile::{Absence, Defaults, Grants, Occurrences, Push};
use evercal_domain::{Profile, Provider, SyncStrategy};

/// Microsoft Teams.
pub(super) const TEAMS: &str = "microsoft_teams";
/// Skype, and Skype for Business, in old events.
pub(super) const SKYPE: &str = "skype";

/// Events of a page of the delta query, which Microsoft calls a preference.
const PAGE_EVENTS_MAX: u32 = 500;

/// Microsoft Graph v1.0.
pub(super) static PROFILE: Profile = Profile {
    provider: Provider::new("microsoft"),
    title: "Microsoft 365",
    conference_kinds: &[TEAMS, SKYPE],
    push: Push::Extended,
    // `me/calendars` can be subscribed to, say some, but no page of Microsoft's says it.
    list_push: Push::None,
    grants: Grants::LeftToThePerson,
    // What a delta query over a window does not have may lie outside of the window.
    absence: Absence::HasToBeConfirmed,
    occurrences: Occurrences::FromProvider,
    defaults: Defaults {
        strategy: SyncStrategy::Webhook,
        sync_backoff_initial_ms: 10_000,
        channel_lifetime_s: 72 * 3600,
        channel_lifetime_spread_s: 6 * 3600,
        code_lives_s: 10 * 60,
        page_events_max: PAGE_EVENTS_MAX,
        // What one batch may have.
        fetch_max: 20,
        page_events_min: 10,
    },
};
