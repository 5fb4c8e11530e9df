//! What is kept for somebody for a while: in this process, or where all replicas find it.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use mcp_client::Secret;
use moka::future::Cache;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    access::{AccessRules, Principal, Role},
    problem::chain,
};
use crate::store::{KeptTurn, StoreError, TurnStore};

/// What is longer than this is kept by no store, in bytes of JSON.
const MOST_SHARED: usize = 16 << 20;

/// Things of one kind by their names, which are not to be guessed. To others than their owner they
/// do not exist. Those that nobody asked for the longest are forgotten first.
pub(super) struct Belongings<T> {
    here: Cache<String, Arc<Owned<T>>>,
    /// Without one, everything is forgotten with the process.
    shared: Option<Arc<dyn TurnStore>>,
    lasts: Duration,
}

#[derive(Debug)]
struct Owned<T> {
    principal: Principal,
    thing: Arc<T>,
    bytes: u32,
}

/// The same as it is kept by a store.
#[derive(Serialize)]
struct Written<'a, T> {
    id: &'a str,
    role: Role,
    rules: &'a AccessRules,
    thing: &'a T,
}

#[derive(Deserialize)]
struct Read<T> {
    id: String,
    role: Role,
    rules: AccessRules,
    thing: T,
}

impl<T> Belongings<T>
where
    T: fmt::Debug + Serialize + DeserializeOwned + Send + Sync + 'static,
{
    /// So much of them is kept in this process, in bytes of JSON.
    pub(super) fn new(lasts: Duration, most_bytes: u64) -> Self {
        let weigh = |_: &String, owned: &Arc<Owned<T>>| owned.bytes;
        let here =
            Cache::builder().max_capacity(most_bytes).weigher(weigh).time_to_live(lasts).build();
        Self { here, shared: None, lasts }
    }

    /// Keeps them in a store, so that other processes go on from them.
    pub(super) fn shared(self, store: Arc<dyn TurnStore>) -> Self {
        Self { shared: Some(store), ..self }
    }

    pub(super) async fn keep(&self, principal: &Principal, id: &str, thing: T) {
        let (role, rules) = (principal.role(), principal.rules());
        let written = Written { id: principal.id(), role, rules, thing: &thing };
        let text = match serde_json::to_string(&written) {
            Ok(text) => text,
            Err(error) => {
                tracing::warn!(%error, "what was said cannot be kept");
                return;
            }
        };
        let bytes = u32::try_from(text.len()).unwrap_or(u32::MAX);
        if let Some(store) = self.shared.as_ref().filter(|_| text.len() <= MOST_SHARED) {
            let turn = KeptTurn::new(id, principal.id(), Secret::new(text), self.lasts);
            match store.keep(&turn).await {
                Ok(()) => return,
                Err(error) => {
                    let error = chain(&error);
                    tracing::warn!(error, "what was said is kept at this replica only");
                }
            }
        }
        let owned = Owned { principal: principal.clone(), thing: Arc::new(thing), bytes };
        self.here.insert(id.to_owned(), Arc::new(owned)).await;
    }

    /// What there is of these names, by name.
    pub(super) async fn find(
        &self,
        principal: &Principal,
        ids: &[String],
    ) -> Result<HashMap<String, Arc<T>>, StoreError> {
        let (mut found, mut elsewhere) = (HashMap::new(), Vec::new());
        for id in ids {
            match self.here.get(id).await {
                Some(owned) if owned.principal == *principal => {
                    found.insert(id.clone(), Arc::clone(&owned.thing));
                }
                Some(_) => {}
                None => elsewhere.push(id.clone()),
            }
        }
        let Some(store) = self.shared.as_ref().filter(|_| !elsewhere.is_empty()) else {
            return Ok(found);
        };
        for (id, said) in store.find(&elsewhere).await? {
            // The error may repeat what was said.
            let Ok(read) = serde_json::from_str::<Read<T>>(said.reveal()) else {
                tracing::warn!("what another version has kept cannot be read");
                continue;
            };
            if Principal::new(read.id, read.role, read.rules) == *principal {
                found.insert(id, Arc::new(read.thing));
            }
        }
        Ok(found)
    }

    /// Forgets one. Returns whether it was there.
    pub(super) async fn remove(&self, principal: &Principal, id: &str) -> Result<bool, StoreError> {
        if !self.find(principal, &[id.to_owned()]).await?.contains_key(id) {
            return Ok(false);
        }
        let mut removed = self.here.remove(id).await.is_some();
        if let Some(store) = &self.shared {
            removed |= store.remove(id).await?;
        }
        Ok(removed)
    }
}

impl<T> Clone for Belongings<T> {
    fn clone(&self) -> Self {
        Self { here: self.here.clone(), shared: self.shared.clone(), lasts: self.lasts }
    }
}

impl<T> fmt::Debug for Belongings<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Belongings").field("shared", &self.shared).finish_non_exhaustive()
    }
}
