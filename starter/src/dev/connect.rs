//! Makes the demo tenant: tenant, API key, and an account connected as a browser would do it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, bail};
use evercal_domain::account::Secret;
use evercal_domain::tenant::{ApiKey, ApiKeyHash, Tenant};
use evercal_domain::{Clock as _, SystemClock};
use evercal_http::{Body, HttpClient, HttpRequest, HttpResponse, HttpSettings, Transport as _};
use evercal_simulator::{DemoTenant, setup};
use evercal_storage::{Keyring, StoreSettings};
use serde_json::{Value, json};
use url::Url;

use super::folder::Folder;
use super::processes::Processes;
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
        simulator: processes.simulator.clone(),
        api_key: folder.kept.api_key.clone(),
    };
    if browser.account().await?.is_none() {
        browser.consent(None).await?;
    }
    browser.wait_until_mirrored(processes).await?;
    let tokens =
        browser.post(browser.simulator.join("control/tokens")?, json!({"user": DemoTenant::USER}), None).await?;
    let access_token = text(&tokens, "access_token")?;
    let access = ProviderAccess {
        base_url: processes.simulator.join(setup::API_PATH)?.to_string(),
        user: DemoTenant::USER.to_owned(),
        calendars: browser.calendars(&access_token).await?,
        access_token,
    };
    Ok(Ready {
        ready: true,
        api: trimmed(&processes.api),
        api_key: folder.kept.api_key.expose().to_owned(),
        temporal: processes.temporal_address().to_owned(),
        temporal_ui: processes.temporal_ui().map(str::to_owned),
        simulator: trimmed(&processes.simulator),
        providers: BTreeMap::from([(setup::PROVIDER.to_owned(), access)]),
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
    simulator: Url,
    api_key: Secret,
}

impl Browser {
    /// The real OAuth path: the gateway's start, the consent page, and back to the gateway's callback.
    async fn consent(&self, account_id: Option<String>) -> anyhow::Result<()> {
        let mut start = json!({"label": "Robin Hale (demo)", "login_hint": DemoTenant::USER});
        if let (Some(account_id), Some(fields)) = (account_id, start.as_object_mut()) {
            fields.insert("account_id".to_owned(), account_id.into());
        }
        let started = self
            .post(self.api.join(&format!("v1/oauth/{}/start", setup::PROVIDER))?, start, Some(&self.api_key))
            .await?;
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

    /// The demo account, if it exists.
    async fn account(&self) -> anyhow::Result<Option<Value>> {
        let accounts = self.api_get("v1/accounts").await?;
        Ok(field(&accounts, "items").as_array().and_then(|accounts| accounts.first()).cloned())
    }

    async fn wait_until_mirrored(&self, processes: &Processes) -> anyhow::Result<()> {
        let mut last = Value::Null;
        let mut asked_again = false;
        let mirrored = async {
            loop {
                if processes.failing().iter().any(|process| process.times >= ENDS_IN_A_ROW_MAX) {
                    bail!("the demo calendars cannot be mirrored");
                }
                last = self.api_get("v1/calendars").await?;
                let calendars = field(&last, "items").as_array().map(Vec::as_slice).unwrap_or_default();
                let fresh = |calendar: &Value| {
                    !field(calendar, "confirmed_at").is_null() && field(calendar, "state") != "creating"
                };
                if !calendars.is_empty() && calendars.iter().all(fresh) {
                    return anyhow::Ok(());
                }
                // A code is good for one use: killed while it was being redeemed, a run leaves an account without tokens.
                let account = self.account().await?.unwrap_or_default();
                if calendars.is_empty() && field(&account, "state") == "needs_reauth" && !asked_again {
                    asked_again = true;
                    self.consent(Some(text(&account, "id")?)).await?;
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

    /// The ids of the demo calendars at the provider.
    async fn calendars(&self, access_token: &str) -> anyhow::Result<Vec<String>> {
        let url = self.simulator.join(setup::API_PATH)?.join(setup::CALENDARS_PATH)?;
        let request = HttpRequest { bearer: Some(Secret::new(access_token)), ..HttpRequest::get("calendars", url) };
        let list = json_of(&self.http.send(request).await?)?;
        let ids = field(&list, "items").as_array().map(Vec::as_slice).unwrap_or_default();
        ids.iter().map(|calendar| text(calendar, "id")).collect()
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
