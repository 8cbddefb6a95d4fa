//! What `evercal dev` prints when it is ready: one line of JSON for programs, a few lines for people.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

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
    /// The simulator of the first provider, and its control API.
    pub simulator: String,
    /// What a client of the simulated provider needs, under the provider's name.
    #[serde(flatten)]
    pub providers: BTreeMap<String, ProviderAccess>,
}

/// The demo tenant's provider.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProviderAccess {
    /// The endpoint that the provider's official client takes.
    pub base_url: String,
    /// The same with TLS, for the official clients that send no token without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_base_url: Option<String>,
    /// The certificate that has to be trusted for that, in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// The control API of its simulator.
    pub control: String,
    /// The demo user.
    pub user: String,
    /// A token of the demo user.
    pub access_token: String,
    /// The ids of the demo calendars there.
    pub calendars: Vec<String>,
}

impl Ready {
    /// A few lines for people. `program` is how this program was called, `data_dir` the folder if it is not the usual one.
    pub fn for_people(&self, program: &str, data_dir: Option<&Path>) -> String {
        let folder = data_dir.map(|folder| format!(" --data-dir {}", folder.display())).unwrap_or_default();
        let ui = self.temporal_ui.as_deref().unwrap_or("(none: TEMPORAL_ADDRESS is set)");
        let of_provider = |(name, access): (&String, &ProviderAccess)| {
            format!("  Provider     {}   as {} ({name})\n", access.base_url, access.user)
        };
        let providers: String = self.providers.iter().map(of_provider).collect();
        format!(
            "\nevercal is running.\n\n  API          {}\n  API key      {}\n  Temporal UI  {ui}\n  Simulator    {}\n\
             {providers}\nTry in another terminal: {program} calendars{folder}\n\n",
            self.api, self.api_key, self.simulator,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_to_try_next_is_one_that_works_here() {
        let access = ProviderAccess {
            base_url: "http://127.0.0.1:1/api/".to_owned(),
            tls_base_url: None,
            ca_file: None,
            control: "http://127.0.0.1:1/control/".to_owned(),
            user: "robin@example.com".to_owned(),
            access_token: "token".to_owned(),
            calendars: vec![],
        };
        let providers = BTreeMap::from([("somewhere".to_owned(), access)]);
        let address = || "127.0.0.1:1".to_owned();
        let (api, api_key, temporal, simulator) = (address(), address(), address(), address());
        let ready = Ready { ready: true, api, api_key, temporal, temporal_ui: None, simulator, providers };
        let usual = ready.for_people("target/release/evercal", None);
        assert!(usual.contains(": target/release/evercal calendars\n"), "{usual}");
        let elsewhere = ready.for_people("evercal", Some(Path::new("/tmp/other")));
        assert!(elsewhere.contains(": evercal calendars --data-dir /tmp/other\n"), "{elsewhere}");
    }
}
