//! An answer that a browser brings to another replica than the one that began the login.
//!
//! It goes through the store of tokens, sealed as they are: the replica that has the answer leaves it
//! there, and the one that waits for it takes it and leaves what came of it. Both look for as long as
//! somebody waits, and no longer.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use mcp_client::{
    Secret,
    oauth::{StoreEntry, TokenStore, TokenStoreError},
};
use ring::digest::{SHA256, digest};
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};

use super::{
    super::problem::chain,
    Logins,
    flows::{Next, Outcome, PATIENCE},
};

/// How often it is looked.
const LOOK: Duration = Duration::from_secs(1);

/// How long a browser waits for another replica.
const LIMIT: Duration = Duration::from_secs(20);

/// How many browsers wait so at a time.
const BROWSERS: usize = 32;

/// The logins whose browsers wait for another replica, by their `state`.
#[derive(Debug, Default)]
pub(super) struct Handing(Mutex<HashSet<String>>);

/// One of them, until it is dropped.
#[derive(Debug)]
struct Handed {
    all: Arc<Handing>,
    state: String,
}

impl Handing {
    /// `None` where one waits for this login already, or too many wait.
    fn take(self: &Arc<Self>, state: &str) -> Option<Handed> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_free = all.len() < BROWSERS && all.insert(state.to_owned());
        is_free.then(|| Handed { all: Arc::clone(self), state: state.to_owned() })
    }
}

impl Drop for Handed {
    fn drop(&mut self) {
        self.all.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.state);
    }
}

/// What was seen of an answer that may come to another replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Nothing,
    /// Nobody waits for it any more.
    Over,
    /// It has come, and its outcome is told.
    Told,
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
        let (weak, place, state) = (self.weak(), Arc::clone(&self.0.place), state.to_owned());
        self.aside(async move {
            let looking = async {
                loop {
                    sleep(LOOK).await;
                    let Some(shared) = weak.upgrade() else { return Seen::Over };
                    match Self(shared).take_answer(&state).await {
                        Ok(Seen::Nothing) => {}
                        Ok(seen) => return seen,
                        Err(error) => {
                            let reason = chain(&error);
                            tracing::warn!(%reason, "an answer may be at another replica");
                        }
                    }
                }
            };
            // One that takes longer is given up.
            if timeout(PATIENCE, looking).await != Ok(Seen::Told) {
                return;
            }
            // Whoever waits for the outcome takes it away, unless nobody does any more.
            sleep(LIMIT).await;
            if let Err(error) = place.store().remove(&entry("login outcome", &state)).await {
                tracing::warn!(reason = %chain(&error), "the outcome of a login stays in the store");
            }
        });
    }

    async fn take_answer(&self, state: &str) -> Result<Seen, TokenStoreError> {
        if !self.0.flows.waits(state) {
            return Ok(Seen::Over);
        }
        let (store, left) = (self.0.place.store(), entry("login answer", state));
        let Some(answer) = store.load(&left).await? else { return Ok(Seen::Nothing) };
        store.remove(&left).await?;
        let (Some((visit, mut flow)), Some(base)) = (self.0.flows.take(state), self.0.place.base())
        else {
            return Ok(Seen::Over);
        };
        let path = answer.reveal().split_once('?').map_or("", |(path, _)| path);
        let outcome = match self.takes_answer(&flow, path) {
            Ok(()) => {
                visit.answer(format!("{base}{}", answer.reveal()));
                match flow.next().await {
                    Next::Over(outcome) => outcome,
                    Next::Visit(_) => flow.failed("the service is registered anew; try again"),
                }
            }
            Err(reason) => flow.failed(reason),
        };
        let outcome = Secret::new(serde_json::json!(outcome).to_string());
        store.save(&entry("login outcome", state), &outcome).await?;
        Ok(Seen::Told)
    }

    /// Leaves an answer to the replica that waits for it, with the path that it came by. `None` where
    /// nobody does.
    pub(super) async fn hand_over(
        &self,
        state: &str,
        path: &str,
        query: &str,
    ) -> Result<Option<Outcome>, TokenStoreError> {
        if !self.0.place.is_shared() {
            return Ok(None);
        }
        let Some(handed) = self.0.handing.take(state) else { return Ok(None) };
        let answer = Secret::new(format!("{path}?{query}"));
        let place = Arc::clone(&self.0.place);
        let (tell, told) = oneshot::channel();
        // The browser may go: what was left for another replica is taken away all the same.
        self.aside(async move {
            let outcome = hand_over(place.store(), &handed.state, &answer).await;
            drop(handed);
            let _ = tell.send(outcome);
        });
        told.await.unwrap_or(Ok(None))
    }
}

async fn hand_over(
    store: &dyn TokenStore,
    state: &str,
    answer: &Secret,
) -> Result<Option<Outcome>, TokenStoreError> {
    let (left, coming) = (entry("login answer", state), entry("login outcome", state));
    store.save(&left, answer).await?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_browser_waits_for_a_login_and_not_too_many_in_all() {
        let all = Arc::<Handing>::default();
        let first = all.take("first").unwrap();
        assert!(all.take("first").is_none());
        let others: Vec<_> = (1..BROWSERS).map(|n| all.take(&n.to_string()).unwrap()).collect();
        assert!(all.take("more").is_none());
        drop(first);
        // What was refused has taken nobody's place.
        let again = all.take("more").unwrap();
        assert!(all.take("first").is_none());
        drop((again, others));
        assert!(all.0.lock().unwrap().is_empty());
    }
}
