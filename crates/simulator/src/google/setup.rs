//! How evercal is set up for the provider that is played here: names and values of settings, and nothing of its code.

use super::Google;
use crate::core::SimulatedProvider as _;
use crate::core::options::OauthClient;
use crate::core::simulated::{self, Simulated};

/// The provider's name.
pub const PROVIDER: &str = Google::NAME;

/// What a process that runs it, whichever it is, has to know of it.
pub static SIMULATED: Simulated = Simulated {
    provider: PROVIDER,
    api_path: API_PATH,
    calendars_path: CALENDARS_PATH,
    calendars_field: "items",
    wants_tls: false,
    settings: |root_url| settings(root_url).to_vec(),
    start: simulated::start::<Google>,
};

/// Where its API is below the simulator's root, with a slash at the end.
pub const API_PATH: &str = Google::API_PATH;

/// Where the API lists a user's calendars, each with its `id` in `items`; below [`API_PATH`].
pub const CALENDARS_PATH: &str = "users/me/calendarList";

/// The settings by which gateways and workers find it at `root_url`.
pub fn settings(root_url: &str) -> [(&'static str, String); 3] {
    let OauthClient { id, secret, .. } = OauthClient::default();
    [("GOOGLE_CLIENT_ID", id), ("GOOGLE_CLIENT_SECRET", secret), ("EVERCAL_GOOGLE_BASE_URL", root_url.to_owned())]
}
