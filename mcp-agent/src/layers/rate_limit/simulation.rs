//! Callers that come, wait and give up as chance has it, replayed by a seed.

use std::sync::{
    Mutex,
    atomic::{AtomicU32, Ordering},
};

use proptest::prelude::*;
use serde_json::Map;
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use super::*;
use crate::{
    caller::Answer,
    layers::testing::{Fake, on_paused_clock},
};

const SECOND: Duration = Duration::from_secs(1);
/// What timers may be late: they go by milliseconds.
const GRAIN: Duration = Duration::from_millis(2);

/// A pseudo-random number generator, the same on every machine.
struct Dice(Mutex<u64>);

impl Dice {
    fn below(&self, bound: u64) -> u64 {
        let mut state = self.0.lock().unwrap();
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        *state % bound
    }
}

/// A call that was let through.
#[derive(Clone, Copy, Debug)]
struct Passed {
    /// The how manieth it was to come.
    number: u32,
    came: Instant,
    began: Instant,
}

/// What the callers did, in the order in which their calls were let through.
async fn simulate(seed: u64) {
    let dice = Arc::new(Dice(Mutex::new(seed | 1)));
    let calls = 1 + u32::try_from(dice.below(8)).unwrap();
    let burst = 1 + u32::try_from(dice.below(4)).unwrap();
    let rules = RateRules::server(Rate::new(calls, SECOND).burst(burst));
    let order = Arc::<Mutex<Vec<Instant>>>::default();
    let begun = Arc::clone(&order);
    let server = Fake::new(move |_, _| {
        begun.lock().unwrap().push(Instant::now());
        Box::pin(async { Ok(Reply::new(Answer::Pong)) })
    });
    let limiter = Arc::new(RateLimitLayer::new(rules).layer(server));
    let (coming, through) = (Arc::<AtomicU32>::default(), Arc::<Mutex<Vec<Passed>>>::default());
    let mut callers = JoinSet::new();
    for _ in 0..6 {
        let (dice, limiter) = (Arc::clone(&dice), Arc::clone(&limiter));
        let (coming, through) = (Arc::clone(&coming), Arc::clone(&through));
        callers.spawn(async move {
            for _ in 0..20 {
                sleep(Duration::from_millis(dice.below(1500))).await;
                // One in three gives up before long, also whoever is the next.
                let patience = match dice.below(3) {
                    0 => Duration::from_millis(dice.below(700)),
                    _ => 1000 * SECOND,
                };
                let came = Instant::now();
                let number = coming.fetch_add(1, Ordering::Relaxed);
                let call = Call::tool("db", "query", Map::new());
                if let Ok(reply) = timeout(patience, limiter.call(call)).await {
                    reply.unwrap();
                    through.lock().unwrap().push(Passed { number, came, began: Instant::now() });
                }
            }
        });
    }
    while let Some(ended) = callers.join_next().await {
        ended.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
    // Whoever gave up left nothing behind: the next one passes.
    let wait = timeout(2 * SECOND, limiter.call(Call::tool("db", "query", Map::new()))).await;
    assert!(wait.is_ok(), "seed {seed}: the turn is lost");
    let begun = order.lock().unwrap().clone();
    for (first, from) in begun.iter().enumerate() {
        for (last, to) in begun.iter().enumerate().skip(first) {
            let count = f64::from(u32::try_from(last - first + 1).unwrap());
            let time = (*to - *from).as_secs_f64();
            let allowed = f64::from(burst) + time * f64::from(calls) + 1e-6;
            assert!(count <= allowed, "seed {seed}: {count} calls in {time} s");
        }
    }
    let through = through.lock().unwrap().clone();
    assert!(through.windows(2).all(|two| two[0].number < two[1].number), "seed {seed}: overtaken");
    let interval = SECOND / calls + GRAIN;
    for two in through.windows(2) {
        // Nobody waits longer than the rate demands once those before it are through.
        let waited = two[1].began - two[1].came.max(two[0].began);
        assert!(waited <= interval, "seed {seed}: {two:?} waited for {waited:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// In turn, never faster than the rate, never slower than it demands, whoever gives up.
    #[test]
    fn turns_are_kept_whoever_gives_up(seed in any::<u64>()) {
        on_paused_clock(simulate(seed));
    }
}
