//! Every interleaving of callers that meet a breaker whose pause is over, tried by a model checker.

use std::time::Duration;

use loom::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};
use tokio::time::Instant;

use self::gate::Gate;
use super::{
    BreakerPolicy, BreakerReport, CircuitState,
    circuit::{self, Outcome},
};
use crate::caller::{Call, Operation};

/// What the gate locks with here.
mod sync {
    pub(super) use std::sync::PoisonError;

    pub(super) use loom::sync::{Mutex, MutexGuard};
}

#[path = "gate.rs"]
#[expect(clippy::duplicate_mod, reason = "the same code with the checker's lock")]
mod gate;

/// How the call of one caller ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Well,
    Ill,
    /// Its caller drops it.
    Dropped,
}

fn outcome(end: End) -> Option<Outcome> {
    match end {
        End::Well => Some(Outcome::Well),
        End::Ill => Some(Outcome::Ill("it broke off".into())),
        End::Dropped => None,
    }
}

/// What became of one caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Passed {
    No,
    AsProbe(End),
    /// The breaker was closed again.
    Freely,
}

fn ping() -> Call {
    Call::new("files", Operation::Ping)
}

fn call(gate: &Gate, probes: &AtomicUsize, end: End, now: Instant) -> Passed {
    let Ok(mut permit) = gate.admit(&ping(), now) else { return Passed::No };
    let passed = if permit.is_probe() { Passed::AsProbe(end) } else { Passed::Freely };
    if permit.is_probe() {
        assert_eq!(probes.fetch_add(1, Ordering::SeqCst), 0, "two probes at a time");
        // Others may come in the middle of it.
        thread::yield_now();
        probes.fetch_sub(1, Ordering::SeqCst);
    }
    if let Some(outcome) = outcome(end) {
        permit.tell(outcome);
    }
    passed
}

/// Callers with these ends, side by side.
fn check(ends: [End; 2]) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = model.preemption_bound.or(Some(3));
    model.check(move || {
        let opened = Instant::now();
        let over = opened + Duration::from_secs(3600);
        let gate = Arc::new(Gate::new(BreakerPolicy::default().failure_threshold(1)));
        let Ok(mut permit) = gate.admit(&ping(), opened) else {
            panic!("a new breaker is closed");
        };
        permit.tell(Outcome::Ill("it broke off".into()));
        drop(permit);
        assert_eq!(gate.report(opened).state, CircuitState::Open);

        let probes = Arc::new(AtomicUsize::new(0));
        let callers = ends.map(|end| {
            let (gate, probes) = (Arc::clone(&gate), Arc::clone(&probes));
            thread::spawn(move || call(&gate, &probes, end, over))
        });
        let passed = callers.map(|caller| caller.join().unwrap());
        let is_probe = |passed: &Passed| matches!(passed, Passed::AsProbe(_));
        assert!(passed.iter().any(is_probe), "nobody tried the server again");
        if passed.contains(&Passed::Freely) {
            assert!(passed.contains(&Passed::AsProbe(End::Well)), "nobody found it well");
        }
        // Whatever happened, nobody holds the place of the probe any more.
        let much_later = over + Duration::from_secs(3600);
        assert_ne!(gate.report(much_later).state, CircuitState::HalfOpen);
        assert!(gate.admit(&ping(), much_later).is_ok());
    });
}

#[test]
fn one_probe_at_a_time_and_its_place_is_free_again() {
    use End::{Dropped, Ill, Well};
    for ends in [[Well, Well], [Ill, Well], [Dropped, Well], [Dropped, Ill], [Dropped, Dropped]] {
        check(ends);
    }
}
