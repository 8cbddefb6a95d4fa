//! How long a gateway takes to be ready where there are very many accounts.

use anyhow::{Context, ensure};
use evercal_domain::account::{Credentials, OAuthTokens, Secret};
use evercal_domain::consent::{ConsentOutcome, PendingConsent, PendingGrant};
use evercal_domain::tenant::Tenant;
use evercal_domain::{Account, AccountId, AccountState, Clock as _, Provider, SystemClock, TenantId};
use evercal_storage::{AccountAdmission, Settlement};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::effort::Effort;
use crate::installation::{Engine, Installation};
use crate::progress::say;
use crate::report::{Bar, Row, median};

/// Accounts that are written at a time.
const IN_FLIGHT: usize = 8;

/// From the start of the process until it answers that it is ready.
pub async fn rows(engine: Engine, effort: &Effort) -> anyhow::Result<Vec<Row>> {
    let mut installation = Installation::start(engine).await?;
    // A gateway would start the workflows of accounts that have none.
    installation.stop_worker().await;
    say(format!("{}: {} accounts", engine.name(), effort.accounts));
    add_accounts(&installation, effort.accounts).await?;
    let mut seconds = Vec::new();
    for run in 1..=effort.runs {
        let taken_s = installation.restart_gateway().await?.as_secs_f64();
        say(format!("  start {run} of {}: {taken_s:.2} s", effort.runs));
        seconds.push(taken_s);
    }
    installation.end().await;
    let name = format!("start of a gateway with {} accounts, until it is ready", effort.accounts);
    Ok(vec![Row::alone(&name, "s", median(&seconds)).bar(Bar::AtMost(2.0))])
}

/// Connected accounts, shared out among tenants of the usual size.
async fn add_accounts(installation: &Installation, count: u32) -> anyhow::Result<()> {
    let mut left = count;
    while left > 0 {
        let tenant = Tenant::new("Many", SystemClock.now());
        installation.store.insert_tenant(&tenant).await?;
        let accounts = left.min(tenant.limits.accounts_max);
        let added = stream::iter(0..accounts).map(|_| add_account(installation, tenant.id));
        let _added: Vec<()> = added.buffer_unordered(IN_FLIGHT).try_collect().await?;
        left -= accounts;
    }
    Ok(())
}

/// An account as it is long after a consent.
async fn add_account(installation: &Installation, tenant_id: TenantId) -> anyhow::Result<()> {
    let (store, now) = (&installation.store, SystemClock.now());
    let account = Account {
        id: AccountId::generate(),
        tenant_id,
        provider: Provider::new("google"),
        label: "Ada".into(),
        state: AccountState::Connected,
        detail: None,
        created_at: now,
        state_changed_at: now,
        listed_at: Some(now),
        channel_expires_at: None,
        consent_waits: false,
    };
    let consent = PendingConsent {
        state_hash: [0; 32],
        allow_duplicate: false,
        came_at: now,
        grant: PendingGrant::Code {
            code: Secret::new("code"),
            code_verifier: Secret::new("verifier"),
            redirect_uri: "https://evercal.example/callback".into(),
        },
    };
    let admission = store.insert_account(&account, &consent).await?;
    ensure!(admission == AccountAdmission::Inserted, "an account was not added");
    let (_consent, version) = store.consent(account.id).await?.context("a consent that waits")?;
    let credentials = Credentials::OAuth(OAuthTokens {
        access_token: Secret::new("access"),
        access_token_expires_at: now,
        refresh_token: Secret::new("refresh"),
        scope: String::new(),
    });
    let settlement = Settlement::Redeemed { credentials, subject_hash: account.id.to_string() };
    let outcome = store.settle_consent(account.id, version, &settlement).await?;
    ensure!(outcome == ConsentOutcome::Granted, "a consent was not granted");
    store.set_account_state(account.id, AccountState::Connected, None, now).await?;
    Ok(())
}
