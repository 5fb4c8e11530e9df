//! Where the pins are kept that all replicas hold tools to.

use std::{collections::HashMap, fmt};

use mcp_client::{Digest, pins::ServerPins};
use serde_json::Value;
use tokio::sync::watch;

use super::StoreError;
use crate::model::BoxFuture;

/// Pins of tools, kept where all replicas of a service find them. The key of a server does not say
/// which one it is.
///
/// A service keeps in memory what it has read, so no call waits for the store.
pub trait SharedPinStore: fmt::Debug + Send + Sync + 'static {
    /// The revision of each server's pins.
    ///
    /// # Errors
    /// They cannot be read.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    fn revisions(&self) -> BoxFuture<'_, Result<HashMap<String, i64>, StoreError>>;

    /// The pins under these keys, in any order; those that are not kept are left out.
    ///
    /// # Errors
    /// They cannot be read.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    fn load<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Result<Vec<KeptPins>, StoreError>>;

    /// Keeps the pins of a server that was never seen. Returns whether it was never seen; of all
    /// replicas that see one at the same time, one hears so.
    ///
    /// # Errors
    /// They cannot be written.
    ///
    /// # Cancel safety
    /// When the future is dropped, they may be kept or not.
    fn insert<'a>(
        &'a self,
        key: &'a str,
        pins: &'a ServerPins,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Replaces the pins of a server if they are still those of this revision. Returns whether they
    /// were.
    ///
    /// # Errors
    /// They cannot be written.
    ///
    /// # Cancel safety
    /// When the future is dropped, they may be replaced or not.
    fn replace<'a>(
        &'a self,
        key: &'a str,
        revision: i64,
        pins: &'a ServerPins,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Changes its value each time that others may have changed some. Whoever watches looks from
    /// time to time all the same.
    fn changes(&self) -> watch::Receiver<u64>;
}

/// The pins of a server as they are kept.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct KeptPins {
    /// Which server's.
    pub key: String,
    /// Another one each time that they are written.
    pub revision: i64,
    /// The pins.
    pub pins: ServerPins,
}

impl KeptPins {
    /// Pins as they were kept.
    pub fn new(key: impl Into<String>, revision: i64, pins: ServerPins) -> Self {
        Self { key: key.into(), revision, pins }
    }

    /// The key of a server that is kept elsewhere under this one, such as in a
    /// [`PinFile`](mcp_client::pins::PinFile). From what comes out nobody reads which server it is.
    pub fn key_of(server: &str) -> String {
        Digest::of_json(&Value::from(server)).to_string()
    }
}
