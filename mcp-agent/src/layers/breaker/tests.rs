use std::{
    collections::BTreeMap,
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use proptest::prelude::*;
use serde_json::Map;
use tokio::time::{advance, sleep};

use super::{
    circuit::{Admission, Circuit},
    *,
};
use crate::{
    caller::{Answer, TimeScope},
    layers::{
        DeadlineLayer,
        testing::{Fake, on_paused_clock},
    },
    model::BoxFuture,
};

const SECOND: Duration = Duration::from_secs(1);

fn policy() -> BreakerPolicy {
    BreakerPolicy::default().failure_threshold(2).recovery_timeout(10 * SECOND)
}

fn ill() -> Outcome {
    Outcome::Ill("it broke off".into())
}

/// What to do with a circuit, and what it must answer.
#[derive(Debug)]
enum Do {
    /// Admit a call under this name; whether it passes.
    Admit(&'static str, bool),
    End(&'static str, Outcome),
    Wait(u64),
    See(CircuitState),
}

#[track_caller]
fn check(script: Vec<Do>) {
    let mut circuit = Circuit::new(policy());
    let mut now = Instant::now();
    let mut admitted = BTreeMap::new();
    for (line, step) in script.into_iter().enumerate() {
        match step {
            Do::Admit(name, passes) => {
                let admission = circuit.admit(now);
                assert_eq!(admission.is_ok(), passes, "line {line}: {admission:?}");
                if let Ok(admission) = admission {
                    admitted.insert(name, admission);
                }
            }
            Do::End(name, outcome) => {
                circuit.record(admitted[name], outcome, now);
            }
            Do::Wait(seconds) => now += Duration::from_secs(seconds),
            Do::See(state) => assert_eq!(circuit.report(now).state, state, "line {line}"),
        }
    }
}

#[test]
fn opens_after_failures_in_a_row_and_closes_after_one_good_probe() {
    use CircuitState::{Closed, HalfOpen, Open};
    use Do::{Admit, End, See, Wait};
    check(vec![
        Admit("a", true),
        End("a", ill()),
        Admit("b", true),
        End("b", Outcome::Well),
        Admit("c", true),
        End("c", ill()),
        See(Closed),
        Admit("d", true),
        End("d", ill()),
        See(Open),
        Admit("e", false),
        Wait(10),
        Admit("f", true),
        See(HalfOpen),
        Admit("g", false),
        End("f", Outcome::Well),
        See(Closed),
    ]);
}

#[test]
fn a_server_that_does_not_recover_is_left_alone_for_longer() {
    use Do::{Admit, End, See, Wait};
    check(vec![
        Admit("a", true),
        End("a", ill()),
        Admit("b", true),
        End("b", ill()),
        Wait(10),
        Admit("c", true),
        End("c", ill()),
        Wait(19),
        Admit("d", false),
        Wait(1),
        Admit("e", true),
        End("e", Outcome::Well),
        See(CircuitState::Closed),
    ]);
}

#[test]
fn a_probe_that_was_called_off_frees_its_place() {
    use Do::{Admit, End, Wait};
    check(vec![
        Admit("a", true),
        End("a", ill()),
        Admit("b", true),
        End("b", ill()),
        Wait(10),
        Admit("c", true),
        Admit("d", false),
        End("c", Outcome::Unknown),
        Admit("e", true),
    ]);
}

#[test]
fn a_straggler_decides_nothing() {
    use Do::{Admit, End, See};
    check(vec![
        Admit("late", true),
        Admit("a", true),
        Admit("b", true),
        End("a", ill()),
        End("b", ill()),
        See(CircuitState::Open),
        End("late", Outcome::Well),
        See(CircuitState::Open),
    ]);
}

fn broken(call: &Call) -> CallError {
    CallError::TimedOut {
        server: Arc::clone(&call.server),
        method: "tools/call",
        after: SECOND,
        scope: TimeScope::Attempt,
        sent: true,
    }
}

fn tool() -> Call {
    Call::tool("files", "write", Map::new())
}

#[tokio::test(start_paused = true)]
async fn asks_for_a_sign_of_life_before_a_call_that_may_change_something() {
    let pings = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&pings);
    let server = Arc::new(Fake::new(move |call, before| {
        let is_ping = *call.operation == Operation::Ping;
        counted.fetch_add(usize::from(is_ping), Ordering::Relaxed);
        Box::pin(async move {
            if before < 3 { Err(broken(&call)) } else { Ok(Reply::new(Answer::Pong)) }
        })
    }));
    let breaker = BreakerLayer::new(policy()).layer(Arc::clone(&server));
    for _ in 0..2 {
        breaker.call(tool()).await.unwrap_err();
    }
    let refused = breaker.call(tool()).await.unwrap_err();
    assert!(matches!(refused, CallError::CircuitOpen { failures: 2, .. }), "{refused}");
    assert!(!refused.was_sent());
    advance(10 * SECOND).await;
    // The ping fails: the tool is not called.
    breaker.call(tool()).await.unwrap_err();
    assert_eq!((server.calls(), pings.load(Ordering::Relaxed)), (3, 1));
    advance(20 * SECOND).await;
    breaker.call(tool()).await.unwrap();
    assert_eq!((server.calls(), pings.load(Ordering::Relaxed)), (5, 2));
    assert_eq!(breaker.report().state, CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_callers_patience_counts_but_its_change_of_mind_does_not() {
    let silent = Fake::new(|call, _| {
        Box::pin(async move {
            call.clock.attempt();
            std::future::pending().await
        })
    });
    let breaker = Arc::new(BreakerLayer::new(policy()).layer(silent));
    for _ in 0..5 {
        // Dropped by its owner.
        let _ = timeout(SECOND, breaker.call(tool())).await.unwrap_err();
    }
    assert_eq!(breaker.report().failures, 0);
    let patient = DeadlineLayer::call(SECOND).layer(Arc::clone(&breaker));
    for _ in 0..2 {
        patient.call(tool()).await.unwrap_err();
    }
    assert_eq!(breaker.report().state, CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_probe_frees_its_place() {
    let server = Fake::new(|call, before| -> BoxFuture<'static, _> {
        Box::pin(async move {
            match before {
                0 | 1 => Err(broken(&call)),
                2 => std::future::pending().await,
                _ => Ok(Reply::new(Answer::Pong)),
            }
        })
    });
    let breaker = BreakerLayer::new(policy()).layer(server);
    let read = || Call::new("files", Operation::Ping);
    for _ in 0..2 {
        breaker.call(read()).await.unwrap_err();
    }
    advance(10 * SECOND).await;
    let _ = timeout(SECOND, breaker.call(read())).await.unwrap_err();
    breaker.call(read()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_probe_asks_the_replica_that_the_call_is_for() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let server = Fake::new(move |call, before| -> BoxFuture<'static, _> {
        seen.lock()
            .unwrap()
            .push((matches!(*call.operation, Operation::Ping), call.replica.clone()));
        Box::pin(async move {
            if before < 2 { Err(broken(&call)) } else { Ok(Reply::new(Answer::Pong)) }
        })
    });
    let breaker = BreakerLayer::new(policy()).layer(server);
    let call = || {
        let mut call = tool();
        call.replica = Some("files-2".into());
        call
    };
    for _ in 0..2 {
        breaker.call(call()).await.unwrap_err();
    }
    advance(10 * SECOND).await;
    breaker.call(call()).await.unwrap();
    let asked = asked.lock().unwrap();
    let replica = Some("files-2".into());
    assert_eq!(asked[2..], [(true, replica.clone()), (false, replica)]);
}

/// A pseudo-random number generator, the same on every machine, so that a failure is replayed by
/// its seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Counts one while it lives.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> (Self, usize) {
        let before = count.fetch_add(1, Ordering::Relaxed);
        (Self(Arc::clone(count)), before)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

type Watch = Box<dyn Fn() -> BreakerReport + Send + Sync>;

/// Many callers, each with a will of its own, against a server that is ill for a while.
async fn simulate(seed: u64) {
    let ill_until = Instant::now() + Duration::from_secs(60);
    let (running, probing) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let watch: Arc<OnceLock<Watch>> = Arc::default();
    let dice = Arc::new(Mutex::new(Dice(seed | 1)));
    let server = {
        let (dice, running) = (Arc::clone(&dice), Arc::clone(&running));
        let watch = Arc::clone(&watch);
        Fake::new(move |call, _| {
            let takes = Duration::from_millis(dice.lock().unwrap().below(3000));
            let (is_running, _) = Counted::new(&running);
            let state = watch.get().unwrap()().state;
            assert_ne!(state, CircuitState::Open, "seed {seed}: a call passed an open circuit");
            let probe = (state == CircuitState::HalfOpen).then(|| {
                let (probe, others) = Counted::new(&probing);
                assert_eq!(others, 0, "seed {seed}: two probes at a time");
                probe
            });
            Box::pin(async move {
                let _held = (is_running, probe);
                call.clock.attempt();
                sleep(takes).await;
                if Instant::now() < ill_until {
                    return Err(broken(&call));
                }
                Ok(Reply::new(Answer::Pong))
            })
        })
    };
    let breaker = Arc::new(BreakerLayer::new(policy()).layer(server));
    assert!(watch.set(Box::new(breaker.watch())).is_ok());
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (breaker, dice) = (Arc::clone(&breaker), Arc::clone(&dice));
        callers.spawn(async move {
            for _ in 0..60 {
                let (pause, patience) = {
                    let mut dice = dice.lock().unwrap();
                    (dice.below(2000), 200 + dice.below(4000))
                };
                sleep(Duration::from_millis(pause)).await;
                let is_read = patience % 2 == 0;
                let call = if is_read { Call::new("files", Operation::Ping) } else { tool() };
                // Some lose patience: their calls are dropped wherever they are.
                let _ = timeout(Duration::from_millis(patience), breaker.call(call)).await;
            }
        });
    }
    while let Some(ended) = callers.join_next().await {
        ended.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
    assert!(breaker.report().opened > 0, "seed {seed}: it never opened");
    // However the calls ended, nothing is held any more, and a server that is well is used again.
    advance(Duration::from_secs(600)).await;
    assert_eq!(running.load(Ordering::Relaxed), 0, "seed {seed}");
    breaker.call(tool()).await.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    assert_eq!(breaker.report().state, CircuitState::Closed, "seed {seed}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Run one again with `PROPTEST_CASES=1` and the seed that a failure names.
    #[test]
    fn callers_that_come_and_go_never_wedge_it(seed in any::<u64>()) {
        on_paused_clock(simulate(seed));
    }

    /// Whatever happens, in whatever order: at most one probe at a time, and nobody passes an open
    /// circuit.
    #[test]
    fn one_probe_at_a_time(steps in proptest::collection::vec((0_u8..4, 0_u64..30), 0..200)) {
        let mut circuit = Circuit::new(policy());
        let mut now = Instant::now();
        let mut held: Vec<Admission> = Vec::new();
        for (what, size) in steps {
            match what {
                0 => {
                    let before = circuit.report(now);
                    let admission = circuit.admit(now);
                    if let Ok(admission) = admission {
                        prop_assert!(before.retry_in.unwrap_or_default().is_zero());
                        prop_assert!(before.state != CircuitState::HalfOpen);
                        held.push(admission);
                    }
                }
                1 => now += Duration::from_secs(size),
                _ if held.is_empty() => {}
                _ => {
                    let index = usize::try_from(size).unwrap() % held.len();
                    let admission = held.swap_remove(index);
                    let outcome = [Outcome::Well, ill(), Outcome::Unknown][usize::from(what + (size % 2) as u8) % 3].clone();
                    circuit.record(admission, outcome, now);
                }
            }
        }
        for admission in held {
            circuit.record(admission, Outcome::Unknown, now);
        }
        prop_assert!(circuit.admit(now + Duration::from_secs(301)).is_ok());
    }
}
