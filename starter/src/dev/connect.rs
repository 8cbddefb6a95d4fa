//! Makes the demo tenant: tenant, API key, and an account connected as a browser would do it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, bail};
use evercal_domain::account::Secret;
use evercal_domain::tenant::{ApiKey, ApiKeyHash, Tenant};
use evercal_domain::{Clock as _, SystemClock};
use evercal_http::{Body, HttpClient, HttpRequest, HttpResponse, HttpSettings, Transport as _};
use evercal_simulator::DemoTenant;
use evercal_storage::{Keyring, StoreSettings};
use serde_json::{Value, json};
use url::Url;

use super::folder::Folder;
use super::processes::{Processes, RunningSimulator};
use super::ready::{ProviderAccess, Ready};

/// How long the first read of the demo calendars may take.
const FIRST_READ_TIMEOUT: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(100);
/// A process that ends so often in a row will not recover by itself.
const ENDS_IN_A_ROW_MAX: u32 = 5;

/// Connects the demo tenant unless that has been done, and waits until its calendars are mirrored and watched.
pub(super) async fn demo_tenant(folder: &Folder, processes: &Processes) -> anyhow::Result<Ready> {
    ensure_api_key(folder).await?;
    let browser = Browser {
        http: HttpClient::new(&HttpSettings::default()).context("making the HTTP client")?,
        api: processes.api.clone(),
        api_key: folder.kept.api_key.clone(),
    };
    for simulator in &processes.simulators {
        let provider = simulator.simulated.provider;
        if browser.account(provider).await?.is_none() {
            browser.consent(provider, None).await?;
        }
    }
    let mut providers = BTreeMap::new();
    for simulator in &processes.simulators {
        let provider = simulator.simulated.provider;
        browser.wait_until_mirrored(provider, processes).await?;
        providers.insert(provider.to_owned(), browser.access(simulator).await?);
    }
    let first = processes.simulators.first().context("no provider is simulated")?;
    Ok(Ready {
        ready: true,
        api: trimmed(&processes.api),
        api_key: folder.kept.api_key.expose().to_owned(),
        temporal: processes.temporal_address().to_owned(),
        temporal_ui: processes.temporal_ui().map(str::to_owned),
        simulator: trimmed(&first.root),
        providers,
    })
}

async fn ensure_api_key(folder: &Folder) -> anyhow::Result<()> {
    let keyring = Keyring::parse(folder.kept.master_key.expose())?;
    let settings = StoreSettings::new(folder.database_url(), keyring);
    let store = evercal_storage::open(&settings).await.context("opening the store")?;
    let hash = ApiKeyHash::of(folder.kept.api_key.expose());
    if store.api_key_by_hash(&hash).await?.is_some() {
        return Ok(());
    }
    for tenant in store.tenants().await? {
        if store.api_keys(tenant.id).await?.iter().any(|key| key.hash == hash) {
            bail!("this folder's API key, or its tenant, was revoked: begin anew with --fresh, or in another folder");
        }
    }
    let now = SystemClock.now();
    let tenant = Tenant::new("Demo", now);
    store.insert_tenant(&tenant).await?;
    store.insert_api_key(&ApiKey::new(tenant.id, "evercal dev", folder.kept.api_key.expose(), now)).await?;
    Ok(())
}

/// Plays the user's browser.
struct Browser {
    http: HttpClient,
    api: Url,
    api_key: Secret,
}

impl Browser {
    /// The real OAuth path: the gateway's start, the consent page, and back to the gateway's callback.
    async fn consent(&self, provider: &str, account_id: Option<String>) -> anyhow::Result<()> {
        let mut start = json!({"label": "Robin Hale (demo)", "login_hint": DemoTenant::USER});
        if let (Some(account_id), Some(fields)) = (account_id, start.as_object_mut()) {
            fields.insert("account_id".to_owned(), account_id.into());
        }
        let url = self.api.join(&format!("v1/oauth/{provider}/start"))?;
        let started = self.post(url, start, Some(&self.api_key)).await?;
        let consent_page: Url =
            text(&started, "authorization_url")?.parse().context("reading the consent page's address")?;
        let redirect = self.http.send(HttpRequest::get("consent page", consent_page)).await?;
        let callback = redirect.header("location").context("the consent page did not send the browser back")?;
        let answer = self.http.send(HttpRequest::get("callback", callback.parse()?)).await?;
        // What else the page may say is seen by the account, which is waited for.
        if answer.status >= 500 {
            bail!("the gateway refused the consent: HTTP {}", answer.status);
        }
        Ok(())
    }

    /// The demo account at a provider, if it exists.
    async fn account(&self, provider: &str) -> anyhow::Result<Option<Value>> {
        let accounts = self.api_get("v1/accounts").await?;
        let accounts = field(&accounts, "items").as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(accounts.iter().find(|account| field(account, "provider") == provider).cloned())
    }

    async fn wait_until_mirrored(&self, provider: &str, processes: &Processes) -> anyhow::Result<()> {
        let mut last = Value::Null;
        let mut asked_again = false;
        let mirrored = async {
            loop {
                if processes.failing().iter().any(|process| process.times >= ENDS_IN_A_ROW_MAX) {
                    bail!("the demo calendars cannot be mirrored");
                }
                last = self.api_get("v1/calendars").await?;
                let account = self.account(provider).await?.unwrap_or_default();
                let all = field(&last, "items").as_array().map(Vec::as_slice).unwrap_or_default();
                let is_its = |calendar: &&Value| field(calendar, "account_id") == field(&account, "id");
                let calendars: Vec<&Value> = all.iter().filter(is_its).collect();
                let fresh = |calendar: &&Value| {
                    !field(calendar, "confirmed_at").is_null() && field(calendar, "state") != "creating"
                };
                if !calendars.is_empty() && calendars.iter().all(fresh) {
                    return anyhow::Ok(());
                }
                // A code is good for one use: killed while it was being redeemed, a run leaves an account without tokens.
                if calendars.is_empty() && field(&account, "state") == "needs_reauth" && !asked_again {
                    asked_again = true;
                    self.consent(provider, Some(text(&account, "id")?)).await?;
                }
                tokio::time::sleep(POLL).await;
            }
        };
        match tokio::time::timeout(FIRST_READ_TIMEOUT, mirrored).await {
            Ok(result) => result,
            Err(_) => bail!(
                "the demo calendars were not mirrored within {} s; read the logs folder. Last seen: {last}",
                FIRST_READ_TIMEOUT.as_secs()
            ),
        }
    }

    /// What a client of a simulated provider needs.
    async fn access(&self, simulator: &RunningSimulator) -> anyhow::Result<ProviderAccess> {
        let RunningSimulator { simulated, root, tls } = simulator;
        let tokens = self.post(root.join("control/tokens")?, json!({"user": DemoTenant::USER}), None).await?;
        let access_token = text(&tokens, "access_token")?;
        let base_url = root.join(simulated.api_path)?;
        let url = base_url.join(simulated.calendars_path)?;
        let request = HttpRequest { bearer: Some(Secret::new(&*access_token)), ..HttpRequest::get("calendars", url) };
        let list = json_of(&self.http.send(request).await?)?;
        let calendars = field(&list, simulated.calendars_field).as_array().map(Vec::as_slice).unwrap_or_default();
        let tls_base_url = tls.as_ref().map(|(root, _)| root.join(simulated.api_path)).transpose()?;
        Ok(ProviderAccess {
            base_url: base_url.to_string(),
            tls_base_url: tls_base_url.map(|url| url.to_string()),
            ca_file: tls.as_ref().map(|(_, ca_file)| ca_file.clone()),
            control: root.join("control/")?.to_string(),
            user: DemoTenant::USER.to_owned(),
            calendars: calendars.iter().map(|calendar| text(calendar, "id")).collect::<anyhow::Result<_>>()?,
            access_token,
        })
    }

    async fn api_get(&self, path: &str) -> anyhow::Result<Value> {
        let url = self.api.join(path)?;
        let request = HttpRequest { bearer: Some(self.api_key.clone()), ..HttpRequest::get("api", url) };
        json_of(&self.http.send(request).await?)
    }

    async fn post(&self, url: Url, body: Value, bearer: Option<&Secret>) -> anyhow::Result<Value> {
        let request = HttpRequest { bearer: bearer.cloned(), ..HttpRequest::post("api", url, Body::Json(body)) };
        json_of(&self.http.send(request).await?)
    }
}

fn json_of(response: &HttpResponse) -> anyhow::Result<Value> {
    if !response.is_success() {
        bail!("HTTP {}: {}", response.status, String::from_utf8_lossy(&response.body));
    }
    serde_json::from_slice(&response.body).context("the answer is not JSON")
}

fn field<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.get(name).unwrap_or(&Value::Null)
}

fn text(value: &Value, name: &str) -> anyhow::Result<String> {
    field(value, name).as_str().map(str::to_owned).with_context(|| format!("the answer has no `{name}`"))
}

fn trimmed(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}
