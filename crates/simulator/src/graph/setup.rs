//! How evercal is set up for the provider that is played here: names and values of settings, and nothing of its code.

use super::Graph;
use crate::core::SimulatedProvider as _;
use crate::core::options::OauthClient;
use crate::core::simulated::{self, Simulated};

/// The provider's name.
pub const PROVIDER: &str = Graph::NAME;

/// What a process that runs it, whichever it is, has to know of it.
pub static SIMULATED: Simulated = Simulated {
    provider: PROVIDER,
    api_path: API_PATH,
    calendars_path: CALENDARS_PATH,
    calendars_field: "value",
    // Of its official clients one sends no token without.
    wants_tls: true,
    settings: |root_url| settings(root_url).to_vec(),
    start: simulated::start::<Graph>,
};

/// Where its API is below the simulator's root, with a slash at the end.
pub const API_PATH: &str = Graph::API_PATH;

/// Where the API lists a user's calendars, each with its `id` in `value`; below [`API_PATH`].
pub const CALENDARS_PATH: &str = "me/calendars";

/// The settings by which gateways and workers find it at `root_url`.
pub fn settings(root_url: &str) -> [(&'static str, String); 4] {
    let OauthClient { id, secret, .. } = OauthClient::default();
    [
        ("MICROSOFT_CLIENT_ID", id),
        ("MICROSOFT_CLIENT_SECRET", secret),
        ("EVERCAL_MICROSOFT_BASE_URL", format!("{root_url}{}", API_PATH.trim_end_matches('/'))),
        ("EVERCAL_MICROSOFT_LOGIN_URL", root_url.to_owned()),
    ]
}
