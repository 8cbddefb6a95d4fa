//! What readers see of a mirror, in numbers: which commit was the last to change a range of time.

use evercal_domain::CalendarId;
use sqlx::QueryBuilder;

use super::{Backend, Connection, Engine, failed};
use crate::error::StoreError;
use crate::sql::revisions as sql;
use crate::sql::{micros, midnight_micros};
use crate::touched::Span;
use crate::types::OccurrenceRange;

/// The last number that was given.
pub(super) async fn last(connection: &mut Connection, calendar: &str) -> Result<i64, StoreError> {
    sqlx::query_scalar(sql::LAST).bind(calendar).fetch_one(connection).await.map_err(failed("read a mirror's revision"))
}

/// Writes the number after the last one down, if anything changed. Only in a transaction that has the calendar's row: so
/// numbers have no gap and no double.
pub(super) async fn note(
    connection: &mut Connection,
    calendar: &str,
    last: i64,
    spans: &[Span],
) -> Result<(), StoreError> {
    if spans.is_empty() {
        return Ok(());
    }
    let revision = last + 1;
    let mut query = QueryBuilder::<Engine>::new(
        "INSERT INTO mirror_revisions (calendar_id, revision, span, all_day, from_us, to_us) ",
    );
    query.push_values((0_i64..).zip(spans), |mut values, (number, span)| {
        values
            .push_bind(calendar)
            .push_bind(revision)
            .push_bind(number)
            .push_bind(span.all_day)
            .push_bind(span.from_us)
            .push_bind(span.to_us);
    });
    query.build().execute(&mut *connection).await.map_err(failed("write a mirror's revision"))?;
    // In leaps: each time that old numbers are dropped, ranges in which nothing changed for long get another one.
    if revision % sql::KEPT == 0 {
        sqlx::query(sql::DROP_OLD)
            .bind(calendar)
            .bind(revision - sql::KEPT)
            .execute(connection)
            .await
            .map_err(failed("drop old revisions"))?;
    }
    Ok(())
}

pub(super) async fn of(store: &Backend, calendar: CalendarId, range: &OccurrenceRange) -> Result<i64, StoreError> {
    sqlx::query_scalar(sql::OF_RANGE)
        .bind(calendar.to_string())
        .bind(micros(range.from))
        .bind(micros(range.to))
        .bind(midnight_micros(range.from_date))
        .bind(midnight_micros(range.to_date))
        .fetch_one(&store.read)
        .await
        .map_err(failed("read a mirror's revision"))
}
