//! What `evercal dev` tells when it is ready: one line of JSON for programs, a few lines for people.

use serde::{Deserialize, Serialize};

/// Everything that somebody needs to use a running `dev`.
#[expect(clippy::struct_field_names, reason = "programs wait for a line with `ready` in it")]
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ready {
    /// Always true.
    pub ready: bool,
    /// The API.
    pub api: String,
    /// Its key.
    pub api_key: String,
    /// Temporal, as `host:port`.
    pub temporal: String,
    /// Temporal's UI; absent where somebody else's server is used.
    pub temporal_ui: Option<String>,
    /// The simulator and its control API.
    pub simulator: String,
    /// What the official Google client needs.
    pub google: GoogleAccess,
}

/// The demo tenant's Google.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GoogleAccess {
    /// The endpoint that the official client takes.
    pub base_url: String,
    /// The demo user.
    pub user: String,
    /// A token of the demo user.
    pub access_token: String,
    /// The ids of the demo calendars at Google.
    pub calendars: Vec<String>,
}

impl Ready {
    /// A few lines for people.
    pub fn for_people(&self) -> String {
        let ui = self.temporal_ui.as_deref().unwrap_or("(none: TEMPORAL_ADDRESS is set)");
        format!(
            "\nevercal is running.\n\n  API          {}   key {}\n  Temporal UI  {ui}\n  Simulator    {}\n  \
             Google API   {}   as {}\n\nTry in another terminal: evercal calendars\n\n",
            self.api, self.api_key, self.simulator, self.google.base_url, self.google.user,
        )
    }
}
