//! Servers that were added over REST, and those that were switched on or off.

use std::collections::HashMap;

use mcp_client::Secret;
use tokio::sync::watch;

use super::{
    super::{KeptServer, ServerStore, StoreError},
    PostgresStore, Shared, news,
};
use crate::model::BoxFuture;

/// The place of a sealed entry.
pub(super) fn place(name: &str) -> String {
    format!("server {name}")
}

impl Shared {
    async fn servers(&self) -> Result<Vec<KeptServer>, StoreError> {
        let query = sqlx::query_as("SELECT name, revision, sealed FROM mcp_servers");
        let rows: Vec<(String, i64, Vec<u8>)> = self.lender.all(query).await?;
        let kept = rows.into_iter().map(|(name, revision, sealed)| {
            let text = String::from_utf8(self.key.open(&place(&name), &sealed)?);
            let entry = text.map_err(|error| StoreError::Unreadable(error.into()))?;
            Ok(KeptServer { name, revision, entry: Secret::new(entry) })
        });
        kept.collect()
    }

    async fn switches(&self) -> Result<HashMap<String, bool>, StoreError> {
        let query = sqlx::query_as("SELECT name, enabled FROM mcp_switches");
        let rows: Vec<(String, bool)> = self.lender.all(query).await?;
        Ok(rows.into_iter().collect())
    }

    async fn insert_server(&self, name: &str, entry: &Secret) -> Result<bool, StoreError> {
        let sealed = self.key.seal(&place(name), entry.reveal().as_bytes())?;
        let insert = sqlx::query(
            // A switch that is left is of another server, which had this name in a file.
            "WITH switch AS (
                 DELETE FROM mcp_switches WHERE name = $1
                     AND NOT EXISTS (SELECT FROM mcp_servers WHERE name = $1)
             )
             INSERT INTO mcp_servers (name, sealed) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
        );
        self.change(news::SERVERS, insert.bind(name).bind(sealed)).await
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
        let delete = sqlx::query(
            "WITH switch AS (DELETE FROM mcp_switches WHERE name = $1)
             DELETE FROM mcp_servers WHERE name = $1",
        );
        Box::pin(self.0.change(news::SERVERS, delete.bind(name)))
    }

    fn switches(&self) -> BoxFuture<'_, Result<HashMap<String, bool>, StoreError>> {
        Box::pin(self.0.switches())
    }

    fn switch<'a>(&'a self, name: &'a str, enabled: bool) -> BoxFuture<'a, Result<(), StoreError>> {
        let write = sqlx::query(
            "INSERT INTO mcp_switches VALUES ($1, $2)
             ON CONFLICT (name) DO UPDATE SET enabled = excluded.enabled",
        );
        let write = self.0.change(news::SERVERS, write.bind(name).bind(enabled));
        Box::pin(async move { write.await.map(drop) })
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.0.news.servers.subscribe()
    }
}
