//! Where tokens and registrations outlive the connection, or even the process.

use std::{any::Any, fmt, io, path::PathBuf, time::Duration};

use mcp_transport::BoxFuture;

use super::{jwt::JwtError, token::TokenSet};
use crate::Secret;

mod callers;
mod file;
#[cfg(feature = "keychain")]
mod keychain;
mod memory;
mod private_file;
mod record;
mod seal;

pub(super) use self::callers::CallerStore;
pub use self::{file::FileTokenStore, memory::MemoryTokenStore};

/// Keeps secrets by name: tokens, the clients that were registered, which server issues for which
/// resource.
///
/// A store of your own (a database, a vault) implements this. It must give back what it was
/// given, show nothing of it in logs, and keep it from other users of the machine.
pub trait TokenStore: Send + Sync + fmt::Debug + 'static {
    /// What is kept under a name; `None` when there is nothing.
    ///
    /// # Errors
    /// The store cannot be read, or what it holds was damaged.
    fn load<'a>(
        &'a self,
        entry: &'a StoreEntry,
    ) -> BoxFuture<'a, Result<Option<Secret>, TokenStoreError>>;

    /// Keeps a value, and replaces the one before as a whole.
    ///
    /// # Errors
    /// The store cannot be written; the value before is still there.
    fn save<'a>(
        &'a self,
        entry: &'a StoreEntry,
        value: &'a Secret,
    ) -> BoxFuture<'a, Result<(), TokenStoreError>>;

    /// Forgets a value. That there is none is no error.
    ///
    /// # Errors
    /// The store cannot be written.
    fn remove<'a>(&'a self, entry: &'a StoreEntry) -> BoxFuture<'a, Result<(), TokenStoreError>>;

    /// Waits until no other process changes this entry, and keeps others from it until the lock
    /// is dropped. A store that no other process sees needs none, as by default.
    ///
    /// # Errors
    /// Another process holds it for too long, or locks do not work here.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing locked.
    fn lock<'a>(
        &'a self,
        entry: &'a StoreEntry,
    ) -> BoxFuture<'a, Result<StoreLock, TokenStoreError>> {
        let _ = entry;
        Box::pin(async { Ok(StoreLock::none()) })
    }
}

impl dyn TokenStore {
    /// The tokens under an entry.
    ///
    /// # Errors
    /// The store cannot be read, or what it holds are no tokens.
    pub async fn load_tokens(
        &self,
        entry: &StoreEntry,
    ) -> Result<Option<TokenSet>, TokenStoreError> {
        match self.load(entry).await? {
            Some(text) => record::read(entry, &text).map(Some),
            None => Ok(None),
        }
    }

    /// Keeps tokens under an entry.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn save_tokens(
        &self,
        entry: &StoreEntry,
        tokens: &TokenSet,
    ) -> Result<(), TokenStoreError> {
        self.save(entry, &record::write(tokens)).await
    }
}

/// The name of something in a store. All parts are compared as text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreEntry {
    /// The tokens of a client for an MCP server.
    Tokens {
        /// The authorization server that issued them.
        issuer: String,
        /// The MCP server that they are for.
        resource: String,
        /// Who got them.
        client_id: String,
    },
    /// The client that was registered with an authorization server.
    Client {
        /// That server.
        issuer: String,
    },
    /// The authorization server that was last used for an MCP server.
    Issuer {
        /// That MCP server.
        resource: String,
    },
    /// What is one caller's, where a program logs in for several
    /// ([`OAuth::caller`](super::OAuth::caller)).
    OfCaller {
        /// Whose it is; empty for what all of them share.
        caller: String,
        /// What it is.
        entry: Box<Self>,
    },
}

impl StoreEntry {
    /// A text that no other entry has, without secrets.
    pub fn name(&self) -> String {
        // A JSON list keeps the parts apart whatever they contain.
        serde_json::Value::from(self.parts()).to_string()
    }

    fn parts(&self) -> Vec<&str> {
        match self {
            Self::Tokens { issuer, resource, client_id } => {
                vec!["tokens", issuer, resource, client_id]
            }
            Self::Client { issuer } => vec!["client", issuer],
            Self::Issuer { resource } => vec!["issuer", resource],
            Self::OfCaller { caller, entry } => {
                let mut parts = vec!["caller", caller];
                parts.extend(entry.parts());
                parts
            }
        }
    }
}

/// Keeps other processes from an entry of a store while it lives.
pub struct StoreLock {
    _guard: Option<Box<dyn Any + Send>>,
}

impl StoreLock {
    /// A lock that ends when `guard` is dropped.
    pub fn new(guard: impl Any + Send) -> Self {
        Self { _guard: Some(Box::new(guard)) }
    }

    /// For stores that no other process sees.
    pub fn none() -> Self {
        Self { _guard: None }
    }
}

impl fmt::Debug for StoreLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreLock")
    }
}

/// A store does not give or take a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenStoreError {
    /// A file or folder cannot be used.
    #[error("cannot use {path} of the token store")]
    File {
        /// Which one.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file is torn, was changed, or was sealed with another key.
    #[error("{path} is damaged or was sealed with another key: delete it and log in again")]
    Damaged {
        /// Which file.
        path: PathBuf,
    },
    /// The key that seals the files is not one.
    #[error("{path} is not the key of a token store: delete it and log in again")]
    BadKey {
        /// The key file.
        path: PathBuf,
    },
    /// The system has no keychain that works.
    #[cfg(feature = "keychain")]
    #[error("the keychain of this system cannot be used: start or unlock it, or use a key file")]
    Keychain(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The keychain holds something else under the name of the key.
    #[cfg(feature = "keychain")]
    #[error("the keychain's entry of {service} is not the key of a token store: delete it")]
    ForeignKey {
        /// The name in the keychain.
        service: String,
    },
    /// What was stored is not what this version writes.
    #[error("the store holds no readable tokens under {name}: remove them and log in again")]
    Unreadable {
        /// The name of the entry.
        name: String,
        /// What is wrong with the key among them, if it is that.
        #[source]
        source: Option<JwtError>,
    },
    /// Another process holds the lock.
    #[error("another process has been renewing these tokens for more than {after:?}")]
    Locked {
        /// How long this process waited.
        after: Duration,
    },
    /// The store failed for a reason of its own.
    #[error("the token store does not work")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}
