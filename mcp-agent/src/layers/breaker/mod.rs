//! Leaves a server alone that keeps failing.

mod circuit;
mod gate;
#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

/// What the gate locks with. A model checker brings its own.
mod sync {
    pub(super) use std::sync::{Mutex, MutexGuard, PoisonError};
}

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, timeout};
use tower_layer::Layer;

pub use self::circuit::{BreakerPolicy, CircuitState};
use self::{
    circuit::Outcome,
    gate::{Gate, Permit},
};
use crate::{
    caller::{Call, CallError, Caller, Operation, Reply},
    layers::Trust,
};

/// Stops calling a server that fails again and again, and tries it again after a while with one
/// call. That call is a read where there is one: unless the waiting call itself surely changes
/// nothing, the server is first asked for a sign of life.
///
/// Failures are what the transport could not do, answers of the kind 5xx, and silence. A tool that
/// says `isError` and a JSON-RPC error are answers: the server works.
#[derive(Debug)]
pub struct Breaker<C> {
    inner: C,
    gate: Arc<Gate>,
    probe_timeout: Duration,
    trust: Arc<Trust>,
}

/// Makes [`Breaker`]s, each with a circuit of its own: one for each server.
#[derive(Clone, Debug)]
pub struct BreakerLayer {
    policy: BreakerPolicy,
    trust: Arc<Trust>,
}

/// What a circuit is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BreakerReport {
    /// Whether calls pass.
    pub state: CircuitState,
    /// How many calls failed in a row.
    pub failures: u32,
    /// When the server is tried again, for an open circuit.
    pub retry_in: Option<Duration>,
    /// How often the circuit opened.
    pub opened: u64,
    /// The last failure, if the circuit is not closed.
    pub reason: Option<Arc<str>>,
}

impl BreakerLayer {
    /// Circuits of this policy.
    pub fn new(policy: BreakerPolicy) -> Self {
        Self { policy, trust: Arc::default() }
    }

    /// Whose read-only tools may be the first call after a pause.
    #[must_use]
    pub fn trust(mut self, trust: impl Into<Arc<Trust>>) -> Self {
        self.trust = trust.into();
        self
    }
}

impl<C> Layer<C> for BreakerLayer {
    type Service = Breaker<C>;

    fn layer(&self, inner: C) -> Breaker<C> {
        Breaker {
            inner,
            gate: Arc::new(Gate::new(self.policy)),
            probe_timeout: self.policy.probe_timeout,
            trust: Arc::clone(&self.trust),
        }
    }
}

impl<C> Breaker<C> {
    /// What the circuit is doing.
    pub fn report(&self) -> BreakerReport {
        self.gate.report(Instant::now())
    }

    /// Something that goes on telling what the circuit is doing.
    pub(crate) fn watch(&self) -> impl Fn() -> BreakerReport + Send + Sync + 'static {
        let gate = Arc::clone(&self.gate);
        move || gate.report(Instant::now())
    }
}

impl<C: Caller> Breaker<C> {
    fn admit(&self, call: &Call) -> Result<Permit<'_>, CallError> {
        self.gate.admit(call, Instant::now()).map_err(|refused| CallError::CircuitOpen {
            server: Arc::clone(&call.server),
            failures: refused.failures,
            reason: refused.reason,
            retry_in: refused.retry_in,
        })
    }

    /// Asks for a sign of life, on behalf of the call that waits.
    async fn probe(&self, mut permit: Permit<'_>, call: &Call) {
        let mut ping = Call::new(Arc::clone(&call.server), Operation::Ping);
        ping.partition.clone_from(&call.partition);
        ping.own.clone_from(&call.own);
        // Another replica's sign of life says nothing of this one.
        ping.replica.clone_from(&call.replica);
        permit.tell(match timeout(self.probe_timeout, self.inner.call(ping)).await {
            Ok(outcome) => Outcome::of(outcome.as_ref()),
            Err(_) => {
                Outcome::Ill(format!("it gave no sign of life for {:?}", self.probe_timeout).into())
            }
        });
    }

    async fn pass(&self, mut permit: Permit<'_>, call: Call) -> Result<Reply, CallError> {
        let outcome = self.inner.call(call).await;
        permit.tell(Outcome::of(outcome.as_ref()));
        outcome
    }
}

impl<C: Caller> Caller for Breaker<C> {
    async fn call(&self, call: Call) -> Result<Reply, CallError> {
        let mut permit = self.admit(&call)?;
        if permit.is_probe() && !self.trust.knows_read(&call) {
            // In a box, since it is rare and would make the future of every call larger.
            Box::pin(self.probe(permit, &call)).await;
            permit = self.admit(&call)?;
        }
        self.pass(permit, call).await
    }
}
