//! Whether the key is the one that everything is sealed with. The first replica of all leaves a
//! sealed text, on which each later one tries its key before it does anything else.

use sqlx::PgPool;

use super::{pins, servers, tokens};
use crate::store::{StoreError, StoreKey};

const PLACE: &str = "key";
const TEXT: &[u8] = b"the key of this store";

/// How many things are tried that were sealed before there was such a text.
const TRIED: i64 = 8;

/// Tries the key, and leaves the text where there is none.
pub(super) async fn agree(pool: &PgPool, key: &StoreKey) -> Result<(), KeyError> {
    if sealed_text(pool).await?.is_none() {
        opens_what_is_there(pool, key).await?;
        let sealed = key.seal(PLACE, TEXT)?;
        // Of several that begin at once, one is the first.
        sqlx::query("INSERT INTO mcp_key (sealed) VALUES ($1) ON CONFLICT DO NOTHING")
            .bind(sealed)
            .execute(pool)
            .await?;
    }
    let sealed = sealed_text(pool).await?;
    sealed.map_or(Ok(()), |sealed| opens(key, PLACE, &sealed))
}

/// Tries the key without leaving anything. Whatever is not there cannot speak against it.
pub(super) async fn try_on(pool: &PgPool, key: &StoreKey) -> Result<(), KeyError> {
    if is_there(pool, "mcp_key").await?
        && let Some(sealed) = sealed_text(pool).await?
    {
        return opens(key, PLACE, &sealed);
    }
    opens_what_is_there(pool, key).await
}

async fn sealed_text(pool: &PgPool) -> Result<Option<Vec<u8>>, sqlx::Error> {
    sqlx::query_scalar("SELECT sealed FROM mcp_key").fetch_optional(pool).await
}

async fn is_there(pool: &PgPool, table: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL").bind(table).fetch_one(pool).await
}

fn opens(key: &StoreKey, place: &str, sealed: &[u8]) -> Result<(), KeyError> {
    key.open(place, sealed).map(drop).map_err(|_| KeyError::Another)
}

/// Whether the key opens something of each kind that there is. One thing alone may be broken.
async fn opens_what_is_there(pool: &PgPool, key: &StoreKey) -> Result<(), KeyError> {
    type Place = fn(&str) -> String;
    let kinds: [(&str, &str, Place); 4] = [
        ("mcp_tokens", "SELECT name, sealed FROM mcp_tokens LIMIT $1", tokens::place),
        ("mcp_servers", "SELECT name, sealed FROM mcp_servers LIMIT $1", servers::place),
        ("mcp_pins", "SELECT server, sealed FROM mcp_pins LIMIT $1", pins::place),
        ("mcp_conversations", "SELECT id, title FROM mcp_conversations LIMIT $1", |id| {
            format!("{id} title")
        }),
    ];
    for (table, query, place) in kinds {
        if !is_there(pool, table).await? {
            continue;
        }
        let kept: Vec<(String, Vec<u8>)> =
            sqlx::query_as(query).bind(TRIED).fetch_all(pool).await?;
        let is_opened =
            |(name, sealed): &(String, Vec<u8>)| opens(key, &place(name), sealed).is_ok();
        if !kept.is_empty() && !kept.iter().any(is_opened) {
            return Err(KeyError::Another);
        }
    }
    Ok(())
}

/// The key is not agreed upon.
pub(super) enum KeyError {
    /// Everything is sealed with another one.
    Another,
    Database(sqlx::Error),
    Store(StoreError),
}

impl KeyError {
    /// As the store at a place tells it.
    pub(super) fn at(self, place: &str) -> StoreError {
        match self {
            Self::Another => StoreError::WrongKey { place: place.to_owned() },
            Self::Database(source) => {
                StoreError::Failed { place: place.to_owned(), source: source.into() }
            }
            Self::Store(error) => error,
        }
    }
}

impl From<sqlx::Error> for KeyError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<StoreError> for KeyError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
