//! A store that ends with the process.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use mcp_transport::BoxFuture;

use super::{StoreEntry, TokenStore, TokenStoreError};
use crate::Secret;

/// Keeps secrets in memory.
#[derive(Debug, Default)]
pub struct MemoryTokenStore(Mutex<HashMap<StoreEntry, Secret>>);

impl MemoryTokenStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<StoreEntry, Secret>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TokenStore for MemoryTokenStore {
    fn load<'a>(
        &'a self,
        entry: &'a StoreEntry,
    ) -> BoxFuture<'a, Result<Option<Secret>, TokenStoreError>> {
        Box::pin(async { Ok(self.entries().get(entry).cloned()) })
    }

    fn save<'a>(
        &'a self,
        entry: &'a StoreEntry,
        value: &'a Secret,
    ) -> BoxFuture<'a, Result<(), TokenStoreError>> {
        Box::pin(async {
            self.entries().insert(entry.clone(), value.clone());
            Ok(())
        })
    }

    fn remove<'a>(&'a self, entry: &'a StoreEntry) -> BoxFuture<'a, Result<(), TokenStoreError>> {
        Box::pin(async {
            self.entries().remove(entry);
            Ok(())
        })
    }
}
