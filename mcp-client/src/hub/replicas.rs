//! Several servers that do the same, as one.

use std::{fmt, sync::Arc};

use mcp_protocol::tools::CallToolResult;
use serde::Serialize;
use tokio::time::Instant;

use super::{
    Affinity, Balance, Ejection, Hub, ReplicaRules, Server, ServerError, StateKind,
    group::{self, Group},
    member::Member,
};
use crate::{CallError, CallTool, Client};

/// Several servers of a [`Hub`] that do the same. Each call goes to one of them; one that keeps
/// failing gets none for a while.
///
/// What surely did not reach one replica is sent to another. A task stays with the replica that
/// made it, since its handle holds the connection; for other state that a server keeps between
/// calls, such as that of a session of a legacy server, [`choose`](Self::choose) with a key, or
/// take one replica with [`pinned`](Self::pinned) and call that.
///
/// Those of one server of the configuration are those of [`Server::replicas`].
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
pub struct Replicas {
    hub: Hub,
    group: Arc<Group>,
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

/// A replica that was chosen for one call, which counts as under way. Dropped before
/// [`ended`](Self::ended), the call counts as given up, which says nothing about the replica.
#[must_use = "dropping it gives the call up"]
pub struct ReplicaTurn {
    turn: group::Turn,
    hub: Hub,
}

impl ReplicaTurn {
    /// The replica.
    pub fn server(&self) -> Server {
        Server::new(self.hub.clone(), Member::One(Arc::clone(self.turn.slot())))
    }

    /// Says how the call ended: whether the replica answered it, be it with an error.
    pub fn ended(self, answered: bool) {
        self.turn.ended(answered);
    }
}

impl Hub {
    /// The servers whose names match a pattern, as of now, as one. Calls with a key stay with one
    /// of them that is of the legacy lifecycle.
    pub fn replicas(&self, pattern: &str, balance: Balance, ejection: Ejection) -> Replicas {
        let members = self.members();
        let meant = members.iter().filter(|one| crate::config::glob_matches(pattern, one.name()));
        let slots = meant.flat_map(|one| one.slots().to_vec()).collect();
        let rules = ReplicaRules { balance, affinity: Affinity::default(), ejection };
        Replicas::new(self.clone(), Arc::new(Group::new(pattern.to_owned(), None, slots, rules)))
    }
}

impl Replicas {
    pub(super) fn new(hub: Hub, group: Arc<Group>) -> Self {
        Self { hub, group }
    }

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
        self.group.call(call).await
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
        self.group.call_tool_with(name, arguments, &settings).await
    }

    /// Chooses one for a call that is made by other means, such as through layers of a program's
    /// own. `key` says which calls belong together: as far as the [`Affinity`] demands it, they go
    /// to the same replica for as long as that one is up. Those that were `tried`, by name, are
    /// passed over. `None` when no other is there; [`call`](Self::call) says why.
    pub fn choose(&self, key: Option<&str>, tried: &[impl AsRef<str>]) -> Option<ReplicaTurn> {
        let slots = &self.group.slots;
        let was_tried =
            |index: usize| tried.iter().any(|name| name.as_ref() == slots[index].name());
        let turn = self.group.turn(key, was_tried)?;
        Some(ReplicaTurn { turn, hub: self.hub.clone() })
    }

    /// One of the replicas, chosen as for a call: for calls that belong together. The same key
    /// gives the same replica for as long as that one is up.
    pub fn pinned(&self, key: &str) -> Option<Server> {
        let slot = self.group.pinned(key)?;
        Some(Server::new(self.hub.clone(), Member::One(Arc::clone(slot))))
    }

    /// Each by itself.
    pub fn servers(&self) -> Vec<Server> {
        let slots = self.group.slots.iter();
        slots.map(|slot| Server::new(self.hub.clone(), Member::One(Arc::clone(slot)))).collect()
    }

    /// All replicas.
    pub fn status(&self) -> Vec<ReplicaStatus> {
        let now = Instant::now();
        let states: Vec<_> =
            self.group.slots.iter().map(|slot| (slot.name().to_owned(), slot.kind())).collect();
        let balancer = self.group.lock();
        let of = |(index, (server, state))| ReplicaStatus {
            server,
            state,
            in_flight: balancer.in_flight(index),
            is_ejected: balancer.is_ejected(index, now),
        };
        states.into_iter().enumerate().map(of).collect()
    }
}

impl fmt::Debug for Replicas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replicas").field("name", &self.group.name()).finish_non_exhaustive()
    }
}

impl fmt::Debug for ReplicaTurn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReplicaTurn").field(&self.turn.slot().name()).finish()
    }
}
