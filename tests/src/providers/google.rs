//! Google as tests know it.

use anyhow::bail;
use async_trait::async_trait;
use evercal_domain::account::Secret;
use evercal_domain::{ChannelId, Profile};
use evercal_http::{Body, HttpClient, HttpRequest, HttpSettings, Transport as _};
use evercal_providers::registry;
use evercal_simulator::{Control, FaultAction, Quirks, Simulator, SimulatorOptions, TokenRequest, setup};
use serde_json::json;
use url::Url;

use super::{ChangeNotice, ProviderCall, ProviderControl, ProviderUnderTest, Refused};

/// The simulated Google.
pub struct Google {
    simulator: Simulator,
    control: Control,
}

impl Google {
    /// The provider of a world of Google's.
    pub fn of(provider: &dyn ProviderUnderTest) -> &Self {
        let provider: &dyn std::any::Any = provider;
        provider.downcast_ref().expect("a world of Google's")
    }

    /// Its control, with what only Google has.
    pub fn own_control(&self) -> &Control {
        &self.control
    }

    /// Where it is, with a slash at the end.
    pub fn root_url(&self) -> &str {
        self.simulator.root_url()
    }
}

#[async_trait]
impl ProviderUnderTest for Google {
    async fn start() -> anyhow::Result<Self> {
        let simulator = Simulator::start(SimulatorOptions::default()).await?;
        let control = simulator.control();
        Ok(Self { simulator, control })
    }

    fn nature() -> &'static Profile {
        registry::named(setup::PROVIDER).expect("it is compiled in").profile
    }

    fn profile(&self) -> &'static Profile {
        Self::nature()
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        setup::settings(self.root_url()).to_vec()
    }

    fn control(&self) -> &dyn ProviderControl {
        &self.control
    }

    fn method(&self, call: ProviderCall) -> Option<&'static str> {
        Some(match call {
            ProviderCall::ReadEvents => "calendar.events.list",
            ProviderCall::OpenChannel => "calendar.events.watch",
            ProviderCall::CloseChannel => "calendar.channels.stop",
            ProviderCall::ListCalendars => "calendar.calendarList.list",
            ProviderCall::OpenListChannel => "calendar.calendarList.watch",
            ProviderCall::WhoseGrant => "calendar.calendarList.get",
            ProviderCall::Redeem | ProviderCall::Refresh => "oauth.token",
            ProviderCall::Revoke => "oauth.revoke",
            // Channels are replaced and not listed, and pages have all that there is.
            ProviderCall::ExtendChannel
            | ProviderCall::ListChannels
            | ProviderCall::FetchEvents
            | ProviderCall::FetchEvent
            | ProviderCall::FetchInstances => return None,
        })
    }

    fn calls_with_token(&self) -> &'static str {
        "calendar.*"
    }

    fn refusal(&self, refused: Refused) -> FaultAction {
        let (status, reason) = match refused {
            Refused::Installation => (403, "accessNotConfigured"),
            Refused::Client => (401, "invalid_client"),
            Refused::Account => (403, "domainPolicy"),
            Refused::Calendar => (403, "requiredAccessLevel"),
        };
        FaultAction::Status { status, reason: Some(reason.to_owned()), retry_after_s: None }
    }

    fn notice(&self, gateway: &Url, notice: &ChangeNotice) -> HttpRequest {
        // The register's name of a channel is Google's id of the resource, after our own of the channel.
        let resource_id = notice.remote_id.rsplit(' ').next().unwrap_or_default();
        let headers = vec![
            ("x-goog-channel-token", notice.token.clone()),
            ("x-goog-channel-id", notice.channel_id.clone()),
            ("x-goog-resource-id", resource_id.to_owned()),
            ("x-goog-resource-state", "exists".to_owned()),
            ("x-goog-message-number", "7".to_owned()),
        ];
        HttpRequest { headers, ..HttpRequest::post("notice", webhook_address(gateway), Body::Empty) }
    }

    fn answer_to_forged_notices(&self) -> u16 {
        401
    }

    async fn open_stray_channel(
        &self,
        user: &str,
        channel: ChannelId,
        token: &str,
        gateway: &Url,
    ) -> anyhow::Result<()> {
        let client = TokenRequest { user: user.to_owned(), client_id: None, scopes: vec![] };
        let access = Secret::new(self.control.issue_tokens(&client)?.access_token);
        let url = format!("{}calendars/primary/events/watch", self.simulator.base_url()).parse()?;
        let address = webhook_address(gateway);
        let body = json!({"id": channel.to_string(), "type": "web_hook", "address": address.as_str(), "token": token});
        let request = HttpRequest { bearer: Some(access), ..HttpRequest::post("watch", url, Body::Json(body)) };
        let answer = HttpClient::new(&HttpSettings::default())?.send(request).await?;
        if !answer.is_success() {
            bail!("watch: HTTP {} {}", answer.status, String::from_utf8_lossy(&answer.body));
        }
        Ok(())
    }

    fn set_page_items_max(&self, items: u32) {
        let quirks = Quirks { page_items_max: items, ..Quirks::default() };
        self.control.set_quirks(quirks).expect("the quirks");
    }

    fn forget_the_past(&self, calendar: &str) {
        self.control.shorten_history(calendar).expect("the calendar's history");
    }

    async fn stop(self: Box<Self>) {
        self.simulator.shutdown().await;
    }
}

fn webhook_address(gateway: &Url) -> Url {
    let mut address = gateway.clone();
    address.set_path("/api/webhooks/google");
    address
}
