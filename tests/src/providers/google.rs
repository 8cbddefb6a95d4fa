//! Google as tests know it.

use anyhow::bail;
use async_trait::async_trait;
use chrono::TimeDelta;
use evercal_domain::account::Secret;
use evercal_domain::{ChannelId, Profile};
use evercal_http::{Body, HttpClient, HttpRequest, HttpSettings, Transport as _};
use evercal_providers::registry;
use evercal_simulator::{Control, FaultAction, Quirks, Simulator, SimulatorOptions, TokenRequest, setup};
use serde_json::{Map, Value, json};
use url::Url;

use super::{ChangeNotice, MarkedEvent, ProviderCall, ProviderControl, ProviderUnderTest, Refused};

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

    fn insert_marked_event(&self, calendar: &str, marked: &MarkedEvent<'_>) {
        let event = json!({
            "summary": marked.title, "location": marked.place, "attendees": [{"email": marked.guest}],
            "start": {"dateTime": marked.start.to_rfc3339()},
            "end": {"dateTime": (marked.start + TimeDelta::hours(1)).to_rfc3339()},
        });
        self.control.insert_event(calendar, object(event)).expect("an event");
    }

    fn insert_unreadable_events(&self, calendar: &str, marked: &MarkedEvent<'_>, nonsense: &str) {
        let start = json!({"dateTime": marked.start.to_rfc3339()});
        let end = json!({"dateTime": (marked.start + TimeDelta::hours(1)).to_rfc3339()});
        let elsewhere = json!({"dateTime": "2026-12-01T10:00:00", "timeZone": nonsense});
        for unreadable in [
            json!({"id": "poison0001", "status": "confirmed", "summary": marked.title, "location": marked.place}),
            json!({"id": "poison0002", "status": "confirmed", "start": nonsense, "end": end}),
            json!({"id": "poison0003", "status": "confirmed", "start": elsewhere, "end": end}),
            json!({"id": "poison0004", "start": start, "end": end, "recurrence": [format!("RRULE:{nonsense}")]}),
        ] {
            self.control.put_raw_event(calendar, object(unreadable)).expect("an event");
        }
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

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        other => panic!("{other} is no object"),
    }
}

fn webhook_address(gateway: &Url) -> Url {
    let mut address = gateway.clone();
    address.set_path("/api/webhooks/google");
    address
}
