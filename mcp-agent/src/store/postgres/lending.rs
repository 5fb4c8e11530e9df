//! Connections, each lent for a limited time, and none while the server is away.
//!
//! A server that hangs looks like one that is slow until a limit runs out. Whoever meets that first
//! says so; from then on nobody waits for it, until a look finds it there again.

use std::{
    ops::{Deref, DerefMut},
    time::Duration,
};

use sqlx::{
    FromRow, PgConnection, PgPool, Postgres,
    pool::PoolConnection,
    postgres::{PgArguments, PgConnectOptions, PgPoolOptions, PgRow},
    query::{Query, QueryAs, QueryScalar},
};
use tokio::{
    select,
    sync::{Notify, watch},
    time::{Instant, error::Elapsed, sleep, timeout, timeout_at},
};

use super::tokens::LOCK_PATIENCE;
use crate::{shared::Presence, store::StoreError};

/// How long to wait for a connection.
pub(super) const CONNECT: Duration = Duration::from_secs(2);

/// How long the server takes for one statement before it gives up by itself. Less than
/// [`ANSWER`]: a server that says so is there.
const STATEMENT: Duration = Duration::from_secs(4);

/// How long a connection is lent.
const ANSWER: Duration = Duration::from_secs(5);

/// How often it is looked whether the server is there.
const BEAT: Duration = Duration::from_secs(5);

/// The same while it is away.
const BEAT_AWAY: Duration = Duration::from_secs(1);

/// How long a look may take.
const LOOK: Duration = Duration::from_secs(2);

/// How many connections there are for what is read and written.
const CONNECTIONS: u32 = 8;

/// How many connections hold locks. They are others, so that who holds one can read and write.
const LOCKS: u32 = 4;

/// What PostgreSQL says of a statement that took too long, and of a lock.
const TOO_LONG: [&str; 2] = ["57014", "55P03"];

/// The classes of what PostgreSQL says when it does not serve: it is out of something, or ends.
const NOT_NOW: [&str; 2] = ["53", "57"];

pub(super) struct Lender {
    place: String,
    options: PgConnectOptions,
    pool: PgPool,
    pub(super) locks: PgPool,
    /// For looks: its one connection is never in use otherwise.
    looking: PgPool,
    presence: watch::Sender<Presence>,
    /// Somebody has doubts whether the server is there.
    doubts: Notify,
}

/// A connection, until it is given [back](Lender::back). Otherwise it is closed: something is
/// under way on it.
pub(super) struct Lent {
    connection: PoolConnection<Postgres>,
    pub(super) until: Instant,
    limit: Duration,
    is_whole: bool,
}

impl Lender {
    pub(super) fn new(place: String, options: PgConnectOptions) -> Self {
        let pool = |connections, patience| {
            pool_of(connections)
                .acquire_timeout(patience)
                .after_connect(|connection, _| {
                    let set = sqlx::query("SELECT set_config('statement_timeout', $1, false)")
                        .bind(STATEMENT.as_millis().to_string());
                    Box::pin(async move { set.execute(connection).await.map(drop) })
                })
                // The pool itself would wait for ever for a connection to be in order.
                .after_release(|connection, _| {
                    Box::pin(async move {
                        let ping = sqlx::Connection::ping(connection);
                        timeout(LOOK, ping).await.map_err(|_| sqlx::Error::PoolTimedOut)??;
                        Ok(true)
                    })
                })
                .connect_lazy_with(options.clone())
        };
        // Who waits for a lock waits for others to renew tokens, which is no fault of the server.
        let locks = pool(LOCKS, LOCK_PATIENCE);
        let (pool, looking) = (pool(CONNECTIONS, CONNECT), pool(1, CONNECT));
        let presence = watch::Sender::new(Presence::Here);
        Self { place, options, pool, locks, looking, presence, doubts: Notify::new() }
    }

    pub(super) fn place(&self) -> &str {
        &self.place
    }

    pub(super) fn presence(&self) -> Presence {
        self.presence.borrow().clone()
    }

    /// A connection for whoever listens, in no pool that others use.
    pub(super) fn listening(&self) -> PgPool {
        pool_of(1).connect_lazy_with(self.options.clone())
    }

    /// Waits until the server is away.
    pub(super) async fn away(&self) {
        self.until(|presence| !matches!(presence, Presence::Here)).await;
    }

    /// Waits until the server is there.
    pub(super) async fn here(&self) {
        self.until(|presence| matches!(presence, Presence::Here)).await;
    }

    async fn until(&self, is_so: impl Fn(&Presence) -> bool) {
        // The sender lives as long as `self`.
        let _ = self.presence.subscribe().wait_for(|presence| is_so(presence)).await;
    }

    /// Waits until all is closed.
    pub(super) async fn closed(&self) {
        self.pool.close_event().await;
    }

    pub(super) async fn close(&self) {
        self.looking.close().await;
        self.locks.close().await;
        self.pool.close().await;
    }

    pub(super) async fn lend(&self) -> Result<Lent, StoreError> {
        self.lend_for(ANSWER).await
    }

    /// For longer, where the server was told that it may take longer.
    pub(super) async fn lend_for(&self, limit: Duration) -> Result<Lent, StoreError> {
        self.is_there()?;
        Lent::of(&self.pool, limit).await.map_err(|error| self.failed(error))
    }

    /// Fails while the server is known to be away.
    pub(super) fn is_there(&self) -> Result<(), StoreError> {
        match &*self.presence.borrow() {
            Presence::Away { reason } => Err(self.not_now(reason.to_string())),
            _ => Ok(()),
        }
    }

    /// Takes a connection back, with what came of it.
    pub(super) fn back<T>(
        &self,
        mut lent: Lent,
        outcome: Result<Result<T, sqlx::Error>, Elapsed>,
    ) -> Result<T, StoreError> {
        let Ok(outcome) = outcome else {
            let reason = format!("no answer within {:?}", lent.limit);
            self.is_away(&reason);
            self.doubts.notify_one();
            return Err(self.not_now(reason));
        };
        lent.is_whole = outcome.as_ref().err().is_none_or(is_told_by_server);
        outcome.map_err(|error| self.failed(error))
    }

    pub(super) async fn execute(
        &self,
        query: Query<'_, Postgres, PgArguments>,
    ) -> Result<u64, StoreError> {
        let mut lent = self.lend().await?;
        let outcome = timeout_at(lent.until, query.execute(&mut *lent)).await;
        self.back(lent, outcome).map(|done| done.rows_affected())
    }

    pub(super) async fn all<T>(
        &self,
        query: QueryAs<'_, Postgres, T, PgArguments>,
    ) -> Result<Vec<T>, StoreError>
    where
        T: Send + Unpin + for<'r> FromRow<'r, PgRow>,
    {
        let mut lent = self.lend().await?;
        let outcome = timeout_at(lent.until, query.fetch_all(&mut *lent)).await;
        self.back(lent, outcome)
    }

    pub(super) async fn one<T>(
        &self,
        query: QueryScalar<'_, Postgres, T, PgArguments>,
    ) -> Result<Option<T>, StoreError>
    where
        T: Send + Unpin,
        (T,): Send + Unpin + for<'r> FromRow<'r, PgRow>,
    {
        let mut lent = self.lend().await?;
        let outcome = timeout_at(lent.until, query.fetch_optional(&mut *lent)).await;
        self.back(lent, outcome)
    }

    /// What the server told, or that it could not be asked.
    pub(super) fn failed(&self, error: sqlx::Error) -> StoreError {
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        let code = code.as_deref().unwrap_or_default();
        if is_told_by_server(&error) && !NOT_NOW.iter().any(|class| code.starts_with(class)) {
            return StoreError::Failed { place: self.place.clone(), source: error.into() };
        }
        if !TOO_LONG.contains(&code) {
            self.doubts.notify_one();
        }
        StoreError::Away { place: self.place.clone(), source: error.into() }
    }

    pub(super) fn not_now(&self, reason: String) -> StoreError {
        StoreError::Away { place: self.place.clone(), source: reason.into() }
    }

    fn is_away(&self, reason: &str) {
        self.presence.send_if_modified(|presence| {
            if matches!(presence, Presence::Away { .. }) {
                return false;
            }
            tracing::warn!(reason, "PostgreSQL is away: nobody waits for it until it answers");
            *presence = Presence::Away { reason: reason.into() };
            true
        });
    }

    /// Looks from time to time whether the server is there, and when somebody has doubts.
    pub(super) async fn look_after(&self) {
        loop {
            let pause = if self.is_there().is_ok() { BEAT } else { BEAT_AWAY };
            select! {
                () = sleep(pause) => {}
                () = self.doubts.notified() => {}
                () = self.closed() => return,
            }
            let looked = async {
                let mut lent = Lent::of(&self.looking, LOOK).await?;
                sqlx::query("SELECT 1").execute(&mut *lent).await?;
                lent.is_whole = true;
                Ok(())
            };
            match timeout(LOOK, looked).await {
                Ok(Ok(())) => {
                    self.presence.send_if_modified(|presence| {
                        let was_away = matches!(presence, Presence::Away { .. });
                        if was_away {
                            tracing::info!("PostgreSQL is there again");
                        }
                        *presence = Presence::Here;
                        was_away
                    });
                }
                Ok(Err(sqlx::Error::PoolClosed)) => return,
                Ok(Err(error)) => self.is_away(&error.to_string()),
                Err(_) => self.is_away(&format!("no answer within {LOOK:?}")),
            }
        }
    }
}

impl Lent {
    async fn of(pool: &PgPool, limit: Duration) -> Result<Self, sqlx::Error> {
        let until = Instant::now() + limit;
        Ok(Self { connection: pool.acquire().await?, until, limit, is_whole: false })
    }
}

impl Deref for Lent {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if !self.is_whole {
            self.connection.close_on_drop();
        }
    }
}

fn pool_of(connections: u32) -> PgPoolOptions {
    PgPoolOptions::new().max_connections(connections).acquire_timeout(CONNECT)
}

/// Whether the connection is as it was before: the server answered, or the answer is not what was
/// expected.
fn is_told_by_server(error: &sqlx::Error) -> bool {
    !matches!(
        error,
        sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed
    )
}
