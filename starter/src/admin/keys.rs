//! `evercal keys`. A key is shown once, when it is made; the database has its hash.

use clap::{Args, Subcommand};
use comfy_table::Cell;
use evercal_domain::journal::AuditKind;
use evercal_domain::tenant::{ApiKey, Scopes, Tenant};
use evercal_domain::{ApiKeyId, Clock as _, SystemClock, random};
use evercal_storage::StoreErrorKind;
use serde_json::{Value, json};

use super::tenants::{check_name, find_tenant};
use super::{Options, Session};
use crate::cli::table::{self, Column};
use crate::cli::{CliError, Failure};

/// What every key begins with, so that one that leaked is recognised.
const PREFIX: &str = "evk_";

/// What to do with keys.
#[derive(Subcommand)]
pub enum Command {
    /// Make a key and show it, this once
    Create(CreateOptions),
    /// List the keys of a tenant, or of all
    List(ListOptions),
    /// Revoke a key
    Revoke(RevokeOptions),
}

/// A new key.
#[derive(Args)]
pub struct CreateOptions {
    /// Whose: the tenant's id, or its name, if only one has it
    #[arg(long)]
    tenant: String,
    /// A name for people, such as where it is used
    #[arg(long, default_value = "made on the command line")]
    label: String,
    /// What it may be used for: read (see calendars), write (connect, disconnect, sync), operator (read the logs),
    /// raw (see events in the provider's own text)
    #[arg(long, default_value = "read,write")]
    scopes: Scopes,
    /// Print the key alone
    #[arg(long, conflicts_with = "json")]
    quiet: bool,
    #[command(flatten)]
    options: Options,
}

/// Whose keys.
#[derive(Args)]
pub struct ListOptions {
    /// Whose: the tenant's id, or its name, if only one has it
    #[arg(long)]
    tenant: Option<String>,
    #[command(flatten)]
    options: Options,
}

/// Which key.
#[derive(Args)]
pub struct RevokeOptions {
    /// Its id, as the list shows it
    key: String,
    #[command(flatten)]
    options: Options,
}

impl Command {
    pub fn options(&self) -> &Options {
        match self {
            Self::Create(command) => &command.options,
            Self::List(command) => &command.options,
            Self::Revoke(command) => &command.options,
        }
    }
}

pub async fn run(command: Command, find: &dyn Fn(&str) -> Option<String>) -> Result<String, CliError> {
    let session = command.options().open(find).await?;
    match command {
        Command::Create(command) => create(&session, &command).await,
        Command::List(command) => list(&session, command.tenant.as_deref()).await,
        Command::Revoke(command) => revoke(&session, &command.key).await,
    }
}

async fn create(session: &Session, command: &CreateOptions) -> Result<String, CliError> {
    check_name("the label", &command.label)?;
    let tenant = find_tenant(&*session.store, &command.tenant).await?;
    if tenant.revoked_at.is_some() {
        let message = format!("the tenant {} is revoked, so no key of it is accepted", tenant.id);
        return Err(CliError::new(Failure::Error, message, "make a new tenant"));
    }
    let secret = random::token().map_err(|error| {
        CliError::new(Failure::Error, error.to_string(), "the machine gives no randomness: see its log")
    })?;
    let secret = format!("{PREFIX}{secret}");
    let key = ApiKey {
        scopes: command.scopes.clone(),
        ..ApiKey::new(tenant.id, command.label.trim(), &secret, SystemClock.now())
    };
    session.store.insert_api_key(&key).await?;
    let message = format!("the key {} with the scopes {} was made on the command line", key.id, key.scopes);
    session.note(AuditKind::KeyCreated, tenant.id, &key.id.to_string(), message).await?;
    if command.quiet {
        return Ok(format!("{secret}\n"));
    }
    let mut answer = body(&key, &tenant);
    if let Some(fields) = answer.as_object_mut() {
        fields.insert("key".to_owned(), json!(secret));
    }
    Ok(session.answer(&answer, || {
        format!(
            "{secret}\n\nThis is the key {} of {} with the scopes {}. It is not shown again.\n",
            key.id,
            table::plain(&tenant.name),
            key.scopes
        )
    }))
}

async fn list(session: &Session, tenant: Option<&str>) -> Result<String, CliError> {
    let tenants = match tenant {
        Some(wanted) => vec![find_tenant(&*session.store, wanted).await?],
        None => session.store.tenants().await?,
    };
    let mut keys = Vec::new();
    for tenant in tenants {
        for key in session.store.api_keys(tenant.id).await? {
            keys.push((key, tenant.clone()));
        }
    }
    let items: Vec<Value> = keys.iter().map(|(key, tenant)| body(key, tenant)).collect();
    Ok(session.answer(&json!({"items": items}), || {
        if keys.is_empty() {
            return "There are no keys. `evercal keys create --tenant NAME` makes one.\n".to_owned();
        }
        let columns = [
            Column::Whole("ID"),
            Column::Elastic("TENANT"),
            Column::Elastic("LABEL"),
            Column::Whole("SCOPES"),
            Column::Whole("REVOKED"),
        ];
        let rows = keys.iter().map(|(key, tenant)| {
            [
                Cell::new(key.id),
                table::text(&tenant.name),
                table::text(&key.label),
                Cell::new(&key.scopes),
                Cell::new(key.revoked_at.map_or(String::new(), |at| at.format("%Y-%m-%d").to_string())),
            ]
        });
        table::list(session.screen, columns, rows)
    }))
}

async fn revoke(session: &Session, wanted: &str) -> Result<String, CliError> {
    let advice = "`evercal keys list` shows them";
    let id: ApiKeyId = wanted
        .parse()
        .map_err(|_| CliError::usage(format!("`{}` is not the id of a key", table::plain(wanted)), advice))?;
    let owner = session.store.revoke_api_key(id, SystemClock.now()).await.map_err(|error| match error.kind {
        StoreErrorKind::NotFound => CliError::new(Failure::NotFound, format!("there is no key {id}"), advice),
        _ => error.into(),
    })?;
    let message = format!("the key {id} was revoked on the command line");
    session.note(AuditKind::KeyRevoked, owner, &id.to_string(), message).await?;
    let body = json!({"id": id.to_string(), "revoked": true});
    Ok(session.answer(&body, || format!("Revoked {id}: it is refused from now on.\n")))
}

fn body(key: &ApiKey, tenant: &Tenant) -> Value {
    let scopes: Vec<&str> = key.scopes.iter().map(evercal_domain::tenant::Scope::as_str).collect();
    json!({
        "id": key.id.to_string(),
        "tenant_id": tenant.id.to_string(),
        "label": key.label,
        "scopes": scopes,
        "created_at": key.created_at,
        "revoked_at": key.revoked_at,
    })
}
