//! `evercal migrate` and `evercal copy-store`.

use clap::Args;
use comfy_table::Cell;
use evercal_settings::Lookup;
use evercal_storage::{CopiedTable, DatabaseUrl, MigrationState};
use serde_json::json;

use super::Options;
use super::wait::WaitOptions;
use crate::cli::progress::spinner;
use crate::cli::table::{self, Column, Screen};
use crate::cli::{CliError, pretty};

/// What `migrate` takes.
#[derive(Args)]
pub struct MigrateOptions {
    /// Only say what is missing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    wait: WaitOptions,
    #[command(flatten)]
    pub options: Options,
}

/// What `copy-store` takes.
#[derive(Args)]
pub struct CopyOptions {
    /// The SQLite file, as `sqlite:` and its path
    #[arg(long, value_name = "URL")]
    from: DatabaseUrl,
    #[command(flatten)]
    pub options: Options,
}

/// `evercal migrate`
pub async fn migrate(options: &MigrateOptions, find: &dyn Fn(&str) -> Option<String>) -> Result<String, CliError> {
    let url = options.options.url(find)?;
    let migrate = async || {
        let before = if options.dry_run {
            evercal_storage::migrations(&url).await
        } else {
            evercal_storage::migrate(&url).await
        };
        Ok::<_, CliError>(before?)
    };
    let before = options.wait.retry(migrate).await?;
    let became = |migration: &MigrationState| match (migration.applied, options.dry_run) {
        (true, _) => "was there",
        (false, true) => "missing",
        (false, false) => "applied now",
    };
    if options.options.json {
        let items: Vec<_> = before
            .iter()
            .map(|migration| {
                json!({"version": migration.version, "description": migration.description, "state": became(migration)})
            })
            .collect();
        return Ok(pretty(&json!({"database": url.to_string(), "items": items})));
    }
    let columns = [Column::Number("MIGRATION"), Column::Elastic("BRINGS"), Column::Whole("STATE")];
    let rows = before.iter().map(|migration| {
        [Cell::new(migration.version), table::text(&migration.description), Cell::new(became(migration))]
    });
    let missing = before.iter().filter(|migration| !migration.applied).count();
    let summary = match (missing, options.dry_run) {
        (0, _) => "is up to date".to_owned(),
        (_, true) => format!("misses {missing} of them"),
        (_, false) => "is up to date now".to_owned(),
    };
    Ok(format!("{}\n{url} {summary}.\n", table::list(Screen::detect(find), columns, rows)))
}

/// `evercal copy-store`
pub async fn copy(options: &CopyOptions, find: &dyn Fn(&str) -> Option<String>) -> Result<String, CliError> {
    let target = options.options.url(find)?;
    let progress = spinner();
    // Not needed for the copy, but for everybody who uses it; where it is set, it is tried.
    let keyring = evercal_settings::store::master_key_if_set(&Lookup::new(find)).map_err(|error| {
        CliError::usage(error.to_string(), "give the master key that the file was used with, or none")
    })?;
    let copied = evercal_storage::copy_store(&options.from, &target, keyring.as_ref(), |table, rows| {
        progress.set_message(format!("{table}: {rows} rows"));
    })
    .await;
    progress.finish_and_clear();
    let copied = copied?;
    if options.options.json {
        let items: Vec<_> = copied.iter().map(|copied| json!({"table": copied.table, "rows": copied.rows})).collect();
        let (from, to) = (options.from.to_string(), target.to_string());
        return Ok(pretty(&json!({"from": from, "to": to, "items": items})));
    }
    let columns = [Column::Whole("TABLE"), Column::Number("ROWS")];
    let rows = copied.iter().map(|CopiedTable { table, rows }| [Cell::new(table), Cell::new(rows)]);
    let table = table::list(Screen::detect(find), columns, rows);
    Ok(format!("{table}\nEverything was copied to {target} and read back the same. The master key stays the same.\n"))
}
