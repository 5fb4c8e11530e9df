//! Conversations that outlive the program.
//!
//! A [`Store`] is a [`Journal`]: given to an agent, it keeps each run as it goes on, and a run that
//! is loaded from it goes on where it was, even when the program was killed in between.

mod markdown;
mod pins;
#[cfg(feature = "postgres")]
mod postgres;
mod seal;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod seconds;
mod servers;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod title;
mod turns;

use std::{error::Error, fmt, time::SystemTime};

use serde::{Deserialize, Serialize};

#[cfg(feature = "postgres")]
pub use self::postgres::PostgresStore;
#[cfg(feature = "sqlite")]
pub use self::sqlite::SqliteStore;
pub use self::{
    markdown::to_markdown,
    pins::{KeptPins, SharedPinStore},
    seal::StoreKey,
    servers::{KeptServer, ServerStore},
    turns::{KeptTurn, TurnStore},
};
use crate::{
    Journal,
    model::BoxFuture,
    run::{Run, RunId},
};

/// Keeps conversations.
pub trait Store: Journal {
    /// The conversations, the latest first.
    fn list(&self) -> BoxFuture<'_, Result<Vec<Stored>, StoreError>>;

    /// The conversation of this name, or of the only name that begins so.
    fn find<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Stored, StoreError>> {
        Box::pin(async move {
            let mut found = self.list().await?;
            found.retain(|stored| stored.id.as_str().starts_with(name));
            let name = name.to_owned();
            match (found.pop(), found.is_empty()) {
                (Some(stored), true) if !name.is_empty() => Ok(stored),
                (None, _) => Err(StoreError::Unknown { name }),
                _ => Err(StoreError::Ambiguous { name }),
            }
        })
    }

    /// A conversation as it is, or as it was after so many [feeds](Run::feeds).
    fn load<'a>(&'a self, id: &'a RunId, at: Option<u64>)
    -> BoxFuture<'a, Result<Run, StoreError>>;

    /// Forgets a conversation. Returns whether there was one.
    fn remove<'a>(&'a self, id: &'a RunId) -> BoxFuture<'a, Result<bool, StoreError>>;
}

/// A conversation in a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Stored {
    /// Its name.
    pub id: RunId,
    /// The beginning of the first prompt.
    pub title: String,
    /// When it began, as far as the clock was right.
    pub created: SystemTime,
    /// When it was last fed.
    pub updated: SystemTime,
    /// How often it was fed.
    pub feeds: u64,
}

/// The store failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no such conversation.
    #[error("there is no conversation `{name}`")]
    Unknown {
        /// As asked for.
        name: String,
    },
    /// Several conversations have names that begin so.
    #[error("several conversations begin with `{name}`; write more of the name")]
    Ambiguous {
        /// As asked for.
        name: String,
    },
    /// Another process went on with the conversation meanwhile.
    #[error("another process has gone on with the conversation; load it again")]
    Conflict,
    /// What is kept cannot be read with this key: the key is another, or somebody changed it.
    #[error("what is kept of the conversation is not what was written, or under another key")]
    Unsealable,
    /// What is kept cannot be read by this program.
    #[error("what is kept of the conversation cannot be read")]
    Unreadable(#[source] Box<dyn Error + Send + Sync>),
    /// What is kept is sealed under another key than this one.
    #[error(
        "what is kept at {place} is sealed under another key: take that one, or another database"
    )]
    WrongKey {
        /// Where.
        place: String,
    },
    /// The store does not answer for now. Nobody waits for it until it does again.
    #[error("the store at {place} does not answer for now; try again in a moment")]
    Away {
        /// Which.
        place: String,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The file could not be read or written.
    #[error("the store at {place} failed")]
    Failed {
        /// Which.
        place: String,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl fmt::Display for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}", self.id.short(), self.title)
    }
}
