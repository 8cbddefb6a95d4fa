//! What a page inserts into several tables. A page of few changes has few rows in each: what costs then is the statements, not
//! the rows, and an engine that has one statement for several tables takes them all at once.

use sqlx::QueryBuilder;

use super::{Backend, Connection, Database, Engine, failed};
use crate::error::StoreError;

/// Rows of statements that are sent as one. Each number of rows is another text, which the engine has to read once: with few
/// rows there are few of them.
const JOINED_ROWS_MAX: usize = 32;

/// Statements that insert, in order. What one of them writes no other one may read or write: where they are one statement, none
/// sees the rows of another.
pub struct Inserts<'c> {
    connection: &'c mut Connection,
    joined: Option<Joined>,
}

/// Statements that wait to be sent as one.
struct Joined {
    query: QueryBuilder<Database>,
    statements: usize,
    rows: usize,
}

impl<'c> Inserts<'c> {
    pub fn into_tables_of(connection: &'c mut Connection) -> Self {
        Self { connection, joined: None }
    }

    /// Adds a statement of so many rows; `what` names the operation in errors.
    pub async fn add(
        &mut self,
        what: &'static str,
        rows: usize,
        push: impl FnOnce(&mut QueryBuilder<Database>),
    ) -> Result<(), StoreError> {
        if !Backend::JOINS_INSERTS {
            let mut query = QueryBuilder::default();
            push(&mut query);
            return query.build().execute(&mut *self.connection).await.map(drop).map_err(failed(what));
        }
        if self.joined.as_ref().is_some_and(|joined| joined.rows + rows > JOINED_ROWS_MAX) {
            self.send().await?;
        }
        let joined =
            self.joined.get_or_insert_with(|| Joined { query: QueryBuilder::new("WITH "), statements: 0, rows: 0 });
        let separator = if joined.statements == 0 { "" } else { ", " };
        joined.query.push(separator).push("insert_").push(joined.statements).push(" AS (");
        push(&mut joined.query);
        joined.query.push(")");
        joined.statements += 1;
        joined.rows += rows;
        Ok(())
    }

    /// Sends what waits.
    pub async fn send(&mut self) -> Result<(), StoreError> {
        let Some(Joined { mut query, .. }) = self.joined.take() else { return Ok(()) };
        query.push(" SELECT 1");
        query.build().execute(&mut *self.connection).await.map(drop).map_err(failed("write what a page adds"))
    }
}
