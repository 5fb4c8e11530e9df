//! Tokens that one replica renews for all.

use std::time::Duration;

use mcp_client::{
    Secret,
    oauth::{StoreEntry, StoreLock, TokenStore, TokenStoreError},
};
use mcp_transport::BoxFuture;

use super::PostgresStore;

/// How long to wait for another replica that renews a token.
const LOCK_PATIENCE: Duration = Duration::from_secs(30);

/// What PostgreSQL says when a lock was waited for in vain.
const LOCK_NOT_AVAILABLE: &str = "55P03";

impl PostgresStore {
    fn token_failed(&self, error: sqlx::Error) -> TokenStoreError {
        TokenStoreError::Failed(self.0.failed(error).into())
    }
}

/// The place of a sealed token.
pub(super) fn place(name: &str) -> String {
    format!("token {name}")
}

impl TokenStore for PostgresStore {
    fn load<'a>(
        &'a self,
        entry: &'a StoreEntry,
    ) -> BoxFuture<'a, Result<Option<Secret>, TokenStoreError>> {
        Box::pin(async move {
            let name = entry.name();
            let sealed: Option<Vec<u8>> =
                sqlx::query_scalar("SELECT sealed FROM mcp_tokens WHERE name = $1")
                    .bind(&name)
                    .fetch_optional(&self.0.pool)
                    .await
                    .map_err(|error| self.token_failed(error))?;
            let Some(sealed) = sealed else { return Ok(None) };
            let text = self.0.key.open(&place(&name), &sealed);
            match text.ok().and_then(|text| String::from_utf8(text).ok()) {
                Some(text) => Ok(Some(Secret::new(text))),
                None => Err(TokenStoreError::Unreadable { name, source: None }),
            }
        })
    }

    fn save<'a>(
        &'a self,
        entry: &'a StoreEntry,
        value: &'a Secret,
    ) -> BoxFuture<'a, Result<(), TokenStoreError>> {
        Box::pin(async move {
            let name = entry.name();
            let sealed = self.0.key.seal(&place(&name), value.reveal().as_bytes());
            let sealed = sealed.map_err(|error| TokenStoreError::Failed(error.into()))?;
            sqlx::query(
                "INSERT INTO mcp_tokens VALUES ($1, $2)
                 ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed",
            )
            .bind(&name)
            .bind(sealed)
            .execute(&self.0.pool)
            .await
            .map(drop)
            .map_err(|error| self.token_failed(error))
        })
    }

    fn remove<'a>(&'a self, entry: &'a StoreEntry) -> BoxFuture<'a, Result<(), TokenStoreError>> {
        Box::pin(async move {
            sqlx::query("DELETE FROM mcp_tokens WHERE name = $1")
                .bind(entry.name())
                .execute(&self.0.pool)
                .await
                .map(drop)
                .map_err(|error| self.token_failed(error))
        })
    }

    /// An advisory lock of a transaction: it ends with the transaction, and with the process.
    fn lock<'a>(
        &'a self,
        entry: &'a StoreEntry,
    ) -> BoxFuture<'a, Result<StoreLock, TokenStoreError>> {
        Box::pin(async move {
            let locked = async {
                let mut work = self.0.locks.begin().await?;
                sqlx::query("SELECT set_config('lock_timeout', $1, true)")
                    .bind(LOCK_PATIENCE.as_millis().to_string())
                    .execute(&mut *work)
                    .await?;
                sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
                    .bind(place(&entry.name()))
                    .execute(&mut *work)
                    .await?;
                Ok(StoreLock::new(work))
            };
            locked.await.map_err(|error: sqlx::Error| {
                let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
                if code.as_deref() == Some(LOCK_NOT_AVAILABLE) {
                    return TokenStoreError::Locked { after: LOCK_PATIENCE };
                }
                self.token_failed(error)
            })
        })
    }
}
