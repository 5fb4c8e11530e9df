//! Servers that were added over REST.

use std::time::Duration;

use mcp_client::Secret;
use sqlx::{PgPool, postgres::PgListener};
use tokio::{sync::watch, time::sleep};

use super::{
    super::{KeptServer, ServerStore, StoreError},
    PostgresStore, Shared,
};
use crate::model::BoxFuture;

/// Where changes are told.
const CHANNEL: &str = "mcp_servers";

/// How long to wait before the next try to listen.
const PAUSE: Duration = Duration::from_secs(1);

/// The place of a sealed entry.
fn place(name: &str) -> String {
    format!("server {name}")
}

impl Shared {
    async fn servers(&self) -> Result<Vec<KeptServer>, StoreError> {
        let rows: Vec<(String, i64, Vec<u8>)> =
            sqlx::query_as("SELECT name, revision, sealed FROM mcp_servers")
                .fetch_all(&self.pool)
                .await
                .map_err(|error| self.failed(error))?;
        let kept = rows.into_iter().map(|(name, revision, sealed)| {
            let text = String::from_utf8(self.key.open(&place(&name), &sealed)?);
            let entry = text.map_err(|error| StoreError::Unreadable(error.into()))?;
            Ok(KeptServer { name, revision, entry: Secret::new(entry) })
        });
        kept.collect()
    }

    async fn insert_server(&self, name: &str, entry: &Secret) -> Result<bool, StoreError> {
        let sealed = self.key.seal(&place(name), entry.reveal().as_bytes())?;
        let insert = sqlx::query(
            "INSERT INTO mcp_servers (name, sealed) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
        );
        self.change_servers(insert.bind(name).bind(sealed)).await
    }

    /// Changes something and tells all replicas, this one too.
    async fn change_servers(
        &self,
        statement: sqlx::query::Query<'_, sqlx::Postgres, sqlx::postgres::PgArguments>,
    ) -> Result<bool, StoreError> {
        let change = async {
            let mut work = self.pool.begin().await?;
            let changed = statement.execute(&mut *work).await?.rows_affected() > 0;
            if changed {
                sqlx::query("SELECT pg_notify($1, '')").bind(CHANNEL).execute(&mut *work).await?;
                work.commit().await?;
            }
            Ok(changed)
        };
        change.await.map_err(|error: sqlx::Error| self.failed(error))
    }
}

impl ServerStore for PostgresStore {
    fn load(&self) -> BoxFuture<'_, Result<Vec<KeptServer>, StoreError>> {
        Box::pin(self.0.servers())
    }

    fn insert<'a>(
        &'a self,
        name: &'a str,
        entry: &'a Secret,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(self.0.insert_server(name, entry))
    }

    fn remove<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<bool, StoreError>> {
        let delete = sqlx::query("DELETE FROM mcp_servers WHERE name = $1").bind(name);
        Box::pin(self.0.change_servers(delete))
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.0.news.subscribe()
    }
}

/// Hears of what others change, on a connection of its own.
pub(super) async fn listen(pool: PgPool, news: watch::Sender<u64>) {
    loop {
        match hear(&pool, &news).await {
            Err(sqlx::Error::PoolClosed) => return,
            Err(error) => tracing::debug!(%error, "changes are not heard of for now"),
            Ok(()) => {}
        }
        sleep(PAUSE).await;
    }
}

/// Until the connection is lost.
async fn hear(pool: &PgPool, news: &watch::Sender<u64>) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.ignore_pool_close_event(false);
    listener.listen(CHANNEL).await?;
    loop {
        // What was told before it listened, it did not hear.
        news.send_modify(|number| *number += 1);
        if listener.try_recv().await?.is_none() {
            return Ok(());
        }
    }
}
