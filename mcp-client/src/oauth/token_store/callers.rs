//! One store for several callers of a program.

use std::sync::Arc;

use mcp_transport::BoxFuture;

use super::{StoreEntry, StoreLock, TokenStore, TokenStoreError};
use crate::Secret;

/// What a store keeps of one caller. The registration of the client is the one of all of them.
#[derive(Debug)]
pub(in crate::oauth) struct CallerStore {
    store: Arc<dyn TokenStore>,
    caller: Arc<str>,
}

impl CallerStore {
    pub(in crate::oauth) fn new(store: Arc<dyn TokenStore>, caller: Arc<str>) -> Self {
        Self { store, caller }
    }

    fn entry(&self, entry: &StoreEntry) -> StoreEntry {
        let caller = match entry {
            StoreEntry::Client { .. } => "",
            _ => &*self.caller,
        };
        StoreEntry::OfCaller { caller: caller.to_owned(), entry: Box::new(entry.clone()) }
    }
}

impl TokenStore for CallerStore {
    fn load<'a>(
        &'a self,
        entry: &'a StoreEntry,
    ) -> BoxFuture<'a, Result<Option<Secret>, TokenStoreError>> {
        Box::pin(async move { self.store.load(&self.entry(entry)).await })
    }

    fn save<'a>(
        &'a self,
        entry: &'a StoreEntry,
        value: &'a Secret,
    ) -> BoxFuture<'a, Result<(), TokenStoreError>> {
        Box::pin(async move { self.store.save(&self.entry(entry), value).await })
    }

    fn remove<'a>(&'a self, entry: &'a StoreEntry) -> BoxFuture<'a, Result<(), TokenStoreError>> {
        Box::pin(async move { self.store.remove(&self.entry(entry)).await })
    }

    fn lock<'a>(
        &'a self,
        entry: &'a StoreEntry,
    ) -> BoxFuture<'a, Result<StoreLock, TokenStoreError>> {
        Box::pin(async move { self.store.lock(&self.entry(entry)).await })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::MemoryTokenStore;

    #[tokio::test]
    async fn tokens_are_apart_and_the_client_is_shared() {
        let store: Arc<dyn TokenStore> = Arc::new(MemoryTokenStore::new());
        let of = |caller: &str| CallerStore::new(Arc::clone(&store), caller.into());
        let (ada, bob) = (of("ada"), of("bob"));
        let last = StoreEntry::Issuer { resource: "https://mail.example/mcp".to_owned() };
        let client = StoreEntry::Client { issuer: "https://id.example".to_owned() };
        ada.save(&last, &Secret::new("ada's")).await.unwrap();
        ada.save(&client, &Secret::new("ours")).await.unwrap();
        assert!(bob.load(&last).await.unwrap().is_none());
        assert_eq!(ada.load(&last).await.unwrap().unwrap().reveal(), "ada's");
        assert_eq!(bob.load(&client).await.unwrap().unwrap().reveal(), "ours");
        // Neither is what somebody has who uses the store for themselves.
        assert!(store.load(&last).await.unwrap().is_none());
        assert!(store.load(&client).await.unwrap().is_none());
        bob.remove(&last).await.unwrap();
        assert!(ada.load(&last).await.unwrap().is_some());
    }

    #[test]
    fn no_name_of_a_caller_is_another_entry() {
        let entry = StoreEntry::Issuer { resource: "r".to_owned() };
        let of = |caller: &str| StoreEntry::OfCaller {
            caller: caller.to_owned(),
            entry: Box::new(entry.clone()),
        };
        let names = [entry.name(), of("").name(), of("a").name(), of("a\",\"issuer").name()];
        let different: std::collections::HashSet<_> = names.iter().collect();
        assert_eq!(different.len(), names.len());
        assert_eq!(of("a").name(), r#"["caller","a","issuer","r"]"#);
    }
}
