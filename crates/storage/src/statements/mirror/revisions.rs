//! What readers see of a mirror, in numbers: which commit was the last to change a range of time.

use evercal_domain::{CalendarId, random};
use sqlx::QueryBuilder;

use super::inserts::Inserts;
use super::{Backend, Connection, Database, Engine, execute, failed};
use crate::columns::{micros, midnight_micros};
use crate::entities::mirror::occurrences::OccurrenceRange;
use crate::error::{StoreError, StoreErrorKind};
use crate::touched::Span;

/// Numbers that are kept. After as many new ones the older ones are dropped.
const KEPT: i64 = 128;
/// By so many times [`KEPT`] the next number is larger, at most. A calendar can change thirty million times before its numbers
/// are more than JavaScript counts exactly.
const LEAPS_MAX: u32 = 1 << 22;
/// A number of no range, with which the numbers of a calendar begin.
const BEFORE_THE_FIRST: i64 = 1;

pub const LAST: &str = "SELECT COALESCE(MAX(revision), 0) FROM mirror_revisions WHERE calendar_id = $1";

/// The last number that was given.
pub async fn last(connection: &mut Connection, calendar: &str) -> Result<i64, StoreError> {
    sqlx::query_scalar(LAST).bind(calendar).fetch_one(connection).await.map_err(failed("read a mirror's revision"))
}

/// A reader who knows a number that was dropped is answered the last dropped one, so that dropping does not look like no change.
pub const DROP_OLD: &str = "DELETE FROM mirror_revisions WHERE calendar_id = $1 AND revision < (SELECT MIN(revision) FROM \
     (SELECT DISTINCT revision FROM mirror_revisions WHERE calendar_id = $1 ORDER BY revision DESC LIMIT $2) AS kept)";

/// Writes a number after the last one down, if anything changed. Only in a transaction that has the calendar's row, so that
/// none comes twice.
///
/// By how much it is larger is random: a database that was brought back from a backup counts on from there, and one number
/// must not stand for two states of the calendar.
///
/// Answers whether so many were given that old ones are to be dropped ([`drop_old`]).
pub async fn note(inserts: &mut Inserts<'_>, calendar: &str, last: i64, spans: &[Span]) -> Result<bool, StoreError> {
    if spans.is_empty() {
        return Ok(false);
    }
    let revision = after(last.max(BEFORE_THE_FIRST))?;
    // Ranges that nothing has touched yet are known by the number before the first one.
    let first = (last == 0).then_some((BEFORE_THE_FIRST, 0, &Span::NOTHING));
    let rows = (0_i64..).zip(spans).map(|(number, span)| (revision, number, span));
    let push = |query: &mut QueryBuilder<Database>| {
        query.push("INSERT INTO mirror_revisions (calendar_id, revision, span, all_day, from_us, to_us) ");
        query.push_values(first.into_iter().chain(rows), |mut values, (revision, number, span)| {
            values
                .push_bind(calendar)
                .push_bind(revision)
                .push_bind(number)
                .push_bind(span.all_day)
                .push_bind(span.from_us)
                .push_bind(span.to_us);
        });
    };
    inserts.add("write a mirror's revision", spans.len() + 1, push).await?;
    // In leaps: each time that old numbers are dropped, ranges in which nothing changed for long get another one.
    Ok(revision % KEPT == 0)
}

/// The same where nothing else is inserted.
pub async fn note_alone(
    connection: &mut Connection,
    calendar: &str,
    last: i64,
    spans: &[Span],
) -> Result<(), StoreError> {
    let mut inserts = Inserts::into_tables_of(connection);
    let has_many = note(&mut inserts, calendar, last, spans).await?;
    inserts.send().await?;
    if has_many { drop_old(connection, calendar).await } else { Ok(()) }
}

/// Drops the numbers of before the last [`KEPT`].
pub async fn drop_old(connection: &mut Connection, calendar: &str) -> Result<(), StoreError> {
    let query = sqlx::query(DROP_OLD).bind(calendar).bind(KEPT);
    execute(connection, query, "drop old revisions").await.map(drop)
}

/// A larger number. Its remainder by [`KEPT`] counts up by one, and shows when to drop the old ones.
fn after(last: i64) -> Result<i64, StoreError> {
    let random = random::bytes()
        .map_err(|error| StoreError::caused_by(StoreErrorKind::Unavailable, "number what readers see", error))?;
    let leaps = i64::from(u32::from_ne_bytes(random) % LEAPS_MAX);
    Ok(last.saturating_add(leaps * KEPT + 1))
}

/// Overlap as in `occurrences::OCCURRENCES`: `$2` and `$3` are instants, `$4` and `$5` the midnights of dates.
pub const OF_RANGE: &str = "SELECT COALESCE((SELECT revision FROM mirror_revisions WHERE calendar_id = $1 \
     AND ((NOT all_day AND from_us < $3 AND to_us > $2) OR (all_day AND from_us < $5 AND to_us > $4)) \
     ORDER BY revision DESC LIMIT 1), \
     (SELECT MIN(revision) - 1 FROM mirror_revisions WHERE calendar_id = $1), 0)";

pub async fn of(store: &Backend, calendar: CalendarId, range: &OccurrenceRange) -> Result<i64, StoreError> {
    sqlx::query_scalar(OF_RANGE)
        .bind(calendar.to_string())
        .bind(micros(range.from))
        .bind(micros(range.to))
        .bind(midnight_micros(range.from_date))
        .bind(midnight_micros(range.to_date))
        .fetch_one(store.read_pool())
        .await
        .map_err(failed("read a mirror's revision"))
}
