//! What replicas keep together, in PostgreSQL.

mod conversations;
mod key_check;
mod migrations;
mod news;
mod pins;
mod servers;
mod tokens;
mod turns;

use std::{error::Error, fmt, str::FromStr as _, sync::Arc, time::Duration};

use serde::{Serialize, de::DeserializeOwned};
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use tokio::{
    sync::watch,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use self::news::News;
use super::{StoreError, StoreKey};
use crate::shared::{Companion, Presence};

/// How long to wait for a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many connections there are for what is read and written, and one that listens.
const CONNECTIONS: u32 = 8 + 1;

/// How often it is seen whether the server is there.
const BEAT: Duration = Duration::from_secs(5);

/// How many connections hold locks. They are others, so that who holds one can read and write.
const LOCKS: u32 = 4;

/// Conversations, tokens, servers and pins in PostgreSQL, for all replicas with the same key. What was
/// said, every token, and all of a server but its name is sealed; whose tokens they are, how many
/// conversations there are, when they were and how long, is not. Cloning gives another handle.
///
/// It is a [`Store`](super::Store) of conversations and, for
/// [`OAuth::store`](mcp_client::oauth::OAuth::store), a
/// [`TokenStore`](mcp_client::oauth::TokenStore): of all replicas that find a token worn out, one
/// renews it. For a service it is a [`ServerStore`](super::ServerStore) and a
/// [`SharedPinStore`](super::SharedPinStore) too: what is added or agreed to at one replica is told
/// to the others by `NOTIFY`. As a [`TurnStore`](super::TurnStore) it keeps 64 MiB of one owner and
/// 1 GiB of all, and forgets the oldest, within a minute.
#[derive(Clone)]
pub struct PostgresStore(Arc<Shared>);

struct Shared {
    place: String,
    key: StoreKey,
    pool: PgPool,
    locks: PgPool,
    presence: watch::Receiver<Presence>,
    /// Told when others may have changed something.
    news: News,
    /// End with the last handle.
    _tasks: JoinSet<()>,
}

impl PostgresStore {
    /// Connects, and brings the tables to the form of this version; several replicas may do so at
    /// once.
    ///
    /// # Errors
    /// The URL is none of PostgreSQL, the server cannot be reached, its tables are of a later
    /// version, or what they hold is sealed under another key. The error does not repeat the
    /// password.
    ///
    /// # Cancel safety
    /// A dropped future leaves the tables in the form of some version, whole.
    pub async fn connect(url: &str, key: StoreKey) -> Result<Self, StoreError> {
        let options = options(url)?;
        let place = place(&options);
        let pool = |connections| {
            PgPoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(PATIENCE)
                .connect_lazy_with(options.clone())
        };
        let (pool, locks) = (pool(CONNECTIONS), pool(LOCKS));
        migrations::run(&pool)
            .await
            .map_err(|error| StoreError::Failed { place: place.clone(), source: error.into() })?;
        key_check::agree(&pool, &key).await.map_err(|error| error.at(&place))?;
        let (beats, presence) = watch::channel(Presence::Here);
        let news = News::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(beat(pool.clone(), beats));
        tasks.spawn(turns::sweep(pool.clone()));
        tasks.spawn(news::listen(pool.clone(), news.clone()));
        let shared = Shared { place, key, pool, locks, presence, news, _tasks: tasks };
        Ok(Self(Arc::new(shared)))
    }

    /// Whether [`connect`](Self::connect) would find what it needs: the server is there, and what it
    /// keeps is sealed under this key. Changes nothing.
    ///
    /// # Errors
    /// As those of [`connect`](Self::connect), but for tables of a later version.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn check(url: &str, key: &StoreKey) -> Result<(), StoreError> {
        let options = options(url)?;
        let place = place(&options);
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(PATIENCE)
            .connect_lazy_with(options);
        let tried = key_check::try_on(&pool, key).await;
        pool.close().await;
        tried.map_err(|error| error.at(&place))
    }

    /// Ends all connections, once what is under way is done.
    ///
    /// # Cancel safety
    /// No new connection is made after the first poll.
    pub async fn close(&self) {
        self.0.locks.close().await;
        self.0.pool.close().await;
    }
}

/// Looks whether the server is there.
async fn beat(pool: PgPool, news: watch::Sender<Presence>) {
    let mut ticks = interval(BEAT);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let presence = match sqlx::query("SELECT 1").execute(&pool).await {
            Ok(_) => Presence::Here,
            Err(sqlx::Error::PoolClosed) => return,
            Err(error) => {
                tracing::warn!(%error, "PostgreSQL is away");
                Presence::Away { reason: error.to_string().into() }
            }
        };
        news.send_replace(presence);
    }
}

fn options(url: &str) -> Result<PgConnectOptions, StoreError> {
    let options = PgConnectOptions::from_str(url).map_err(|source| {
        let place = "the URL of PostgreSQL".to_owned();
        StoreError::Failed { place, source: source.into() }
    })?;
    Ok(options.application_name("mcp"))
}

/// Where it is, without the password.
fn place(options: &PgConnectOptions) -> String {
    format!("postgres://{}/{}", options.get_host(), database(options))
}

fn database(options: &PgConnectOptions) -> &str {
    options.get_database().unwrap_or_else(|| options.get_username())
}

impl Shared {
    fn failed(&self, source: impl Into<Box<dyn Error + Send + Sync>>) -> StoreError {
        StoreError::Failed { place: self.place.clone(), source: source.into() }
    }

    fn seal(&self, place: &str, value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
        self.key.seal_value(place, value)
    }

    fn unseal<T: DeserializeOwned>(&self, place: &str, sealed: &[u8]) -> Result<T, StoreError> {
        self.key.unseal_value(place, sealed)
    }
}

impl Companion for PostgresStore {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn presence(&self) -> Presence {
        self.0.presence.borrow().clone()
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("place", &self.0.place).finish_non_exhaustive()
    }
}
