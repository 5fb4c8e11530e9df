//! Waiting for logins, and seeing those that are made at other replicas.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use mcp_client::oauth::TokenSet;
use tokio::time::sleep;

use super::{Logins, wanted::Wanted};

/// How soon it is seen that a login was made at another replica.
const LOOK: Duration = Duration::from_secs(2);

/// How many requests of one principal may wait at a time: each takes the place of another request.
const OF_ONE: usize = 8;

/// A request that waits for a login, until it is dropped.
#[derive(Debug)]
pub(in crate::service) struct Waits {
    principal: String,
    all: Arc<Mutex<HashMap<String, usize>>>,
}

impl Drop for Waits {
    fn drop(&mut self) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(&self.principal) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.principal);
            }
        }
    }
}

impl Logins {
    /// A place for a request that waits. `None` where enough of this principal's do.
    pub(in crate::service) fn place_to_wait(&self, principal: &str) -> Option<Waits> {
        let mut all = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if all.get(principal).is_some_and(|count| *count >= OF_ONE) {
            return None;
        }
        *all.entry(principal.to_owned()).or_default() += 1;
        drop(all);
        Some(Waits { principal: principal.to_owned(), all: Arc::clone(&self.0.waiting) })
    }

    /// Waits until the login with this id has been made, here or at another replica. Never ends for
    /// one that is not.
    pub(in crate::service) async fn wait(&self, id: &str) {
        let Some(wanted) = self.read(id) else { return std::future::pending().await };
        let mut done = self.done();
        while !self.is_made(&wanted).await {
            tokio::select! {
                // One that comes too late to be heard of is seen all the same.
                _ = done.recv() => {}
                () = sleep(LOOK), if self.0.place.is_shared() => {}
            }
        }
        if !wanted.scopes.is_empty() {
            self.0.own.goes_on(&wanted.server, &wanted.principal, wanted.kind);
        }
        // It may have been made at another replica.
        self.0.own.begin_anew(&wanted.server, &wanted.principal, wanted.kind);
    }

    /// The same; for a wish for any login the connection of its caller will do as well, whatever
    /// login it has come from.
    pub(in crate::service) async fn wait_for_call(&self, id: &str) {
        tokio::select! {
            () = self.wait(id) => {}
            () = self.wait_for_connection(id) => {}
        }
    }

    async fn wait_for_connection(&self, id: &str) {
        let wanted = self.read(id).filter(|wanted| wanted.scopes.is_empty());
        let Some(wanted) = wanted else { return std::future::pending().await };
        let mut changes = self.0.own.changes();
        while !self.0.own.is_up(&wanted.server, &wanted.principal, wanted.kind) {
            // Those of other callers are not theirs; who has missed some looks again.
            while changes.recv().await.is_ok_and(|caller| *caller != *wanted.principal) {}
        }
    }

    async fn is_made(&self, wanted: &Wanted) -> bool {
        let key = (wanted.caller(), wanted.server.clone());
        if self.lately().get(&key).is_some_and(|time| wanted.is_before(*time)) {
            return true;
        }
        if !self.is_shared() {
            return false;
        }
        let has = |tokens: &TokenSet, scope| tokens.scopes_requested.contains(scope);
        self.stored(wanted).await.is_some_and(|tokens| {
            wanted.is_before(tokens.obtained_at)
                && wanted.scopes.iter().all(|scope| has(&tokens, scope))
        })
    }

    /// What the caller of a wish has in the store.
    async fn stored(&self, wanted: &Wanted) -> Option<TokenSet> {
        let server = self.0.hub.server(&wanted.server)?;
        let kept = self.0.place.kept(&server, &wanted.caller()).ok()?;
        kept.tokens().await.unwrap_or_else(|error| {
            tracing::debug!(%error, "it cannot be seen whether somebody has logged in");
            None
        })
    }

    /// Whether other replicas have the same logins.
    pub(in crate::service) fn is_shared(&self) -> bool {
        self.0.place.is_shared()
    }

    /// Whether a login is in the store that the connection of the wish's caller, which waits for
    /// one, has not seen; then it is begun anew.
    pub(in crate::service) async fn is_made_elsewhere(&self, id: &str) -> bool {
        let Some(wanted) = self.read(id) else { return false };
        let Some(tokens) = self.stored(&wanted).await else { return false };
        let is_of_use = tokens.refresh_token.is_some() || !tokens.is_stale(SystemTime::now());
        let Wanted { server, principal, kind, .. } = &wanted;
        is_of_use && self.0.own.begin_anew_with(server, principal, *kind, tokens.obtained_at)
    }
}
