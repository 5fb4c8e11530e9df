//! Whether somebody has logged in by another process meanwhile.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
};

use super::{StoreEntry, TokenSet, TokenStore, TokenStoreError, authorizer::LastUsed};
use crate::Secret;

/// What a store holds of the login at one MCP server ([`OAuth::stored_login`]). It asks the store,
/// and no server.
///
/// [`OAuth::stored_login`]: super::OAuth::stored_login
#[derive(Clone, Debug)]
pub struct StoredLogin {
    store: Arc<dyn TokenStore>,
    /// Which tokens were used last.
    entry: StoreEntry,
}

impl StoredLogin {
    pub(super) fn new(store: Arc<dyn TokenStore>, entry: StoreEntry) -> Self {
        Self { store, entry }
    }

    /// The tokens that were used last.
    ///
    /// # Errors
    /// The store cannot be read.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn tokens(&self) -> Result<Option<TokenSet>, TokenStoreError> {
        let Some(last) = self.store.load(&self.entry).await? else { return Ok(None) };
        let Some(last) = LastUsed::read(&last) else { return Ok(None) };
        self.store.load_tokens(&last.entry()).await
    }

    /// A number that is another after every login and logout; `None` while the store cannot be
    /// read. It means nothing outside this process.
    pub(crate) async fn print(&self) -> Option<u64> {
        match self.read().await {
            Ok(print) => Some(print),
            Err(error) => {
                tracing::debug!(%error, "it cannot be seen whether somebody has logged in");
                None
            }
        }
    }

    async fn read(&self) -> Result<u64, TokenStoreError> {
        let mut print = DefaultHasher::new();
        if let Some(last) = self.store.load(&self.entry).await? {
            last.reveal().hash(&mut print);
            if let Some(last) = LastUsed::read(&last) {
                let tokens = self.store.load(&last.entry()).await?;
                tokens.as_ref().map(Secret::reveal).hash(&mut print);
            }
        }
        Ok(print.finish())
    }
}
