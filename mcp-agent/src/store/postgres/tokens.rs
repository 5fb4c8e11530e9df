//! Tokens that one replica renews for all.

use std::time::Duration;

use mcp_client::{
    Secret,
    oauth::{StoreEntry, StoreLock, TokenStore, TokenStoreError},
};
use mcp_transport::BoxFuture;
use tokio::{select, time::timeout};

use super::PostgresStore;
use crate::store::StoreError;

/// How long to wait for another replica that renews a token.
pub(super) const LOCK_PATIENCE: Duration = Duration::from_secs(30);

/// What PostgreSQL says when a lock was waited for in vain.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// How long to wait with new tokens for a server that is away.
const SAVE_PATIENCE: Duration = Duration::from_secs(10);

const SAVE: &str = "INSERT INTO mcp_tokens VALUES ($1, $2)
    ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed";

const AWAY: &str = "it went away while a lock was waited for";

fn failed(error: StoreError) -> TokenStoreError {
    TokenStoreError::Failed(error.into())
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
            let query = sqlx::query_scalar("SELECT sealed FROM mcp_tokens WHERE name = $1");
            let sealed: Option<Vec<u8>> =
                self.0.lender.one(query.bind(&name)).await.map_err(failed)?;
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
            let write = sqlx::query(SAVE);
            let lender = &self.0.lender;
            let mut written = lender.execute(write.bind(&name).bind(sealed.clone())).await;
            // What renewed these tokens is spent: they are worth waiting for the server.
            if let Err(StoreError::Away { .. }) = &written
                && timeout(SAVE_PATIENCE, lender.here()).await.is_ok()
            {
                let write = sqlx::query(SAVE);
                written = lender.execute(write.bind(&name).bind(sealed)).await;
            }
            written.map(drop).map_err(failed)
        })
    }

    fn remove<'a>(&'a self, entry: &'a StoreEntry) -> BoxFuture<'a, Result<(), TokenStoreError>> {
        Box::pin(async move {
            let delete = sqlx::query("DELETE FROM mcp_tokens WHERE name = $1").bind(entry.name());
            self.0.lender.execute(delete).await.map(drop).map_err(failed)
        })
    }

    /// An advisory lock of a transaction: it ends with the transaction, and with the process.
    fn lock<'a>(
        &'a self,
        entry: &'a StoreEntry,
    ) -> BoxFuture<'a, Result<StoreLock, TokenStoreError>> {
        Box::pin(async move {
            let lender = &self.0.lender;
            lender.is_there().map_err(failed)?;
            let locking = async {
                let mut work = lender.locks.begin().await?;
                sqlx::query(
                    "SELECT set_config('lock_timeout', $1, true),
                     set_config('statement_timeout', '0', true)",
                )
                .bind(LOCK_PATIENCE.as_millis().to_string())
                .execute(&mut *work)
                .await?;
                sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
                    .bind(place(&entry.name()))
                    .execute(&mut *work)
                    .await?;
                Ok(StoreLock::new(work))
            };
            let locked = select! {
                locked = locking => locked,
                // It may hang long before the lock is waited for in vain.
                () = lender.away() => return Err(failed(lender.not_now(AWAY.to_owned()))),
            };
            locked.map_err(|error: sqlx::Error| {
                let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
                let is_busy = matches!(error, sqlx::Error::PoolTimedOut);
                if is_busy || code.as_deref() == Some(LOCK_NOT_AVAILABLE) {
                    return TokenStoreError::Locked { after: LOCK_PATIENCE };
                }
                failed(lender.failed(error))
            })
        })
    }
}
