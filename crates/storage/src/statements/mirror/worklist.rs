//! What a pass has named, and has to fetch before it is over.

use evercal_domain::{CalendarId, ProviderEventId};
use evercal_mirror::Named;
use sqlx::QueryBuilder;

use super::{Backend, Connection, Database, Engine, IDS_PER_STATEMENT, ROWS_PER_STATEMENT, failed};
use crate::columns::storable;
use crate::error::StoreError;
use crate::lookup::Lookup;

pub const WORKLIST: &str = "SELECT provider_event_id, version FROM pass_worklist WHERE calendar_id = $1 \
     ORDER BY provider_event_id LIMIT $2";

/// The first entries, by their ids.
pub async fn read(store: &Backend, calendar: CalendarId, limit: u32) -> Result<Vec<Named>, StoreError> {
    let rows: Vec<(String, Option<String>)> = sqlx::query_as(WORKLIST)
        .bind(calendar.to_string())
        .bind(i64::from(limit))
        .fetch_all(store.read_pool())
        .await
        .map_err(failed("read what is to be fetched"))?;
    let named = |(id, version)| Named { provider_id: ProviderEventId::new(id), version };
    Ok(rows.into_iter().map(named).collect())
}

/// Adds what a page named; of what is there already, the newer version counts.
pub async fn add(connection: &mut Connection, calendar: &str, named: &[Named]) -> Result<(), StoreError> {
    for named in named.chunks(ROWS_PER_STATEMENT) {
        let mut query =
            QueryBuilder::<Database>::new("INSERT INTO pass_worklist (calendar_id, provider_event_id, version) ");
        query.push_values(named, |mut values, named| {
            values
                .push_bind(calendar)
                .push_bind(named.provider_id.as_str())
                .push_bind(named.version.as_deref().map(storable));
        });
        query.push(" ON CONFLICT (calendar_id, provider_event_id) DO UPDATE SET version = excluded.version");
        query.build().execute(&mut *connection).await.map_err(failed("note what is to be fetched"))?;
    }
    Ok(())
}

/// Takes off what does not have to be fetched any more.
pub async fn take_off(connection: &mut Connection, calendar: &str, ids: &[ProviderEventId]) -> Result<(), StoreError> {
    let keys: Vec<&str> = ids.iter().map(ProviderEventId::as_str).collect();
    for keys in keys.chunks(IDS_PER_STATEMENT) {
        let mut query = QueryBuilder::new("DELETE FROM pass_worklist");
        Backend::push_where_keys(&mut query, Lookup::WorklistById, calendar, keys);
        query.build().execute(&mut *connection).await.map_err(failed("take off what was fetched"))?;
    }
    Ok(())
}
