//! Callers: they use whatever is up, and look closely at every answer.

use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Result, bail};
use mcp_client::{Hub, ServerError};
use serde_json::json;
use tokio::{sync::watch, time::timeout};

use super::random::Random;

/// What became of calls.
const OUTCOMES: [&str; 6] = ["good", "refused", "unavailable", "failed", "given up", "WRONG"];

#[derive(Clone, Copy)]
enum Outcome {
    Good,
    Refused,
    Unavailable,
    Failed,
    GivenUp,
    Wrong,
}

/// All callers together.
#[derive(Clone, Default)]
pub(crate) struct Load(Arc<Counters>);

#[derive(Default)]
struct Counters {
    outcomes: [AtomicU64; OUTCOMES.len()],
    busy: AtomicUsize,
    idle: watch::Sender<()>,
}

impl Load {
    /// Calls one server after another for as long as there is a storm.
    pub(crate) async fn caller(
        self,
        hub: Hub,
        mut storm: watch::Receiver<bool>,
        mut random: Random,
    ) {
        // The sender lives as long as the run.
        while storm.wait_for(|storm| *storm).await.is_ok() {
            self.0.busy.fetch_add(1, Ordering::Relaxed);
            let servers = hub.servers();
            if let Some(server) = random.pick(&servers) {
                let outcome = call(server, &mut random).await;
                self.0.outcomes[outcome as usize].fetch_add(1, Ordering::Relaxed);
                if matches!(outcome, Outcome::Unavailable) {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
            if self.0.busy.fetch_sub(1, Ordering::Relaxed) == 1 {
                self.0.idle.send_replace(());
            }
        }
    }

    /// Waits until no call is under way.
    pub(crate) async fn is_idle(&self) {
        let mut idle = self.0.idle.subscribe();
        while self.0.busy.load(Ordering::Relaxed) > 0 {
            if idle.changed().await.is_err() {
                return;
            }
        }
    }

    fn count(&self, outcome: Outcome) -> u64 {
        self.0.outcomes[outcome as usize].load(Ordering::Relaxed)
    }

    pub(crate) fn counts(&self) -> String {
        let mut text = String::new();
        for (name, count) in OUTCOMES.iter().zip(&self.0.outcomes) {
            // Writing to a text cannot fail.
            let _ = write!(text, "{} {name}, ", count.load(Ordering::Relaxed));
        }
        text.trim_end_matches(", ").to_owned()
    }

    /// Fails if an answer was wrong, or nothing worked.
    pub(crate) fn judge(&self) -> Result<()> {
        if self.count(Outcome::Wrong) > 0 {
            bail!("{} wrong answers", self.count(Outcome::Wrong));
        }
        if self.count(Outcome::Good) == 0 {
            bail!("not one call worked");
        }
        Ok(())
    }
}

async fn call(server: &mcp_client::Server, random: &mut Random) -> Outcome {
    let number = random.below(1_000_000);
    let name = server.name();
    let (tool, arguments, expected) = if name.starts_with("demo") || name.starts_with("web") {
        let expression = format!("{number} + 1");
        ("calculator", json!({"expression": expression}), (number + 1).to_string())
    } else if name.starts_with("socket") {
        ("echo", json!({"text": number.to_string()}), number.to_string())
    } else {
        ("good", json!({}), "ok".to_owned())
    };
    // Some callers lose patience at any moment.
    let patience = match random.below(8) {
        0 => Duration::from_micros(random.below(3_000)),
        _ => Duration::from_secs(10),
    };
    let outcome = if random.below(16) == 0 {
        let listing = server.call(|client| async move { client.list_tools().await });
        let listed = timeout(patience, listing).await;
        listed.map(|outcome| outcome.map(|list| !list.items.is_empty()))
    } else {
        let calling = timeout(patience, server.call_tool(tool, &arguments)).await;
        calling.map(|outcome| outcome.map(|result| result.joined_text() == expected))
    };
    match outcome {
        Err(_) => Outcome::GivenUp,
        Ok(Ok(true)) => Outcome::Good,
        Ok(Ok(false)) => {
            eprintln!("a wrong answer of {name}");
            Outcome::Wrong
        }
        Ok(Err(ServerError::Unavailable { .. })) => Outcome::Unavailable,
        Ok(Err(ServerError::Call { source, .. })) if source.is_answer() => Outcome::Refused,
        Ok(Err(_)) => Outcome::Failed,
    }
}
