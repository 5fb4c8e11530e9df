//! Visits to authorization servers that have begun: each waits for its browser to come back.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use mcp_client::oauth::{OAuthError, PendingVisit};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{
    super::{access::Principal, problem::chain},
    place::{CALLBACK, SIGNED_IN},
    wanted::Wanted,
};

/// How long a person may take at the authorization server.
pub(super) const PATIENCE: Duration = Duration::from_secs(600);

/// How many of a kind one principal can have begun. Beyond it the oldest is given up.
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

/// A visit that is under way.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) wanted: Wanted,
    pub(super) purpose: Purpose,
    /// Where the browser has to go next.
    pub(super) visits: mpsc::Receiver<PendingVisit>,
    pub(super) outcome: oneshot::Receiver<Outcome>,
    pub(super) begun: Instant,
}

/// What somebody is sent to an authorization server for.
#[derive(Debug)]
pub(super) enum Purpose {
    /// To log in at the server that is wished for.
    Login {
        /// Who began it.
        principal: Principal,
        /// Which of the entries that had the server's name was meant.
        entry: u64,
    },
    /// To show who they are, at an issuer that is trusted here.
    SignIn {
        /// That issuer.
        issuer: String,
    },
}

impl Purpose {
    /// The path that its browser comes back by, and no other.
    pub(super) fn way_back(&self) -> &'static str {
        match self {
            Self::Login { .. } => CALLBACK,
            Self::SignIn { .. } => SIGNED_IN,
        }
    }
}

/// What came of a visit.
#[derive(Debug, Deserialize, Serialize)]
pub(super) enum Outcome {
    /// The server can be used now.
    LoggedIn { server: String },
    /// Nothing was kept for the server.
    NotLoggedIn { server: String, reason: String },
    /// It is the one who was asked, by the id of the wish.
    SignedIn { id: String },
    /// It is not.
    SomebodyElse { is: String, asked: String },
    /// Who it is, is not known.
    NotSignedIn { reason: String },
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
    Over(Outcome),
}

impl Flow {
    pub(super) async fn next(&mut self) -> Next {
        tokio::select! {
            biased;
            Some(visit) = self.visits.recv() => Next::Visit(visit),
            over = &mut self.outcome => Next::Over(match over {
                Ok(outcome) => outcome,
                // The service ends, or it was given up for newer ones.
                Err(_) => self.failed(chain(&OAuthError::TimedOut { after: PATIENCE })),
            }),
        }
    }

    /// It has come to nothing.
    pub(super) fn failed(&self, reason: impl Into<String>) -> Outcome {
        let reason = reason.into();
        match self.purpose {
            Purpose::Login { .. } => {
                Outcome::NotLoggedIn { server: self.wanted.server.clone(), reason }
            }
            Purpose::SignIn { .. } => Outcome::NotSignedIn { reason },
        }
    }

    /// Whether one of these makes the other needless: of the same kind, for the same principal. Who
    /// only has an address cannot end the logins of whoever was asked.
    fn is_like(&self, other: &Self) -> bool {
        let signs_in = |flow: &Self| matches!(flow.purpose, Purpose::SignIn { .. });
        self.wanted.principal == other.wanted.principal && signs_in(self) == signs_in(other)
    }
}

/// Takes out those whose browsers have not come back in time.
fn over(waiting: &mut HashMap<String, Waiting>) -> Vec<Waiting> {
    let late = waiting.extract_if(|_, one| one.flow.begun.elapsed() >= PATIENCE);
    late.map(|(_, one)| one).collect()
}

impl Flows {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is room for another.
    pub(super) fn has_room(&self) -> Result<(), TooMany> {
        let mut waiting = self.lock();
        let given_up = over(&mut waiting);
        let has_room = waiting.len() < IN_ALL;
        drop(waiting);
        // Outside the lock: each ends a login.
        drop(given_up);
        if has_room { Ok(()) } else { Err(TooMany) }
    }

    /// Has a login wait for its browser, which comes back with the `state` that is returned.
    pub(super) fn wait(&self, visit: PendingVisit, flow: Flow) -> Result<String, TooMany> {
        let mut waiting = self.lock();
        let mut given_up = over(&mut waiting);
        if waiting.len() >= IN_ALL {
            return Err(TooMany);
        }
        let whose = |one: &Waiting| one.flow.is_like(&flow);
        while waiting.values().filter(|one| whose(one)).count() >= OF_ONE {
            let theirs = waiting.iter().filter(|(_, one)| whose(one));
            let oldest = theirs.min_by_key(|(_, one)| one.flow.begun).map(|(at, _)| at.clone());
            let Some(oldest) = oldest else { break };
            given_up.extend(waiting.remove(&oldest));
        }
        let state = visit.state();
        waiting.insert(state.clone(), Waiting { visit, flow });
        drop(waiting);
        // Outside the lock: each ends a login.
        drop(given_up);
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mcp_client::oauth::{Redirected, UserAgent as _};
    use tokio::{task::JoinSet, time::advance};
    use url::Url;

    use super::*;
    use crate::service::access::{AccessRules, Role};

    /// A browser that is sent away with a `state`; the login ends when the visit is dropped.
    async fn sent(state: &str, logins: &mut JoinSet<()>) -> PendingVisit {
        let (tell, mut visits) = mpsc::unbounded_channel();
        let agent = Redirected::new("https://tools.example/connect/callback", move |visit| {
            tell.send(visit).unwrap();
        });
        let visit = agent.prepare(&[]).await.unwrap();
        let url = Url::parse(&format!("https://id.example/authorize?state={state}")).unwrap();
        logins.spawn(async move { drop(visit.visit(url).await) });
        visits.recv().await.unwrap()
    }

    fn flow(name: &str) -> Flow {
        let principal = Principal::new(name, Role::User, AccessRules::default());
        let wanted = Wanted::new("mail", &principal, None, &[]);
        let ((_, visits), (_, outcome)) = (mpsc::channel(1), oneshot::channel());
        let purpose = Purpose::Login { principal, entry: 0 };
        Flow { wanted, purpose, visits, outcome, begun: Instant::now() }
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_login_of_one_gives_way_and_a_browser_comes_back_once() {
        let (flows, mut logins) = (Flows::default(), JoinSet::new());
        for number in 0..=OF_ONE {
            let visit = sent(&format!("ada-{number}"), &mut logins).await;
            flows.wait(visit, flow("ada")).unwrap();
            advance(Duration::from_secs(1)).await;
        }
        let visit = sent("bob", &mut logins).await;
        flows.wait(visit, flow("bob")).unwrap();
        // Its login has ended, and no other.
        logins.join_next().await.unwrap().unwrap();
        assert!(!flows.waits("ada-0") && flows.waits("ada-1") && flows.waits("bob"));
        assert_eq!(logins.len(), OF_ONE + 1);
        assert!(flows.take("ada-1").is_some());
        assert!(flows.take("ada-1").is_none());
        advance(PATIENCE).await;
        assert!(!flows.waits("bob") && flows.take("bob").is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_late_makes_room() {
        let (flows, mut logins) = (Flows::default(), JoinSet::new());
        for number in 0..IN_ALL {
            let visit = sent(&number.to_string(), &mut logins).await;
            flows.wait(visit, flow(&number.to_string())).unwrap();
        }
        assert!(flows.has_room().is_err());
        let visit = sent("more", &mut logins).await;
        flows.wait(visit, flow("more")).unwrap_err();
        advance(PATIENCE).await;
        flows.has_room().unwrap();
        assert!(!flows.waits("0"));
    }

    /// Browsers come at once: no more are taken in than there is room for, and each answer once.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn bounds_hold_for_many_at_once() {
        let (flows, mut logins) = (Arc::new(Flows::default()), JoinSet::new());
        let mut coming = JoinSet::new();
        for number in 0..IN_ALL + 64 {
            let visit = sent(&number.to_string(), &mut logins).await;
            let flows = Arc::clone(&flows);
            coming.spawn(async move { flows.wait(visit, flow(&number.to_string())).is_ok() });
        }
        let taken = coming.join_all().await.into_iter().filter(|taken| *taken).count();
        assert_eq!((taken, flows.lock().len()), (IN_ALL, IN_ALL));
        let state = flows.lock().keys().next().unwrap().clone();
        let mut taking = JoinSet::new();
        for _ in 0..16 {
            let (flows, state) = (Arc::clone(&flows), state.clone());
            taking.spawn(async move { flows.take(&state).is_some() });
        }
        let taken = taking.join_all().await.into_iter().filter(|taken| *taken).count();
        assert_eq!(taken, 1);
    }
}
