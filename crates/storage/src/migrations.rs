//! Which migrations a database has, and which this version brings.

use sqlx::migrate::Migrator;

use crate::error::{StoreError, StoreErrorKind};

/// What `sqlx` keeps of the migrations that ran.
pub const APPLIED: &str = "SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version";

/// A migration of this version of evercal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationState {
    /// Its number; numbers grow.
    pub version: i64,
    /// What it brings, from its file's name.
    pub description: String,
    /// Whether the database has it.
    pub applied: bool,
}

/// Compares what is in a database with what this version brings. One that was changed after it ran is an error: nobody
/// could say what the tables look like. One that only the database has comes from a newer version and is left out.
pub fn states(migrator: &Migrator, applied: &[(i64, Vec<u8>)]) -> Result<Vec<MigrationState>, StoreError> {
    let mut states = Vec::new();
    for migration in migrator.iter() {
        let found = applied.iter().find(|(version, _)| *version == migration.version);
        if found.is_some_and(|(_, checksum)| *checksum != *migration.checksum) {
            let problem = format!("migration {} of the database is another one than ours", migration.version);
            return Err(StoreError::new(StoreErrorKind::Configuration, problem));
        }
        states.push(MigrationState {
            version: migration.version,
            description: migration.description.to_string(),
            applied: found.is_some(),
        });
    }
    Ok(states)
}

/// Refuses tables that a newer version made: this one can bring them nowhere.
pub fn refuse_newer(migrator: &Migrator, applied: &[(i64, Vec<u8>)]) -> Result<(), StoreError> {
    let known = migrator.iter().map(|migration| migration.version).max().unwrap_or_default();
    let newest = applied.iter().map(|(version, _)| *version).max().unwrap_or_default();
    if newest > known { Err(newer(newest, known)) } else { Ok(()) }
}

/// The tables are newer than this version.
pub fn newer(newest: i64, known: i64) -> StoreError {
    let problem = format!(
        "a newer version of evercal has brought these tables up to migration {newest}, and this one knows them up to {known}: \
         run that version or a newer one, or go back to a backup from before it"
    );
    StoreError::new(StoreErrorKind::Configuration, problem)
}
