//! `evercal tenants`.

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use comfy_table::Cell;
use evercal_domain::journal::AuditKind;
use evercal_domain::limits::LABEL_CHARS_MAX;
use evercal_domain::tenant::{Tenant, TenantLimits};
use evercal_domain::{Clock as _, SystemClock, TenantId};
use evercal_storage::Store;
use serde_json::{Value, json};

use super::{Options, Session, disconnect};
use crate::cli::table::{self, Column};
use crate::cli::{CliError, Failure};

/// What to do with tenants.
#[derive(Subcommand)]
pub enum Command {
    /// Make a tenant
    Create(CreateOptions),
    /// List the tenants
    List(Options),
    /// Give a tenant other limits
    Limit(LimitOptions),
    /// Revoke a tenant: none of its keys is accepted any more
    Revoke(RevokeOptions),
}

/// A new tenant.
#[derive(Args)]
pub struct CreateOptions {
    /// A name for people
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    name: String,
    /// Requests to the API per minute, counted by each gateway for itself
    #[arg(long, default_value_t = TenantLimits::default().requests_per_minute, value_parser = clap::value_parser!(u32).range(1..))]
    requests_per_minute: u32,
    /// Accounts that it may have connected
    #[arg(long, default_value_t = TenantLimits::default().accounts_max)]
    accounts_max: u32,
    #[command(flatten)]
    options: Options,
}

/// Other limits; what is not named stays.
#[derive(Args)]
#[command(group = clap::ArgGroup::new("limits").required(true).multiple(true))]
pub struct LimitOptions {
    /// Its id, or its name, if only one tenant has it
    tenant: String,
    /// Requests to the API per minute, counted by each gateway for itself
    #[arg(long, group = "limits", value_parser = clap::value_parser!(u32).range(1..))]
    requests_per_minute: Option<u32>,
    /// Accounts that it may have connected; those that it has stay
    #[arg(long, group = "limits")]
    accounts_max: Option<u32>,
    #[command(flatten)]
    options: Options,
}

/// Which tenant.
#[derive(Args)]
pub struct RevokeOptions {
    /// Its id, or its name, if only one tenant has it
    tenant: String,
    /// Disconnect its accounts too, which erases their tokens and mirrors; needs the way to Temporal
    #[arg(long)]
    disconnect: bool,
    #[command(flatten)]
    options: Options,
}

impl Command {
    pub fn options(&self) -> &Options {
        match self {
            Self::Create(command) => &command.options,
            Self::List(options) => options,
            Self::Limit(command) => &command.options,
            Self::Revoke(command) => &command.options,
        }
    }
}

pub async fn run(command: Command, find: &dyn Fn(&str) -> Option<String>) -> Result<String, CliError> {
    let session = command.options().open(find).await?;
    match command {
        Command::Create(command) => create(&session, &command).await,
        Command::List(_) => list(&session).await,
        Command::Limit(command) => limit(&session, &command).await,
        Command::Revoke(command) => revoke(&session, &command, find).await,
    }
}

async fn create(session: &Session, command: &CreateOptions) -> Result<String, CliError> {
    check_name("the name", &command.name)?;
    let limits = TenantLimits { requests_per_minute: command.requests_per_minute, accounts_max: command.accounts_max };
    let tenant = Tenant { limits, ..Tenant::new(command.name.trim(), SystemClock.now()) };
    session.store.insert_tenant(&tenant).await?;
    let message = "the tenant was made on the command line".to_owned();
    session.note(AuditKind::TenantCreated, tenant.id, &tenant.id.to_string(), message).await?;
    Ok(session.answer(&body(&tenant), || {
        format!("Made the tenant {}.\n`evercal keys create --tenant {}` makes a key for it.\n", tenant.id, tenant.id)
    }))
}

async fn list(session: &Session) -> Result<String, CliError> {
    let tenants = session.store.tenants().await?;
    let items: Vec<Value> = tenants.iter().map(body).collect();
    Ok(session.answer(&json!({"items": items}), || {
        if tenants.is_empty() {
            return "There are no tenants. `evercal tenants create NAME` makes one.\n".to_owned();
        }
        let columns = [
            Column::Whole("ID"),
            Column::Elastic("NAME"),
            Column::Number("REQUESTS/MIN"),
            Column::Number("ACCOUNTS"),
            Column::Whole("CREATED"),
            Column::Whole("REVOKED"),
        ];
        let rows = tenants.iter().map(|tenant| {
            [
                Cell::new(tenant.id),
                table::text(&tenant.name),
                Cell::new(tenant.limits.requests_per_minute),
                Cell::new(tenant.limits.accounts_max),
                Cell::new(tenant.created_at.format("%Y-%m-%d")),
                Cell::new(tenant.revoked_at.map_or(String::new(), |at| at.format("%Y-%m-%d").to_string())),
            ]
        });
        table::list(session.screen, columns, rows)
    }))
}

async fn limit(session: &Session, command: &LimitOptions) -> Result<String, CliError> {
    let tenant = find_tenant(&*session.store, &command.tenant).await?;
    let limits = TenantLimits {
        requests_per_minute: command.requests_per_minute.unwrap_or(tenant.limits.requests_per_minute),
        accounts_max: command.accounts_max.unwrap_or(tenant.limits.accounts_max),
    };
    if limits != tenant.limits {
        session.store.set_tenant_limits(tenant.id, limits).await?;
        let now = SystemClock.now();
        let subject = format!("{}/{}", tenant.id, now.timestamp_micros());
        let TenantLimits { requests_per_minute, accounts_max } = limits;
        let message =
            format!("the tenant may ask {requests_per_minute} times a minute and have {accounts_max} accounts");
        session.note(AuditKind::TenantLimited, tenant.id, &subject, message).await?;
    }
    let tenant = Tenant { limits, ..tenant };
    Ok(session.answer(&body(&tenant), || {
        let TenantLimits { requests_per_minute, accounts_max } = limits;
        format!("{} has {requests_per_minute} requests a minute and {accounts_max} accounts.\n", tenant.id)
    }))
}

async fn revoke(
    session: &Session,
    command: &RevokeOptions,
    find: &dyn Fn(&str) -> Option<String>,
) -> Result<String, CliError> {
    let tenant = find_tenant(&*session.store, &command.tenant).await?;
    if command.disconnect && command.options.data_dir.is_some() && find("TEMPORAL_ADDRESS").is_none() {
        let problem = "with --data-dir and --disconnect, the Temporal of that `evercal dev` has to be named";
        return Err(CliError::usage(
            problem,
            "set TEMPORAL_ADDRESS to `temporal` of the folder's dev.json, and repeat",
        ));
    }
    session.store.revoke_tenant(tenant.id, SystemClock.now()).await?;
    let message = "the tenant was revoked on the command line".to_owned();
    session.note(AuditKind::TenantRevoked, tenant.id, &tenant.id.to_string(), message).await?;
    let disconnecting = if command.disconnect { Some(disconnect::all(session, tenant.id, find).await?) } else { None };
    let accounts = session.store.open_accounts(tenant.id).await?;
    let body = json!({
        "id": tenant.id.to_string(),
        "revoked": true,
        "open_accounts": accounts,
        "disconnecting": disconnecting,
    });
    Ok(session.answer(&body, || {
        let revoked = format!("Revoked {}: its keys are refused.", tenant.id);
        match (disconnecting, accounts) {
            (Some(count), _) => format!("{revoked} {count} of its accounts are being disconnected.\n"),
            (None, 0) => format!("{revoked} It has no accounts.\n"),
            (None, _) => format!(
                "{revoked} {accounts} of its accounts are still mirrored;\n\
                 `evercal tenants revoke {} --disconnect` ends that and erases them.\n",
                tenant.id
            ),
        }
    }))
}

/// The tenant that somebody means.
pub async fn find_tenant(store: &dyn Store, wanted: &str) -> Result<Tenant, CliError> {
    let advice = "`evercal tenants list` shows them";
    let missing = || CliError::new(Failure::NotFound, format!("there is no tenant `{}`", table::plain(wanted)), advice);
    if let Ok(id) = wanted.parse::<TenantId>() {
        return store.tenant(id).await?.ok_or_else(missing);
    }
    let tenants = store.tenants().await?;
    let mut named = tenants.into_iter().filter(|tenant| tenant.name == wanted);
    let tenant = named.next().ok_or_else(missing)?;
    match named.next() {
        None => Ok(tenant),
        Some(_) => Err(CliError::usage(format!("several tenants are called `{}`", table::plain(wanted)), advice)),
    }
}

/// Names are shown in tables and logs.
pub fn check_name(what: &str, name: &str) -> Result<(), CliError> {
    let chars = name.trim().chars().count();
    if (1..=LABEL_CHARS_MAX).contains(&chars) && !name.chars().any(char::is_control) {
        return Ok(());
    }
    let problem = format!("{what} must have 1 to {LABEL_CHARS_MAX} characters, none of them a control character");
    Err(CliError::usage(problem, "choose another one"))
}

fn body(tenant: &Tenant) -> Value {
    json!({
        "id": tenant.id.to_string(),
        "name": tenant.name,
        "requests_per_minute": tenant.limits.requests_per_minute,
        "accounts_max": tenant.limits.accounts_max,
        "created_at": tenant.created_at,
        "revoked_at": tenant.revoked_at,
    })
}
