//! Readers and writers that come and go as chance has it, replayed by a seed.

use std::sync::atomic::AtomicUsize;

use proptest::prelude::*;
use serde_json::{Map, json};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use super::*;
use crate::{
    caller::ToolHints,
    layers::testing::{Fake, on_paused_clock},
};

const PARTITIONS: [&str; 2] = ["blue", "green"];

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

    async fn pause(&self, millis: u64) {
        let pause = self.below(millis);
        sleep(Duration::from_millis(pause)).await;
    }
}

fn answer(version: u64, partition: &str) -> Reply {
    let result = json!({"content": [{"type": "text", "text": format!("{version} {partition}")}]});
    Reply::from(serde_json::from_value::<CallToolResult>(result).unwrap())
}

/// A store with one value, whose reads and writes take their time before and after it is looked at.
fn store(dice: &Arc<Dice>, version: &Arc<AtomicU64>) -> Fake {
    let (dice, version) = (Arc::clone(dice), Arc::clone(version));
    Fake::new(move |call, _| {
        let (dice, version) = (Arc::clone(&dice), Arc::clone(&version));
        Box::pin(async move {
            dice.pause(300).await;
            let value = match call.operation.tool() {
                Some("insert") => version.fetch_add(1, Ordering::Relaxed) + 1,
                _ => version.load(Ordering::Relaxed),
            };
            dice.pause(300).await;
            Ok(answer(value, call.partition.as_deref().unwrap_or_default()))
        })
    })
}

fn call(tool: &str, partition: &str) -> Call {
    let hints = ToolHints { read_only: tool == "query", ..ToolHints::default() };
    Call::tool("db", tool, Map::new()).hints(hints).partition(partition)
}

async fn simulate(seed: u64) {
    let dice = Arc::new(Dice(Mutex::new(seed | 1)));
    let version = Arc::<AtomicU64>::default();
    let rules = CacheRules::new(Duration::from_secs(2));
    let layer = CacheLayer::new(ResultCache::new(rules, Trust::Everybody));
    let cache = Arc::new(layer.layer(store(&dice, &version)));
    // The newest write of which some caller knows that it was made.
    let known = Arc::<AtomicU64>::default();
    let hits = Arc::<AtomicUsize>::default();
    let mut callers = JoinSet::new();
    for number in 0..6 {
        let (dice, cache) = (Arc::clone(&dice), Arc::clone(&cache));
        let (known, hits) = (Arc::clone(&known), Arc::clone(&hits));
        callers.spawn(async move {
            for _ in 0..40 {
                dice.pause(500).await;
                let patience = Duration::from_millis(100 + dice.below(900));
                if number == 0 {
                    if let Ok(reply) = timeout(patience, cache.call(call("insert", "blue"))).await {
                        let (made, _) = said(reply.unwrap());
                        known.fetch_max(made, Ordering::Relaxed);
                    }
                    continue;
                }
                let partition = PARTITIONS[number % PARTITIONS.len()];
                let oldest = known.load(Ordering::Relaxed);
                // Some lose patience, those among them for whom others wait.
                let reading = timeout(patience, cache.call(call("query", partition))).await;
                let Ok(reply) = reading else { continue };
                let reply = reply.unwrap();
                hits.fetch_add(usize::from(reply.from_cache), Ordering::Relaxed);
                let (read, of) = said(reply);
                assert!(read >= oldest, "seed {seed}: read {read} after {oldest} was written");
                assert_eq!(of, partition, "seed {seed}: another's result");
            }
        });
    }
    while let Some(ended) = callers.join_next().await {
        ended.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
    assert!(hits.load(Ordering::Relaxed) > 0, "seed {seed}: it kept nothing");
}

fn said(reply: Reply) -> (u64, String) {
    let text = reply.into_tool().unwrap().joined_text();
    let (version, partition) = text.split_once(' ').unwrap();
    (version.parse().unwrap(), partition.to_owned())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Nobody reads what was old before the read began, and nobody reads another's result.
    #[test]
    fn a_read_sees_every_write_that_was_over_before_it(seed in any::<u64>()) {
        on_paused_clock(simulate(seed));
    }
}
