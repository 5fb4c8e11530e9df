//! Conversations: the same tables as in an SQLite file.

use sqlx::Connection as _;
use tokio::time::timeout_at;

use super::{
    super::{Store, StoreError, Stored, seconds, title::title_of},
    PostgresStore, Shared,
};
use crate::{
    Journal, JournalError,
    model::BoxFuture,
    run::{Feed, Run, RunId},
};

impl Shared {
    async fn begin(&self, run: &Run) -> Result<(), StoreError> {
        let id = run.id().as_str();
        let title = self.seal(&format!("{id} title"), &title_of(run))?;
        let beginning = self.seal(&format!("{id} beginning"), run)?;
        let feeds = number(run.feeds())?;
        let insert = sqlx::query(
            "INSERT INTO mcp_conversations VALUES ($1, $2, $2, $3, $4, $5)
             ON CONFLICT (id) DO NOTHING",
        )
        .bind(id)
        .bind(number(seconds::now())?)
        .bind(feeds)
        .bind(title)
        .bind(beginning);
        if self.lender.execute(insert).await? == 1 {
            return Ok(());
        }
        let query = sqlx::query_scalar("SELECT feeds FROM mcp_conversations WHERE id = $1");
        let known: Option<i64> = self.lender.one(query.bind(id)).await?;
        if known == Some(feeds) { Ok(()) } else { Err(StoreError::Conflict) }
    }

    async fn record(&self, feed: &Feed, run: &Run) -> Result<(), StoreError> {
        let (id, count) = (run.id().as_str(), run.feeds());
        let sealed = self.seal(&format!("{id} {count}"), feed)?;
        let (now, step) = (number(seconds::now())?, number(count)?);
        let title = match feed {
            Feed::Prompt(_) => Some(self.seal(&format!("{id} title"), &title_of(run))?),
            _ => None,
        };
        let mut lent = self.lender.lend().await?;
        let until = lent.until;
        let write = async {
            let mut work = lent.begin().await?;
            let updated = sqlx::query(
                "UPDATE mcp_conversations
                 SET feeds = $2, updated = $3, title = coalesce($4, title)
                 WHERE id = $1 AND feeds = $2 - 1",
            )
            .bind(id)
            .bind(step)
            .bind(now)
            .bind(title)
            .execute(&mut *work)
            .await?;
            if updated.rows_affected() == 1 {
                sqlx::query("INSERT INTO mcp_feeds VALUES ($1, $2, $3)")
                    .bind(id)
                    .bind(step)
                    .bind(sealed)
                    .execute(&mut *work)
                    .await?;
                work.commit().await?;
            }
            Ok(updated.rows_affected())
        };
        let outcome = timeout_at(until, write).await;
        match self.lender.back(lent, outcome)? {
            1 => Ok(()),
            _ => Err(StoreError::Conflict),
        }
    }

    async fn list(&self) -> Result<Vec<Stored>, StoreError> {
        let query = sqlx::query_as(
            "SELECT id, created, updated, feeds, title FROM mcp_conversations
             ORDER BY updated DESC, id",
        );
        let rows: Vec<(String, i64, i64, i64, Vec<u8>)> = self.lender.all(query).await?;
        let stored = rows.into_iter().map(|(id, created, updated, feeds, title)| {
            let title = self.unseal(&format!("{id} title"), &title)?;
            Ok(Stored {
                id: id.into(),
                title,
                created: seconds::time(created.cast_unsigned()),
                updated: seconds::time(updated.cast_unsigned()),
                feeds: feeds.cast_unsigned(),
            })
        });
        stored.collect()
    }

    async fn load(&self, id: &RunId, at: Option<u64>) -> Result<Run, StoreError> {
        let query = sqlx::query_scalar("SELECT beginning FROM mcp_conversations WHERE id = $1");
        let beginning: Option<Vec<u8>> = self.lender.one(query.bind(id.as_str())).await?;
        let beginning = beginning.ok_or_else(|| StoreError::Unknown { name: id.to_string() })?;
        let query = sqlx::query_as(
            "SELECT number, feed FROM mcp_feeds WHERE conversation = $1 AND number <= $2
             ORDER BY number",
        )
        .bind(id.as_str())
        .bind(at.map_or(i64::MAX, |at| i64::try_from(at).unwrap_or(i64::MAX)));
        let feeds: Vec<(i64, Vec<u8>)> = self.lender.all(query).await?;
        let mut run: Run = self.unseal(&format!("{id} beginning"), &beginning)?;
        for (number, feed) in feeds {
            let feed: Feed = self.unseal(&format!("{id} {number}"), &feed)?;
            run.feed(feed).map_err(|error| StoreError::Unreadable(error.into()))?;
        }
        Ok(run)
    }

    async fn remove(&self, id: &RunId) -> Result<bool, StoreError> {
        let delete = sqlx::query("DELETE FROM mcp_conversations WHERE id = $1");
        Ok(self.lender.execute(delete.bind(id.as_str())).await? > 0)
    }
}

/// As the database counts.
fn number(count: u64) -> Result<i64, StoreError> {
    i64::try_from(count).map_err(|error| StoreError::Unreadable(error.into()))
}

impl Journal for PostgresStore {
    fn begin<'a>(&'a self, run: &'a Run) -> BoxFuture<'a, Result<(), JournalError>> {
        Box::pin(async move { self.0.begin(run).await.map_err(JournalError::new) })
    }

    fn record<'a>(
        &'a self,
        feed: &'a Feed,
        run: &'a Run,
    ) -> BoxFuture<'a, Result<(), JournalError>> {
        Box::pin(async move { self.0.record(feed, run).await.map_err(JournalError::new) })
    }
}

impl Store for PostgresStore {
    fn list(&self) -> BoxFuture<'_, Result<Vec<Stored>, StoreError>> {
        Box::pin(self.0.list())
    }

    fn load<'a>(
        &'a self,
        id: &'a RunId,
        at: Option<u64>,
    ) -> BoxFuture<'a, Result<Run, StoreError>> {
        Box::pin(self.0.load(id, at))
    }

    fn remove<'a>(&'a self, id: &'a RunId) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(self.0.remove(id))
    }
}
