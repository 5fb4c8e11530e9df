//! Servers that do the same: which of them takes a call.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mcp_protocol::{tools::CallToolResult, version::Era};
use serde::Serialize;
use tokio::time::Instant;

use super::{
    Affinity, Availability, Catalog, Health, ReplicaRules, ServerError, ServerStatus, StateKind,
    balance::{Balancer, Ended},
    configured::Configured,
    slot::{Condition, Slot},
};
use crate::{CallError, CallTool, Client, config::ServerConfig, random::fraction};

/// The replicas of one server, and what is known of their calls.
pub(super) struct Group {
    /// What people call the server.
    name: String,
    /// How it is configured; nothing for servers that were put together by a program.
    pub(super) config: Configured,
    pub(super) slots: Vec<Arc<Slot>>,
    affinity: Affinity,
    balancer: Mutex<Balancer>,
}

impl Group {
    pub(super) fn new(
        name: String,
        config: Option<ServerConfig>,
        slots: Vec<Arc<Slot>>,
        rules: ReplicaRules,
    ) -> Self {
        let balancer = Balancer::new(slots.len(), rules.balance, rules.ejection);
        let (config, affinity) = (Configured::new(config), rules.affinity);
        Self { name, config, slots, affinity, balancer: Mutex::new(balancer) }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Balancer> {
        self.balancer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Chooses for a call, and counts it as begun. One that is starting, or not started yet, is
    /// chosen when no other is up.
    fn choose(&self, key: Option<&str>, tried: impl Fn(usize) -> bool) -> Option<usize> {
        let now = Instant::now();
        let conditions: Vec<_> = (0..self.slots.len())
            .map(|index| if tried(index) { Condition::Out } else { self.slots[index].condition() })
            .collect();
        let mut balancer = self.lock();
        let kept = key.and_then(|key| self.kept(key, &conditions, &balancer, now));
        if let Some(index) = kept {
            balancer.begin(index);
            return Some(index);
        }
        for condition in [Condition::Ready, Condition::Degraded, Condition::Coming] {
            let is_so = |index: usize| conditions[index] == condition;
            let Some(index) = balancer.choose(now, is_so, fraction) else { continue };
            drop(balancer);
            if condition == Condition::Coming {
                // Those that waited for their first use are all of use now.
                let waiting = self.slots.iter().enumerate().filter(|(index, _)| is_so(*index));
                waiting.for_each(|(_, slot)| slot.wake());
            }
            return Some(index);
        }
        None
    }

    /// The replica that calls with this key stay with, if they do.
    fn kept(
        &self,
        key: &str,
        conditions: &[Condition],
        balancer: &Balancer,
        now: Instant,
    ) -> Option<usize> {
        if self.affinity == Affinity::Never {
            return None;
        }
        let is_up = |index: &usize| {
            matches!(conditions[*index], Condition::Ready | Condition::Degraded)
                && !balancer.is_ejected(*index, now)
        };
        // The highest of the hashes: one that goes away moves only its own keys.
        let rank_of = |index: &usize| rank(self.slots[*index].name(), key);
        let index = (0..self.slots.len()).filter(is_up).max_by_key(rank_of)?;
        let keeps = match self.affinity {
            Affinity::Always => true,
            _ => self.slots[index]
                .client()
                .is_some_and(|client| client.server().protocol_version.era() == Era::Legacy),
        };
        keeps.then_some(index)
    }

    /// The replica that is up and whose turn is next by a key, whatever the affinity is.
    pub(super) fn pinned(&self, key: &str) -> Option<&Arc<Slot>> {
        let up = self.slots.iter().filter(|slot| slot.client().is_some());
        up.max_by_key(|slot| rank(slot.name(), key)).or_else(|| self.slots.first())
    }

    /// The first one that is of most use now; for what is no single call.
    pub(super) fn first(&self) -> Option<&Arc<Slot>> {
        self.slots.iter().min_by_key(|slot| slot.condition())
    }

    /// Calls one of the replicas, and another when the first surely was not reached.
    pub(super) async fn call<T, F, Fut>(self: &Arc<Self>, call: F) -> Result<T, ServerError>
    where
        F: Fn(Client) -> Fut,
        Fut: Future<Output = Result<T, CallError>>,
    {
        let mut tries = Tries::default();
        loop {
            let turn =
                self.turn(None, |index| tries.0.contains(&index)).ok_or_else(|| self.none())?;
            let outcome = turn.slot().call(&call).await;
            if let Some(outcome) = tries.settle(turn, outcome) {
                return outcome;
            }
        }
    }

    /// Calls a tool of one of the replicas.
    pub(super) async fn call_tool_with<F>(
        self: &Arc<Self>,
        name: &str,
        arguments: &(impl Serialize + Sync + ?Sized),
        settings: &F,
    ) -> Result<CallToolResult, ServerError>
    where
        F: for<'a> Fn(CallTool<'a>) -> CallTool<'a> + Sync,
    {
        let mut tries = Tries::default();
        loop {
            let turn =
                self.turn(None, |index| tries.0.contains(&index)).ok_or_else(|| self.none())?;
            let outcome = turn.slot().call_tool_with(name, arguments, settings).await;
            if let Some(outcome) = tries.settle(turn, outcome) {
                return outcome;
            }
        }
    }

    /// The next call's turn.
    pub(super) fn turn(
        self: &Arc<Self>,
        key: Option<&str>,
        tried: impl Fn(usize) -> bool,
    ) -> Option<Turn> {
        let index = self.choose(key, tried)?;
        Some(Turn { group: Arc::clone(self), index, started: Instant::now(), answered: None })
    }

    /// Why no replica takes a call.
    pub(super) fn none(&self) -> ServerError {
        let server = self.name.clone();
        match self.first().map(|slot| slot.unavailable()) {
            Some(ServerError::Unavailable { state, source, .. }) => {
                let retry_in = self.slots.iter().filter_map(|slot| slot.retry_in()).min();
                ServerError::Unavailable { server, state, retry_in, source }
            }
            Some(ServerError::Refused { source, .. }) => ServerError::Refused { server, source },
            Some(other) => other,
            None => ServerError::Unavailable {
                server,
                state: StateKind::Stopped,
                retry_in: None,
                source: None,
            },
        }
    }

    /// All as one: up while one of them is. There is at least one.
    pub(super) fn status(&self) -> ServerStatus {
        let lead = &self.slots[0];
        let replicas: Vec<_> = self.slots.iter().map(|slot| slot.status()).collect();
        let mut status = self.first().unwrap_or(lead).status();
        self.name.clone_into(&mut status.name);
        status.endpoint = format!("{} replicas: {}", replicas.len(), lead.endpoint);
        if status.state.client().is_none() {
            status.retry_at = replicas.iter().filter_map(|replica| replica.retry_at).min();
        }
        status.restarts = replicas.iter().map(|replica| replica.restarts).sum();
        status.health = Health::of_all(replicas.iter().map(|replica| &replica.health));
        status.drift = lead.status().drift;
        status.replicas = replicas;
        status
    }

    /// What the first one that is up offers; else what any of them offered last. There is at least
    /// one.
    pub(super) fn catalog(&self) -> Catalog {
        let all: Vec<_> = self.slots.iter().map(|slot| slot.catalog()).collect();
        // Each change of any of them counts, so that it only grows.
        let generation = all.iter().map(|catalog| catalog.generation).sum();
        let is_up = |catalog: &&Catalog| catalog.availability == Availability::Available;
        let is_told = |catalog: &&Catalog| catalog.generation > 0;
        let best = all.iter().filter(is_up).find(is_told).or_else(|| all.iter().find(is_told));
        let mut catalog = best.unwrap_or(&all[0]).clone();
        catalog.generation = generation;
        if let Some(first) = self.first() {
            catalog.availability = first.catalog().availability;
        }
        catalog
    }
}

/// The replicas that surely were not reached by a call.
#[derive(Default)]
struct Tries(Vec<usize>);

impl Tries {
    /// Ends a turn. Gives the outcome, unless another replica is to be tried.
    fn settle<T>(
        &mut self,
        turn: Turn,
        outcome: Result<T, ServerError>,
    ) -> Option<Result<T, ServerError>> {
        let error = match outcome {
            Ok(answer) => {
                turn.ended(true);
                return Some(Ok(answer));
            }
            Err(error) => error,
        };
        let (answered, again) = match &error {
            ServerError::Call { source, .. } => (source.is_answer(), !source.was_sent()),
            _ => (false, true),
        };
        self.0.push(turn.index);
        let is_last = self.0.len() == turn.group.slots.len();
        let name = turn.slot().name().to_owned();
        turn.ended(answered);
        if !again || is_last {
            return Some(Err(error));
        }
        tracing::debug!(server = name, %error, "another replica is tried");
        None
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

/// A call under way at one replica. Dropped before its end, it counts as given up.
pub(super) struct Turn {
    group: Arc<Group>,
    index: usize,
    started: Instant,
    /// Whether it ended, with an answer or without.
    answered: Option<bool>,
}

impl Turn {
    pub(super) fn slot(&self) -> &Arc<Slot> {
        &self.group.slots[self.index]
    }

    pub(super) fn ended(mut self, answered: bool) {
        self.answered = Some(answered);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let now = Instant::now();
        let ended = match self.answered {
            Some(true) => Ended::Answered(now - self.started),
            Some(false) => Ended::Failed,
            None => Ended::Dropped,
        };
        if self.group.lock().end(self.index, now, ended) {
            let server = self.slot().name();
            tracing::warn!(server, "the replica gets no calls for a while");
        }
    }
}
