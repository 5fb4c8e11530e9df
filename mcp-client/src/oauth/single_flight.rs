//! Renewing tokens once, however many want them: within the process, and across processes that
//! share a store.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use tokio::task::JoinSet;

use super::{
    token::TokenSet,
    token_store::{StoreEntry, TokenStore, TokenStoreError},
};
use crate::Secret;

/// Jobs of which one runs at a time per entry; whoever wants it meanwhile gets the same outcome.
///
/// A job runs to its end even when nobody waits any more: a refresh token that was used up for an
/// answer that nobody read would be lost.
pub(super) struct SingleFlight<T> {
    flights: Arc<Mutex<Flights<T>>>,
    tasks: Mutex<JoinSet<()>>,
}

type Flights<T> = HashMap<StoreEntry, Shared<BoxFuture<'static, T>>>;

impl<T: Clone + Send + Sync + 'static> SingleFlight<T> {
    pub(super) fn new() -> Self {
        Self { flights: Arc::default(), tasks: Mutex::default() }
    }

    /// The outcome of the job that runs for this entry; starts `job` when none does.
    ///
    /// # Cancel safety
    /// Dropping the future does not stop the job. Dropping the `SingleFlight` does.
    pub(super) async fn run(
        &self,
        entry: &StoreEntry,
        job: impl Future<Output = T> + Send + 'static,
    ) -> T {
        self.join(entry, job).await
    }

    fn join(
        &self,
        entry: &StoreEntry,
        job: impl Future<Output = T> + Send + 'static,
    ) -> Shared<BoxFuture<'static, T>> {
        let mut flights = locked(&self.flights);
        if let Some(flight) = flights.get(entry) {
            return flight.clone();
        }
        let landing = Landing { flights: Arc::clone(&self.flights), entry: entry.clone() };
        let flight = async move {
            // Dropped before the outcome is there: who comes later starts anew.
            let _landing = landing;
            job.await
        };
        let flight = flight.boxed().shared();
        flights.insert(entry.clone(), flight.clone());
        drop(flights);
        let mut tasks = locked(&self.tasks);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(flight.clone().map(drop));
        flight
    }
}

/// Takes the flight off the table, also when the job panics.
struct Landing<T> {
    flights: Arc<Mutex<Flights<T>>>,
    entry: StoreEntry,
}

impl<T> Drop for Landing<T> {
    fn drop(&mut self) {
        let landed = locked(&self.flights).remove(&self.entry);
        // Outside the lock, as it may be the last one.
        drop(landed);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> fmt::Debug for SingleFlight<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SingleFlight")
    }
}

/// Tokens that are newer than `stale`: those that another process stored meanwhile, or else what
/// `renew` makes of the stored ones. The store is locked until the new ones are in it.
///
/// New tokens that cannot be stored are returned all the same, with a warning: the old ones may be
/// worthless already.
///
/// # Errors
/// The store cannot be locked or read, or `renew` fails.
pub(super) async fn renewed<E, F, Fut>(
    store: &dyn TokenStore,
    entry: &StoreEntry,
    stale: Option<&Secret>,
    renew: F,
) -> Result<TokenSet, E>
where
    E: From<TokenStoreError>,
    F: FnOnce(Option<TokenSet>) -> Fut,
    Fut: Future<Output = Result<TokenSet, E>>,
{
    let _lock = store.lock(entry).await?;
    let stored = store.load_tokens(entry).await?;
    if let Some(tokens) = &stored
        && stale != Some(&tokens.access_token)
        && !tokens.is_stale(SystemTime::now())
    {
        return Ok(tokens.clone());
    }
    let tokens = renew(stored).await?;
    if let Err(error) = store.save_tokens(entry, &tokens).await {
        tracing::warn!(entry = %entry.name(), %error, "new tokens are used but cannot be stored");
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests;
