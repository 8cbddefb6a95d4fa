//! How long a gateway takes to be ready where there are very many accounts.

use anyhow::ensure;
use evercal_domain::account::{Credentials, Secret};
use evercal_domain::tenant::Tenant;
use evercal_domain::{Account, AccountId, AccountState, Clock as _, Provider, SystemClock};
use evercal_storage::AccountAdmission;
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
    // It would look after accounts whose workflows nobody started.
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
    let now = SystemClock.now();
    let tokens = Credentials::Tokens {
        access_token: Secret::new("access"),
        access_token_expires_at: now,
        refresh_token: Secret::new("refresh"),
        scope: String::new(),
    };
    let mut left = count;
    while left > 0 {
        let tenant = Tenant::new("Many", now);
        installation.store.insert_tenant(&tenant).await?;
        let accounts = left.min(tenant.limits.accounts_max);
        let (store, tokens) = (&installation.store, &tokens);
        let added = stream::iter(0..accounts).map(|_| async move {
            let account = Account {
                id: AccountId::generate(),
                tenant_id: tenant.id,
                provider: Provider::Google,
                label: "Ada".into(),
                state: AccountState::Connected,
                detail: None,
                created_at: now,
                state_changed_at: now,
            };
            store.insert_account(&account, tokens).await
        });
        let added: Vec<AccountAdmission> = added.buffer_unordered(IN_FLIGHT).try_collect().await?;
        ensure!(added.iter().all(|admission| *admission == AccountAdmission::Inserted), "not all accounts were added");
        left -= accounts;
    }
    Ok(())
}
