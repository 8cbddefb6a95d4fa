//! The least that any mirror of a change has to do, for the second yardstick: the same call to the provider as ours, and one
//! transaction of two rows, the event and the cursor, in the same store.

use std::sync::Arc;

use anyhow::{Context, ensure};
use evercal_domain::account::Secret;
use evercal_domain::{Calendar, ProviderCalendarId, ProviderCursor, RemoteItem};
use evercal_http::{HttpClient, HttpSettings};
use evercal_providers::google::{GoogleProvider, GoogleSettings};
use evercal_providers::{Access, CalendarProvider as _, CallContext, EventsPage, Next, Position, RemoteCalendarRef};
use evercal_simulator::{OauthClient, TokenRequest};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{PgPool, SqlitePool};
use tokio::sync::Mutex;

use crate::installation::{Engine, Installation};

/// Events asked for in one page, as a worker asks.
const EVENTS_PER_PAGE: u32 = 2_500;
/// Calls at a time while the first tokens are read.
const IN_FLIGHT: usize = 32;
const TABLES: [&str; 2] = [
    "CREATE TABLE bench_events (calendar TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (calendar, id))",
    "CREATE TABLE bench_cursors (calendar TEXT NOT NULL PRIMARY KEY, sync_token TEXT NOT NULL)",
];
const PUT_EVENT: &str = "INSERT INTO bench_events (calendar, id, body) VALUES ($1, $2, $3) \
     ON CONFLICT (calendar, id) DO UPDATE SET body = excluded.body";
const PUT_CURSOR: &str = "INSERT INTO bench_cursors (calendar, sync_token) VALUES ($1, $2) \
     ON CONFLICT (calendar) DO UPDATE SET sync_token = excluded.sync_token";

/// Reads changes of calendars, numbered from 0, and writes them down.
pub struct Work {
    provider: GoogleProvider,
    access: Secret,
    store: Rows,
    /// Each with the token that the next read begins at.
    calendars: Vec<(ProviderCalendarId, Mutex<ProviderCursor>)>,
}

impl Work {
    /// Makes the tables, and reads all calendars of a user once.
    pub async fn prepare(
        installation: &Installation,
        engine: Engine,
        user: &str,
        calendars: &[Calendar],
    ) -> anyhow::Result<Arc<Self>> {
        let client = OauthClient::default();
        let base = installation.provider_url().parse()?;
        let settings = GoogleSettings::at(&base, client.id)?;
        let request = TokenRequest { user: user.to_owned(), client_id: None, scopes: Vec::new() };
        let mut work = Self {
            provider: GoogleProvider::new(
                settings,
                Secret::new(client.secret),
                Arc::new(HttpClient::new(&HttpSettings::default())?),
            ),
            access: Secret::new(installation.provider().issue_tokens(&request)?.access_token),
            store: Rows::open(engine, installation.database()).await?,
            calendars: Vec::new(),
        };
        let ids = calendars.iter().map(|calendar| calendar.remote.provider_id.clone());
        let first_tokens = stream::iter(ids).map(|id| async {
            let token = work.first_token(&id).await?;
            anyhow::Ok((id, Mutex::new(token)))
        });
        work.calendars = first_tokens.buffered(IN_FLIGHT).try_collect().await?;
        Ok(Arc::new(work))
    }

    /// Reads what changed in a calendar, and commits it.
    pub async fn once(&self, number: u32) -> anyhow::Result<()> {
        let (id, token) = self.calendars.get(usize::try_from(number)?).context("no such calendar")?;
        let mut token = token.lock().await;
        let page = self.read(id, Position::At(&token)).await?;
        let Next::Done(next) = page.next else { anyhow::bail!("more than a page changed") };
        let changed = page.items.iter().find_map(|item| match item {
            RemoteItem::Event(remote) => Some(&remote.event),
            _ => None,
        });
        if let Some(event) = changed {
            let body = serde_json::to_string(event)?;
            self.store.commit(id.as_str(), event.provider_id.as_str(), &body, next.as_str()).await?;
        }
        *token = next;
        Ok(())
    }

    async fn first_token(&self, id: &ProviderCalendarId) -> anyhow::Result<ProviderCursor> {
        let mut next = self.read(id, Position::Beginning(None)).await?.next;
        loop {
            match next {
                Next::Done(token) => return Ok(token),
                Next::More(cursor) => next = self.read(id, Position::At(&cursor)).await?.next,
            }
        }
    }

    async fn read(&self, id: &ProviderCalendarId, position: Position<'_>) -> anyhow::Result<EventsPage> {
        let context = CallContext { access: Access::Bearer(self.access.clone()), account: None };
        let calendar = RemoteCalendarRef { id, is_primary: false };
        Ok(self.provider.read_events(&context, calendar, position, EVENTS_PER_PAGE).await?)
    }
}

/// The two tables, in evercal's own database.
enum Rows {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Rows {
    async fn open(engine: Engine, database: &str) -> anyhow::Result<Self> {
        match engine {
            Engine::Sqlite => {
                let path = database.strip_prefix("sqlite://");
                ensure!(path.is_some(), "{database} is no file");
                // One writer, as any process needs with SQLite; the file says itself that it has a write-ahead log.
                let options = SqliteConnectOptions::new()
                    .filename(path.unwrap_or_default())
                    .synchronous(sqlx::sqlite::SqliteSynchronous::Normal)
                    .busy_timeout(std::time::Duration::from_secs(10));
                let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
                for table in TABLES {
                    sqlx::query(table).execute(&pool).await?;
                }
                Ok(Self::Sqlite(pool))
            }
            Engine::Postgres => {
                let pool = PgPool::connect(database).await?;
                for table in TABLES {
                    sqlx::query(table).execute(&pool).await?;
                }
                Ok(Self::Postgres(pool))
            }
        }
    }

    /// One transaction of two rows.
    async fn commit(&self, calendar: &str, id: &str, body: &str, token: &str) -> anyhow::Result<()> {
        match self {
            Self::Sqlite(pool) => {
                let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
                sqlx::query(PUT_EVENT).bind(calendar).bind(id).bind(body).execute(&mut *transaction).await?;
                sqlx::query(PUT_CURSOR).bind(calendar).bind(token).execute(&mut *transaction).await?;
                transaction.commit().await?;
            }
            Self::Postgres(pool) => {
                let mut transaction = pool.begin().await?;
                sqlx::query(PUT_EVENT).bind(calendar).bind(id).bind(body).execute(&mut *transaction).await?;
                sqlx::query(PUT_CURSOR).bind(calendar).bind(token).execute(&mut *transaction).await?;
                transaction.commit().await?;
            }
        }
        Ok(())
    }
}
