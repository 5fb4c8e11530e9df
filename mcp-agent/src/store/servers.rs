//! Where servers are kept that were added while the service ran.

use std::{collections::HashMap, fmt};

use mcp_client::Secret;
use tokio::sync::watch;

use super::StoreError;
use crate::model::BoxFuture;

/// Servers that were added over REST, kept where all replicas of a service find them, now and after
/// a restart.
pub trait ServerStore: fmt::Debug + Send + Sync + 'static {
    /// All of them, in any order.
    ///
    /// # Errors
    /// They cannot be read.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    fn load(&self) -> BoxFuture<'_, Result<Vec<KeptServer>, StoreError>>;

    /// Keeps one. Returns whether there was none of this name.
    ///
    /// # Errors
    /// It cannot be written.
    ///
    /// # Cancel safety
    /// When the future is dropped, it may be kept or not.
    fn insert<'a>(
        &'a self,
        name: &'a str,
        entry: &'a Secret,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Forgets one, and how it was switched. Returns whether there was one of this name.
    ///
    /// # Errors
    /// It cannot be forgotten.
    ///
    /// # Cancel safety
    /// When the future is dropped, it may be forgotten or not.
    fn remove<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// The servers that somebody has switched on or off, whether they are kept here or not, and
    /// whether they are to run.
    ///
    /// # Errors
    /// They cannot be read.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    fn switches(&self) -> BoxFuture<'_, Result<HashMap<String, bool>, StoreError>>;

    /// Switches one on or off.
    ///
    /// # Errors
    /// It cannot be written.
    ///
    /// # Cancel safety
    /// When the future is dropped, it may be switched or not.
    fn switch<'a>(&'a self, name: &'a str, enabled: bool) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Changes its value each time that others may have added, removed or switched one. Whoever watches looks
    /// from time to time all the same.
    fn changes(&self) -> watch::Receiver<u64>;
}

/// A server that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptServer {
    /// Its name.
    pub name: String,
    /// Another one each time that a server is added, even if it is under the same name.
    pub revision: i64,
    /// What was said of it, as JSON; it may hold credentials.
    pub entry: Secret,
}

impl KeptServer {
    /// A server as it was kept.
    pub fn new(name: impl Into<String>, revision: i64, entry: Secret) -> Self {
        Self { name: name.into(), revision, entry }
    }
}
