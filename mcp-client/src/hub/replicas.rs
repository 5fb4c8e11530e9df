//! Several servers that do the same, as one.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use mcp_protocol::tools::CallToolResult;
use serde::Serialize;
use tokio::time::Instant;

use super::{
    Balance, Ejection, Hub, Server, ServerError, StateKind,
    balance::{Balancer, Ended},
};
use crate::{CallError, CallTool, Client, random::fraction};

/// Several servers of a [`Hub`] that do the same. Each call goes to one of them; one that keeps
/// failing gets none for a while.
///
/// What surely did not reach one replica is sent to another. A task stays with the replica that
/// made it, since its handle holds the connection; for other state that a server keeps between
/// calls, such as that of a session of a legacy server, take one replica with
/// [`pinned`](Self::pinned) and call that.
///
/// ```no_run
/// use mcp_client::{Balance, Ejection, Hub};
///
/// # async fn example(hub: &Hub) -> Result<(), mcp_client::ServerError> {
/// let search = hub.replicas("search-*", Balance::LeastInFlight, Ejection::default());
/// let result = search.call_tool("find", &serde_json::json!({"text": "tea"})).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Replicas(Arc<Shared>);

struct Shared {
    /// The pattern of their names.
    name: String,
    servers: Vec<Server>,
    balancer: Mutex<Balancer>,
}

/// One replica as it is now.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReplicaStatus {
    /// Its name in the hub.
    pub server: String,
    /// What it is doing.
    pub state: StateKind,
    /// Calls under way.
    pub in_flight: u32,
    /// Whether it gets no calls for a while.
    pub is_ejected: bool,
}

impl Hub {
    /// The servers whose names match a pattern, as of now, as one.
    pub fn replicas(&self, pattern: &str, balance: Balance, ejection: Ejection) -> Replicas {
        let mut servers = self.servers();
        servers.retain(|server| crate::config::glob_matches(pattern, server.name()));
        let balancer = Mutex::new(Balancer::new(servers.len(), balance, ejection));
        Replicas(Arc::new(Shared { name: pattern.to_owned(), servers, balancer }))
    }
}

impl Replicas {
    /// Calls one of the replicas, and another when the first surely was not reached.
    ///
    /// # Errors
    /// None is connected, or the call failed; the error says whether it may have run.
    ///
    /// # Cancel safety
    /// As that of the call itself.
    pub async fn call<T, F, Fut>(&self, call: F) -> Result<T, ServerError>
    where
        F: Fn(Client) -> Fut,
        Fut: Future<Output = Result<T, CallError>>,
    {
        self.with_one(async |server| server.call(&call).await).await
    }

    /// Calls a tool of one of the replicas. See [`call`](Self::call).
    ///
    /// # Errors
    /// As [`call`](Self::call). A result with `isError` is no error.
    pub async fn call_tool(
        &self,
        name: &str,
        arguments: &(impl Serialize + Sync + ?Sized),
    ) -> Result<CallToolResult, ServerError> {
        self.call_tool_with(name, arguments, |request| request).await
    }

    /// [`call_tool`](Self::call_tool) with settings; see [`Server::call_tool_with`].
    ///
    /// # Errors
    /// As [`call_tool`](Self::call_tool).
    pub async fn call_tool_with<F>(
        &self,
        name: &str,
        arguments: &(impl Serialize + Sync + ?Sized),
        settings: F,
    ) -> Result<CallToolResult, ServerError>
    where
        F: for<'a> Fn(CallTool<'a>) -> CallTool<'a> + Sync,
    {
        let settings = &settings;
        self.with_one(async |server| server.call_tool_with(name, arguments, settings).await).await
    }

    async fn with_one<T>(
        &self,
        call: impl AsyncFn(&Server) -> Result<T, ServerError>,
    ) -> Result<T, ServerError> {
        let mut tried = Vec::new();
        loop {
            let Some(turn) = self.choose(&tried) else { return Err(self.none()) };
            let server = &self.0.servers[turn.index];
            let outcome = call(server).await;
            let error = match outcome {
                Ok(answer) => {
                    turn.ended(true);
                    return Ok(answer);
                }
                Err(error) => error,
            };
            tried.push(turn.index);
            let (answered, again) = match &error {
                ServerError::Call { source, .. } => (source.is_answer(), !source.was_sent()),
                _ => (false, true),
            };
            turn.ended(answered);
            if !again || tried.len() == self.0.servers.len() {
                return Err(error);
            }
            tracing::debug!(server = server.name(), %error, "another replica is tried");
        }
    }

    fn choose(&self, tried: &[usize]) -> Option<Turn<'_>> {
        let started = Instant::now();
        let is_fresh = |index: usize| !tried.contains(&index);
        let is_up = |index: usize| {
            is_fresh(index) && self.0.servers[index].status().state.client().is_some()
        };
        // When none is up, one that is starting or not started yet is waited for.
        let may_be = |index: usize| {
            let state = self.0.servers[index].status().state.kind();
            is_fresh(index) && matches!(state, StateKind::Starting | StateKind::Stopped)
        };
        let ups: Vec<_> =
            (0..self.0.servers.len()).map(|index| (is_up(index), may_be(index))).collect();
        let mut balancer = self.0.lock();
        let index = balancer
            .choose(started, |index| ups[index].0, fraction)
            .or_else(|| balancer.choose(started, |index| ups[index].1, fraction))?;
        drop(balancer);
        Some(Turn { shared: &self.0, index, started, answered: None })
    }

    fn none(&self) -> ServerError {
        let retry_at = self.0.servers.iter().filter_map(|server| server.status().retry_at).min();
        ServerError::Unavailable {
            server: self.0.name.clone(),
            state: StateKind::Down,
            retry_in: retry_at.map(|at| at.saturating_duration_since(Instant::now())),
            source: None,
        }
    }

    /// One of the replicas, chosen as for a call: for calls that belong together. The same key
    /// gives the same replica for as long as that one is up.
    pub fn pinned(&self, key: &str) -> Option<Server> {
        let servers = &self.0.servers;
        let up = servers.iter().filter(|server| server.status().state.client().is_some());
        // The highest of the hashes: one that goes away moves only its own keys.
        up.max_by_key(|server| rank(server.name(), key)).or_else(|| servers.first()).cloned()
    }

    /// All replicas.
    pub fn status(&self) -> Vec<ReplicaStatus> {
        let now = Instant::now();
        let states: Vec<_> =
            self.0.servers.iter().map(|server| server.status().state.kind()).collect();
        let balancer = self.0.lock();
        let of = |(index, state): (usize, StateKind)| ReplicaStatus {
            server: self.0.servers[index].name().to_owned(),
            state,
            in_flight: balancer.in_flight(index),
            is_ejected: balancer.is_ejected(index, now),
        };
        states.into_iter().enumerate().map(of).collect()
    }
}

/// FNV-1a with a mixing step at the end: the same in every process.
fn rank(server: &str, key: &str) -> u64 {
    let bytes = server.bytes().chain([0]).chain(key.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Balancer> {
        self.balancer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call under way at one replica. Dropped before its end, it counts as given up.
struct Turn<'a> {
    shared: &'a Shared,
    index: usize,
    started: Instant,
    /// Whether it ended, with an answer or without.
    answered: Option<bool>,
}

impl Turn<'_> {
    fn ended(mut self, answered: bool) {
        self.answered = Some(answered);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let now = Instant::now();
        let ended = match self.answered {
            Some(true) => Ended::Answered(now - self.started),
            Some(false) => Ended::Failed,
            None => Ended::Dropped,
        };
        if self.shared.lock().end(self.index, now, ended) {
            let server = self.shared.servers[self.index].name();
            tracing::warn!(server, "the replica gets no calls for a while");
        }
    }
}

impl fmt::Debug for Replicas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replicas").field("name", &self.0.name).finish_non_exhaustive()
    }
}
