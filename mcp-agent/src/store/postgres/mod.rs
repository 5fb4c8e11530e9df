//! What replicas keep together, in PostgreSQL.

mod conversations;
mod key_check;
mod lending;
mod migrations;
mod news;
mod pins;
mod servers;
mod tokens;
mod turns;

use std::{fmt, str::FromStr as _, sync::Arc, time::Duration};

use serde::{Serialize, de::DeserializeOwned};
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::{task::JoinSet, time::timeout};

use self::{lending::Lender, news::News};
use super::{StoreError, StoreKey};
use crate::shared::{Companion, Presence};

/// How long to wait for a connection at the start: the server may be starting too.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long the whole start may take. Tables may be large, and another replica may be changing them.
const START: Duration = Duration::from_secs(60);

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
///
/// The server has 4 s for a statement and 2 s for a connection; after 5 s nobody waits any more, be
/// it that the server hangs. From then on everything fails at once with [`StoreError::Away`], until
/// a look at the server, once a second, finds it there again.
#[derive(Clone)]
pub struct PostgresStore(Arc<Shared>);

struct Shared {
    key: StoreKey,
    lender: Arc<Lender>,
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
        let starting = async {
            let pool = one_connection(&options);
            migrations::run(&pool).await.map_err(|error| StoreError::Failed {
                place: place.clone(),
                source: error.into(),
            })?;
            key_check::agree(&pool, &key).await.map_err(|error| error.at(&place))?;
            pool.close().await;
            Ok(())
        };
        within_start(starting, &place).await?;
        let lender = Arc::new(Lender::new(place, options));
        let news = News::default();
        let mut tasks = JoinSet::new();
        let looking = Arc::clone(&lender);
        tasks.spawn(async move { looking.look_after().await });
        tasks.spawn(turns::sweep(Arc::clone(&lender)));
        tasks.spawn(news::listen(Arc::clone(&lender), news.clone()));
        let shared = Shared { key, lender, news, _tasks: tasks };
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
        let trying = async {
            let pool = one_connection(&options);
            let tried = key_check::try_on(&pool, key).await;
            pool.close().await;
            tried.map_err(|error| error.at(&place))
        };
        within_start(trying, &place).await
    }

    /// Ends all connections, once what is under way is done.
    ///
    /// # Cancel safety
    /// No new connection is made after the first poll.
    pub async fn close(&self) {
        self.0.lender.close().await;
    }
}

/// For what is done before anything else.
fn one_connection(options: &PgConnectOptions) -> PgPool {
    PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(PATIENCE)
        .connect_lazy_with(options.clone())
}

async fn within_start<T>(
    starting: impl Future<Output = Result<T, StoreError>>,
    place: &str,
) -> Result<T, StoreError> {
    let late = |_| StoreError::Away {
        place: place.to_owned(),
        source: format!("no answer within {START:?}").into(),
    };
    timeout(START, starting).await.map_err(late)?
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
        self.0.lender.presence()
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("place", &self.0.lender.place())
            .finish_non_exhaustive()
    }
}
