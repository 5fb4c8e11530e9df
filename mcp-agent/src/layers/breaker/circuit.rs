//! When calls pass: the rules alone, without lock, clock or waiting.

use std::{fmt, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::BreakerReport;
use crate::caller::{CallError, Reply, Verdict};

/// When a server is left alone, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BreakerPolicy {
    /// How many calls must fail in a row.
    pub failure_threshold: u32,
    /// How long the server is left alone; twice as long each time it does not recover.
    pub recovery_timeout: Duration,
    /// The longest it is left alone.
    pub max_recovery_timeout: Duration,
    /// How long it has for a sign of life.
    pub probe_timeout: Duration,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self {
            failure_threshold: 5,
            recovery_timeout: Duration::from_secs(15),
            max_recovery_timeout: Duration::from_secs(300),
            probe_timeout: Duration::from_secs(10),
        }
    }
}

impl BreakerPolicy {
    /// How many calls must fail in a row; at least 1.
    #[must_use]
    pub fn failure_threshold(mut self, failures: u32) -> Self {
        self.failure_threshold = failures.max(1);
        self
    }

    /// How long the server is left alone at first.
    #[must_use]
    pub fn recovery_timeout(mut self, time: Duration) -> Self {
        self.recovery_timeout = time;
        self.max_recovery_timeout = self.max_recovery_timeout.max(time);
        self
    }

    /// How long it has for a sign of life.
    #[must_use]
    pub fn probe_timeout(mut self, time: Duration) -> Self {
        self.probe_timeout = time;
        self
    }
}

/// Whether calls pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CircuitState {
    /// All do.
    Closed,
    /// None does.
    Open,
    /// One does, to see whether the server works again.
    HalfOpen,
}

impl fmt::Display for CircuitState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        })
    }
}

/// How a call ended, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Well,
    Ill(Arc<str>),
    Unknown,
}

impl Outcome {
    pub(super) fn of(outcome: Result<&Reply, &CallError>) -> Self {
        let Err(error) = outcome else { return Self::Well };
        match error.verdict() {
            Verdict::Well => Self::Well,
            Verdict::Ill => Self::Ill(error.explain().into()),
            Verdict::Unknown => Self::Unknown,
        }
    }
}

/// A call may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Admission {
    epoch: u64,
    pub(super) is_probe: bool,
}

/// A call may not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) failures: u32,
    pub(super) reason: Arc<str>,
    pub(super) retry_in: Duration,
}

#[derive(Debug)]
pub(super) struct Circuit {
    policy: BreakerPolicy,
    state: State,
    failures: u32,
    reason: Option<Arc<str>>,
    /// How long the server is left alone the next time.
    pause: Duration,
    opened: u64,
    /// Counts transitions, so that a call that was admitted before one decides nothing after it.
    epoch: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Open { until: Instant },
    HalfOpen,
}

impl Circuit {
    pub(super) fn new(policy: BreakerPolicy) -> Self {
        Self {
            policy,
            state: State::Closed,
            failures: 0,
            reason: None,
            pause: policy.recovery_timeout,
            opened: 0,
            epoch: 0,
        }
    }

    /// Admits a call, or says when to ask again.
    pub(super) fn admit(&mut self, now: Instant) -> Result<Admission, Refused> {
        let is_probe = match self.state {
            State::Closed => false,
            State::Open { until } if now < until => return Err(self.refuse(until - now)),
            // Open => HalfOpen: the pause is over, this call is the probe.
            State::Open { .. } => {
                self.enter(State::HalfOpen);
                true
            }
            State::HalfOpen => return Err(self.refuse(self.policy.probe_timeout)),
        };
        Ok(Admission { epoch: self.epoch, is_probe })
    }

    /// Takes note of how an admitted call ended. Returns whether the circuit opened for it.
    pub(super) fn record(&mut self, admitted: Admission, outcome: Outcome, now: Instant) -> bool {
        if admitted.epoch != self.epoch {
            return false;
        }
        match (self.state, outcome) {
            (State::Closed, Outcome::Well) => self.failures = 0,
            (State::Closed, Outcome::Unknown) | (State::Open { .. }, _) => {}
            (State::Closed, Outcome::Ill(reason)) => {
                self.failures = self.failures.saturating_add(1);
                self.reason = Some(reason);
                // Closed => Open: one too many.
                if self.failures >= self.policy.failure_threshold {
                    self.open(now);
                    return true;
                }
            }
            // HalfOpen => Closed: the server works again.
            (State::HalfOpen, Outcome::Well) => {
                self.failures = 0;
                self.reason = None;
                self.pause = self.policy.recovery_timeout;
                self.enter(State::Closed);
            }
            // HalfOpen => Open: not yet; it is left alone for longer.
            (State::HalfOpen, Outcome::Ill(reason)) => {
                self.failures = self.failures.saturating_add(1);
                self.reason = Some(reason);
                self.open(now);
            }
            // HalfOpen => Open, but the next call is a probe again: this one was called off.
            (State::HalfOpen, Outcome::Unknown) => self.enter(State::Open { until: now }),
        }
        false
    }

    pub(super) fn report(&self, now: Instant) -> BreakerReport {
        let (state, retry_in) = match self.state {
            State::Closed => (CircuitState::Closed, None),
            State::Open { until } => {
                (CircuitState::Open, Some(until.saturating_duration_since(now)))
            }
            State::HalfOpen => (CircuitState::HalfOpen, None),
        };
        BreakerReport {
            state,
            failures: self.failures,
            retry_in,
            opened: self.opened,
            reason: self.reason.clone().filter(|_| state != CircuitState::Closed),
        }
    }

    fn open(&mut self, now: Instant) {
        self.enter(State::Open { until: now + self.pause });
        self.opened += 1;
        self.pause = self.pause.saturating_mul(2).min(self.policy.max_recovery_timeout);
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.epoch += 1;
    }

    fn refuse(&self, retry_in: Duration) -> Refused {
        Refused {
            failures: self.failures,
            reason: self.reason.clone().unwrap_or_else(|| "it is being tried".into()),
            retry_in,
        }
    }
}
