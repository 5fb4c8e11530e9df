//! Pins of tools.

use std::collections::HashMap;

use mcp_client::pins::ServerPins;
use tokio::sync::watch;

use super::{
    super::{KeptPins, SharedPinStore, StoreError},
    PostgresStore, Shared, news,
};
use crate::model::BoxFuture;

/// The place of sealed pins.
pub(super) fn place(key: &str) -> String {
    format!("pins {key}")
}

impl Shared {
    async fn revisions(&self) -> Result<HashMap<String, i64>, StoreError> {
        let query = sqlx::query_as("SELECT server, revision FROM mcp_pins");
        let rows: Vec<(String, i64)> = self.lender.all(query).await?;
        Ok(rows.into_iter().collect())
    }

    async fn load_pins(&self, keys: &[String]) -> Result<Vec<KeptPins>, StoreError> {
        let query =
            sqlx::query_as("SELECT server, revision, sealed FROM mcp_pins WHERE server = ANY($1)");
        let rows: Vec<(String, i64, Vec<u8>)> = self.lender.all(query.bind(keys)).await?;
        let kept = rows.into_iter().map(|(key, revision, sealed)| {
            let pins = self.unseal(&place(&key), &sealed)?;
            Ok(KeptPins { key, revision, pins })
        });
        kept.collect()
    }

    async fn insert_pins(&self, key: &str, pins: &ServerPins) -> Result<bool, StoreError> {
        let sealed = self.seal(&place(key), pins)?;
        let insert = sqlx::query(
            "INSERT INTO mcp_pins (server, sealed) VALUES ($1, $2) ON CONFLICT (server) DO NOTHING",
        );
        self.change(news::PINS, insert.bind(key).bind(sealed)).await
    }

    async fn replace_pins(
        &self,
        key: &str,
        revision: i64,
        pins: &ServerPins,
    ) -> Result<bool, StoreError> {
        let sealed = self.seal(&place(key), pins)?;
        let update = sqlx::query(
            "UPDATE mcp_pins SET sealed = $3, revision = DEFAULT
             WHERE server = $1 AND revision = $2",
        );
        self.change(news::PINS, update.bind(key).bind(revision).bind(sealed)).await
    }
}

impl SharedPinStore for PostgresStore {
    fn revisions(&self) -> BoxFuture<'_, Result<HashMap<String, i64>, StoreError>> {
        Box::pin(self.0.revisions())
    }

    fn load<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Result<Vec<KeptPins>, StoreError>> {
        Box::pin(self.0.load_pins(keys))
    }

    fn insert<'a>(
        &'a self,
        key: &'a str,
        pins: &'a ServerPins,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(self.0.insert_pins(key, pins))
    }

    fn replace<'a>(
        &'a self,
        key: &'a str,
        revision: i64,
        pins: &'a ServerPins,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(self.0.replace_pins(key, revision, pins))
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.0.news.pins.subscribe()
    }
}
