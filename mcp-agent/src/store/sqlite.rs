//! Conversations in an SQLite file.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, OptionalExtension as _, params};
use serde::de::DeserializeOwned;
use tokio::task::spawn_blocking;

use super::{Store, StoreError, StoreKey, Stored, seconds, title::title_of};
use crate::{
    Journal, JournalError,
    model::BoxFuture,
    run::{Feed, Run, RunId},
};

/// How long to wait for another process that writes.
const PATIENCE: Duration = Duration::from_secs(5);

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS conversations (
        id TEXT PRIMARY KEY, created INTEGER NOT NULL, updated INTEGER NOT NULL,
        feeds INTEGER NOT NULL, title BLOB NOT NULL, beginning BLOB NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS feeds (
        conversation TEXT NOT NULL, number INTEGER NOT NULL, feed BLOB NOT NULL,
        PRIMARY KEY (conversation, number)
    ) WITHOUT ROWID;
    PRAGMA user_version = 1;";

/// Conversations in an SQLite file. What was said is sealed; how many conversations there are, when
/// they were, and how long, is not. Several processes can use the file at once. Cloning gives
/// another handle.
///
/// Each feed is on the disk before the run goes on.
#[derive(Clone)]
pub struct SqliteStore(Arc<Shared>);

struct Shared {
    place: PathBuf,
    key: StoreKey,
    connection: Mutex<Connection>,
}

impl SqliteStore {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// It cannot be opened, or is something else.
    pub fn open(path: impl Into<PathBuf>, key: StoreKey) -> Result<Self, StoreError> {
        let place = path.into();
        let connection = connect(&place).map_err(|source| failed(&place, source))?;
        Ok(Self(Arc::new(Shared { place, key, connection: Mutex::new(connection) })))
    }

    /// Works with the file, on a thread where waiting is allowed.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared, &mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = Arc::clone(&self.0);
        let place = shared.place.clone();
        let working = spawn_blocking(move || {
            let mut connection = shared.connection.lock().unwrap_or_else(PoisonError::into_inner);
            work(&shared, &mut connection)
        });
        working.await.map_err(|source| failed(&place, source))?
    }
}

fn connect(place: &Path) -> Result<Connection, rusqlite::Error> {
    let connection = Connection::open(place)?;
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "secure_delete", "ON")?;
    connection.execute_batch(SCHEMA)?;
    Ok(connection)
}

fn failed(place: &Path, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::Failed { place: place.display().to_string(), source: source.into() }
}

impl Shared {
    fn failed(&self, source: rusqlite::Error) -> StoreError {
        failed(&self.place, source)
    }

    fn seal(&self, place: &str, value: &impl serde::Serialize) -> Result<Vec<u8>, StoreError> {
        self.key.seal_value(place, value)
    }

    fn unseal<T: DeserializeOwned>(&self, place: &str, sealed: &[u8]) -> Result<T, StoreError> {
        self.key.unseal_value(place, sealed)
    }

    fn begin(&self, connection: &Connection, run: &Run) -> Result<(), StoreError> {
        let id = run.id().as_str();
        let known: Option<u64> = connection
            .query_row("SELECT feeds FROM conversations WHERE id = ?1", [id], |row| row.get(0))
            .optional()
            .map_err(|error| self.failed(error))?;
        match known {
            Some(feeds) if feeds == run.feeds() => Ok(()),
            Some(_) => Err(StoreError::Conflict),
            None => {
                let title = self.seal(&format!("{id} title"), &title_of(run))?;
                let beginning = self.seal(&format!("{id} beginning"), run)?;
                connection
                    .execute(
                        "INSERT INTO conversations VALUES (?1, ?2, ?2, ?3, ?4, ?5)",
                        params![id, seconds::now(), run.feeds(), title, beginning],
                    )
                    .map(|_| ())
                    .map_err(|error| self.failed(error))
            }
        }
    }

    fn record(
        &self,
        connection: &mut Connection,
        (id, number): (&RunId, u64),
        feed: &Feed,
        title: Option<String>,
    ) -> Result<(), StoreError> {
        let sealed = self.seal(&format!("{id} {number}"), feed)?;
        let title = title.map(|title| self.seal(&format!("{id} title"), &title)).transpose()?;
        let mut write = || {
            let transaction = connection.transaction()?;
            let updated = transaction.execute(
                "UPDATE conversations SET feeds = ?2, updated = ?3, title = coalesce(?4, title)
                 WHERE id = ?1 AND feeds = ?2 - 1",
                params![id.as_str(), number, seconds::now(), title],
            )?;
            if updated == 1 {
                transaction.execute(
                    "INSERT INTO feeds VALUES (?1, ?2, ?3)",
                    params![id.as_str(), number, sealed],
                )?;
                transaction.commit()?;
            }
            Ok(updated)
        };
        match write().map_err(|error| self.failed(error))? {
            1 => Ok(()),
            _ => Err(StoreError::Conflict),
        }
    }

    fn list(&self, connection: &Connection) -> Result<Vec<Stored>, StoreError> {
        let read = || {
            let mut query = connection.prepare(
                "SELECT id, created, updated, feeds, title FROM conversations
                 ORDER BY updated DESC, id",
            )?;
            let rows = query.query_map([], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
            })?;
            rows.collect::<Result<Vec<(String, u64, u64, u64, Vec<u8>)>, _>>()
        };
        let rows = read().map_err(|error: rusqlite::Error| self.failed(error))?;
        let stored = rows.into_iter().map(|(id, created, updated, feeds, title)| {
            let title = self.unseal(&format!("{id} title"), &title)?;
            let (created, updated) = (seconds::time(created), seconds::time(updated));
            Ok(Stored { id: id.into(), title, created, updated, feeds })
        });
        stored.collect()
    }

    fn load(
        &self,
        connection: &Connection,
        id: &RunId,
        at: Option<u64>,
    ) -> Result<Run, StoreError> {
        let beginning: Vec<u8> = connection
            .query_row("SELECT beginning FROM conversations WHERE id = ?1", [id.as_str()], |row| {
                row.get(0)
            })
            .optional()
            .map_err(|error| self.failed(error))?
            .ok_or_else(|| StoreError::Unknown { name: id.to_string() })?;
        let read = || {
            let mut query = connection.prepare(
                "SELECT number, feed FROM feeds WHERE conversation = ?1 AND number <= ?2
                 ORDER BY number",
            )?;
            let last = at.map_or(i64::MAX, |at| i64::try_from(at).unwrap_or(i64::MAX));
            let rows = query
                .query_map(params![id.as_str(), last], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<Result<Vec<(u64, Vec<u8>)>, _>>()
        };
        let feeds = read().map_err(|error: rusqlite::Error| self.failed(error))?;
        let mut run: Run = self.unseal(&format!("{id} beginning"), &beginning)?;
        for (number, feed) in feeds {
            let feed: Feed = self.unseal(&format!("{id} {number}"), &feed)?;
            run.feed(feed).map_err(|error| StoreError::Unreadable(error.into()))?;
        }
        Ok(run)
    }

    fn remove(&self, connection: &mut Connection, id: &RunId) -> Result<bool, StoreError> {
        let mut write = || {
            let transaction = connection.transaction()?;
            transaction.execute("DELETE FROM feeds WHERE conversation = ?1", [id.as_str()])?;
            let removed =
                transaction.execute("DELETE FROM conversations WHERE id = ?1", [id.as_str()])?;
            transaction.commit()?;
            Ok(removed > 0)
        };
        write().map_err(|error| self.failed(error))
    }
}

impl Journal for SqliteStore {
    fn begin<'a>(&'a self, run: &'a Run) -> BoxFuture<'a, Result<(), JournalError>> {
        Box::pin(async move {
            let run = run.clone();
            let begun = self.with(move |shared, connection| shared.begin(connection, &run)).await;
            begun.map_err(JournalError::new)
        })
    }

    fn record<'a>(
        &'a self,
        feed: &'a Feed,
        run: &'a Run,
    ) -> BoxFuture<'a, Result<(), JournalError>> {
        Box::pin(async move {
            let title = matches!(feed, Feed::Prompt(_)).then(|| title_of(run));
            let (id, number, feed) = (run.id().clone(), run.feeds(), feed.clone());
            let recorded = self.with(move |shared, connection| {
                shared.record(connection, (&id, number), &feed, title)
            });
            recorded.await.map_err(JournalError::new)
        })
    }
}

impl Store for SqliteStore {
    fn list(&self) -> BoxFuture<'_, Result<Vec<Stored>, StoreError>> {
        Box::pin(self.with(|shared, connection| shared.list(connection)))
    }

    fn load<'a>(
        &'a self,
        id: &'a RunId,
        at: Option<u64>,
    ) -> BoxFuture<'a, Result<Run, StoreError>> {
        let id = id.clone();
        Box::pin(self.with(move |shared, connection| shared.load(connection, &id, at)))
    }

    fn remove<'a>(&'a self, id: &'a RunId) -> BoxFuture<'a, Result<bool, StoreError>> {
        let id = id.clone();
        Box::pin(self.with(move |shared, connection| shared.remove(connection, &id)))
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("place", &self.0.place).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
