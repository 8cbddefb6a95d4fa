//! Providers as a gateway meets them: whose notices it reads, and to whose consent pages it sends people.

use evercal_domain::Provider;
use evercal_domain::channel_token::ChannelTokenKeys;
use evercal_providers::google::GoogleNotices;
use evercal_providers::{ConsentPage, NoticeReader};

use crate::config::GatewayConfig;
use crate::problem::{Problem, ProblemKind};

/// A provider that this installation is set up for.
pub(crate) struct Front<'a> {
    pub provider: Provider,
    pub notices: &'a dyn NoticeReader,
    /// The keys that prove its notices.
    pub keys: &'a ChannelTokenKeys,
    pub consent: &'a dyn ConsentPage,
}

impl<'a> Front<'a> {
    /// The provider of this name, or what to answer where there is none.
    pub(crate) fn of(config: &'a GatewayConfig, name: &str) -> Result<Self, Problem> {
        let Some(provider) = Provider::from_name(name) else {
            let known = Provider::ALL.map(|provider| format!("`{}`", provider.as_str())).join(", ");
            let detail = format!("There is no provider of this name; evercal knows {known}.");
            return Err(Problem::new(ProblemKind::ProviderNotFound, detail));
        };
        match (provider, &config.google) {
            (Provider::Google, Some(google)) => Ok(Self {
                provider,
                notices: &GoogleNotices,
                keys: &google.channel_token_keys,
                consent: &google.client,
            }),
            (Provider::Google, None) => {
                let detail = "This installation is not set up for Google: GOOGLE_CLIENT_ID is not set.";
                Err(Problem::new(ProblemKind::ProviderNotFound, detail))
            }
        }
    }
}
