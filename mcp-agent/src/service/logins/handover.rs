//! An answer that a browser brings to another replica than the one that began the login.
//!
//! It goes through the store of tokens, sealed as they are: the replica that has the answer leaves it
//! there, and the one that waits for it takes it and leaves what came of it. Both look for as long as
//! somebody waits, and no longer.

use std::time::Duration;

use mcp_client::{
    Secret,
    oauth::{StoreEntry, TokenStoreError},
};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::Semaphore,
    time::{sleep, timeout},
};

use super::{
    super::problem::chain,
    Logins,
    flows::{Next, PATIENCE},
    place::CALLBACK,
};

/// How often it is looked.
const LOOK: Duration = Duration::from_secs(1);

/// How long a browser waits for another replica.
const LIMIT: Duration = Duration::from_secs(20);

/// How many browsers wait so at a time.
const BROWSERS: usize = 32;

pub(super) fn places() -> Semaphore {
    Semaphore::new(BROWSERS)
}

/// What came of a login.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Outcome {
    pub(super) server: String,
    /// Why it came to nothing.
    pub(super) error: Option<String>,
}

/// Where something about a login is left. Names in a store are not sealed, and the `state` is a
/// secret.
fn entry(what: &str, state: &str) -> StoreEntry {
    let hash = digest(&SHA256, state.as_bytes());
    let half = hash.as_ref().first_chunk().map_or(0, |half| u128::from_be_bytes(*half));
    let resource = format!("{what} {half:032x}");
    StoreEntry::OfCaller { caller: String::new(), entry: Box::new(StoreEntry::Issuer { resource }) }
}

impl Logins {
    /// Takes the answer of a login that waits here, should it come to another replica.
    pub(super) fn await_elsewhere(&self, state: &str) {
        if !self.0.place.is_shared() {
            return;
        }
        let (weak, state) = (self.weak(), state.to_owned());
        self.aside(async move {
            let looking = async {
                loop {
                    sleep(LOOK).await;
                    let Some(shared) = weak.upgrade() else { return };
                    match Self(shared).take_answer(&state).await {
                        Ok(true) => return,
                        Ok(false) => {}
                        Err(error) => {
                            let reason = chain(&error);
                            tracing::warn!(%reason, "an answer may be at another replica");
                        }
                    }
                }
            };
            // One that takes longer is given up.
            let _ = timeout(PATIENCE, looking).await;
        });
    }

    /// Whether it is over.
    async fn take_answer(&self, state: &str) -> Result<bool, TokenStoreError> {
        if !self.0.flows.waits(state) {
            return Ok(true);
        }
        let (store, left) = (self.0.place.store(), entry("login answer", state));
        let Some(query) = store.load(&left).await? else { return Ok(false) };
        store.remove(&left).await?;
        let (Some((visit, mut flow)), Some(base)) = (self.0.flows.take(state), self.0.place.base())
        else {
            return Ok(true);
        };
        visit.answer(format!("{base}{CALLBACK}?{}", query.reveal()));
        let error = match flow.next().await {
            Next::Over(Ok(())) => None,
            Next::Over(Err(error)) => Some(chain(&error)),
            Next::Visit(_) => Some("the service is registered anew; try again".to_owned()),
        };
        let outcome = Outcome { server: flow.wanted.server, error };
        let outcome = Secret::new(serde_json::json!(outcome).to_string());
        store.save(&entry("login outcome", state), &outcome).await?;
        Ok(true)
    }

    /// Leaves an answer to the replica that waits for it. `None` where nobody does.
    pub(super) async fn hand_over(
        &self,
        state: &str,
        query: &str,
    ) -> Result<Option<Outcome>, TokenStoreError> {
        if !self.0.place.is_shared() {
            return Ok(None);
        }
        let Ok(_place) = self.0.handing.try_acquire() else { return Ok(None) };
        let store = self.0.place.store();
        let (left, coming) = (entry("login answer", state), entry("login outcome", state));
        store.save(&left, &Secret::new(query)).await?;
        let waiting = async {
            loop {
                if let Some(outcome) = store.load(&coming).await? {
                    return Ok(serde_json::from_str(outcome.reveal()).ok());
                }
                sleep(LOOK / 4).await;
            }
        };
        let outcome = timeout(LIMIT, waiting).await.unwrap_or(Ok(None));
        store.remove(&left).await?;
        store.remove(&coming).await?;
        outcome
    }
}
