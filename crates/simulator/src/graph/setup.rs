//! How evercal is set up for the provider that is played here: names and values of settings, and nothing of its code.

use super::Graph;
use crate::core::SimulatedProvider as _;
use crate::core::options::OauthClient;

/// The provider's name.
pub const PROVIDER: &str = Graph::NAME;

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
