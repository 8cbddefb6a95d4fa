//! Microsoft Graph as tests know it.

use anyhow::bail;
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use evercal_domain::account::Secret;
use evercal_domain::{ChannelId, Profile};
use evercal_http::{Body, HttpClient, HttpRequest, HttpSettings, Transport as _};
use evercal_providers::registry;
use evercal_simulator::microsoft::{Control, Quirks, Simulator, setup};
use evercal_simulator::{FaultAction, SimulatorOptions, TokenRequest};
use serde_json::{Value, json};
use url::Url;

use super::{ChangeNotice, MarkedEvent, ProviderCall, ProviderControl, ProviderUnderTest, Refused};

/// The simulated Microsoft Graph.
pub struct Graph {
    simulator: Simulator,
    control: Control,
}

impl Graph {
    /// The provider of a world of Microsoft's.
    pub fn of(provider: &dyn ProviderUnderTest) -> &Self {
        let provider: &dyn std::any::Any = provider;
        provider.downcast_ref().expect("a world of Microsoft's")
    }

    /// Its control, with what only Microsoft has.
    pub fn own_control(&self) -> &Control {
        &self.control
    }

    /// Where it is, with a slash at the end.
    pub fn root_url(&self) -> &str {
        self.simulator.root_url()
    }
}

#[async_trait]
impl ProviderUnderTest for Graph {
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

    fn calendar_named(&self, name: &str) -> String {
        self.control.default_calendar(name).unwrap_or_else(|_no_user| name.to_owned())
    }

    fn method(&self, call: ProviderCall) -> Option<&'static str> {
        Some(match call {
            ProviderCall::ReadEvents => "graph.calendarView.delta",
            ProviderCall::OpenChannel => "graph.subscriptions.create",
            ProviderCall::ExtendChannel => "graph.subscriptions.update",
            ProviderCall::ListChannels => "graph.subscriptions.list",
            ProviderCall::FetchEvents => "graph.batch",
            ProviderCall::FetchEvent => "graph.events.get",
            ProviderCall::FetchInstances => "graph.events.instances",
            ProviderCall::CloseChannel => "graph.subscriptions.delete",
            ProviderCall::ListCalendars => "graph.calendars.list",
            ProviderCall::WhoseGrant => "graph.calendars.get",
            ProviderCall::Redeem | ProviderCall::Refresh => "oauth.token",
            // Lists are not watched, and no grant is taken back.
            ProviderCall::OpenListChannel | ProviderCall::Revoke => return None,
        })
    }

    fn calls_with_token(&self) -> &'static str {
        "graph.*"
    }

    fn refusal(&self, refused: Refused) -> FaultAction {
        let (status, reason) = match refused {
            Refused::Installation => (403, "Authorization_RequestDenied"),
            Refused::Client => (401, "invalid_client"),
            Refused::Account | Refused::Calendar => (403, "ErrorAccessDenied"),
        };
        FaultAction::Status { status, reason: Some(reason.to_owned()), retry_after_s: None }
    }

    fn notice(&self, gateway: &Url, notice: &ChangeNotice) -> HttpRequest {
        let item = json!({
            "subscriptionId": notice.remote_id,
            "clientState": notice.token,
            "changeType": "updated",
            "resource": "Users/1/Events/2",
            "tenantId": "3",
        });
        HttpRequest::post("notice", webhook_address(gateway), Body::Json(json!({"value": [item]})))
    }

    /// One request has many of them, and the others count.
    fn answer_to_forged_notices(&self) -> u16 {
        202
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
        let url = format!("{}subscriptions", self.simulator.base_url()).parse()?;
        let address = format!("{}?channel={channel}", webhook_address(gateway));
        let expires_at = evercal_domain::Clock::now(&evercal_domain::SystemClock) + TimeDelta::days(2);
        let body = json!({
            "changeType": "created,updated", "notificationUrl": address, "resource": "me/events", "clientState": token,
            "expirationDateTime": expires_at.to_rfc3339(),
        });
        let request = HttpRequest { bearer: Some(access), ..HttpRequest::post("subscribe", url, Body::Json(body)) };
        let answer = HttpClient::new(&HttpSettings::default())?.send(request).await?;
        if !answer.is_success() {
            bail!("subscriptions: HTTP {} {}", answer.status, String::from_utf8_lossy(&answer.body));
        }
        Ok(())
    }

    fn insert_marked_event(&self, calendar: &str, marked: &MarkedEvent<'_>) {
        self.insert(calendar, marked);
    }

    fn insert_unreadable_events(&self, calendar: &str, marked: &MarkedEvent<'_>, nonsense: &str) {
        for fields in [
            json!({"start": null}),
            json!({"start": {"dateTime": nonsense, "timeZone": "UTC"}}),
            json!({"isAllDay": nonsense}),
            json!({"end": nonsense}),
        ] {
            let id = self.insert(calendar, marked);
            let Value::Object(fields) = fields else { panic!("{fields} is no object") };
            self.control.set_raw_fields(&self.calendar_named(calendar), &id, fields).expect("an event");
        }
    }

    fn set_page_items_max(&self, items: u32) {
        let quirks = Quirks { page_items_max: items, ..Quirks::default() };
        self.control.set_quirks(quirks).expect("the quirks");
    }

    fn forget_the_past(&self, calendar: &str) {
        self.control.shorten_history(&self.calendar_named(calendar)).expect("the calendar's history");
    }

    async fn stop(self: Box<Self>) {
        self.simulator.shutdown().await;
    }
}

impl Graph {
    /// Inserts an event, and answers its id.
    fn insert(&self, calendar: &str, marked: &MarkedEvent<'_>) -> String {
        let point =
            |at: DateTime<Utc>| json!({"dateTime": at.format("%Y-%m-%dT%H:%M:%S").to_string(), "timeZone": "UTC"});
        let event = json!({
            "subject": marked.title, "location": {"displayName": marked.place},
            "attendees": [{"type": "required", "emailAddress": {"address": marked.guest, "name": "A guest"}}],
            "start": point(marked.start), "end": point(marked.start + TimeDelta::hours(1)),
        });
        let Value::Object(event) = event else { panic!("{event} is no object") };
        let made = self.control.insert_event(&self.calendar_named(calendar), event).expect("an event");
        made["id"].as_str().expect("an id").to_owned()
    }
}

fn webhook_address(gateway: &Url) -> Url {
    let mut address = gateway.clone();
    address.set_path("/api/webhooks/microsoft");
    address
}
