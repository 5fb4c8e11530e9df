//! Logins that have begun: each waits for a browser to come back from the authorization server.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use mcp_client::oauth::{OAuthError, PendingVisit};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{super::access::Principal, wanted::Wanted};

/// How long a person may take at the authorization server.
pub(super) const PATIENCE: Duration = Duration::from_secs(600);

/// How many logins one principal can have begun. Beyond it the oldest is given up.
const OF_ONE: usize = 4;

/// How many there can be in all.
const IN_ALL: usize = 256;

/// Those that wait for their browser, by their `state`.
#[derive(Debug, Default)]
pub(super) struct Flows(Mutex<HashMap<String, Waiting>>);

#[derive(Debug)]
struct Waiting {
    visit: PendingVisit,
    flow: Flow,
}

/// A login that is under way.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) wanted: Wanted,
    /// Who began it.
    pub(super) principal: Principal,
    /// Which of the entries that had the server's name was meant.
    pub(super) entry: u64,
    /// Where the browser has to go next.
    pub(super) visits: mpsc::Receiver<PendingVisit>,
    pub(super) outcome: oneshot::Receiver<Result<(), OAuthError>>,
    pub(super) begun: Instant,
}

/// So many people are logging in already.
#[derive(Debug)]
pub(super) struct TooMany;

/// What a login comes to next.
#[derive(Debug)]
pub(super) enum Next {
    /// The browser is sent to an authorization server.
    Visit(PendingVisit),
    /// It is over.
    Over(Result<(), OAuthError>),
}

impl Flow {
    pub(super) async fn next(&mut self) -> Next {
        tokio::select! {
            biased;
            Some(visit) = self.visits.recv() => Next::Visit(visit),
            over = &mut self.outcome => Next::Over(over.unwrap_or_else(|_| Err(ended()))),
        }
    }
}

/// The service ends, or the login was given up for newer ones.
fn ended() -> OAuthError {
    OAuthError::TimedOut { after: PATIENCE }
}

impl Flows {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is room for another.
    pub(super) fn has_room(&self) -> Result<(), TooMany> {
        let mut waiting = self.lock();
        waiting.retain(|_, one| one.flow.begun.elapsed() < PATIENCE);
        if waiting.len() < IN_ALL { Ok(()) } else { Err(TooMany) }
    }

    /// Has a login wait for its browser, which comes back with the `state` that is returned.
    pub(super) fn wait(&self, visit: PendingVisit, flow: Flow) -> Result<String, TooMany> {
        self.has_room()?;
        let mut waiting = self.lock();
        let whose = |one: &Waiting| one.flow.wanted.principal == flow.wanted.principal;
        while waiting.values().filter(|one| whose(one)).count() >= OF_ONE {
            let theirs = waiting.iter().filter(|(_, one)| whose(one));
            let oldest = theirs.min_by_key(|(_, one)| one.flow.begun).map(|(at, _)| at.clone());
            let Some(oldest) = oldest else { break };
            waiting.remove(&oldest);
        }
        let state = visit.state();
        waiting.insert(state.clone(), Waiting { visit, flow });
        Ok(state)
    }

    /// Gives up those that are not meant any more.
    pub(super) fn keep(&self, is_meant: impl Fn(&Flow) -> bool) {
        let given_up: Vec<_> =
            self.lock().extract_if(|_, waiting| !is_meant(&waiting.flow)).collect();
        // Outside the lock: each ends a login.
        drop(given_up);
    }

    /// Whether a login waits for its browser.
    pub(super) fn waits(&self, state: &str) -> bool {
        let waiting = self.lock();
        waiting.get(state).is_some_and(|one| one.flow.begun.elapsed() < PATIENCE)
    }

    /// The browser has come back. Once.
    pub(super) fn take(&self, state: &str) -> Option<(PendingVisit, Flow)> {
        let Waiting { visit, flow } = self.lock().remove(state)?;
        (flow.begun.elapsed() < PATIENCE).then_some((visit, flow))
    }
}
