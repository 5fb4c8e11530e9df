//! The circuit behind its lock, and the right to make one call.

use tokio::time::Instant;

use super::{
    BreakerPolicy, BreakerReport,
    circuit::{Admission, Circuit, Outcome, Refused},
    sync::{Mutex, MutexGuard, PoisonError},
};
use crate::caller::Call;

/// Lets calls pass, or not.
#[derive(Debug)]
pub(super) struct Gate(Mutex<Circuit>);

impl Gate {
    pub(super) fn new(policy: BreakerPolicy) -> Self {
        Self(Mutex::new(Circuit::new(policy)))
    }

    pub(super) fn report(&self, now: Instant) -> BreakerReport {
        self.lock().report(now)
    }

    pub(super) fn admit(&self, call: &Call, now: Instant) -> Result<Permit<'_>, Refused> {
        let admission = self.lock().admit(now)?;
        let attempts = call.clock.attempts();
        Ok(Permit { gate: self, admission, call: call.clone(), attempts, told: None })
    }

    fn lock(&self) -> MutexGuard<'_, Circuit> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to make one call. A call that is dropped says nothing, unless its time was over.
#[derive(Debug)]
pub(super) struct Permit<'a> {
    gate: &'a Gate,
    admission: Admission,
    call: Call,
    /// How often the call had been sent before it came here.
    attempts: u32,
    told: Option<Outcome>,
}

impl Permit<'_> {
    /// Whether the call shows if the server works again.
    pub(super) fn is_probe(&self) -> bool {
        self.admission.is_probe
    }

    /// How the call ended.
    pub(super) fn tell(&mut self, outcome: Outcome) {
        self.told = Some(outcome);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let outcome = self.told.take().unwrap_or_else(|| {
            let clock = &self.call.clock;
            if clock.is_expired() && clock.attempts() > self.attempts {
                Outcome::Ill("it did not answer in time".into())
            } else {
                Outcome::Unknown
            }
        });
        let opened = self.gate.lock().record(self.admission, outcome, Instant::now());
        if opened {
            tracing::warn!(server = %self.call.server, "the server fails too often: it is left alone");
        }
    }
}
